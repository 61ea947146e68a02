#include "tests/test.h"

#include "base/base.h"
#include "daemon/intake.h"
#include "store/store.h"

static const struct hr_intake_config config = {.history_length = 10,
                                               .min_count = 1,
                                               .positions = 10,
                                               .every = 4,
                                               .window = 8,
                                               .rehearsal = 1,
                                               .future_limit_ms = 600000,
                                               .seed = 7};
static const int64_t start_ms = INT64_C(1600000000000);

static struct hr_event event(const char *user, const char *item, int64_t time_ms)
{
	return (struct hr_event){.user = (const uint8_t *)user,
	                         .user_len = strlen(user),
	                         .item = (const uint8_t *)item,
	                         .item_len = strlen(item),
	                         .kind = HR_KIND_CLICK,
	                         .weight = 1,
	                         .time_ms = time_ms};
}

static struct hr_intake *new_intake(void)
{
	struct hr_intake *in = hr_intake_new(&config);

	hr_intake_partition(in, 0, 100);
	return in;
}

/* Event number n of a small world: 5 users walk over 7 items. */
static enum hr_outcome feed(struct hr_intake *in, int n)
{
	char user[8], item[8];
	enum hr_reject why;

	(void)snprintf(user, sizeof user, "u%d", n % 5);
	(void)snprintf(item, sizeof item, "i%d", (n * 3) % 7);
	const struct hr_event e = event(user, item, start_ms + n * 1000);
	return hr_intake_event(in, &e, 0, 100 + n, start_ms, &why);
}

static enum hr_outcome under_key(struct hr_intake *in, const char *key, int64_t offset)
{
	struct hr_decoder *decoder = hr_decoder_new(HR_FORMAT_PROTOBUF, NULL, HR_KIND_CLICK);
	struct hr_buf value = {0};
	enum hr_reject why;
	const struct hr_event e = event("u1", "i1", start_ms + offset * 1000);

	hr_event_encode(&e, &value);
	const struct hr_record r = {.key = (const uint8_t *)key, .key_len = key != NULL ? strlen(key) : 0, .value = value.p,
	                            .value_len = value.len, .offset = offset, .timestamp_ms = start_ms};
	const enum hr_outcome outcome = hr_intake_record(in, &r, decoder, &why);
	hr_decoder_free(decoder);
	hr_buf_fini(&value);
	return outcome;
}

static void an_event_under_another_key_is_taken_and_counted(void **state)
{
	static const char *const other[] = {"u2", "u", "u11", "", NULL};
	struct hr_intake *in = new_intake();

	(void)state;
	assert_int_equal(under_key(in, "u1", 100), HR_OUT_TRAINED);
	assert_int_equal(hr_intake_other_keys(in), 0);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(under_key(in, other[i], 101 + i), HR_OUT_TRAINED);
		assert_int_equal(hr_intake_other_keys(in), i + 1);
	}
	assert_int_equal(hr_histories_count(hr_intake_histories(in)), 1);
	hr_intake_free(in);
}

static void every_offset_is_accounted_for_once(void **state)
{
	struct hr_intake *in = new_intake();
	enum hr_reject why;
	const struct hr_event far = event("u1", "i1", start_ms + 3600000), same = event("u0", "i0", start_ms);

	(void)state;
	assert_int_equal(feed(in, 0), HR_OUT_TRAINED);
	assert_int_equal(hr_intake_event(in, &far, 0, 101, start_ms, &why), HR_OUT_REJECTED);
	assert_int_equal(why, HR_REJECT_FUTURE);
	assert_int_equal(hr_intake_stream_ms(in), start_ms);
	assert_int_equal(hr_intake_event(in, &same, 0, 102, start_ms, &why), HR_OUT_DUPLICATE);
	const struct hr_record tombstone = {.key = (const uint8_t *)"u0", .key_len = 2, .offset = 105};
	assert_int_equal(hr_intake_record(in, &tombstone, NULL, &why), HR_OUT_FORGOTTEN);
	const struct hr_partition *p = &hr_intake_account(in)->partition[0];
	assert_int_equal(p->trained, 1);
	assert_int_equal(p->duplicate, 1);
	assert_int_equal(p->rejected[HR_REJECT_FUTURE], 1);
	assert_int_equal(p->forgotten, 1);
	assert_int_equal(p->gap, 2);
	assert_int_equal(p->offset - p->begin, 6);
	hr_intake_free(in);
}

