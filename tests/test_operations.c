/* What an operator does to a running system: forget a user, add partitions, take the state back. */
#include "tests/test_world.h"

#include "daemon/rebuild.h"

/* The newest value of a key on a topic of one partition: 1 a vector, 0 a null, -1 none. */
static int newest_value(struct world *w, const char *topic, const char *key)
{
	const struct hr_kafka_config kafka = {.brokers = hr_broker_bootstrap(w->broker), .client_id = "reader"};
	const struct hr_position from = {.partition = 0, .offset = HR_START_EARLIEST};
	struct hr_record r[64];
	struct hr_source *s = NULL;
	struct hr_error err;
	size_t count, quiet = 0;
	int found = -1;

	assert_ok(hr_source_open_kafka(&kafka, topic, &from, 1, false, &s, &err), &err);
	while (quiet < 5) {
		assert_ok(hr_source_poll(s, r, 64, 200, &count, &err), &err);
		quiet = count == 0 ? quiet + 1 : 0;
		for (size_t i = 0; i < count; i++) {
			if (r[i].key_len == strlen(key) && memcmp(r[i].key, key, r[i].key_len) == 0)
				found = r[i].value != NULL;
		}
	}
	hr_source_close(s);
	return found;
}

static void stop(struct hr_pipeline *p)
{
	hr_pipeline_stop(p);
	hr_pipeline_free(p);
}

/* Any user with a history, by number. */
static void name_of_user(struct hr_pipeline *p, uint32_t user, char name[HR_ID_MAX + 1])
{
	size_t len;
	const uint8_t *id = hr_histories_id(hr_intake_histories(hr_pipeline_intake(p)), user, &len);

	memcpy(name, id, len);
	name[len] = '\0';
}

static void a_forgotten_user_has_no_history_and_a_null_on_the_users_topic(void **state)
{
	struct world *w = *state;
	char user[HR_ID_MAX + 1];
	struct hr_error err;

	produce(w, 600);
	struct hr_pipeline *p = start(w);
	wait_for(p, 600);
	stop(p);
	p = start(w);
	name_of_user(p, 3, user);
	assert_int_equal(newest_value(w, w->config.output_users_topic, user), 1);
	send(w, user, strlen(user), NULL, 0);
	assert_ok(hr_sink_flush(w->sink, DEADLINE_MS, &err), &err);
	wait_for(p, 601);
	hr_pipeline_stop(p);
	assert_true(hr_histories_forgotten(hr_intake_histories(hr_pipeline_intake(p)), 3));
	assert_int_equal(hr_histories_get(hr_intake_histories(hr_pipeline_intake(p)), 3).len, 0);
	assert_int_equal(hr_metric_count(hr_metric_of(hr_pipeline_metrics(p), HR_M_TOMBSTONES)), 1);
	hr_pipeline_free(p);
	assert_int_equal(newest_value(w, w->config.output_users_topic, user), 0);
	p = start(w); /* and stays so */
	assert_true(hr_histories_forgotten(hr_intake_histories(hr_pipeline_intake(p)), 3));
	stop(p);
}

static void send_view(struct world *w, const char *item, int64_t days)
{
	const struct hr_event e = {.user = (const uint8_t *)"u", .user_len = 1, .item = (const uint8_t *)item, .item_len = strlen(item),
	                           .kind = HR_KIND_VIEW, .weight = 1, .time_ms = INT64_C(1700000000000) + days * 86400000};
	struct hr_buf value = {0};

	hr_event_encode(&e, &value);
	send(w, "u", 1, value.p, value.len);
	hr_buf_fini(&value);
}

/* A start-up that would last for minutes: vectors wait for its end, a null value does not. */
static void a_forgotten_user_has_a_null_though_refreshes_are_held(void **state)
{
	struct world *w = *state;
	struct hr_error err;

	set(&w->config, "train.start_up_from=1");
	set(&w->config, "train.start_up=1000");
	set(&w->config, "train.start_up_batch=16");
	produce(w, 3000);
	send_view(w, "tea", 0);
	send(w, "u", 1, NULL, 0);
	assert_ok(hr_sink_flush(w->sink, DEADLINE_MS, &err), &err);
	struct hr_pipeline *p = start(w);
	wait_for(p, 3002);
	for (const int64_t until = hr_mono_us() + DEADLINE_MS * 1000; hr_mono_us() < until; (void)usleep(2000))
		if (hr_metric_count(hr_metric_of(hr_pipeline_metrics(p), HR_M_TOMBSTONES)) != 0)
			break;
	assert_int_not_equal(hr_intake_phase(hr_pipeline_intake(p)), HR_PHASE_LIVE);
	stop(p);
	assert_int_equal(newest_value(w, w->config.output_users_topic, "u"), 0);
	assert_int_equal(newest_value(w, w->config.output_items_topic, "tea"), -1);
}

