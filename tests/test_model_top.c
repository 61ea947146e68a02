/* tests/test_model_top.c - the k best rows against a full sort, and what a snapshot promises. */
#include "model/snapshot_weights.h"
#include "tests/test_model.h"

enum { D = 32, ROWS = 2500, QUERIES = 19 };

/* A snapshot over vectors of small whole numbers, whose products are exact in any order; every tenth row is a copy of the
 * one before, so there are many ties. */
static struct hr_snapshot *made_up(void)
{
	const struct hr_shape shape = {.D = D, .H = 2, .blocks = 1, .L = 4};
	struct hr_layout at;
	struct hr_encoder e;
	struct hr_rng rng = hr_rng_stream(1, 1, 1);

	hr_layout_init(&at, &shape);
	float *w = hr_alloc(at.floats, sizeof *w);
	hr_encoder_init(&e, hr_kernels_reference(), &at, w);
	struct hr_snapshot *s = hr_snapshot_new(&e, ROWS);
	for (size_t row = 0; row < ROWS; row++) {
		for (size_t c = 0; c < D; c++)
			s->weights->unit[row * D + c] = row % 10 == 9 ? s->weights->unit[(row - 1) * D + c]
			                                              : (float)((int)hr_rng_below(&rng, 9) - 4);
		s->weights->live[row] = hr_rng_below(&rng, 5) > 0;
	}
	hr_encoder_fini(&e);
	hr_free(w);
	return s;
}

static int better_first(const void *a, const void *b)
{
	const struct hr_hit *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return (x->row > y->row) - (x->row < y->row);
}

static size_t brute_force(const struct hr_snapshot *s, const float *query, float scale, const float *bonus,
                          const uint8_t *skipped, size_t k, struct hr_hit *hits)
{
	struct hr_hit *all = hr_alloc(s->rows, sizeof *all);
	size_t found = 0;

	for (uint32_t row = 0; row < s->rows; row++) {
		float dot = 0;
		s->weights->encoder.k->scores(&dot, 1, query, s->unit + row * D, 1, 1, D, NULL);
		if (s->live[row] && !skipped[row])
			all[found++] = (struct hr_hit){.row = row, .score = scale * dot + (bonus != NULL ? bonus[row] : 0)};
	}
	qsort(all, found, sizeof *all, better_first);
	found = found < k ? found : k;
	memcpy(hits, all, found * sizeof *all);
	hr_free(all);
	return found;
}

static void check(const struct hr_snapshot *s, size_t k, const float *bonus, const uint32_t *skip, size_t skips)
{
	static uint8_t skipped[ROWS];
	static float query[QUERIES * D];
	struct hr_rng rng = hr_rng_stream(2, 2, k);
	struct hr_hit *got = hr_alloc(QUERIES * k, sizeof *got), *want = hr_alloc(k, sizeof *want);
	size_t found[QUERIES];

	memset(skipped, 0, sizeof skipped);
	for (size_t i = 0; i < skips; i++)
		skipped[skip[i]] = 1;
	for (size_t i = 0; i < QUERIES * D; i++)
		query[i] = (float)((int)hr_rng_below(&rng, 9) - 4);
	hr_snapshot_top(s, query, QUERIES, 2, bonus, skip, skips, k, got, found);
	for (size_t q = 0; q < QUERIES; q++) {
		assert_int_equal(found[q], brute_force(s, query + q * D, 2, bonus, skipped, k, want));
		for (size_t i = 0; i < found[q]; i++) {
			assert_close((double)got[q * k + i].score, (double)want[i].score, 1e-5, "score", i);
			assert_int_equal(got[q * k + i].row, want[i].row);
		}
	}
	hr_free(got);
	hr_free(want);
}

static void top_equals_a_full_sort(void **state)
{
	struct hr_snapshot *s = made_up();
	float *bonus = hr_alloc(ROWS, sizeof *bonus);
	uint32_t skip[700];

	(void)state;
	for (uint32_t i = 0; i < 700; i++)
		skip[i] = i * 3;
	for (size_t i = 0; i < ROWS; i++)
		bonus[i] = (float)(i % 7);
	check(s, 1, NULL, NULL, 0);
	check(s, 10, NULL, skip, 700);
	check(s, 10, bonus, skip, 700);
	check(s, 100, bonus, NULL, 0);
	check(s, ROWS, NULL, skip, 700); /* more than there are */
	hr_free(bonus);
	hr_snapshot_unref(s);
}

