#include "store/history.h"

#include <endian.h>
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/idmap.h"
#include "base/kind.h"
#include "base/mem.h"
#include "store/pages.h"
#include "store/pool.h"

enum {
	RECORD_VERSION = 1,
	PAST_BYTES = 8 + 4 + 1,
	FLAG_FORGOTTEN = 1,
	AHEAD = 8, /* users whose blocks are fetched while one is written */
};
_Static_assert(sizeof(struct hr_past) == 16, "an event costs 16 bytes of memory");

struct user {
	struct hr_past *past; /* pool block, oldest first; NULL while len is 0 and none was taken */
	uint64_t *seen;       /* pool block, oldest first */
	uint64_t events, changed;
	uint16_t len;
	uint8_t past_grade, seen_grade, seen_len;
	bool forgotten;
};

struct hr_histories {
	uint16_t length;
	struct hr_idmap *ids;
	struct hr_pages users; /* struct user, by number */
	struct hr_pool past, seen;
	struct hr_dirty dirty;
	struct hr_buf record; /* reused by collect */
};

struct hr_histories *hr_histories_new(uint16_t length)
{
	struct hr_histories *h = hr_alloc(1, sizeof *h);

	HR_ASSERT(length >= 1 && length <= HR_HISTORY_MAX);
	h->length = length;
	h->ids = hr_idmap_new();
	h->users.item_bytes = sizeof(struct user);
	h->past.bytes_max = length * sizeof(struct hr_past);
	h->seen.bytes_max = HR_SEEN_MAX * sizeof(uint64_t);
	return h;
}

void hr_histories_free(struct hr_histories *h)
{
	if (h == NULL)
		return;
	hr_idmap_free(h->ids);
	hr_pages_fini(&h->users);
	hr_pool_fini(&h->past);
	hr_pool_fini(&h->seen);
	hr_dirty_fini(&h->dirty);
	hr_buf_fini(&h->record);
	hr_free(h);
}

static struct user *at(const struct hr_histories *h, uint32_t user)
{
	HR_ASSERT(user < hr_idmap_count(h->ids));
	return hr_pages_at(&h->users, user);
}

/* A new user is dirty though nothing happened yet: the numbers on disk have no holes. */
uint32_t hr_histories_user(struct hr_histories *h, const void *id, size_t len)
{
	bool fresh;
	const uint32_t user = hr_idmap_add(h->ids, id, len, &fresh);

	if (fresh) {
		(void)hr_pages_reach(&h->users, user);
		hr_dirty_mark(&h->dirty, user);
	}
	return user;
}

uint32_t hr_histories_find(const struct hr_histories *h, const void *id, size_t len)
{
	return hr_idmap_find(h->ids, id, len);
}

const uint8_t *hr_histories_id(const struct hr_histories *h, uint32_t user, size_t *ret_len)
{
	return hr_idmap_id(h->ids, user, ret_len);
}

uint32_t hr_histories_count(const struct hr_histories *h) { return hr_idmap_count(h->ids); }

struct hr_history hr_histories_get(const struct hr_histories *h, uint32_t user)
{
	const struct user *u = at(h, user);

	return (struct hr_history){.past = u->past, .len = u->len, .events = u->events};
}

static void fetch_lines(const void *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += HR_CACHE_LINE)
		__builtin_prefetch((const uint8_t *)p + i);
}

/* What an append reads and writes of a user: the end of the history, all of it when it is full, and the event ids. */
static void fetch_blocks(const struct hr_histories *h, const struct user *u)
{
	if (u->len == h->length)
		fetch_lines(u->past, u->len * sizeof *u->past);
	else if (u->len > 0)
		fetch_lines(u->past + u->len - 1, 2 * sizeof *u->past);
	if (u->seen_len > 0)
		fetch_lines(u->seen, u->seen_len * sizeof *u->seen);
}

void hr_histories_fetch(const struct hr_histories *h, const struct hr_user_id *id, size_t count)
{
	uint64_t hash[HR_FETCH_MAX];
	uint32_t user[HR_FETCH_MAX];

	HR_ASSERT(count <= HR_FETCH_MAX);
	for (size_t i = 0; i < count; i++) {
		hash[i] = id[i].len != 0 ? hr_hash(id[i].p, id[i].len) : 0;
		hr_idmap_prefetch(h->ids, hash[i]);
	}
	for (size_t i = 0; i < count; i++) {
		user[i] = id[i].len != 0 ? hr_idmap_guess(h->ids, hash[i]) : HR_NONE;
		if (user[i] == HR_NONE)
			continue;
		hr_idmap_prefetch_place(h->ids, user[i]);
		fetch_lines(at(h, user[i]), sizeof(struct user));
	}
	for (size_t i = 0; i < count; i++) {
		if (user[i] == HR_NONE)
			continue;
		hr_idmap_prefetch_id(h->ids, user[i]);
		fetch_blocks(h, at(h, user[i]));
	}
}

