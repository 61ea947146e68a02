#include "store/past.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/idmap.h"
#include "base/kind.h"

enum { KIND_BITS = 4, KIND_MASK = (1 << KIND_BITS) - 1 };
_Static_assert(HR_KIND_COUNT <= 1 << KIND_BITS, "a kind fits beside the item");

static uint64_t zigzag(int64_t v) { return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0); }
static int64_t unzigzag(uint64_t v) { return (int64_t)(v >> 1 ^ ((v & 1) != 0 ? UINT64_MAX : 0)); }

uint8_t *hr_past_put(uint8_t *to, uint64_t after_ms, const struct hr_past *past)
{
	to = hr_varint_put(to, after_ms);
	return hr_varint_put(to, (uint64_t)past->item << KIND_BITS | past->kind);
}

uint8_t *hr_past_encode(uint8_t *to, const struct hr_past *past, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to = hr_past_put(to, i == 0 ? zigzag(past->time_ms) : (uint64_t)past[i].time_ms - (uint64_t)past[i - 1].time_ms,
		                 &past[i]);
	return to;
}

static bool refuse(const char *why, size_t i, struct hr_error *err)
{
	return hr_fail(err, HR_E_FORMAT, "event %zu: %s", i, why);
}

/* Event i, which comes after last_ms. */
static bool get_event(const uint8_t **p, const uint8_t *end, size_t i, int64_t last_ms, struct hr_past *ret_past,
                      struct hr_error *err)
{
	uint64_t time, what;

	if (!hr_varint_get(p, end, &time) || !hr_varint_get(p, end, &what))
		return refuse("cut off, or a number is written too long", i, err);
	const int64_t time_ms = i == 0 ? unzigzag(time) : (int64_t)((uint64_t)last_ms + time);
	if (i > 0 && time_ms < last_ms)
		return refuse("its time is out of bounds", i, err);
	*ret_past = (struct hr_past){.time_ms = time_ms, .item = (uint32_t)(what >> KIND_BITS), .kind = what & KIND_MASK};
	if (what >> KIND_BITS >= HR_NONE || ret_past->kind == 0 || ret_past->kind >= HR_KIND_COUNT)
		return hr_fail(err, HR_E_FORMAT, "event %zu: item %" PRIu64 " or kind %u does not exist", i, what >> KIND_BITS,
		               ret_past->kind);
	return true;
}

bool hr_past_decode(const uint8_t *bytes, size_t past_bytes, size_t len, struct hr_past *ret_past, int64_t *ret_last_ms,
                    struct hr_error *err)
{
	const uint8_t *p = bytes, *end = bytes + past_bytes;
	struct hr_past past = {0};

	for (size_t i = 0; i < len; i++) {
		if (!get_event(&p, end, i, past.time_ms, &past, err))
			return false;
		if (ret_past != NULL)
			ret_past[i] = past;
	}
	if (p != end)
		return hr_fail(err, HR_E_FORMAT, "%zu bytes are left over behind %zu events", (size_t)(end - p), len);
	if (len != 0)
		*ret_last_ms = past.time_ms;
	return true;
}

size_t hr_past_drop_first(uint8_t *bytes, size_t past_bytes)
{
	const uint8_t *p = bytes, *end = bytes + past_bytes;
	uint8_t first[HR_VARINT_MAX];
	uint64_t time, what, after;

	HR_ASSERT(hr_varint_get(&p, end, &time) && hr_varint_get(&p, end, &what) && hr_varint_get(&p, end, &after));
	const size_t head = (size_t)(hr_varint_put(first, zigzag((int64_t)((uint64_t)unzigzag(time) + after))) - first);
	const size_t rest = (size_t)(end - p);
	memmove(bytes + head, p, rest);
	memcpy(bytes, first, head);
	return head + rest;
}
