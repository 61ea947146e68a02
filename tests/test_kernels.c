/* tests/test_kernels.c - the choice of a set, dropout's bits, and every backward against central differences, in every set
 * that this processor runs. Sizes are odd and unequal, so that a swapped shape shows. */
#include "tests/test_kernels.h"

#define EACH_SET(k) \
	for (const char *const *name_ = hr_kernels_available(); *name_ != NULL; name_++) \
		for (const struct hr_kernels *k = set_named(*name_); k != NULL; k = NULL)

/* ---- choice ---- */

static void auto_is_the_first_available_set_and_reference_the_last(void **state)
{
	const char *const *names = hr_kernels_available();
	size_t count = 0;

	(void)state;
	while (names[count] != NULL)
		count++;
	assert_string_equal(names[count - 1], "reference");
	assert_string_equal(set_named(NULL)->name, names[0]);
	assert_string_equal(set_named("auto")->name, names[0]);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(set_named(names[i])->name, names[i]);
	assert_ptr_equal(set_named("reference"), hr_kernels_reference());
}

static void an_unknown_set_is_refused_with_the_list(void **state)
{
	const struct hr_kernels *kernels = NULL;
	struct hr_error err = {0};

	(void)state;
	assert_false(hr_kernels_choose("sse9", &kernels, &err));
	assert_null(kernels);
	assert_int_equal(err.code, HR_E_CONFIG);
	assert_non_null(strstr(err.msg, "\"sse9\""));
	assert_non_null(strstr(err.msg, "reference"));
}

/* ---- dropout ---- */

static unsigned ones(unsigned x) { return (unsigned)__builtin_popcount(x); }

static void dropout_keeps_its_share(void **state)
{
	enum { WORDS = 1 << 16 };
	static const float shares[] = {0.0f, 0.1f, 0.2f, 0.5f, 0.9f};

	(void)state;
	for (size_t s = 0; s < sizeof shares / sizeof shares[0]; s++) {
		const struct hr_dropout drop = {.key = 77 + s, .p = shares[s]};
		size_t kept = 0;
		for (size_t w = 0; w < WORDS; w++)
			kept += ones(hr_dropout_bits(&drop, 16 * w));
		const double n = 16.0 * WORDS, p = (double)drop.p, sd = sqrt(p * (1 - p) / n);
		assert_true(fabs((double)kept / n - (1 - p)) <= 4 * sd + 1e-5);
	}
}

/* Agreement of two streams of fair bits is binomial (1/2) when they are independent. */
static void assert_independent(uint64_t key_a, uint64_t at_a, uint64_t key_b, uint64_t at_b)
{
	enum { WORDS = 1 << 14 };
	const struct hr_dropout a = {.key = key_a, .p = 0.5f}, b = {.key = key_b, .p = 0.5f};
	size_t agree = 0;

	for (size_t w = 0; w < WORDS; w++)
		agree += 16 - ones(hr_dropout_bits(&a, at_a + 16 * w) ^ hr_dropout_bits(&b, at_b + 16 * w));
	assert_true(fabs((double)agree / (16.0 * WORDS) - 0.5) < 4.5 * 0.5 / sqrt(16.0 * WORDS));
}

static void dropout_streams_and_places_are_independent(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 64; bit++)
		assert_independent(5, 0, 5 ^ (UINT64_C(1) << bit), 0);
	for (unsigned shift = 4; shift < 33; shift++)
		assert_independent(9, 0, 9, UINT64_C(1) << shift);
}

static void neighbouring_elements_are_independent(void **state)
{
	enum { WORDS = 1 << 14 };
	const struct hr_dropout drop = {.key = 3, .p = 0.5f};

	(void)state;
	for (unsigned lag = 1; lag < 16; lag++) {
		size_t agree = 0, n = 0;
		for (size_t w = 0; w < WORDS; w++) {
			const unsigned bits = hr_dropout_bits(&drop, 16 * w), mask = 0xffffu >> lag;
			agree += ones(~(bits ^ (bits >> lag)) & mask);
			n += 16 - lag;
		}
		assert_true(fabs((double)agree / (double)n - 0.5) < 4.5 * 0.5 / sqrt((double)n));
	}
}

