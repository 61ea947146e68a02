/* daemon/cmd_forget.c - `headrace forget`: tombstones for users. */
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "daemon/options.h"
#include "daemon/tool.h"
#include "stream/stream.h"

enum { FLUSH_MS = 60000, ASK_MS = 10000 };

struct forget_options {
	char *brokers, *topic;
	struct hr_strings property;
};

static const struct hr_setting rows[] = {
        HR_OPTION(struct forget_options, brokers, "brokers", STRING, "localhost:9092", 1, 4096, "HOST:PORT,...", "Bootstrap servers."),
        HR_OPTION(struct forget_options, topic, "topic", STRING, "events", 1, 249, "NAME", "Topic of the events."),
        HR_OPTION(struct forget_options, property, "property", LIST, NULL, 0, 4096, "NAME=VALUE",
                  "A property handed to librdkafka (security.protocol=ssl); may be given again."),
};

static const struct hr_options options = {
        .command = "headrace forget",
        .usage = "usage: headrace forget USER... [--brokers HOST:PORT] [--topic NAME]\n"
                 "\n"
                 "Writes a null value under each user's id into the events topic. The daemon empties the user's history at its next\n"
                 "barrier and sends a null value to the topic of user vectors. What the model has learned from the user stays until\n"
                 "it is made anew: headraced replay --without.\n",
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
};

static bool send_all(struct hr_sink *sink, const char *topic, char **users, size_t count, struct hr_error *err)
{
	for (size_t i = 0; i < count; i++) {
		const size_t len = strlen(users[i]);

		if (len < 1 || len > HR_ID_MAX)
			return hr_fail(err, HR_E_CONFIG, "a user id of %zu bytes is not within 1..%u", len, HR_ID_MAX);
		if (!hr_sink_send(sink, topic, users[i], len, NULL, 0, -1, NULL, 0, err))
			return false;
	}
	return hr_sink_flush(sink, FLUSH_MS, err);
}

static bool forget(const struct forget_options *o, char **users, size_t count, struct hr_error *err)
{
	const struct hr_kafka_config kafka = {
		.brokers = o->brokers, .client_id = "headrace-forget", .properties = (const char *const *)o->property.p};
	struct hr_sink *sink;
	uint32_t partitions;

	if (!hr_kafka_partitions(&kafka, o->topic, ASK_MS, &partitions, err) || !hr_sink_open(&kafka, &sink, err))
		return false;
	const bool ok = send_all(sink, o->topic, users, count, err);
	hr_sink_close(sink, 1000);
	return ok;
}

int hr_cmd_forget(int argc, char **argv)
{
	struct forget_options o = {0};
	struct hr_error err;
	int first, code;

	if (hr_options_read(&options, &o, argc, argv, &first, &code)) {
		const size_t count = (size_t)(argc - first);

		if (count == 0) {
			code = hr_options_misuse(&options, "a user id is needed");
		} else if (!forget(&o, argv + first, count, &err)) {
			code = hr_options_fail(&options, &err);
		} else {
			(void)printf("forget users=%zu topic=%s\n", count, o.topic);
			code = HR_EXIT_OK;
		}
	}
	hr_options_fini(&options, &o);
	return code;
}
