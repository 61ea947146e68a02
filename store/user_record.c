#include "store/user_record.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "store/past.h"

static bool read_raw(struct hr_cursor *c, struct hr_user_raw *r, struct hr_error *err)
{
	const size_t len = c->left;
	const uint8_t version = hr_cur_u8(c);

	if (c->failed || version != HR_USER_RECORD_VERSION)
		return hr_fail(err, HR_E_FORMAT, "version %u of %zu bytes is not %u", version, len, HR_USER_RECORD_VERSION);
	const uint8_t flags = hr_cur_u8(c);
	r->id_len = hr_cur_varint(c);
	r->id = hr_cur_bytes(c, r->id_len);
	r->events = hr_cur_varint(c);
	r->changed = hr_cur_varint(c);
	r->len = hr_cur_varint(c);
	r->seen_len = c->failed || c->left == 0 ? 0 : c->p[c->left - 1];
	if (c->failed || c->left < 1 + r->seen_len * (size_t)HR_SEEN_BYTES)
		return hr_fail(err, HR_E_FORMAT, "%zu bytes are too few, or a number is written too long", len);
	if (flags > 1)
		return hr_fail(err, HR_E_FORMAT, "flags %u are over 1", flags);
	r->forgotten = flags == 1;
	r->past_bytes = c->left - 1 - r->seen_len * (size_t)HR_SEEN_BYTES;
	r->past = c->p;
	r->seen = c->p + r->past_bytes;
	return true;
}

/* What can be said without the other users. */
static bool check_raw(const struct hr_user_raw *r, uint16_t length, struct hr_error *err)
{
	if (r->id_len == 0 || r->id_len > HR_ID_MAX)
		return hr_fail(err, HR_E_FORMAT, "an id of %zu bytes is not 1..%u", r->id_len, HR_ID_MAX);
	if (r->len > length)
		return hr_fail(err, HR_E_FORMAT, "a history of %" PRIu64 " events is over %u", r->len, length);
	if (r->seen_len > HR_SEEN_MAX)
		return hr_fail(err, HR_E_FORMAT, "%u event ids are over %u", r->seen_len, HR_SEEN_MAX);
	if (r->events < r->len || r->events < r->seen_len)
		return hr_fail(err, HR_E_FORMAT, "%" PRIu64 " events ever, but %" PRIu64 " in the history and %u event ids",
		               r->events, r->len, r->seen_len);
	if (r->forgotten && r->events != 0)
		return hr_fail(err, HR_E_FORMAT, "a forgotten user still has %" PRIu64 " events", r->events);
	return true;
}

bool hr_user_raw_read(const void *bytes, size_t len, uint16_t length, struct hr_past *ret_past, struct hr_user_raw *ret_raw,
                      struct hr_error *err)
{
	struct hr_cursor c = {.p = bytes, .left = len};
	struct hr_user_raw r = {0};

	if (!read_raw(&c, &r, err) || !check_raw(&r, length, err) ||
	    !hr_past_decode(r.past, r.past_bytes, (size_t)r.len, ret_past, &r.last_ms, err))
		return false;
	*ret_raw = r;
	return true;
}

bool hr_user_record_decode(const void *bytes, size_t len, struct hr_user_record *ret_record, struct hr_error *err)
{
	struct hr_user_raw r;

	_Static_assert(sizeof ret_record->id == HR_ID_MAX, "a record's id fits");
	if (!hr_user_raw_read(bytes, len, HR_HISTORY_MAX, ret_record->past, &r, err))
		return hr_context(err, "user record");
	memcpy(ret_record->id, r.id, r.id_len);
	ret_record->id_len = r.id_len;
	ret_record->events = r.events;
	ret_record->changed = r.changed;
	ret_record->len = (uint16_t)r.len;
	return true;
}
