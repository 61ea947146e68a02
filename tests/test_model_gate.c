/* tests/test_model_gate.c - the weights of the mix: their gradient, what they learn, and that they are state. */
#include "model/gate.h"
#include "tests/test_model.h"

enum { ROWS = 23, HISTORY = 5, WANTED = 7 };

static const uint32_t history[HISTORY] = {3, 9, 3, 4, 10};

struct fixture {
	float term[HR_MIX_AGAIN][ROWS], open[ROWS], score[ROWS];
	struct hr_gate_question q;
};

static struct hr_gate_question *set_up(struct fixture *f)
{
	struct hr_rng rng = hr_rng_stream(1, 2, 3);

	for (size_t row = 0; row < ROWS; row++) {
		f->open[row] = row % 5 != 1;
		for (size_t term = 0; term < HR_MIX_AGAIN; term++)
			f->term[term][row] = (float)(4 * hr_rng_unit(&rng) - 2);
	}
	f->q = (struct hr_gate_question){.rows = ROWS, .term = {f->term[0], f->term[1], f->term[2]}, .open = f->open,
	                                 .wanted = WANTED, .history = history, .history_len = HISTORY};
	return &f->q;
}

/* -log softmax over the items that compete, by the formula. */
static double loss(const struct hr_mix *m, const struct hr_gate_question *q)
{
	double sum = 0, own = 0;

	for (size_t row = 0; row < ROWS; row++) {
		double score = 0;
		for (size_t term = 0; term < HR_MIX_AGAIN; term++)
			score += (double)m->weight[term] * (double)q->term[term][row];
		score += row == 3 || row == 9 || row == 4 ? (double)m->weight[HR_MIX_AGAIN] : 0;
		score += row == 10 ? (double)m->weight[HR_MIX_LAST] : 0;
		sum += q->open[row] > 0 ? exp(score) : 0;
		own = row == q->wanted ? score : own;
	}
	return log(sum) - own;
}

static void the_gradient_matches_finite_differences(void **state)
{
	struct fixture f;
	const struct hr_gate_question *q = set_up(&f);
	struct hr_gate g;
	const float h = 1e-3f;

	(void)state;
	hr_gate_init(&g);
	hr_gate_learn(&g, hr_kernels_reference(), q, /* rate */ 0, f.score);
	for (size_t term = 0; term < HR_MIX_TERMS; term++) {
		struct hr_mix up = g.now, down = g.now;
		up.weight[term] += h;
		down.weight[term] -= h;
		const double slope = (loss(&up, q) - loss(&down, q)) / (2 * (double)h);
		assert_close(sqrt((double)g.square[term] * 1000), fabs(slope), 2e-3, "slope", term); /* 1 - .999 of it is kept */
	}
}

static void an_item_that_stands_twice_in_a_history_counts_once(void **state)
{
	struct fixture f;
	const struct hr_gate_question *q = set_up(&f);
	const struct hr_mix m = {{0, 0, 0, 2, -3}};

	(void)state;
	hr_mix_scores(&m, q, f.score);
	for (size_t row = 0; row < ROWS; row++)
		assert_true(f.score[row] == (row == 10 ? -3.0f : row == 3 || row == 9 || row == 4 ? 2.0f : 0.0f));
}

/* Rules point at the wanted item, the network at another one, and the last item is never wanted again. */
static void a_term_that_is_right_gains_and_one_that_is_wrong_loses(void **state)
{
	struct fixture f;
	struct hr_gate_question *q = set_up(&f);
	struct hr_gate g;

	(void)state;
	memset(f.term, 0, sizeof f.term);
	hr_gate_init(&g);
	for (uint32_t i = 0; i < 2000; i++) {
		q->wanted = 12 + i % 3; /* rows 12, 13, 14 */
		memset(f.term, 0, sizeof f.term);
		f.term[HR_MIX_RULES][q->wanted] = 1;
		f.term[HR_MIX_MODEL][18] = 1;
		hr_gate_learn(&g, hr_kernels_reference(), q, 0.01f, f.score);
	}
	assert_true(g.next.weight[HR_MIX_RULES] > 3);
	assert_true(g.next.weight[HR_MIX_MODEL] < 0.1f);
	assert_true(g.next.weight[HR_MIX_LAST] < -1);
	assert_true(g.now.weight[HR_MIX_RULES] == 1); /* until it is taken */
	hr_gate_take(&g);
	assert_memory_equal(&g.now, &g.next, sizeof g.now);
}

