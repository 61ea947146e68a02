/* Kills the writer at the named points, in a process of its own, and looks at what is left. */
#include "tests/test_store.h"

#include <signal.h>
#include <sys/wait.h>

enum { BARRIERS = 5, RECORDS = 300 };

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
	struct hr_manifest m = {.config_hash = 1, .lineage = "00000000000000000000000000000001"};
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

/* Runs write_barriers in a new process; a fork alone would lack the threads of RocksDB. Returns its signal, 0 for none.
 */
static int run_writer(const char *dir, const char *crash_point)
{
	const pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (crash_point != NULL)
			(void)setenv("HR_CRASH_POINT", crash_point, 1);
		(void)execl("/proc/self/exe", "test_store_crash", dir, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return WTERMSIG(status);
	assert_int_equal(WEXITSTATUS(status), 0);
	return 0;
}

/* The state holds exactly this barrier; then the writer goes on to the end without a crash. */
static void assert_barrier_then_finish(char dir[256], uint64_t number, struct hr_hash128 *ret_digest)
{
	struct hr_barrier row = {0};
	struct hr_error err = {0};
	struct hr_hash128 disk;
	char notice[HR_NOTICE_BYTES];
	struct hr_store *s = open_and_load(dir, &row, notice);

	assert_int_equal(row.number, number);
	assert_string_equal(notice, "");
	assert_true(hr_store_digest(s, &disk, &err));
	assert_true(disk.lo == row.digest.lo && disk.hi == row.digest.hi);
	hr_store_close(s);
	hr_barrier_fini(&row);
	assert_int_equal(run_writer(dir, NULL), 0);
	s = open_and_load(dir, &row, notice);
	assert_int_equal(row.number, BARRIERS);
	*ret_digest = row.digest;
	hr_store_close(s);
	hr_barrier_fini(&row);
}

static void a_kill_around_the_write_leaves_the_old_or_the_new_barrier(void **state)
{
	struct hr_hash128 want = {0}, got;
	char dir[256], point[32];

	(void)state;
	make_dir_name(dir);
	assert_int_equal(run_writer(dir, NULL), 0);
	assert_barrier_then_finish(dir, BARRIERS, &want);
	remove_dir(dir);
	for (unsigned n = 1; n <= BARRIERS; n++)
		for (unsigned after = 0; after <= 1; after++) {
			make_dir_name(dir);
			(void)snprintf(point, sizeof point, "%s-write:%u", after ? "after" : "before", n);
			assert_int_equal(run_writer(dir, point), SIGKILL);
			assert_barrier_then_finish(dir, n - 1 + after, &got);
			assert_true(got.lo == want.lo && got.hi == want.hi); /* as if nothing had happened */
			remove_dir(dir);
		}
}

static void a_kill_in_the_first_open_leaves_a_state_that_opens(void **state)
{
	struct hr_hash128 digest;
	char dir[256];

	(void)state;
	make_dir_name(dir);
	assert_int_equal(run_writer(dir, "open"), SIGKILL);
	assert_barrier_then_finish(dir, 0, &digest);
	remove_dir(dir);
}

static void a_point_not_reached_or_of_another_name_kills_nobody(void **state)
{
	char dir[256];

	(void)state;
	make_dir_name(dir);
	assert_int_equal(run_writer(dir, "open:2"), 0);
	assert_int_equal(run_writer(dir, "opening"), 0);
	assert_int_equal(run_writer(dir, "ope"), 0);
	remove_dir(dir);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kill_around_the_write_leaves_the_old_or_the_new_barrier),
		cmocka_unit_test(a_kill_in_the_first_open_leaves_a_state_that_opens),
		cmocka_unit_test(a_point_not_reached_or_of_another_name_kills_nobody),
	};

	if (argc == 2)
		return write_barriers(argv[1]);
	return cmocka_run_group_tests_name("store/crash", tests, NULL, NULL);
}