static void a_broker_timestamp_at_the_end_of_time_refuses_no_event(void **state)
{
	struct hr_intake *in = new_intake();
	const struct hr_event e = event("u0", "i0", start_ms);
	enum hr_reject why;

	(void)state;
	assert_int_equal(hr_intake_event(in, &e, 0, 100, INT64_MAX, &why), HR_OUT_TRAINED);
	hr_intake_free(in);
}

static void a_step_is_due_after_every_events(void **state)
{
	struct hr_intake *in = new_intake();

	(void)state;
	for (int n = 0; n < 4; n++) {
		assert_false(hr_intake_step_due(in));
		(void)feed(in, n);
	}
	assert_true(hr_intake_step_due(in));
	struct hr_work *w = hr_intake_step(in);
	assert_int_equal(w->event_count, 4);
	assert_int_equal(w->item_count, 4);
	assert_int_equal(w->admission_count, 4);
	assert_int_equal(w->admission[3].event, 3);
	assert_int_equal(w->batch.sequences, 0); /* nobody has two events yet */
	assert_int_equal(hr_intake_pending(in), 0);
	hr_work_free(w);
	hr_intake_free(in);
}

static void without_training_a_step_is_empty_and_never_due(void **state)
{
	struct hr_intake_config without = config;
	enum hr_reject why;

	(void)state;
	without.every = 0;
	struct hr_intake *in = hr_intake_new(&without);
	hr_intake_partition(in, 0, 0);
	for (int n = 0; n < 50; n++) {
		const struct hr_event e = event(n % 2 ? "u1" : "u2", n % 3 ? "i1" : "i2", start_ms + n * 1000);
		assert_int_equal(hr_intake_event(in, &e, 0, n, start_ms, &why), HR_OUT_TRAINED);
		assert_false(hr_intake_step_due(in));
	}
	struct hr_work *w = hr_intake_step(in);
	assert_int_equal(w->event_count, 0);
	assert_int_equal(w->batch.sequences, 0);
	assert_int_equal(w->item_count, 2);
	assert_int_equal(w->admission_count, 2);
	const struct hr_model_config model = hr_model_defaults();
	struct hr_trainer *t;
	struct hr_error err;
	assert_true(hr_trainer_new(&model, &t, &err));
	hr_work_observe(w, t, /* in_turn */ true, NULL);
	hr_trainer_free(t);
	struct hr_work *barrier = hr_intake_barrier(in, 1, 0);
	assert_int_equal(barrier->row.events, 50);
	assert_int_equal(barrier->user_count, 2);
	hr_work_free(barrier);
	hr_work_free(w);
	hr_intake_free(in);
}

/* Records of every kind: events, bytes that are none, tombstones, failed ones. bytes holds them. */
static void make_records(struct hr_record *record, uint8_t bytes[][64], size_t count)
{
	for (size_t n = 0; n < count; n++) {
		struct hr_buf value = {0};
		struct hr_event e = event(n % 5 == 0 ? "u0" : "u1", n % 7 == 0 ? "i0" : "i1", start_ms + (int64_t)n * 1000);

		e.id = (const uint8_t *)&n, e.id_len = n % 3;
		hr_event_encode(&e, &value);
		memcpy(bytes[n], value.p, value.len);
		record[n] = (struct hr_record){.key = e.user, .key_len = e.user_len, .value = bytes[n], .value_len = value.len,
		                               .offset = 100 + (int64_t)n, .timestamp_ms = start_ms};
		if (n % 11 == 3)
			record[n].value_len = 7;
		else if (n % 11 == 4)
			record[n].value = NULL;
		record[n].failed = n % 11 == 5;
		hr_buf_fini(&value);
	}
}

