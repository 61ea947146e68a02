#include "store/barrier.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { BARRIER_VERSION = 1, MANIFEST_VERSION = 3 };
enum { PARTITION_BYTES_MIN = 4 + 3 * 8 + 5 * 8 + 1 }; /* without a rejected record */

void hr_barrier_fini(struct hr_barrier *b)
{
	hr_free(b->partition);
	*b = (struct hr_barrier){0};
}

void hr_barrier_copy(struct hr_barrier *to, const struct hr_barrier *from)
{
	*to = *from;
	to->partition = hr_alloc(from->partition_count, sizeof *to->partition);
	if (from->partition_count != 0)
		memcpy(to->partition, from->partition, from->partition_count * sizeof *to->partition);
}

bool hr_partition_balances(const struct hr_partition *p)
{
	uint64_t sum = p->trained + p->duplicate + p->late + p->gap + p->forgotten;

	for (size_t i = 0; i < HR_REJECT_SLOTS; i++)
		sum += p->rejected[i];
	return p->begin >= 0 && p->offset >= p->begin && sum == (uint64_t)(p->offset - p->begin);
}

uint64_t hr_barrier_records(const struct hr_barrier *b)
{
	uint64_t records = 0;

	for (size_t i = 0; i < b->partition_count; i++)
		records += (uint64_t)(b->partition[i].offset - b->partition[i].begin);
	return records;
}

static void encode_partition(const struct hr_partition *p, struct hr_buf *out)
{
	uint8_t slots = HR_REJECT_SLOTS;

	while (slots > 0 && p->rejected[slots - 1] == 0)
		slots--;
	hr_buf_u32(out, (uint32_t)p->partition);
	hr_buf_u64(out, (uint64_t)p->begin);
	hr_buf_u64(out, (uint64_t)p->offset);
	hr_buf_u64(out, p->fingerprint);
	hr_buf_u64(out, p->trained);
	hr_buf_u64(out, p->duplicate);
	hr_buf_u64(out, p->late);
	hr_buf_u64(out, p->gap);
	hr_buf_u64(out, p->forgotten);
	hr_buf_u8(out, slots);
	for (uint8_t i = 0; i < slots; i++)
		hr_buf_u64(out, p->rejected[i]);
}

void hr_barrier_encode(const struct hr_barrier *b, struct hr_buf *out)
{
	hr_buf_u8(out, BARRIER_VERSION);
	hr_buf_u64(out, b->number);
	hr_buf_u64(out, b->digest.hi);
	hr_buf_u64(out, b->digest.lo);
	hr_buf_u64(out, b->events);
	hr_buf_u64(out, b->steps);
	hr_buf_u64(out, (uint64_t)b->watermark_ms);
	hr_buf_u64(out, (uint64_t)b->wall_ms);
	hr_buf_u64(out, b->published);
	hr_buf_u32(out, (uint32_t)b->partition_count);
	for (size_t i = 0; i < b->partition_count; i++)
		encode_partition(&b->partition[i], out);
}

static bool decode_partition(struct hr_cursor *c, struct hr_partition *p, struct hr_error *err)
{
	p->partition = (int32_t)hr_cur_u32(c);
	p->begin = (int64_t)hr_cur_u64(c);
	p->offset = (int64_t)hr_cur_u64(c);
	p->fingerprint = hr_cur_u64(c);
	p->trained = hr_cur_u64(c);
	p->duplicate = hr_cur_u64(c);
	p->late = hr_cur_u64(c);
	p->gap = hr_cur_u64(c);
	p->forgotten = hr_cur_u64(c);
	const uint8_t slots = hr_cur_u8(c);
	if (slots > HR_REJECT_SLOTS)
		return hr_fail(err, HR_E_FORMAT, "partition %" PRId32 ": %u reject reasons are over %u", p->partition,
		               slots, HR_REJECT_SLOTS);
	for (uint8_t i = 0; i < slots; i++)
		p->rejected[i] = hr_cur_u64(c);
	if (slots > 0 && p->rejected[slots - 1] == 0 && !c->failed)
		return hr_fail(err, HR_E_FORMAT, "partition %" PRId32 ": the last of %u reject counts is 0",
		               p->partition, slots);
	if (!hr_partition_balances(p) && !c->failed)
		return hr_fail(err, HR_E_FORMAT,
		               "partition %" PRId32 ": the counts do not add up to offset %" PRId64 " from %" PRId64,
		               p->partition, p->offset, p->begin);
	return true;
}

