/* stream/lane.h - where one partition is read, and the way past records that can not be read. No I/O: tested alone.
 *
 * The library refuses whole batches (a bad checksum, an unpacked size over its limit) and says where a batch begins but not
 * where it ends. Version 2.0 also loses its place behind a bad checksum: it goes on at an offset made of the batch's last
 * bytes. So the place is ours. A refused batch is asked for again, since it may have been damaged on the way; after
 * HR_LANE_TRIES_MAX times its end is searched for: steps that double until a fetch no longer hits it, then halving. Its
 * records are handed out as failed, so that each offset is accounted for.
 */
#ifndef HR_STREAM_LANE_H
#define HR_STREAM_LANE_H

#include <stdbool.h>
#include <stdint.h>

#define HR_LANE_TRIES_MAX 5

/** A plain value; one owner. Offsets are -1 for none. */
struct hr_lane {
	int32_t partition;
	bool stale;        /* what the batch in hand still has of this partition was fetched before a seek: source.c */
	int64_t next;      /* offset of the next record to hand out */
	int64_t fail_to;   /* records from next to here are to be handed out as failed before anything else */
	int64_t clear_to;  /* from next to here lies no record, only ends of transactions and what they withdrew */
	int64_t end;       /* log end when opened */
	unsigned tries;    /* refusals in a row at next */
	unsigned lost;     /* seeks in a row that did not bring the library back */
	/* ---- the search; probe is -1 when there is none ---- */
	int64_t probe;     /* offset that is being fetched */
	int64_t base;      /* first offset of the refused batch, as the library says it */
	int64_t inside;    /* highest offset known to be of the batch */
	int64_t outside;   /* lowest offset known not to be, -1: not known */
	int64_t step;
};

enum hr_lane_input {
	HR_LANE_RECORD, /* a record at offset */
	HR_LANE_END,    /* nothing more up to offset, the log's end for now */
	HR_LANE_BAD,    /* a refusal; offset is the batch's first, or the one fetched */
	HR_LANE_LOST,   /* the library asked for an offset that does not exist, though ours does */
};

enum hr_lane_action {
	HR_LANE_SKIP,    /* nothing to do */
	HR_LANE_DELIVER, /* hand the record out; next is behind it */
	HR_LANE_SEEK,    /* fetch from hr_lane_wanted on; all that was fetched before is stale */
};

void hr_lane_init(struct hr_lane *l, int32_t partition, int64_t next);

/** @param log_end  the partition's end as last heard; a fetch there hits no record */
enum hr_lane_action hr_lane_take(struct hr_lane *l, enum hr_lane_input input, int64_t offset, int64_t log_end);

/** The offset that is to be fetched now. */
int64_t hr_lane_wanted(const struct hr_lane *l);

#endif