static void looking_ahead_changes_nothing(void **state)
{
	enum { RECORDS = 40 };
	struct hr_record record[RECORDS];
	uint8_t bytes[RECORDS][64];
	struct hr_decoder *protobuf = hr_decoder_new(HR_FORMAT_PROTOBUF, NULL, 0), *json = hr_decoder_new(HR_FORMAT_JSON, NULL, 0);

	(void)state;
	make_records(record, bytes, RECORDS);
	for (unsigned way = 0; way < 4; way++) { /* protobuf all, and some left out; the same as JSON, which it is not */
		struct hr_decoder *decoder = way < 2 ? protobuf : json;
		struct hr_intake *in = new_intake(), *plain = new_intake();

		hr_intake_fetch(in, record, RECORDS, decoder);
		for (size_t n = way % 2; n < RECORDS; n += 1 + way % 2) {
			enum hr_reject why = HR_ACCEPTED, plain_why = HR_ACCEPTED;

			assert_int_equal(hr_intake_record(in, &record[n], decoder, &why),
			                 hr_intake_record(plain, &record[n], decoder, &plain_why));
			assert_int_equal(why, plain_why);
		}
		struct hr_buf rows[2] = {{0}, {0}};
		hr_barrier_encode(hr_intake_account(in), &rows[0]);
		hr_barrier_encode(hr_intake_account(plain), &rows[1]);
		assert_int_equal(rows[0].len, rows[1].len);
		assert_memory_equal(rows[0].p, rows[1].p, rows[0].len);
		hr_buf_fini(&rows[0]);
		hr_buf_fini(&rows[1]);
		hr_intake_free(in);
		hr_intake_free(plain);
	}
	hr_decoder_free(protobuf);
	hr_decoder_free(json);
}

static struct hr_work *run_to(struct hr_intake *in, int from, int to)
{
	struct hr_work *last = NULL;

	for (int n = from; n < to; n++) {
		(void)feed(in, n);
		if (hr_intake_step_due(in)) {
			hr_work_free(last);
			last = hr_intake_step(in);
		}
	}
	return last;
}

static void fresh_histories_learn_only_inside_the_window(void **state)
{
	struct hr_intake *in = new_intake();
	struct hr_work *w = run_to(in, 0, 20);
	const struct hr_batch *b = &w->batch;
	size_t fresh = 0, fresh_targets = 0;

	(void)state;
	for (size_t s = 0; s < b->sequences; s++) {
		const size_t last = b->start[s + 1] - 1u;

		if (!b->fresh[s]) {
			assert_true(b->target[last] != HR_NONE);
			continue;
		}
		fresh++;
		assert_true(b->target[last] == HR_NONE);
		assert_int_equal(b->ask_ms[last], start_ms + 19000);
		for (size_t i = b->start[s]; i < last; i++) {
			if (b->target[i] == HR_NONE)
				continue;
			fresh_targets++;
			assert_true(b->ask_ms[i] > start_ms + 11000); /* the last 8 events: numbers 12 to 19 */
			assert_int_equal(b->target[i], b->item[i + 1]);
		}
	}
	assert_int_equal(fresh, 5);
	assert_int_equal(fresh_targets, 8);
	assert_int_equal(b->sequences, 10); /* as many rehearsed */
	hr_work_free(w);
	hr_intake_free(in);
}

static void all_positions_of_fresh_histories_can_be_asked(void **state)
{
	struct hr_intake_config c = config;

	(void)state;
	c.all_positions = true;
	struct hr_intake *in = hr_intake_new(&c);
	hr_intake_partition(in, 0, 100);
	struct hr_work *w = run_to(in, 0, 20);
	const struct hr_batch *b = &w->batch;
	for (size_t s = 0; s < b->sequences; s++)
		for (size_t i = b->start[s]; i < b->start[s + 1]; i++)
			assert_true(b->target[i] != HR_NONE || (b->fresh[s] && i + 1 == b->start[s + 1]));
	hr_work_free(w);
	hr_intake_free(in);
}

static struct hr_intake *new_expiring(void)
{
	struct hr_intake_config c = config;

	c.expire_ms = 2 * 86400000;
	struct hr_intake *in = hr_intake_new(&c);
	hr_intake_partition(in, 0, 0);
	return in;
}

/* One event, hours after the start, and the step that it closes. */
static struct hr_work *step_at(struct hr_intake *in, int64_t offset, const char *item, int64_t hours)
{
	const struct hr_event e = event("u1", item, start_ms + hours * 3600000);
	enum hr_reject why;

	assert_int_equal(hr_intake_event(in, &e, 0, offset, e.time_ms, &why), HR_OUT_TRAINED);
	return hr_intake_step(in);
}

static bool row_is_live(struct hr_trainer *t, size_t row)
{
	struct hr_snapshot *s = hr_trainer_snapshot(t);
	const bool live = s->live[row] != 0;

	hr_snapshot_unref(s);
	return live;
}

