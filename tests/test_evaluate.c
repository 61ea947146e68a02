/* The protocols of headrace evaluate on files small enough to know the answers by hand. */
#include "tests/test.h"

#include <unistd.h>

#include "base/base.h"
#include "daemon/drift.h"
#include "daemon/evaluate.h"

static char path[64];

static void write_file(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int make_path(void **state)
{
	(void)state;
	(void)snprintf(path, sizeof path, "test_evaluate.%d", (int)getpid());
	return 0;
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path) == 0 ? 0 : -1;
}

static uint32_t start_up; /* epochs */

/* Small and quick: the least width, steps after every 4 events. */
static void configure(struct hr_config *c)
{
	static const char *const set[] = {"model.width=32", "train.every=4", "train.window=16", "model.dropout=0",
	                                  "train.start_up_batch=64"};
	struct hr_error err;

	hr_config_init(c);
	for (size_t i = 0; i < sizeof set / sizeof set[0]; i++)
		assert_true(hr_config_assign(c, set[i], HR_FROM_FLAG, &err));
	c->train_start_up = start_up;
}

static struct hr_evaluation evaluate(struct hr_evaluation_config e)
{
	struct hr_evaluation result;
	struct hr_config c;
	struct hr_error err;

	configure(&c);
	e.config = &c;
	e.path = path;
	e.rows.format = e.rows.format == HR_ROWS_AUTO ? HR_ROWS_TSV : e.rows.format;
	if (!hr_evaluate(&e, NULL, NULL, &result, &err))
		fail_msg("%s", err.msg);
	hr_config_fini(&c);
	return result;
}

static const char *refused(struct hr_evaluation_config e)
{
	static struct hr_error err;
	struct hr_evaluation result;
	struct hr_config c;

	configure(&c);
	e.config = &c;
	e.path = path;
	e.rows.format = HR_ROWS_TSV;
	const bool ok = hr_evaluate(&e, NULL, NULL, &result, &err);
	hr_config_fini(&c);
	return ok ? "" : err.msg;
}

/* ---- prequential ---- */

#define DAY INT64_C(86400000)
#define START INT64_C(1600000000000)

static const struct hr_evaluation_config prequential = {
	.rows.columns = "time,user,item", .cut_ms = START + 3 * DAY, .learn = HR_LEARN_PER_EVENT, .day_steps = 3};

/* Users 0..5 walk round 9 items, an event of each a day, for some days. */
static void write_days(int days)
{
	char text[4096];
	size_t at = 0;

	for (int d = 0; d < days; d++)
		for (int u = 0; u < 6; u++)
			at += (size_t)snprintf(text + at, sizeof text - at, "%lld\tu%d\ti%d\n", (long long)(START + d * DAY + u * 1000), u,
			                       (u + d) % 9);
	write_file(text);
}

static void events_after_the_cut_are_questions(void **state)
{
	(void)state;
	write_days(6);
	const struct hr_evaluation r = evaluate(prequential);

	assert_int_equal(r.read, 36);
	assert_int_equal(r.events, 18);
	assert_int_equal(r.questions, 18);
	assert_true(r.steps >= 4);
}

static void a_frozen_model_takes_no_step_and_does_not_drift(void **state)
{
	struct hr_evaluation_config e = prequential;

	(void)state;
	write_days(6);
	e.learn = HR_LEARN_FROZEN;
	const struct hr_evaluation frozen = evaluate(e), learning = evaluate(prequential);

	assert_int_equal(frozen.steps, 0);
	assert_int_equal(frozen.questions, 18);
	assert_int_equal(frozen.drift.pairs1, 3);
	assert_close(frozen.drift.user1, 1, 1e-5, "users", 0);
	assert_close(frozen.drift.item1, 1, 1e-5, "items", 0);
	assert_true(learning.drift.user1 < 0.9999);
	assert_true(learning.drift.item1 < 0.9999);
}

static void start_up_takes_the_place_of_the_steps_before_the_cut(void **state)
{
	struct hr_evaluation_config e = prequential;

	(void)state;
	write_days(6);
	e.learn = HR_LEARN_FROZEN;
	start_up = 1;
	const struct hr_evaluation one = evaluate(e);
	start_up = 60;
	const struct hr_evaluation many = evaluate(e);
	start_up = 0;

	assert_int_equal(many.steps, 0); /* after the cut */
	assert_int_equal(many.questions, one.questions);
	/* The walk goes round: who has learned the first three days knows what follows most items. */
	assert_true(many.quality[HR_RANK_MODEL][HR_SLICE_ALL].mrr20 > one.quality[HR_RANK_MODEL][HR_SLICE_ALL].mrr20);
}

