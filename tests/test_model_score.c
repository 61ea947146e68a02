/* tests/test_model_score.c - what test-then-train asks, how it ranks, and the means it reports. */
#include "model/ranks.h"
#include "tests/test_model.h"

/* ---- means ---- */

static struct hr_answer answer(uint8_t rank, unsigned slices)
{
	struct hr_answer a = {.slices = (uint8_t)slices};

	memset(a.rank, rank, sizeof a.rank);
	return a;
}

static void means_are_those_of_the_definitions(void **state)
{
	struct hr_score s;

	(void)state;
	hr_score_init(&s, 100);
	for (uint8_t rank = 0; rank < 4; rank++) {
		static const uint8_t ranks[4] = {0, 5, 19, HR_RANKS};
		const struct hr_answer a = answer(ranks[rank], 1u << HR_SLICE_ALL | 1u << HR_SLICE_WARM);
		hr_score_add(&s, &a);
	}
	const struct hr_quality q = hr_score_quality(&s, HR_RANK_MIX, HR_SLICE_ALL, /* window */ true);
	assert_int_equal(q.questions, 4);
	assert_close(q.recall5, 0.25, 1e-12, "recall5", 0);
	assert_close(q.recall10, 0.5, 1e-12, "recall10", 0);
	assert_close(q.recall20, 0.75, 1e-12, "recall20", 0);
	assert_close(q.ndcg10, (1 + 1 / log2(7)) / 4, 1e-12, "ndcg10", 0);
	assert_close(q.ndcg20, (1 + 1 / log2(7) + 1 / log2(21)) / 4, 1e-12, "ndcg20", 0);
	assert_close(q.mrr20, (1 + 1.0 / 6 + 1.0 / 20) / 4, 1e-12, "mrr20", 0);
	assert_int_equal(hr_score_quality(&s, HR_RANK_MIX, HR_SLICE_WARM, true).questions, 4);
	assert_int_equal(hr_score_quality(&s, HR_RANK_MIX, HR_SLICE_COLD, true).questions, 0);
	assert_true(hr_score_quality(&s, HR_RANK_MIX, HR_SLICE_COLD, true).recall10 == 0);
	hr_score_fini(&s);
}

static void the_window_forgets_and_the_total_does_not(void **state)
{
	struct hr_score s;

	(void)state;
	hr_score_init(&s, 3);
	for (uint8_t i = 0; i < 10; i++) {
		const struct hr_answer a = answer(i < 8 ? 0 : HR_RANKS, 1u << HR_SLICE_ALL);
		hr_score_add(&s, &a);
	}
	const struct hr_quality recent = hr_score_quality(&s, HR_RANK_MODEL, HR_SLICE_ALL, true);
	const struct hr_quality total = hr_score_quality(&s, HR_RANK_MODEL, HR_SLICE_ALL, false);
	assert_int_equal(recent.questions, 3);
	assert_close(recent.recall5, 1.0 / 3, 1e-12, "recent", 0);
	assert_int_equal(total.questions, 10);
	assert_close(total.recall5, 0.8, 1e-12, "total", 0);
	hr_score_fini(&s);
}

static void every_ranker_and_slice_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(hr_ranker_name(HR_RANK_RULES), "covisitation");
	for (size_t r = 0; r < HR_RANKERS; r++)
		assert_non_null(hr_ranker_name((enum hr_ranker)r));
	for (size_t s = 0; s < HR_SLICES; s++)
		assert_non_null(hr_slice_name((enum hr_slice)s));
}

/* ---- questions ---- */

static struct hr_observation event(uint64_t ordinal, uint32_t item, const uint32_t *history, size_t len)
{
	static const int64_t times[8];
	static const uint8_t kinds[8] = {1, 1, 1, 1, 1, 1, 1, 1};

	return (struct hr_observation){.ordinal = ordinal, .item = item, .kind = HR_KIND_CLICK, .time_ms = DAY_MS,
	                               .history_len = len, .history_item = history, .history_time_ms = times,
	                               .history_kind = kinds};
}

static uint64_t asked(const struct hr_trainer *t)
{
	return hr_score_quality(hr_trainer_score(t), HR_RANK_MODEL, HR_SLICE_ALL, false).questions;
}

static void repeats_and_empty_histories_are_no_questions(void **state)
{
	struct hr_model_config c = small_config();
	const uint32_t history[2] = {1, 2};
	const struct hr_observation events[3] = {event(0, 5, history, 0), event(1, 2, history, 2), event(2, 3, history, 2)};

	(void)state;
	for (size_t repeats = 0; repeats < 2; repeats++) {
		c.repeats = repeats;
		struct hr_trainer *t = new_trainer(&c);
		add_items(t, 10);
		hr_trainer_observe(t, events, 3);
		assert_int_equal(asked(t), 1 + repeats);
		assert_int_equal(hr_counters_total(hr_trainer_counters(t)), 3);
		hr_trainer_free(t);
	}
}

