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

#define HR_ID_MAX 256u           /* bytes of an external id */
#define HR_NONE UINT32_MAX       /* no such number */

struct hr_idmap;

struct hr_idmap *hr_idmap_new(void);
void hr_idmap_free(struct hr_idmap *m);

/** The number of id, or HR_NONE. */
uint32_t hr_idmap_find(const struct hr_idmap *m, const void *id, size_t len);

/** The number of id, giving it the next one when new. */
uint32_t hr_idmap_add(struct hr_idmap *m, const void *id, size_t len, bool *ret_new);

/** Touches the slot where the id of this hr_hash() lies: for a group of ids first, then look them up. */
void hr_idmap_prefetch(const struct hr_idmap *m, uint64_t hash);
/** The number that hash most likely belongs to, by what the slots alone say; HR_NONE: surely new. For fetching ahead only. */
uint32_t hr_idmap_guess(const struct hr_idmap *m, uint64_t hash);
/** Fetches what find will compare for a number: first where its id stands, then the id. */
void hr_idmap_prefetch_place(const struct hr_idmap *m, uint32_t number);
void hr_idmap_prefetch_id(const struct hr_idmap *m, uint32_t number);

/** The id behind a number: borrowed until the next add. */
const uint8_t *hr_idmap_id(const struct hr_idmap *m, uint32_t number, size_t *ret_len);

uint32_t hr_idmap_count(const struct hr_idmap *m);
size_t hr_idmap_memory_bytes(const struct hr_idmap *m);

#endif
