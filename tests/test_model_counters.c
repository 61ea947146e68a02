/* tests/test_model_counters.c - rules and popularity against sums done by hand, and their records. */
#include "tests/test_model.h"

static void rules_weigh_by_distance_and_scores_by_recency(void **state)
{
	struct hr_counters *c = hr_counters_new(8, 7);
	const uint32_t history[3] = {5, 6, 7};
	float scores[10] = {0};

	(void)state;
	hr_counters_learn(c, history, 3, 9, 0); /* 7 -> 9: 1, 6 -> 9: 1/2, 5 -> 9: 1/3 */
	hr_counters_learn(c, history, 1, 8, 0); /* 5 -> 8: 1 */
	hr_counters_rules(c, history, 3, scores, 10);
	/* the rows of 7, 6 and 5 hold 1, 1/2 and 4/3 */
	assert_close((double)scores[9], 1 / sqrt(2) + 0.7 / 2 / sqrt(1.5) + 0.49 / 3 / sqrt(1 + 4. / 3), 1e-6, "score", 9);
	assert_close((double)scores[8], 0.49 / sqrt(1 + 4. / 3), 1e-6, "score", 8);
	for (size_t i = 0; i < 8; i++)
		assert_true(scores[i] == 0.0f);
	hr_counters_free(c);
}

static void rules_look_ten_items_back(void **state)
{
	struct hr_counters *c = hr_counters_new(8, 7);
	uint32_t history[12];
	struct hr_follower f;

	(void)state;
	for (uint32_t i = 0; i < 12; i++)
		history[i] = i;
	hr_counters_learn(c, history, 12, 20, 0);
	assert_int_equal(hr_counters_followers(c, 1, &f, 1), 0);
	assert_int_equal(hr_counters_followers(c, 2, &f, 1), 1);
	assert_int_equal(f.item, 20);
	assert_close((double)f.weight, 0.1 / sqrt(1.1), 1e-6, "weight", 0);
	hr_counters_free(c);
}

static void a_full_row_gives_up_its_lightest_follower_with_its_weight(void **state)
{
	struct hr_counters *c = hr_counters_new(2, 7);
	const uint32_t from = 0;
	struct hr_follower f[3];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		hr_counters_learn(c, &from, 1, 1, 0);
	hr_counters_learn(c, &from, 1, 2, 0);
	hr_counters_learn(c, &from, 1, 3, 0); /* takes the place of 2 and its weight of 1 */
	assert_int_equal(hr_counters_followers(c, 0, f, 3), 2);
	assert_int_equal(f[0].item, 1);
	assert_close((double)f[0].weight, 3 / sqrt(6), 1e-6, "weight", 0);
	assert_int_equal(f[1].item, 3);
	assert_close((double)f[1].weight, 2 / sqrt(6), 1e-6, "weight", 1);
	hr_counters_free(c);
}

static void followers_come_heaviest_first_and_ties_by_item(void **state)
{
	struct hr_counters *c = hr_counters_new(64, 7);
	struct hr_follower f[5];
	const uint32_t from = 0;

	(void)state;
	for (uint32_t item = 20; item > 0; item--)
		for (uint32_t n = 0; n < 1 + item % 4; n++)
			hr_counters_learn(c, &from, 1, item, 0);
	assert_int_equal(hr_counters_followers(c, 0, f, 5), 5);
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(f[i].item, 3 + 4 * i);
		assert_close((double)f[i].weight, 4 / sqrt(51), 1e-6, "weight", i);
	}
	assert_int_equal(hr_counters_followers(c, 99, f, 5), 0);
	hr_counters_free(c);
}

static void popularity_halves_with_stream_time(void **state)
{
	struct hr_counters *c = hr_counters_new(8, 7);
	float p[3000];

	(void)state;
	hr_counters_learn(c, NULL, 0, 1, 0);
	hr_counters_learn(c, NULL, 0, 1, 7 * DAY_MS);
	hr_counters_learn(c, NULL, 0, 2500, 14 * DAY_MS);
	hr_counters_popularity(c, 14 * DAY_MS, p, 3000);
	assert_close((double)p[1], 0.25 + 0.5, 1e-6, "popularity", 1);
	assert_close((double)p[2500], 1, 1e-6, "popularity", 2500);
	assert_true(p[0] == 0.0f && p[1500] == 0.0f && p[2999] == 0.0f);
	assert_int_equal(hr_counters_events(c, 1), 2);
	assert_int_equal(hr_counters_events(c, 99999), 0);
	assert_int_equal(hr_counters_total(c), 3);
	hr_counters_free(c);
}

static void popularity_stays_exact_over_decades(void **state)
{
	struct hr_counters *c = hr_counters_new(8, 7);
	float p[2];

	(void)state;
	for (int64_t week = 0; week < 2000; week++)
		hr_counters_learn(c, NULL, 0, 0, week * 7 * DAY_MS);
	hr_counters_learn(c, NULL, 0, 1, 0); /* late by 38 years: worth nothing now, but counted */
	hr_counters_popularity(c, 1999 * 7 * DAY_MS, p, 2);
	assert_close((double)p[0], 2, 1e-6, "popularity", 0);
	assert_true(p[1] >= 0.0f && p[1] < 1e-30f);
	assert_int_equal(hr_counters_events(c, 1), 1);
	hr_counters_free(c);
}

/* ---- records ---- */

static void fill(struct hr_counters *c)
{
	for (uint32_t i = 0; i < 500; i++) {
		const uint32_t history[3] = {i % 7, i % 11, i % 13};
		hr_counters_learn(c, history, 3, i * 17 % 1500, (int64_t)i * DAY_MS);
	}
}

