/* tests/test_model_top.c - the k best rows against a full sort, and what a snapshot promises. */
#include "model/snapshot_weights.h"
#include "tests/test_model.h"

enum { D = 32, ROWS = 2501, QUERIES = 19 };

/* A snapshot over vectors of small whole numbers, whose products are exact in any order; every tenth row is a copy of the
 * one before, so there are many ties. */
static struct hr_snapshot *made_up(const struct hr_kernels *k)
{
	const struct hr_shape shape = {.D = D, .H = 2, .blocks = 1, .L = 4};
	struct hr_layout at;
	struct hr_encoder e;
	struct hr_rng rng = hr_rng_stream(1, 1, 1);

	hr_layout_init(&at, &shape);
	float *w = hr_alloc(at.floats, sizeof *w);
	hr_encoder_init(&e, k, &at, w);
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

static void check_all(const struct hr_snapshot *s)
{
	float *bonus = hr_alloc(ROWS, sizeof *bonus);
	uint32_t skip[700];

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
}

static void top_equals_a_full_sort(void **state)
{
	struct hr_snapshot *s = made_up(hr_kernels_reference());

	(void)state;
	check_all(s);
	hr_snapshot_unref(s);
}

/* Whole numbers that the coarse rows hold exactly: all that is lost is lost in the query. */
static void grid(struct hr_snapshot *s)
{
	struct hr_rng rng = hr_rng_stream(6, 6, 6);

	for (size_t row = 0; row < ROWS; row++)
		for (size_t c = 0; c < D; c++)
			s->weights->unit[row * D + c] = c == 0 ? 63 : (float)(20 + hr_rng_below(&rng, 2));
}

/* Rows of many sizes, close together in their direction, so that the coarse rows alone could not tell them apart. */
static void crowd(struct hr_snapshot *s)
{
	struct hr_rng rng = hr_rng_stream(5, 5, 5);

	for (size_t row = 0; row < ROWS; row++) {
		const float size = row % 50 == 7 ? 0 : row % 11 == 3 ? 3 : 1;
		for (size_t c = 0; c < D; c++)
			s->weights->unit[row * D + c] = size * ((c % 3 == 0 ? 1.f : -.5f) + .02f * (float)hr_rng_normal(&rng));
	}
}

/* The quick search is for a few queries only, so each is asked alone, and must give what all together do without it. Not
 * on the reference set, whose scores move by a rounding with the number of queries. */
static void check_alone(const struct hr_kernels *k)
{
	enum { K = 40 };
	static float query[QUERIES * D];
	static struct hr_hit want[QUERIES * K], got[K];
	struct hr_snapshot *s = made_up(k);
	float *bonus = hr_alloc(ROWS, sizeof *bonus);
	const uint32_t skip[3] = {4, 1200, ROWS - 1};
	struct hr_rng rng = hr_rng_stream(3, 3, 3);
	size_t found[QUERIES], alone;

	for (size_t i = 0; i < QUERIES * D; i++)
		query[i] = i < D ? 0 : (float)hr_rng_normal(&rng);
	for (size_t i = D; i < 4 * D; i++)
		query[i] = query[i] < 0 ? -1 : 1; /* eight bits hold these exactly: all that is lost is lost in the rows */
	for (size_t i = 0; i < ROWS; i++)
		bonus[i] = (float)(i % 5) * .001f;
	for (int kind = 0; kind < 3; kind++) {
		if (kind > 0)
			(kind == 1 ? crowd : grid)(s);
		hr_coarse_fini(&s->weights->coarse);
		for (size_t v = 0; v < 6; v++) {
			const float scale = v % 3 == 0 ? 2 : v % 3 == 1 ? -.7f : 30;
			hr_snapshot_top(s, query, QUERIES, scale, v < 3 ? bonus : NULL, skip, 3, K, want, found);
			hr_snapshot_ready(s);
			for (size_t q = 0; q < QUERIES; q++) {
				hr_snapshot_top(s, query + q * D, 1, scale, v < 3 ? bonus : NULL, skip, 3, K, got, &alone);
				assert_int_equal(alone, found[q]);
				for (size_t i = 0; i < alone; i++) {
					assert_int_equal(got[i].row, want[q * K + i].row);
					assert_true(got[i].score == want[q * K + i].score);
				}
			}
			hr_coarse_fini(&s->weights->coarse);
		}
	}
	hr_free(bonus);
	hr_snapshot_unref(s);
}

static void a_query_alone_finds_the_same(void **state)
{
	const struct hr_kernels *k;
	struct hr_error err;

	(void)state;
	for (const char *const *name = hr_kernels_available(); strcmp(*name, "reference") != 0; name++) {
		assert_true(hr_kernels_choose(*name, &k, &err));
		check_alone(k);
	}
}

static void ties_go_to_the_lower_row(void **state)
{
	struct hr_snapshot *s = made_up(hr_kernels_reference());
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
		cmocka_unit_test(a_query_alone_finds_the_same),
		cmocka_unit_test(ties_go_to_the_lower_row),
		cmocka_unit_test(an_empty_snapshot_answers),
		cmocka_unit_test(a_user_vector_does_not_depend_on_its_neighbours),
		cmocka_unit_test(a_snapshot_does_not_move_with_the_trainer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