static void a_share_of_the_events_is_asked_whatever_the_grouping(void **state)
{
	struct hr_model_config c = small_config();
	const uint32_t history[1] = {1};
	struct hr_observation events[1000];
	uint64_t count[2];

	(void)state;
	c.evaluate_share = 0.3f;
	for (uint32_t i = 0; i < 1000; i++)
		events[i] = event(i, 2 + i % 7, history, 1);
	for (size_t grouped = 0; grouped < 2; grouped++) {
		struct hr_trainer *t = new_trainer(&c);
		add_items(t, 10);
		for (size_t i = 0; i < 1000; i += grouped ? 100 : 1)
			hr_trainer_observe(t, events + i, grouped ? 100 : 1);
		count[grouped] = asked(t);
		hr_trainer_free(t);
	}
	assert_int_equal(count[0], count[1]);
	assert_in_range(count[0], 250, 350);
}

static uint8_t rank_of(const struct hr_trainer *t, enum hr_ranker r)
{
	const struct hr_score *s = hr_trainer_score(t);

	return s->ring[(s->next + s->window - 1) % s->window].rank[r];
}

/* Five items; the counters are filled by hand so that the ranks can be read off. */
static void counters_rank_as_counted_by_hand(void **state)
{
	const struct hr_model_config c = small_config();
	struct hr_trainer *t = new_trainer(&c);
	const uint32_t zero[1] = {0};
	const struct hr_observation learned[] = {event(0, 1, zero, 1), event(1, 1, zero, 1), event(2, 2, zero, 1),
	                                         event(3, 3, NULL, 0), event(4, 3, NULL, 0), event(5, 3, NULL, 0),
	                                         event(6, 3, NULL, 0)};

	(void)state;
	add_items(t, 5);
	hr_trainer_observe(t, learned, sizeof learned / sizeof learned[0]);
	/* rules of 0: item 1 twice, item 2 once. Popularity: 3 x4, 1 x2, 2 x1. Item 0 is history and does not compete. */
	struct hr_observation q = event(7, 2, zero, 1);
	hr_trainer_observe(t, &q, 1);
	assert_int_equal(rank_of(t, HR_RANK_RULES), 1);      /* behind 1 */
	assert_int_equal(rank_of(t, HR_RANK_POPULARITY), 2); /* behind 3 and 1 */
	assert_int_equal(rank_of(t, HR_RANK_COUNTERS), 1);   /* log(11) + .2 log(1.05) is over .2 log(4.05) */
	q = event(8, 4, zero, 1); /* never followed: ties with 3 at zero rules count against it */
	hr_trainer_observe(t, &q, 1);
	assert_int_equal(rank_of(t, HR_RANK_RULES), 3);
	assert_int_equal(rank_of(t, HR_RANK_POPULARITY), 3);
	hr_trainer_free(t);
}

static void an_item_that_is_not_live_is_missed(void **state)
{
	const struct hr_model_config c = small_config();
	struct hr_trainer *t = new_trainer(&c);
	const uint32_t zero[1] = {0};
	const struct hr_observation q = event(0, 1, zero, 1);

	(void)state;
	add_items(t, 2);
	hr_trainer_retire(t, 1);
	hr_trainer_observe(t, &q, 1);
	for (size_t r = 0; r < HR_RANKERS; r++)
		assert_int_equal(rank_of(t, (enum hr_ranker)r), HR_RANKS);
	hr_trainer_free(t);
}

static void a_question_sees_what_the_events_before_it_taught(void **state)
{
	const struct hr_model_config c = small_config();
	struct hr_trainer *t = new_trainer(&c);
	const uint32_t zero[1] = {0};
	const struct hr_observation group[2] = {event(0, 4, zero, 1), event(1, 4, zero, 1)};

	(void)state;
	add_items(t, 10);
	hr_trainer_observe(t, group, 2);
	assert_int_equal(hr_trainer_score(t)->ring[0].rank[HR_RANK_RULES], 8); /* all tie at zero */
	assert_int_equal(hr_trainer_score(t)->ring[1].rank[HR_RANK_RULES], 0);
	hr_trainer_free(t);
}

static void asking_and_counting_apart_learns_nothing_in_between(void **state)
{
	const struct hr_model_config c = small_config();
	struct hr_trainer *t = new_trainer(&c);
	const uint32_t zero[1] = {0};
	const struct hr_observation group[2] = {event(0, 4, zero, 1), event(1, 4, zero, 1)};

	(void)state;
	add_items(t, 10);
	hr_trainer_ask(t, group, 2);
	assert_int_equal(hr_counters_total(hr_trainer_counters(t)), 0);
	assert_int_equal(hr_trainer_score(t)->ring[0].rank[HR_RANK_RULES], 8);
	assert_int_equal(hr_trainer_score(t)->ring[1].rank[HR_RANK_RULES], 8);
	hr_trainer_count(t, group, 2);
	assert_int_equal(asked(t), 2);
	assert_int_equal(hr_counters_total(hr_trainer_counters(t)), 2);
	hr_trainer_free(t);
}