static void run_until(struct world *w, uint64_t records)
{
	struct hr_pipeline *p = start(w);

	wait_for(p, records);
	stop(p);
}

static void an_expired_item_has_a_null_on_the_items_topic_until_it_is_back(void **state)
{
	struct world *w = *state;
	const char *topic = w->config.output_items_topic;

	set(&w->config, "admit.expire_after=2d");
	send_view(w, "tea", 0);
	send_view(w, "mug", 0);
	run_until(w, 2);
	assert_int_equal(newest_value(w, topic, "tea"), 1);
	send_view(w, "mug", 5);
	run_until(w, 3);
	assert_int_equal(newest_value(w, topic, "tea"), 0);
	assert_int_equal(newest_value(w, topic, "mug"), 1);
	run_until(w, 3); /* a start sends what is live, and not this */
	assert_int_equal(newest_value(w, topic, "tea"), 0);
	send_view(w, "tea", 6);
	run_until(w, 4);
	assert_int_equal(newest_value(w, topic, "tea"), 1);
}

static void another_number_of_partitions_is_refused_or_accepted(void **state)
{
	struct world *w = *state;
	struct hr_pipeline *p = NULL;
	struct hr_error err;

	p = start(w); /* a state of 4 partitions that has read nothing but one record */
	send(w, "nobody", 6, NULL, 0);
	wait_for(p, 1);
	stop(p);
	assert_ok(hr_broker_create_topic(w->broker, "grown", 6, &err), &err);
	set(&w->config, "events.topic=grown");
	assert_false(hr_pipeline_start(&w->config, &p, &err));
	assert_int_equal(err.code, HR_E_CONFIG);
	assert_non_null(strstr(err.msg, "has 6 partitions, it had 4"));
	assert_non_null(strstr(err.msg, "headraced replay"));
	assert_non_null(strstr(err.msg, "events.accept_partitions"));
	set(&w->config, "events.accept_partitions=true");
	set(&w->config, "events.accept_gap=true");
	p = start(w);
	const struct hr_barrier *a = hr_intake_account(hr_pipeline_intake(p));
	assert_int_equal(a->partition_count, 6);
	assert_int_equal(a->partition[5].partition, 5);
	assert_int_equal(a->partition[5].begin, 0);
	assert_ok(hr_sink_send(w->sink, "grown", "somebody", 8, NULL, 0, -1, NULL, 0, &err), &err);
	wait_for(p, 2);
	stop(p);
	set(&w->config, "events.accept_partitions=false"); /* said once, it is so */
	stop(start(w));
	set(&w->config, "events.partitions=0-2"); /* fewer than the state reads is never right */
	assert_false(hr_pipeline_start(&w->config, &p, &err));
	assert_int_equal(err.code, HR_E_CONFIG);
}

static void the_daemon_keeps_checkpoints_and_goes_on_from_a_restored_one(void **state)
{
	struct world *w = *state;
	HR_AUTO(hr_auto_free) struct hr_checkpoint *list = NULL;
	const struct hr_rebuild_options follow = {.order_log = w->state, .quiet = true};
	struct hr_rebuild_result r;
	char again[] = "/tmp/headrace-test-XXXXXX", assignment[64];
	struct hr_error err;
	size_t count;

	set(&w->config, "checkpoint.every=1s");
	set(&w->config, "checkpoint.keep=2");
	struct hr_pipeline *p = start(w);
	for (int i = 0; i < 12; i++) {
		produce(w, 100);
		(void)usleep(350000);
	}
	wait_for(p, 1200);
	stop(p);
	assert_ok(hr_checkpoints_list(w->state, &list, &count, &err), &err);
	assert_int_equal(count, 2);
	assert_ok(hr_checkpoint_restore(w->state, list[0].barrier, &err), &err);
	p = start(w);
	assert_true(hr_pipeline_durable(p) == list[0].barrier);
	wait_for(p, 1200);
	stop(p);
	assert_non_null(mkdtemp(again)); /* what came out is what its order log says, over the seam too */
	(void)snprintf(assignment, sizeof assignment, "state.dir=%s", again);
	set(&w->config, assignment);
	assert_ok(hr_rebuild_run(&w->config, &follow, &r, &err), &err);
	assert_int_equal(r.differs, 0);
	assert_int_equal(r.records, 1200);
	(void)nftw(again, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_forgotten_user_has_no_history_and_a_null_on_the_users_topic, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_forgotten_user_has_a_null_though_refreshes_are_held, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_expired_item_has_a_null_on_the_items_topic_until_it_is_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_number_of_partitions_is_refused_or_accepted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_daemon_keeps_checkpoints_and_goes_on_from_a_restored_one, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("operations", tests, NULL, NULL);
}
