#include "store/history.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/kind.h"
#include "base/mem.h"
#include "store/pages.h"
#include "store/past.h"
#include "store/pool.h"
#include "store/user_record.h"

enum { AHEAD = 8 }; /* users whose blocks are fetched while one is written */

struct user {
	uint8_t *block; /* pool: events (store/past.h) from its start, event ids at its end, newest first; NULL: neither */
	uint64_t events, changed;
	int64_t last_ms; /* of the newest event in the block */
	uint16_t len, past_bytes;
	uint8_t grade, seen_len;
	bool forgotten;
};

struct hr_histories {
	uint16_t length;
	struct hr_idmap *ids;
	struct hr_pages users; /* struct user, by number */
	struct hr_pool pool;
	struct hr_dirty dirty;
	struct hr_buf record;     /* reused by collect */
	struct hr_past *unpacked; /* length of them, lent by get */
};

struct hr_histories *hr_histories_new(uint16_t length)
{
	struct hr_histories *h = hr_alloc(1, sizeof *h);

	HR_ASSERT(length >= 1 && length <= HR_HISTORY_MAX);
	h->length = length;
	h->ids = hr_idmap_new();
	h->users.item_bytes = sizeof(struct user);
	h->pool.bytes_max = length * HR_PAST_MAX + HR_SEEN_MAX * HR_SEEN_BYTES;
	h->unpacked = hr_alloc(length, sizeof *h->unpacked);
	return h;
}

void hr_histories_free(struct hr_histories *h)
{
	if (h == NULL)
		return;
	hr_idmap_free(h->ids);
	hr_pages_fini(&h->users);
	hr_pool_fini(&h->pool);
	hr_dirty_fini(&h->dirty);
	hr_buf_fini(&h->record);
	hr_free(h->unpacked);
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

uint16_t hr_histories_len(const struct hr_histories *h, uint32_t user) { return at(h, user)->len; }

/* What lies in memory was checked on its way in. */
static void unpack(const struct user *u, struct hr_past *past)
{
	int64_t last_ms;

	if (u->len != 0)
		HR_ASSERT(hr_past_decode(u->block, u->past_bytes, u->len, past, &last_ms, NULL));
}

struct hr_history hr_histories_get(const struct hr_histories *h, uint32_t user)
{
	const struct user *u = at(h, user);

	unpack(u, h->unpacked);
	return (struct hr_history){.past = h->unpacked, .len = u->len, .events = u->events};
}

static size_t seen_bytes(const struct user *u) { return u->seen_len * (size_t)HR_SEEN_BYTES; }

static uint8_t *seen_of(const struct hr_histories *h, const struct user *u)
{
	return u->block + hr_pool_bytes(&h->pool, u->grade) - seen_bytes(u);
}

static void fetch_lines(const void *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += HR_CACHE_LINE)
		__builtin_prefetch((const uint8_t *)p + i);
}

/* What an append reads and writes of a user: the end of the history, all of it when it is full, and the event ids. */
static void fetch_block(const struct hr_histories *h, const struct user *u)
{
	if (u->block == NULL)
		return;
	if (u->len == h->length)
		fetch_lines(u->block, u->past_bytes);
	else
		__builtin_prefetch(u->block + u->past_bytes);
	fetch_lines(seen_of(h, u), seen_bytes(u));
}

void hr_histories_fetch(const struct hr_histories *h, const struct hr_id *id, size_t count)
{
	uint64_t hash[HR_FETCH_MAX];
	uint32_t user[HR_FETCH_MAX];

	hr_idmap_fetch_slots(h->ids, id, count, hash);
	hr_idmap_fetch_guess(h->ids, hash, count, user);
	for (size_t i = 0; i < count; i++)
		if (user[i] != HR_NONE)
			fetch_lines(at(h, user[i]), sizeof(struct user));
	hr_idmap_fetch_ids(h->ids, user, count);
	for (size_t i = 0; i < count; i++)
		if (user[i] != HR_NONE)
			fetch_block(h, at(h, user[i]));
}

bool hr_histories_forgotten(const struct hr_histories *h, uint32_t user) { return at(h, user)->forgotten; }
uint64_t hr_histories_changed(const struct hr_histories *h, uint32_t user) { return at(h, user)->changed; }

/* Makes room for more bytes between events and event ids. */
static void make_room(struct hr_histories *h, struct user *u, size_t more)
{
	const size_t need = u->past_bytes + seen_bytes(u) + more;
	uint8_t grade;

	if (u->block != NULL && need <= hr_pool_bytes(&h->pool, u->grade))
		return;
	uint8_t *wider = hr_pool_take(&h->pool, need, &grade);
	if (u->block != NULL) {
		memcpy(wider, u->block, u->past_bytes);
		memcpy(wider + hr_pool_bytes(&h->pool, grade) - seen_bytes(u), seen_of(h, u), seen_bytes(u));
		hr_pool_give(&h->pool, u->block, u->grade);
	}
	u->block = wider;
	u->grade = grade;
}