static void a_day_is_asked_before_any_of_it_is_learned(void **state)
{
	struct hr_evaluation_config e = prequential;

	(void)state;
	/* On the last day a goes to x for the first time, three times over: only who learns at once finds x before the evening. */
	write_file("1600000000000\tu0\ta\n1600000001000\tu1\ta\n1600000002000\tu2\ta\n1600000003000\tu9\tx\n"
	           "1600000004000\tu9\tb\n1600000005000\tu9\tc\n1600000006000\tu9\td\n1600000007000\tu9\te\n"
	           "1600259200000\tu0\tx\n1600259201000\tu1\tx\n1600259202000\tu2\tx\n");
	e.learn = HR_LEARN_PER_DAY;
	const struct hr_evaluation at_once = evaluate(prequential), evening = evaluate(e);

	assert_int_equal(evening.questions, 3);
	assert_int_equal(evening.steps, 3);
	assert_close(at_once.quality[HR_RANK_RULES][HR_SLICE_ALL].mrr20, (1.0 / 5 + 1 + 1) / 3, 1e-6, "at once", 0);
	assert_close(evening.quality[HR_RANK_RULES][HR_SLICE_ALL].mrr20, 1.0 / 5, 1e-6, "evening", 0);
}

static void nothing_is_read_from_until_on(void **state)
{
	struct hr_evaluation_config e = prequential;

	(void)state;
	write_days(6);
	e.until_ms = START + 4 * DAY;
	assert_int_equal(evaluate(e).read, 24);
	e.until_ms = e.cut_ms;
	assert_non_null(strstr(refused(e), "nothing was asked"));
}

/* ---- cycles ---- */

static const struct hr_evaluation_config cycles = {
	.protocol = HR_CYCLES, .rows.columns = "period,user,item", .learn = HR_LEARN_PER_CYCLE};

#define PERIOD0 "0\ts1\tp\n0\ts1\tq\n0\ts2\tp\n0\ts2\tq\n0\ts3\tr\n0\ts3\ts\n"

static void figures_of_cycles_are_means_over_periods(void **state)
{
	(void)state;
	/* q after p: first. p after s, of which nothing is known: behind both others. s after r: first. */
	write_file(PERIOD0 "1\tt1\tp\n1\tt1\tq\n2\tt2\ts\n2\tt2\tp\n2\tt3\tr\n2\tt3\ts\n");
	const struct hr_evaluation r = evaluate(cycles);

	assert_int_equal(r.cycles, 2);
	assert_int_equal(r.questions, 3);
	assert_close(r.quality[HR_RANK_RULES][HR_SLICE_ALL].mrr20, (1 + (1.0 / 3 + 1) / 2) / 2, 1e-6, "mrr", 0);
}

static void items_new_in_a_period_neither_ask_nor_are_asked(void **state)
{
	struct hr_evaluation_config e = cycles;

	(void)state;
	/* t1: n is new, so q is asked after p; t2: what is left is one item, which asks nothing; n is old in period 2. */
	write_file(PERIOD0 "1\tt1\tn\n1\tt1\tp\n1\tt1\tn\n1\tt1\tq\n1\tt2\tn\n1\tt2\tr\n2\tt3\tp\n2\tt3\tn\n");
	const struct hr_evaluation whole = evaluate(cycles);
	e.learn = HR_LEARN_PER_EVENT;
	const struct hr_evaluation at_once = evaluate(e);

	assert_int_equal(whole.questions, 2);
	assert_int_equal(at_once.questions, 2);
	assert_int_equal(whole.cycles, 2);
}

static void a_session_ends_with_its_period(void **state)
{
	(void)state;
	write_file(PERIOD0 "1\tt1\tp\n2\tt1\tq\n2\tt1\tr\n");
	assert_int_equal(evaluate(cycles).questions, 1);
}

static void periods_that_go_back_are_refused(void **state)
{
	(void)state;
	write_file(PERIOD0 "2\tt1\tp\n1\tt1\tq\n");
	assert_non_null(strstr(refused(cycles), "period 1 comes after 2"));
}

/* ---- leave one out ---- */

static const struct hr_evaluation_config leave_one_out = {
	.protocol = HR_LEAVE_ONE_OUT, .rows.format = HR_ROWS_SEQUENCES, .epochs = 30, .patience = 30, .batch = 128};

/* Users walk round 40 items, 9 steps each, from every place; two more users are too short to be asked. */
static void write_ring(void)
{
	char text[16384];
	size_t at = 0;

	for (int u = 0; u < 120; u++) {
		at += (size_t)snprintf(text + at, sizeof text - at, "u%d", u);
		for (int i = 0; i < 9; i++)
			at += (size_t)snprintf(text + at, sizeof text - at, " i%d", (u + i) % 40);
		at += (size_t)snprintf(text + at, sizeof text - at, "\n");
	}
	(void)snprintf(text + at, sizeof text - at, "short1 i1\nshort2 i1 i2\n");
	write_file(text);
}

static void epochs_learn_who_follows_whom(void **state)
{
	(void)state;
	write_ring();
	const struct hr_evaluation r = evaluate(leave_one_out);

	assert_int_equal(r.questions, 120);
	assert_true(r.epoch >= 1 && r.epoch <= 30);
	/* Rules learned from all but two items, asked with the validation item as input: the next on the ring is first. */
	assert_close(r.quality[HR_RANK_RULES][HR_SLICE_ALL].mrr20, 1, 1e-6, "rules", 0);
	assert_true(r.quality[HR_RANK_MODEL][HR_SLICE_ALL].recall5 > 0.9);
}