static void dropout_is_the_same_at_any_place_and_length_in_every_set(void **state)
{
	enum { N = 200, LENGTH = 83 };
	const struct hr_dropout drop = {.key = 11, .p = 0.3f};

	(void)state;
	EACH_SET(k) {
		HR_AUTO(hr_auto_free) float *x = uniform(N, 1), *y = zeros(N), *added = uniform(N, 2), *was = uniform(N, 2);
		for (size_t at = 0; at < 40; at++) {
			memcpy(added, was, N * sizeof *was);
			k->dropped(y, x, &drop, at, LENGTH);
			k->add_dropped(added, x, &drop, at, LENGTH);
			for (size_t i = 0; i < LENGTH; i++) {
				const uint64_t place = at + i;
				const bool keep = hr_dropout_bits(&drop, place & ~UINT64_C(15)) >> (place % 16) & 1;
				const float want = keep ? x[i] / 0.7f : 0;
				assert_close((double)y[i], (double)want, 1e-6, k->name, i);
				assert_close((double)added[i], (double)(was[i] + want), 1e-6, k->name, i);
			}
			assert_true(y[LENGTH] == 0.0f);
			assert_true(added[LENGTH] == was[LENGTH]);
		}
	}
}

/* ---- central differences ---- */

/* A scalar function of everything ctx points to. */
typedef double objective_fn(void *ctx);

static void assert_gradient(float *x, const float *grad, size_t n, objective_fn *f, void *ctx, const struct hr_kernels *k,
                            const char *what)
{
	/* a rounding set is a staircase: a wide step, and a tolerance of its 8 bits */
	const float h = rounds(k) ? 0.25f : 1e-2f;
	const double tolerance = rounds(k) ? 6e-2 : 3e-3;
	char label[64];

	(void)snprintf(label, sizeof label, "%s %s", k->name, what);
	for (size_t i = 0; i < n; i++) {
		const float keep = x[i];
		x[i] = keep + h;
		const double up = f(ctx);
		x[i] = keep - h;
		const double down = f(ctx);
		x[i] = keep;
		assert_close((double)grad[i], (up - down) / (2 * (double)h), tolerance, label, i);
	}
}

static double weighted(const float *y, const float *r, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)y[i] * (double)r[i];
	return sum;
}

struct dense {
	const struct hr_kernels *k;
	size_t P;
	struct hr_linear l;
	float *x, *y, *r, *scratch;
};

static double dense_objective(void *ctx)
{
	struct dense *d = ctx;

	d->k->pack(&d->l);
	d->k->linear(d->y, d->x, &d->l, d->P, d->scratch);
	return weighted(d->y, d->r, d->P * d->l.out);
}

static void linear_back_matches_finite_differences(void **state)
{
	enum { P = 3, IN = 5, OUT = 7 };

	(void)state;
	EACH_SET(k) {
		HR_AUTO(hr_auto_free) float *w = uniform(IN * OUT, 1), *b = uniform(OUT, 2), *x = uniform(P * IN, 3), *y = zeros(P * OUT);
		HR_AUTO(hr_auto_free) float *r = uniform(P * OUT, 4), *dx = zeros(P * IN), *dw = zeros(IN * OUT), *db = zeros(OUT);
		HR_AUTO(hr_auto_free) float *scratch = zeros(HR_SCRATCH_FLOATS(P, OUT));
		HR_AUTO(hr_auto_free) void *packed = hr_alloc(k->packed_bytes(IN, OUT) + 1, 1);
		struct dense d = {k, P, {IN, OUT, w, b, packed}, x, y, r, scratch};

		(void)dense_objective(&d);
		k->linear_dx(dx, r, &d.l, P, /* add */ false, scratch);
		k->linear_dw(dw, db, x, r, IN, OUT, P, scratch);
		assert_gradient(x, dx, P * IN, dense_objective, &d, k, "linear dx");
		assert_gradient(w, dw, IN * OUT, dense_objective, &d, k, "linear dw");
		assert_gradient(b, db, OUT, dense_objective, &d, k, "linear db");
	}
}

