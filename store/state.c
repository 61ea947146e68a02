#include "store/state.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crash.h"
#include "base/mem.h"
#include "store/priv.h"

static void free_flush(rocksdb_flushoptions_t **o) { rocksdb_flushoptions_destroy(*o); }
static void free_checkpoint(rocksdb_checkpoint_t **c) { rocksdb_checkpoint_object_destroy(*c); }

void hr_value_put(rocksdb_writebatch_t *batch, const void *key, size_t key_len, const void *bytes, size_t len)
{
	const uint32_t crc = hr_value_crc(key, key_len, bytes, len);
	HR_AUTO(hr_buf_fini) struct hr_buf value = {0};

	hr_buf_bytes(&value, &crc, sizeof crc);
	hr_buf_bytes(&value, bytes, len);
	rocksdb_writebatch_put(batch, key, key_len, (const char *)value.p, value.len);
}

bool hr_value_check(const void *key, size_t key_len, const uint8_t **bytes, size_t *len)
{
	uint32_t crc;

	if (*len < sizeof crc)
		return false;
	memcpy(&crc, *bytes, sizeof crc);
	*bytes += sizeof crc;
	*len -= sizeof crc;
	return crc == hr_value_crc(key, key_len, *bytes, *len);
}

bool hr_value_get(struct hr_store *s, const void *key, size_t key_len, const char *what, struct hr_buf *out,
                  bool *ret_found, struct hr_error *err)
{
	HR_AUTO(hr_free_ropt) rocksdb_readoptions_t *opt = rocksdb_readoptions_create();
	HR_AUTO(hr_free_dbstr) char *why = NULL;
	size_t len = 0;
	HR_AUTO(hr_free_dbstr) char *value = rocksdb_get(s->db, opt, key, key_len, &len, &why);
	const uint8_t *bytes = (const uint8_t *)value;

	if (why != NULL)
		return hr_fail(err, HR_E_STORE, "could not read the %s: %s", what, why);
	*ret_found = value != NULL;
	if (value == NULL)
		return true;
	if (!hr_value_check(key, key_len, &bytes, &len))
		return hr_fail(err, HR_E_STORE, "the %s has a wrong checksum", what);
	hr_buf_bytes(out, bytes, len);
	return true;
}

/* ---- reading every record ---- */

struct record {
	uint8_t cls;
	uint32_t number;
	const uint8_t *bytes;
	size_t len;
	struct hr_hash128 hash;
};

/* Takes key and value apart. named is scratch: the hash wants name and bytes in one piece. */
static bool read_record(rocksdb_iterator_t *i, struct hr_buf *named, struct record *r, struct hr_error *err)
{
	size_t key_len;
	const char *key = rocksdb_iter_key(i, &key_len);
	uint32_t number = 0;

	if (key_len != HR_KEY_RECORD)
		return hr_fail(err, HR_E_STORE, "a key of class '%c' has %zu bytes, not %u", key[0], key_len,
		               HR_KEY_RECORD);
	memcpy(&number, key + 1, sizeof number);
	r->cls = (uint8_t)key[0];
	r->number = be32toh(number);
	r->bytes = (const uint8_t *)rocksdb_iter_value(i, &r->len);
	if (!hr_value_check(key, key_len, &r->bytes, &r->len))
		return hr_fail(err, HR_E_STORE, "record %c/%" PRIu32 " has a wrong checksum", r->cls, r->number);
	hr_buf_clear(named);
	hr_buf_u8(named, r->cls);
	hr_buf_u32(named, r->number);
	hr_buf_bytes(named, r->bytes, r->len);
	r->hash = hr_record_hash(named->p, named->len);
	return true;
}

typedef bool visit_fn(void *ctx, const struct record *r, struct hr_error *err);

