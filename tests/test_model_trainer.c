/* tests/test_model_trainer.c - the trainer as a whole: it learns, it is a function of its calls, it survives a restart. */
#include "tests/test_model.h"

enum { ITEMS = 40, HISTORIES = 32 };

/* ---- learning ---- */

/* History n walks n, n + 7, n + 14, ... so that the next item follows from the last two. */
static void walks(struct hr_batch *b)
{
	uint32_t item[6];

	hr_batch_clear(b);
	for (uint32_t n = 0; n < HISTORIES; n++) {
		for (uint32_t i = 0; i < 6; i++)
			item[i] = (n * 5 + i * (7 + n % 3)) % ITEMS;
		add_history(b, item, 5, /* fresh */ 1);
	}
}

static size_t best_row(const float *query, const struct hr_snapshot *s)
{
	struct hr_hit hit;
	size_t found;

	hr_snapshot_top(s, query, 1, s->scale, NULL, NULL, 0, 1, &hit, &found);
	assert_int_equal(found, 1);
	return hit.row;
}

static void thirty_two_histories_are_learned_by_heart(void **state)
{
	const struct hr_model_config c = small_config();
	struct hr_trainer *t = new_trainer(&c);
	struct hr_batch b = {0};
	float user[HISTORIES * 32];

	(void)state;
	add_items(t, ITEMS);
	walks(&b);
	for (size_t i = 0; i < 300; i++)
		assert_true(step(t, &b).trained);
	struct hr_snapshot *s = hr_trainer_snapshot(t);
	hr_snapshot_encode(s, &b, user);
	for (size_t n = 0; n < HISTORIES; n++)
		assert_int_equal(best_row(user + n * 32, s), b.target[b.start[n + 1] - 1]);
	hr_snapshot_unref(s);
	hr_batch_fini(&b);
	hr_trainer_free(t);
}

static void a_sampled_softmax_learns_too(void **state)
{
	struct hr_model_config c = small_config();
	struct hr_batch b = {0};
	double first, last = 0;

	(void)state;
	c.full_softmax_below = 0;
	c.before_after = c.views = 0;
	struct hr_trainer *t = new_trainer(&c);
	add_items(t, ITEMS);
	walks(&b);
	first = step(t, &b).next_item;
	for (size_t i = 0; i < 100; i++)
		last = step(t, &b).next_item;
	assert_true(last < 0.2 * first);
	hr_batch_fini(&b);
	hr_trainer_free(t);
}

/* Each objective alone, in its own measure. */
static double last_loss(struct hr_model_config c, double *ret_first, double (*part)(const struct hr_step_result *))
{
	struct hr_batch b = {0};
	struct hr_step_result r = {0};

	c.dropout = 0.1f;
	struct hr_trainer *t = new_trainer(&c);
	add_items(t, ITEMS);
	walks(&b);
	for (size_t i = 0; i < 150; i++) {
		r = step(t, &b);
		assert_true(r.trained);
		if (i == 0)
			*ret_first = part(&r);
	}
	hr_batch_fini(&b);
	hr_trainer_free(t);
	return part(&r);
}

static double masked_part(const struct hr_step_result *r) { return r->masked_item; }
static double triplet_part(const struct hr_step_result *r) { return r->triplet; }
static double views_part(const struct hr_step_result *r) { return r->views; }

static void every_objective_learns_alone(void **state)
{
	struct hr_model_config c = small_config();
	double first, last;

	(void)state;
	c.next_item = c.before_after = c.views = 0;
	c.masked_item = 1;
	last = last_loss(c, &first, masked_part);
	assert_true(last < 0.6 * first);
	c.masked_item = 0;
	c.triplet = 1;
	last = last_loss(c, &first, triplet_part);
	assert_true(last < 0.3 * first);
	c.triplet = 0;
	c.views = 1;
	last = last_loss(c, &first, views_part);
	assert_true(last < 0.6 * first);
}

static void a_batch_without_a_target_trains_nothing(void **state)
{
	const struct hr_model_config c = small_config();
	struct hr_trainer *t = new_trainer(&c);
	struct hr_batch b = {0};

	(void)state;
	add_items(t, 3);
	hr_batch_begin(&b, 1);
	hr_batch_add(&b, 1, 0, HR_KIND_CLICK, 5, HR_NONE, 0);
	const struct hr_step_result r = step(t, &b);
	assert_false(r.trained || r.refused);
	assert_int_equal(hr_trainer_steps(t), 0);
	hr_batch_fini(&b);
	hr_trainer_free(t);
}

