/* The whole daemon on the mock broker: events in, vectors out, stop and start again. */
#include "tests/test_world.h"

#include <math.h>

#include "proto/proto.h"

/* Reads a topic whole and folds it: the newest vector of every id. Returns ids with a vector; checks each. */
static size_t fold_vectors(struct world *w, const char *topic, size_t *ret_markers)
{
	const struct hr_kafka_config kafka = {.brokers = hr_broker_bootstrap(w->broker), .client_id = "reader"};
	const struct hr_position from = {.partition = 0, .offset = HR_START_EARLIEST};
	struct hr_idmap *ids = hr_idmap_new();
	struct hr_record r[64];
	struct hr_source *s = NULL;
	struct hr_error err;
	size_t count, quiet = 0;

	assert_ok(hr_source_open_kafka(&kafka, topic, &from, 1, false, &s, &err), &err);
	while (quiet < 5) {
		assert_ok(hr_source_poll(s, r, 64, 200, &count, &err), &err);
		quiet = count == 0 ? quiet + 1 : 0;
		for (size_t i = 0; i < count; i++) {
			double squares = 0;
			bool fresh;

			if (r[i].key_len == 8 && memcmp(r[i].key, "\x01refresh", 8) == 0) {
				(*ret_markers)++;
				continue;
			}
			Headrace__V1__Embedding *e = headrace__v1__embedding__unpack(NULL, r[i].value_len, r[i].value);
			assert_non_null(e);
			assert_int_equal(e->dimensions, WIDTH);
			assert_int_equal(e->vector.len, 4 * WIDTH);
			for (size_t d = 0; d < WIDTH; d++) {
				float v;

				memcpy(&v, e->vector.data + 4 * d, sizeof v);
				squares += (double)v * (double)v;
			}
			assert_close(squares, 1, 1e-4, "squared length", i);
			assert_true(e->events >= 1);
			(void)hr_idmap_add(ids, r[i].key, r[i].key_len, &fresh);
			headrace__v1__embedding__free_unpacked(e, NULL);
		}
	}
	hr_source_close(s);
	const size_t found = hr_idmap_count(ids);
	hr_idmap_free(ids);
	return found;
}

static void every_item_and_user_gets_a_unit_vector(void **state)
{
	struct world *w = *state;
	size_t markers = 0;

	produce(w, 2000);
	struct hr_pipeline *p = start(w);
	wait_for(p, 2000);
	hr_pipeline_stop(p);
	const uint32_t items = hr_catalogue_count(hr_intake_catalogue(hr_pipeline_intake(p)));
	const uint32_t users = hr_histories_count(hr_intake_histories(hr_pipeline_intake(p)));
	assert_true(hr_metric_count(hr_metric_of(hr_pipeline_metrics(p), HR_M_STEPS)) > 50);
	hr_pipeline_free(p);
	assert_int_equal(fold_vectors(w, w->config.output_items_topic, &markers), items);
	assert_true(markers >= 1);
	assert_int_equal(fold_vectors(w, w->config.output_users_topic, &markers), users);
}

static void nothing_is_published_before_a_start_up_is_over_then_all_of_it(void **state)
{
	struct world *w = *state;
	size_t markers = 0;

	set(&w->config, "train.start_up_from=2000");
	set(&w->config, "train.start_up=3");
	set(&w->config, "barrier.events=500");
	produce(w, 3000);
	struct hr_pipeline *p = start(w);
	wait_for(p, 3000);
	for (bool live = false; !live; (void)usleep(1000)) {
		const uint64_t sent = hr_metric_count(hr_metric_of(hr_pipeline_metrics(p), HR_M_PUBLISHED_USERS));
		live = hr_intake_phase(hr_pipeline_intake(p)) == HR_PHASE_LIVE;
		assert_true(live || sent == 0);
	}
	produce(w, 100);
	wait_for(p, 3100);
	hr_pipeline_stop(p);
	const uint32_t items = hr_catalogue_count(hr_intake_catalogue(hr_pipeline_intake(p)));
	const uint32_t users = hr_histories_count(hr_intake_histories(hr_pipeline_intake(p)));
	assert_true(hr_metric_count(hr_metric_of(hr_pipeline_metrics(p), HR_M_HELD)) >= 1);
	assert_true(hr_metric_value(hr_metric_of(hr_pipeline_metrics(p), HR_M_HOLDING)) == 0);
	hr_pipeline_free(p);
	assert_int_equal(fold_vectors(w, w->config.output_items_topic, &markers), items);
	assert_true(markers >= 1);
	assert_int_equal(fold_vectors(w, w->config.output_users_topic, &markers), users);
}