static void records_give_the_counters_back(void **state)
{
	struct hr_counters *c = hr_counters_new(16, 7), *d = hr_counters_new(16, 7);
	struct hr_buf work = {0};
	struct records r = {0}, again = {0};
	struct hr_error err;

	(void)state;
	fill(c);
	hr_counters_collect(c, &work, put_record, &r);
	assert_true(r.count > 10);
	for (size_t i = 0; i < r.count; i++)
		assert_true(hr_counters_load(d, r.at[i].cls, r.at[i].number, r.at[i].bytes.p, r.at[i].bytes.len, &err));
	fill(c);
	fill(d);
	hr_counters_collect(c, &work, put_record, &r);
	hr_counters_collect(d, &work, put_record, &again);
	assert_same_records(&r, &again);
	assert_int_equal(hr_counters_total(c), hr_counters_total(d));
	assert_int_equal(hr_counters_rows(c), 1498);
	hr_counters_free(c);
	hr_counters_free(d);
	hr_buf_fini(&work);
	records_fini(&r);
	records_fini(&again);
}

static void broken_records_are_refused_with_their_name(void **state)
{
	struct hr_counters *c = hr_counters_new(2, 7);
	struct hr_error err;
	static const uint8_t rules[] = {2, 1, 0, 0, 0, 128, 63, 9, 0, 0, 0, 0, 0, 128, 63};
	static const uint8_t three[] = {2, 3, 0};
	static const uint8_t page[] = {1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

	(void)state;
	assert_true(hr_counters_load(c, HR_REC_RULES, 4, rules, sizeof rules, &err));
	assert_false(hr_counters_load(c, HR_REC_RULES, 4, rules, sizeof rules - 1, &err));
	assert_string_equal(err.msg, "rules of row 4: 7 bytes are not 1 followers");
	assert_false(hr_counters_load(c, HR_REC_RULES, 4, three, sizeof three, &err));
	assert_string_equal(err.msg, "rules of row 4: 3 followers are over rules_kept 2");
	assert_false(hr_counters_load(c, HR_REC_RULES, UINT32_MAX, rules, sizeof rules, &err));
	assert_false(hr_counters_load(c, HR_REC_RULES, 4, "\1", 1, &err));
	assert_string_equal(err.msg, "rules of row 4: version 1 is not 2");
	static const uint8_t nan[] = {2, 1, 0, 0, 0, 128, 63, 9, 0, 0, 0, 0, 0, 192, 127};
	assert_false(hr_counters_load(c, HR_REC_RULES, 4, nan, sizeof nan, &err));
	assert_string_equal(err.msg, "rules of row 4: weight nan is not one");
	assert_false(hr_counters_load(c, HR_REC_POPULARITY, 0, page, sizeof page, &err));
	assert_false(hr_counters_load(c, HR_REC_POPULARITY, UINT32_MAX, page, 11, &err));
	assert_false(hr_counters_load(c, HR_REC_POPULARITY, 0, NULL, 0, &err));
	assert_int_equal(err.code, HR_E_FORMAT);
	hr_counters_free(c);
}

static void a_heavy_row_is_halved_and_goes_on(void **state)
{
	struct hr_counters *c = hr_counters_new(8, 7);
	const uint32_t from = 0;
	struct hr_follower f[2];

	(void)state;
	for (size_t i = 0; i < 8192; i++)
		hr_counters_learn(c, &from, 1, 1, 0);
	assert_int_equal(hr_counters_followers(c, 0, f, 2), 1);
	assert_close((double)f[0].weight, 8192 / sqrt(8193), 1e-3, "full", 0);
	for (size_t i = 0; i < 1025; i++)
		hr_counters_learn(c, &from, 1, 2, 0); /* the first of them halves what there was */
	assert_int_equal(hr_counters_followers(c, 0, f, 2), 2);
	assert_close((double)f[0].weight, 4096 / sqrt(1 + 4096.5 + 1024), 1e-3, "old", 0);
	assert_close((double)f[1].weight, 1024.5 / sqrt(1 + 4096.5 + 1024), 1e-3, "new", 1);
	hr_counters_free(c);
}

static void recent_shares_are_those_of_the_decayed_counts(void **state)
{
	struct hr_counters *c = hr_counters_new(8, 7);
	const uint32_t row[4] = {2, 5, 1500, 9000};
	float share[4];

	(void)state;
	hr_counters_recent(c, 0, row, 1, share);
	assert_true(share[0] == 0); /* nothing happened yet */
	hr_counters_learn(c, NULL, 0, 2, 0);
	hr_counters_learn(c, NULL, 0, 1500, 7 * DAY_MS); /* another page; the first counts half by now */
	hr_counters_learn(c, NULL, 0, 1500, 7 * DAY_MS);
	hr_counters_recent(c, 9 * DAY_MS, row, 4, share);
	assert_close((double)share[0], 0.2, 1e-6, "share", 0);
	assert_true(share[1] == 0);
	assert_close((double)share[2], 0.8, 1e-6, "share", 2);
	assert_true(share[3] == 0);
	hr_counters_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_weigh_by_distance_and_scores_by_recency),
		cmocka_unit_test(rules_look_ten_items_back),
		cmocka_unit_test(a_heavy_row_is_halved_and_goes_on),
		cmocka_unit_test(recent_shares_are_those_of_the_decayed_counts),
		cmocka_unit_test(a_full_row_gives_up_its_lightest_follower_with_its_weight),
		cmocka_unit_test(followers_come_heaviest_first_and_ties_by_item),
		cmocka_unit_test(popularity_halves_with_stream_time),
		cmocka_unit_test(popularity_stays_exact_over_decades),
		cmocka_unit_test(records_give_the_counters_back),
		cmocka_unit_test(broken_records_are_refused_with_their_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
