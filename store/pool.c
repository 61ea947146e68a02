#include "store/pool.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"

enum { PIECE_BYTES = 2 << 20 }; /* a huge page, where there are any */

struct hr_pool_piece {
	struct hr_pool_piece *next;
	_Alignas(HR_CACHE_LINE) uint8_t bytes[PIECE_BYTES - HR_CACHE_LINE];
};

void hr_pool_fini(struct hr_pool *p)
{
	while (p->pieces != NULL) {
		struct hr_pool_piece *next = p->pieces->next;

		hr_free(p->pieces);
		p->pieces = next;
	}
	*p = (struct hr_pool){.bytes_max = p->bytes_max};
}

size_t hr_pool_bytes(const struct hr_pool *p, uint8_t grade)
{
	const size_t bytes = (size_t)HR_POOL_FIRST << grade;

	return bytes < p->bytes_max ? bytes : p->bytes_max;
}

static void *cut(struct hr_pool *p, size_t bytes)
{
	if (p->pieces == NULL || p->piece_used + bytes > sizeof p->pieces->bytes) {
		struct hr_pool_piece *piece = hr_alloc_blank(1, sizeof *piece);

		piece->next = p->pieces;
		p->pieces = piece;
		p->piece_used = 0;
		p->piece_count++;
	}
	void *block = p->pieces->bytes + p->piece_used;
	p->piece_used += bytes;
	return block;
}

void *hr_pool_take(struct hr_pool *p, size_t need, uint8_t *ret_grade)
{
	uint8_t grade = 0;

	HR_ASSERT(need <= p->bytes_max && p->bytes_max % sizeof(void *) == 0);
	while (hr_pool_bytes(p, grade) < need)
		grade++;
	HR_ASSERT(grade < HR_POOL_GRADES);
	*ret_grade = grade;
	void *block = p->spare[grade];
	if (block == NULL)
		return cut(p, hr_pool_bytes(p, grade));
	memcpy(&p->spare[grade], block, sizeof(void *)); /* a spare block begins with the next one's address */
	return block;
}

void hr_pool_give(struct hr_pool *p, void *block, uint8_t grade)
{
	if (block == NULL)
		return;
	memcpy(block, &p->spare[grade], sizeof(void *));
	p->spare[grade] = block;
}

size_t hr_pool_memory_bytes(const struct hr_pool *p) { return p->piece_count * sizeof(struct hr_pool_piece); }
