/* Hand-written for the one message that arrives a million times a second; the generated reader allocates and copies.
 * Wire format: protobuf.dev/programming-guides/encoding */
#include <string.h>

#include "base/buf.h"
#include "base/kind.h"
#include "stream/priv.h"

#define UNKNOWN_FIELDS_MAX 64 /* newer writers may add fields; a megabyte of them is not an event */

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* number << 3 | wire type, as in proto/headrace/v1/event.proto */
enum {
	TAG_USER = 1 << 3 | WIRE_BYTES,
	TAG_ITEM = 2 << 3 | WIRE_BYTES,
	TAG_KIND = 3 << 3 | WIRE_VARINT,
	TAG_TIME = 4 << 3 | WIRE_VARINT,
	TAG_ID = 5 << 3 | WIRE_BYTES,
	TAG_WEIGHT = 6 << 3 | WIRE_FIXED32,
	TAG_SESSION = 7 << 3 | WIRE_BYTES,
	FIELD_LAST = 7,
};

struct reader {
	const uint8_t *p, *end;
};

static bool read_long_varint(struct reader *r, uint64_t *ret_v)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && r->p < r->end; shift += 7) {
		const uint8_t byte = *r->p++;

		if (shift == 63 && byte > 1)
			return false; /* more than 64 bits */
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*ret_v = v;
			return true;
		}
	}
	return false;
}

static inline bool read_varint(struct reader *r, uint64_t *ret_v)
{
	if (r->p < r->end && *r->p < 0x80) {
		*ret_v = *r->p++;
		return true;
	}
	return read_long_varint(r, ret_v);
}

static inline bool skip(struct reader *r, uint64_t n)
{
	if (n > (uint64_t)(r->end - r->p))
		return false;
	r->p += n;
	return true;
}

static inline bool read_bytes(struct reader *r, const uint8_t **ret_p, size_t *ret_len)
{
	uint64_t n;

	if (!read_varint(r, &n))
		return false;
	*ret_p = r->p;
	*ret_len = (size_t)n;
	return skip(r, n);
}

static bool read_kind(struct reader *r, uint8_t *ret_kind)
{
	uint64_t v;

	if (!read_varint(r, &v))
		return false;
	const uint32_t kind = (uint32_t)v; /* an enum is an int32 on the wire */
	*ret_kind = kind < HR_KIND_COUNT ? (uint8_t)kind : 0;
	return true;
}

static bool read_time(struct reader *r, int64_t *ret_ms)
{
	uint64_t v;

	if (!read_varint(r, &v))
		return false;
	*ret_ms = (int64_t)v;
	return true;
}

static bool read_weight(struct reader *r, float *ret_weight)
{
	const uint8_t *p = r->p;

	if (!skip(r, 4))
		return false;
	const uint32_t bits = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
	memcpy(ret_weight, &bits, sizeof bits);
	return true;
}

/* A known field of another wire type is refused: its writer has another idea of the message. Groups (wire types 3 and 4)
 * are refused too: proto3 has none, and skipping them would nest. */
static bool skip_unknown(struct reader *r, uint64_t tag)
{
	uint64_t n;

	if (tag > UINT32_MAX || tag >> 3 <= FIELD_LAST)
		return false;
	switch (tag & 7) {
	case WIRE_VARINT: return read_varint(r, &n);
	case WIRE_FIXED64: return skip(r, 8);
	case WIRE_BYTES: return read_varint(r, &n) && skip(r, n);
	case WIRE_FIXED32: return skip(r, 4);
	default: return false;
	}
}

enum hr_reject hr_protobuf_read(const uint8_t *p, size_t len, struct hr_event *ret_event)
{
	struct reader r = {.p = p, .end = p + len};
	struct hr_event *e = ret_event;
	unsigned unknown = 0;
	bool ok = true;
	uint64_t tag;

	while (ok && r.p < r.end) {
		if (!read_varint(&r, &tag))
			return HR_REJECT_MALFORMED;
		switch (tag) {
		case TAG_USER: ok = read_bytes(&r, &e->user, &e->user_len); break;
		case TAG_ITEM: ok = read_bytes(&r, &e->item, &e->item_len); break;
		case TAG_KIND: ok = read_kind(&r, &e->kind); break;
		case TAG_TIME: ok = read_time(&r, &e->time_ms); break;
		case TAG_ID: ok = read_bytes(&r, &e->id, &e->id_len); break;
		case TAG_WEIGHT: ok = read_weight(&r, &e->weight); break;
		case TAG_SESSION: ok = read_bytes(&r, &e->session, &e->session_len); break;
		default: ok = ++unknown <= UNKNOWN_FIELDS_MAX && skip_unknown(&r, tag);
		}
	}
	return ok ? HR_ACCEPTED : HR_REJECT_MALFORMED;
}

static void put_bytes(struct hr_buf *out, uint8_t tag, const uint8_t *p, size_t len)
{
	if (len == 0)
		return;
	hr_buf_u8(out, tag);
	hr_buf_varint(out, len);
	hr_buf_bytes(out, p, len);
}

void hr_event_encode(const struct hr_event *event, struct hr_buf *out)
{
	put_bytes(out, TAG_USER, event->user, event->user_len);
	put_bytes(out, TAG_ITEM, event->item, event->item_len);
	if (event->kind != 0) {
		hr_buf_u8(out, TAG_KIND);
		hr_buf_varint(out, event->kind);
	}
	if (event->time_ms != 0) {
		hr_buf_u8(out, TAG_TIME);
		hr_buf_varint(out, (uint64_t)event->time_ms);
	}
	put_bytes(out, TAG_ID, event->id, event->id_len);
	if (event->weight < 1 || event->weight > 1) {
		hr_buf_u8(out, TAG_WEIGHT);
		hr_buf_f32(out, event->weight);
	}
	put_bytes(out, TAG_SESSION, event->session, event->session_len);
}
