#include "tests/test_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <rocksdb/c.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "store/priv.h"

/* Stands before the C library's, so that RocksDB's syncs are seen here, and can fail. */
static struct {
	unsigned calls;
	off_t bytes; /* size of the file at its last sync */
	bool fail;
} disk_sync;

int fdatasync(int fd)
{
	struct stat st;

	disk_sync.calls++;
	if (disk_sync.fail) {
		errno = EIO;
		return -1;
	}
	if (fstat(fd, &st) == 0)
		disk_sync.bytes = st.st_size;
	return (int)syscall(SYS_fdatasync, fd);
}

struct fixture {
	char dir[256], notice[HR_NOTICE_BYTES];
	struct hr_manifest manifest;
	struct hr_store *store;
	struct hr_barrier row;
	struct hr_error err;
};

static struct hr_manifest make_manifest(void)
{
	return (struct hr_manifest){.config_hash = 7, .seed = 42, .partitions = 2, .kernels = "avx2"};
}

static bool count_record(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len,
                         struct hr_error *err)
{
	(void)cls;
	(void)number;
	(void)bytes;
	(void)len;
	(void)err;
	++*(size_t *)ctx;
	return true;
}

static bool open_only(struct fixture *f)
{
	f->manifest = make_manifest();
	return hr_store_open(f->dir, &f->manifest, &f->store, &f->row, f->notice, &f->err);
}

/* Opens and loads; returns the number of records. */
static size_t open_and_load(struct fixture *f)
{
	size_t records = 0;

	if (!open_only(f) || !hr_store_load(f->store, count_record, &records, &f->err))
		fail_msg("%s", f->err.msg);
	return records;
}

static void close_store(struct fixture *f)
{
	hr_store_close(f->store);
	hr_barrier_fini(&f->row);
	f->store = NULL;
}

static int set_up(void **state)
{
	struct fixture *f = hr_alloc(1, sizeof *f);

	make_dir_name(f->dir);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	close_store(f);
	remove_dir(f->dir);
	hr_free(f);
	return 0;
}

static bool commit(struct fixture *f, const struct hr_changes *c)
{
	f->row.number++;
	return hr_store_commit(f->store, c, &f->row, &f->err);
}

/* One barrier that puts records records of about len bytes, their text made from the barrier's number. */
static void commit_some(struct fixture *f, uint32_t records, size_t len)
{
	struct hr_changes *c = hr_changes_new();
	HR_AUTO(hr_auto_free) uint8_t *bytes = hr_alloc(len, 1);

	for (uint32_t i = 0; i < records; i++) {
		for (size_t k = 0; k < len; k++)
			bytes[k] = (uint8_t)(hr_hash(&(uint64_t[]){f->row.number, i, k}, 24));
		hr_changes_put(c, HR_REC_USER, i, bytes, len);
	}
	if (!commit(f, c))
		fail_msg("%s", f->err.msg);
	hr_changes_free(c);
}

static void assert_digest_is_the_disks(struct fixture *f)
{
	struct hr_hash128 disk;

	assert_true(hr_store_digest(f->store, &disk, &f->err));
	assert_true(disk.hi == f->row.digest.hi && disk.lo == f->row.digest.lo);
}

/* ---- changes ---- */

