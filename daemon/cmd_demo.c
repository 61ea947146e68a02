/* daemon/cmd_demo.c - `headrace demo`: the whole daemon on an embedded broker and a simulated shop, with no set-up.
 *
 * The broker is librdkafka's mock cluster, not Kafka: it keeps 5 MiB a partition and nothing on disk. With --state DIR the
 * model and its positions survive a restart; the log does not, so the seeded simulator writes the same log again, offset by
 * offset, and the fingerprint of the last record read proves that it is the same.
 */
#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "daemon/options.h"
#include "daemon/pipeline.h"
#include "daemon/showcase.h"
#include "daemon/tool.h"
#include "proto/proto.h"

/* Events that may be ahead of the daemon: small against what the embedded broker keeps. */
enum { AHEAD = 4096, PARTITIONS = 4 };

struct demo_options {
	uint64_t events, rate, seed;
	uint32_t port;
	char *state;
	struct hr_strings set;
};

static const struct hr_setting rows[] = {
        HR_OPTION(struct demo_options, events, "events", U64, "0", 0, 0x1p62, "N", "End after N events; 0 goes on until Ctrl-C."),
        HR_OPTION(struct demo_options, state, "state", STRING, NULL, 1, 4096, "DIR",
                  "Keep the state there and go on from it next time; without it nothing is left behind."),
        HR_OPTION(struct demo_options, rate, "rate", U64, "0", 0, 1e9, "events/s", "0: as fast as the model learns."),
        HR_OPTION(struct demo_options, seed, "seed", U64, "1", 0, 0x1p62, "", "Another seed is another world."),
        HR_OPTION(struct demo_options, port, "port", U32, "0", 0, 65535, "", "HTTP port; 0: any free one."),
        HR_OPTION(struct demo_options, set, "set", LIST, NULL, 0, 65536, "KEY=VALUE", "Any setting of the daemon; may be given again."),
};

static const struct hr_options options = {
        .command = "headrace demo",
        .usage = "usage: headrace demo [--events N] [--state DIR]\n"
                 "\n"
                 "Embedded broker (not Kafka), simulated shop, training, publishing and HTTP in one process, with no set-up.\n",
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
};

struct demo {
	/* ---- set before the threads start ---- */
	uint64_t events, rate;
	struct hr_simulator_config world;
	struct hr_config config;
	struct hr_broker *broker;
	struct hr_sink *sink;
	struct hr_simulator *simulator;
	struct hr_pipeline *pipeline;
	/* ---- producer thread ---- */
	uint64_t produced;
	/* ---- shared ---- */
	_Atomic bool stopping;
};

static HR_NORETURN void give_up(const char *what, const struct hr_error *err)
{
	struct hr_error told = *err;

	(void)hr_context(&told, "%s", what);
	exit(hr_options_fail(&options, &told));
}

/* What the demo sets before the user's own --set. */
static void configure(struct demo *d, const struct demo_options *o)
{
	static const char *const settings[] = {
		"events.topic=events",   "items.topic=items",     "events.format=protobuf",
		"barrier.interval=2s",   "history.length=30",     "evaluate.share=0.25",
		"evaluate.window=10000", "log.level=warning",     "output.partitions=1",
	};
	struct hr_error err;
	char port[16];

	hr_config_init(&d->config);
	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
		if (!hr_config_assign(&d->config, settings[i], HR_FROM_FLAG, &err))
			give_up("settings of the demo", &err);
	}
	(void)snprintf(port, sizeof port, "%u", o->port);
	if (!hr_config_set(&d->config, "http.port", port, HR_FROM_FLAG, &err))
		give_up("--port", &err);
	for (size_t i = 0; i < o->set.count; i++) {
		if (!hr_config_assign(&d->config, o->set.p[i], HR_FROM_FLAG, &err))
			give_up("--set", &err);
	}
}

