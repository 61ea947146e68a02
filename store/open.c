/* Opening a state directory: who may, which options, and what to do about a damaged log. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crash.h"
#include "base/mem.h"
#include "store/priv.h"

enum { RECOVER_ABSOLUTE = 1, RECOVER_POINT_IN_TIME = 2, CHECKSUM_XXH3 = 4, LOG_WARN = 2, MEMTABLES = 2 };
/* Nothing is read between start and start, so tables may overlap for longer: half as many bytes are written again. For the
 * same reason the memory tables are big: a user who changed at several barriers is written to a table once. */
enum { FLUSHES_BEFORE_COMPACTION = 8 };
#define MEMTABLE_BYTES ((size_t)128 << 20)

static void free_opt(rocksdb_options_t **o) { rocksdb_options_destroy(*o); }
static void free_table(rocksdb_block_based_table_options_t **o) { rocksdb_block_based_options_destroy(*o); }

/* The options that matter, and why: every value is read once, at start, so no bloom filter and little cache; one writer
 * with big sorted batches, so no concurrent memtable; WAL compression and recycling have recovery bugs in this release.
 */
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
	rocksdb_options_set_level0_file_num_compaction_trigger(opt, FLUSHES_BEFORE_COMPACTION);
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

/* What the C interface has no call for. A barrier's keys ascend, so each is looked for near the one before it, not from the
 * top of the skip list. A log that was read whole stays the log: no table is made of it at a start; point-in-time recovery must
 * make one, or the damage would be met again. A library that does not know these is slower, no more. */
static rocksdb_options_t *with_more(rocksdb_options_t *opt, int recovery)
{
	HR_AUTO(hr_free_dbstr) char *why = NULL;
	rocksdb_options_t *more = rocksdb_options_create();

	rocksdb_get_options_from_string(opt,
	                                recovery == RECOVER_ABSOLUTE
	                                        ? "memtable_insert_with_hint_prefix_extractor=fixed:1;avoid_flush_during_recovery=true"
	                                        : "memtable_insert_with_hint_prefix_extractor=fixed:1",
	                                more, &why);
	rocksdb_options_destroy(why == NULL ? opt : more);
	return why == NULL ? more : opt;
}

