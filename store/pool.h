/* store/pool.h - blocks that double, for many small arrays. Private to store/.
 *
 * A block of grade g holds HR_POOL_FIRST << g bytes, but never more than bytes_max: the last grade is just that. Blocks
 * are cut from big pieces and kept by grade when given back; freeing the pool frees all. malloc would spend 16 bytes on
 * each, and a walk over every user at the end.
 */
#ifndef HR_STORE_POOL_H
#define HR_STORE_POOL_H

#include <stddef.h>
#include <stdint.h>

#define HR_POOL_FIRST  64u
#define HR_POOL_GRADES 8u

struct hr_pool {
	size_t bytes_max; /* set by the owner, before the first use; a multiple of 8 */
	struct hr_pool_piece *pieces;
	size_t piece_used, piece_count;
	void *spare[HR_POOL_GRADES];
};

void hr_pool_fini(struct hr_pool *p);
size_t hr_pool_bytes(const struct hr_pool *p, uint8_t grade); /* what a block of this grade holds */
/** A block that holds need bytes, need <= bytes_max; not zeroed. */
void *hr_pool_take(struct hr_pool *p, size_t need, uint8_t *ret_grade);
void hr_pool_give(struct hr_pool *p, void *block, uint8_t grade); /* NULL is fine */
size_t hr_pool_memory_bytes(const struct hr_pool *p);

#endif
