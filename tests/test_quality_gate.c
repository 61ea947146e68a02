/* The quality gate: what holds a refresh back, and what does not. */
#include "tests/test.h"

#include "daemon/quality_gate.h"

static struct hr_quality quality(uint64_t questions, double hits)
{
	return (struct hr_quality){.questions = questions, .recall10 = questions == 0 ? 0 : hits / (double)questions};
}

/* The daemon's running totals, and the gate that looks at them. */
struct life {
	struct hr_quality_gate gate;
	uint64_t questions;
	double hits;
	double share;
};

static bool ask(struct life *l, uint64_t questions, double recall)
{
	l->questions += questions;
	l->hits += recall * (double)questions;
	const struct hr_quality ever = quality(l->questions, l->hits), window = quality(0, 0);
	return hr_quality_gate_judge(&l->gate, l->share, &ever, &window);
}

static void grown(struct life *l, double recall)
{
	for (int i = 0; i < 40; i++)
		assert_true(ask(l, 250, recall));
}

static void a_collapse_is_held_and_let_go_when_recall_is_back(void **state)
{
	struct life l = {.share = 0.5};

	(void)state;
	grown(&l, 0.2);
	assert_true(ask(&l, 100, 0)); /* too few to say anything */
	assert_false(ask(&l, 250, 0.02));
	assert_false(ask(&l, 50, 0.2)); /* too few again: what was said holds */
	assert_true(ask(&l, 300, 0.19));
}

static void a_small_fall_and_bad_luck_are_no_collapse(void **state)
{
	struct life l = {.share = 0.5}, rare = {.share = 0.5};

	(void)state;
	grown(&l, 0.2);
	assert_true(ask(&l, 250, 0.12));
	grown(&rare, 0.012); /* 3 hits of 250: none at all may be chance */
	assert_true(ask(&rare, 250, 0));
}

static void a_model_that_is_young_is_not_judged(void **state)
{
	struct life l = {.share = 0.5};

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_true(ask(&l, 250, 0.3));
	assert_true(ask(&l, 250, 0));
}

static void a_stream_that_changed_for_good_is_not_held_for_ever(void **state)
{
	struct life l = {.share = 0.5};
	int held = 0;

	(void)state;
	grown(&l, 0.3);
	while (!ask(&l, 250, 0.05))
		held++;
	assert_in_range(held, 5, 120);
}

static void a_share_of_0_holds_nothing(void **state)
{
	struct life l = {.share = 0};

	(void)state;
	grown(&l, 0.4);
	assert_true(ask(&l, 1000, 0));
}

static void after_a_start_the_mean_is_that_of_the_window(void **state)
{
	struct hr_quality_gate g = {0};
	const struct hr_quality at_start = quality(100000, 20000), window = quality(10000, 2000), later = quality(100300, 20003);

	(void)state;
	assert_true(hr_quality_gate_judge(&g, 0.5, &at_start, &window));
	assert_false(hr_quality_gate_judge(&g, 0.5, &later, &window));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_collapse_is_held_and_let_go_when_recall_is_back),
		cmocka_unit_test(a_small_fall_and_bad_luck_are_no_collapse),
		cmocka_unit_test(a_model_that_is_young_is_not_judged),
		cmocka_unit_test(a_stream_that_changed_for_good_is_not_held_for_ever),
		cmocka_unit_test(a_share_of_0_holds_nothing),
		cmocka_unit_test(after_a_start_the_mean_is_that_of_the_window),
	};

	return cmocka_run_group_tests_name("quality gate", tests, NULL, NULL);
}
