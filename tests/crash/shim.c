/* tests/crash/shim.c - preloaded into headraced: stands between it and the disk, for the files below one directory.
 *
 *   HR_SHIM_DIR=DIR      the directory; without it nothing happens
 *   HR_SHIM_KILL=N       SIGKILL at the N-th call that changes a file: write, sync, rename, unlink, truncate, link, mkdir;
 *                        a write is torn: half of its bytes are written first
 *   HR_SHIM_EIO=N        the N-th sync fails with EIO, once
 *   HR_SHIM_SYNCED=FILE  a line "BYTES PATH" for every sync that succeeded: what a power cut can not take
 *   HR_SHIM_LAZY=1       syncs of logs are swallowed, and not written down: the control that must lose
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool path_is_ours(const char *path)
{
	const char *dir = getenv("HR_SHIM_DIR");
	const size_t n = dir != NULL ? strlen(dir) : 0;

	return n != 0 && strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static bool fd_is_ours(int fd, char path[PATH_MAX])
{
	char link[64];

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	const ssize_t n = readlink(link, path, PATH_MAX - 1);
	path[n > 0 ? n : 0] = '\0';
	return path_is_ours(path);
}

static bool is_turn(const char *variable, atomic_ulong *count)
{
	const char *at = getenv(variable);

	return at != NULL && atomic_fetch_add(count, 1) + 1 == strtoul(at, NULL, 10);
}

static bool is_last_call(void)
{
	static atomic_ulong calls;

	return is_turn("HR_SHIM_KILL", &calls);
}

static void die(void) { (void)kill(getpid(), SIGKILL); }

static void die_if_last(bool ours)
{
	if (ours && is_last_call())
		die();
}

static void write_down(const char *path, off_t bytes)
{
	const char *file = getenv("HR_SHIM_SYNCED");
	char line[PATH_MAX + 32];

	if (file == NULL)
		return;
	const int n = snprintf(line, sizeof line, "%lld %s\n", (long long)bytes, path);
	const int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || syscall(SYS_write, fd, line, n) != n)
		abort();
	(void)close(fd);
}

static bool is_log(const char *path)
{
	const size_t n = strlen(path);

	return n > 4 && strcmp(path + n - 4, ".log") == 0;
}

/* The size is taken before the sync: bytes that are written meanwhile may not be in it. */
static int sync_file(long number, int fd)
{
	static atomic_ulong syncs;
	char path[PATH_MAX];
	struct stat st;

	if (!fd_is_ours(fd, path))
		return (int)syscall(number, fd);
	die_if_last(true);
	if (is_turn("HR_SHIM_EIO", &syncs)) {
		errno = EIO;
		return -1;
	}
	if (getenv("HR_SHIM_LAZY") != NULL && is_log(path))
		return 0;
	const bool known = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	const int status = (int)syscall(number, fd);
	if (status == 0 && known)
		write_down(path, st.st_size);
	return status;
}

int fdatasync(int fd) { return sync_file(SYS_fdatasync, fd); }
int fsync(int fd) { return sync_file(SYS_fsync, fd); }

ssize_t write(int fd, const void *bytes, size_t n)
{
	char path[PATH_MAX];
	const bool last = fd_is_ours(fd, path) && is_last_call();
	const ssize_t wrote = syscall(SYS_write, fd, bytes, last ? n / 2 : n);

	if (last)
		die();
	return wrote;
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at)
{
	char path[PATH_MAX];
	const bool last = fd_is_ours(fd, path) && is_last_call();
	const ssize_t wrote = syscall(SYS_pwrite64, fd, bytes, last ? n / 2 : n, at);

	if (last)
		die();
	return wrote;
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) { return pwrite64(fd, bytes, n, at); }

int ftruncate64(int fd, off64_t bytes)
{
	char path[PATH_MAX];

	die_if_last(fd_is_ours(fd, path));
	return (int)syscall(SYS_ftruncate, fd, bytes);
}

int ftruncate(int fd, off_t bytes) { return ftruncate64(fd, bytes); }

int rename(const char *from, const char *to)
{
	die_if_last(path_is_ours(from) || path_is_ours(to));
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *path)
{
	die_if_last(path_is_ours(path));
	return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int link(const char *from, const char *to)
{
	die_if_last(path_is_ours(to));
	return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int mkdir(const char *path, mode_t mode)
{
	die_if_last(path_is_ours(path));
	return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}
