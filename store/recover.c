/* Files beside RocksDB's: logs kept aside, the note of the last barrier. */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/crc32c.h"
#include "store/priv.h"

enum { ASIDE_MAX = 4, LAST_BYTES = 12 };

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static void close_dir(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

static DIR *open_dir_at(int at, const char *name)
{
	const int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (d == NULL && fd >= 0)
		(void)close(fd);
	return d;
}

bool hr_sync_parent(const char *dir, struct hr_error *err)
{
	HR_AUTO(close_fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	HR_AUTO(close_fd) int parent = fd >= 0 ? openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (parent < 0 || fsync(parent) != 0)
		return hr_fail(err, HR_E_STORE, "could not sync the directory that holds %s: %s", dir, strerror(errno));
	return true;
}

static bool ends_in_log(const char *name)
{
	const size_t digits = strspn(name, "0123456789");

	return digits > 0 && strcmp(name + digits, ".log") == 0;
}

static bool copy_bytes(int from, int to)
{
	uint8_t piece[64 * 1024];
	ssize_t n;

	while ((n = read(from, piece, sizeof piece)) > 0)
		for (ssize_t done = 0, w; done < n; done += w)
			if ((w = write(to, piece + done, (size_t)(n - done))) <= 0)
				return false;
	return n == 0 && fsync(to) == 0;
}

bool hr_copy_file(int from_dir, int to_dir, const char *name, struct hr_error *err)
{
	HR_AUTO(close_fd) int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	HR_AUTO(close_fd) int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (from < 0 || to < 0 || !copy_bytes(from, to))
		return hr_fail(err, HR_E_STORE, "could not copy %s aside: %s", name, strerror(errno));
	return true;
}

uint64_t hr_store_open_bytes(const char *dir)
{
	HR_AUTO(close_dir) DIR *d = open_dir_at(AT_FDCWD, dir);
	const struct dirent *e;
	struct stat st;
	uint64_t bytes = 0;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (ends_in_log(e->d_name) && fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			bytes += 2 * (uint64_t)st.st_size; /* once as a table, once more when it is damaged and copied aside */
	return bytes;
}

static void remove_aside(int dir, unsigned long number)
{
	char name[32];
	const struct dirent *e;

	(void)snprintf(name, sizeof name, "wal-aside-%lu", number);
	HR_AUTO(close_dir) DIR *d = open_dir_at(dir, name);
	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (ends_in_log(e->d_name))
			(void)unlinkat(dirfd(d), e->d_name, 0);
	(void)unlinkat(dir, name, AT_REMOVEDIR);
}

static unsigned long largest_aside(DIR *d)
{
	const struct dirent *e;
	unsigned long largest = 0;

	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, "wal-aside-", 10) == 0) {
			const unsigned long number = strtoul(e->d_name + 10, NULL, 10);

			largest = number > largest ? number : largest;
		}
	rewinddir(d);
	return largest;
}

bool hr_wal_aside(const char *dir, char *ret_name, size_t name_bytes, struct hr_error *err)
{
	HR_AUTO(close_dir) DIR *d = open_dir_at(AT_FDCWD, dir);
	const struct dirent *e;

	if (d == NULL)
		return hr_fail(err, HR_E_STORE, "could not list %s: %s", dir, strerror(errno));
	const unsigned long number = largest_aside(d) + 1;
	(void)snprintf(ret_name, name_bytes, "wal-aside-%lu", number);
	if (mkdirat(dirfd(d), ret_name, 0700) != 0)
		return hr_fail(err, HR_E_STORE, "could not make %s/%s: %s", dir, ret_name, strerror(errno));
	HR_AUTO(close_dir) DIR *aside = open_dir_at(dirfd(d), ret_name);
	if (aside == NULL)
		return hr_fail(err, HR_E_STORE, "could not open %s/%s: %s", dir, ret_name, strerror(errno));
	while ((e = readdir(d)) != NULL)
		if (ends_in_log(e->d_name) && !hr_copy_file(dirfd(d), dirfd(aside), e->d_name, err))
			return false;
	if (fsync(dirfd(aside)) != 0)
		return hr_fail(err, HR_E_STORE, "could not sync %s/%s: %s", dir, ret_name, strerror(errno));
	if (number > ASIDE_MAX)
		remove_aside(dirfd(d), number - ASIDE_MAX);
	return true;
}

int hr_last_open(const char *dir)
{
	HR_AUTO(close_dir) DIR *d = open_dir_at(AT_FDCWD, dir);

	return d != NULL ? openat(dirfd(d), "LAST", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;
}

void hr_last_write(int fd, uint64_t barrier)
{
	uint8_t note[LAST_BYTES];
	const uint64_t number = htole64(barrier);

	memcpy(note, &number, sizeof number);
	const uint32_t crc = htole32(hr_crc32c(0, note, sizeof number));
	memcpy(note + sizeof number, &crc, sizeof crc);
	if (fd >= 0 && pwrite(fd, note, sizeof note, 0) != (ssize_t)sizeof note)
		(void)ftruncate(fd, 0); /* rather no note than half of one */
}

uint64_t hr_last_read(int fd)
{
	uint8_t note[LAST_BYTES + 1];
	uint64_t number;
	uint32_t crc;

	if (fd < 0 || pread(fd, note, sizeof note, 0) != LAST_BYTES)
		return 0;
	memcpy(&number, note, sizeof number);
	memcpy(&crc, note + sizeof number, sizeof crc);
	return le32toh(crc) == hr_crc32c(0, note, sizeof number) ? le64toh(number) : 0;
}
