/* stream/source_priv.h - a Kafka source: opened in source_open.c, read in source.c. */
#ifndef HR_STREAM_SOURCE_PRIV_H
#define HR_STREAM_SOURCE_PRIV_H

#include "stream/kafka.h"
#include "stream/lane.h"
#include "stream/source.h"

/* Messages of one consume; views handed out point into them. */
struct hr_fetched {
	rd_kafka_message_t **message;
	size_t cap, count, at;
};

/* A partition that is read by itself. */
struct hr_apart {
	rd_kafka_queue_t *queue;
	struct hr_fetched batch;
};

/* All of it belongs to the thread that polls; callbacks run in its calls. */
struct hr_source {
	struct hr_kafka kafka; /* first: the client's opaque */
	rd_kafka_queue_t *queue;
	char *topic;
	struct hr_lane *lanes;
	size_t lane_count;
	struct hr_lane *recent; /* lane of the last record: they come in runs */
	struct hr_fetched batch;    /* of all partitions together */
	struct hr_apart *apart;     /* lane_count, beside lanes; NULL: one queue for all */
	uint64_t commit_failures;
	unsigned commits_open;
};

/** NULL: not a partition of this source. */
struct hr_lane *hr_source_lane(struct hr_source *s, int32_t partition);

/** Asks the broker where a partition's log starts and ends. */
HR_MUST_USE bool hr_source_ask_ends(struct hr_source *s, int32_t partition, int64_t *ret_start, int64_t *ret_end,
                                    struct hr_error *err);

/** Adds to gaps (a list) what lies between an offset and the log that does not hold it. */
void hr_source_describe_gap(int32_t partition, int64_t offset, int64_t start, int64_t end, char *gaps, size_t gaps_bytes);

#endif