static void a_later_put_wins(void **state)
{
	struct hr_changes *c = hr_changes_new();
	size_t len;

	(void)state;
	for (uint32_t i = 0; i < 5000; i++)
		hr_changes_put(c, HR_REC_USER, i, "old", 3);
	const uint8_t *lent = hr_changes_get(c, HR_REC_USER, 77, &len);
	for (uint32_t i = 0; i < 5000; i += 2)
		hr_changes_put(c, HR_REC_USER, i, "newer", 5);
	hr_changes_put(c, HR_REC_ITEM, 77, "item", 4);
	hr_changes_put(c, HR_REC_USER, 78, NULL, 0);
	hr_changes_put(c, HR_REC_USER, 80, "", 0);
	assert_int_equal(hr_changes_count(c), 5001);
	assert_int_equal(hr_changes_bytes(c), 5001 * 5 + 2500 * (4 + 3) + 2498 * (4 + 5) + (4 + 4) + 0 + 4);
	assert_memory_equal(hr_changes_get(c, HR_REC_USER, 76, &len), "newer", 5);
	assert_memory_equal(hr_changes_get(c, HR_REC_USER, 77, &len), "old", 3);
	assert_ptr_equal(hr_changes_get(c, HR_REC_USER, 77, &len), lent);
	assert_int_equal(len, 3);
	assert_null(hr_changes_get(c, HR_REC_USER, 78, &len));
	assert_non_null(hr_changes_get(c, HR_REC_USER, 80, &len));
	assert_int_equal(len, 0);
	assert_null(hr_changes_get(c, HR_REC_PAGE, 77, &len));
	hr_changes_free(c);
}

static void changes_are_sorted_by_class_and_number(void **state)
{
	struct hr_changes *c = hr_changes_new();

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		hr_changes_put(c, i % 3 ? HR_REC_USER : HR_REC_PAGE, i * 2654435761u, "x", i % 2);
	HR_AUTO(hr_auto_free) struct hr_change *sorted = hr_changes_sorted(c);
	for (size_t i = 1; i < hr_changes_count(c); i++)
		assert_true(((uint64_t)sorted[i - 1].cls << 32 | sorted[i - 1].number) <
		            ((uint64_t)sorted[i].cls << 32 | sorted[i].number));
	hr_changes_free(c);
}

/* ---- open ---- */