bool hr_histories_forgotten(const struct hr_histories *h, uint32_t user) { return at(h, user)->forgotten; }
uint64_t hr_histories_changed(const struct hr_histories *h, uint32_t user) { return at(h, user)->changed; }

/* Makes room for len elements of size bytes in a pool block, keeping the first kept of them. */
static void *widen(struct hr_pool *pool, void *block, uint8_t *grade, size_t kept, size_t len, size_t size)
{
	uint8_t wider;

	if (block != NULL && len * size <= hr_pool_bytes(pool, *grade))
		return block;
	void *moved = hr_pool_take(pool, len * size, &wider);
	if (kept != 0)
		memcpy(moved, block, kept * size);
	hr_pool_give(pool, block, *grade);
	*grade = wider;
	return moved;
}

static bool has_seen(const struct user *u, uint64_t hash)
{
	for (uint8_t i = 0; i < u->seen_len; i++)
		if (u->seen[i] == hash)
			return true;
	return false;
}

static void remember(struct hr_histories *h, struct user *u, uint64_t hash)
{
	if (u->seen_len == HR_SEEN_MAX) {
		memmove(u->seen, u->seen + 1, (HR_SEEN_MAX - 1) * sizeof *u->seen);
		u->seen_len--;
	}
	u->seen = widen(&h->seen, u->seen, &u->seen_grade, u->seen_len, u->seen_len + 1u, sizeof *u->seen);
	u->seen[u->seen_len++] = hash;
}

/* Index after the last event that is not newer. */
static uint16_t place_of(const struct user *u, int64_t time_ms)
{
	uint16_t i = u->len;

	while (i > 0 && u->past[i - 1].time_ms > time_ms)
		i--;
	return i;
}

static bool holds(const struct user *u, const struct hr_past *past)
{
	for (uint16_t i = place_of(u, past->time_ms); i > 0 && u->past[i - 1].time_ms == past->time_ms; i--)
		if (u->past[i - 1].item == past->item && u->past[i - 1].kind == past->kind)
			return true;
	return false;
}

/* Puts the event at its place, moving out the oldest of a full history; the place may be one lower then. */
static uint16_t insert(struct hr_histories *h, struct user *u, uint16_t place, const struct hr_past *past)
{
	if (u->len == h->length) {
		place--;
		memmove(u->past, u->past + 1, place * sizeof *u->past);
	} else {
		u->past = widen(&h->past, u->past, &u->past_grade, u->len, u->len + 1u, sizeof *u->past);
		memmove(u->past + place + 1, u->past + place, (size_t)(u->len - place) * sizeof *u->past);
		u->len++;
	}
	u->past[place] = *past;
	return place;
}

enum hr_append hr_histories_append(struct hr_histories *h, uint32_t user, const struct hr_past *past, const void *id,
                                   size_t id_len, uint16_t *ret_place)
{
	struct user *u = at(h, user);
	const uint64_t hash = id_len != 0 ? hr_hash(id, id_len) : 0;

	HR_ASSERT(past->item != HR_NONE && past->kind >= 1 && past->kind < HR_KIND_COUNT);
	if (id_len != 0 ? has_seen(u, hash) : holds(u, past))
		return HR_DUPLICATE;
	if (id_len != 0)
		remember(h, u, hash);
	u->events++;
	u->forgotten = false;
	hr_dirty_mark(&h->dirty, user);
	const uint16_t place = place_of(u, past->time_ms);
	if (place == 0 && u->len == h->length)
		return HR_LATE;
	*ret_place = insert(h, u, place, past);
	return HR_APPENDED;
}

bool hr_histories_forget(struct hr_histories *h, uint32_t user)
{
	if (user >= hr_idmap_count(h->ids))
		return false;
	struct user *u = at(h, user);
	if (u->forgotten)
		return true;
	hr_pool_give(&h->past, u->past, u->past_grade);
	hr_pool_give(&h->seen, u->seen, u->seen_grade);
	*u = (struct user){.forgotten = true};
	hr_dirty_mark(&h->dirty, user);
	return true;
}

static uint8_t *put_u16(uint8_t *to, uint16_t v)
{
	v = htole16(v);
	memcpy(to, &v, sizeof v);
	return to + sizeof v;
}

static uint8_t *put_u32(uint8_t *to, uint32_t v)
{
	v = htole32(v);
	memcpy(to, &v, sizeof v);
	return to + sizeof v;
}

static uint8_t *put_u64(uint8_t *to, uint64_t v)
{
	v = htole64(v);
	memcpy(to, &v, sizeof v);
	return to + sizeof v;
}