static bool decode_partitions(struct hr_cursor *c, struct hr_barrier *b, struct hr_error *err)
{
	const uint32_t count = hr_cur_u32(c);

	if (count > c->left / PARTITION_BYTES_MIN)
		return hr_fail(err, HR_E_FORMAT, "%" PRIu32 " partitions do not fit in %zu bytes", count, c->left);
	b->partition = hr_alloc(count, sizeof *b->partition);
	b->partition_count = count;
	for (uint32_t i = 0; i < count; i++) {
		struct hr_partition *p = &b->partition[i];

		if (!decode_partition(c, p, err))
			return false;
		if (p->partition < 0 || (i > 0 && p->partition <= p[-1].partition))
			return hr_fail(err, HR_E_FORMAT, "partition %" PRId32 " at place %" PRIu32 " is out of order",
			               p->partition, i);
	}
	return true;
}

static bool decode_row(struct hr_cursor *c, struct hr_barrier *b, struct hr_error *err)
{
	const size_t len = c->left;
	const uint8_t version = hr_cur_u8(c);

	if (len == 0 || version != BARRIER_VERSION)
		return hr_fail(err, HR_E_FORMAT, "version %u of %zu bytes is not %d", version, len, BARRIER_VERSION);
	b->number = hr_cur_u64(c);
	b->digest.hi = hr_cur_u64(c);
	b->digest.lo = hr_cur_u64(c);
	b->events = hr_cur_u64(c);
	b->steps = hr_cur_u64(c);
	b->watermark_ms = (int64_t)hr_cur_u64(c);
	b->wall_ms = (int64_t)hr_cur_u64(c);
	b->published = hr_cur_u64(c);
	if (!decode_partitions(c, b, err))
		return false;
	if (c->failed || c->left != 0)
		return hr_fail(err, HR_E_FORMAT, "%zu bytes are %s", len, c->failed ? "too few" : "too many");
	if (b->published > b->number)
		return hr_fail(err, HR_E_FORMAT, "published barrier %" PRIu64 " is over %" PRIu64, b->published,
		               b->number);
	return true;
}

bool hr_barrier_decode(const void *bytes, size_t len, struct hr_barrier *ret_row, struct hr_error *err)
{
	HR_AUTO(hr_barrier_fini) struct hr_barrier row = {0};
	struct hr_cursor c = {.p = bytes, .left = len};

	if (!decode_row(&c, &row, err))
		return hr_context(err, "barrier row");
	*ret_row = row;
	row = (struct hr_barrier){0};
	return true;
}

/* The line of a key in "key=value" lines; NULL: there is none. */
static const char *line_of(const char *settings, const char *key, int key_len)
{
	for (const char *at = settings; *at != '\0'; at += strcspn(at, "\n"), at += *at == '\n') {
		if (strncmp(at, key, (size_t)key_len) == 0 && at[key_len] == '=')
			return at;
	}
	return NULL;
}

bool hr_manifest_differs(const struct hr_manifest *then, const struct hr_manifest *now, char *out, size_t out_bytes)
{
	const struct hr_manifest *sides[] = {then, now};

	for (int side = 0; side < 2 && then->settings[0] != '\0' && now->settings[0] != '\0'; side++) {
		for (const char *at = sides[side]->settings; *at != '\0'; at += strcspn(at, "\n"), at += *at == '\n') {
			const int len = (int)strcspn(at, "\n"), key = (int)strcspn(at, "=\n");
			const char *other = line_of(sides[1 - side]->settings, at, key);
			const int other_len = other != NULL ? (int)strcspn(other, "\n") : 0;

			if (other == NULL)
				(void)snprintf(out, out_bytes, "%.*s was %s", key, at, side == 0 ? "a setting, is none" : "no setting, is one");
			else if (len != other_len || strncmp(at, other, (size_t)len) != 0)
				(void)snprintf(out, out_bytes, "%.*s was %.*s, is %.*s", key, at, len - key - 1, at + key + 1,
				               other_len - key - 1, other + key + 1);
			else
				continue;
			return true;
		}
	}
	return false;
}

