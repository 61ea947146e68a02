/* headrace simulate: a shop with a known truth, to a topic or to a file. */
#include "daemon/tool.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "daemon/feed.h"
#include "proto/proto.h"

struct simulate_options {
	struct hr_feed_options feed;
	char *items_topic, *start, *output;
	uint64_t seed, events;
	uint32_t users, items;
	double days_per_million;
};

static const struct hr_setting rows[] = {
        HR_FEED_OPTIONS(struct simulate_options, feed),
        HR_OPTION(struct simulate_options, items_topic, "items-topic", STRING, "items", 0, 249, "NAME",
                  "Compacted topic of the items' titles; empty for none."),
        HR_OPTION(struct simulate_options, events, "events", U64, "0", 0, 0x1p64, "N", "Stop after this many; 0 for never."),
        HR_OPTION(struct simulate_options, seed, "seed", U64, "1", 0, 0x1p64, "N", "One seed is one stream."),
        HR_OPTION(struct simulate_options, users, "users", U32, "15000", 1, 10000000, "N", "Users, once all have come."),
        HR_OPTION(struct simulate_options, items, "items", U32, "4000", 1, 10000000, "N", "Items, once all have arrived."),
        HR_OPTION(struct simulate_options, start, "start", STRING, NULL, 1, 64, "TIME",
                  "Event time of the first event: RFC 3339, seconds or ms, or now. (2020-01-01)"),
        HR_OPTION(struct simulate_options, days_per_million, "days-per-million", F64, "50", 0, 100000, "N",
                  "Days that a million events span in event time."),
        HR_OPTION(struct simulate_options, output, "output", STRING, NULL, 1, 4096, "FILE",
                  "Write events to a file, - for standard output, instead of sending them; --events is needed. JSON lines "
                  "when the name ends in .jsonl, else TSV: time user item kind session id."),
};

static const struct hr_options options = {
        .command = "headrace simulate",
        .usage = "usage: headrace simulate [--brokers HOST:PORT] [--topic NAME] [--rate N] [--events N] [--seed N] ...\n"
                 "\n"
                 "Sends the events and item titles of a simulated shop, whose truth docs/simulator.md tells.\n",
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
};

static bool simulator_config(const struct simulate_options *o, struct hr_simulator_config *ret_config, int *ret_exit)
{
	struct hr_simulator_config c = hr_simulator_defaults();

	c.seed = o->seed;
	c.users = o->users;
	c.items = o->items;
	c.days_per_million = o->days_per_million;
	if (o->start != NULL && strcmp(o->start, "now") == 0) {
		c.start_ms = hr_wall_ms();
	} else if (o->start != NULL && !hr_time_guess(o->start, strlen(o->start), &c.start_ms)) {
		*ret_exit = hr_options_misuse(&options, "--start: \"%s\" is no time within 1990..2100", o->start);
		return false;
	}
	*ret_config = c;
	return true;
}

/* ---- to a file ---- */

/* The simulator's ids hold nothing that JSON or TSV would escape. */
#define TSV_LINE  "%lld\t%.*s\t%.*s\t%s\t%.*s\t%.*s\n"
#define JSON_LINE "{\"time\":%lld,\"user\":\"%.*s\",\"item\":\"%.*s\",\"kind\":\"%s\",\"session\":\"%.*s\",\"id\":\"%.*s\"}\n"

static void write_event(FILE *f, bool json, const struct hr_event *e)
{
	(void)fprintf(f, json ? JSON_LINE : TSV_LINE, (long long)e->time_ms, (int)e->user_len, (const char *)e->user,
	              (int)e->item_len, (const char *)e->item, hr_kind_name(e->kind), (int)e->session_len,
	              (const char *)e->session, (int)e->id_len, (const char *)e->id);
}

static bool write_events(FILE *f, const char *path, uint64_t events, struct hr_simulator *s)
{
	const size_t len = strlen(path);
	const bool json = len >= 6 && strcmp(path + len - 6, ".jsonl") == 0;
	struct hr_event event;

	for (uint64_t n = 0; n < events && ferror(f) == 0; n++) {
		hr_simulator_next(s, &event);
		write_event(f, json, &event);
	}
	const bool ok = fflush(f) == 0 && ferror(f) == 0;
	return (f == stdout || fclose(f) == 0) && ok;
}