/* end: the class after the last; borrowed by the options for their life. */
static rocksdb_readoptions_t *scan_options(const char *end)
{
	rocksdb_readoptions_t *opt = rocksdb_readoptions_create();

	rocksdb_readoptions_set_iterate_upper_bound(opt, end, 1);
	rocksdb_readoptions_set_readahead_size(opt, (size_t)2 << 20);
	rocksdb_readoptions_set_fill_cache(opt, 0);
	rocksdb_readoptions_set_verify_checksums(opt, 1);
	return opt;
}

/* Records of the classes first .. last. */
static bool scan_classes(struct hr_store *s, char first, char last, visit_fn *visit, void *ctx, struct hr_error *err)
{
	const char end = (char)(last + 1);
	HR_AUTO(hr_free_ropt) rocksdb_readoptions_t *opt = scan_options(&end);
	HR_AUTO(hr_free_iter) rocksdb_iterator_t *i = rocksdb_create_iterator(s->db, opt);
	HR_AUTO(hr_buf_fini) struct hr_buf named = {0};
	HR_AUTO(hr_free_dbstr) char *why = NULL;
	struct record r;

	for (rocksdb_iter_seek(i, &first, 1); rocksdb_iter_valid(i); rocksdb_iter_next(i))
		if (!read_record(i, &named, &r, err) || !visit(ctx, &r, err))
			return hr_context(err, "state %s", s->dir);
	rocksdb_iter_get_error(i, &why);
	return why == NULL || hr_fail(err, HR_E_STORE, "state %s: could not read the records: %s", s->dir, why);
}

static bool scan(struct hr_store *s, visit_fn *visit, void *ctx, struct hr_error *err)
{
	return scan_classes(s, HR_CLASS_FIRST, HR_CLASS_LAST, visit, ctx, err);
}

static bool add_to_digest(void *ctx, const struct record *r, struct hr_error *err)
{
	struct hr_hash128 *digest = ctx;

	(void)err;
	*digest = hr_hash128_add(*digest, r->hash);
	return true;
}

bool hr_store_digest(struct hr_store *s, struct hr_hash128 *ret_digest, struct hr_error *err)
{
	struct hr_hash128 digest = {0};

	if (!scan(s, add_to_digest, &digest, err))
		return false;
	*ret_digest = digest;
	return true;
}

/* Remembers the hash of a record and returns the one it had. */
static struct hr_hash128 exchange_hash(struct hr_store *s, uint8_t cls, uint32_t number, struct hr_hash128 hash)
{
	struct hr_hash128 *at = hr_pages_reach(&s->hash[cls - HR_CLASS_FIRST], number);
	const struct hr_hash128 old = *at;

	*at = hash;
	return old;
}

struct loading {
	struct hr_store *s;
	hr_record_load_fn *load;
	void *ctx;
	struct hr_hash128 digest;
};

static bool load_record(void *ctx, const struct record *r, struct hr_error *err)
{
	struct loading *l = ctx;

	(void)exchange_hash(l->s, r->cls, r->number, r->hash);
	l->digest = hr_hash128_add(l->digest, r->hash);
	return l->load(l->ctx, (enum hr_record_class)r->cls, r->number, r->bytes, r->len, err);
}

bool hr_store_load(struct hr_store *s, hr_record_load_fn *load, void *ctx, struct hr_error *err)
{
	struct loading l = {.s = s, .load = load, .ctx = ctx};
	char held[33], want[33];

	HR_ASSERT(!s->loaded);
	if (!scan(s, load_record, &l, err))
		return false;
	hr_hash128_hex(l.digest, held);
	hr_hash128_hex(s->digest, want);
	if (strcmp(held, want) != 0)
		return hr_fail(err, HR_E_STORE, "state %s: the records have digest %s, barrier %" PRIu64 " says %s",
		               s->dir, held, s->barrier, want);
	s->loaded = true;
	return true;
}

struct handing {
	hr_record_load_fn *each;
	void *ctx;
};

static bool hand_on(void *ctx, const struct record *r, struct hr_error *err)
{
	const struct handing *h = ctx;

	return h->each(h->ctx, (enum hr_record_class)r->cls, r->number, r->bytes, r->len, err);
}