struct heads {
	const struct hr_kernels *k;
	struct hr_attention a;
	float *o, *r, *scratch;
};

static double attention_objective(void *ctx)
{
	struct heads *h = ctx;

	h->k->attention(h->o, &h->a, h->scratch);
	return weighted(h->o, h->r, h->a.T * h->a.ld);
}

static void attention_back_matches_finite_differences(void **state)
{
	enum { T = 5, D = 7, LD = 9 };

	(void)state;
	EACH_SET(k) {
		HR_AUTO(hr_auto_free) float *q = uniform(T * LD, 1), *key = uniform(T * LD, 2), *v = uniform(T * LD, 3);
		HR_AUTO(hr_auto_free) float *bias = uniform(T * T, 4), *r = uniform(T * LD, 5), *o = zeros(T * LD);
		HR_AUTO(hr_auto_free) float *probs = zeros(T * T), *scratch = zeros(HR_SCRATCH_FLOATS(T, D));
		HR_AUTO(hr_auto_free) float *dq = zeros(T * LD), *dk = zeros(T * LD), *dv = zeros(T * LD), *dbias = zeros(T * T);
		struct heads h = {k, {T, D, LD, LD, q, key, v, bias, probs, {.key = 6, .p = 0.25f}, 13, 0}, o, r, scratch};

		for (size_t i = 0; i < T * LD; i++)
			r[i] = i % LD < D ? r[i] : 0; /* what lies between the rows is not ours */
		(void)attention_objective(&h);
		k->attention_back(dq, dk, dv, dbias, r, &h.a, scratch);
		assert_gradient(q, dq, T * LD, attention_objective, &h, k, "attention dq");
		assert_gradient(key, dk, T * LD, attention_objective, &h, k, "attention dk");
		assert_gradient(v, dv, T * LD, attention_objective, &h, k, "attention dv");
		assert_gradient(bias, dbias, T * T, attention_objective, &h, k, "attention dbias");
	}
}

struct rows {
	const struct hr_kernels *k;
	size_t P, D;
	float *x, *g, *b, *y, *xhat, *rstd, *r;
};

static double norm_objective(void *ctx)
{
	struct rows *s = ctx;

	s->k->norm(s->y, s->xhat, s->rstd, s->x, s->g, s->b, s->P, s->D);
	return weighted(s->y, s->r, s->P * s->D);
}

static double unit_objective(void *ctx)
{
	struct rows *s = ctx;

	s->k->unit(s->y, s->rstd, s->x, s->P, s->D);
	return weighted(s->y, s->r, s->P * s->D);
}

static double gelu_objective(void *ctx)
{
	struct rows *s = ctx;

	s->k->gelu(s->y, s->x, s->P * s->D);
	return weighted(s->y, s->r, s->P * s->D);
}

