#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

static HR_NORETURN void out_of_memory(size_t count, size_t size)
{
	(void)fprintf(stderr, "error code=nomem msg=\"could not get %zu x %zu bytes of memory\"\n", count, size);
	abort();
}

static void *take(size_t count, size_t size, size_t *ret_bytes)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - HUGE_PAGE)
		out_of_memory(count, size);
	const size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : HR_CACHE_LINE;
	bytes = bytes == 0 ? align : (bytes + align - 1) / align * align;
	void *p = aligned_alloc(align, bytes);
	if (p == NULL)
		out_of_memory(count, size);
	if (align == HUGE_PAGE)
		(void)madvise(p, bytes, MADV_HUGEPAGE); /* a wish: a kernel without them is only slower */
	*ret_bytes = bytes;
	return p;
}

void *hr_alloc(size_t count, size_t size)
{
	size_t bytes;
	void *p = take(count, size, &bytes);

	return memset(p, 0, bytes);
}

void *hr_alloc_blank(size_t count, size_t size)
{
	size_t bytes;

	return take(count, size, &bytes);
}

void *hr_grow(void *p, size_t *cap, size_t need, size_t size)
{
	if (need <= *cap)
		return p;
	size_t more = *cap < 16 ? 16 : *cap;
	while (more < need)
		more += more;
	uint8_t *moved = hr_alloc_blank(more, size);
	if (p != NULL)
		memcpy(moved, p, *cap * size);
	memset(moved + *cap * size, 0, (more - *cap) * size);
	hr_free(p);
	*cap = more;
	return moved;
}

void hr_free(void *p) { free(p); }

void hr_auto_free(void *pp)
{
	void *p;

	memcpy(&p, pp, sizeof p);
	free(p);
}