static void weights_stay_within_their_bounds(void **state)
{
	struct fixture f;
	const struct hr_gate_question *q = set_up(&f);
	struct hr_gate g;

	(void)state;
	hr_gate_init(&g);
	for (size_t i = 0; i < 500; i++)
		hr_gate_learn(&g, hr_kernels_reference(), q, 1, f.score);
	for (size_t term = 0; term < HR_MIX_TERMS; term++)
		assert_true(g.next.weight[term] <= HR_MIX_BOUND &&
		            g.next.weight[term] >= (term < HR_MIX_AGAIN ? 0 : -HR_MIX_BOUND));
}

static void what_is_written_is_read(void **state)
{
	struct fixture f;
	const struct hr_gate_question *q = set_up(&f);
	struct hr_gate g, back;
	struct hr_buf bytes = {0};
	struct hr_error err;

	(void)state;
	hr_gate_init(&g);
	hr_gate_learn(&g, hr_kernels_reference(), q, 0.1f, f.score);
	hr_gate_take(&g);
	hr_gate_encode(&g, &bytes);
	struct hr_cursor in = {.p = bytes.p, .left = bytes.len};
	assert_true(hr_gate_decode(&back, &in, &err));
	assert_int_equal(in.left, 0);
	assert_memory_equal(&back.now, &g.now, sizeof g.now);
	assert_memory_equal(&back.next, &g.next, sizeof g.next);
	assert_memory_equal(back.square, g.square, sizeof g.square);
	assert_int_equal(back.questions, 1);
	bytes.p[3] = 0x7f; /* the first weight: not a number */
	bytes.p[2] = 0xff;
	in = (struct hr_cursor){.p = bytes.p, .left = bytes.len};
	assert_false(hr_gate_decode(&back, &in, &err));
	assert_string_equal(err.msg, "weight nan of the mix is not in 0..20");
	hr_buf_fini(&bytes);
}

/* ---- in a trainer ---- */

static const int64_t times[2] = {1000, 2000};
static const uint8_t kinds[2] = {HR_KIND_VIEW, HR_KIND_VIEW};
static const uint32_t seen[2] = {1, 2};

static struct hr_observation event(uint64_t ordinal)
{
	return (struct hr_observation){.ordinal = ordinal, .item = 5, .kind = HR_KIND_VIEW, .time_ms = 3000, .history_len = 2,
	                               .history_item = seen, .history_time_ms = times, .history_kind = kinds};
}

static float rules_weight(struct hr_trainer *t)
{
	struct hr_snapshot *s = hr_trainer_snapshot(t);
	const float weight = s->mix.weight[HR_MIX_RULES];

	hr_snapshot_unref(s);
	return weight;
}

static void a_snapshot_has_what_was_learned_and_asking_alone_changes_nothing(void **state)
{
	const struct hr_model_config c = small_config();
	struct hr_trainer *t = new_trainer(&c);

	(void)state;
	add_items(t, 9);
	for (uint64_t i = 0; i < 5; i++) {
		const struct hr_observation e = event(i);
		hr_trainer_observe(t, &e, 1);
	}
	const float learned = rules_weight(t);
	assert_true(learned > 1); /* the rule was right four times */
	const struct hr_observation e = event(5);
	hr_trainer_ask(t, &e, 1);
	assert_true(rules_weight(t) == learned);
	hr_trainer_count(t, &e, 1);
	assert_true(rules_weight(t) > learned);
	hr_trainer_free(t);
}

static void a_rate_of_nought_keeps_the_mix(void **state)
{
	struct hr_model_config c = small_config();

	(void)state;
	c.mix_rate = 0;
	struct hr_trainer *t = new_trainer(&c);
	add_items(t, 9);
	for (uint64_t i = 0; i < 5; i++) {
		const struct hr_observation e = event(i);
		hr_trainer_observe(t, &e, 1);
	}
	assert_true(rules_weight(t) == 1);
	hr_trainer_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_gradient_matches_finite_differences),
		cmocka_unit_test(an_item_that_stands_twice_in_a_history_counts_once),
		cmocka_unit_test(a_term_that_is_right_gains_and_one_that_is_wrong_loses),
		cmocka_unit_test(weights_stay_within_their_bounds),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_snapshot_has_what_was_learned_and_asking_alone_changes_nothing),
		cmocka_unit_test(a_rate_of_nought_keeps_the_mix),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
