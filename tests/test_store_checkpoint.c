/* Checkpoints: the ring, the way back, and a way back that is broken off anywhere. */
#include "tests/test_store_dir.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "store/checkpoint.h"

static size_t list_all(const char *dir, uint64_t barrier[16])
{
	HR_AUTO(hr_auto_free) struct hr_checkpoint *list = NULL;
	struct hr_error err;
	size_t count;

	assert_true(hr_checkpoints_list(dir, &list, &count, &err));
	assert_true(count <= 16);
	for (size_t i = 0; i < count; i++) {
		barrier[i] = list[i].barrier;
		assert_true(list[i].made_ms > INT64_C(1500000000000));
	}
	return count;
}

static void the_ring_keeps_the_newest(void **state)
{
	struct fixture *f = *state;
	uint64_t barrier[16];
	char tmp[300];

	(void)open_and_load(f);
	assert_int_equal(list_all(f->dir, barrier), 0);
	assert_true(hr_checkpoints_prune(f->dir, 1, &f->err));
	for (int i = 0; i < 11; i++) {
		commit_some(f, 10, 20);
		if (i % 2 == 0)
			assert_true(hr_checkpoint_make(f->store, &f->err));
	}
	assert_true(hr_checkpoint_make(f->store, &f->err)); /* there is one of this barrier */
	assert_int_equal(list_all(f->dir, barrier), 6);
	(void)snprintf(tmp, sizeof tmp, "%s/checkpoints/99.tmp", f->dir);
	assert_int_equal(mkdir(tmp, 0700), 0);
	assert_true(hr_checkpoints_prune(f->dir, 3, &f->err));
	assert_int_equal(list_all(f->dir, barrier), 3);
	assert_int_equal(barrier[0], 7);
	assert_int_equal(barrier[2], 11);
	assert_int_equal(access(tmp, F_OK), -1);
	assert_digest_is_the_disks(f);
}

/* A state with barriers 1 to 3, a checkpoint of 2; closed. Its digest at 2. */
static struct hr_hash128 make_state(struct fixture *f)
{
	(void)open_and_load(f);
	commit_some(f, 10, 20);
	commit_some(f, 20, 30);
	const struct hr_hash128 digest = f->row.digest;
	assert_true(hr_checkpoint_make(f->store, &f->err));
	commit_some(f, 30, 40);
	close_store(f);
	return digest;
}

static void assert_is_at_2(struct fixture *f, struct hr_hash128 digest)
{
	assert_int_equal(open_and_load(f), 20);
	assert_string_equal(f->notice, "");
	assert_int_equal(f->row.number, 2);
	assert_true(f->row.digest.hi == digest.hi && f->row.digest.lo == digest.lo);
	commit_some(f, 5, 5);
	assert_digest_is_the_disks(f);
	close_store(f);
}

/* Opened once more, it is the same lineage. */
static void assert_is_begun(struct fixture *f)
{
	char lineage[HR_LINEAGE_CHARS + 1];

	memcpy(lineage, f->manifest.lineage, sizeof lineage);
	(void)open_and_load(f);
	assert_string_equal(f->manifest.lineage, lineage);
	close_store(f);
}

static void a_restored_state_is_the_one_of_the_checkpoint_and_goes_on(void **state)
{
	struct fixture *f = *state;
	const struct hr_hash128 digest = make_state(f);
	struct fixture old = {0};
	char lineage[HR_LINEAGE_CHARS + 1], space[HR_LINEAGE_CHARS + 1];

	memcpy(lineage, f->manifest.lineage, sizeof lineage);
	memcpy(space, f->manifest.space, sizeof space);
	assert_string_equal(space, lineage);
	for (int again = 0; again < 3; again++) { /* the checkpoint is not used up, and the tables it shares are not harmed */
		if (!hr_checkpoint_restore(f->dir, 2, &f->err))
			fail_msg("%s", f->err.msg);
		if (again == 0) {
			(void)snprintf(old.dir, sizeof old.dir, "%.240s/replaced", f->dir);
			assert_int_equal(open_and_load(&old), 30);
			assert_int_equal(old.row.number, 3);
			close_store(&old);
		}
		assert_is_at_2(f, digest);
		assert_string_not_equal(f->manifest.lineage, lineage); /* each life after a restore is one of its own */
		memcpy(lineage, f->manifest.lineage, sizeof lineage);
		assert_string_equal(f->manifest.space, space);
		assert_is_begun(f);
	}
}

