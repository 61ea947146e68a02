#include "daemon/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PATH_ROOM = 4200, LOOK_EVERY_US = 200000 };
#define MARGIN_BYTES ((uint64_t)8 << 20) /* manifest, options, log lines; blocks begun */

uint64_t hr_disk_free(const char *dir)
{
	char path[PATH_ROOM];
	struct statvfs disk;

	(void)snprintf(path, sizeof path, "%s", dir);
	for (int levels = 0; levels < 64; levels++) {
		if (statvfs(path, &disk) == 0)
			return (uint64_t)disk.f_bavail * disk.f_frsize;
		if (errno != ENOENT || strcmp(path, "/") == 0)
			break;
		char *above = dirname(path);
		memmove(path, above, strlen(above) + 1);
	}
	return UINT64_MAX;
}

static const char *ballast_path(const struct hr_disk *d, char path[PATH_ROOM])
{
	(void)snprintf(path, PATH_ROOM, "%s/BALLAST", d->dir);
	return path;
}

void hr_disk_init(struct hr_disk *d, const char *dir, uint64_t pause_bytes, uint64_t ballast_bytes)
{
	char path[PATH_ROOM];
	struct stat st;

	*d = (struct hr_disk){
	        .dir = dir, .pause_bytes = pause_bytes, .ballast_bytes = ballast_bytes, .looked_us = INT64_MIN, .ask = hr_disk_free};
	if (stat(ballast_path(d, path), &st) != 0)
		return;
	d->ballast = (uint64_t)st.st_size == ballast_bytes && ballast_bytes != 0;
	if (!d->ballast)
		(void)unlink(path); /* of another setting, or not whole */
}

static void give_up_ballast(struct hr_disk *d)
{
	char path[PATH_ROOM];

	if (d->ballast)
		(void)unlink(ballast_path(d, path));
	d->ballast = false;
}

static bool clear(struct hr_disk *d, uint64_t need)
{
	if (d->ask(d->dir) < need)
		give_up_ballast(d);
	return d->ask(d->dir) >= need;
}

bool hr_disk_clear_for_open(struct hr_disk *d, uint64_t bytes, struct hr_error *err)
{
	const uint64_t need = bytes + MARGIN_BYTES;

	return clear(d, need) ||
	       hr_fail(err, HR_E_IO, "state.dir: %llu MiB free at %s, opening the state may write %llu MiB",
	               (unsigned long long)(d->ask(d->dir) >> 20), d->dir, (unsigned long long)(need >> 20));
}

/* Twice: into the log now, and into a table when the log's turn comes. */
bool hr_disk_has_room(struct hr_disk *d, uint64_t bytes) { return clear(d, 2 * bytes + MARGIN_BYTES); }

bool hr_disk_settle(struct hr_disk *d)
{
	char path[PATH_ROOM];

	if (d->ballast || d->ballast_bytes == 0 || d->ask(d->dir) < d->pause_bytes + d->pause_bytes / 8 + 2 * d->ballast_bytes)
		return false;
	const int fd = open(ballast_path(d, path), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	d->ballast = posix_fallocate(fd, 0, (off_t)d->ballast_bytes) == 0;
	(void)close(fd);
	if (!d->ballast)
		(void)unlink(path);
	return d->ballast;
}

bool hr_disk_low(struct hr_disk *d, int64_t now_us, uint64_t *ret_free)
{
	if (d->looked_us != INT64_MIN && now_us - d->looked_us < LOOK_EVERY_US)
		return d->low;
	d->looked_us = now_us;
	*ret_free = d->ask(d->dir);
	d->low = *ret_free < d->pause_bytes + (d->low ? d->pause_bytes / 8 : 0);
	return d->low;
}
