/* tests/test_model_losses.c - each loss against central differences on odd sizes, and against its formula by hand. */
#include "model/augment.h"
#include "model/loss_contrast.h"
#include "model/loss_next.h"
#include "model/loss_triplet.h"
#include "tests/test_model.h"

static void fill(float *x, size_t n, uint64_t seed)
{
	struct hr_rng rng = hr_rng_stream(seed, 5, 5);

	for (size_t i = 0; i < n; i++)
		x[i] = (float)(2 * hr_rng_unit(&rng) - 1);
}

/* ---- next item ---- */

enum { P = 70, C = 11, D = 16 }; /* more positions than are worked on at a time */

struct next {
	float user[P * D], candidate[C * D], bias[C], duser[P * D], dcandidate[C * D];
	uint32_t label[P];
	double dlog_scale;
	float *scratch, scale;
	struct hr_next_item n;
};

static int next_set_up(void **state)
{
	struct next *s = hr_alloc(1, sizeof *s);

	fill(s->user, P * D, 1);
	fill(s->candidate, C * D, 2);
	fill(s->bias, C, 3);
	for (uint32_t p = 0; p < P; p++)
		s->label[p] = p % 7 == 3 ? HR_NONE : p * 5 % C;
	s->scratch = hr_alloc(hr_next_item_scratch_floats(C, D), sizeof(float));
	s->n = (struct hr_next_item){.C = C, .D = D, .candidate = s->candidate, .bias = s->bias, .scale = 2, .weight = 0.3f};
	*state = s;
	return 0;
}

static int next_tear_down(void **state)
{
	struct next *s = *state;

	hr_free(s->scratch);
	hr_free(s);
	return 0;
}

static double next_loss(struct next *s)
{
	memset(s->duser, 0, sizeof s->duser);
	memset(s->dcandidate, 0, sizeof s->dcandidate);
	s->dlog_scale = 0;
	return hr_next_item(&s->n, hr_kernels_reference(), s->duser, s->dcandidate, &s->dlog_scale, s->user, s->label, P,
	                    s->scratch);
}

static double next_slope(struct next *s, float *x, float h)
{
	const float keep = *x;

	*x = keep + h;
	const double up = next_loss(s);
	*x = keep - h;
	const double down = next_loss(s);
	*x = keep;
	return (double)s->n.weight * (up - down) / (2 * (double)h);
}

static void next_item_matches_finite_differences(void **state)
{
	struct next *s = *state;
	float duser[P * D], dcandidate[C * D];

	(void)next_loss(s);
	memcpy(duser, s->duser, sizeof duser);
	memcpy(dcandidate, s->dcandidate, sizeof dcandidate);
	const double dlog_scale = s->dlog_scale;
	for (size_t i = 0; i < P * D; i++)
		assert_close((double)duser[i], next_slope(s, s->user + i, 1e-2f), 2e-3, "duser", i);
	for (size_t i = 0; i < C * D; i++)
		assert_close((double)dcandidate[i], next_slope(s, s->candidate + i, 1e-2f), 2e-3, "dcandidate", i);
	/* of log(scale): scale times that of scale */
	assert_close(dlog_scale, next_slope(s, &s->n.scale, 1e-2f) * (double)s->n.scale, 2e-3, "dlog_scale", 0);
}

static void next_item_is_the_corrected_softmax(void **state)
{
	struct next *s = *state;
	double want = 0;

	for (size_t p = 0; p < P; p++) {
		double sum = 0, own = 0;
		for (size_t c = 0; c < C && s->label[p] != HR_NONE; c++) {
			double logit = 0;
			for (size_t d = 0; d < D; d++)
				logit += 2 * (double)s->user[p * D + d] * (double)s->candidate[c * D + d];
			own = c == s->label[p] ? logit : own;
			sum += exp(logit + (c == s->label[p] ? 0 : (double)s->bias[c]));
		}
		want += s->label[p] != HR_NONE ? log(sum) - own : 0;
	}
	assert_close(next_loss(s), want, 1e-5, "loss", 0);
}

static void positions_without_a_question_get_no_gradient(void **state)
{
	struct next *s = *state;

	(void)next_loss(s);
	for (size_t c = 0; c < D; c++)
		assert_true(s->duser[3 * D + c] == 0.0f);
}

static void the_correction_is_minus_log_of_the_chance_to_be_drawn(void **state)
{
	(void)state;
	assert_close((double)hr_inclusion_bias(50), 0, 1e-7, "almost certain", 0);
	assert_close((double)hr_inclusion_bias(0.1), -log(1 - exp(-0.1)), 1e-6, "one in ten", 0);
	assert_close((double)hr_inclusion_bias(1e-9), 9 * log(10), 1e-6, "rare", 0);
}

/* ---- contrast ---- */

enum { N = 7 };