static void a_checkpoint_that_is_not_there_or_damaged_changes_nothing(void **state)
{
	struct fixture *f = *state, copy = {0};
	char path[600];

	(void)make_state(f);
	assert_false(hr_checkpoint_restore(f->dir, 7, &f->err));
	assert_int_equal(f->err.code, HR_E_CONFIG);
	assert_false(hr_checkpoint_restore("/nowhere", 2, &f->err));
	assert_int_equal(f->err.code, HR_E_IO);
	(void)snprintf(copy.dir, sizeof copy.dir, "%.200s/checkpoints/2", f->dir);
	const size_t size = find_file(&copy, ".sst", path);
	const int fd = open(path, O_RDWR);
	char byte;
	assert_true(pread(fd, &byte, 1, (off_t)(size / 4)) == 1);
	byte ^= 4;
	assert_true(pwrite(fd, &byte, 1, (off_t)(size / 4)) == 1);
	(void)close(fd);
	assert_false(hr_checkpoint_restore(f->dir, 2, &f->err));
	assert_int_equal(f->err.code, HR_E_STORE);
	(void)snprintf(path, sizeof path, "%s/replaced", f->dir);
	assert_int_equal(access(path, F_OK), -1);
}

static int run_child(void (*body)(struct fixture *f), struct fixture *f)
{
	int status;
	const pid_t pid = fork();

	if (pid == 0) {
		body(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void expect_busy(struct fixture *f)
{
	_exit(hr_checkpoint_restore(f->dir, 2, &f->err) ? 1 : f->err.code == HR_E_BUSY ? 0 : 2);
}

static void a_state_that_is_open_is_not_taken_back(void **state)
{
	struct fixture *f = *state;

	(void)make_state(f);
	(void)open_and_load(f);
	assert_int_equal(run_child(expect_busy, f), 0);
	commit_some(f, 5, 5);
	assert_digest_is_the_disks(f);
}

static void restore_and_die(struct fixture *f)
{
	_exit(hr_checkpoint_restore(f->dir, 2, &f->err) ? 1 : 2);
}

static void a_restore_broken_off_anywhere_is_taken_up_again(void **state)
{
	static const char *const points[] = {"restore-move", "restore-link:1", "restore-link:2", "restore-link:4"};
	struct fixture *f = *state;
	const struct hr_hash128 digest = make_state(f);

	for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
		(void)setenv("HR_CRASH_POINT", points[i], 1);
		const int status = run_child(restore_and_die, f);
		(void)unsetenv("HR_CRASH_POINT");
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		assert_false(open_only(f));
		assert_non_null(strstr(f->err.msg, "a restore was broken off"));
		if (!hr_checkpoint_restore(f->dir, 2, &f->err))
			fail_msg("%s", f->err.msg);
		assert_is_at_2(f, digest);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STATE(the_ring_keeps_the_newest),
		WITH_STATE(a_restored_state_is_the_one_of_the_checkpoint_and_goes_on),
		WITH_STATE(a_checkpoint_that_is_not_there_or_damaged_changes_nothing),
		WITH_STATE(a_state_that_is_open_is_not_taken_back),
		WITH_STATE(a_restore_broken_off_anywhere_is_taken_up_again),
	};

	return cmocka_run_group_tests_name("store/checkpoint", tests, NULL, NULL);
}
