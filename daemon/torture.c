#include "daemon/torture.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "store/store.h"

enum { RECORDS = 512, RECORD_MAX = 1500, COMMITS = 64, LOGS = 8, PATH_ROOM = 4200, NAME_ROOM = 64, DEADLINE_MS = 60000 };
enum { PURPOSE_TOUCH = 1, PURPOSE_BYTES, PURPOSE_FAULT };

/* What the logs were sure to hold when a barrier was acknowledged. */
struct sizes {
	unsigned count;
	struct {
		char name[NAME_ROOM];
		off_t bytes;
	} log[LOGS];
};

/* Written by a child, read by the parent when the child is gone. */
struct shared {
	_Atomic uint64_t acked; /* newest acknowledged barrier */
	_Atomic unsigned newest; /* of sizes: the other one may be half written */
	struct sizes sizes[2];
	struct hr_histogram commit_us, open_us;
	/* ---- what a judge found ---- */
	bool opened, noticed;
	uint64_t number;
	struct hr_hash128 digest;
};

struct hr_torture {
	char dir[PATH_ROOM - 256], state[PATH_ROOM - 128];
	uint64_t seed, tries;
	struct shared *shared;
	/* ---- the truth ---- */
	uint64_t expected_seed;
	struct hr_hash128 hash[RECORDS], *digest; /* of every barrier up to known */
	size_t digest_cap, known;
};

/* ---- what barrier n writes ---- */

/* Record i in barrier n: false when it is left alone; len 0 for a delete. */
static bool record_of(uint64_t seed, uint64_t n, uint32_t i, uint8_t bytes[RECORD_MAX], size_t *ret_len)
{
	struct hr_rng touch = hr_rng_stream(seed, PURPOSE_TOUCH, n * RECORDS + i);
	struct hr_rng fill = hr_rng_stream(seed, PURPOSE_BYTES, n * RECORDS + i);
	const uint32_t kind = hr_rng_below(&touch, 16);

	if (kind > 4)
		return false;
	*ret_len = kind == 0 ? 0 : 16 + hr_rng_below(&touch, RECORD_MAX - 16);
	for (size_t at = 0; at < *ret_len; at += 8) {
		const uint64_t word = hr_rng_u64(&fill);
		memcpy(bytes + at, &word, *ret_len - at < 8 ? *ret_len - at : 8);
	}
	return true;
}

/* As store/state.h specifies it. */
static struct hr_hash128 hash_of(uint8_t cls, uint32_t number, const void *bytes, size_t len)
{
	HR_AUTO(hr_buf_fini) struct hr_buf named = {0};

	hr_buf_u8(&named, cls);
	hr_buf_u32(&named, number);
	hr_buf_bytes(&named, bytes, len);
	return hr_hash128(named.p, named.len, HR_STATE_FORMAT);
}

static void learn_next(struct hr_torture *t)
{
	struct hr_hash128 digest = t->known == 0 ? (struct hr_hash128){0} : t->digest[t->known];
	uint8_t bytes[RECORD_MAX];
	size_t len;

	t->known++;
	for (uint32_t i = 0; i < RECORDS; i++) {
		if (!record_of(t->expected_seed, t->known, i, bytes, &len))
			continue;
		digest = hr_hash128_sub(digest, t->hash[i]);
		t->hash[i] = len == 0 ? (struct hr_hash128){0} : hash_of(HR_REC_USER, i, bytes, len);
		digest = hr_hash128_add(digest, t->hash[i]);
	}
	t->digest = hr_grow(t->digest, &t->digest_cap, t->known + 1, sizeof *t->digest);
	t->digest[t->known] = digest;
}

static struct hr_hash128 digest_of(struct hr_torture *t, uint64_t barrier)
{
	while (t->known < barrier)
		learn_next(t);
	return barrier == 0 ? (struct hr_hash128){0} : t->digest[barrier];
}

void hr_torture_expect(struct hr_torture *t, uint64_t seed)
{
	t->expected_seed = seed;
	t->known = 0;
	memset(t->hash, 0, sizeof t->hash);
}

/* ---- in a child: a writer ---- */

