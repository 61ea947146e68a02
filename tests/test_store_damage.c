/* Flips bits anywhere in a state directory. What opens must be right, or say that it is older. RocksDB runs only in
 * child processes here: Debian's build may abort on damage, and a fork lacks the threads of its parent. */
#include "tests/test_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { BARRIERS = 8, FLUSHED = 4, RECORDS = 60, FLIPS = 200 };
enum outcome { WHOLE, OLDER_WITH_NOTICE, REFUSED, SILENTLY_WRONG, OUTCOMES };

static struct hr_hash128 *digest; /* of every barrier; shared with the children */

static bool sum_up(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len,
                   struct hr_error *err)
{
	HR_AUTO(hr_buf_fini) struct hr_buf named = {0};
	struct hr_hash128 *sum = ctx;

	(void)err;
	hr_buf_u8(&named, (uint8_t)cls);
	hr_buf_u32(&named, number);
	hr_buf_bytes(&named, bytes, len);
	*sum = hr_hash128_add(*sum, hr_hash128(named.p, named.len, HR_STATE_FORMAT));
	return true;
}

static bool open_and_sum(const char *dir, struct hr_store **s, struct hr_barrier *row, char *notice,
                         struct hr_hash128 *ret_sum)
{
	struct hr_manifest m = {.settings = "a=1\n"};
	struct hr_error err = {0};

	*ret_sum = (struct hr_hash128){0};
	return hr_store_open(dir, &m, s, row, notice, &err) && hr_store_load(*s, sum_up, ret_sum, &err);
}

/* Some barriers in a table, the others in the log. */
static bool write_state(const char *dir)
{
	char notice[HR_NOTICE_BYTES], aside[300];
	struct hr_barrier row = {0};
	struct hr_hash128 sum;
	struct hr_error err = {0};
	struct hr_store *s;
	bool ok = open_and_sum(dir, &s, &row, notice, &sum);

	for (uint32_t n = 1; ok && n <= BARRIERS; n++) {
		struct hr_changes *c = hr_changes_new();

		for (uint32_t i = n % 5; i < RECORDS; i += 1 + n % 3) {
			const uint64_t h[] = {hr_hash(&n, sizeof n), i, n};

			hr_changes_put(c, HR_REC_USER, i, h, sizeof h);
		}
		row.number = n;
		ok = hr_store_commit(s, c, &row, &err);
		digest[n] = row.digest;
		hr_changes_free(c);
		(void)snprintf(aside, sizeof aside, "%s-flushed", dir);
		if (n == FLUSHED) /* a checkpoint begins with a flush */
			ok = ok && hr_store_checkpoint(s, aside, &err);
	}
	if (ok)
		hr_store_close(s);
	return ok;
}

static enum outcome judge(const char *dir)
{
	char notice[HR_NOTICE_BYTES];
	struct hr_barrier row = {0};
	struct hr_hash128 sum;
	struct hr_store *s;

	if (!open_and_sum(dir, &s, &row, notice, &sum))
		return REFUSED;
	if (row.number > BARRIERS || sum.lo != digest[row.number].lo || sum.hi != digest[row.number].hi)
		return SILENTLY_WRONG;
	if (row.number < BARRIERS)
		return notice[0] != '\0' ? OLDER_WITH_NOTICE : SILENTLY_WRONG;
	return WHOLE;
}

/* In a child. An abort refuses, loudly; what it prints is dropped. */
static enum outcome judge_apart(const char *dir)
{
	const pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		const int null = open("/dev/null", O_WRONLY);

		(void)dup2(null, STDERR_FILENO);
		_exit((int)judge(dir));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return REFUSED;
	assert_in_range(WEXITSTATUS(status), 0, OUTCOMES - 1);
	return (enum outcome)WEXITSTATUS(status);
}

/* Copies a flat directory; bit number flip of all its bytes, in order of listing, comes out wrong. Returns its bits. */
static uint64_t copy_dir(const char *from, const char *to, uint64_t flip)
{
	DIR *d = opendir(from);
	const struct dirent *e;
	uint64_t bits = 0;

	assert_int_equal(mkdir(to, 0700), 0);
	while ((e = readdir(d)) != NULL) {
		const int in = openat(dirfd(d), e->d_name, O_RDONLY), dir = open(to, O_RDONLY | O_DIRECTORY);
		const int out = openat(dir, e->d_name, O_WRONLY | O_CREAT, 0600);
		uint8_t piece[4096];
		ssize_t n;

		for (; out >= 0 && (n = read(in, piece, sizeof piece)) > 0; bits += (uint64_t)n * 8) {
			if (flip >= bits && flip < bits + (uint64_t)n * 8)
				piece[(flip - bits) / 8] ^= (uint8_t)(1u << flip % 8);
			assert_int_equal(write(out, piece, (size_t)n), n);
		}
		(void)close(in);
		(void)close(out);
		(void)close(dir);
	}
	(void)closedir(d);
	return bits;
}

static void make_state(char dir[256])
{
	make_dir_name(dir);
	const pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(write_state(dir) ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void no_flipped_bit_gives_a_wrong_state_in_silence(void **state)
{
	unsigned count[OUTCOMES] = {0};
	char dir[256], bent[300];
	uint64_t draw = 1;

	(void)state;
	make_state(dir);
	(void)snprintf(bent, sizeof bent, "%s-0", dir);
	const uint64_t bits = copy_dir(dir, bent, UINT64_MAX);
	assert_int_equal(judge_apart(bent), WHOLE); /* the copy without damage */
	for (unsigned i = 1; i <= FLIPS; i++) {
		draw = hr_hash(&draw, sizeof draw);
		(void)snprintf(bent, sizeof bent, "%s-%u", dir, i);
		(void)copy_dir(dir, bent, draw % bits);
		const enum outcome got = judge_apart(bent);
		count[got]++;
		if (got == SILENTLY_WRONG)
			fail_msg("bit %llu of %llu", (unsigned long long)(draw % bits), (unsigned long long)bits);
	}
	print_message("# %d flips: %u harmless, %u older with notice, %u refused\n", FLIPS, count[WHOLE],
	              count[OLDER_WITH_NOTICE], count[REFUSED]);
	assert_true(count[OLDER_WITH_NOTICE] > 0 && count[REFUSED] > 0);
	remove_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_flipped_bit_gives_a_wrong_state_in_silence),
	};

	digest = mmap(NULL, (BARRIERS + 1) * sizeof *digest, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (digest == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests_name("store/damage", tests, NULL, NULL);
}
