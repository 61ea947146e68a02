/* store/history.h - what every user did last, in memory, and as records of class HR_REC_USER.
 *
 * Record of user n: u8 version (2) | u8 flags (bit 0: forgotten) | varint bytes of the id, id | varint events (ever) |
 * varint changed (barrier that last wrote it) | varint count of events | their bytes (store/past.h) | event ids, newest
 * first, HR_SEEN_BYTES of the hash of each, big-endian | u8 count of event ids. A reader refuses an unknown version, numbers that are
 * not in their shortest form, and bytes left over.
 *
 * Event ids are known by 40 bits of a hash, so an event is called a duplicate wrongly once in 2^40 / HR_SEEN_MAX = 34
 * thousand million events at most.
 */
#ifndef HR_STORE_HISTORY_H
#define HR_STORE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/idmap.h"
#include "base/record.h"

#define HR_HISTORY_MAX 200u /* upper bound of history.length */
#define HR_SEEN_MAX 32u     /* event ids remembered for each user, to find duplicates */
#define HR_SEEN_BYTES 5u    /* of an event id's hash */

struct hr_past {
	int64_t time_ms;
	uint32_t item; /* catalogue row */
	uint8_t kind;
};

/** A user's history, unpacked: a view, good until the next hr_histories_get. */
struct hr_history {
	const struct hr_past *past; /* len entries, oldest first, times never decreasing */
	uint16_t len;
	uint64_t events; /* ever counted for this user, also those that fell out of the window */
};

enum hr_append { HR_APPENDED, HR_DUPLICATE, HR_LATE };

struct hr_histories;

struct hr_histories *hr_histories_new(uint16_t length); /* 1..HR_HISTORY_MAX events kept for each user */
void hr_histories_free(struct hr_histories *h);

/** The number of a user, new ones get the next and are dirty at once: stored numbers have no holes. @param id 1..HR_ID_MAX bytes */
uint32_t hr_histories_user(struct hr_histories *h, const void *id, size_t len);
uint32_t hr_histories_find(const struct hr_histories *h, const void *id, size_t len); /* HR_NONE when unknown */
const uint8_t *hr_histories_id(const struct hr_histories *h, uint32_t user, size_t *ret_len);
uint32_t hr_histories_count(const struct hr_histories *h); /* users ever, the forgotten included */

struct hr_history hr_histories_get(const struct hr_histories *h, uint32_t user);
uint16_t hr_histories_len(const struct hr_histories *h, uint32_t user); /* events in it, without a look at them */

/** Brings what the next appends of these users will touch into the cache (hr_idmap_fetch_slots). Changes nothing. */
void hr_histories_fetch(const struct hr_histories *h, const struct hr_id *id, size_t count);

/**
 * Puts an event into a user's history, unless it is a duplicate: the same event id among the last HR_SEEN_MAX, or without
 * an id the same item, kind and time in the history. A late event (older than the newest) is inserted by time; one older
 * than a full history is counted for the user but not kept: HR_LATE.
 * @param ret_place  index at which it now stands in the history; set for HR_APPENDED only
 */
enum hr_append hr_histories_append(struct hr_histories *h, uint32_t user, const struct hr_past *past, const void *id,
                                   size_t id_len, uint16_t *ret_place);

/** Empties a user's history, event ids and count; the number stays taken, the id is kept so that the tombstone can name it.
 * A later event of the user begins a new history. False: unknown. */
bool hr_histories_forget(struct hr_histories *h, uint32_t user);
bool hr_histories_forgotten(const struct hr_histories *h, uint32_t user);

/** Writes the record of every user changed since the last call, in ascending number, stamped with barrier. */
void hr_histories_collect(struct hr_histories *h, uint64_t barrier, hr_record_put_fn *put, void *ctx);
/** Users changed since the last collect, ascending; borrowed until the next change. */
const uint32_t *hr_histories_dirty(struct hr_histories *h, size_t *ret_count);

/** Appends the record of one user as it stands, with the barrier that last wrote it. */
void hr_histories_encode(const struct hr_histories *h, uint32_t user, struct hr_buf *out);

/** Takes a record in; numbers come in order, 0, 1, 2, ... A refused one leaves nothing behind. */
HR_MUST_USE bool hr_histories_load(struct hr_histories *h, uint32_t user, const void *bytes, size_t len, struct hr_error *err);
/** After the last hr_histories_load, before anything else. False: two users with one id; h can only be freed then. */
HR_MUST_USE bool hr_histories_loaded(struct hr_histories *h, struct hr_error *err);
/** Barrier that last changed a user: which vectors may have to be published again after a crash. */
uint64_t hr_histories_changed(const struct hr_histories *h, uint32_t user);

/** What a user's record says, without a struct hr_histories around it: the publisher reads a barrier's records so. */
struct hr_user_record {
	uint8_t id[256]; /* HR_ID_MAX */
	size_t id_len;
	uint64_t events, changed; /* changed: barrier that last wrote it */
	uint16_t len; /* 0: forgotten, or nothing yet */
	struct hr_past past[HR_HISTORY_MAX];
};
HR_MUST_USE bool hr_user_record_decode(const void *bytes, size_t len, struct hr_user_record *ret_record,
                                       struct hr_error *err);

size_t hr_histories_memory_bytes(const struct hr_histories *h);

#endif
