#include "store/state.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/crash.h"
#include "base/mem.h"
#include "store/pages.h"
#include "store/priv.h"

enum { RECOVER_ABSOLUTE = 1, RECOVER_POINT_IN_TIME = 2, CHECKSUM_XXH3 = 4, LOG_WARN = 2, MEMTABLES = 2 };
#define MEMTABLE_BYTES ((size_t)64 << 20)

struct hr_store {
	/* ---- set by open, then read-only ---- */
	rocksdb_t *db;
	rocksdb_writeoptions_t *synced;
	char *dir;
	int last_fd;
	/* ---- the one writer's ---- */
	uint64_t barrier;                                             /* the newest */
	struct hr_hash128 digest;                                     /* of all records at it */
	struct hr_pages hash[HR_CLASS_LAST - HR_CLASS_FIRST + 1];     /* struct hr_hash128 by number; zero: no record */
	bool loaded, failed;
};

static void free_dbstr(char **s) { rocksdb_free(*s); }
static void free_batch(rocksdb_writebatch_t **b) { rocksdb_writebatch_destroy(*b); }
static void free_iter(rocksdb_iterator_t **i) { rocksdb_iter_destroy(*i); }
static void free_ropt(rocksdb_readoptions_t **o) { rocksdb_readoptions_destroy(*o); }
static void free_opt(rocksdb_options_t **o) { rocksdb_options_destroy(*o); }
static void free_table(rocksdb_block_based_table_options_t **o) { rocksdb_block_based_options_destroy(*o); }
static void free_checkpoint(rocksdb_checkpoint_t **c) { rocksdb_checkpoint_object_destroy(*c); }

/* ---- values: CRC32C of key and bytes, then the bytes ---- */

static void put_value(rocksdb_writebatch_t *batch, const void *key, size_t key_len, const void *bytes, size_t len)
{
	const uint32_t crc = hr_value_crc(key, key_len, bytes, len);
	HR_AUTO(hr_buf_fini) struct hr_buf value = {0};

	hr_buf_bytes(&value, &crc, sizeof crc);
	hr_buf_bytes(&value, bytes, len);
	rocksdb_writebatch_put(batch, key, key_len, (const char *)value.p, value.len);
}

/* Steps over the CRC of *bytes, after a look at it. */
static bool check_value(const void *key, size_t key_len, const uint8_t **bytes, size_t *len)
{
	uint32_t crc;

	if (*len < sizeof crc)
		return false;
	memcpy(&crc, *bytes, sizeof crc);
	*bytes += sizeof crc;
	*len -= sizeof crc;
	return crc == hr_value_crc(key, key_len, *bytes, *len);
}

/* Appends the value of key to out. A key that is not there leaves *ret_found false. */
static bool get_value(struct hr_store *s, const void *key, size_t key_len, const char *what, struct hr_buf *out,
                      bool *ret_found, struct hr_error *err)
{
	HR_AUTO(free_ropt) rocksdb_readoptions_t *opt = rocksdb_readoptions_create();
	HR_AUTO(free_dbstr) char *why = NULL;
	size_t len = 0;
	HR_AUTO(free_dbstr) char *value = rocksdb_get(s->db, opt, key, key_len, &len, &why);
	const uint8_t *bytes = (const uint8_t *)value;

	if (why != NULL)
		return hr_fail(err, HR_E_STORE, "could not read the %s: %s", what, why);
	*ret_found = value != NULL;
	if (value == NULL)
		return true;
	if (!check_value(key, key_len, &bytes, &len))
		return hr_fail(err, HR_E_STORE, "the %s has a wrong checksum", what);
	hr_buf_bytes(out, bytes, len);
	return true;
}

/* ---- open ---- */

/* The options that matter, and why: every value is read once, at start, so no bloom filter and little cache; one writer
 * with big sorted batches, so no concurrent memtable; WAL compression and recycling have recovery bugs in this release. */