static void a_refresh_stays_within_its_budget(void **state)
{
	struct world *w = *state;
	size_t markers = 0;

	set(&w->config, "output.budget=1KiB");
	produce(w, 2000);
	struct hr_pipeline *p = start(w);
	wait_for(p, 2000);
	hr_pipeline_stop(p);
	const uint64_t sent = hr_metric_count(hr_metric_of(hr_pipeline_metrics(p), HR_M_PUBLISHED_ITEMS));
	hr_pipeline_free(p);
	(void)fold_vectors(w, w->config.output_items_topic, &markers);
	assert_true(sent >= markers);
	assert_true(sent <= 8 * markers); /* a vector of 32 numbers takes over 128 bytes */
}

static void a_restart_goes_on_without_loss_or_double(void **state)
{
	struct world *w = *state;

	produce(w, 1000);
	struct hr_pipeline *p = start(w);
	wait_for(p, 1000);
	hr_pipeline_stop(p);
	const uint64_t barrier = hr_pipeline_durable(p);
	hr_pipeline_free(p);
	produce(w, 500);
	p = start(w);
	assert_true(hr_pipeline_durable(p) == barrier);
	assert_true(consumed(p) >= 1000);
	wait_for(p, 1500);
	hr_pipeline_stop(p);
	const struct hr_barrier *a = hr_intake_account(hr_pipeline_intake(p));
	uint64_t trained = 0, other = 0;
	for (size_t i = 0; i < a->partition_count; i++) {
		trained += a->partition[i].trained;
		other += a->partition[i].duplicate + a->partition[i].late;
	}
	assert_int_equal(trained + other, 1500);
	assert_int_equal(a->events, trained);
	hr_pipeline_free(p);
}

static void a_stop_commits_the_offsets_of_its_last_barrier(void **state)
{
	struct world *w = *state;
	const struct hr_kafka_config kafka = {.brokers = hr_broker_bootstrap(w->broker), .client_id = "test", .group_id = "headrace"};
	struct hr_position at[4] = {{0, 0}, {1, 0}, {2, 0}, {3, 0}};
	struct hr_source *s = NULL;
	struct hr_error err;

	set(&w->config, "barrier.interval=1h"); /* the only barrier is the last one */
	produce(w, 300);
	struct hr_pipeline *p = start(w);
	wait_for(p, 300);
	hr_pipeline_stop(p);
	const struct hr_barrier *a = hr_intake_account(hr_pipeline_intake(p));
	assert_int_equal(a->number, 1);
	int64_t want[4];
	for (size_t i = 0; i < 4; i++)
		want[i] = a->partition[i].offset;
	hr_pipeline_free(p);
	assert_ok(hr_source_open_kafka(&kafka, "events", at, 4, false, &s, &err), &err);
	assert_ok(hr_source_committed(s, at, 4, 10000, &err), &err);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(at[i].offset, want[i]);
	hr_source_close(s);
}

static void the_drift_of_the_vectors_is_told(void **state)
{
	struct world *w = *state;
	struct hr_simulator_config days = hr_simulator_defaults();

	days.users = 300;
	days.items = 200;
	days.days_per_million = 2500; /* 400 events a day */
	hr_simulator_free(w->simulator);
	w->simulator = hr_simulator_new(&days);
	set(&w->config, "barrier.events=100");
	produce(w, 4000);
	struct hr_pipeline *p = start(w);
	wait_for(p, 4000);
	hr_pipeline_stop(p);
	for (int id = HR_M_DRIFT_USER1; id <= HR_M_DRIFT_ITEM1; id++) {
		const double cosine = hr_metric_value(hr_metric_of(hr_pipeline_metrics(p), (enum hr_metric_id)id));
		assert_true(cosine > 0.5 && cosine < 0.99999); /* it learns, and is the same model */
	}
	hr_pipeline_free(p);
}

