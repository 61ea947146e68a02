/* store/user_record.h - a user's record taken apart, before anything is kept of it. Private to store/.
 *
 * The layout is told in store/history.h.
 */
#ifndef HR_STORE_USER_RECORD_H
#define HR_STORE_USER_RECORD_H

#include "store/history.h"

#define HR_USER_RECORD_VERSION 2u

/** Points into the record. */
struct hr_user_raw {
	const uint8_t *id, *past, *seen; /* past: store/past.h; seen: seen_len event ids, newest first */
	size_t id_len, past_bytes;
	uint64_t events, changed, len;
	int64_t last_ms; /* of the newest event; set when len > 0 */
	uint8_t seen_len;
	bool forgotten;
};

/**
 * Looks through a whole record: what is accepted has one form only, and is the record of some user.
 * @param length    events that a history may hold
 * @param ret_past  room for length; NULL: the events are only looked through
 */
HR_MUST_USE bool hr_user_raw_read(const void *bytes, size_t len, uint16_t length, struct hr_past *ret_past,
                                  struct hr_user_raw *ret_raw, struct hr_error *err);

#endif
