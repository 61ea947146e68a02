/* daemon/feed.h - events from a command to a topic: topic, sink, pace, progress, and an end by Ctrl-C that loses nothing. */
#ifndef HR_DAEMON_FEED_H
#define HR_DAEMON_FEED_H

#include "daemon/options.h"
#include "daemon/progress.h"
#include "stream/stream.h"

/** What every feeding command asks: rows for its table are HR_FEED_OPTIONS(struct x, feed). */
struct hr_feed_options {
	char *brokers, *topic;
	uint32_t partitions;
	double rate;
	struct hr_strings property;
};

#define HR_FEED_OPTIONS(type_, at) \
	HR_OPTION(type_, at.brokers, "brokers", STRING, "localhost:9092", 1, 4096, "HOST:PORT,...", "Bootstrap servers."), \
	HR_OPTION(type_, at.topic, "topic", STRING, "events", 1, 249, "NAME", "Topic of the events."), \
	HR_OPTION(type_, at.partitions, "partitions", U32, "6", 1, 10000, "N", "Partitions of a topic that is created."), \
	HR_OPTION(type_, at.rate, "rate", F64, "0", 0, 1e9, "N", "Events a second; 0 for as fast as the broker takes them."), \
	HR_OPTION(type_, at.property, "property", LIST, NULL, 0, 4096, "NAME=VALUE", \
	          "A property handed to librdkafka (security.protocol=ssl); may be given again.")

struct hr_feed {
	const struct hr_feed_options *options;
	struct hr_kafka_config kafka;
	struct hr_sink *sink;
	struct hr_buf record;
	struct hr_progress progress;
	struct hr_pacer pacer;
	uint64_t sent;
};

/** Creates the topic when it is not there and opens a sink; Ctrl-C and SIGTERM are caught from here on. options: borrowed. */
HR_MUST_USE bool hr_feed_open(struct hr_feed *f, const struct hr_feed_options *options, struct hr_error *err);

/**
 * Sends one event, keyed by its user, when its turn has come, and shows progress.
 * @param share  part of the work that is done, below 0: not known
 */
HR_MUST_USE bool hr_feed_event(struct hr_feed *f, const struct hr_event *event, double share, struct hr_error *err);

/** True once a signal asked to stop. */
bool hr_feed_stopped(void);

/** Waits until everything is acknowledged and says how much that was. */
HR_MUST_USE bool hr_feed_finish(struct hr_feed *f, struct hr_error *err);
void hr_feed_close(struct hr_feed *f); /* also after a failed open */

#endif
