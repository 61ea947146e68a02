/* base/idmap.h - external ids (any bytes, 1..HR_ID_MAX) to dense numbers 0, 1, 2, ... in order of first sight.
 *
 * Open addressing over (hash, number); the id bytes live in one arena. Numbers are never reused.
 * @thread one owner; readers need the owner's lock
 */
#ifndef HR_BASE_IDMAP_H
#define HR_BASE_IDMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define HR_ID_MAX 256u           /* bytes of an external id */
#define HR_NONE UINT32_MAX       /* no such number */

struct hr_idmap;

struct hr_idmap *hr_idmap_new(void);
void hr_idmap_free(struct hr_idmap *m);

/** The number of id, or HR_NONE. */
uint32_t hr_idmap_find(const struct hr_idmap *m, const void *id, size_t len);

/** The number of id, giving it the next one when new. */
uint32_t hr_idmap_add(struct hr_idmap *m, const void *id, size_t len, bool *ret_new);

/**
 * Adding many at once, as at a start: append gives the next number unseen, index then makes all of them findable, each step
 * of it fetched ahead. Between the two nothing else may be called. False: the id of number *ret_again is that of *ret_first;
 * the map can only be freed then.
 */
uint32_t hr_idmap_append(struct hr_idmap *m, const void *id, size_t len);
HR_MUST_USE bool hr_idmap_index(struct hr_idmap *m, uint32_t *ret_first, uint32_t *ret_again);

#define HR_FETCH_MAX 64u

struct hr_id {
	const void *p;
	size_t len; /* 0: none */
};

/**
 * Brings what looking these ids up will touch into the cache, one level of pointers after the other for all of them, so that
 * their waits for memory overlap. Three calls, in which the caller does the same for what it keeps under the numbers: slots;
 * guess, the numbers that they most likely belong to, HR_NONE: surely new; ids.
 * @param count  1..HR_FETCH_MAX
 */
void hr_idmap_fetch_slots(const struct hr_idmap *m, const struct hr_id *id, size_t count, uint64_t *ret_hash);
void hr_idmap_fetch_guess(const struct hr_idmap *m, const uint64_t *hash, size_t count, uint32_t *ret_number);
void hr_idmap_fetch_ids(const struct hr_idmap *m, const uint32_t *number, size_t count);

/** The id behind a number: borrowed until the next add. */
const uint8_t *hr_idmap_id(const struct hr_idmap *m, uint32_t number, size_t *ret_len);

uint32_t hr_idmap_count(const struct hr_idmap *m);
size_t hr_idmap_memory_bytes(const struct hr_idmap *m);

#endif
