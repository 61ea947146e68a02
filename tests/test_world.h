/* tests/test_world.h - a mock broker with a topic of events, a simulator that fills it, and a state directory. */
#ifndef HR_TESTS_TEST_WORLD_H
#define HR_TESTS_TEST_WORLD_H

#include "tests/test.h"

#include <ftw.h>
#include <unistd.h>

#include "base/base.h"
#include "daemon/pipeline.h"
#include "store/store.h"

enum { DEADLINE_MS = 60000, WIDTH = 32 };

struct world {
	struct hr_broker *broker;
	struct hr_sink *sink;
	struct hr_simulator *simulator;
	struct hr_config config;
	char state[32];
};

static inline void set(struct hr_config *c, const char *assignment)
{
	struct hr_error err;

	if (!hr_config_assign(c, assignment, HR_FROM_FLAG, &err))
		fail_msg("%s: %s", assignment, err.msg);
}

static inline void assert_ok(bool ok, const struct hr_error *err)
{
	if (!ok)
		fail_msg("%s", err->msg);
}

static inline int set_up(void **state)
{
	static const char *const settings[] = {"events.topic=events",   "model.width=32",     "barrier.interval=200ms",
	                                       "output.partitions=1",   "http.enabled=false", "evaluate.share=0.5",
	                                       "output.min_shift=0",    "train.window=128",   "log.level=error",
	                                       "history.length=20"};
	struct world *w = hr_alloc(1, sizeof *w);
	struct hr_error err;
	char assignment[256];

	assert_ok(hr_broker_start(&w->broker, &err), &err);
	hr_config_init(&w->config);
	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
		set(&w->config, settings[i]);
	(void)snprintf(assignment, sizeof assignment, "kafka.brokers=%s", hr_broker_bootstrap(w->broker));
	set(&w->config, assignment);
	(void)snprintf(w->state, sizeof w->state, "/tmp/headrace-test-XXXXXX");
	assert_non_null(mkdtemp(w->state));
	(void)snprintf(assignment, sizeof assignment, "state.dir=%s", w->state);
	set(&w->config, assignment);
	assert_ok(hr_broker_create_topic(w->broker, "events", 4, &err), &err);
	assert_ok(hr_broker_create_topic(w->broker, w->config.output_items_topic, 1, &err), &err);
	assert_ok(hr_broker_create_topic(w->broker, w->config.output_users_topic, 1, &err), &err);
	const struct hr_kafka_config kafka = {.brokers = hr_broker_bootstrap(w->broker), .client_id = "test"};
	assert_ok(hr_sink_open(&kafka, &w->sink, &err), &err);
	struct hr_simulator_config world = hr_simulator_defaults();
	world.users = 300;
	world.items = 200;
	w->simulator = hr_simulator_new(&world);
	*state = w;
	return 0;
}

static inline int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st, (void)flag, (void)at;
	return remove(path);
}

static inline int tear_down(void **state)
{
	struct world *w = *state;

	hr_sink_close(w->sink, 1000);
	hr_broker_stop(w->broker);
	hr_simulator_free(w->simulator);
	hr_config_fini(&w->config);
	(void)nftw(w->state, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	hr_free(w);
	return 0;
}

static inline void send(struct world *w, const void *key, size_t key_len, const void *value, size_t value_len)
{
	struct hr_error err;

	assert_ok(hr_sink_send(w->sink, "events", key, key_len, value, value_len, -1, NULL, 0, &err), &err);
}

static inline void produce(struct world *w, int events)
{
	struct hr_buf b = {0};
	struct hr_error err;
	struct hr_event e;

	for (int i = 0; i < events; i++) {
		hr_simulator_next(w->simulator, &e);
		hr_buf_clear(&b);
		hr_event_encode(&e, &b);
		send(w, e.user, e.user_len, b.p, b.len);
	}
	hr_buf_fini(&b);
	assert_ok(hr_sink_flush(w->sink, DEADLINE_MS, &err), &err);
}

static inline uint64_t consumed(struct hr_pipeline *p)
{
	struct hr_intake *in = hr_pipeline_intake(p);
	uint64_t n = 0;

	hr_intake_lock(in);
	const struct hr_barrier *a = hr_intake_account(in);
	for (size_t i = 0; i < a->partition_count; i++)
		n += (uint64_t)(a->partition[i].offset - a->partition[i].begin);
	hr_intake_unlock(in);
	return n;
}

static inline struct hr_pipeline *start(struct world *w)
{
	struct hr_pipeline *p = NULL;
	struct hr_error err;

	assert_ok(hr_pipeline_start(&w->config, &p, &err), &err);
	return p;
}

static inline void wait_for(struct hr_pipeline *p, uint64_t records)
{
	const int64_t until = hr_mono_us() + DEADLINE_MS * 1000;

	while (consumed(p) < records) {
		if (hr_mono_us() > until)
			fail_msg("%llu of %llu records after %d ms", (unsigned long long)consumed(p), (unsigned long long)records,
			         DEADLINE_MS);
		(void)usleep(2000);
	}
}

#endif