/* Two histories that differ in their times only. */
static double distance_by_time(bool time_gaps)
{
	struct hr_model_config c = small_config();
	struct hr_batch b = {0};
	float user[2 * 32];
	double squares = 0;

	c.time_gaps = time_gaps;
	struct hr_trainer *t = new_trainer(&c);
	add_items(t, ITEMS);
	for (uint64_t i = 0; i < 20; i++) {
		random_batch(&b, 20, 8, ITEMS, i);
		assert_true(step(t, &b).trained);
	}
	hr_batch_clear(&b);
	for (int64_t days = 1; days < 100; days += 80) {
		hr_batch_begin(&b, 0);
		hr_batch_add(&b, 3, 0, HR_KIND_CLICK, DAY_MS, HR_NONE, 0);
		hr_batch_add(&b, 4, DAY_MS, HR_KIND_CLICK, DAY_MS + days * DAY_MS, HR_NONE, 0);
	}
	struct hr_snapshot *s = hr_trainer_snapshot(t);
	hr_snapshot_encode(s, &b, user);
	for (size_t i = 0; i < 32; i++)
		squares += (double)(user[i] - user[32 + i]) * (double)(user[i] - user[32 + i]);
	hr_snapshot_unref(s);
	hr_batch_fini(&b);
	hr_trainer_free(t);
	return sqrt(squares);
}

static void time_counts_unless_it_is_switched_off(void **state)
{
	(void)state;
	assert_true(distance_by_time(true) > 0.01);
	assert_true(distance_by_time(false) == 0);
}

/* ---- determinism ---- */

static void train(struct hr_trainer *t, size_t from, size_t to)
{
	struct hr_batch b = {0};

	for (size_t i = from; i < to; i++) {
		random_batch(&b, 60, 25, ITEMS, i);
		assert_true(step(t, &b).trained);
	}
	hr_batch_fini(&b);
}

static void features_of(struct hr_trainer *t, uint32_t row)
{
	const uint64_t feature[3] = {row % 5, 100 + row % 3, 1000};

	hr_trainer_content(t, row, feature, row % 4);
}

static void observe(struct hr_trainer *t, size_t from, size_t to)
{
	static const int64_t times[3] = {1000, 2000, 3000};
	static const uint8_t kinds[3] = {HR_KIND_CLICK, HR_KIND_VIEW, HR_KIND_CART};

	for (size_t i = from; i < to; i++) {
		const uint32_t items[3] = {(uint32_t)(i % ITEMS), (uint32_t)(i * 7 % ITEMS), (uint32_t)(i * 3 % ITEMS)};
		const struct hr_observation e = {.ordinal = i, .item = (uint32_t)(i * 11 % ITEMS), .kind = HR_KIND_CLICK,
		                                 .time_ms = 4000 + (int64_t)i * 60000, .history_len = i % 4,
		                                 .history_item = items, .history_time_ms = times, .history_kind = kinds};
		hr_trainer_observe(t, &e, 1);
	}
}

static void run(struct hr_trainer *t, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		observe(t, i * 10, i * 10 + 10);
		train(t, i, i + 1);
	}
}

static struct hr_model_config busy_config(void)
{
	struct hr_model_config c = small_config();

	c.dropout = 0.3f;
	c.full_softmax_below = 20;
	c.blocks = 2;
	c.masked_item = 0.2f;
	c.triplet = 0.2f;
	c.informed_views = 0.5f;
	c.same_target = true;
	return c;
}

/* What 20 steps with every objective leave behind. */
static void run_with(uint32_t workers, struct records *ret)
{
	struct hr_model_config c = busy_config();

	c.workers = workers;
	struct hr_trainer *t = new_trainer(&c);
	add_items(t, ITEMS);
	for (uint32_t row = 0; row < ITEMS; row++)
		features_of(t, row);
	run(t, 0, 20);
	hr_trainer_collect(t, put_record, ret);
	hr_trainer_free(t);
}