/* Makes the directory, or checks that nobody but its owner, who is us, gets in. */
static bool check_dir(const char *dir, struct hr_error *err)
{
	struct stat st;

	if (mkdir(dir, 0700) == 0)
		return hr_sync_parent(dir, err);
	if (errno != EEXIST)
		return hr_fail(err, HR_E_CONFIG, "could not make state directory %s: %s", dir, strerror(errno));
	if (stat(dir, &st) != 0)
		return hr_fail(err, HR_E_CONFIG, "could not look at state directory %s: %s", dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return hr_fail(err, HR_E_CONFIG, "state directory %s is not a directory", dir);
	if (st.st_uid != geteuid())
		return hr_fail(err, HR_E_CONFIG, "state directory %s belongs to user %u, not to %u", dir, st.st_uid,
		               geteuid());
	if ((st.st_mode & 077) != 0)
		return hr_fail(err, HR_E_CONFIG,
		               "state directory %s has mode %04o and lets others in: chmod it to 0700", dir,
		               st.st_mode & 07777);
	return true;
}

/* A restore that was broken off left half of one state. */
static bool check_restored(const struct hr_store *s, struct hr_error *err)
{
	char note[4096];

	(void)snprintf(note, sizeof note, "%s/RESTORING", s->dir);
	return access(note, F_OK) != 0 ||
	       hr_fail(err, HR_E_STORE, "%s: a restore was broken off: run headrace checkpoint restore again", s->dir);
}

static rocksdb_t *open_db(const char *dir, int recovery, char **why)
{
	HR_AUTO(free_opt) rocksdb_options_t *opt = with_more(make_options(recovery), recovery);

	return rocksdb_open(opt, dir, why);
}

/* Absolute consistency, or else point-in-time with the log kept aside; ret_notice then begins to say so. */
static bool open_recovered(struct hr_store *s, char *ret_notice, struct hr_error *err)
{
	HR_AUTO(hr_free_dbstr) char *why = NULL;
	HR_AUTO(hr_free_dbstr) char *again = NULL;
	char aside[32];

	s->db = open_db(s->dir, RECOVER_ABSOLUTE, &why);
	if (s->db != NULL)
		return true;
	if (strstr(why, "/LOCK") != NULL) /* RocksDB's one writer at a time */
		return hr_fail(err, HR_E_BUSY, "state %s is open in another process: stop that one first (%s)", s->dir, why);
	if (strncmp(why, "Corruption", 10) != 0)
		return hr_fail(err, HR_E_STORE, "could not open %s: %s", s->dir, why);
	if (!hr_wal_aside(s->dir, aside, sizeof aside, err))
		return hr_context(err, "could not open %s: %s", s->dir, why);
	s->db = open_db(s->dir, RECOVER_POINT_IN_TIME, &again);
	if (s->db == NULL)
		return hr_fail(err, HR_E_STORE, "could not open %s: %s; its log is copied to %s", s->dir, again, aside);
	(void)snprintf(ret_notice, HR_NOTICE_BYTES, "the log ends in damage (%.120s) and is copied to %s; ", why,
	               aside);
	return true;
}

static bool is_empty(struct hr_store *s)
{
	HR_AUTO(hr_free_ropt) rocksdb_readoptions_t *opt = rocksdb_readoptions_create();
	HR_AUTO(hr_free_iter) rocksdb_iterator_t *i = rocksdb_create_iterator(s->db, opt);

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

bool hr_store_manifest(struct hr_store *s, const struct hr_manifest *m, struct hr_error *err)
{
	HR_AUTO(hr_free_batch) rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	HR_AUTO(hr_buf_fini) struct hr_buf bytes = {0};
	HR_AUTO(hr_free_dbstr) char *why = NULL;

	hr_manifest_encode(m, &bytes);
	hr_value_put(batch, "M", 1, bytes.p, bytes.len);
	rocksdb_write(s->db, s->synced, batch, &why);
	return why == NULL || hr_fail(err, HR_E_STORE, "could not write the manifest: %s", why);
}

/* A state that was taken back takes another way from here than the one it went before: (lineage, barrier) names one refresh. */
static bool begin_lineage(struct hr_store *s, struct hr_manifest *m, struct hr_error *err)
{
	char note[4096];

	(void)snprintf(note, sizeof note, "%s/RESTORED", s->dir);
	if (access(note, F_OK) != 0)
		return true;
	make_lineage(m);
	return hr_store_manifest(s, m, err) &&
	       (unlink(note) == 0 || hr_fail(err, HR_E_STORE, "could not remove %s: %s", note, strerror(errno)));
}

static bool settle_manifest(struct hr_store *s, struct hr_manifest *m, struct hr_error *err)
{
	HR_AUTO(hr_buf_fini) struct hr_buf bytes = {0};
	struct hr_manifest held;
	char what[256];
	bool found;

	if (!hr_value_get(s, "M", 1, "manifest", &bytes, &found, err))
		return false;
	if (!found && is_empty(s)) {
		if (m->lineage[0] == '\0')
			make_lineage(m);
		memcpy(m->space, m->lineage, sizeof m->space);
		return hr_store_manifest(s, m, err);
	}
	if (!found)
		return hr_fail(err, HR_E_STORE, "there are records but no manifest");
	if (!hr_manifest_decode(bytes.p, bytes.len, &held, err))
		return false;
	if (hr_manifest_differs(&held, m, what, sizeof what))
		return hr_fail(err, HR_E_CONFIG,
		               "%s since the state was made: what it learned depends on that; set it as it was, or make a new state from "
		               "the log (headraced replay)", what);
	*m = held;
	return begin_lineage(s, m, err);
}

static bool read_row(struct hr_store *s, struct hr_barrier *ret_row, struct hr_error *err)
{
	HR_AUTO(hr_buf_fini) struct hr_buf bytes = {0};
	bool found;

	if (!hr_value_get(s, "B", 1, "barrier row", &bytes, &found, err))
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
		               "barrier %" PRIu64 " is now the newest, %" PRIu64
		               " after it are lost: their events are read again",
		               s->barrier, last - s->barrier);
	else if (told != 0)
		(void)snprintf(notice + told, HR_NOTICE_BYTES - told,
		               "barrier %" PRIu64 " is now the newest, none after it is known to be lost", s->barrier);
}

static bool open_in(struct hr_store *s, struct hr_manifest *manifest, struct hr_barrier *ret_row, char *ret_notice,
                    struct hr_error *err)
{
	if (!check_dir(s->dir, err) || !check_restored(s, err) || !open_recovered(s, ret_notice, err))
		return false;
	hr_crash_point("open");
	s->last_fd = hr_last_open(s->dir);
	if (!settle_manifest(s, manifest, err) || !read_row(s, ret_row, err))
		return hr_context(err, "state %s", s->dir);
	finish_notice(s, ret_notice);
	return true;
}

static struct hr_store *new_store(const char *dir)
{
	struct hr_store *s = hr_alloc(1, sizeof *s);

	s->last_fd = -1;
	s->dir = hr_alloc(strlen(dir) + 1, 1);
	memcpy(s->dir, dir, strlen(dir));
	for (size_t i = 0; i < sizeof s->hash / sizeof s->hash[0]; i++)
		s->hash[i].item_bytes = sizeof(struct hr_hash128);
	return s;
}

bool hr_store_open(const char *dir, struct hr_manifest *manifest, struct hr_store **ret_store,
                   struct hr_barrier *ret_row, char *ret_notice, struct hr_error *err)
{
	struct hr_store *s = new_store(dir);

	s->synced = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(s->synced, 1);
	ret_notice[0] = '\0';
	if (!open_in(s, manifest, ret_row, ret_notice, err)) {
		hr_store_close(s);
		return false;
	}
	*ret_store = s;
	return true;
}

static bool look_in(struct hr_store *s, struct hr_manifest *ret_manifest, struct hr_barrier *ret_row, struct hr_error *err)
{
	HR_AUTO(free_opt) rocksdb_options_t *opt = make_options(RECOVER_POINT_IN_TIME);
	HR_AUTO(hr_free_dbstr) char *why = NULL;
	HR_AUTO(hr_buf_fini) struct hr_buf bytes = {0};
	char current[4096];
	bool found;

	(void)snprintf(current, sizeof current, "%s/CURRENT", s->dir); /* RocksDB's own mark of a database */
	if (access(current, R_OK) != 0)
		return hr_fail(err, HR_E_IO, "there is no state in %s", s->dir);
	if (!check_restored(s, err))
		return false;
	rocksdb_options_set_create_if_missing(opt, 0);
	s->db = rocksdb_open_for_read_only(opt, s->dir, 0, &why);
	if (s->db == NULL)
		return hr_fail(err, HR_E_STORE, "could not open %s: %s", s->dir, why);
	if (!hr_value_get(s, "M", 1, "manifest", &bytes, &found, err))
		return hr_context(err, "state %s", s->dir);
	if (!found)
		return hr_fail(err, HR_E_STORE, "state %s: there is no manifest", s->dir);
	return (hr_manifest_decode(bytes.p, bytes.len, ret_manifest, err) && read_row(s, ret_row, err)) ||
	       hr_context(err, "state %s", s->dir);
}

bool hr_store_look(const char *dir, struct hr_manifest *ret_manifest, struct hr_store **ret_store,
                   struct hr_barrier *ret_row, struct hr_error *err)
{
	struct hr_store *s = new_store(dir);

	if (!look_in(s, ret_manifest, ret_row, err)) {
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
	if (s->synced != NULL)
		rocksdb_writeoptions_destroy(s->synced);
	hr_free(s->dir);
	hr_free(s);
}

bool hr_store_exists(const char *dir)
{
	const size_t len = strlen(dir);
	HR_AUTO(hr_auto_free) char *current = hr_alloc(len + sizeof "/CURRENT", 1);

	memcpy(current, dir, len);
	memcpy(current + len, "/CURRENT", sizeof "/CURRENT"); /* RocksDB's own mark of a database */
	return access(current, F_OK) == 0;
}