static void start_broker(struct demo *d)
{
	struct hr_error err;

	if (!hr_broker_start(&d->broker, &err) ||
	    !hr_broker_create_topic(d->broker, d->config.events_topic, PARTITIONS, &err) ||
	    !hr_broker_create_topic(d->broker, d->config.items_topic, 1, &err) ||
	    !hr_broker_create_topic(d->broker, d->config.output_items_topic, 1, &err) ||
	    !hr_broker_create_topic(d->broker, d->config.output_users_topic, 1, &err) ||
	    !hr_config_set(&d->config, "kafka.brokers", hr_broker_bootstrap(d->broker), HR_FROM_FLAG, &err))
		give_up("embedded broker", &err);
	const struct hr_kafka_config kafka = {.brokers = hr_broker_bootstrap(d->broker), .client_id = "headrace-demo"};
	if (!hr_sink_open(&kafka, &d->sink, &err))
		give_up("the simulator's producer", &err);
}

static void send_titles(struct demo *d)
{
	struct hr_error err;
	struct hr_buf b = {0};
	char id[HR_SIMULATOR_ID_MAX];

	for (uint32_t i = 0; i < d->world.items; i++) {
		Headrace__V1__Item item = HEADRACE__V1__ITEM__INIT;
		const char *category;
		const size_t len = hr_simulator_item_id(i, id);
		const char *title = hr_simulator_title(d->simulator, (const uint8_t *)id, len, &category);
		char *categories[] = {(char *)category};

		item.id = (ProtobufCBinaryData){.len = len, .data = (uint8_t *)id};
		item.title = (char *)title;
		item.category = categories;
		item.n_category = 1;
		hr_buf_clear(&b);
		b.p = hr_grow(b.p, &b.cap, headrace__v1__item__get_packed_size(&item), 1);
		b.len = headrace__v1__item__pack(&item, b.p);
		if (!hr_sink_send(d->sink, d->config.items_topic, id, len, b.p, b.len, -1, NULL, 0, &err))
			give_up("a title could not be sent", &err);
	}
	hr_buf_fini(&b);
	if (!hr_sink_flush(d->sink, 10000, &err))
		give_up("titles", &err);
}

static void produce_one(struct demo *d, struct hr_buf *b)
{
	struct hr_event e;
	struct hr_error err;

	hr_simulator_next(d->simulator, &e);
	hr_buf_clear(b);
	hr_event_encode(&e, b);
	if (!hr_sink_send(d->sink, d->config.events_topic, e.user, e.user_len, b->p, b->len, -1, NULL, 0, &err))
		give_up("an event could not be sent", &err);
	d->produced++;
}

/* A kept state was built from the first `consumed` events and some of the next: writes them all again. */
static void produce_again(struct demo *d, uint64_t consumed)
{
	struct hr_buf b = {0};
	struct hr_error err;

	while (d->produced < consumed + AHEAD && (d->events == 0 || d->produced < d->events))
		produce_one(d, &b);
	hr_buf_fini(&b);
	if (!hr_sink_flush(d->sink, 60000, &err))
		give_up("the log written again", &err);
}

/* Records that the state has behind it, from its barrier row; 0 for none. */
static uint64_t stored_records(const char *dir)
{
	struct hr_manifest any = {0};
	struct hr_store *store;
	struct hr_barrier row;
	char notice[HR_NOTICE_BYTES];
	struct hr_error err;
	uint64_t records = 0;

	if (!hr_store_exists(dir))
		return 0;
	if (!hr_store_open(dir, &any, &store, &row, notice, &err))
		give_up("--state", &err);
	for (size_t i = 0; i < row.partition_count; i++)
		records += (uint64_t)(row.partition[i].offset - row.partition[i].begin);
	hr_barrier_fini(&row);
	hr_store_close(store);
	return records;
}

static uint64_t consumed(struct demo *d)
{
	struct hr_intake *in = hr_pipeline_intake(d->pipeline);
	uint64_t records = 0;

	hr_intake_lock(in);
	const struct hr_barrier *a = hr_intake_account(in);
	for (size_t i = 0; i < a->partition_count; i++)
		records += (uint64_t)(a->partition[i].offset - a->partition[i].begin);
	hr_intake_unlock(in);
	return records;
}