static uint8_t *put_past(uint8_t *to, const struct user *u)
{
	for (uint16_t i = 0; i < u->len; i++) {
		to = put_u64(to, (uint64_t)u->past[i].time_ms);
		to = put_u32(to, u->past[i].item);
		*to++ = u->past[i].kind;
	}
	return to;
}

/* Into room at once, not field by field into a buffer that may grow: ingest stands still for it at a barrier. */
void hr_histories_encode(const struct hr_histories *h, uint32_t user, struct hr_buf *out)
{
	enum { FIXED = 8 + 8 + 1 + 2 + 1 };
	uint8_t bytes[FIXED + HR_HISTORY_MAX * PAST_BYTES + HR_SEEN_MAX * sizeof(uint64_t)], *to = bytes;
	const struct user *u = at(h, user);
	size_t id_len;
	const uint8_t *id = hr_idmap_id(h->ids, user, &id_len);

	hr_buf_u8(out, RECORD_VERSION);
	hr_buf_blob(out, id, id_len);
	to = put_u64(to, u->events);
	to = put_u64(to, u->changed);
	*to++ = u->forgotten ? FLAG_FORGOTTEN : 0;
	to = put_u16(to, u->len);
	to = put_past(to, u);
	*to++ = u->seen_len;
	for (uint8_t i = 0; i < u->seen_len; i++)
		to = put_u64(to, u->seen[i]);
	hr_buf_bytes(out, bytes, (size_t)(to - bytes));
}

const uint32_t *hr_histories_dirty(struct hr_histories *h, size_t *ret_count)
{
	return hr_dirty_list(&h->dirty, ret_count);
}

static void fetch_all(const struct user *u)
{
	fetch_lines(u->past, u->len * sizeof *u->past);
	fetch_lines(u->seen, u->seen_len * sizeof *u->seen);
}

void hr_histories_collect(struct hr_histories *h, uint64_t barrier, hr_record_put_fn *put, void *ctx)
{
	size_t n;
	const uint32_t *dirty = hr_dirty_list(&h->dirty, &n);

	for (size_t i = 0; i < n; i++) {
		if (i + AHEAD < n)
			fetch_all(at(h, dirty[i + AHEAD]));
		at(h, dirty[i])->changed = barrier;
		hr_buf_clear(&h->record);
		hr_histories_encode(h, dirty[i], &h->record);
		put(ctx, HR_REC_USER, dirty[i], h->record.p, h->record.len);
	}
	hr_dirty_clear(&h->dirty);
}

/* A record as it lies on disk: looked through before anything is kept of it. */
struct raw {
	const uint8_t *id, *past, *seen;
	size_t id_len;
	uint64_t events, changed;
	uint16_t len;
	uint8_t flags, seen_len;
};

static bool read_raw(struct hr_cursor *c, struct raw *r, struct hr_error *err)
{
	const size_t len = c->left;
	const uint8_t version = hr_cur_u8(c);

	if (c->failed || version != RECORD_VERSION)
		return hr_fail(err, HR_E_FORMAT, "version %u of %zu bytes is not %d", version, len, RECORD_VERSION);
	r->id = hr_cur_blob(c, &r->id_len);
	r->events = hr_cur_u64(c);
	r->changed = hr_cur_u64(c);
	r->flags = hr_cur_u8(c);
	r->len = hr_cur_u16(c);
	r->past = hr_cur_bytes(c, (size_t)r->len * PAST_BYTES);
	r->seen_len = hr_cur_u8(c);
	r->seen = hr_cur_bytes(c, (size_t)r->seen_len * sizeof(uint64_t));
	if (c->failed || c->left != 0)
		return hr_fail(err, HR_E_FORMAT, "%zu bytes are too %s", len, c->failed ? "few" : "many");
	return true;
}

/* What can be said without the other users. */
static bool check_bounds(const struct raw *r, uint16_t length, struct hr_error *err)
{
	if (r->id_len == 0 || r->id_len > HR_ID_MAX)
		return hr_fail(err, HR_E_FORMAT, "an id of %zu bytes is not 1..%u", r->id_len, HR_ID_MAX);
	if (r->len > length)
		return hr_fail(err, HR_E_FORMAT, "a history of %u events is over %u", r->len, length);
	return true;
}