static void backs_of_rows_match_finite_differences(void **state)
{
	enum { P = 3, D = 19, N = P * D };

	(void)state;
	EACH_SET(k) {
		HR_AUTO(hr_auto_free) float *x = uniform(N, 1), *g = uniform(D, 2), *b = uniform(D, 3), *r = uniform(N, 4);
		HR_AUTO(hr_auto_free) float *y = zeros(N), *xhat = zeros(N), *rstd = zeros(P);
		HR_AUTO(hr_auto_free) float *dx = zeros(N), *dg = zeros(D), *db = zeros(D), *du = zeros(N), *de = zeros(N);
		struct rows s = {k, P, D, x, g, b, y, xhat, rstd, r};

		(void)norm_objective(&s);
		k->norm_back(dx, dg, db, r, xhat, rstd, g, P, D);
		assert_gradient(x, dx, N, norm_objective, &s, k, "norm dx");
		assert_gradient(g, dg, D, norm_objective, &s, k, "norm dg");
		assert_gradient(b, db, D, norm_objective, &s, k, "norm db");
		(void)unit_objective(&s);
		k->unit_back(du, r, y, rstd, P, D);
		assert_gradient(x, du, N, unit_objective, &s, k, "unit dx");
		k->gelu_back(de, r, x, N);
		assert_gradient(x, de, N, gelu_objective, &s, k, "gelu dx");
	}
}

struct loss {
	const struct hr_kernels *k;
	size_t P, C, ld;
	float *logits, *work, *bias, *weight;
	const uint32_t *label;
};

static double loss_objective(void *ctx)
{
	struct loss *s = ctx;

	memcpy(s->work, s->logits, s->P * s->ld * sizeof *s->work);
	return s->k->softmax_xent(s->work, s->ld, s->bias, s->label, s->weight, s->P, s->C);
}

static void softmax_xent_matches_finite_differences_with_and_without_bias(void **state)
{
	enum { P = 3, C = 37, LD = 41 };
	static const uint32_t label[P] = {0, 36, 17};

	(void)state;
	EACH_SET(k) {
		HR_AUTO(hr_auto_free) float *logits = uniform(P * LD, 1), *work = zeros(P * LD), *bias = uniform(C, 2);
		HR_AUTO(hr_auto_free) float *weight = uniform(P, 3);
		struct loss s = {k, P, C, LD, logits, work, bias, weight, label};

		for (int with = 0; with < 2; with++) {
			s.bias = with ? bias : NULL;
			(void)loss_objective(&s);
			HR_AUTO(hr_auto_free) float *grad = copy(work, P * LD);
			for (size_t p = 0; p < P; p++) {
				assert_gradient(logits + p * LD, grad + p * LD, C, loss_objective, &s, k, "softmax_xent");
				assert_memory_equal(grad + p * LD + C, logits + p * LD + C, (LD - C) * sizeof(float));
			}
		}
	}
}

static void a_logit_of_minus_infinity_stays_out(void **state)
{
	enum { C = 20 };
	static const uint32_t label[1] = {2};

	(void)state;
	EACH_SET(k) {
		HR_AUTO(hr_auto_free) float *all = uniform(C, 1), *few = zeros(C);
		const float weight = 1;
		size_t n = 0;

		for (size_t c = 0; c < C; c++) {
			if (c % 3 == 1)
				all[c] = -INFINITY;
			else
				few[n++] = all[c];
		}
		const double want = hr_kernels_reference()->softmax_xent(few, C, NULL, (const uint32_t[]){1}, &weight, 1, n);
		assert_close(k->softmax_xent(all, C, NULL, label, &weight, 1, C), want, 1e-6, k->name, 0);
		for (size_t c = 1; c < C; c += 3)
			assert_true(all[c] == 0.0f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auto_is_the_first_available_set_and_reference_the_last),
		cmocka_unit_test(an_unknown_set_is_refused_with_the_list),
		cmocka_unit_test(dropout_keeps_its_share),
		cmocka_unit_test(dropout_streams_and_places_are_independent),
		cmocka_unit_test(neighbouring_elements_are_independent),
		cmocka_unit_test(dropout_is_the_same_at_any_place_and_length_in_every_set),
		cmocka_unit_test(linear_back_matches_finite_differences),
		cmocka_unit_test(attention_back_matches_finite_differences),
		cmocka_unit_test(backs_of_rows_match_finite_differences),
		cmocka_unit_test(softmax_xent_matches_finite_differences_with_and_without_bias),
		cmocka_unit_test(a_logit_of_minus_infinity_stays_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