static void *produce_main(void *demo)
{
	struct demo *d = demo;
	const int64_t began = hr_mono_us();
	const uint64_t first = d->produced;
	struct hr_buf b = {0};

	hr_log_thread("simulator");
	while (!atomic_load(&d->stopping) && (d->events == 0 || d->produced < d->events)) {
		const uint64_t allowed = d->rate == 0 ? UINT64_MAX
		                                      : first + d->rate * (uint64_t)(hr_mono_us() - began) / 1000000;

		if (d->produced >= consumed(d) + AHEAD || d->produced >= allowed) {
			(void)usleep(2000);
			continue;
		}
		for (int i = 0; i < 64 && (d->events == 0 || d->produced < d->events); i++)
			produce_one(d, &b);
	}
	hr_buf_fini(&b);
	return NULL;
}

static double model_recall(struct hr_metrics *m, enum hr_ranker r) { return hr_metrics_recall(m, r, HR_SLICE_ALL, 10); }

static void live_line(struct demo *d, double events_per_s, double steps_per_s, bool terminal)
{
	struct hr_metrics *m = hr_pipeline_metrics(d->pipeline);
	const uint64_t vectors = hr_metric_count(hr_metric_of(m, HR_M_PUBLISHED_ITEMS)) +
	                         hr_metric_count(hr_metric_of(m, HR_M_PUBLISHED_USERS));

	(void)fprintf(stderr,
	              "%sevents=%llu events/s=%.0f lag=%.0f steps/s=%.0f loss=%.3f recall@10: model=%.4f popularity=%.4f "
	              "covisitation=%.4f | vectors=%llu freshness_p99=%.1fs%s",
	              terminal ? "\r\033[K" : "", (unsigned long long)consumed(d), events_per_s,
	              hr_metric_value(hr_metric_of(m, HR_M_LAG)), steps_per_s, hr_metric_value(hr_metric_of(m, HR_M_LOSS)),
	              model_recall(m, HR_RANK_MODEL), model_recall(m, HR_RANK_POPULARITY), model_recall(m, HR_RANK_RULES),
	              (unsigned long long)vectors, (double)hr_histogram_quantile(hr_metrics_freshness(m), .99) / 1000,
	              terminal ? "" : "\n");
}

/* A handler, not a mask: a thread that a library made before main() has its own mask, and one default action ends all. A
 * second Ctrl-C changes nothing, so that what the demo made is removed whatever happens. */
static volatile sig_atomic_t asked_to_end;

static void end_demo(int sig)
{
	(void)sig;
	asked_to_end = 1;
}

/* Until the events are all through, or a signal: a line a second on a terminal, every five seconds elsewhere. */
static void watch(struct demo *d)
{
	const bool terminal = isatty(STDERR_FILENO) != 0;
	const uint64_t show_at = d->events != 0 ? d->events / 2 : 50000;
	uint64_t events_before = consumed(d), steps_before = 0;
	int64_t told_us = hr_mono_us();
	bool shown = false;

	while (!asked_to_end) {
		(void)usleep(100000);
		const int64_t now_us = hr_mono_us();
		const uint64_t events = consumed(d);
		if (now_us - told_us >= (terminal ? 1000000 : 5000000)) {
			const uint64_t steps = hr_metric_count(hr_metric_of(hr_pipeline_metrics(d->pipeline), HR_M_STEPS));
			const double s = (double)(now_us - told_us) * 1e-6;

			live_line(d, (double)(events - events_before) / s, (double)(steps - steps_before) / s, terminal);
			events_before = events;
			steps_before = steps;
			told_us = now_us;
		}
		if (!shown && events >= show_at) {
			(void)fputs(terminal ? "\n" : "", stderr);
			hr_showcase(d->pipeline, stdout);
			shown = true;
		}
		if (d->events != 0 && events >= d->events)
			return;
	}
}