static void an_item_not_seen_for_long_expires_until_it_is_seen_again(void **state)
{
	static const struct {
		const char *item;
		int64_t hours;
		size_t expired;
		bool live;
	} days[] = {{"old", 0, 0, true}, {"other", 1, 0, true}, {"other", 47, 0, true}, {"other", 59, 0, true}, /* the same day */
	            {"other", 60, 1, false}, {"other", 61, 0, false}, {"other", 84, 0, false}, {"old", 85, 0, true}, {"old", 86, 0, true}};
	struct hr_intake *in = new_expiring();
	const struct hr_model_config model = hr_model_defaults();
	struct hr_trainer *t;
	struct hr_error err;

	(void)state;
	assert_true(hr_trainer_new(&model, &t, &err));
	for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
		struct hr_work *w = step_at(in, (int64_t)i, days[i].item, days[i].hours);
		hr_work_observe(w, t, /* in_turn */ true, NULL);
		assert_int_equal(w->expired_count, days[i].expired);
		assert_int_equal(row_is_live(t, 0), days[i].live);
		assert_int_equal(hr_catalogue_get(hr_intake_catalogue(in), 0).expired, !days[i].live);
		hr_work_free(w);
	}
	hr_trainer_free(t);
	hr_intake_free(in);
}

static bool load(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len)
{
	struct hr_error err;

	return hr_intake_load(ctx, cls, number, bytes, len, &err);
}

static void put_into(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len)
{
	assert_true(load(ctx, cls, number, bytes, len));
}

static void assert_same_batch(const struct hr_batch *a, const struct hr_batch *b)
{
	assert_int_equal(a->sequences, b->sequences);
	assert_int_equal(a->positions, b->positions);
	assert_memory_equal(a->start, b->start, (a->sequences + 1) * sizeof *a->start);
	assert_memory_equal(a->item, b->item, a->positions * sizeof *a->item);
	assert_memory_equal(a->target, b->target, a->positions * sizeof *a->target);
	assert_memory_equal(a->ask_ms, b->ask_ms, a->positions * sizeof *a->ask_ms);
}

