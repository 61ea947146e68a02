/* daemon/rebuild.h - a state made anew from the log, by the very threads of the daemon: only ingest has another body.
 *
 * With an order log (that of another state) exactly the recorded records, steps and barriers are taken, and the digest is
 * compared at every barrier. Without one the partitions are merged by (record timestamp, partition, offset), with a barrier
 * after every barrier.events events: the same log gives the same digest, whenever and wherever it is replayed.
 * Nothing is published, and no offset committed. Each partition is read in its order, with bounded memory.
 */
#ifndef HR_DAEMON_REBUILD_H
#define HR_DAEMON_REBUILD_H

#include "base/hash.h"
#include "daemon/config.h"

struct hr_rebuild_options {
	const char *order_log; /* directory of the state to follow; looked at, not disturbed; NULL: merge */
	const char *from, *to; /* of a merge: earliest or latest, a time, or offsets "0:17,1:4"; NULL: earliest, latest */
	const char *without;   /* file of user ids, one a line, whose records are left out; NULL: none */
	bool quiet;            /* no progress on standard error */
};

struct hr_rebuild_result {
	uint64_t records, events, barriers;
	struct hr_hash128 digest;  /* of the last barrier */
	uint64_t equal;            /* barriers whose digest was compared and found equal */
	uint64_t differs;          /* the first barrier whose digest differs, where the replay ended; 0: none */
	struct hr_hash128 want, got; /* of that barrier */
};

/**
 * Replays into config's state.dir, which must hold no state yet, up to the ends of the partitions as they are now, or to the
 * last barrier of the order log. A digest that differs is no failure: it is in the result.
 * Fails when the log does not hold what the order log names, when the configurations differ, or when a source can not go on.
 */
HR_MUST_USE bool hr_rebuild_run(const struct hr_config *config, const struct hr_rebuild_options *options,
                               struct hr_rebuild_result *ret_result, struct hr_error *err);

/** One logfmt line that begins with the name: what was done, and whether it is equal. */
void hr_rebuild_print(const char *name, const struct hr_rebuild_result *r, bool compared, FILE *out);

#endif
