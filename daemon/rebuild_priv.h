/* daemon/rebuild_priv.h - a replay under way: opened and compared in rebuild.c, fed in rebuild_feed.c, spans in rebuild_span.c. */
#ifndef HR_DAEMON_REBUILD_PRIV_H
#define HR_DAEMON_REBUILD_PRIV_H

#include "daemon/priv.h"
#include "daemon/progress.h"
#include "daemon/rebuild.h"

enum { HR_REBUILD_READ = 512 }; /* records of one partition in hand */

/** One partition and what of it is in hand. */
struct hr_rebuild_lane {
	int32_t partition;
	int64_t end; /* offset before which a merge ends */
	bool done;   /* no record before end is still to come */
	struct hr_record record[HR_REBUILD_READ];
	size_t count, at;
};

struct hr_rebuild {
	/* ---- set before the threads start, then read-only ---- */
	const struct hr_rebuild_options *options;
	struct hr_store *log; /* whose order is followed; NULL: merge. Reading is safe from several threads */
	struct hr_barrier last; /* the newest barrier of log */
	char kernels[32];       /* of log */
	struct hr_idmap *without;
	uint64_t total;       /* records to take, as far as that is known */
	/* ---- ingest thread only ---- */
	struct hr_rebuild_lane *lane; /* lane_count, ascending by partition */
	size_t lane_count;
	struct hr_progress progress;
	uint64_t taken, barrier_events; /* records; events at the last barrier */
	bool failed;
	struct hr_error err;
	/* ---- writer thread only, until it is joined ---- */
	struct hr_rebuild_result result;
};

/** Body of the ingest thread. rebuild_feed.c */
void *hr_rebuild_main(void *pipeline);

/**
 * Offsets of a --from or --to for the partitions in at: filled in; earliest and latest as enum hr_start_at.
 * @param name  "--from": for messages
 */
HR_MUST_USE bool hr_rebuild_span(const struct hr_config *config, const char *name, const char *text, struct hr_position *at,
                                size_t count, struct hr_error *err);

/** Reads a file of user ids. Returned. */
HR_MUST_USE bool hr_rebuild_users(const char *path, struct hr_idmap **ret_users, struct hr_error *err);

#endif