static double contrast(float *da, float *db, const float *a, const float *b, const uint32_t *alike, bool both)
{
	float *scratch = hr_alloc(hr_infonce_scratch_floats(N, D), sizeof *scratch);

	memset(da, 0, N * D * sizeof *da);
	memset(db, 0, N * D * sizeof *db);
	const double loss = hr_infonce(hr_kernels_reference(), da, db, a, b, N, D, alike, 0.5f, 0.7f, both, scratch);
	hr_free(scratch);
	return loss;
}

static void check_contrast(const uint32_t *alike, bool both)
{
	float a[N * D], b[N * D], da[N * D], db[N * D], sink[N * D], sink2[N * D];
	float *const x[2] = {a, b}, *const dx[2] = {da, db};
	const float h = 5e-3f;

	fill(a, N * D, 1);
	fill(b, N * D, 2);
	(void)contrast(da, db, a, b, alike, both);
	for (size_t side = 0; side < 2; side++) {
		for (size_t i = 0; i < N * D; i++) {
			const float keep = x[side][i];
			x[side][i] = keep + h;
			const double up = contrast(sink, sink2, a, b, alike, both);
			x[side][i] = keep - h;
			const double down = contrast(sink, sink2, a, b, alike, both);
			x[side][i] = keep;
			assert_close((double)dx[side][i], (double)0.7f * (up - down) / (2 * (double)h), 2e-3, side ? "db" : "da", i);
		}
	}
}

static void infonce_matches_finite_differences(void **state)
{
	(void)state;
	check_contrast(NULL, false);
	check_contrast(NULL, true);
}

static const uint32_t same[N] = {4, 9, 4, HR_NONE, 4, 9, HR_NONE};

static void positives_with_the_same_target_match_finite_differences(void **state)
{
	(void)state;
	check_contrast(same, false);
	check_contrast(same, true);
}

static void the_loss_of_same_targets_is_the_mean_over_the_positives(void **state)
{
	float a[N * D], b[N * D], da[N * D], db[N * D];
	double want = 0;

	(void)state;
	fill(a, N * D, 1);
	fill(b, N * D, 2);
	for (size_t i = 0; i < N; i++) {
		double similar[N] = {0}, sum = 0, own = 0, positives = 0;
		for (size_t j = 0; j < N; j++) {
			for (size_t c = 0; c < D; c++)
				similar[j] += (double)a[i * D + c] * (double)b[j * D + c] / 0.5;
			const bool positive = i == j || (same[i] != HR_NONE && same[i] == same[j]);
			sum += exp(similar[j]);
			own += positive ? similar[j] : 0;
			positives += positive;
		}
		want += (log(sum) - own / positives) / N;
	}
	assert_close(contrast(da, db, a, b, same, false), want, 1e-5, "loss", 0);
}

static void infonce_of_equal_orthogonal_sets_is_known(void **state)
{
	float a[N * D] = {0}, da[N * D], db[N * D];

	(void)state;
	for (size_t i = 0; i < N; i++)
		a[i * D + i] = 1;
	const double want = log(exp(2) + N - 1) - 2; /* tau is .5 */
	assert_close(contrast(da, db, a, a, NULL, false), want, 1e-5, "one way", 0);
	assert_close(contrast(da, db, a, a, NULL, true), want, 1e-5, "both ways", 0);
}

/* ---- triplet ---- */

struct triplet {
	float user[N * D], candidate[C * D], duser[N * D], dcandidate[C * D];
};

static double triplet(struct triplet *t)
{
	static const uint32_t label[N] = {0, 1, HR_NONE, 3, 4, 5, 0}, other[N] = {1, 2, 3, HR_NONE, 5, 4, 10};

	memset(t->duser, 0, sizeof t->duser);
	memset(t->dcandidate, 0, sizeof t->dcandidate);
	return hr_triplet(t->duser, t->dcandidate, t->user, t->candidate, label, other, N, D, 0.5f, 0.3f);
}

static void check_triplet(struct triplet *t, float *x, const float *dx, size_t n, const char *name)
{
	float want[C * D];
	const float h = 1e-3f;

	(void)triplet(t);
	memcpy(want, dx, n * sizeof *want);
	for (size_t i = 0; i < n; i++) {
		const float keep = x[i];
		x[i] = keep + h;
		const double up = triplet(t);
		x[i] = keep - h;
		const double down = triplet(t);
		x[i] = keep;
		assert_close((double)want[i], (double)0.3f * (up - down) / (2 * (double)h), 2e-3, name, i);
	}
}

static void triplet_matches_finite_differences(void **state)
{
	struct triplet t;
	size_t active = 0;

	(void)state;
	fill(t.user, N * D, 1);
	fill(t.candidate, C * D, 2);
	check_triplet(&t, t.user, t.duser, N * D, "duser");
	check_triplet(&t, t.candidate, t.dcandidate, C * D, "dcandidate");
	for (size_t p = 0; p < N; p++)
		active += t.duser[p * D] != 0.0f;
	assert_in_range(active, 1, N - 3); /* some inside the margin, some outside, two left out */
}

