#include "stream/event.h"

#include <math.h>
#include <string.h>

#include "base/idmap.h"
#include "base/kind.h"
#include "base/mem.h"
#include "stream/priv.h"

struct hr_decoder {
	enum hr_format format;
	struct hr_json *json; /* HR_FORMAT_JSON only */
};

static const struct {
	const char *name, *text;
} rejects[HR_REJECT_COUNT] = {
	{"accepted", "accepted"},
#define HR_REJECT_ROW(sym, name, text) {name, text},
	HR_REJECTS(HR_REJECT_ROW)
#undef HR_REJECT_ROW
};

const char *hr_reject_name(enum hr_reject why)
{
	HR_ASSERT((unsigned)why < HR_REJECT_COUNT);
	return rejects[why].name;
}

const char *hr_reject_text(enum hr_reject why)
{
	HR_ASSERT((unsigned)why < HR_REJECT_COUNT);
	return rejects[why].text;
}

struct hr_decoder *hr_decoder_new(enum hr_format format, const struct hr_json_fields *fields, uint8_t default_kind)
{
	struct hr_decoder *d = hr_alloc(1, sizeof *d);

	d->format = format;
	if (format != HR_FORMAT_JSON)
		return d;
	d->json = hr_json_new(fields, default_kind);
	if (d->json != NULL)
		return d;
	hr_free(d);
	return NULL;
}

void hr_decoder_free(struct hr_decoder *d)
{
	if (d == NULL)
		return;
	hr_json_free(d->json);
	hr_free(d);
}

bool hr_decoder_borrows(const struct hr_decoder *d) { return d->format != HR_FORMAT_JSON; }

/* Bytes of the UTF-8 character at p, of two or more bytes; 0 when it is not one. Table 3-7 of the Unicode standard. */
static size_t utf8_len(const uint8_t *p, size_t left)
{
	const uint8_t lead = p[0];
	const size_t n = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
	uint8_t low = 0x80, high = 0xbf; /* of the second byte */

	if (lead < 0xc2 || lead > 0xf4 || n > left)
		return 0;
	if (lead == 0xe0)
		low = 0xa0; /* overlong */
	else if (lead == 0xed)
		high = 0x9f; /* surrogates */
	else if (lead == 0xf0)
		low = 0x90; /* overlong */
	else if (lead == 0xf4)
		high = 0x8f; /* past U+10FFFF */
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

/* Nonzero unless the eight bytes are all printable ASCII. A borrow may run into a higher byte, but only from a byte that
 * is refused anyway, and the slow path has the last word. */
static uint64_t not_plain(uint64_t w)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7, dels = w ^ ones * 0x7f;

	return (w | (w - ones * 0x20) | (dels - ones)) & tops;
}

static bool is_text(const uint8_t *p, size_t len)
{
	size_t i = 0;
	uint64_t w;

	while (i < len) {
		if (len - i >= sizeof w) {
			memcpy(&w, p + i, sizeof w);
			if (not_plain(w) == 0) {
				i += sizeof w;
				continue;
			}
		}
		if (p[i] < 0x20 || p[i] == 0x7f)
			return false;
		const size_t n = p[i] < 0x80 ? 1 : utf8_len(p + i, len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

enum hr_reject hr_event_check(const struct hr_event *e)
{
	if (e->user_len == 0)
		return HR_REJECT_NO_USER;
	if (e->item_len == 0)
		return HR_REJECT_NO_ITEM;
	if (e->user_len > HR_ID_MAX || e->item_len > HR_ID_MAX || e->id_len > HR_ID_MAX || e->session_len > HR_ID_MAX)
		return HR_REJECT_ID_LENGTH;
	if (!is_text(e->user, e->user_len) || !is_text(e->item, e->item_len))
		return HR_REJECT_ID_ENCODING;
	if (e->kind == 0 || e->kind >= HR_KIND_COUNT)
		return HR_REJECT_KIND;
	if (e->time_ms < HR_TIME_MIN_MS || e->time_ms > HR_TIME_MAX_MS)
		return HR_REJECT_TIME;
	if (!isfinite(e->weight) || e->weight < 0)
		return HR_REJECT_WEIGHT;
	return HR_ACCEPTED;
}

static bool read_zigzag(const uint8_t **p, const uint8_t *end, int64_t *ret_v)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 35 && *p < end; shift += 7) {
		const uint8_t byte = *(*p)++;

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*ret_v = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
			return true;
		}
	}
	return false;
}

/* 0x00 | u32 BE schema id | path of the message in its schema: a count, then an index for each level, zigzag varints.
 * A count of 0 is short for the path [0], the schema's first message, which Event is in event.proto. Registries number
 * schemas as they like, so any id is taken, but another path is another message. */
static bool strip_framing(const uint8_t **p, size_t *len)
{
	const uint8_t *at = *p, *const end = *p + *len;
	int64_t levels, idx = 0;

	if (*len < 6 || at[0] != 0)
		return false;
	at += 5;
	if (!read_zigzag(&at, end, &levels) || levels < 0 || levels > 1)
		return false;
	if (levels == 1 && (!read_zigzag(&at, end, &idx) || idx != 0))
		return false;
	*p = at;
	*len = (size_t)(end - at);
	return true;
}

enum hr_reject hr_decode(struct hr_decoder *d, const void *value, size_t value_len, struct hr_event *ret_event)
{
	const uint8_t *p = value;
	size_t len = value_len;
	enum hr_reject why;

	if (len == 0)
		return HR_REJECT_EMPTY;
	if (len > HR_RECORD_MAX)
		return HR_REJECT_OVERSIZED;
	*ret_event = (struct hr_event){.weight = 1};
	if (d->format == HR_FORMAT_CONFLUENT && !strip_framing(&p, &len))
		return HR_REJECT_FRAMING;
	if (d->format == HR_FORMAT_JSON)
		why = hr_json_decode(d->json, p, len, ret_event);
	else
		why = hr_protobuf_read(p, len, ret_event);
	if (why != HR_ACCEPTED)
		return why;
	if (fpclassify(ret_event->weight) == FP_ZERO)
		ret_event->weight = 1; /* protobuf does not tell 0 from not given */
	return hr_event_check(ret_event);
}
