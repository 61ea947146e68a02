/* A live run on the mock broker, and replays of its log: the same bytes at every barrier, or the first that differs. */
#include "tests/test_world.h"

#include "daemon/rebuild.h"
#include "daemon/tool.h"
#include "store/priv.h"

/* A directory for a replay, beside the world's state; and the world's configuration, pointed at it. */
struct copy {
	char dir[64], saved[64];
};

static void begin_copy(struct world *w, struct copy *c, const char *setting)
{
	char assignment[128];

	(void)snprintf(c->saved, sizeof c->saved, "%s", w->config.state_dir);
	(void)snprintf(c->dir, sizeof c->dir, "/tmp/headrace-test-XXXXXX");
	assert_non_null(mkdtemp(c->dir));
	(void)snprintf(assignment, sizeof assignment, "state.dir=%s", c->dir);
	set(&w->config, assignment);
	if (setting != NULL)
		set(&w->config, setting);
}

static void end_copy(struct world *w, struct copy *c)
{
	char assignment[128];

	(void)snprintf(assignment, sizeof assignment, "state.dir=%s", c->saved);
	set(&w->config, assignment);
	(void)nftw(c->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct hr_rebuild_result replay(struct world *w, const struct hr_rebuild_options *o, const char *setting)
{
	struct hr_rebuild_result r = {0};
	struct hr_error err;
	struct copy c;

	begin_copy(w, &c, setting);
	assert_ok(hr_rebuild_run(&w->config, o, &r, &err), &err);
	end_copy(w, &c);
	return r;
}

/* Produces while the daemon runs, with pauses of their own, so that barriers fall anywhere and partitions interleave. */
static uint64_t live_run(struct world *w, uint32_t seed, uint64_t already)
{
	struct hr_rng rng = {.key = seed};
	struct hr_pipeline *p = start(w);
	uint64_t sent = already;

	for (int i = 0; i < 12; i++) {
		const int events = 20 + (int)hr_rng_below(&rng, 150);

		produce(w, events);
		sent += (uint64_t)events;
		(void)usleep(hr_rng_below(&rng, 90000));
	}
	wait_for(p, sent);
	hr_pipeline_stop(p);
	hr_pipeline_free(p);
	return sent;
}

/* Two live runs with a restart between them, a user forgotten, and bytes that are no event. */
static uint64_t live_days(struct world *w)
{
	const uint8_t truncated[] = {0x0a, 0x20, 'u'};
	uint64_t sent = live_run(w, 1, 0);

	send(w, "k", 1, truncated, sizeof truncated);
	send(w, "u000007", 7, NULL, 0);
	sent = live_run(w, 2, sent + 2);
	return sent;
}

static struct hr_barrier newest_barrier(const char *dir)
{
	struct hr_manifest manifest;
	struct hr_barrier row = {0};
	struct hr_store *s;
	struct hr_error err;

	assert_ok(hr_store_look(dir, &manifest, &s, &row, &err), &err);
	hr_store_close(s);
	return row;
}

static void assert_same_digest(struct hr_hash128 a, struct hr_hash128 b)
{
	assert_true(a.hi == b.hi && a.lo == b.lo);
}

static void the_order_log_leads_to_the_live_digest_at_every_barrier(void **state)
{
	static const char *const workers[] = {"train.workers=1", "train.workers=2", "train.workers=4"};
	struct world *w = *state;
	const uint64_t sent = live_days(w);
	struct hr_barrier live = newest_barrier(w->state);
	const struct hr_rebuild_options o = {.order_log = w->state, .quiet = true};

	assert_true(live.number >= 6);
	assert_true(live.steps > sent / 40);
	for (size_t i = 0; i < 3; i++) {
		const struct hr_rebuild_result r = replay(w, &o, workers[i]);

		assert_int_equal(r.differs, 0);
		assert_int_equal(r.equal, live.number);
		assert_int_equal(r.records, sent);
		assert_int_equal(r.events, live.events);
		assert_same_digest(r.digest, live.digest);
	}
	hr_barrier_fini(&live);
}

static void wait_for_phase(struct hr_pipeline *p, enum hr_phase phase)
{
	for (int64_t end = hr_mono_us() + DEADLINE_MS * 1000; hr_intake_phase(hr_pipeline_intake(p)) != phase; (void)usleep(1000)) {
		if (hr_mono_us() > end)
			fail_msg("phase %d was not reached", (int)phase);
	}
}

/* Stopped while the backlog is learned, started again, more events: the same bytes, followed in one go. */
static void a_start_up_stopped_in_its_middle_is_followed_to_the_live_digest(void **state)
{
	struct world *w = *state;
	const struct hr_rebuild_options o = {.order_log = w->state, .quiet = true};

	set(&w->config, "train.start_up_from=2000");
	set(&w->config, "train.start_up=12");
	set(&w->config, "train.start_up_batch=16");
	produce(w, 3000);
	struct hr_pipeline *p = start(w);
	wait_for_phase(p, HR_PHASE_START_UP);
	hr_pipeline_stop(p);
	assert_int_equal(hr_intake_phase(hr_pipeline_intake(p)), HR_PHASE_START_UP);
	hr_pipeline_free(p);
	p = start(w);
	wait_for_phase(p, HR_PHASE_LIVE);
	produce(w, 500);
	wait_for(p, 3500);
	hr_pipeline_stop(p);
	hr_pipeline_free(p);
	struct hr_barrier live = newest_barrier(w->state);
	const struct hr_rebuild_result r = replay(w, &o, NULL);
	assert_int_equal(r.differs, 0);
	assert_int_equal(r.equal, live.number);
	assert_int_equal(r.events, live.events);
	assert_same_digest(r.digest, live.digest);
	hr_barrier_fini(&live);
}

/* Entries of a kind in the order logs of all barriers. */
static size_t count_entries(const char *dir, enum hr_order_kind kind)
{
	HR_AUTO(hr_buf_fini) struct hr_buf log = {0};
	struct hr_manifest manifest;
	struct hr_barrier row = {0};
	struct hr_order_head head;
	struct hr_order_entry e;
	struct hr_store *s;
	struct hr_error err;
	size_t found = 0;

	assert_ok(hr_store_look(dir, &manifest, &s, &row, &err), &err);
	for (uint64_t number = 1; number <= row.number; number++) {
		hr_buf_clear(&log);
		assert_ok(hr_store_order_log(s, number, &head, &log, &err), &err);
		for (struct hr_cursor c = {.p = log.p, .left = log.len}; hr_order_next(&c, &e);)
			found += e.kind == kind;
	}
	hr_store_close(s);
	hr_barrier_fini(&row);
	return found;
}

static void fewer_steps_while_behind_are_recorded_and_followed(void **state)
{
	struct world *w = *state;
	const struct hr_rebuild_options o = {.order_log = w->state, .quiet = true};

	set(&w->config, "train.lag_max=1ms");
	set(&w->config, "train.start_up=0");
	set(&w->config, "model.width=128");
	produce(w, 20000);
	struct hr_pipeline *p = start(w);
	wait_for(p, 20000);
	hr_pipeline_stop(p);
	assert_true(hr_metric_count(hr_metric_of(hr_pipeline_metrics(p), HR_M_STEPS)) < 20000 / 32);
	hr_pipeline_free(p);
	assert_true(count_entries(w->state, HR_ORDER_EVERY) >= 1);
	struct hr_barrier live = newest_barrier(w->state);
	const struct hr_rebuild_result r = replay(w, &o, NULL);
	assert_int_equal(r.differs, 0);
	assert_int_equal(r.events, 20000);
	assert_same_digest(r.digest, live.digest);
	hr_barrier_fini(&live);
}

static void a_merge_of_a_backlog_learns_it_and_gives_one_digest(void **state)
{
	struct world *w = *state;
	const struct hr_rebuild_options o = {.quiet = true};

	set(&w->config, "train.start_up_from=2000");
	set(&w->config, "train.start_up=2");
	produce(w, 3000);
	const struct hr_rebuild_result one = replay(w, &o, NULL), two = replay(w, &o, "train.workers=2");
	set(&w->config, "train.start_up=3");
	const struct hr_rebuild_result more = replay(w, &o, NULL);
	assert_int_equal(one.events, more.events);
	assert_same_digest(one.digest, two.digest);
	assert_true(one.digest.lo != more.digest.lo); /* its epochs are in the state */
}

static void a_merge_gives_one_digest_and_can_be_followed_itself(void **state)
{
	struct world *w = *state;
	const struct hr_rebuild_options merge = {.quiet = true};
	struct hr_error err;
	struct copy c;

	produce(w, 3000);
	set(&w->config, "barrier.events=500");
	const struct hr_rebuild_result one = replay(w, &merge, NULL), two = replay(w, &merge, "train.workers=2");
	assert_int_equal(one.records, 3000);
	assert_true(one.barriers >= 5);
	assert_same_digest(one.digest, two.digest);

	struct hr_rebuild_result three, four;
	begin_copy(w, &c, NULL);
	assert_ok(hr_rebuild_run(&w->config, &merge, &three, &err), &err);
	const struct hr_rebuild_options follow = {.order_log = c.dir, .quiet = true};
	four = replay(w, &follow, NULL);
	assert_int_equal(four.equal, three.barriers);
	assert_false(hr_rebuild_run(&w->config, &merge, &three, &err)); /* the directory holds a state now */
	assert_int_equal(err.code, HR_E_CONFIG);
	end_copy(w, &c);
}

/* One event at a time of its own, to both topics; the second is spared user 5. */
static void send_twice(struct world *w, int n)
{
	HR_AUTO(hr_buf_fini) struct hr_buf b = {0};
	char user[16], item[16];
	struct hr_error err;

	(void)snprintf(user, sizeof user, "u%d", n % 23);
	(void)snprintf(item, sizeof item, "i%d", (n * 7 + n / 23) % 40);
	const struct hr_event e = {.user = (const uint8_t *)user,
	                           .user_len = strlen(user),
	                           .item = (const uint8_t *)item,
	                           .item_len = strlen(item),
	                           .kind = HR_KIND_CLICK,
	                           .weight = 1,
	                           .time_ms = INT64_C(1600000000000) + n * 1000};
	hr_event_encode(&e, &b);
	for (int topic = 0; topic < (n % 23 == 5 ? 1 : 2); topic++)
		assert_ok(hr_sink_send(w->sink, topic == 0 ? "events" : "spared", user, strlen(user), b.p, b.len, e.time_ms, NULL, 0,
		                       &err),
		          &err);
}

static void a_replay_without_a_user_is_the_model_that_never_saw_them(void **state)
{
	struct world *w = *state;
	struct hr_rebuild_options o = {.quiet = true};
	char users[] = "/tmp/headrace-test-users-XXXXXX";
	const int fd = mkstemp(users);
	struct hr_error err;

	assert_int_equal(write(fd, "u5\n", 3), 3);
	assert_int_equal(close(fd), 0);
	assert_ok(hr_broker_create_topic(w->broker, "spared", 4, &err), &err);
	for (int n = 0; n < 2000; n++)
		send_twice(w, n);
	assert_ok(hr_sink_flush(w->sink, DEADLINE_MS, &err), &err);
	set(&w->config, "barrier.events=700");
	const struct hr_rebuild_result with = replay(w, &o, NULL);
	o.without = users;
	const struct hr_rebuild_result without = replay(w, &o, NULL);
	o.without = NULL;
	const struct hr_rebuild_result never = replay(w, &o, "events.topic=spared");
	assert_int_equal(with.events, 2000);
	assert_true(without.events < with.events);
	assert_int_equal(without.events, never.events);
	assert_same_digest(without.digest, never.digest);
	assert_false(with.digest.lo == never.digest.lo);
	(void)unlink(users);
}

static void from_and_to_cut_the_log(void **state)
{
	struct world *w = *state;
	struct hr_rebuild_options o = {.from = "0:10,1:0,2:0,3:0", .to = "0:25,1:0,2:7,3:1", .quiet = true};
	struct hr_rebuild_result r;
	struct hr_error err;

	produce(w, 1000);
	r = replay(w, &o, NULL);
	assert_int_equal(r.records, 15 + 7 + 1);
	o.from = NULL;
	o.to = "latest";
	assert_int_equal(replay(w, &o, NULL).records, 1000);
	static const char *const bad[] = {"soon", "0:1", "0:1,1:1,2:1,3:1,3:2", "0:1,1:1,2:1,3:1,9:1", "0:", "0:1,,", "0:-4,1:1"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct copy c;

		o.to = bad[i];
		begin_copy(w, &c, NULL);
		assert_false(hr_rebuild_run(&w->config, &o, &r, &err));
		assert_int_equal(err.code, HR_E_CONFIG);
		end_copy(w, &c);
	}
}

static bool keep_weights(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len,
                         struct hr_error *err)
{
	(void)err;
	if (cls == HR_REC_DENSE && number == 0)
		hr_buf_bytes(ctx, bytes, len);
	return true;
}

/* One bit of one weight, written as a barrier of its own with checksum and digest as they should be. */
static uint64_t flip_a_weight(struct world *w)
{
	struct hr_manifest any = {0};
	HR_AUTO(hr_buf_fini) struct hr_buf dense = {0};
	char notice[HR_NOTICE_BYTES];
	struct hr_changes *c = hr_changes_new();
	struct hr_barrier row;
	struct hr_store *s;
	struct hr_error err;

	assert_ok(hr_store_open(w->state, &any, &s, &row, notice, &err), &err);
	assert_ok(hr_store_load(s, keep_weights, &dense, &err), &err);
	assert_true(dense.len > 1000);
	dense.p[500] ^= 1;
	hr_changes_put(c, HR_REC_DENSE, 0, dense.p, dense.len);
	row.number++;
	assert_ok(hr_store_commit(s, c, &row, &err), &err);
	const uint64_t number = row.number;
	hr_changes_free(c);
	hr_barrier_fini(&row);
	hr_store_close(s);
	return number;
}

static void a_weight_that_no_event_explains_is_found_and_its_barrier_named(void **state)
{
	struct world *w = *state;
	const struct hr_rebuild_options o = {.order_log = w->state, .quiet = true};

	(void)live_run(w, 3, 0);
	const uint64_t barrier = flip_a_weight(w);
	const struct hr_rebuild_result r = replay(w, &o, NULL);
	assert_int_equal(r.differs, barrier);
	assert_int_equal(r.equal, barrier - 1);
	assert_false(r.want.lo == r.got.lo);
}

/* The same bit, under the barrier's feet: the record's checksum is made to fit, the barrier row knows nothing of it. */
static void flip_a_weight_on_disk(struct world *w)
{
	struct hr_manifest any = {0};
	HR_AUTO(hr_buf_fini) struct hr_buf dense = {0};
	HR_AUTO(hr_free_batch) rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	char notice[HR_NOTICE_BYTES], *why = NULL;
	uint8_t key[HR_KEY_RECORD];
	struct hr_barrier row;
	struct hr_store *s;
	struct hr_error err;

	assert_ok(hr_store_open(w->state, &any, &s, &row, notice, &err), &err);
	assert_ok(hr_store_load(s, keep_weights, &dense, &err), &err);
	dense.p[500] ^= 1;
	hr_record_key(key, HR_REC_DENSE, 0);
	hr_value_put(batch, key, sizeof key, dense.p, dense.len);
	rocksdb_write(s->db, s->synced, batch, &why);
	assert_null(why);
	hr_barrier_fini(&row);
	hr_store_close(s);
}

/* As a person calls it, with the settings of the world that training and reading depend on. */
static int verify(struct world *w)
{
	char brokers[300];
	char *argv[] = {"verify",   "--state", w->state,   "--set", "events.topic=events", "--set", "model.width=32",     "--set",
	                "evaluate.share=0.5", "--set", "train.window=128", "--set", "history.length=20",  "--set", brokers};

	(void)snprintf(brokers, sizeof brokers, "kafka.brokers=%s", hr_broker_bootstrap(w->broker));
	return hr_cmd_verify(sizeof argv / sizeof argv[0], argv);
}

static void verify_tells_a_true_state_from_a_changed_one(void **state)
{
	struct world *w = *state;

	(void)live_run(w, 5, 0);
	assert_int_equal(verify(w), HR_EXIT_OK);
	flip_a_weight_on_disk(w);
	assert_int_equal(verify(w), HR_EXIT_FAILED);
	struct hr_pipeline *p = NULL; /* nor does the daemon go on from it */
	struct hr_error err;
	assert_false(hr_pipeline_start(&w->config, &p, &err));
	assert_int_equal(err.code, HR_E_STORE);
}

static void verify_names_a_barrier_that_was_written_by_no_event(void **state)
{
	struct world *w = *state;

	(void)live_run(w, 6, 0);
	(void)flip_a_weight(w);
	assert_int_equal(verify(w), HR_EXIT_FAILED);
}

static void a_log_that_lacks_what_the_order_log_takes_is_refused(void **state)
{
	struct world *w = *state;
	const struct hr_rebuild_options o = {.order_log = w->state, .quiet = true};
	struct hr_rebuild_result r;
	struct hr_error err;
	struct copy c;

	(void)live_run(w, 4, 0);
	assert_ok(hr_broker_create_topic(w->broker, "other", 4, &err), &err);
	begin_copy(w, &c, "events.topic=other");
	assert_false(hr_rebuild_run(&w->config, &o, &r, &err));
	assert_int_equal(err.code, HR_E_CONFIG);
	assert_non_null(strstr(err.msg, "topic other ends at 0"));
	set(&w->config, "model.heads=1");
	assert_false(hr_rebuild_run(&w->config, &o, &r, &err));
	assert_int_equal(err.code, HR_E_CONFIG);
	end_copy(w, &c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_order_log_leads_to_the_live_digest_at_every_barrier, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_start_up_stopped_in_its_middle_is_followed_to_the_live_digest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(fewer_steps_while_behind_are_recorded_and_followed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_merge_of_a_backlog_learns_it_and_gives_one_digest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_merge_gives_one_digest_and_can_be_followed_itself, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_replay_without_a_user_is_the_model_that_never_saw_them, set_up, tear_down),
		cmocka_unit_test_setup_teardown(from_and_to_cut_the_log, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_weight_that_no_event_explains_is_found_and_its_barrier_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(verify_tells_a_true_state_from_a_changed_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(verify_names_a_barrier_that_was_written_by_no_event, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_log_that_lacks_what_the_order_log_takes_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
