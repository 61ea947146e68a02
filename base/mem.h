/* base/mem.h - memory that is either there or ends the process: a daemon that is out of memory restarts from its barrier. */
#ifndef HR_BASE_MEM_H
#define HR_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define HR_CACHE_LINE 64

/** count * size bytes, zeroed, aligned to 64; overflow or exhaustion ends the process with a readable line. hr_free() it.
 * Big ones ask for huge pages: a random look into a big array then misses less, and filling it faults less. */
void *hr_alloc(size_t count, size_t size);

/** The same, but what is in it is anything. */
void *hr_alloc_blank(size_t count, size_t size);

/**
 * Grows an array to hold at least need elements, doubling; new elements are zeroed.
 * @param p     array from hr_alloc/hr_grow, or NULL; taken
 * @param cap   elements it holds; updated
 * Returns the array, perhaps moved.
 */
void *hr_grow(void *p, size_t *cap, size_t need, size_t size);

void hr_free(void *p);

/** Cleanup for HR_AUTO on any pointer from hr_alloc. */
void hr_auto_free(void *pp);

#endif
