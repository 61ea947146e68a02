/* stream/broker.h - the embedded broker: librdkafka's mock cluster, for unit tests and `headrace demo`. Not Kafka.
 *
 * It keeps 5 MiB a partition and drops the oldest silently, so whoever produces must pace itself by what was read:
 * keep (produced - consumed) below HR_BROKER_KEEP_BYTES in every partition.
 */
#ifndef HR_STREAM_BROKER_H
#define HR_STREAM_BROKER_H

#include <stdint.h>

#include "base/error.h"

#define HR_BROKER_KEEP_BYTES (4u << 20)

struct hr_broker;

HR_MUST_USE bool hr_broker_start(struct hr_broker **ret_broker, struct hr_error *err);
const char *hr_broker_bootstrap(const struct hr_broker *b); /* "127.0.0.1:PORT,..."; borrowed */
HR_MUST_USE bool hr_broker_create_topic(struct hr_broker *b, const char *topic, uint32_t partitions, struct hr_error *err);
void hr_broker_stop(struct hr_broker *b);

#endif