bool hr_store_each(struct hr_store *s, enum hr_record_class cls, hr_record_load_fn *each, void *ctx, struct hr_error *err)
{
	struct handing h = {.each = each, .ctx = ctx};

	return scan_classes(s, (char)cls, (char)cls, hand_on, &h, err);
}

/* ---- commit ---- */

static void order_key(uint8_t key[9], uint64_t barrier)
{
	const uint64_t big = htobe64(barrier);

	key[0] = 'L';
	memcpy(key + 1, &big, sizeof big);
}

struct filling {
	struct hr_store *s;
	rocksdb_writebatch_t *batch;
};

/* Puts a record into the batch, and moves the digest from the old one to the new. */
static void add_record(void *ctx, const struct hr_change *change)
{
	const struct filling *f = ctx;
	struct hr_store *s = f->s;
	uint8_t key[HR_KEY_RECORD];

	s->digest = hr_hash128_sub(s->digest, exchange_hash(s, change->cls, change->number, change->hash));
	s->digest = hr_hash128_add(s->digest, change->hash);
	hr_record_key(key, change->cls, change->number);
	if (change->value != NULL)
		rocksdb_writebatch_put(f->batch, (const char *)key, sizeof key, (const char *)change->value, change->value_len);
	else
		rocksdb_writebatch_delete(f->batch, (const char *)key, sizeof key);
}

/* What the digest of the barrier is, and how it was come to. */
static void add_order(rocksdb_writebatch_t *batch, const struct hr_changes *changes, const struct hr_barrier *row)
{
	const struct hr_order_head head = {row->digest, row->events, row->steps, row->wall_ms};
	HR_AUTO(hr_buf_fini) struct hr_buf bytes = {0};
	uint8_t key[9];
	size_t len;
	const uint8_t *log = hr_changes_order_log(changes, &len);

	order_key(key, row->number);
	hr_order_head_encode(&head, &bytes);
	hr_buf_bytes(&bytes, log, len);
	hr_value_put(batch, key, sizeof key, bytes.p, bytes.len);
}

uint64_t hr_store_first_order(struct hr_store *s)
{
	HR_AUTO(hr_free_ropt) rocksdb_readoptions_t *opt = rocksdb_readoptions_create();
	HR_AUTO(hr_free_iter) rocksdb_iterator_t *i = rocksdb_create_iterator(s->db, opt);
	uint64_t big;
	size_t len;

	rocksdb_iter_seek(i, "L", 1);
	const char *key = rocksdb_iter_valid(i) ? rocksdb_iter_key(i, &len) : NULL;
	if (key == NULL || len != 9 || key[0] != 'L')
		return s->barrier + 1;
	memcpy(&big, key + 1, sizeof big);
	return be64toh(big);
}

static void drop_order(struct hr_store *s, rocksdb_writebatch_t *batch, const struct hr_barrier *row)
{
	enum { AT_ONCE = 4 };

	if (s->order_keep_ms == 0)
		return;
	if (s->order_first == 0)
		s->order_first = hr_store_first_order(s);
	for (int i = 0; i < AT_ONCE && s->order_first < row->number; i++, s->order_first++) {
		HR_AUTO(hr_buf_fini) struct hr_buf log = {0};
		struct hr_order_head head;
		struct hr_error err;
		uint8_t key[9];

		if (!hr_store_order_log(s, s->order_first, &head, &log, &err) || head.wall_ms >= row->wall_ms - s->order_keep_ms)
			return;
		order_key(key, s->order_first);
		rocksdb_writebatch_delete(batch, (const char *)key, sizeof key);
	}
}

/* 'B' and 'L' sort before the records, but hold the digest: so the records come first. */
static void fill_batch(struct hr_store *s, rocksdb_writebatch_t *batch, const struct hr_changes *changes,
                       struct hr_barrier *row)
{
	HR_AUTO(hr_buf_fini) struct hr_buf bytes = {0};
	struct filling f = {s, batch};