void hr_manifest_encode(const struct hr_manifest *m, struct hr_buf *out)
{
	hr_buf_u8(out, MANIFEST_VERSION);
	hr_buf_u32(out, HR_STATE_FORMAT);
	hr_buf_blob(out, m->settings, strlen(m->settings));
	hr_buf_blob(out, m->lineage, strlen(m->lineage));
	hr_buf_blob(out, m->space, strlen(m->space));
	hr_buf_blob(out, m->kernels, strlen(m->kernels));
	hr_buf_u32(out, m->partitions);
	hr_buf_u64(out, m->seed);
}

/* Copies a blob without control characters, but for line ends, into a string that holds room bytes with its NUL. */
static bool decode_text(struct hr_cursor *c, char *to, size_t room, const char *what, struct hr_error *err)
{
	size_t n = 0;
	const uint8_t *p = hr_cur_blob(c, &n);

	if (p == NULL || n >= room)
		return hr_fail(err, HR_E_FORMAT, "%s of %zu bytes is cut off or over %zu", what, n, room - 1);
	for (size_t i = 0; i < n; i++)
		if (p[i] < 0x20 && p[i] != '\n')
			return hr_fail(err, HR_E_FORMAT, "%s holds byte %u at %zu, which is not text", what, p[i], i);
	memcpy(to, p, n);
	to[n] = '\0';
	return true;
}

static bool decode_id(struct hr_cursor *c, char to[HR_LINEAGE_CHARS + 1], const char *what, struct hr_error *err)
{
	if (!decode_text(c, to, HR_LINEAGE_CHARS + 1, what, err))
		return false;
	return (strlen(to) == HR_LINEAGE_CHARS && strspn(to, "0123456789abcdef") == HR_LINEAGE_CHARS) ||
	       hr_fail(err, HR_E_FORMAT, "%s \"%s\" is not %u hex digits", what, to, HR_LINEAGE_CHARS);
}

static bool decode_manifest(struct hr_cursor *c, struct hr_manifest *m, struct hr_error *err)
{
	const size_t len = c->left;
	const uint8_t version = hr_cur_u8(c);
	const uint32_t format = hr_cur_u32(c);

	if (c->failed || version != MANIFEST_VERSION)
		return hr_fail(err, HR_E_FORMAT, "version %u of %zu bytes is not %d", version, len, MANIFEST_VERSION);
	if (format != HR_STATE_FORMAT)
		return hr_fail(err, HR_E_FORMAT, "the state has format %" PRIu32 ", this program reads format %u",
		               format, HR_STATE_FORMAT);
	if (!decode_text(c, m->settings, sizeof m->settings, "settings", err) ||
	    !decode_id(c, m->lineage, "lineage", err) || !decode_id(c, m->space, "space", err) ||
	    !decode_text(c, m->kernels, sizeof m->kernels, "kernel set", err))
		return false;
	m->partitions = hr_cur_u32(c);
	m->seed = hr_cur_u64(c);
	if (c->failed || c->left != 0)
		return hr_fail(err, HR_E_FORMAT, "%zu bytes are %s", len, c->failed ? "too few" : "too many");
	return true;
}

bool hr_manifest_decode(const void *bytes, size_t len, struct hr_manifest *ret_manifest, struct hr_error *err)
{
	struct hr_cursor c = {.p = bytes, .left = len};
	struct hr_manifest m = {0};

	if (!decode_manifest(&c, &m, err))
		return hr_context(err, "manifest");
	*ret_manifest = m;
	return true;
}