static void ties_go_to_the_lower_row(void **state)
{
	struct hr_snapshot *s = made_up();
	float query[D] = {0};
	struct hr_hit hits[3];
	const uint32_t skip[1] = {1};
	size_t found;

	(void)state;
	memset(s->weights->live, 1, ROWS);
	hr_snapshot_top(s, query, 1, 1, NULL, skip, 1, 3, hits, &found); /* every score is zero */
	assert_int_equal(found, 3);
	assert_int_equal(hits[0].row, 0);
	assert_int_equal(hits[1].row, 2);
	assert_int_equal(hits[2].row, 3);
	hr_snapshot_unref(s);
}

static void an_empty_snapshot_answers(void **state)
{
	const struct hr_model_config c = small_config();
	struct hr_trainer *t = new_trainer(&c);
	struct hr_snapshot *s = hr_trainer_snapshot(t);
	struct hr_batch b = {0};
	float user[32];
	struct hr_hit hit;
	size_t found = 7;

	(void)state;
	hr_batch_begin(&b, 1);
	hr_batch_add(&b, 3, 0, HR_KIND_VIEW, 10, HR_NONE, 0); /* an item that the snapshot does not know */
	hr_snapshot_encode(s, &b, user);
	hr_snapshot_top(s, user, 1, s->scale, NULL, NULL, 0, 1, &hit, &found);
	assert_int_equal(found, 0);
	hr_snapshot_unref(s);
	hr_batch_fini(&b);
	hr_trainer_free(t);
}

static void a_user_vector_does_not_depend_on_its_neighbours(void **state)
{
	const struct hr_model_config c = small_config();
	struct hr_trainer *t = new_trainer(&c);
	struct hr_batch all = {0}, one = {0};
	float together[60 * 32], alone[32];

	(void)state;
	add_items(t, 30);
	random_batch(&all, 60, 15, 30, 1);
	struct hr_snapshot *s = hr_trainer_snapshot(t);
	hr_snapshot_encode(s, &all, together);
	for (size_t n = 0; n < 60; n++) {
		hr_batch_clear(&one);
		hr_batch_begin(&one, 0);
		for (size_t p = all.start[n]; p < all.start[n + 1]; p++)
			hr_batch_add(&one, all.item[p], all.time_ms[p], all.kind[p], all.ask_ms[p], HR_NONE, 0);
		hr_snapshot_encode(s, &one, alone);
		assert_memory_equal(alone, together + n * 32, sizeof alone);
	}
	hr_snapshot_unref(s);
	hr_batch_fini(&all);
	hr_batch_fini(&one);
	hr_trainer_free(t);
}

static void a_snapshot_does_not_move_with_the_trainer(void **state)
{
	const struct hr_model_config c = small_config();
	struct hr_trainer *t = new_trainer(&c);
	struct hr_batch b = {0};
	float before[60 * 32], after[60 * 32];

	(void)state;
	add_items(t, 30);
	random_batch(&b, 60, 15, 30, 1);
	struct hr_snapshot *s = hr_trainer_snapshot(t);
	hr_snapshot_ref(s);
	hr_snapshot_unref(s);
	hr_snapshot_encode(s, &b, before);
	assert_true(step(t, &b).trained);
	hr_trainer_retire(t, 3);
	hr_snapshot_encode(s, &b, after);
	assert_memory_equal(before, after, sizeof before);
	assert_int_equal(s->live[3], 1);
	assert_int_equal(s->steps, 0);
	struct hr_snapshot *newer = hr_trainer_snapshot(t);
	hr_snapshot_encode(newer, &b, after);
	assert_true(memcmp(before, after, sizeof before) != 0);
	assert_int_equal(newer->live[3], 0);
	assert_int_equal(newer->steps, 1);
	hr_snapshot_unref(newer);
	hr_snapshot_unref(s);
	hr_batch_fini(&b);
	hr_trainer_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(top_equals_a_full_sort),
		cmocka_unit_test(ties_go_to_the_lower_row),
		cmocka_unit_test(an_empty_snapshot_answers),
		cmocka_unit_test(a_user_vector_does_not_depend_on_its_neighbours),
		cmocka_unit_test(a_snapshot_does_not_move_with_the_trainer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