static void no_epoch_is_chosen_before_the_first_that_is_validated(void **state)
{
	struct hr_evaluation_config e = leave_one_out;

	(void)state;
	write_ring();
	e.patience = 2;
	e.epochs = 10;
	e.validate_from = 8;
	assert_in_range(evaluate(e).epoch, 8, 10);
	e.validate_from = 100; /* the last one is */
	assert_int_equal(evaluate(e).epoch, 10);
}

static void the_last_two_items_are_not_learned(void **state)
{
	(void)state;
	/* b follows a in the held out items only. */
	write_file("u1 c d a b\nu2 c d a b\nu3 e c d\n");
	struct hr_evaluation_config e = leave_one_out;
	e.epochs = 1;
	const struct hr_evaluation r = evaluate(e);

	assert_int_equal(r.questions, 3);
	/* Nothing points to b: it ties with e, the one other item left. d after c is known. */
	assert_close(r.quality[HR_RANK_RULES][HR_SLICE_ALL].mrr20, (1.0 / 2 + 1.0 / 2 + 1) / 3, 1e-6, "mrr", 0);
}

/* ---- content ---- */

static struct hr_features *read_features(const char *text, const char *columns, bool header)
{
	struct hr_features *f;
	struct hr_error err;

	write_file(text);
	if (!hr_features_read(path, columns, header, &f, &err))
		fail_msg("%s", err.msg);
	return f;
}

static const char *features_refused(const char *text, const char *columns)
{
	static struct hr_error err;
	struct hr_features *f;

	write_file(text);
	if (!hr_features_read(path, columns, /* header */ false, &f, &err))
		return err.msg;
	hr_features_free(f);
	return "";
}

static void features_are_attributes_and_lower_cased_words(void **state)
{
	struct hr_features *f = read_features("id\tx\tattributes\ttitle\n7\t-\t12,12b\tRed LAMP, red\n8\t-\t\t\n",
	                                      "item,-,attributes,title", /* header */ true);
	static const char *const want[] = {"a12", "a12b", "tred", "tlamp", "tred"};
	size_t count;
	const uint64_t *hash = hr_features_get(f, "7", 1, &count);

	(void)state;
	assert_int_equal(count, 5);
	for (size_t i = 0; i < 5; i++)
		assert_true(hash[i] == hr_hash(want[i], strlen(want[i])));
	(void)hr_features_get(f, "8", 1, &count);
	assert_int_equal(count, 0);
	assert_null(hr_features_get(f, "9", 1, &count));
	assert_int_equal(count, 0);
	hr_features_free(f);
}

static void bad_feature_files_are_refused(void **state)
{
	(void)state;
	assert_non_null(strstr(features_refused("1\tx\n", "item,colour"), "\"colour\" is not one of"));
	assert_non_null(strstr(features_refused("1\tx\n", "attributes,title"), "item is missing"));
	assert_non_null(strstr(features_refused("1\tx\n1\ty\n", "item,title"), "line 2: item \"1\" is named twice"));
	assert_non_null(strstr(features_refused("\tx\n", "item,title"), "0 bytes is not in 1..256"));
}

static void content_reaches_the_ranking(void **state)
{
	(void)state;
	struct hr_features *f = read_features("i0\t1\ni1\t1,2\ni2\t2\ni3\t3\ni4\t3\n", "item,attributes", /* header */ false);
	struct hr_evaluation_config e = prequential;

	write_days(6);
	e.features = f;
	const struct hr_evaluation with = evaluate(e), without = evaluate(prequential);
	hr_features_free(f);
	assert_int_equal(with.questions, without.questions);
	assert_true(with.drift.user1 != without.drift.user1);
	assert_close(with.quality[HR_RANK_RULES][HR_SLICE_ALL].mrr20, without.quality[HR_RANK_RULES][HR_SLICE_ALL].mrr20, 1e-9,
	             "rules", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_after_the_cut_are_questions),
		cmocka_unit_test(a_frozen_model_takes_no_step_and_does_not_drift),
		cmocka_unit_test(start_up_takes_the_place_of_the_steps_before_the_cut),
		cmocka_unit_test(a_day_is_asked_before_any_of_it_is_learned),
		cmocka_unit_test(nothing_is_read_from_until_on),
		cmocka_unit_test(figures_of_cycles_are_means_over_periods),
		cmocka_unit_test(items_new_in_a_period_neither_ask_nor_are_asked),
		cmocka_unit_test(a_session_ends_with_its_period),
		cmocka_unit_test(periods_that_go_back_are_refused),
		cmocka_unit_test(epochs_learn_who_follows_whom),
		cmocka_unit_test(no_epoch_is_chosen_before_the_first_that_is_validated),
		cmocka_unit_test(the_last_two_items_are_not_learned),
		cmocka_unit_test(features_are_attributes_and_lower_cased_words),
		cmocka_unit_test(bad_feature_files_are_refused),
		cmocka_unit_test(content_reaches_the_ranking),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
