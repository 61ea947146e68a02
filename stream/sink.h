/* stream/sink.h - records out to Kafka: idempotent producer, murmur2_random partitioner, so that JVM readers join right. */
#ifndef HR_STREAM_SINK_H
#define HR_STREAM_SINK_H

#include "stream/source.h"

struct hr_sink;

struct hr_header {
	const char *name;
	const void *value;
	size_t value_len;
};

HR_MUST_USE bool hr_sink_open(const struct hr_kafka_config *config, struct hr_sink **ret_sink, struct hr_error *err);

/** How long a send waits for room in a full queue before it fails as retriable; a minute, unless told otherwise. */
void hr_sink_patience(struct hr_sink *s, int full_wait_ms);

/**
 * Queues one record; key and value are copied. Waits while the producer's queue is full (back-pressure), as hr_sink_patience says.
 * @param value  NULL: a tombstone
 * @param timestamp_ms  -1: now
 * Fails on a fatal producer error: close, open again, and republish from the cursor.
 * A record whose batch was refused is sent again, up to three times, and may then land behind a later one of the same key:
 * flush between two versions of a key.
 * @thread one sink, one thread; the counts may be read by any
 */
HR_MUST_USE bool hr_sink_send(struct hr_sink *s, const char *topic, const void *key, size_t key_len, const void *value,
                              size_t value_len, int64_t timestamp_ms, const struct hr_header *headers, size_t header_count,
                              struct hr_error *err);

/** Waits until all queued records are acknowledged; false if any of them was not, or after timeout_ms (retriable). A record
 *  that was refused for good is told by one flush, the next begins anew. */
HR_MUST_USE bool hr_sink_flush(struct hr_sink *s, int timeout_ms, struct hr_error *err);

/** Creates a topic unless it is there; compact chooses cleanup.policy. Retriable: no broker answered in that time. */
HR_MUST_USE bool hr_topic_create(const struct hr_kafka_config *config, const char *topic, uint32_t partitions, bool compact,
                                 int timeout_ms, struct hr_error *err);

uint64_t hr_sink_delivered(const struct hr_sink *s);
void hr_sink_close(struct hr_sink *s, int timeout_ms); /* what is not delivered by then is given up */

#endif
