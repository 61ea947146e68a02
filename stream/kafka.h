/* stream/kafka.h - what source, sink and broker share of librdkafka. Private to this folder and its tests. */
#ifndef HR_STREAM_KAFKA_H
#define HR_STREAM_KAFKA_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>

#include "stream/broker.h"
#include "stream/source.h"

#define HR_KAFKA_MAGIC 0x6b61666bu

/**
 * One librdkafka client and the last thing it complained about. First member of whoever owns the client, and its opaque:
 * callbacks get it and check the magic.
 */
struct hr_kafka {
	uint32_t magic;
	rd_kafka_t *rk;
	pthread_mutex_t lock; /* leaf: nothing else is locked or called while it is held */
	char trouble[256];    /* last warning or error of the library; guarded by lock. Written by its threads */
};

struct hr_kafka_setting {
	const char *name, *value;
};

/**
 * Creates the client: defaults first, then the operator's properties over them, then what headrace owns.
 * @param defaults, owned  end with a NULL name
 * @param conf  from rd_kafka_conf_new, with the caller's callbacks set; always taken
 */
HR_MUST_USE bool hr_kafka_open(struct hr_kafka *k, rd_kafka_type_t type, const struct hr_kafka_config *config,
                               const struct hr_kafka_setting *defaults, const struct hr_kafka_setting *owned,
                               rd_kafka_conf_t *conf, struct hr_error *err);

/** Destroys the client, without leaving a group or flushing. Everything obtained from it must be destroyed before. */
void hr_kafka_close(struct hr_kafka *k);

struct hr_kafka *hr_kafka_of(void *opaque);

/** Adds the last complaint to an error: ": CONNFAIL ...". Returns false. */
bool hr_kafka_blame(struct hr_kafka *k, struct hr_error *err);

/** Partitions of a topic, once each of them has a leader; waits for that up to timeout_ms.
 *  @param doubt_ms  "no such topic" is believed after this long: one just made is not known to every broker at once */
HR_MUST_USE bool hr_kafka_count_partitions(struct hr_kafka *k, const char *topic, int doubt_ms, int timeout_ms, uint32_t *ret_count,
                                           struct hr_error *err);

/** Of an open broker, for tests that inject faults. */
rd_kafka_mock_cluster_t *hr_broker_cluster(struct hr_broker *b);

#endif
