/* daemon/disk.h - room on the state's disk. RocksDB as Debian builds it aborts on a full disk, and again at every start while
 * it is full, so it is never let near that:
 *
 *   below state.free_min     a start is refused (hr_config_disk)
 *   below state.free_pause   nothing more is consumed; what was becomes durable; queries are answered. Over by itself
 *   no room for an open or a barrier   the ballast, a file of state.ballast bytes, is given up; if that does not make room,
 *                                      the open is refused and the barrier waits
 * The ballast comes back when there is room for it above state.free_pause.
 */
#ifndef HR_DAEMON_DISK_H
#define HR_DAEMON_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct hr_disk {
	/* ---- set before the threads start, then read-only ---- */
	const char *dir; /* borrowed */
	uint64_t pause_bytes, ballast_bytes;
	/* ---- ingest thread only ---- */
	bool low;
	int64_t looked_us;
	/* ---- writer thread only, and at start ---- */
	bool ballast; /* is there */
	/* ---- for tests: asked instead of the file system ---- */
	uint64_t (*ask)(const char *dir);
};

/** Bytes free to this user on the disk of dir, or of the nearest folder above it; UINT64_MAX and errno when not to be had. */
uint64_t hr_disk_free(const char *dir);

void hr_disk_init(struct hr_disk *d, const char *dir, uint64_t pause_bytes, uint64_t ballast_bytes);

/** Before the store is opened: is there room for `bytes`? Gives up the ballast for it. HR_E_IO with both numbers. */
HR_MUST_USE bool hr_disk_clear_for_open(struct hr_disk *d, uint64_t bytes, struct hr_error *err);

/** Is there room for a write of `bytes`, with what RocksDB adds to it? Gives up the ballast for it. @thread writer */
HR_MUST_USE bool hr_disk_has_room(struct hr_disk *d, uint64_t bytes);

/** Makes the ballast when it is missing and there is room; true when it was made now. @thread writer, and at start */
bool hr_disk_settle(struct hr_disk *d);

/**
 * Is the floor of consuming undercut? Turns false again only an eighth above the floor. Asks the disk a few times a second.
 * @param ret_free  bytes free, when the disk was asked now; else untouched
 * @thread ingest
 */
bool hr_disk_low(struct hr_disk *d, int64_t now_us, uint64_t *ret_free);

#endif
