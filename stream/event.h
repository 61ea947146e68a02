/* stream/event.h - from the bytes of a record to an event, or the reason why not.
 *
 * The format is set per topic and never guessed. A decoder never allocates for the caller, never reads past the record,
 * and judges nothing that needs a clock: "too far in the future" is judged against stream time by the intake.
 */
#ifndef HR_STREAM_EVENT_H
#define HR_STREAM_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define HR_RECORD_MAX 65536u /* bytes of a record's value; a longer one is refused before it is parsed */
/* Event times outside 1990-01-01 .. 2100-01-01 are refused; a time in seconds falls before the first. */
#define HR_TIME_MIN_MS INT64_C(631152000000)
#define HR_TIME_MAX_MS INT64_C(4102444800000)

/** Every reason for which a record is refused: name (the label in metrics), the sentence an operator reads. */
#define HR_REJECTS(X) \
	X(EMPTY, "empty", "the value has no bytes") \
	X(OVERSIZED, "oversized", "the value is over 65536 bytes") \
	X(MALFORMED, "malformed", "the bytes are not of the topic's format") \
	X(NO_USER, "no_user", "the user id is empty") \
	X(NO_ITEM, "no_item", "the item id is empty") \
	X(ID_LENGTH, "id_length", "an id is over 256 bytes") \
	X(ID_ENCODING, "id_encoding", "an id is not UTF-8 or holds a control character") \
	X(KIND, "kind", "the event kind is missing or unknown") \
	X(TYPE, "type", "a JSON field has the wrong type") \
	X(TIME, "time", "the time is missing or outside 1990..2100; perhaps seconds were sent instead of milliseconds") \
	X(FUTURE, "future", "the time is too far ahead of stream time") \
	X(WEIGHT, "weight", "the weight is negative or not finite") \
	X(FRAMING, "framing", "the schema header is missing or names an unknown schema") \
	X(SOURCE, "source", "the broker or the client library could not hand the record over")

enum hr_reject {
	HR_ACCEPTED = 0,
#define HR_REJECT_ROW(sym, name, text) HR_REJECT_##sym,
	HR_REJECTS(HR_REJECT_ROW)
#undef HR_REJECT_ROW
	HR_REJECT_COUNT
};

const char *hr_reject_name(enum hr_reject why);
const char *hr_reject_text(enum hr_reject why);

/** One event. A view: its bytes point into the record (or into the decoder's buffer) until the next decode. */
struct hr_event {
	const uint8_t *user, *item, *id, *session; /* not NUL-terminated; id and session may be empty */
	size_t user_len, item_len, id_len, session_len;
	int64_t time_ms;
	float weight; /* 1 when not given */
	uint8_t kind; /* enum hr_kind */
};

enum hr_format { HR_FORMAT_PROTOBUF, HR_FORMAT_CONFLUENT, HR_FORMAT_JSON };

/** Names of the JSON members, dotted for nesting ("payload.user.id"). NULL members take the defaults below. */
struct hr_json_fields {
	const char *user, *item, *kind, *time, *id, *weight, *session;
};
/* Defaults: "user" "item" "kind" "time" "id" "weight" "session". Ids: a string, or an integer taken as its decimal text;
 * kind: a name or its number; time: integer ms, or an RFC 3339 string; null: not given. A mapped member that stands twice
 * in its object is malformed, as are more than 32 levels, NaN, and integers beyond 64 bits anywhere in the record. */

struct hr_decoder;

/** @param fields  for HR_FORMAT_JSON, else NULL; its strings are borrowed for the decoder's life
 *  @param default_kind  for JSON without a kind member; 0: such a record is refused
 *  @return NULL when the fields make no map: an empty key, more than 8 keys in a path, or a path that goes on below another */
struct hr_decoder *hr_decoder_new(enum hr_format format, const struct hr_json_fields *fields, uint8_t default_kind);
void hr_decoder_free(struct hr_decoder *d);

/**
 * Decodes and checks one record: its format, then its values by hr_event_check. Protobuf: zero copy; a field that the
 * reader does not know is skipped (the 65th is malformed), of a field that stands twice the last wins. Confluent framing:
 * any schema id; the message must be the first of its schema.
 * @param ret_event  undefined unless accepted; points into value when hr_decoder_borrows, else into the decoder, until its
 *                   next call
 * @return HR_ACCEPTED, or why not
 * @thread one decoder, one thread
 */
enum hr_reject hr_decode(struct hr_decoder *d, const void *value, size_t value_len, struct hr_event *ret_event);

/** Do events point into the records they were decoded from? */
bool hr_decoder_borrows(const struct hr_decoder *d);

/** The values: user and item 1..256 bytes of UTF-8 without control characters; id and session up to 256 bytes of anything;
 *  kind, time and weight in their bounds. For events that do not come from a decoder. */
enum hr_reject hr_event_check(const struct hr_event *event);

/** Appends headrace.v1.Event (protobuf) to out: what `headrace produce` writes. */
struct hr_buf;
void hr_event_encode(const struct hr_event *event, struct hr_buf *out);


#endif
