/* What the store says about damaged logs, forged values and disks that fail. */
#include "tests/test_store_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <rocksdb/c.h>
#include <sys/syscall.h>

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
	const struct CMUnitTest tests[] = {
		WITH_STATE(barriers_lost_from_a_damaged_log_are_told),
		WITH_STATE(a_broken_note_of_the_last_barrier_is_no_note),
		WITH_STATE(a_log_cut_inside_the_last_write_loses_only_that),
		WITH_STATE(only_the_newest_four_logs_aside_are_kept),
		WITH_STATE(a_missing_record_is_found_by_the_digest),
		WITH_STATE(a_value_with_a_wrong_checksum_is_named),
		WITH_STATE(a_commit_that_returned_is_synced_to_its_last_byte),
		WITH_STATE(after_a_failed_sync_nothing_more_is_written),
		WITH_STATE(a_flipped_bit_in_a_table_is_found),
	};

	return cmocka_run_group_tests_name("store/recover", tests, NULL, NULL);
}
