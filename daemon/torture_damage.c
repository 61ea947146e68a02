/* What a torture does to the files of a state. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/torture_priv.h"

static void cut_log(const struct hr_torture *t, const char *name, off_t from, off_t to, struct hr_rng *rng)
{
	char path[HR_TORTURE_PATH];

	(void)snprintf(path, sizeof path, "%s/%s", t->state, name);
	if (to > from)
		(void)truncate(path, from + (off_t)hr_rng_below(rng, (uint32_t)(to - from)));
}

/* Behind what was sure: as a power cut may. In front of it: as a disk that lies. Tables and manifest are synced whole before
 * anything refers to them. */
void hr_torture_cut_logs(const struct hr_torture *t, bool in_front, struct hr_rng *rng)
{
	const struct hr_torture_sizes *sure = &t->shared->sizes[atomic_load(&t->shared->newest)];
	char path[HR_TORTURE_PATH];
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
bool hr_torture_bent_copy(const struct hr_torture *t, const char *to, struct hr_rng *rng)
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