static bool check_raw(const struct hr_histories *h, const struct raw *r, struct hr_error *err)
{
	if (!check_bounds(r, h->length, err))
		return false;
	if (hr_idmap_find(h->ids, r->id, r->id_len) != HR_NONE)
		return hr_fail(err, HR_E_FORMAT, "its id belongs to user %" PRIu32 " already",
		               hr_idmap_find(h->ids, r->id, r->id_len));
	if (r->flags > FLAG_FORGOTTEN)
		return hr_fail(err, HR_E_FORMAT, "flags %u are over %d", r->flags, FLAG_FORGOTTEN);
	if (r->seen_len > HR_SEEN_MAX)
		return hr_fail(err, HR_E_FORMAT, "%u event ids are over %u", r->seen_len, HR_SEEN_MAX);
	if (r->events < r->len || r->events < r->seen_len)
		return hr_fail(err, HR_E_FORMAT, "%" PRIu64 " events ever, but %u in the history and %u event ids",
		               r->events, r->len, r->seen_len);
	if (r->flags == FLAG_FORGOTTEN && r->events != 0)
		return hr_fail(err, HR_E_FORMAT, "a forgotten user still has %" PRIu64 " events", r->events);
	return true;
}

static bool read_past(const uint8_t *from, struct hr_past *past, uint16_t len, struct hr_error *err)
{
	for (uint16_t i = 0; i < len; i++, from += PAST_BYTES) {
		uint64_t time;
		uint32_t item;

		memcpy(&time, from, sizeof time);
		memcpy(&item, from + 8, sizeof item);
		past[i] = (struct hr_past){.time_ms = (int64_t)le64toh(time), .item = le32toh(item), .kind = from[12]};
		if (past[i].item == HR_NONE || past[i].kind == 0 || past[i].kind >= HR_KIND_COUNT)
			return hr_fail(err, HR_E_FORMAT, "event %u: item %" PRIu32 " or kind %u does not exist", i,
			               past[i].item, past[i].kind);
		if (i > 0 && past[i].time_ms < past[i - 1].time_ms)
			return hr_fail(err, HR_E_FORMAT, "event %u: time %" PRId64 " is before the one before it", i,
			               past[i].time_ms);
	}
	return true;
}

static void keep(struct hr_histories *h, const struct raw *r, const struct hr_past *past)
{
	bool fresh;
	struct user *u = hr_pages_reach(&h->users, hr_idmap_add(h->ids, r->id, r->id_len, &fresh));

	*u = (struct user){.events = r->events, .changed = r->changed, .forgotten = r->flags == FLAG_FORGOTTEN};
	if (r->len != 0) {
		u->past = widen(&h->past, NULL, &u->past_grade, 0, r->len, sizeof *u->past);
		memcpy(u->past, past, r->len * sizeof *past);
	}
	u->len = r->len;
	struct hr_cursor seen = {.p = r->seen, .left = r->seen_len * sizeof *u->seen};
	if (r->seen_len != 0)
		u->seen = widen(&h->seen, NULL, &u->seen_grade, 0, r->seen_len, sizeof *u->seen);
	while (u->seen_len < r->seen_len)
		u->seen[u->seen_len++] = hr_cur_u64(&seen);
}

bool hr_histories_load(struct hr_histories *h, uint32_t user, const void *bytes, size_t len, struct hr_error *err)
{
	struct hr_cursor c = {.p = bytes, .left = len};
	struct hr_past past[HR_HISTORY_MAX];
	struct raw r = {0};

	if (user != hr_idmap_count(h->ids))
		return hr_fail(err, HR_E_FORMAT, "user %" PRIu32 " follows %" PRIu32 " users, numbers have no holes",
		               user, hr_idmap_count(h->ids));
	if (!read_raw(&c, &r, err) || !check_raw(h, &r, err) || !read_past(r.past, past, r.len, err))
		return hr_context(err, "user %" PRIu32, user);
	keep(h, &r, past);
	return true;
}

bool hr_user_record_decode(const void *bytes, size_t len, struct hr_user_record *ret_record, struct hr_error *err)
{
	struct hr_cursor c = {.p = bytes, .left = len};
	struct raw r = {0};

	_Static_assert(sizeof ret_record->id == HR_ID_MAX, "a record's id fits");
	if (!read_raw(&c, &r, err) || !check_bounds(&r, HR_HISTORY_MAX, err) || !read_past(r.past, ret_record->past, r.len, err))
		return hr_context(err, "user record");
	memcpy(ret_record->id, r.id, r.id_len);
	ret_record->id_len = r.id_len;
	ret_record->events = r.events;
	ret_record->len = r.len;
	return true;
}

size_t hr_histories_memory_bytes(const struct hr_histories *h)
{
	return hr_idmap_memory_bytes(h->ids) + hr_pages_memory_bytes(&h->users) + hr_pool_memory_bytes(&h->past) +
	       hr_pool_memory_bytes(&h->seen) + h->dirty.word_cap * sizeof *h->dirty.word +
	       h->dirty.list_cap * sizeof *h->dirty.list + h->record.cap;
}
