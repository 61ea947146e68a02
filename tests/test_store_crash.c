/* Kills the writer at the named points and at its system calls, in a process of its own, and looks at what is left. */
#include "tests/test_store.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { BARRIERS = 5, RECORDS = 300 };

/* These stand before the C library's. HR_TEST_CALL=n kills at the n-th of them, a write after half of its bytes. */
static bool is_last_call(void)
{
	static atomic_ulong calls;
	const char *at = getenv("HR_TEST_CALL");

	return at != NULL && atomic_fetch_add(&calls, 1) + 1 == strtoul(at, NULL, 10);
}

static void die(void) { (void)kill(getpid(), SIGKILL); }

ssize_t write(int fd, const void *bytes, size_t n)
{
	const bool last = is_last_call();
	const ssize_t wrote = syscall(SYS_write, fd, bytes, last ? n / 2 : n);

	if (last)
		die();
	return wrote;
}

int fdatasync(int fd)
{
	if (is_last_call())
		die();
	return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
	if (is_last_call())
		die();
	return (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
	if (is_last_call())
		die();
	return (int)syscall(SYS_rename, from, to);
}

int unlink(const char *path)
{
	if (is_last_call())
		die();
	return (int)syscall(SYS_unlink, path);
}

static bool ignore(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len,
                   struct hr_error *err)
{
	(void)ctx;
	(void)cls;
	(void)number;
	(void)bytes;
	(void)len;
	(void)err;
	return true;
}

static struct hr_store *open_and_load(const char *dir, struct hr_barrier *row, char *notice)
{
	struct hr_manifest m = {.settings = "a=1\n", .lineage = "00000000000000000000000000000001"};
	struct hr_error err = {0};
	struct hr_store *s;

	if (hr_store_open(dir, &m, &s, row, notice, &err) && hr_store_load(s, ignore, NULL, &err))
		return s;
	(void)fprintf(stderr, "%s\n", err.msg);
	abort();
}

/* Barrier n is the same in every life: record i holds (n, i), and every seventh is deleted. */
static void commit_next(struct hr_store *s, struct hr_barrier *row)
{
	struct hr_changes *c = hr_changes_new();
	struct hr_error err = {0};

	row->number++;
	for (uint32_t i = 0; i < RECORDS; i++) {
		const uint64_t bytes[] = {row->number, i};
		const bool gone = (row->number + i) % 7 == 0;

		hr_changes_put(c, HR_REC_USER, i, gone ? NULL : bytes, gone ? 0 : sizeof bytes);
	}
	if (!hr_store_commit(s, c, row, &err)) {
		(void)fprintf(stderr, "%s\n", err.msg);
		abort();
	}
	hr_changes_free(c);
}

static int write_barriers(const char *dir)
{
	HR_AUTO(hr_barrier_fini) struct hr_barrier row = {0};
	char notice[HR_NOTICE_BYTES];
	struct hr_store *s = open_and_load(dir, &row, notice);

	while (row.number < BARRIERS)
		commit_next(s, &row);
	hr_store_close(s);
	return 0;
}

/* Runs write_barriers in a new process, with one variable set; a fork alone would lack the threads of RocksDB.
 * Returns its signal, 0 for none. */
static int run_writer(const char *dir, const char *variable, const char *value)
{
	const pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (variable != NULL)
			(void)setenv(variable, value, 1);
		(void)execl("/proc/self/exe", "test_store_crash", dir, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return WTERMSIG(status);
	assert_int_equal(WEXITSTATUS(status), 0);
	return 0;
}

/* The state is sound; then the writer goes on to the end without a crash. Returns the barrier at which it was found. */
static uint64_t look_then_finish(const char *dir, char *notice, struct hr_hash128 *ret_digest)
{
	struct hr_barrier row = {0};
	struct hr_error err = {0};
	struct hr_hash128 disk;
	char later_notice[HR_NOTICE_BYTES];
	struct hr_store *s = open_and_load(dir, &row, notice);
	const uint64_t number = row.number;

	assert_true(hr_store_digest(s, &disk, &err));
	assert_true(disk.lo == row.digest.lo && disk.hi == row.digest.hi);
	hr_store_close(s);
	hr_barrier_fini(&row);
	assert_int_equal(run_writer(dir, NULL, NULL), 0);
	s = open_and_load(dir, &row, later_notice);
	assert_int_equal(row.number, BARRIERS);
	assert_string_equal(later_notice, "");
	*ret_digest = row.digest;
	hr_store_close(s);
	hr_barrier_fini(&row);
	return number;
}

static void assert_barrier_then_finish(const char *dir, uint64_t number, struct hr_hash128 *ret_digest)
{
	char notice[HR_NOTICE_BYTES];

	assert_int_equal(look_then_finish(dir, notice, ret_digest), number);
	assert_string_equal(notice, "");
}

static void a_kill_around_the_write_leaves_the_old_or_the_new_barrier(void **state)
{
	struct hr_hash128 want = {0}, got;
	char dir[256], point[32];

	(void)state;
	make_dir_name(dir);
	assert_int_equal(run_writer(dir, NULL, NULL), 0);
	assert_barrier_then_finish(dir, BARRIERS, &want);
	remove_dir(dir);
	for (unsigned n = 1; n <= BARRIERS; n++)
		for (unsigned after = 0; after <= 1; after++) {
			make_dir_name(dir);
			(void)snprintf(point, sizeof point, "%s-write:%u", after ? "after" : "before", n);
			assert_int_equal(run_writer(dir, "HR_CRASH_POINT", point), SIGKILL);
			assert_barrier_then_finish(dir, n - 1 + after, &got);
			assert_true(got.lo == want.lo && got.hi == want.hi); /* as if nothing had happened */
			remove_dir(dir);
		}
}

static void a_kill_at_any_system_call_loses_no_barrier(void **state)
{
	struct hr_hash128 want = {0}, got;
	char dir[256], call[16], notice[HR_NOTICE_BYTES];
	unsigned killed = 0, torn = 0;

	(void)state;
	for (int status = SIGKILL; status == SIGKILL; killed += status == SIGKILL) {
		make_dir_name(dir);
		(void)snprintf(call, sizeof call, "%u", killed + 1);
		status = run_writer(dir, "HR_TEST_CALL", call);
		(void)look_then_finish(dir, notice, &got);
		assert_null(strstr(notice, "are lost"));
		torn += notice[0] != '\0';
		if (killed == 0)
			want = got;
		assert_true(got.lo == want.lo && got.hi == want.hi);
		remove_dir(dir);
	}
	print_message("# killed at %u calls, %u logs torn\n", killed, torn);
	assert_true(killed > 2 * BARRIERS && torn >= BARRIERS);
}

static void a_kill_in_the_first_open_leaves_a_state_that_opens(void **state)
{
	struct hr_hash128 digest;
	char dir[256];

	(void)state;
	make_dir_name(dir);
	assert_int_equal(run_writer(dir, "HR_CRASH_POINT", "open"), SIGKILL);
	assert_barrier_then_finish(dir, 0, &digest);
	remove_dir(dir);
}

static void a_point_not_reached_or_of_another_name_kills_nobody(void **state)
{
	char dir[256];

	(void)state;
	make_dir_name(dir);
	assert_int_equal(run_writer(dir, "HR_CRASH_POINT", "open:2"), 0);
	assert_int_equal(run_writer(dir, "HR_CRASH_POINT", "opening"), 0);
	assert_int_equal(run_writer(dir, "HR_CRASH_POINT", "ope"), 0);
	remove_dir(dir);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kill_around_the_write_leaves_the_old_or_the_new_barrier),
		cmocka_unit_test(a_kill_at_any_system_call_loses_no_barrier),
		cmocka_unit_test(a_kill_in_the_first_open_leaves_a_state_that_opens),
		cmocka_unit_test(a_point_not_reached_or_of_another_name_kills_nobody),
	};

	if (argc == 2)
		return write_barriers(argv[1]);
	return cmocka_run_group_tests_name("store/crash", tests, NULL, NULL);
}