static void from_the_cut_on_every_event_is_asked_and_later_items_are_cold(void **state)
{
	struct hr_model_config c = small_config();
	const uint32_t zero[1] = {0};
	const struct hr_observation old = event(0, 4, zero, 1), young = event(1, 5, zero, 1);

	(void)state;
	c.evaluate_share = 0;
	struct hr_trainer *t = new_trainer(&c);
	add_items(t, 5);
	hr_trainer_observe(t, &old, 1);
	assert_int_equal(asked(t), 0);
	hr_trainer_cut(t);
	add_items(t, 6);
	hr_trainer_observe(t, &old, 1);
	hr_trainer_observe(t, &young, 1);
	assert_int_equal(asked(t), 2);
	assert_true(hr_trainer_score(t)->ring[0].slices & 1u << HR_SLICE_WARM); /* one event, but known at the cut */
	assert_true(hr_trainer_score(t)->ring[1].slices & 1u << HR_SLICE_COLD);
	hr_trainer_free(t);
}

/* The model's rank against logits made from the outside: snapshot vectors. */
static void the_model_ranks_by_its_vectors(void **state)
{
	const struct hr_model_config c = small_config();
	struct hr_trainer *t = new_trainer(&c);
	const uint32_t history[3] = {3, 8, 1};
	struct hr_batch b = {0};
	float user[32];
	size_t better = 0;

	(void)state;
	add_items(t, 15);
	random_batch(&b, 60, 10, 15, 1);
	for (size_t i = 0; i < 10; i++)
		assert_true(step(t, &b).trained);
	struct hr_snapshot *s = hr_trainer_snapshot(t);
	hr_batch_clear(&b);
	hr_batch_begin(&b, 0);
	for (size_t i = 0; i < 3; i++)
		hr_batch_add(&b, history[i], 0, 1, i < 2 ? 0 : DAY_MS, HR_NONE, 0);
	hr_snapshot_encode(s, &b, user);
	struct hr_hit hits[15];
	size_t found;
	const uint32_t skip[3] = {1, 3, 8};
	hr_snapshot_top(s, user, 1, s->scale, NULL, skip, 3, 15, hits, &found);
	assert_int_equal(found, 12);
	while (hits[better].row != 12)
		better++;
	const struct hr_observation q = event(0, 12, history, 3);
	hr_trainer_observe(t, &q, 1);
	assert_int_equal(rank_of(t, HR_RANK_MODEL), better);
	hr_snapshot_unref(s);
	hr_batch_fini(&b);
	hr_trainer_free(t);
}

static void slices_follow_the_item_and_the_history(void **state)
{
	const struct hr_model_config c = small_config();
	struct hr_trainer *t = new_trainer(&c);
	const uint32_t history[5] = {0, 1, 2, 3, 4};
	const unsigned all = 1u << HR_SLICE_ALL, cold = 1u << HR_SLICE_COLD, warm = 1u << HR_SLICE_WARM;

	(void)state;
	add_items(t, 10);
	for (uint64_t i = 0; i < 6; i++) {
		const struct hr_observation q = event(i, 7, history, i < 3 ? 4 : 5);
		hr_trainer_observe(t, &q, 1);
		assert_int_equal(hr_trainer_score(t)->ring[i].slices,
		                 all | (i < 5 ? cold : warm) | (i < 3 ? 1u << HR_SLICE_SHORT : 0));
	}
	hr_trainer_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(means_are_those_of_the_definitions),
		cmocka_unit_test(the_window_forgets_and_the_total_does_not),
		cmocka_unit_test(every_ranker_and_slice_has_a_name),
		cmocka_unit_test(repeats_and_empty_histories_are_no_questions),
		cmocka_unit_test(a_share_of_the_events_is_asked_whatever_the_grouping),
		cmocka_unit_test(counters_rank_as_counted_by_hand),
		cmocka_unit_test(an_item_that_is_not_live_is_missed),
		cmocka_unit_test(a_question_sees_what_the_events_before_it_taught),
		cmocka_unit_test(asking_and_counting_apart_learns_nothing_in_between),
		cmocka_unit_test(from_the_cut_on_every_event_is_asked_and_later_items_are_cold),
		cmocka_unit_test(the_model_ranks_by_its_vectors),
		cmocka_unit_test(slices_follow_the_item_and_the_history),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