struct seen {
	uint8_t byte[HR_SEEN_BYTES];
};
_Static_assert(HR_SEEN_BYTES == sizeof(uint32_t) + 1, "has_seen compares four bytes and one");

static struct seen seen_id(const void *id, size_t len)
{
	const uint64_t hash = hr_hash(id, len);
	struct seen s;

	for (unsigned i = 0; i < HR_SEEN_BYTES; i++)
		s.byte[i] = (uint8_t)(hash >> (56 - 8 * i));
	return s;
}

static bool has_seen(const struct hr_histories *h, const struct user *u, struct seen seen)
{
	const uint8_t *p = u->seen_len != 0 ? seen_of(h, u) : NULL;
	uint32_t want, have;

	memcpy(&want, seen.byte, sizeof want);
	for (uint8_t i = 0; i < u->seen_len; i++, p += HR_SEEN_BYTES) {
		memcpy(&have, p, sizeof have);
		if (have == want && p[sizeof have] == seen.byte[sizeof have])
			return true;
	}
	return false;
}

static void remember(struct hr_histories *h, struct user *u, struct seen seen)
{
	if (u->seen_len == HR_SEEN_MAX) {
		uint8_t *p = seen_of(h, u);

		memmove(p + HR_SEEN_BYTES, p, (HR_SEEN_MAX - 1) * HR_SEEN_BYTES);
	} else {
		make_room(h, u, HR_SEEN_BYTES);
		u->seen_len++;
	}
	memcpy(seen_of(h, u), seen.byte, HR_SEEN_BYTES);
}

/* Without an id: the same item, kind and time. */
static bool holds(const struct user *u, const struct hr_past *past)
{
	struct hr_past all[HR_HISTORY_MAX];

	if (u->len == 0 || past->time_ms > u->last_ms)
		return false;
	unpack(u, all);
	for (uint16_t i = 0; i < u->len; i++)
		if (all[i].time_ms == past->time_ms && all[i].item == past->item && all[i].kind == past->kind)
			return true;
	return false;
}

static void replace_past(struct hr_histories *h, struct user *u, const struct hr_past *past, uint16_t len)
{
	uint8_t packed[HR_HISTORY_MAX * HR_PAST_MAX];
	const size_t bytes = (size_t)(hr_past_encode(packed, past, len) - packed);

	u->past_bytes = 0;
	make_room(h, u, bytes);
	memcpy(u->block, packed, bytes);
	u->past_bytes = (uint16_t)bytes;
	u->len = len;
	u->last_ms = past[len - 1].time_ms;
}

/* An event older than the newest: to its place by time, moving out the oldest of a full history. False: there is none. */
static bool insert_late(struct hr_histories *h, struct user *u, const struct hr_past *past, uint16_t *ret_place)
{
	struct hr_past all[HR_HISTORY_MAX + 1];
	uint16_t place = u->len;

	unpack(u, all);
	while (place > 0 && all[place - 1].time_ms > past->time_ms)
		place--;
	if (place == 0 && u->len == h->length)
		return false;
	memmove(all + place + 1, all + place, (size_t)(u->len - place) * sizeof *all);
	all[place] = *past;
	const bool full = u->len == h->length;
	replace_past(h, u, all + full, (uint16_t)(u->len + 1 - full));
	*ret_place = (uint16_t)(place - full);
	return true;
}

/* The common case touches the end of the block only, and its start when the history is full. */
static void append_newest(struct hr_histories *h, struct user *u, const struct hr_past *past)
{
	if (u->len == 0 || h->length == 1) {
		replace_past(h, u, past, 1);
		return;
	}
	if (u->len == h->length)
		u->past_bytes = (uint16_t)hr_past_drop_first(u->block, u->past_bytes);
	else
		u->len++;
	make_room(h, u, HR_PAST_MAX);
	const uint8_t *end = hr_past_put(u->block + u->past_bytes, (uint64_t)past->time_ms - (uint64_t)u->last_ms, past);
	u->past_bytes = (uint16_t)(end - u->block);
	u->last_ms = past->time_ms;
}

enum hr_append hr_histories_append(struct hr_histories *h, uint32_t user, const struct hr_past *past, const void *id,
                                   size_t id_len, uint16_t *ret_place)
{
	struct user *u = at(h, user);
	const struct seen seen = id_len != 0 ? seen_id(id, id_len) : (struct seen){{0}};

	HR_ASSERT(past->item != HR_NONE && past->kind >= 1 && past->kind < HR_KIND_COUNT);
	if (id_len != 0 ? has_seen(h, u, seen) : holds(u, past))
		return HR_DUPLICATE;
	if (id_len != 0)
		remember(h, u, seen);
	u->events++;
	u->forgotten = false;
	hr_dirty_mark(&h->dirty, user);
	if (u->len > 0 && past->time_ms < u->last_ms)
		return insert_late(h, u, past, ret_place) ? HR_APPENDED : HR_LATE;
	append_newest(h, u, past);
	*ret_place = (uint16_t)(u->len - 1);
	return HR_APPENDED;
}