	hr_changes_sealed(changes, add_record, &f);
	row->digest = s->digest;
	drop_order(s, batch, row);
	add_order(batch, changes, row);
	hr_barrier_encode(row, &bytes);
	hr_value_put(batch, "B", 1, bytes.p, bytes.len);
}

bool hr_store_commit(struct hr_store *s, const struct hr_changes *changes, struct hr_barrier *row, struct hr_error *err)
{
	HR_AUTO(hr_free_batch) rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	HR_AUTO(hr_free_dbstr) char *why = NULL;

	HR_ASSERT(s->loaded && s->synced != NULL && row->number == s->barrier + 1);
	for (size_t i = 0; i < row->partition_count; i++)
		HR_ASSERT(hr_partition_balances(&row->partition[i]));
	if (s->failed)
		return hr_fail(err, HR_E_STORE, "barrier %" PRIu64 ": an earlier write failed, nothing more is written",
		               row->number);
	fill_batch(s, batch, changes, row);
	hr_crash_point("before-write");
	rocksdb_write(s->db, s->synced, batch, &why);
	if (why != NULL) {
		s->failed = true;
		return hr_fail(err, HR_E_STORE, "could not write barrier %" PRIu64 " of %zu records: %s", row->number,
		               hr_changes_count(changes), why);
	}
	hr_crash_point("after-write");
	s->barrier = row->number;
	hr_last_write(s->last_fd, s->barrier);
	return true;
}

/* ---- the rest ---- */

void hr_store_keep_order(struct hr_store *s, int64_t ms) { s->order_keep_ms = ms; }

void hr_store_settle(struct hr_store *s)
{
	HR_AUTO(free_flush) rocksdb_flushoptions_t *opt = rocksdb_flushoptions_create();
	HR_AUTO(hr_free_dbstr) char *why = NULL;

	if (s->synced != NULL && !s->failed)
		rocksdb_flush(s->db, opt, &why); /* waits */
}

bool hr_store_order_log(struct hr_store *s, uint64_t barrier, struct hr_order_head *ret_head, struct hr_buf *out,
                        struct hr_error *err)
{
	HR_AUTO(hr_buf_fini) struct hr_buf row = {0};
	uint8_t key[9];
	bool found;

	order_key(key, barrier);
	if (!hr_value_get(s, key, sizeof key, "order log", &row, &found, err))
		return hr_context(err, "barrier %" PRIu64, barrier);
	if (!found)
		return hr_fail(err, HR_E_STORE,
		               "barrier %" PRIu64 " has no order log: there is no such barrier, or it is older than state.order_keep", barrier);
	struct hr_cursor c = {.p = row.p, .left = row.len};
	if (!hr_order_head_decode(&c, ret_head, err))
		return hr_context(err, "barrier %" PRIu64, barrier);
	hr_buf_bytes(out, c.p, c.left);
	return true;
}

bool hr_store_checkpoint(struct hr_store *s, const char *dir, struct hr_error *err)
{
	HR_AUTO(hr_free_dbstr) char *why = NULL;
	HR_AUTO(free_checkpoint) rocksdb_checkpoint_t *c = rocksdb_checkpoint_object_create(s->db, &why);

	/* 0: flush first, so that no log is linked which could be unsynced */
	if (why == NULL)
		rocksdb_checkpoint_create(c, dir, 0, &why);
	if (why != NULL)
		return hr_fail(err, HR_E_STORE, "could not make checkpoint %s: %s", dir, why);
	if (chmod(dir, 0700) != 0)
		return hr_fail(err, HR_E_STORE, "could not close checkpoint %s to others: %s", dir, strerror(errno));
	return hr_sync_parent(dir, err);
}

uint64_t hr_store_disk_bytes(struct hr_store *s)
{
	DIR *d = opendir(s->dir);
	const struct dirent *e;
	struct stat st;
	uint64_t bytes = 0;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			bytes += (uint64_t)st.st_size;
	if (d != NULL)
		(void)closedir(d);
	return bytes;
}