static void a_state_loaded_from_a_barrier_goes_on_with_the_same_steps(void **state)
{
	struct hr_intake *whole = new_intake(), *again = hr_intake_new(&config);
	struct hr_work *w = run_to(whole, 0, 40);

	(void)state;
	hr_work_free(w);
	struct hr_work *barrier = hr_intake_barrier(whole, 1, 0);
	hr_changes_each(barrier->changes, put_into, again);
	struct hr_error err;
	if (!hr_intake_resume(again, &barrier->row, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(barrier->row.events, 40);
	assert_int_equal(barrier->row.steps, 10);
	w = run_to(whole, 40, 60);
	struct hr_work *v = run_to(again, 40, 60);
	assert_same_batch(&w->batch, &v->batch);
	struct hr_work *x = hr_intake_barrier(whole, 2, 0), *y = hr_intake_barrier(again, 2, 0);
	size_t x_len, y_len;
	const uint8_t *x_log = hr_changes_order_log(x->changes, &x_len), *y_log = hr_changes_order_log(y->changes, &y_len);
	assert_int_equal(x_len, y_len);
	assert_memory_equal(x_log, y_log, x_len);
	assert_int_equal(hr_changes_bytes(x->changes), hr_changes_bytes(y->changes));
	hr_work_free(x);
	hr_work_free(y);
	hr_work_free(w);
	hr_work_free(v);
	hr_work_free(barrier);
	hr_intake_free(whole);
	hr_intake_free(again);
}

/* Items are looked through once a day: a start in the middle of one must not do it again. */
static void a_loaded_state_expires_the_same_items_at_the_same_step(void **state)
{
	struct hr_intake_config c = config;
	struct hr_intake *whole = new_expiring();
	struct hr_error err;

	(void)state;
	c.expire_ms = 2 * 86400000;
	struct hr_intake *again = hr_intake_new(&c);
	hr_work_free(step_at(whole, 0, "old", 0));
	hr_work_free(step_at(whole, 1, "other", 47));
	struct hr_work *barrier = hr_intake_barrier(whole, 1, 0);
	hr_changes_each(barrier->changes, put_into, again);
	if (!hr_intake_resume(again, &barrier->row, &err))
		fail_msg("%s", err.msg);
	for (int64_t hours = 48; hours < 100; hours++) {
		struct hr_work *w = step_at(whole, hours, "other", hours), *v = step_at(again, hours, "other", hours);
		assert_int_equal(w->expired_count, v->expired_count);
		hr_work_free(w);
		hr_work_free(v);
	}
	assert_true(hr_catalogue_get(hr_intake_catalogue(again), 0).expired);
	hr_work_free(barrier);
	hr_intake_free(whole);
	hr_intake_free(again);
}

static void the_order_log_names_every_record_and_step(void **state)
{
	struct hr_intake *in = new_intake();
	struct hr_work *w = run_to(in, 0, 10);

	(void)state;
	hr_work_free(w);
	w = hr_intake_step(in); /* two events early, as a barrier on an idle stream does */
	struct hr_work *barrier = hr_intake_barrier(in, 1, 0);
	size_t log_len;
	const uint8_t *log = hr_changes_order_log(barrier->changes, &log_len);
	struct hr_cursor c = {.p = log, .left = log_len};
	struct hr_order_entry e;
	const uint64_t want[] = {4, 4, 2};
	for (int i = 0; i < 3; i++) {
		assert_true(hr_order_next(&c, &e));
		assert_int_equal(e.kind, HR_ORDER_RUN);
		assert_int_equal(e.count, want[i]);
		assert_true(hr_order_next(&c, &e));
		assert_int_equal(e.kind, HR_ORDER_STEP);
	}
	assert_false(hr_order_next(&c, &e));
	assert_false(c.failed);
	hr_work_free(w);
	hr_work_free(barrier);
	hr_intake_free(in);
}

static void a_thaw_is_in_the_order_log_before_its_step(void **state)
{
	struct hr_intake *in = new_intake();
	struct hr_order_entry e;
	size_t len;

	(void)state;
	hr_intake_thaw(in);
	for (int n = 0; n < 4; n++)
		(void)feed(in, n);
	struct hr_work *step = hr_intake_step(in), *next = hr_intake_step(in), *barrier = hr_intake_barrier(in, 1, 0);
	assert_true(step->thaw);
	assert_false(next->thaw);
	const uint8_t *log = hr_changes_order_log(barrier->changes, &len);
	struct hr_cursor c = {.p = log, .left = len};
	const enum hr_order_kind want[] = {HR_ORDER_THAW, HR_ORDER_RUN, HR_ORDER_STEP, HR_ORDER_STEP};
	for (size_t i = 0; i < 4; i++) {
		assert_true(hr_order_next(&c, &e));
		assert_int_equal(e.kind, want[i]);
	}
	hr_work_free(step);
	hr_work_free(next);
	hr_work_free(barrier);
	hr_intake_free(in);
}

/* Backlog of 60 events, start-up to its end; every batch of it joined. */
static size_t start_up(struct hr_intake *in, struct hr_batch *all, float *ret_rate)
{
	size_t steps = 0;

	while (hr_intake_phase(in) == HR_PHASE_START_UP) {
		struct hr_work *w = hr_intake_step(in);

		assert_int_equal(w->event_count, 0);
		assert_true(w->rate > 0);
		*ret_rate = w->rate;
		for (size_t s = 0; s < w->batch.sequences; s++) {
			hr_batch_begin(all, w->batch.fresh[s]);
			for (size_t i = w->batch.start[s]; i < w->batch.start[s + 1]; i++)
				hr_batch_add(all, w->batch.item[i], w->batch.time_ms[i], w->batch.kind[i], w->batch.ask_ms[i],
				             w->batch.target[i], w->batch.target_kind[i]);
		}
		hr_work_free(w);
		steps++;
	}
	return steps;
}

static const struct hr_intake_config starting = {.history_length = 10,
                                                 .min_count = 1,
                                                 .positions = 10,
                                                 .every = 4,
                                                 .window = 8,
                                                 .rehearsal = 1,
                                                 .start_up = 3,
                                                 .start_up_batch = 16,
                                                 .rate = 0.01f,
                                                 .future_limit_ms = 600000,
                                                 .seed = 7};

static struct hr_intake *read_backlog(void)
{
	struct hr_intake *in = hr_intake_new(&starting);

	hr_intake_partition(in, 0, 100);
	hr_intake_backlog(in);
	for (int n = 0; n < 60; n++) {
		assert_int_equal(feed(in, n), HR_OUT_TRAINED);
		assert_false(hr_intake_step_due(in));
	}
	struct hr_work *w = hr_intake_step(in);
	assert_int_equal(w->event_count, 60);
	assert_int_equal(w->batch.sequences, 0);
	assert_true(w->mute);
	hr_work_free(w);
	hr_intake_start_up(in);
	return in;
}

static void a_backlog_is_read_whole_then_learned_by_epochs(void **state)
{
	struct hr_intake *in = read_backlog();
	struct hr_batch all = {0};
	uint64_t done, planned;
	float rate;

	(void)state;
	hr_intake_start_up_steps(in, &done, &planned);
	assert_int_equal(done, 0);
	assert_int_equal(planned, 9); /* 5 users of 12 events, the newest 10 kept: 45 targets an epoch, in steps of 16 */
	assert_int_equal(start_up(in, &all, &rate), 9);
	assert_int_equal(all.positions, 3 * 45);
	for (size_t i = 0; i < all.positions; i++)
		assert_int_not_equal(all.target[i], HR_NONE);
	assert_int_equal(hr_intake_phase(in), HR_PHASE_LIVE);
	for (int n = 60; n < 64; n++)
		(void)feed(in, n);
	assert_true(hr_intake_step_due(in));
	struct hr_work *w = hr_intake_step(in);
	assert_false(w->mute);
	assert_true(w->rate == 0);
	assert_true(w->batch.sequences > 0);
	hr_work_free(w);
	hr_batch_fini(&all);
	hr_intake_free(in);
}

static void a_start_up_goes_on_from_a_barrier_in_its_middle(void **state)
{
	struct hr_intake *in = read_backlog(), *again = hr_intake_new(&starting);
	struct hr_batch rest = {0}, same = {0};
	struct hr_error err;
	float rate, last;

	(void)state;
	for (int i = 0; i < 4; i++)
		hr_work_free(hr_intake_step(in));
	assert_true(hr_intake_changed(in));
	struct hr_work *barrier = hr_intake_barrier(in, 1, 0);
	assert_false(hr_intake_changed(in));
	hr_changes_each(barrier->changes, put_into, again);
	if (!hr_intake_resume(again, &barrier->row, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(hr_intake_phase(again), HR_PHASE_START_UP);
	assert_int_equal(start_up(in, &rest, &rate), 5);
	assert_int_equal(start_up(again, &same, &last), 5);
	assert_same_batch(&rest, &same);
	assert_true(rate == last);
	hr_batch_fini(&rest);
	hr_batch_fini(&same);
	hr_work_free(barrier);
	hr_intake_free(in);
	hr_intake_free(again);
}

static void a_window_that_names_a_user_nobody_knows_is_refused(void **state)
{
	struct hr_intake *in = new_intake(), *empty = hr_intake_new(&config);
	struct hr_work *w = run_to(in, 0, 8), *barrier = hr_intake_barrier(in, 1, 0);
	struct hr_error err;
	size_t len;
	const uint8_t *schedule = hr_changes_get(barrier->changes, HR_REC_SCHEDULE, 0, &len);

	(void)state;
	assert_true(hr_intake_load(empty, HR_REC_SCHEDULE, 0, schedule, len, &err));
	assert_false(hr_intake_resume(empty, &barrier->row, &err));
	assert_string_equal(err.msg, "schedule record: user 0, the state has 0");
	hr_work_free(w);
	hr_work_free(barrier);
	hr_intake_free(in);
	hr_intake_free(empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_under_another_key_is_taken_and_counted),
		cmocka_unit_test(every_offset_is_accounted_for_once),
		cmocka_unit_test(a_broker_timestamp_at_the_end_of_time_refuses_no_event),
		cmocka_unit_test(a_step_is_due_after_every_events),
		cmocka_unit_test(without_training_a_step_is_empty_and_never_due),
		cmocka_unit_test(looking_ahead_changes_nothing),
		cmocka_unit_test(fresh_histories_learn_only_inside_the_window),
		cmocka_unit_test(all_positions_of_fresh_histories_can_be_asked),
		cmocka_unit_test(a_state_loaded_from_a_barrier_goes_on_with_the_same_steps),
		cmocka_unit_test(an_item_not_seen_for_long_expires_until_it_is_seen_again),
		cmocka_unit_test(a_loaded_state_expires_the_same_items_at_the_same_step),
		cmocka_unit_test(the_order_log_names_every_record_and_step),
		cmocka_unit_test(a_backlog_is_read_whole_then_learned_by_epochs),
		cmocka_unit_test(a_start_up_goes_on_from_a_barrier_in_its_middle),
		cmocka_unit_test(a_window_that_names_a_user_nobody_knows_is_refused),
		cmocka_unit_test(a_thaw_is_in_the_order_log_before_its_step),
	};

	return cmocka_run_group_tests_name("intake", tests, NULL, NULL);
}
