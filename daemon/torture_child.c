/* A child process of a torture: RocksDB runs nowhere else. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/torture_priv.h"

enum { COMMITS = 64, DEADLINE_MS = 60000 };

/* ---- a writer ---- */

static bool sum_up(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len, struct hr_error *err)
{
	struct hr_hash128 *sum = ctx;

	(void)err;
	*sum = hr_hash128_add(*sum, hr_torture_hash((uint8_t)cls, number, bytes, len));
	return true;
}

static struct hr_store *open_state(const char *dir, struct hr_barrier *row, struct hr_hash128 *ret_sum, char *notice)
{
	struct hr_manifest m = {.settings = "torture=1\n"};
	struct hr_store *s = NULL;
	struct hr_error err;

	*ret_sum = (struct hr_hash128){0};
	if (!hr_store_open(dir, &m, &s, row, notice, &err) || !hr_store_load(s, sum_up, ret_sum, &err))
		return NULL;
	return s;
}

static void note_sizes(const struct hr_torture *t)
{
	struct hr_torture_shared *sh = t->shared;
	const unsigned other = !atomic_load(&sh->newest);
	struct hr_torture_sizes *sizes = &sh->sizes[other];
	DIR *d = opendir(t->state);
	const struct dirent *e;
	struct stat st;

	sizes->count = 0;
	while (d != NULL && (e = readdir(d)) != NULL && sizes->count < HR_TORTURE_LOGS) {
		const size_t len = strlen(e->d_name);

		if (len < 5 || len >= HR_TORTURE_NAME || strcmp(e->d_name + len - 4, ".log") != 0 ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		memcpy(sizes->log[sizes->count].name, e->d_name, len + 1);
		sizes->log[sizes->count++].bytes = st.st_size;
	}
	if (d != NULL)
		(void)closedir(d);
	atomic_store(&sh->newest, other);
}

static bool write_next(const struct hr_torture *t, struct hr_store *s, struct hr_barrier *row)
{
	struct hr_changes *c = hr_changes_new();
	uint8_t bytes[HR_TORTURE_RECORD_MAX];
	struct hr_error err;
	size_t len;

	row->number++;
	for (uint32_t i = 0; i < HR_TORTURE_RECORDS; i++) {
		if (hr_torture_record(t->seed, row->number, i, bytes, &len))
			hr_changes_put(c, HR_REC_USER, i, len == 0 ? NULL : bytes, len);
	}
	const int64_t began = hr_mono_us();
	const bool ok = hr_store_commit(s, c, row, &err);
	if (ok) {
		hr_histogram_add(&t->shared->commit_us, (uint64_t)(hr_mono_us() - began));
		note_sizes(t);
		atomic_store(&t->shared->acked, row->number);
	}
	hr_changes_free(c);
	return ok;
}

static int write_barriers(const struct hr_torture *t)
{
	char notice[HR_NOTICE_BYTES];
	struct hr_barrier row = {0};
	struct hr_hash128 sum;
	struct hr_store *s = open_state(t->state, &row, &sum, notice);

	for (int n = 0; s != NULL && n < COMMITS; n++) {
		if (!write_next(t, s, &row))
			break;
	}
	return 0; /* no close: how it ends must not matter */
}

/* ---- a judge ---- */

static int judge(const struct hr_torture *t, const char *dir)
{
	struct hr_torture_shared *sh = t->shared;
	char notice[HR_NOTICE_BYTES];
	struct hr_barrier row = {0};
	const int64_t began = hr_mono_us();
	struct hr_store *s = open_state(dir, &row, &sh->digest, notice);

	sh->judged = true;
	if (s == NULL)
		return 0;
	hr_histogram_add(&sh->open_us, (uint64_t)(hr_mono_us() - began));
	sh->number = row.number;
	sh->noticed = notice[0] != '\0';
	sh->opened = true;
	hr_store_close(s);
	return 0;
}

/* ---- the process ---- */

static HR_NORETURN void be_child(const struct hr_torture *t, const struct hr_torture_child *c)
{
	const int null = open("/dev/null", O_WRONLY);

	(void)dup2(null, STDERR_FILENO); /* an abort prints */
	if (c->point != NULL)
		(void)setenv("HR_CRASH_POINT", c->point, 1);
	if (c->file_bytes != 0) {
		(void)signal(SIGXFSZ, SIG_IGN);
		(void)setrlimit(RLIMIT_FSIZE, &(struct rlimit){c->file_bytes, c->file_bytes});
	}
	_exit(c->judged != NULL ? judge(t, c->judged) : write_barriers(t));
}

bool hr_torture_child(struct hr_torture *t, const struct hr_torture_child *c, struct hr_error *err)
{
	const uint64_t before = atomic_load(&t->shared->acked);
	const int64_t until = hr_mono_us() + (int64_t)DEADLINE_MS * 1000;
	bool over = false;
	const pid_t pid = fork();

	if (pid < 0)
		return hr_fail(err, HR_E_NOMEM, "could not start a process");
	if (pid == 0)
		be_child(t, c);
	while (!over && waitpid(pid, NULL, WNOHANG) == 0) {
		const bool late = hr_mono_us() > until;

		if (late || (c->killed_by_us && atomic_load(&t->shared->acked) > before)) {
			(void)usleep(c->delay_us);
			(void)kill(pid, SIGKILL);
			over = waitpid(pid, NULL, 0) == pid;
			if (late)
				return hr_fail(err, HR_E_IO, "a process was not done after %d ms", DEADLINE_MS);
		} else {
			(void)usleep(200);
		}
	}
	return true;
}