static void bad_records_are_counted_and_lose_nothing_else(void **state)
{
	struct world *w = *state;
	const uint8_t truncated[] = {0x0a, 0x20, 'u'};

	produce(w, 100);
	send(w, "k", 1, truncated, sizeof truncated);
	send(w, "k", 1, "", 0);
	send(w, "nobody", 6, NULL, 0);
	produce(w, 100);
	struct hr_pipeline *p = start(w);
	wait_for(p, 203);
	hr_pipeline_stop(p);
	const struct hr_metrics *m = hr_pipeline_metrics(p);
	assert_int_equal(hr_metrics_outcomes(m, HR_OUT_REJECTED), 2);
	assert_int_equal(hr_metrics_outcomes(m, HR_OUT_FORGOTTEN), 1);
	assert_int_equal(hr_metrics_outcomes(m, HR_OUT_TRAINED) + hr_metrics_outcomes(m, HR_OUT_DUPLICATE), 200);
	hr_pipeline_free(p);
}

static void an_item_is_described_without_a_price_that_is_no_number_until_a_null_value(void **state)
{
	struct world *w = *state;
	Headrace__V1__Item item = HEADRACE__V1__ITEM__INIT;
	uint8_t bytes[64];
	struct hr_item described = {.price = -1};
	struct hr_error err;
	bool known = false;

	item.id = (ProtobufCBinaryData){.len = 3, .data = (uint8_t *)"tea"};
	item.title = (char *)"Tea";
	item.price = NAN;
	const size_t len = headrace__v1__item__pack(&item, bytes);
	assert_true(len <= sizeof bytes);
	assert_ok(hr_broker_create_topic(w->broker, "items", 1, &err), &err);
	set(&w->config, "items.topic=items");
	assert_ok(hr_sink_send(w->sink, "items", "tea", 3, bytes, 2, -1, NULL, 0, &err), &err); /* cut off: refused */
	assert_ok(hr_sink_send(w->sink, "items", "tea", 3, bytes + 5, len - 5, -1, NULL, 0, &err), &err); /* without its id, too */
	assert_ok(hr_sink_send(w->sink, "items", "tea", 3, bytes, len, -1, NULL, 0, &err), &err);
	assert_ok(hr_sink_flush(w->sink, DEADLINE_MS, &err), &err);
	struct hr_pipeline *p = start(w);
	for (const int64_t until = hr_mono_us() + DEADLINE_MS * 1000; !known && hr_mono_us() < until; (void)usleep(2000)) {
		hr_intake_lock(hr_pipeline_intake(p));
		known = hr_intake_described(hr_pipeline_intake(p), "tea", 3, &described);
		hr_intake_unlock(hr_pipeline_intake(p));
	}
	assert_true(known);
	assert_true(described.price == 0);
	assert_ok(hr_sink_send(w->sink, "items", "tea", 3, NULL, 0, -1, NULL, 0, &err), &err);
	assert_ok(hr_sink_flush(w->sink, DEADLINE_MS, &err), &err);
	for (const int64_t until = hr_mono_us() + DEADLINE_MS * 1000; known && hr_mono_us() < until; (void)usleep(2000)) {
		hr_intake_lock(hr_pipeline_intake(p));
		known = hr_intake_described(hr_pipeline_intake(p), "tea", 3, &described);
		hr_intake_unlock(hr_pipeline_intake(p));
	}
	assert_false(known); /* a null value takes it back */
	hr_pipeline_stop(p);
	assert_int_equal(hr_metric_count(hr_metric_of(hr_pipeline_metrics(p), HR_M_ITEMS_REFUSED)), 2);
	hr_pipeline_free(p);
}

static void records_that_are_all_refused_become_durable_too(void **state)
{
	struct world *w = *state;
	const int64_t until = hr_mono_us() + 3000000;
	struct hr_error err;

	struct hr_pipeline *p = start(w);
	while (hr_mono_us() < until && hr_pipeline_durable(p) == 0) { /* never idle */
		send(w, "k", 1, "", 0);
		assert_ok(hr_sink_flush(w->sink, DEADLINE_MS, &err), &err);
	}
	assert_true(hr_pipeline_durable(p) >= 1);
	hr_pipeline_stop(p);
	hr_pipeline_free(p);
}

static void another_training_setting_does_not_continue_a_state(void **state)
{
	struct world *w = *state;
	struct hr_pipeline *p = NULL;
	struct hr_error err;

	produce(w, 100);
	p = start(w);
	wait_for(p, 100);
	hr_pipeline_stop(p);
	hr_pipeline_free(p);
	set(&w->config, "model.heads=1");
	assert_false(hr_pipeline_start(&w->config, &p, &err));
	assert_int_equal(err.code, HR_E_CONFIG);
}

