#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static HR_NORETURN void out_of_memory(size_t count, size_t size)
{
	(void)fprintf(stderr, "error code=nomem msg=\"could not get %zu x %zu bytes of memory\"\n", count, size);
	abort();
}

void *hr_alloc(size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - HR_CACHE_LINE)
		out_of_memory(count, size);
	bytes = (bytes + HR_CACHE_LINE - 1) / HR_CACHE_LINE * HR_CACHE_LINE;
	if (bytes == 0)
		bytes = HR_CACHE_LINE;
	void *p = aligned_alloc(HR_CACHE_LINE, bytes);
	if (p == NULL)
		out_of_memory(count, size);
	memset(p, 0, bytes);
	return p;
}

void *hr_grow(void *p, size_t *cap, size_t need, size_t size)
{
	if (need <= *cap)
		return p;
	size_t more = *cap < 16 ? 16 : *cap;
	while (more < need)
		more += more;
	void *moved = hr_alloc(more, size);
	if (p != NULL)
		memcpy(moved, p, *cap * size);
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