static rocksdb_options_t *make_options(int recovery)
{
	rocksdb_options_t *opt = rocksdb_options_create();
	HR_AUTO(free_table) rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();

	rocksdb_options_set_create_if_missing(opt, 1);
	rocksdb_options_set_wal_recovery_mode(opt, recovery);
	rocksdb_options_set_paranoid_checks(opt, 1);
	rocksdb_options_set_compression(opt, rocksdb_lz4_compression);
	rocksdb_options_set_write_buffer_size(opt, MEMTABLE_BYTES);
	rocksdb_options_set_max_write_buffer_number(opt, MEMTABLES);
	rocksdb_options_set_max_total_wal_size(opt, MEMTABLES * MEMTABLE_BYTES);
	rocksdb_options_set_max_background_jobs(opt, 2);
	rocksdb_options_set_allow_concurrent_memtable_write(opt, 0);
	rocksdb_options_set_level_compaction_dynamic_level_bytes(opt, 1);
	rocksdb_options_set_bytes_per_sync(opt, (uint64_t)1 << 20);
	rocksdb_options_set_info_log_level(opt, LOG_WARN);
	rocksdb_options_set_max_log_file_size(opt, (size_t)4 << 20);
	rocksdb_options_set_keep_log_file_num(opt, 4);
	rocksdb_options_set_stats_dump_period_sec(opt, 0);
	rocksdb_block_based_options_set_checksum(table, CHECKSUM_XXH3);
	rocksdb_block_based_options_set_block_size(table, 16 * 1024);
	rocksdb_block_based_options_set_format_version(table, 5);
	rocksdb_options_set_block_based_table_factory(opt, table);
	return opt;
}