static int write_file(const struct simulate_options *o, struct hr_simulator *s)
{
	struct hr_error err;

	if (o->events == 0)
		return hr_options_misuse(&options, "--output needs --events");
	FILE *f = strcmp(o->output, "-") == 0 ? stdout : fopen(o->output, "wb");
	if (f == NULL || !write_events(f, o->output, o->events, s)) {
		(void)hr_fail(&err, HR_E_IO, "could not write %s: %s", o->output, strerror(errno));
		return hr_options_fail(&options, &err);
	}
	return HR_EXIT_OK;
}

/* ---- to Kafka ---- */

static void encode_item(const struct hr_simulator *s, const char *id, size_t id_len, struct hr_buf *out)
{
	const char *category;
	const char *title = hr_simulator_title(s, (const uint8_t *)id, id_len, &category);
	char *categories[] = {(char *)(uintptr_t)category};
	Headrace__V1__Item item = HEADRACE__V1__ITEM__INIT;
	uint8_t bytes[512];

	item.id = (ProtobufCBinaryData){.len = id_len, .data = (uint8_t *)(uintptr_t)id};
	item.title = (char *)(uintptr_t)title;
	item.category = categories;
	item.n_category = 1;
	HR_ASSERT(headrace__v1__item__get_packed_size(&item) <= sizeof bytes);
	hr_buf_clear(out);
	hr_buf_bytes(out, bytes, headrace__v1__item__pack(&item, bytes));
}

/* Titles of the items that have arrived since the last call: an item is announced before it is looked at. */
static bool announce(struct hr_feed *f, const struct hr_simulator *s, const char *topic, uint32_t *known,
                     struct hr_error *err)
{
	char id[HR_SIMULATOR_ID_MAX];

	for (; topic[0] != '\0' && *known < hr_simulator_arrived(s); ++*known) {
		const size_t id_len = hr_simulator_item_id(*known, id);

		encode_item(s, id, id_len, &f->record);
		if (!hr_sink_send(f->sink, topic, id, id_len, f->record.p, f->record.len, -1, NULL, 0, err))
			return false;
	}
	return true;
}

static bool send_all(struct hr_feed *f, const struct simulate_options *o, struct hr_simulator *s, struct hr_error *err)
{
	struct hr_event event;
	uint32_t known = 0;

	while (!hr_feed_stopped() && (o->events == 0 || f->sent < o->events)) {
		hr_simulator_next(s, &event);
		if (!announce(f, s, o->items_topic, &known, err) ||
		    !hr_feed_event(f, &event, o->events != 0 ? (double)f->sent / (double)o->events : -1, err))
			return false;
	}
	return true;
}

static bool create_items_topic(const struct hr_feed *f, const struct simulate_options *o, struct hr_error *err)
{
	return o->items_topic[0] == '\0' ||
	       hr_topic_create(&f->kafka, o->items_topic, o->feed.partitions, /* compact */ true, 30000, err);
}

static int send_to_kafka(const struct simulate_options *o, struct hr_simulator *s)
{
	struct hr_feed feed;
	struct hr_error err;

	const bool ok = hr_feed_open(&feed, &o->feed, &err) && create_items_topic(&feed, o, &err) &&
	                send_all(&feed, o, s, &err) && hr_feed_finish(&feed, &err);
	hr_feed_close(&feed);
	return ok ? HR_EXIT_OK : hr_options_fail(&options, &err);
}

static int run(const struct simulate_options *o)
{
	struct hr_simulator_config config;
	int code;

	if (!simulator_config(o, &config, &code))
		return code;
	struct hr_simulator *s = hr_simulator_new(&config);
	code = o->output != NULL ? write_file(o, s) : send_to_kafka(o, s);
	hr_simulator_free(s);
	return code;
}

int hr_cmd_simulate(int argc, char **argv)
{
	struct simulate_options o = {0};
	int first, code;

	if (hr_options_read(&options, &o, argc, argv, &first, &code))
		code = argc == first ? run(&o) : hr_options_misuse(&options, "\"%s\" is not an option", argv[first]);
	hr_options_fini(&options, &o);
	return code;
}
