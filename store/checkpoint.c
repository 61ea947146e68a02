#include "store/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crash.h"
#include "base/mem.h"
#include "store/priv.h"

enum { PATH_BYTES = 4200 };

static void close_dir(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

static bool parse_number(const char *name, uint64_t *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtoull(name, &end, 10);
	return name[0] >= '1' && name[0] <= '9' && *end == '\0' && errno == 0;
}

static void checkpoint_path(char path[PATH_BYTES], const char *dir, uint64_t barrier)
{
	(void)snprintf(path, PATH_BYTES, "%s/checkpoints/%" PRIu64, dir, barrier);
}

/* ---- list, make, prune ---- */

static int ascending(const void *a, const void *b)
{
	const struct hr_checkpoint *x = a, *y = b;

	return (x->barrier > y->barrier) - (x->barrier < y->barrier);
}

static DIR *open_ring(const char *dir)
{
	char path[PATH_BYTES];

	(void)snprintf(path, sizeof path, "%s/checkpoints", dir);
	return opendir(path);
}

bool hr_checkpoints_list(const char *dir, struct hr_checkpoint **ret_list, size_t *ret_count, struct hr_error *err)
{
	HR_AUTO(close_dir) DIR *d = open_ring(dir);
	struct hr_checkpoint *list = NULL;
	const struct dirent *e;
	size_t count = 0, cap = 0;
	uint64_t barrier;
	struct stat st;

	if (d == NULL && errno != ENOENT)
		return hr_fail(err, HR_E_STORE, "could not list the checkpoints of %s: %s", dir, strerror(errno));
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (!parse_number(e->d_name, &barrier) || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		list = hr_grow(list, &cap, count + 1, sizeof *list);
		list[count++] = (struct hr_checkpoint){barrier, (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000};
	}
	if (count != 0)
		qsort(list, count, sizeof *list, ascending);
	*ret_list = list;
	*ret_count = count;
	return true;
}

bool hr_checkpoint_make(struct hr_store *s, struct hr_error *err)
{
	char path[PATH_BYTES];

	(void)snprintf(path, sizeof path, "%s/checkpoints", s->dir);
	if (mkdir(path, 0700) == 0 ? !hr_sync_parent(path, err) : errno != EEXIST)
		return hr_fail(err, HR_E_STORE, "could not make %s: %s", path, strerror(errno));
	checkpoint_path(path, s->dir, s->barrier);
	return access(path, F_OK) == 0 || hr_store_checkpoint(s, path, err);
}

/* A checkpoint is a flat directory. */
static bool remove_flat(int at, const char *name, struct hr_error *err)
{
	const int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	HR_AUTO(close_dir) DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (d == NULL && fd >= 0)
		(void)close(fd);
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	}
	if (unlinkat(at, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
		return hr_fail(err, HR_E_STORE, "could not remove %s: %s", name, strerror(errno));
	return true;
}

bool hr_checkpoints_prune(const char *dir, size_t keep, struct hr_error *err)
{
	HR_AUTO(close_dir) DIR *d = open_ring(dir);
	HR_AUTO(hr_auto_free) struct hr_checkpoint *list = NULL;
	const struct dirent *e;
	size_t count = 0;
	bool ok = true;
	char name[32];

	if (d == NULL)
		return errno == ENOENT || hr_fail(err, HR_E_STORE, "could not list the checkpoints of %s: %s", dir, strerror(errno));
	while (ok && (e = readdir(d)) != NULL) {
		const size_t len = strlen(e->d_name);

		if (len > 4 && strcmp(e->d_name + len - 4, ".tmp") == 0)
			ok = remove_flat(dirfd(d), e->d_name, err);
	}
	ok = ok && hr_checkpoints_list(dir, &list, &count, err);
	for (size_t i = 0; ok && i + keep < count; i++) {
		(void)snprintf(name, sizeof name, "%" PRIu64, list[i].barrier);
		ok = remove_flat(dirfd(d), name, err);
	}
	return ok;
}

/* ---- restore ---- */

struct restoring {
	int dir, lock; /* open files; -1: none */
	const char *path;
	uint64_t barrier;
	char from[PATH_BYTES]; /* the checkpoint */
};

/* RocksDB's own lock, taken the way it takes it: no daemon has the state open, and none can open it. */
static bool take_lock(struct restoring *r, struct hr_error *err)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	r->lock = openat(r->dir, "LOCK", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (r->lock < 0)
		return hr_fail(err, HR_E_STORE, "could not open %s/LOCK: %s", r->path, strerror(errno));
	return fcntl(r->lock, F_SETLK, &lock) == 0 ||
	       hr_fail(err, HR_E_BUSY, "%s is open in another process: stop the daemon first", r->path);
}

static bool check_checkpoint(struct restoring *r, struct hr_error *err)
{
	HR_AUTO(hr_barrier_fini) struct hr_barrier row = {0};
	struct hr_manifest held;
	struct hr_hash128 digest;
	struct hr_store *s;

	if (!hr_store_look(r->from, &held, &s, &row, err))
		return false;
	const bool read = hr_store_digest(s, &digest, err);
	hr_store_close(s);
	if (!read)
		return false;
	return (row.number == r->barrier && digest.hi == row.digest.hi && digest.lo == row.digest.lo) ||
	       hr_fail(err, HR_E_STORE, "checkpoint %" PRIu64 " is damaged: its records do not have its digest", r->barrier);
}

/* Says how far the restore is; durable before the next thing is done. */
static bool write_note(struct restoring *r, const char *phase, struct hr_error *err)
{
	char text[64];
	const int len = snprintf(text, sizeof text, "%s %" PRIu64 "\n", phase, r->barrier);
	const int fd = openat(r->dir, "RESTORING.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const bool written = fd >= 0 && write(fd, text, (size_t)len) == len && fsync(fd) == 0;

	if (fd >= 0)
		(void)close(fd);
	return (written && renameat(r->dir, "RESTORING.new", r->dir, "RESTORING") == 0 && fsync(r->dir) == 0) ||
	       hr_fail(err, HR_E_STORE, "could not write %s/RESTORING: %s", r->path, strerror(errno));
}

/* Was a restore broken off while it linked? Then what lies in the directory is the new state's, or half of it. */
static bool was_linking(const struct restoring *r)
{
	char text[8] = "";
	const int fd = openat(r->dir, "RESTORING", O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;

	if (fd >= 0)
		(void)close(fd);
	return n == (ssize_t)sizeof text - 1 && memcmp(text, "linking", sizeof text - 1) == 0;
}

/* Files of the state, as against what lies beside it. */
static bool is_of_state(const struct restoring *r, const char *name)
{
	static const char *const beside[] = {"LOCK", "RESTORING", "RESTORING.new", "BALLAST"};
	struct stat st;

	for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++) {
		if (strcmp(name, beside[i]) == 0)
			return false;
	}
	return fstatat(r->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

/* Hands every file of the state to `each`; what it removes from the directory is not seen again. */
static bool each_file(const struct restoring *r, bool (*each)(const struct restoring *r, const char *name), struct hr_error *err)
{
	HR_AUTO(close_dir) DIR *d = opendir(r->path);
	const struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (is_of_state(r, e->d_name) && !each(r, e->d_name))
			return hr_fail(err, HR_E_STORE, "could not move %s/%s away: %s", r->path, e->d_name, strerror(errno));
	}
	return d != NULL || hr_fail(err, HR_E_STORE, "could not list %s: %s", r->path, strerror(errno));
}

static bool move_away(const struct restoring *r, const char *name)
{
	char to[PATH_BYTES];

	(void)snprintf(to, sizeof to, "replaced/%s", name);
	return renameat(r->dir, name, r->dir, to) == 0;
}

static bool drop(const struct restoring *r, const char *name) { return unlinkat(r->dir, name, 0) == 0; }

/* A table never changes and is shared; everything else is written to, so it is copied. */
static bool bring_file(const struct restoring *r, int from, const char *name, struct hr_error *err)
{
	const size_t len = strlen(name);

	if (len > 4 && strcmp(name + len - 4, ".sst") == 0)
		return linkat(from, name, r->dir, name, 0) == 0 ||
		       hr_fail(err, HR_E_STORE, "could not link %s into %s: %s", name, r->path, strerror(errno));
	return hr_copy_file(from, r->dir, name, err);
}

static bool bring_files(const struct restoring *r, struct hr_error *err)
{
	HR_AUTO(close_dir) DIR *d = opendir(r->from);
	const struct dirent *e;

	if (d == NULL)
		return hr_fail(err, HR_E_STORE, "could not list %s: %s", r->from, strerror(errno));
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || strcmp(e->d_name, "LOCK") == 0)
			continue;
		if (!bring_file(r, dirfd(d), e->d_name, err))
			return false;
		hr_crash_point("restore-link");
	}
	return fsync(r->dir) == 0 || hr_fail(err, HR_E_STORE, "could not sync %s: %s", r->path, strerror(errno));
}

static bool set_aside(struct restoring *r, struct hr_error *err)
{
	const bool again = faccessat(r->dir, "RESTORING", F_OK, 0) == 0;

	if (!again && !remove_flat(r->dir, "replaced", err))
		return false;
	if (mkdirat(r->dir, "replaced", 0700) != 0 && errno != EEXIST)
		return hr_fail(err, HR_E_STORE, "could not make %s/replaced: %s", r->path, strerror(errno));
	if (!write_note(r, "moving", err))
		return false;
	hr_crash_point("restore-move");
	return each_file(r, move_away, err);
}

static bool swap(struct restoring *r, struct hr_error *err)
{
	if (!was_linking(r) && !set_aside(r, err))
		return false;
	if (!write_note(r, "linking", err) || !each_file(r, drop, err) || !bring_files(r, err))
		return false;
	/* Complete: the next one that opens the state gives it a lineage of its own. */
	return (renameat(r->dir, "RESTORING", r->dir, "RESTORED") == 0 && fsync(r->dir) == 0) ||
	       hr_fail(err, HR_E_STORE, "could not rename %s/RESTORING: %s", r->path, strerror(errno));
}

bool hr_checkpoint_restore(const char *dir, uint64_t barrier, struct hr_error *err)
{
	struct restoring r = {.dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .lock = -1, .path = dir, .barrier = barrier};
	struct stat st;

	checkpoint_path(r.from, dir, barrier);
	bool ok = r.dir >= 0 || hr_fail(err, HR_E_IO, "there is no state in %s: %s", dir, strerror(errno));
	if (ok && stat(r.from, &st) != 0)
		ok = hr_fail(err, HR_E_CONFIG, "%s has no checkpoint %" PRIu64, dir, barrier);
	ok = ok && take_lock(&r, err) && check_checkpoint(&r, err) && swap(&r, err);
	if (r.lock >= 0)
		(void)close(r.lock);
	if (r.dir >= 0)
		(void)close(r.dir);
	return ok;
}
