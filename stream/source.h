/* stream/source.h - records in, from Kafka or from a file, through one interface.
 *
 * Kafka: static assign() of partitions (listed, or all of the topic), manual offsets, batches from the consumer queue,
 * auto.offset.reset=error: a position is always given, never guessed. All calls from one thread.
 */
#ifndef HR_STREAM_SOURCE_H
#define HR_STREAM_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/** One record. A view: valid until the next poll of its source. */
struct hr_record {
	const uint8_t *key, *value; /* value NULL: tombstone; non-NULL with value_len 0: empty */
	size_t key_len, value_len;
	int64_t offset;
	int64_t timestamp_ms; /* the broker's or producer's record timestamp, -1 for none */
	int32_t partition;
	bool failed;          /* the client library could not hand it over: count it as HR_REJECT_SOURCE */
};

enum hr_start_at { HR_START_EARLIEST = -2, HR_START_LATEST = -1 }; /* or an offset >= 0 */

struct hr_position {
	int32_t partition;
	int64_t offset; /* of the next record to read, or enum hr_start_at */
};

struct hr_kafka_config {
	const char *brokers;           /* bootstrap.servers */
	const char *client_id;
	const char *group_id;          /* only for committing offsets that lag tools can see */
	const char *const *properties; /* "key=value" for librdkafka, NULL-terminated; may be NULL. What headrace owns is refused */
};

/** Why the operator may not set a property of librdkafka; NULL: that one may be set. */
const char *hr_kafka_refused(const char *name);

struct hr_source;

/** Partitions of a topic, by asking the broker. Waits up to timeout_ms. 0 and HR_E_BROKER when it does not exist. */
HR_MUST_USE bool hr_kafka_partitions(const struct hr_kafka_config *config, const char *topic, int timeout_ms,
                                     uint32_t *ret_count, struct hr_error *err);

/**
 * Opens a topic and starts fetching.
 * @param positions  partitions to read and where each starts; borrowed
 * Fails when a property is refused or a stored offset lies outside the log (HR_E_CONFIG: the operator's move), or when the
 * topic is unknown or no broker answers (HR_E_BROKER). The message gives the exact gap per partition
 * ("partition 3: 1,204 records gone: stored offset 8812, log starts at 10016"). Blocks while it asks, 15 s a question.
 * @param accept_gap  start a partition whose log begins later at its start. A log that ends before the stored offset is
 *                    refused all the same: it is another one
 */
HR_MUST_USE bool hr_source_open_kafka(const struct hr_kafka_config *config, const char *topic,
                                      const struct hr_position *positions, size_t count, bool accept_gap,
                                      struct hr_source **ret_source, struct hr_error *err);

/**
 * The same, but each partition is fetched into a queue of its own and read by hr_source_poll_partition: a reader that waits
 * for one partition does not have to keep what the others send, which is bounded by the prefetch. No gap is accepted.
 */
HR_MUST_USE bool hr_source_open_apart(const struct hr_kafka_config *config, const char *topic,
                                      const struct hr_position *positions, size_t count, struct hr_source **ret_source,
                                      struct hr_error *err);

/** As hr_source_poll, of one partition of a source opened apart. The records are good until its next poll. */
HR_MUST_USE bool hr_source_poll_partition(struct hr_source *s, int32_t partition, struct hr_record *out, size_t max,
                                          int timeout_ms, size_t *ret_count, struct hr_error *err);

/** No record before end is still to come: all were handed out, or what is left of the log up to there holds none. */
bool hr_source_reached(struct hr_source *s, int32_t partition, int64_t end);

/** Fills in the offset that the group has committed for each partition; -1 for none. */
HR_MUST_USE bool hr_source_committed(struct hr_source *s, struct hr_position *at, size_t count, int timeout_ms,
                                     struct hr_error *err);

/** Fills in, for each partition, the first offset whose record timestamp is time_ms or later; HR_START_LATEST for none. */
HR_MUST_USE bool hr_kafka_offsets_at(const struct hr_kafka_config *config, const char *topic, int64_t time_ms,
                                     struct hr_position *at, size_t count, int timeout_ms, struct hr_error *err);

/**
 * Up to max records, waiting up to timeout_ms for the first. 0 records is not an error. Transient broker trouble is
 * waited out by the client library; false only when the source can not go on (position out of range, authorisation).
 * A batch that the library refuses (checksum, unpacked size, codec) is tried five times; then each of its offsets comes as a
 * record with failed set, so that it is accounted for.
 */
HR_MUST_USE bool hr_source_poll(struct hr_source *s, struct hr_record *out, size_t max, int timeout_ms, size_t *ret_count,
                                struct hr_error *err);

/** Offset of the next record that will be handed out: right after open, where earliest or latest turned out to be. */
int64_t hr_source_position(struct hr_source *s, int32_t partition);

/** Records between a position and the log's end as last heard from the broker; -1: not a partition of this source. Behind the
 *  last record, ends of transactions and what they withdrew do not count: a topic read to its end has lag 0. */
int64_t hr_source_lag(struct hr_source *s, int32_t partition, int64_t position);
/** Log end of a partition as last heard, at first when it was opened; -1: not a partition of this source. */
int64_t hr_source_end(struct hr_source *s, int32_t partition);

/** Commits positions to the group for lag tools; asynchronous, failure is only counted. Never the truth. */
void hr_source_commit(struct hr_source *s, const struct hr_position *positions, size_t count);
uint64_t hr_source_commit_failures(const struct hr_source *s);

void hr_source_close(struct hr_source *s); /* bounded: a few seconds even with the broker gone */

#endif