static void last_line(struct demo *d)
{
	struct hr_metrics *m = hr_pipeline_metrics(d->pipeline);
	const uint64_t vectors = hr_metric_count(hr_metric_of(m, HR_M_PUBLISHED_ITEMS)) +
	                         hr_metric_count(hr_metric_of(m, HR_M_PUBLISHED_USERS));

	(void)printf("demo events=%llu recall10_model=%.4f recall10_popularity=%.4f recall10_covisitation=%.4f "
	             "recall10_mix=%.4f vectors=%llu freshness_p99_ms=%llu loss_last=%.3f\n",
	             (unsigned long long)consumed(d), model_recall(m, HR_RANK_MODEL), model_recall(m, HR_RANK_POPULARITY),
	             model_recall(m, HR_RANK_RULES), model_recall(m, HR_RANK_MIX), (unsigned long long)vectors,
	             (unsigned long long)hr_histogram_quantile(hr_metrics_freshness(m), .99),
	             hr_metric_value(hr_metric_of(m, HR_M_LOSS)));
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st;
	(void)flag;
	(void)at;
	return remove(path);
}

static void run(struct demo *d, const char *dir)
{
	const uint64_t stored = stored_records(dir);
	struct hr_error err;
	pthread_t producer;

	start_broker(d);
	d->simulator = hr_simulator_new(&d->world);
	send_titles(d);
	if (stored != 0)
		produce_again(d, stored);
	if (!hr_config_set(&d->config, "state.dir", dir, HR_FROM_FLAG, &err) || !hr_config_check(&d->config, &err) ||
	    !hr_pipeline_start(&d->config, &d->pipeline, &err))
		give_up("can not start", &err);
	(void)fprintf(stderr, "headrace demo: embedded broker %s (not Kafka), http://127.0.0.1:%u, state %s\n",
	              hr_broker_bootstrap(d->broker), hr_pipeline_port(d->pipeline), dir);
	HR_ASSERT(pthread_create(&producer, NULL, produce_main, d) == 0);
	watch(d);
	if (asked_to_end)
		(void)fputs("\nheadrace demo: ending: draining, then a last barrier", stderr);
	atomic_store(&d->stopping, true);
	(void)pthread_join(producer, NULL);
	hr_pipeline_stop(d->pipeline);
	(void)fputc('\n', stderr);
	hr_showcase(d->pipeline, stdout);
	last_line(d);
	hr_pipeline_free(d->pipeline);
	hr_sink_close(d->sink, 1000);
	hr_broker_stop(d->broker);
	hr_simulator_free(d->simulator);
}

/* The state of a demo that keeps none; "" when there is nothing to remove. */
static char temporary[4096];

static void remove_temporary(void)
{
	if (temporary[0] != '\0')
		(void)nftw(temporary, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	temporary[0] = '\0';
}

static int demo(const struct demo_options *o)
{
	const struct sigaction act = {.sa_handler = end_demo, .sa_flags = SA_RESTART};
	struct demo d = {.world = hr_simulator_defaults(), .events = o->events, .rate = o->rate};
	const char *tmp = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
	struct hr_error err;

	(void)sigaction(SIGINT, &act, NULL);
	(void)sigaction(SIGTERM, &act, NULL);
	(void)atexit(remove_temporary);
	d.world.seed = o->seed;
	configure(&d, o);
	hr_log_set_level((enum hr_log_level)d.config.log_level);
	if (o->state == NULL)
		(void)snprintf(temporary, sizeof temporary, "%s/headrace-demo-XXXXXX", tmp);
	if (o->state == NULL && mkdtemp(temporary) == NULL) {
		temporary[0] = '\0';
		(void)hr_fail(&err, HR_E_IO, "could not make a directory for the state: %s", strerror(errno));
		return hr_options_fail(&options, &err);
	}
	run(&d, o->state != NULL ? o->state : temporary);
	hr_config_fini(&d.config);
	return HR_EXIT_OK;
}

int hr_cmd_demo(int argc, char **argv)
{
	struct demo_options o = {0};
	int first, code;

	if (hr_options_read(&options, &o, argc, argv, &first, &code))
		code = first == argc ? demo(&o) : hr_options_misuse(&options, "%s: no such argument", argv[first]);
	hr_options_fini(&options, &o);
	return code;
}