static bool keep_trainer(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len,
                         struct hr_error *err)
{
	(void)number, (void)err;
	if (cls == HR_REC_TRAINER)
		hr_buf_bytes(ctx, bytes, len);
	return true;
}

/* Writes a barrier after which three steps in a row were refused; the layout is at the head of model/state.c. */
static void freeze(const char *dir)
{
	enum { REFUSED_AT = 1 + 8 + 8 + 4 };
	struct hr_manifest any = {0};
	struct hr_changes *changes = hr_changes_new();
	struct hr_buf trainer = {0};
	struct hr_barrier row;
	struct hr_store *store;
	char notice[HR_NOTICE_BYTES];
	struct hr_error err;

	assert_ok(hr_store_open(dir, &any, &store, &row, notice, &err), &err);
	assert_ok(hr_store_load(store, keep_trainer, &trainer, &err), &err);
	assert_true(trainer.len > REFUSED_AT);
	trainer.p[REFUSED_AT] = HR_REFUSED_MAX;
	hr_changes_put(changes, HR_REC_TRAINER, 0, trainer.p, trainer.len);
	row.number++;
	assert_ok(hr_store_commit(store, changes, &row, &err), &err);
	hr_changes_free(changes);
	hr_barrier_fini(&row);
	hr_buf_fini(&trainer);
	hr_store_close(store);
}

/* Steps that are taken over 300 more events, which make `records` in all. */
static uint64_t steps_to(struct world *w, uint64_t records)
{
	produce(w, 300);
	struct hr_pipeline *p = start(w);
	wait_for(p, records);
	hr_pipeline_stop(p);
	const uint64_t steps = hr_metric_count(hr_metric_of(hr_pipeline_metrics(p), HR_M_STEPS));
	hr_pipeline_free(p);
	return steps;
}

static void frozen_learning_goes_on_with_train_thaw_only(void **state)
{
	struct world *w = *state;

	assert_true(steps_to(w, 300) > 0);
	freeze(w->state);
	assert_int_equal(steps_to(w, 600), 0);
	set(&w->config, "train.thaw=true");
	assert_true(steps_to(w, 900) > 0);
	set(&w->config, "train.thaw=false");
	assert_true(steps_to(w, 1200) > 0);
}

static void what_the_state_knows_is_told_before_the_first_barrier(void **state)
{
	struct world *w = *state;

	assert_true(steps_to(w, 300) > 0);
	struct hr_pipeline *p = start(w);
	const double barrier = hr_metric_value(hr_metric_of(hr_pipeline_metrics(p), HR_M_BARRIER));
	const double recall = hr_metrics_recall(hr_pipeline_metrics(p), HR_RANK_POPULARITY, HR_SLICE_ALL, 20);
	assert_true(barrier >= 1);
	assert_true(recall > 0);
	hr_pipeline_stop(p);
	hr_pipeline_free(p);
}

static void a_stop_with_the_broker_gone_ends_and_keeps_the_state(void **state)
{
	struct world *w = *state;

	produce(w, 300);
	struct hr_pipeline *p = start(w);
	wait_for(p, 300);
	hr_broker_stop(w->broker);
	w->broker = NULL;
	const int64_t began = hr_mono_us();
	hr_pipeline_stop(p);
	assert_true(hr_mono_us() - began < (int64_t)DEADLINE_MS * 1000);
	assert_true(hr_pipeline_durable(p) >= 1);
	assert_int_equal(hr_intake_account(hr_pipeline_intake(p))->events, 300);
	hr_pipeline_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_item_and_user_gets_a_unit_vector, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_published_before_a_start_up_is_over_then_all_of_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_refresh_stays_within_its_budget, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_restart_goes_on_without_loss_or_double, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_stop_commits_the_offsets_of_its_last_barrier, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_drift_of_the_vectors_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bad_records_are_counted_and_lose_nothing_else, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_item_is_described_without_a_price_that_is_no_number_until_a_null_value, set_up, tear_down),
		cmocka_unit_test_setup_teardown(records_that_are_all_refused_become_durable_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(frozen_learning_goes_on_with_train_thaw_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_the_state_knows_is_told_before_the_first_barrier, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_stop_with_the_broker_gone_ends_and_keeps_the_state, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_training_setting_does_not_continue_a_state, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL);
}