bool hr_histories_forget(struct hr_histories *h, uint32_t user)
{
	if (user >= hr_idmap_count(h->ids))
		return false;
	struct user *u = at(h, user);
	if (u->forgotten)
		return true;
	hr_pool_give(&h->pool, u->block, u->grade);
	*u = (struct user){.forgotten = true};
	hr_dirty_mark(&h->dirty, user);
	return true;
}

/* Nearly all of a record lies ready in memory: ingest stands still for this at a barrier. */
void hr_histories_encode(const struct hr_histories *h, uint32_t user, struct hr_buf *out)
{
	const struct user *u = at(h, user);
	size_t id_len;
	const uint8_t *id = hr_idmap_id(h->ids, user, &id_len);

	hr_buf_u8(out, HR_USER_RECORD_VERSION);
	hr_buf_u8(out, u->forgotten);
	hr_buf_varint(out, id_len);
	hr_buf_bytes(out, id, id_len);
	hr_buf_varint(out, u->events);
	hr_buf_varint(out, u->changed);
	hr_buf_varint(out, u->len);
	if (u->block != NULL) {
		hr_buf_bytes(out, u->block, u->past_bytes);
		hr_buf_bytes(out, seen_of(h, u), seen_bytes(u));
	}
	hr_buf_u8(out, u->seen_len);
}

const uint32_t *hr_histories_dirty(struct hr_histories *h, size_t *ret_count)
{
	return hr_dirty_list(&h->dirty, ret_count);
}

static void fetch_all(const struct hr_histories *h, const struct user *u)
{
	if (u->block == NULL)
		return;
	fetch_lines(u->block, u->past_bytes);
	fetch_lines(seen_of(h, u), seen_bytes(u));
}

void hr_histories_collect(struct hr_histories *h, uint64_t barrier, hr_record_put_fn *put, void *ctx)
{
	size_t n;
	const uint32_t *dirty = hr_dirty_list(&h->dirty, &n);

	for (size_t i = 0; i < n; i++) {
		if (i + AHEAD < n)
			fetch_all(h, at(h, dirty[i + AHEAD]));
		at(h, dirty[i])->changed = barrier;
		hr_buf_clear(&h->record);
		hr_histories_encode(h, dirty[i], &h->record);
		put(ctx, HR_REC_USER, dirty[i], h->record.p, h->record.len);
	}
	hr_dirty_clear(&h->dirty);
}

static void keep(struct hr_histories *h, struct user *u, const struct hr_user_raw *r)
{
	*u = (struct user){.events = r->events,
	                   .changed = r->changed,
	                   .last_ms = r->last_ms,
	                   .len = (uint16_t)r->len,
	                   .forgotten = r->forgotten};
	if (r->past_bytes == 0 && r->seen_len == 0)
		return;
	make_room(h, u, r->past_bytes + r->seen_len * (size_t)HR_SEEN_BYTES);
	u->past_bytes = (uint16_t)r->past_bytes;
	u->seen_len = r->seen_len;
	memcpy(u->block, r->past, r->past_bytes);
	memcpy(seen_of(h, u), r->seen, seen_bytes(u));
}

bool hr_histories_load(struct hr_histories *h, uint32_t user, const void *bytes, size_t len, struct hr_error *err)
{
	struct hr_user_raw r;

	if (user != hr_idmap_count(h->ids))
		return hr_fail(err, HR_E_FORMAT, "user %" PRIu32 " follows %" PRIu32 " users, numbers have no holes",
		               user, hr_idmap_count(h->ids));
	if (!hr_user_raw_read(bytes, len, h->length, NULL, &r, err))
		return hr_context(err, "user %" PRIu32, user);
	keep(h, hr_pages_reach(&h->users, hr_idmap_append(h->ids, r.id, r.id_len)), &r);
	return true;
}

bool hr_histories_loaded(struct hr_histories *h, struct hr_error *err)
{
	uint32_t first, again;

	return hr_idmap_index(h->ids, &first, &again) ||
	       hr_fail(err, HR_E_FORMAT, "user %" PRIu32 ": its id belongs to user %" PRIu32 " already", again, first);
}

size_t hr_histories_memory_bytes(const struct hr_histories *h)
{
	return hr_idmap_memory_bytes(h->ids) + hr_pages_memory_bytes(&h->users) + hr_pool_memory_bytes(&h->pool) +
	       h->dirty.word_cap * sizeof *h->dirty.word + h->dirty.list_cap * sizeof *h->dirty.list + h->record.cap;
}
