/* store/past.h - the events of one user as bytes: the same in memory as on disk. Private to store/.
 *
 * varint of the first event's time, zigzag | varint (item << 4 | kind) of the first event, then for each other event:
 * varint of the milliseconds since the one before | varint (item << 4 | kind). Oldest first. Every varint (as in protobuf)
 * is the shortest of its number, so that a history has one form.
 */
#ifndef HR_STORE_PAST_H
#define HR_STORE_PAST_H

#include "store/history.h"

#define HR_PAST_MAX 16u /* bytes of an event: 10 of time, 6 of item and kind */

/** Writes an event that is not the first; after_ms = its time less that of the one before, 0.. Returns the end. */
uint8_t *hr_past_put(uint8_t *to, uint64_t after_ms, const struct hr_past *past);
/** Writes len events whose times never decrease. to has room for HR_PAST_MAX bytes for each. Returns the end. */
uint8_t *hr_past_encode(uint8_t *to, const struct hr_past *past, size_t len);

/**
 * Reads what hr_past_encode wrote.
 * @param bytes     past_bytes of them, all must be used
 * @param ret_past  room for len; NULL: only look through them
 * @param ret_last_ms  time of the newest event; set when len > 0
 */
HR_MUST_USE bool hr_past_decode(const uint8_t *bytes, size_t past_bytes, size_t len, struct hr_past *ret_past,
                                int64_t *ret_last_ms, struct hr_error *err);

/** Leaves the oldest event of several out, in place. Returns the new count of bytes. */
size_t hr_past_drop_first(uint8_t *bytes, size_t past_bytes);

#endif