/* Makes the directory, or checks that nobody but its owner, who is us, gets in. */
static bool check_dir(const char *dir, struct hr_error *err)
{
	struct stat st;

	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return hr_fail(err, HR_E_CONFIG, "could not make state directory %s: %s", dir, strerror(errno));
	if (stat(dir, &st) != 0)
		return hr_fail(err, HR_E_CONFIG, "could not look at state directory %s: %s", dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return hr_fail(err, HR_E_CONFIG, "state directory %s is not a directory", dir);
	if (st.st_uid != geteuid())
		return hr_fail(err, HR_E_CONFIG, "state directory %s belongs to user %u, not to %u", dir, st.st_uid, geteuid());
	if ((st.st_mode & 077) != 0)
		return hr_fail(err, HR_E_CONFIG, "state directory %s has mode %04o and lets others in: chmod it to 0700", dir,
		               st.st_mode & 07777);
	return true;
}

static rocksdb_t *open_db(const char *dir, int recovery, char **why)
{
	HR_AUTO(free_opt) rocksdb_options_t *opt = make_options(recovery);

	return rocksdb_open(opt, dir, why);
}

/* Absolute consistency, or else point-in-time with the log kept aside; ret_notice then begins to say so. */
static bool open_recovered(struct hr_store *s, char *ret_notice, struct hr_error *err)
{
	HR_AUTO(free_dbstr) char *why = NULL;
	HR_AUTO(free_dbstr) char *again = NULL;
	char aside[32];

	s->db = open_db(s->dir, RECOVER_ABSOLUTE, &why);
	if (s->db != NULL)
		return true;
	if (strncmp(why, "Corruption", 10) != 0)
		return hr_fail(err, HR_E_STORE, "could not open %s: %s", s->dir, why);
	if (!hr_wal_aside(s->dir, aside, sizeof aside, err))
		return hr_context(err, "could not open %s: %s", s->dir, why);
	s->db = open_db(s->dir, RECOVER_POINT_IN_TIME, &again);
	if (s->db == NULL)
		return hr_fail(err, HR_E_STORE, "could not open %s: %s; its log is copied to %s", s->dir, again, aside);
	(void)snprintf(ret_notice, HR_NOTICE_BYTES, "the log ends in damage (%.120s) and is copied to %s; ", why, aside);
	return true;
}

static bool is_empty(struct hr_store *s)
{
	HR_AUTO(free_ropt) rocksdb_readoptions_t *opt = rocksdb_readoptions_create();
	HR_AUTO(free_iter) rocksdb_iterator_t *i = rocksdb_create_iterator(s->db, opt);

	rocksdb_iter_seek_to_first(i);
	return !rocksdb_iter_valid(i);
}

static void make_lineage(struct hr_manifest *m)
{
	uint8_t random[HR_LINEAGE_CHARS / 2];

	HR_ASSERT(getrandom(random, sizeof random, 0) == (ssize_t)sizeof random);
	for (size_t i = 0; i < sizeof random; i++)
		(void)snprintf(m->lineage + 2 * i, 3, "%02x", random[i]);
}

static bool write_manifest(struct hr_store *s, struct hr_manifest *m, struct hr_error *err)
{
	HR_AUTO(free_batch) rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	HR_AUTO(hr_buf_fini) struct hr_buf bytes = {0};
	HR_AUTO(free_dbstr) char *why = NULL;

	if (m->lineage[0] == '\0')
		make_lineage(m);
	hr_manifest_encode(m, &bytes);
	put_value(batch, "M", 1, bytes.p, bytes.len);
	rocksdb_write(s->db, s->synced, batch, &why);
	return why == NULL || hr_fail(err, HR_E_STORE, "could not write the manifest: %s", why);
}

static bool settle_manifest(struct hr_store *s, struct hr_manifest *m, struct hr_error *err)
{
	HR_AUTO(hr_buf_fini) struct hr_buf bytes = {0};
	struct hr_manifest held;
	bool found;

	if (!get_value(s, "M", 1, "manifest", &bytes, &found, err))
		return false;
	if (!found && is_empty(s))
		return write_manifest(s, m, err);
	if (!found)
		return hr_fail(err, HR_E_STORE, "there are records but no manifest");
	if (!hr_manifest_decode(bytes.p, bytes.len, &held, err))
		return false;
	if (held.config_hash != m->config_hash)
		return hr_fail(err, HR_E_CONFIG,
		               "the state was made under configuration %016" PRIx64 ", this one is %016" PRIx64
		               ": restore the old settings or start from an empty directory",
		               held.config_hash, m->config_hash);
	*m = held;
	return true;
}

static bool read_row(struct hr_store *s, struct hr_barrier *ret_row, struct hr_error *err)
{
	HR_AUTO(hr_buf_fini) struct hr_buf bytes = {0};
	bool found;

	if (!get_value(s, "B", 1, "barrier row", &bytes, &found, err))
		return false;
	if (!found)
		*ret_row = (struct hr_barrier){.watermark_ms = INT64_MIN};
	else if (!hr_barrier_decode(bytes.p, bytes.len, ret_row, err))
		return false;
	s->barrier = ret_row->number;
	s->digest = ret_row->digest;
	return true;
}

static void finish_notice(const struct hr_store *s, char *notice)
{
	const uint64_t last = hr_last_read(s->last_fd);
	const size_t told = strlen(notice);

	if (last > s->barrier)
		(void)snprintf(notice + told, HR_NOTICE_BYTES - told,
		               "barrier %" PRIu64 " is now the newest, %" PRIu64 " after it are lost: their events are read again",
		               s->barrier, last - s->barrier);
	else if (told != 0)
		(void)snprintf(notice + told, HR_NOTICE_BYTES - told,
		               "barrier %" PRIu64 " is now the newest, none after it is known to be lost", s->barrier);
}

static bool open_in(struct hr_store *s, struct hr_manifest *manifest, struct hr_barrier *ret_row, char *ret_notice,
                    struct hr_error *err)
{
	if (!check_dir(s->dir, err) || !open_recovered(s, ret_notice, err))
		return false;
	hr_crash_point("open");
	s->last_fd = hr_last_open(s->dir);
	if (!settle_manifest(s, manifest, err) || !read_row(s, ret_row, err))
		return hr_context(err, "state %s", s->dir);
	finish_notice(s, ret_notice);
	return true;
}

bool hr_store_open(const char *dir, struct hr_manifest *manifest, struct hr_store **ret_store,
                   struct hr_barrier *ret_row, char *ret_notice, struct hr_error *err)
{
	struct hr_store *s = hr_alloc(1, sizeof *s);

	s->last_fd = -1;
	s->dir = hr_alloc(strlen(dir) + 1, 1);
	memcpy(s->dir, dir, strlen(dir));
	s->synced = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(s->synced, 1);
	for (size_t i = 0; i < sizeof s->hash / sizeof s->hash[0]; i++)
		s->hash[i].item_bytes = sizeof(struct hr_hash128);
	ret_notice[0] = '\0';
	if (!open_in(s, manifest, ret_row, ret_notice, err)) {
		hr_store_close(s);
		return false;
	}
	*ret_store = s;
	return true;
}

void hr_store_close(struct hr_store *s)
{
	if (s == NULL)
		return;
	if (s->db != NULL) {
		rocksdb_cancel_all_background_work(s->db, 1);
		rocksdb_close(s->db);
	}
	if (s->last_fd >= 0)
		(void)close(s->last_fd);
	for (size_t i = 0; i < sizeof s->hash / sizeof s->hash[0]; i++)
		hr_pages_fini(&s->hash[i]);
	rocksdb_writeoptions_destroy(s->synced);
	hr_free(s->dir);
	hr_free(s);
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
		return hr_fail(err, HR_E_STORE, "a key of class '%c' has %zu bytes, not %u", key[0], key_len, HR_KEY_RECORD);
	memcpy(&number, key + 1, sizeof number);
	r->cls = (uint8_t)key[0];
	r->number = be32toh(number);
	r->bytes = (const uint8_t *)rocksdb_iter_value(i, &r->len);
	if (!check_value(key, key_len, &r->bytes, &r->len))
		return hr_fail(err, HR_E_STORE, "record %c/%" PRIu32 " has a wrong checksum", r->cls, r->number);
	hr_buf_clear(named);
	hr_buf_u8(named, r->cls);
	hr_buf_u32(named, r->number);
	hr_buf_bytes(named, r->bytes, r->len);
	r->hash = hr_record_hash(named->p, named->len);
	return true;
}

typedef bool visit_fn(void *ctx, const struct record *r, struct hr_error *err);

static rocksdb_readoptions_t *scan_options(void)
{
	static const char end[] = {HR_CLASS_LAST + 1};
	rocksdb_readoptions_t *opt = rocksdb_readoptions_create();

	rocksdb_readoptions_set_iterate_upper_bound(opt, end, sizeof end);
	rocksdb_readoptions_set_readahead_size(opt, (size_t)2 << 20);
	rocksdb_readoptions_set_fill_cache(opt, 0);
	rocksdb_readoptions_set_verify_checksums(opt, 1);
	return opt;
}

static bool scan(struct hr_store *s, visit_fn *visit, void *ctx, struct hr_error *err)
{
	static const char begin[] = {HR_CLASS_FIRST};
	HR_AUTO(free_ropt) rocksdb_readoptions_t *opt = scan_options();
	HR_AUTO(free_iter) rocksdb_iterator_t *i = rocksdb_create_iterator(s->db, opt);
	HR_AUTO(hr_buf_fini) struct hr_buf named = {0};
	HR_AUTO(free_dbstr) char *why = NULL;
	struct record r;

	for (rocksdb_iter_seek(i, begin, sizeof begin); rocksdb_iter_valid(i); rocksdb_iter_next(i))
		if (!read_record(i, &named, &r, err) || !visit(ctx, &r, err))
			return hr_context(err, "state %s", s->dir);
	rocksdb_iter_get_error(i, &why);
	return why == NULL || hr_fail(err, HR_E_STORE, "state %s: could not read the records: %s", s->dir, why);
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
		return hr_fail(err, HR_E_STORE, "state %s: the records have digest %s, barrier %" PRIu64 " says %s", s->dir, held,
		               s->barrier, want);
	s->loaded = true;
	return true;
}

/* ---- commit ---- */

static void order_key(uint8_t key[9], uint64_t barrier)
{
	const uint64_t big = htobe64(barrier);

	key[0] = 'L';
	memcpy(key + 1, &big, sizeof big);
}

/* Puts the records into the batch in order, and moves the digest from the old ones to the new. */
static void add_records(struct hr_store *s, rocksdb_writebatch_t *batch, const struct hr_change *change, size_t count)
{
	uint8_t key[HR_KEY_RECORD];

	for (size_t i = 0; i < count; i++, change++) {
		s->digest = hr_hash128_sub(s->digest, exchange_hash(s, change->cls, change->number, change->hash));
		s->digest = hr_hash128_add(s->digest, change->hash);
		hr_record_key(key, change->cls, change->number);
		if (change->value != NULL)
			rocksdb_writebatch_put(batch, (const char *)key, sizeof key, (const char *)change->value, change->value_len);
		else
			rocksdb_writebatch_delete(batch, (const char *)key, sizeof key);
	}
}

/* 'B' and 'L' sort before the records, but the row holds the digest: so the records' digest comes first. */
static void fill_batch(struct hr_store *s, rocksdb_writebatch_t *batch, const struct hr_changes *changes,
                       struct hr_barrier *row)
{
	HR_AUTO(hr_auto_free) struct hr_change *sorted = hr_changes_sorted(changes);
	HR_AUTO(hr_buf_fini) struct hr_buf bytes = {0};
	uint8_t key[9];
	size_t len;
	const uint8_t *log = hr_changes_order_log(changes, &len);

	order_key(key, row->number);
	put_value(batch, key, sizeof key, log, len);
	add_records(s, batch, sorted, hr_changes_count(changes));
	row->digest = s->digest;
	hr_barrier_encode(row, &bytes);
	put_value(batch, "B", 1, bytes.p, bytes.len);
}

bool hr_store_commit(struct hr_store *s, const struct hr_changes *changes, struct hr_barrier *row, struct hr_error *err)
{
	HR_AUTO(free_batch) rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	HR_AUTO(free_dbstr) char *why = NULL;

	HR_ASSERT(s->loaded && row->number == s->barrier + 1);
	for (size_t i = 0; i < row->partition_count; i++)
		HR_ASSERT(hr_partition_balances(&row->partition[i]));
	if (s->failed)
		return hr_fail(err, HR_E_STORE, "barrier %" PRIu64 ": an earlier write failed, nothing more is written", row->number);
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

bool hr_store_order_log(struct hr_store *s, uint64_t barrier, struct hr_buf *out, struct hr_error *err)
{
	uint8_t key[9];
	bool found;

	order_key(key, barrier);
	if (!get_value(s, key, sizeof key, "order log", out, &found, err))
		return hr_context(err, "barrier %" PRIu64, barrier);
	return found || hr_fail(err, HR_E_STORE, "barrier %" PRIu64 " has no order log", barrier);
}

bool hr_store_checkpoint(struct hr_store *s, const char *dir, struct hr_error *err)
{
	HR_AUTO(free_dbstr) char *why = NULL;
	HR_AUTO(free_checkpoint) rocksdb_checkpoint_t *c = rocksdb_checkpoint_object_create(s->db, &why);

	/* 0: flush first, so that no log is linked which could be unsynced */
	if (why == NULL)
		rocksdb_checkpoint_create(c, dir, 0, &why);
	if (why != NULL)
		return hr_fail(err, HR_E_STORE, "could not make checkpoint %s: %s", dir, why);
	if (chmod(dir, 0700) != 0)
		return hr_fail(err, HR_E_STORE, "could not close checkpoint %s to others: %s", dir, strerror(errno));
	return true;
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