static bool sum_up(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len, struct hr_error *err)
{
	struct hr_hash128 *sum = ctx;

	(void)err;
	*sum = hr_hash128_add(*sum, hash_of((uint8_t)cls, number, bytes, len));
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
	struct shared *sh = t->shared;
	const unsigned other = !atomic_load(&sh->newest);
	struct sizes *sizes = &sh->sizes[other];
	DIR *d = opendir(t->state);
	const struct dirent *e;
	struct stat st;

	sizes->count = 0;
	while (d != NULL && (e = readdir(d)) != NULL && sizes->count < LOGS) {
		const size_t len = strlen(e->d_name);

		if (len < 5 || len >= NAME_ROOM || strcmp(e->d_name + len - 4, ".log") != 0 ||
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
	uint8_t bytes[RECORD_MAX];
	struct hr_error err;
	size_t len;

	row->number++;
	for (uint32_t i = 0; i < RECORDS; i++) {
		if (record_of(t->seed, row->number, i, bytes, &len))
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

/* ---- in a child: a judge ---- */

static int judge(const struct hr_torture *t, const char *dir)
{
	struct shared *sh = t->shared;
	char notice[HR_NOTICE_BYTES];
	struct hr_barrier row = {0};
	const int64_t began = hr_mono_us();
	struct hr_store *s = open_state(dir, &row, &sh->digest, notice);

	if (s == NULL)
		return 0;
	hr_histogram_add(&sh->open_us, (uint64_t)(hr_mono_us() - began));
	sh->number = row.number;
	sh->noticed = notice[0] != '\0';
	sh->opened = true;
	hr_store_close(s);
	return 0;
}

/* ---- children ---- */

struct child {
	const char *point;   /* HR_CRASH_POINT; NULL: none */
	rlim_t file_bytes;   /* 0: no limit */
	const char *judged;  /* NULL: writes barriers */
	bool killed_by_us;   /* at a random instant after its first barrier */
	uint32_t delay_us;
};

static HR_NORETURN void be_child(const struct hr_torture *t, const struct child *c)
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

static bool run_child(struct hr_torture *t, const struct child *c, struct hr_error *err)
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

/* ---- damage ---- */

static void cut_log(const struct hr_torture *t, const char *name, off_t from, off_t to, struct hr_rng *rng)
{
	char path[PATH_ROOM];

	(void)snprintf(path, sizeof path, "%s/%s", t->state, name);
	if (to > from)
		(void)truncate(path, from + (off_t)hr_rng_below(rng, (uint32_t)(to - from)));
}

/* Behind what was sure: as a power cut may. In front of it: as a disk that lies. Tables and manifest are synced whole before
 * anything refers to them. */
static void cut_logs(const struct hr_torture *t, bool in_front, struct hr_rng *rng)
{
	const struct sizes *sure = &t->shared->sizes[atomic_load(&t->shared->newest)];
	char path[PATH_ROOM];
	struct stat st;

	for (unsigned i = 0; i < sure->count; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", t->state, sure->log[i].name);
		if (stat(path, &st) != 0)
			continue;
		if (in_front)
			cut_log(t, sure->log[i].name, sure->log[i].bytes / 2, sure->log[i].bytes, rng);
		else
			cut_log(t, sure->log[i].name, sure->log[i].bytes, st.st_size + 1, rng);
	}
}

static bool is_read_back(const char *name)
{
	return name[0] != '.' && strncmp(name, "LOG", 3) != 0 && strncmp(name, "OPTIONS", 7) != 0 && strcmp(name, "LOCK") != 0;
}

static bool copy_file(int from_dir, int to_dir, const char *name)
{
	const int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC);
	const int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	uint8_t piece[64 * 1024];
	ssize_t n = -1;

	while (from >= 0 && to >= 0 && (n = read(from, piece, sizeof piece)) > 0 && write(to, piece, (size_t)n) == n)
		;
	(void)close(from);
	(void)close(to);
	return n == 0;
}

static void flip_bit(int dir, const char *name, struct hr_rng *rng)
{
	const int fd = openat(dir, name, O_RDWR | O_CLOEXEC);
	struct stat st;
	uint8_t byte;

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
		const off_t at = (off_t)hr_rng_below(rng, (uint32_t)st.st_size);

		if (pread(fd, &byte, 1, at) == 1) {
			byte ^= (uint8_t)(1u << hr_rng_below(rng, 8));
			(void)!pwrite(fd, &byte, 1, at);
		}
	}
	(void)close(fd);
}

/* A copy of the state in `to` with one bit wrong, in any file that the store reads back. */
static bool bent_copy(const struct hr_torture *t, const char *to, struct hr_rng *rng)
{
	DIR *d = opendir(t->state);
	const int dir = mkdir(to, 0700) == 0 ? open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	char chosen[256] = "";
	const struct dirent *e;
	uint32_t seen = 0;
	struct stat st;
	bool ok = d != NULL && dir >= 0;

	while (ok && (e = readdir(d)) != NULL) {
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
			continue;
		ok = copy_file(dirfd(d), dir, e->d_name);
		if (is_read_back(e->d_name) && st.st_size > 0 && hr_rng_below(rng, ++seen) == 0)
			(void)snprintf(chosen, sizeof chosen, "%s", e->d_name);
	}
	if (ok)
		flip_bit(dir, chosen, rng);
	(void)close(dir);
	if (d != NULL)
		(void)closedir(d);
	return ok;
}

/* ---- one try ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static void remove_all(const char *dir) { (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

/* A refused state is of no more use; the next try begins a new one. */
static void begin_again(struct hr_torture *t)
{
	remove_all(t->state);
	atomic_store(&t->shared->acked, 0);
}

static void count_up(struct hr_torture *t, uint64_t acked, struct hr_torture_count *count)
{
	const struct shared *sh = t->shared;

	count->tries++;
	if (!sh->opened) {
		count->refused++;
		return;
	}
	const struct hr_hash128 want = digest_of(t, sh->number);
	count->wrong += sh->number > acked + 1 || sh->digest.hi != want.hi || sh->digest.lo != want.lo;
	count->missing += sh->number < acked ? acked - sh->number : 0;
	count->silent += sh->number < acked && !sh->noticed;
}

static bool judge_state(struct hr_torture *t, const char *dir, struct hr_torture_count *count, struct hr_error *err)
{
	t->shared->opened = false;
	if (!run_child(t, &(struct child){.judged = dir}, err))
		return false;
	count_up(t, atomic_load(&t->shared->acked), count);
	return true;
}

static bool write_and_damage(struct hr_torture *t, enum hr_fault fault, struct hr_rng *rng, struct hr_error *err)
{
	static const char *const points[] = {"before-write", "after-write", "open"};
	struct child c = {.killed_by_us = true, .delay_us = hr_rng_below(rng, 20000)};
	char point[32];

	if (fault == HR_FAULT_POINT) {
		const char *name = points[hr_rng_below(rng, 3)];

		(void)snprintf(point, sizeof point, "%s:%u", name, name[0] == 'o' ? 1 : 1 + hr_rng_below(rng, 8));
		c = (struct child){.point = point};
	} else if (fault == HR_FAULT_WRITE) {
		c = (struct child){.file_bytes = 4096 + hr_rng_below(rng, 3 << 20)};
	}
	if (!run_child(t, &c, err))
		return false;
	if (fault == HR_FAULT_POWER || fault == HR_FAULT_CONTROL)
		cut_logs(t, fault == HR_FAULT_CONTROL, rng);
	return true;
}

static bool try_flip(struct hr_torture *t, struct hr_rng *rng, struct hr_torture_count *count, struct hr_error *err)
{
	char bent[PATH_ROOM];

	if (t->tries % 16 == 0 || access(t->state, F_OK) != 0) { /* else the same state is bent at another place */
		if (!write_and_damage(t, HR_FAULT_KILL, rng, err))
			return false;
	}
	(void)snprintf(bent, sizeof bent, "%s/bent", t->dir);
	const bool ok = bent_copy(t, bent, rng) ? judge_state(t, bent, count, err)
	                                        : hr_fail(err, HR_E_IO, "could not copy %s", t->state);
	remove_all(bent);
	return ok;
}

bool hr_torture_try(struct hr_torture *t, enum hr_fault fault, struct hr_torture_count *count, struct hr_error *err)
{
	struct hr_rng rng = hr_rng_stream(t->seed, PURPOSE_FAULT, t->tries++);

	if (fault == HR_FAULT_FLIP)
		return try_flip(t, &rng, count, err);
	if (!write_and_damage(t, fault, &rng, err) || !judge_state(t, t->state, count, err))
		return false;
	if (t->shared->opened)
		atomic_store(&t->shared->acked, t->shared->number); /* from here on, whatever was found is what must stay */
	else
		begin_again(t);
	return true;
}

bool hr_torture_good(enum hr_fault fault, const struct hr_torture_count *c)
{
	if (c->tries == 0 || c->wrong != 0 || c->silent != 0)
		return false;
	switch (fault) {
	case HR_FAULT_CONTROL: return c->missing > 0;
	case HR_FAULT_FLIP: return true;
	default: return c->missing == 0 && c->refused == 0;
	}
}

const char *hr_fault_name(enum hr_fault fault)
{
	static const char *const name[HR_FAULTS] = {"kill", "point", "write", "power", "control", "flip"};

	return name[fault];
}

const char *hr_fault_text(enum hr_fault fault)
{
	static const char *const text[HR_FAULTS] = {
	        "kill -9 at a random instant",
	        "kill -9 in an open, before or after a write",
	        "a file can not grow any further",
	        "power cut: the log ends anywhere behind its last sync",
	        "the log ends in front of its last sync: must lose, and say so",
	        "one bit of a file is wrong: found, or harmless",
	};

	return text[fault];
}

const struct hr_histogram *hr_torture_commit_us(const struct hr_torture *t) { return &t->shared->commit_us; }
const struct hr_histogram *hr_torture_open_us(const struct hr_torture *t) { return &t->shared->open_us; }

bool hr_torture_new(const char *dir, uint64_t seed, struct hr_torture **ret_torture, struct hr_error *err)
{
	struct hr_torture *t = hr_alloc(1, sizeof *t);

	t->seed = t->expected_seed = seed;
	(void)snprintf(t->dir, sizeof t->dir, "%.3900s/headrace-torture-XXXXXX", dir);
	t->shared = mmap(NULL, sizeof *t->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t->shared == MAP_FAILED || mkdtemp(t->dir) == NULL) {
		if (t->shared != MAP_FAILED)
			(void)munmap(t->shared, sizeof *t->shared);
		hr_free(t);
		return hr_fail(err, HR_E_IO, "could not make a folder in %s", dir);
	}
	(void)snprintf(t->state, sizeof t->state, "%s/state", t->dir);
	*ret_torture = t;
	return true;
}

void hr_torture_free(struct hr_torture *t)
{
	if (t == NULL)
		return;
	remove_all(t->dir);
	(void)munmap(t->shared, sizeof *t->shared);
	hr_free(t->digest);
	hr_free(t);
}