static void a_new_state_is_empty_private_and_has_a_lineage(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(open_and_load(f), 0);
	assert_int_equal(f->row.number, 0);
	assert_int_equal(f->row.watermark_ms, INT64_MIN);
	assert_string_equal(f->notice, "");
	assert_int_equal(strspn(f->manifest.lineage, "0123456789abcdef"), HR_LINEAGE_CHARS);
	assert_int_equal(stat(f->dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void the_manifest_on_disk_is_what_a_reopen_gives(void **state)
{
	struct fixture *f = *state;
	char lineage[HR_LINEAGE_CHARS + 1];

	(void)open_and_load(f);
	memcpy(lineage, f->manifest.lineage, sizeof lineage);
	close_store(f);
	f->manifest = make_manifest();
	memcpy(f->manifest.kernels, "sse2", 5);
	f->manifest.seed = 43;
	assert_true(hr_store_open(f->dir, &f->manifest, &f->store, &f->row, f->notice, &f->err));
	assert_string_equal(f->manifest.lineage, lineage);
	assert_string_equal(f->manifest.kernels, "avx2");
	assert_int_equal(f->manifest.seed, 42);
}

static void another_configuration_is_refused_with_both_hashes(void **state)
{
	struct fixture *f = *state;

	(void)open_and_load(f);
	close_store(f);
	f->manifest = make_manifest();
	f->manifest.config_hash = 0xbeef;
	assert_false(hr_store_open(f->dir, &f->manifest, &f->store, &f->row, f->notice, &f->err));
	assert_int_equal(f->err.code, HR_E_CONFIG);
	assert_non_null(strstr(f->err.msg, "0000000000000007"));
	assert_non_null(strstr(f->err.msg, "000000000000beef"));
	(void)open_and_load(f); /* the refusal left nothing locked */
}

static void a_second_open_is_refused(void **state)
{
	struct fixture *f = *state;
	struct hr_manifest m = make_manifest();
	struct hr_store *second = NULL;
	struct hr_barrier row = {0};

	(void)open_and_load(f);
	assert_false(hr_store_open(f->dir, &m, &second, &row, f->notice, &f->err));
	assert_int_equal(f->err.code, HR_E_STORE);
	assert_false(f->err.retriable);
	assert_non_null(strstr(f->err.msg, "lock"));
}

static void a_directory_open_to_others_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdir(f->dir, 0700), 0);
	assert_int_equal(chmod(f->dir, 0750), 0);
	assert_false(open_only(f));
	assert_int_equal(f->err.code, HR_E_CONFIG);
	assert_non_null(strstr(f->err.msg, "0750"));
	assert_int_equal(chmod(f->dir, 0700), 0);
	assert_int_equal(open_and_load(f), 0);
}

static void a_file_in_place_of_the_directory_is_refused(void **state)
{
	struct fixture *f = *state;
	const int fd = open(f->dir, O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	(void)close(fd);
	assert_false(open_only(f));
	assert_int_equal(f->err.code, HR_E_CONFIG);
}

/* ---- commit ---- */

struct model {
	struct hr_buf record[3][200]; /* by class and number; len 0: none */
	size_t seen;
};

static const enum hr_record_class classes[] = {HR_REC_ITEM, HR_REC_USER, HR_REC_DENSE};

static bool is_in_model(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len,
                        struct hr_error *err)
{
	struct model *m = ctx;
	size_t k = 0;

	(void)err;
	while (classes[k] != cls)
		assert_true(++k < 3);
	assert_in_range(number, 0, 199);
	assert_int_equal(m->record[k][number].len, len);
	assert_memory_equal(m->record[k][number].p, bytes, len);
	m->seen++;
	return true;
}

static size_t model_count(const struct model *m)
{
	size_t n = 0;

	for (size_t k = 0; k < 3; k++)
		for (size_t i = 0; i < 200; i++)
			n += m->record[k][i].len != 0;
	return n;
}

/* Puts, overwrites or deletes one record, in both. */
static void change_one(struct model *m, struct hr_changes *c, uint64_t draw)
{
	const size_t k = draw % 3, number = draw / 3 % 200, len = draw / 600 % 4 == 0 ? 0 : 1 + draw / 2400 % 900;
	struct hr_buf *b = &m->record[k][number];

	hr_buf_clear(b);
	for (size_t i = 0; i < len; i++)
		hr_buf_u8(b, (uint8_t)(draw >> i % 40));
	hr_changes_put(c, classes[k], (uint32_t)number, len != 0 ? b->p : NULL, len);
}

static void random_barriers_keep_records_and_digest(void **state)
{
	struct fixture *f = *state;
	struct model *m = hr_alloc(1, sizeof *m);
	uint64_t draw = 1;

	(void)open_and_load(f);
	for (int barrier = 0; barrier < 60; barrier++) {
		struct hr_changes *c = hr_changes_new();

		for (int i = 0; i < barrier; i++)
			change_one(m, c, draw = hr_hash(&draw, sizeof draw));
		assert_true(commit(f, c));
		hr_changes_free(c);
		assert_digest_is_the_disks(f);
		if (barrier % 13 == 12) {
			close_store(f);
			assert_true(open_only(f));
			m->seen = 0;
			if (!hr_store_load(f->store, is_in_model, m, &f->err))
				fail_msg("%s", f->err.msg);
			assert_int_equal(m->seen, model_count(m));
			assert_int_equal(f->row.number, barrier + 1);
		}
	}
	for (size_t k = 0; k < 3; k++)
		for (size_t i = 0; i < 200; i++)
			hr_buf_fini(&m->record[k][i]);
	hr_free(m);
}

static bool comes_after(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len,
                        struct hr_error *err)
{
	uint64_t *last = ctx;
	const uint64_t name = (uint64_t)cls << 32 | number;

	(void)bytes;
	(void)len;
	(void)err;
	assert_true(name > *last);
	*last = name;
	return true;
}

static void records_come_back_by_class_and_number(void **state)
{
	struct fixture *f = *state;
	struct hr_changes *c = hr_changes_new();
	uint64_t last = 0;

	(void)open_and_load(f);
	for (uint32_t i = 0; i < 300; i++)
		hr_changes_put(c, i % 2 ? HR_REC_USER : HR_REC_DENSE, (i * 7919u) << 12, "x", 1);
	assert_true(commit(f, c));
	hr_changes_free(c);
	close_store(f);
	assert_true(open_only(f));
	assert_true(hr_store_load(f->store, comes_after, &last, &f->err));
	assert_true(last >> 32 == HR_REC_DENSE);
}

static void the_digest_is_the_sum_the_header_says(void **state)
{
	struct fixture *f = *state;
	struct hr_changes *c = hr_changes_new();

	(void)open_and_load(f);
	hr_changes_put(c, HR_REC_USER, 0x01020304, "abc", 3);
	hr_changes_put(c, HR_REC_ITEM, 5, "", 0);
	assert_true(commit(f, c));
	hr_changes_free(c);
	const struct hr_hash128 want = hr_hash128_add(hr_hash128("u\4\3\2\1abc", 8, 1), hr_hash128("i\5\0\0\0", 5, 1));
	assert_true(f->row.digest.hi == want.hi && f->row.digest.lo == want.lo);
}

static void a_reopened_state_goes_on_at_its_barrier(void **state)
{
	struct fixture *f = *state;

	(void)open_and_load(f);
	f->row.partition = hr_alloc(1, sizeof *f->row.partition);
	f->row.partition_count = 1;
	f->row.partition[0] = (struct hr_partition){.partition = 3, .begin = 10, .offset = 15, .trained = 5};
	f->row.watermark_ms = 99;
	commit_some(f, 10, 20);
	commit_some(f, 4, 20);
	const struct hr_hash128 digest = f->row.digest;
	close_store(f);
	assert_int_equal(open_and_load(f), 10);
	assert_string_equal(f->notice, "");
	assert_int_equal(f->row.number, 2);
	assert_int_equal(f->row.watermark_ms, 99);
	assert_int_equal(f->row.partition[0].offset, 15);
	assert_true(f->row.digest.lo == digest.lo && f->row.digest.hi == digest.hi);
	commit_some(f, 1, 1);
	assert_digest_is_the_disks(f);
}

static void the_order_log_of_each_barrier_is_kept(void **state)
{
	struct fixture *f = *state;
	struct hr_buf log = {0};

	(void)open_and_load(f);
	for (unsigned i = 1; i <= 3; i++) {
		struct hr_changes *c = hr_changes_new();
		const char text[] = {'l', 'o', 'g', (char)('0' + i)};

		hr_changes_order(c, "not this", 8);
		hr_changes_order(c, text, i < 3 ? sizeof text : 0);
		assert_true(commit(f, c));
		hr_changes_free(c);
	}
	assert_true(hr_store_order_log(f->store, 1, &log, &f->err));
	assert_true(hr_store_order_log(f->store, 2, &log, &f->err));
	assert_true(hr_store_order_log(f->store, 3, &log, &f->err));
	assert_int_equal(log.len, 8);
	assert_memory_equal(log.p, "log1log2", 8);
	assert_false(hr_store_order_log(f->store, 4, &log, &f->err));
	assert_int_equal(f->err.code, HR_E_STORE);
	assert_string_equal(f->err.msg, "barrier 4 has no order log");
	hr_buf_fini(&log);
}

static bool refuse(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len,
                   struct hr_error *err)
{
	(void)ctx;
	(void)bytes;
	(void)len;
	return number < 3 || hr_fail(err, HR_E_FORMAT, "%c/%u is odd", cls, number);
}

static void a_record_its_owner_refuses_stops_the_load(void **state)
{
	struct fixture *f = *state;

	(void)open_and_load(f);
	commit_some(f, 10, 20);
	close_store(f);
	assert_true(open_only(f));
	assert_false(hr_store_load(f->store, refuse, NULL, &f->err));
	assert_int_equal(f->err.code, HR_E_FORMAT);
	assert_non_null(strstr(f->err.msg, ": u/3 is odd"));
}

static void a_checkpoint_is_a_state_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct fixture copy = {0};

	(void)open_and_load(f);
	commit_some(f, 10, 20);
	(void)snprintf(copy.dir, sizeof copy.dir, "%.240s-copy", f->dir);
	assert_true(hr_store_checkpoint(f->store, copy.dir, &f->err));
	assert_false(hr_store_checkpoint(f->store, copy.dir, &f->err));
	commit_some(f, 20, 20);
	assert_int_equal(open_and_load(&copy), 10);
	assert_int_equal(copy.row.number, 1);
	assert_string_equal(copy.manifest.lineage, f->manifest.lineage);
	commit_some(&copy, 5, 5);
	close_store(&copy);
	assert_digest_is_the_disks(f);
	assert_true(hr_store_disk_bytes(f->store) > 500);
}

/* ---- damage ---- */

/* The only file in the directory whose name ends so, and its size. */
static size_t find_file(const struct fixture *f, const char *ending, char path[600])
{
	DIR *d = opendir(f->dir);
	const struct dirent *e;
	struct stat st;
	size_t size = 0;

	while ((e = readdir(d)) != NULL) {
		const size_t len = strlen(e->d_name), end = strlen(ending);

		if (len < end || strcmp(e->d_name + len - end, ending) != 0)
			continue;
		assert_int_equal(fstatat(dirfd(d), e->d_name, &st, 0), 0);
		if (st.st_size == 0)
			continue;
		assert_int_equal(size, 0);
		(void)snprintf(path, 600, "%s/%s", f->dir, e->d_name);
		size = (size_t)st.st_size;
	}
	(void)closedir(d);
	assert_true(size > 0);
	return size;
}

static void flip_byte(const char *path, size_t at)
{
	const int fd = open(path, O_RDWR);
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	assert_int_equal(close(fd), 0);
}

static void barriers_lost_from_a_damaged_log_are_told(void **state)
{
	struct fixture *f = *state;
	char log[600], aside[600];
	struct stat st;

	(void)open_and_load(f);
	for (int i = 0; i < 10; i++)
		commit_some(f, 10, 100);
	close_store(f);
	flip_byte(log, find_file(f, ".log", log) / 2);
	const size_t size = find_file(f, ".log", log);
	assert_int_equal(open_and_load(f), 10);
	assert_in_range(f->row.number, 3, 6);
	char want[80];
	(void)snprintf(want, sizeof want, "barrier %u is now the newest, %u after it are lost", (unsigned)f->row.number,
	               10 - (unsigned)f->row.number);
	if (strstr(f->notice, want) == NULL)
		fail_msg("\"%s\" does not say: %s", f->notice, want);
	(void)snprintf(aside, sizeof aside, "%s/wal-aside-1/%s", f->dir, strrchr(log, '/') + 1);
	assert_int_equal(stat(aside, &st), 0);
	assert_int_equal(st.st_size, size);
	assert_digest_is_the_disks(f);
	close_store(f);
	(void)open_and_load(f);
	assert_non_null(strstr(f->notice, want)); /* until the next barrier */
	commit_some(f, 1, 1);
	close_store(f);
	(void)open_and_load(f);
	assert_string_equal(f->notice, "");
}

static void a_broken_note_of_the_last_barrier_is_no_note(void **state)
{
	struct fixture *f = *state;
	char last[300];

	(void)open_and_load(f);
	commit_some(f, 1, 1);
	close_store(f);
	(void)snprintf(last, sizeof last, "%s/LAST", f->dir);
	flip_byte(last, 1); /* now a far larger number */
	(void)open_and_load(f);
	assert_string_equal(f->notice, "");
}

static void a_log_cut_inside_the_last_write_loses_only_that(void **state)
{
	struct fixture *f = *state;
	char log[600], last[300];

	(void)open_and_load(f);
	commit_some(f, 10, 100);
	commit_some(f, 20, 100);
	close_store(f);
	const size_t size = find_file(f, ".log", log);
	assert_int_equal(truncate(log, (off_t)size - 100), 0);
	(void)snprintf(last, sizeof last, "%s/LAST", f->dir); /* as if killed before the note of barrier 2 */
	assert_int_equal(unlink(last), 0);
	assert_int_equal(open_and_load(f), 10);
	assert_int_equal(f->row.number, 1);
	assert_non_null(strstr(f->notice, "barrier 1 is now the newest, none after it is known to be lost"));
}

static void only_the_newest_four_logs_aside_are_kept(void **state)
{
	struct fixture *f = *state;
	char log[600], aside[600];

	(void)open_and_load(f);
	for (unsigned i = 1; i <= 6; i++) {
		commit_some(f, 10, 100);
		close_store(f);
		assert_int_equal(truncate(log, (off_t)find_file(f, ".log", log) - 10), 0);
		(void)open_and_load(f);
		commit_some(f, 2, 2);
	}
	for (unsigned i = 1; i <= 6; i++) {
		(void)snprintf(aside, sizeof aside, "%s/wal-aside-%u", f->dir, i);
		assert_int_equal(access(aside, F_OK), i <= 2 ? -1 : 0);
	}
}

/* Changes the closed state behind our back: value NULL deletes. */
static void write_raw(struct fixture *f, const char *key, size_t key_len, const char *value, size_t value_len)
{
	rocksdb_options_t *opt = rocksdb_options_create();
	rocksdb_writeoptions_t *wopt = rocksdb_writeoptions_create();
	char *why = NULL;
	rocksdb_t *db = rocksdb_open(opt, f->dir, &why);

	assert_null(why);
	if (value != NULL)
		rocksdb_put(db, wopt, key, key_len, value, value_len, &why);
	else
		rocksdb_delete(db, wopt, key, key_len, &why);
	assert_null(why);
	rocksdb_close(db);
	rocksdb_options_destroy(opt);
	rocksdb_writeoptions_destroy(wopt);
}

static void assert_load_fails(struct fixture *f, const char *why)
{
	size_t records = 0;

	assert_true(open_only(f));
	assert_false(hr_store_load(f->store, count_record, &records, &f->err));
	assert_int_equal(f->err.code, HR_E_STORE);
	if (strstr(f->err.msg, why) == NULL)
		fail_msg("\"%s\" does not say: %s", f->err.msg, why);
}

static void a_missing_record_is_found_by_the_digest(void **state)
{
	struct fixture *f = *state;

	(void)open_and_load(f);
	commit_some(f, 10, 20);
	close_store(f);
	write_raw(f, "u\0\0\0\3", 5, NULL, 0);
	assert_load_fails(f, "barrier 1 says");
}

static void a_value_with_a_wrong_checksum_is_named(void **state)
{
	struct fixture *f = *state;

	(void)open_and_load(f);
	commit_some(f, 10, 20);
	close_store(f);
	write_raw(f, "u\0\0\0\3", 5, "\1\2\3\4bytes", 9);
	assert_load_fails(f, "record u/3 has a wrong checksum");
	close_store(f);
	write_raw(f, "u\0\0\0\3", 5, "abc", 3);
	assert_load_fails(f, "record u/3 has a wrong checksum");
	close_store(f);
	write_raw(f, "a\0\0\0", 4, "abcd", 4);
	assert_load_fails(f, "a key of class 'a' has 4 bytes, not 5");
	close_store(f);
	write_raw(f, "B", 1, "\1\2\3\4bytes", 9);
	assert_false(open_only(f));
	assert_non_null(strstr(f->err.msg, "the barrier row has a wrong checksum"));
	write_raw(f, "M", 1, NULL, 0);
	assert_false(open_only(f));
	assert_non_null(strstr(f->err.msg, "there are records but no manifest"));
}

static void a_commit_that_returned_is_synced_to_its_last_byte(void **state)
{
	struct fixture *f = *state;
	char log[600];

	(void)open_and_load(f);
	for (int i = 0; i < 5; i++) {
		const unsigned before = disk_sync.calls;

		commit_some(f, 20, 300);
		assert_int_equal(disk_sync.calls, before + 1);
		assert_int_equal(disk_sync.bytes, find_file(f, ".log", log));
	}
}

static void after_a_failed_sync_nothing_more_is_written(void **state)
{
	struct fixture *f = *state;
	struct hr_changes *c = hr_changes_new();

	(void)open_and_load(f);
	commit_some(f, 3, 10);
	hr_changes_put(c, HR_REC_USER, 9, "x", 1);
	disk_sync.fail = true;
	assert_false(commit(f, c));
	disk_sync.fail = false;
	assert_int_equal(f->err.code, HR_E_STORE);
	assert_false(f->err.retriable);
	f->row.number--;
	const unsigned calls = disk_sync.calls;
	assert_false(commit(f, c));
	assert_int_equal(f->err.code, HR_E_STORE);
	assert_string_equal(f->err.msg, "barrier 2: an earlier write failed, nothing more is written");
	assert_int_equal(disk_sync.calls, calls);
	hr_changes_free(c);
	close_store(f);
	const size_t records = open_and_load(f); /* the outcome is unknown, but it is one of two */
	assert_in_range(f->row.number, 1, 2);
	assert_int_equal(records, f->row.number == 1 ? 3 : 4);
}

static void a_flipped_bit_in_a_table_is_found(void **state)
{
	struct fixture *f = *state;
	char table[600];
	size_t records = 0;

	(void)open_and_load(f);
	commit_some(f, 200, 200);
	(void)snprintf(table, sizeof table, "%.240s-copy", f->dir);
	assert_true(hr_store_checkpoint(f->store, table, &f->err)); /* flushes the memtable */
	close_store(f);
	flip_byte(table, find_file(f, ".sst", table) / 2);
	assert_false(open_only(f) && hr_store_load(f->store, count_record, &records, &f->err));
	assert_int_equal(f->err.code, HR_E_STORE);
}

int main(void)
{
#define WITH_STATE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_later_put_wins),
		cmocka_unit_test(changes_are_sorted_by_class_and_number),
		WITH_STATE(a_new_state_is_empty_private_and_has_a_lineage),
		WITH_STATE(the_manifest_on_disk_is_what_a_reopen_gives),
		WITH_STATE(another_configuration_is_refused_with_both_hashes),
		WITH_STATE(a_second_open_is_refused),
		WITH_STATE(a_directory_open_to_others_is_refused),
		WITH_STATE(a_file_in_place_of_the_directory_is_refused),
		WITH_STATE(random_barriers_keep_records_and_digest),
		WITH_STATE(records_come_back_by_class_and_number),
		WITH_STATE(the_digest_is_the_sum_the_header_says),
		WITH_STATE(a_reopened_state_goes_on_at_its_barrier),
		WITH_STATE(the_order_log_of_each_barrier_is_kept),
		WITH_STATE(a_record_its_owner_refuses_stops_the_load),
		WITH_STATE(a_checkpoint_is_a_state_of_its_own),
		WITH_STATE(barriers_lost_from_a_damaged_log_are_told),
		WITH_STATE(a_log_cut_inside_the_last_write_loses_only_that),
		WITH_STATE(only_the_newest_four_logs_aside_are_kept),
		WITH_STATE(a_broken_note_of_the_last_barrier_is_no_note),
		WITH_STATE(a_missing_record_is_found_by_the_digest),
		WITH_STATE(a_value_with_a_wrong_checksum_is_named),
		WITH_STATE(a_commit_that_returned_is_synced_to_its_last_byte),
		WITH_STATE(after_a_failed_sync_nothing_more_is_written),
		WITH_STATE(a_flipped_bit_in_a_table_is_found),
	};

	return cmocka_run_group_tests_name("store/state", tests, NULL, NULL);
}