/* On every kernel set that this processor has: a second run, and 2 and 4 workers, leave the bytes of the first. */
static void neither_workers_nor_another_run_reach_a_bit_on_any_kernel_set(void **state)
{
	static const uint32_t workers[] = {1, 1, 2, 4};
	const char *usual = getenv("HEADRACE_KERNELS");
	char was[64] = "";

	(void)state;
	if (usual != NULL)
		(void)snprintf(was, sizeof was, "%s", usual);
	for (const char *const *set = hr_kernels_available(); *set != NULL; set++) {
		struct records seen[4] = {{0}};
		assert_int_equal(setenv("HEADRACE_KERNELS", *set, 1), 0);
		for (size_t i = 0; i < 4; i++) {
			run_with(workers[i], &seen[i]);
			assert_same_records(&seen[0], &seen[i]);
		}
		for (size_t i = 0; i < 4; i++)
			records_fini(&seen[i]);
	}
	assert_int_equal(usual != NULL ? setenv("HEADRACE_KERNELS", was, 1) : unsetenv("HEADRACE_KERNELS"), 0);
}

static void loading_and_going_on_equals_never_having_stopped(void **state)
{
	const struct hr_model_config c = busy_config();
	struct hr_trainer *whole = new_trainer(&c), *first = new_trainer(&c);
	struct records at_stop = {0}, want = {0};

	(void)state;
	add_items(whole, ITEMS);
	add_items(first, ITEMS);
	features_of(whole, 7);
	features_of(first, 7);
	run(whole, 0, 21);
	run(first, 0, 5); /* several collects, of which the later ones hold only what changed */
	hr_trainer_collect(first, put_record, &at_stop);
	run(first, 5, 13); /* between two slow updates */
	hr_trainer_collect(first, put_record, &at_stop);
	hr_trainer_free(first);
	struct hr_trainer *second = load_trainer(&c, &at_stop);
	run(second, 13, 21);
	hr_trainer_collect(second, put_record, &at_stop);
	hr_trainer_collect(whole, put_record, &want);
	assert_same_records(&at_stop, &want);
	hr_trainer_free(second);
	hr_trainer_free(whole);
	records_fini(&at_stop);
	records_fini(&want);
}

static void a_second_collect_without_a_change_is_empty(void **state)
{
	const struct hr_model_config c = small_config();
	struct hr_trainer *t = new_trainer(&c);
	struct records first = {0}, second = {0};

	(void)state;
	add_items(t, ITEMS);
	run(t, 0, 2);
	hr_trainer_collect(t, put_record, &first);
	assert_true(first.count > 4);
	hr_trainer_collect(t, put_record, &second);
	assert_int_equal(second.count, 0);
	hr_trainer_free(t);
	records_fini(&first);
	records_fini(&second);
}

static void item_rows_follow_the_start_up_rate(void **state)
{
	struct hr_model_config usual = small_config(), set_so = small_config();
	struct hr_batch b = {0};

	(void)state;
	set_so.rate = 1e-3f;
	set_so.item_rate = 67e-3f;
	struct hr_trainer *told = new_trainer(&usual), *set = new_trainer(&set_so);
	add_items(told, 30);
	add_items(set, 30);
	hr_trainer_rate(told, 1e-3f);
	random_batch(&b, 20, 8, 30, /* seed */ 3);
	assert_true(step(told, &b).trained);
	assert_true(step(set, &b).trained);
	struct hr_snapshot *x = hr_trainer_snapshot(told), *y = hr_trainer_snapshot(set);
	assert_memory_equal(x->unit, y->unit, 30 * 32 * sizeof(float));
	hr_snapshot_unref(x);
	hr_snapshot_unref(y);
	hr_trainer_free(told);
	hr_trainer_free(set);
	hr_batch_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(item_rows_follow_the_start_up_rate),
		cmocka_unit_test(thirty_two_histories_are_learned_by_heart),
		cmocka_unit_test(a_sampled_softmax_learns_too),
		cmocka_unit_test(every_objective_learns_alone),
		cmocka_unit_test(a_batch_without_a_target_trains_nothing),
		cmocka_unit_test(time_counts_unless_it_is_switched_off),
		cmocka_unit_test(neither_workers_nor_another_run_reach_a_bit_on_any_kernel_set),
		cmocka_unit_test(loading_and_going_on_equals_never_having_stopped),
		cmocka_unit_test(a_second_collect_without_a_change_is_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