/* ---- views ---- */

static bool holds(const struct hr_batch *b, size_t from, size_t to, uint32_t item)
{
	for (size_t i = from; i < to; i++)
		if (b->item[i] == item)
			return true;
	return false;
}

static void a_view_is_a_crop_a_thinning_or_a_reordering(void **state)
{
	const struct hr_augmenting blind = {.longest = 10};
	struct hr_batch b = {0};
	struct hr_rng rng = hr_rng_stream(1, 2, 3);
	size_t crops = 0, shorter = 0, reordered = 0;

	(void)state;
	hr_batch_begin(&b, 1);
	for (uint32_t i = 0; i < 10; i++)
		hr_batch_add(&b, i, i * 1000, 1, i * 1000 + 500, i + 1, 2);
	for (size_t v = 1; v <= 300; v++) {
		hr_augment(&b, &b, 0, 10, &blind, &rng);
		const size_t from = b.start[v], n = b.start[v + 1] - from;
		bool ordered = true;
		assert_in_range(n, 1, 10);
		for (size_t i = from; i < from + n; i++) {
			assert_int_equal(b.target[i], HR_NONE);
			assert_int_equal(b.ask_ms[i], b.time_ms[i] + 500);
			assert_true(i == from || b.time_ms[i] > b.time_ms[i - 1]);
			ordered &= b.item[i] * 1000 == b.time_ms[i];
			assert_true(holds(&b, from, from + n, (uint32_t)(b.time_ms[i] / 1000)));
		}
		crops += n == 6 && ordered && b.item[from + 5] == b.item[from] + 5;
		shorter += n < 10;
		reordered += !ordered && n == 10;
	}
	assert_in_range(crops, 70, 130);
	assert_in_range(shorter, 170, 230);
	assert_in_range(reordered, 70, 130);
	hr_batch_fini(&b);
}

/* Item i + 100 followed item i, but for item 4, which nothing ever followed. */
static struct hr_counters *followed(void)
{
	struct hr_counters *c = hr_counters_new(8, 7);

	for (uint32_t i = 0; i < 10; i++)
		if (i != 4)
			hr_counters_learn(c, &i, 1, i + 100, 0);
	return c;
}

static void an_informed_view_replaces_or_inserts_what_followed(void **state)
{
	struct hr_counters *c = followed();
	struct hr_batch b = {0};
	struct hr_rng rng = hr_rng_stream(1, 2, 3);
	size_t changed = 0, put_in = 0;

	(void)state;
	hr_batch_begin(&b, 1);
	for (uint32_t i = 0; i < 10; i++)
		hr_batch_add(&b, i, i * 1000, 1, i * 1000 + 500, i + 1, 2);
	for (size_t v = 1; v <= 300; v++) {
		const struct hr_augmenting how = {.counters = c, .informed = 1, .longest = 12};
		hr_augment(&b, &b, 0, 10, &how, &rng);
		const size_t from = b.start[v], n = b.start[v + 1] - from;
		assert_in_range(n, 10, 12);
		put_in += n - 10;
		for (size_t i = from; i < from + n; i++) {
			const uint32_t was = (uint32_t)(b.time_ms[i] / 1000);
			const bool other = b.item[i] == was + 100;
			assert_true(b.item[i] == was || (other && was != 4));
			assert_int_equal(b.target[i], HR_NONE);
			assert_true(b.ask_ms[i] == b.time_ms[i] + 500 || b.time_ms[i + 1] == b.time_ms[i]);
			changed += n == 10 && other;
		}
	}
	assert_in_range(changed, 250, 550); /* half of the views, .3 of nine positions: 405 */
	assert_in_range(put_in, 200, 300);  /* two of room in half of the views */
	hr_batch_fini(&b);
	hr_counters_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(next_item_matches_finite_differences, next_set_up, next_tear_down),
		cmocka_unit_test_setup_teardown(next_item_is_the_corrected_softmax, next_set_up, next_tear_down),
		cmocka_unit_test_setup_teardown(positions_without_a_question_get_no_gradient, next_set_up, next_tear_down),
		cmocka_unit_test(the_correction_is_minus_log_of_the_chance_to_be_drawn),
		cmocka_unit_test(infonce_matches_finite_differences),
		cmocka_unit_test(positives_with_the_same_target_match_finite_differences),
		cmocka_unit_test(the_loss_of_same_targets_is_the_mean_over_the_positives),
		cmocka_unit_test(infonce_of_equal_orthogonal_sets_is_known),
		cmocka_unit_test(triplet_matches_finite_differences),
		cmocka_unit_test(a_view_is_a_crop_a_thinning_or_a_reordering),
		cmocka_unit_test(an_informed_view_replaces_or_inserts_what_followed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
