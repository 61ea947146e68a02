/* tests/test_kernels_sets.c - every set of kernels against the reference, on odd shapes and on the model's; and what a set
 * promises about bits: the same for any number of rows in the call, and the same for "avx2" and "avx512". */
#include "model/coarse.h"
#include "tests/test_kernels.h"

#define EACH_FAST_SET(k) \
	for (const char *const *name_ = hr_kernels_available(); strcmp(*name_, "reference") != 0; name_++) \
		for (const struct hr_kernels *k = set_named(*name_); k != NULL; k = NULL)

/* bf16 keeps 8 bits; the sum of K products of random sign errs by less than their largest. */
static double tolerance(const struct hr_kernels *k) { return rounds(k) ? 1e-2 : 2e-6; }

/* ---- the reference itself, where a backward does not check it ---- */

static void optimisers_match_their_formulas_in_every_set(void **state)
{
	static const float slope[2] = {3, 4};

	(void)state;
	for (const char *const *name = hr_kernels_available(); *name != NULL; name++) {
		const struct hr_kernels *k = set_named(*name);
		float w[3] = {1, 2, 3}, m[3] = {0}, v[3] = {0}, g[3] = {0.5f, -0.25f, 0}, acc = 0;

		k->adamw(w, m, v, g, 3, 0.1f, 0.9f, 0.999f, 1e-8f, 0.01f, 1); /* the first step is the rate, whatever g is */
		assert_close((double)w[0], 1 - 0.1 * (1 + 0.01 * 1), 1e-6, "w", 0);
		assert_close((double)w[1], 2 - 0.1 * (-1 + 0.01 * 2), 1e-6, "w", 1);
		assert_close((double)w[2], 3 - 0.1 * (0.01 * 3), 1e-6, "w", 2);
		assert_true(g[0] == 0.0f && g[1] == 0.0f);
		k->adagrad_row(w, &acc, slope, 2, 0.1f, /* clip */ 0);
		assert_close((double)acc, 12.5, 1e-6, "acc", 0);
		assert_close((double)w[0], 0.899 - 0.1 * 3 / sqrt(12.5), 1e-6, "w", 0);
		const float before[2] = {w[0], w[1]};
		k->adagrad_row(w, &acc, slope, 2, 0.1f, /* clip */ 1e-3f); /* moves by exactly clip */
		assert_close(hypot((double)(w[0] - before[0]), (double)(w[1] - before[1])), 1e-3, 1e-6, "clip", 0);
		const float zero[2] = {0};
		float nothing = 0;
		k->adagrad_row(w, &nothing, zero, 2, 0.1f, 1);
		assert_true(isfinite(w[0]) && nothing == 0.0f);
	}
}

/* ---- matrix products ---- */

struct product {
	size_t M, N, K;
};

static const struct product products[] = {
	{1, 1, 1},     {3, 7, 5},     {5, 17, 31},    {7, 33, 1},    {13, 65, 127}, {1, 64, 64},   {8, 192, 64},  {50, 64, 64},
	{50, 256, 64}, {50, 64, 256}, {200, 192, 64}, {97, 70, 300}, {6, 130, 515}, {257, 48, 19}, {64, 1500, 64}, {11, 64, 1500},
};
#define PRODUCTS (sizeof products / sizeof products[0])
#define GAP 3 /* floats between the rows of a matrix, which must stay as they were */

static void assert_product(const struct hr_kernels *k, struct product s, int kind, bool add)
{
	static const char *const kinds[] = {"gemm_nn", "gemm_nt", "gemm_tn"};
	const struct hr_kernels *ref = hr_kernels_reference();
	const size_t lda = (kind == 2 ? s.M : s.K) + GAP, ldb = (kind == 1 ? s.K : s.N) + GAP, ldc = s.N + GAP;
	HR_AUTO(hr_auto_free) float *A = uniform((kind == 2 ? s.K : s.M) * lda, 1), *B = uniform((kind == 1 ? s.N : s.K) * ldb, 2);
	HR_AUTO(hr_auto_free) float *want = uniform(s.M * ldc, 3), *got = copy(want, s.M * ldc), *was = copy(want, s.M * ldc);
	HR_AUTO(hr_auto_free) float *scratch = zeros(HR_SCRATCH_FLOATS(s.N, s.K));

	(kind == 0 ? ref->gemm_nn : kind == 1 ? ref->gemm_nt : ref->gemm_tn)(want, ldc, A, lda, B, ldb, s.M, s.N, s.K, add,
	                                                                    scratch);
	(kind == 0 ? k->gemm_nn : kind == 1 ? k->gemm_nt : k->gemm_tn)(got, ldc, A, lda, B, ldb, s.M, s.N, s.K, add, scratch);
	for (size_t m = 0; m < s.M; m++)
		assert_memory_equal(got + m * ldc + s.N, was + m * ldc + s.N, GAP * sizeof(float));
	assert_near(got, want, s.M * ldc, tolerance(k), k, kinds[kind]);
}

static void products_match_the_reference(void **state)
{
	(void)state;
	EACH_FAST_SET(k)
		for (size_t s = 0; s < PRODUCTS; s++)
			for (int kind = 0; kind < 3; kind++)
				for (int add = 0; add < 2; add++)
					assert_product(k, products[s], kind, add);
}

static void assert_dense(const struct hr_kernels *k, size_t P, size_t in, size_t out, bool with_bias)
{
	const struct hr_kernels *ref = hr_kernels_reference();
	HR_AUTO(hr_auto_free) float *w = uniform(in * out, 1), *b = uniform(out, 2), *x = uniform(P * in, 3), *dy = uniform(P * out, 4);
	HR_AUTO(hr_auto_free) float *y1 = zeros(P * out), *y2 = zeros(P * out), *dx1 = uniform(P * in, 5), *dx2 = copy(dx1, P * in);
	HR_AUTO(hr_auto_free) float *dw1 = uniform(in * out, 6), *dw2 = copy(dw1, in * out), *db1 = uniform(out, 7);
	HR_AUTO(hr_auto_free) float *db2 = copy(db1, out), *scratch = zeros(HR_SCRATCH_FLOATS(P, in > out ? in : out));
	HR_AUTO(hr_auto_free) void *packed = hr_alloc(k->packed_bytes(in, out) + 1, 1);
	struct hr_linear l = {in, out, w, with_bias ? b : NULL, packed};

	k->pack(&l);
	ref->linear(y1, x, &l, P, scratch);
	k->linear(y2, x, &l, P, scratch);
	assert_near(y2, y1, P * out, tolerance(k), k, "linear");
	ref->linear_dx(dx1, dy, &l, P, with_bias, scratch);
	k->linear_dx(dx2, dy, &l, P, with_bias, scratch);
	assert_near(dx2, dx1, P * in, tolerance(k), k, "linear_dx");
	ref->linear_dw(dw1, with_bias ? db1 : NULL, x, dy, in, out, P, scratch);
	k->linear_dw(dw2, with_bias ? db2 : NULL, x, dy, in, out, P, scratch);
	assert_near(dw2, dw1, in * out, tolerance(k), k, "linear_dw");
	assert_near(db2, db1, out, 2e-6, k, "linear_dw's bias");
}

static void dense_layers_match_the_reference(void **state)
{
	static const struct product shapes[] = {{3, 7, 5},     {1, 64, 64},   {9, 192, 64},   {50, 256, 64}, {50, 64, 256},
	                                        {2, 64, 192},  {31, 33, 79},  {200, 256, 64}, {391, 64, 64}, {8, 16, 2},
	                                        {5, 100, 300}, {17, 129, 1}};

	(void)state;
	EACH_FAST_SET(k)
		for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
			for (int bias = 0; bias < 2; bias++)
				assert_dense(k, shapes[s].M, shapes[s].K, shapes[s].N, bias);
}

static void no_rows_change_nothing(void **state)
{
	(void)state;
	for (const char *const *name = hr_kernels_available(); *name != NULL; name++) {
		const struct hr_kernels *k = set_named(*name);
		HR_AUTO(hr_auto_free) float *w = uniform(15, 1), *dw = uniform(15, 2), *was = uniform(15, 2), *db = zeros(5);
		HR_AUTO(hr_auto_free) float *scratch = zeros(HR_SCRATCH_FLOATS(0, 5));
		HR_AUTO(hr_auto_free) void *packed = hr_alloc(k->packed_bytes(3, 5) + 1, 1);
		struct hr_linear l = {3, 5, w, NULL, packed};

		k->pack(&l);
		k->linear(dw, w, &l, 0, scratch);
		k->linear_dx(dw, w, &l, 0, false, scratch);
		k->linear_dw(dw, db, w, w, 3, 5, 0, scratch);
		assert_memory_equal(dw, was, 15 * sizeof *dw);
	}
}

static void a_row_has_the_same_bits_whatever_rows_are_beside_it(void **state)
{
	enum { P = 203, IN = 64, OUT = 256 };

	(void)state;
	EACH_FAST_SET(k) {
		HR_AUTO(hr_auto_free) float *w = uniform(IN * OUT, 1), *b = uniform(OUT, 2), *x = uniform(P * IN, 3);
		HR_AUTO(hr_auto_free) float *all = zeros(P * OUT), *one = zeros(P * OUT), *dx = zeros(P * IN), *dx_one = zeros(P * IN);
		HR_AUTO(hr_auto_free) float *scratch = zeros(HR_SCRATCH_FLOATS(P, OUT));
		HR_AUTO(hr_auto_free) void *packed = hr_alloc(k->packed_bytes(IN, OUT) + 1, 1);
		struct hr_linear l = {IN, OUT, w, b, packed};

		k->pack(&l);
		k->linear(all, x, &l, P, scratch);
		k->linear_dx(dx, all, &l, P, false, scratch);
		for (size_t p = 0, rows; p < P; p += rows) {
			rows = p % 11 + 1 < P - p ? p % 11 + 1 : P - p;
			k->linear(one + p * OUT, x + p * IN, &l, rows, scratch);
			k->linear_dx(dx_one + p * IN, all + p * OUT, &l, rows, false, scratch);
		}
		assert_memory_equal(one, all, P * OUT * sizeof *all);
		assert_memory_equal(dx_one, dx, P * IN * sizeof *dx);
	}
}

static void columns_from_any_on_have_the_same_bits(void **state)
{
	enum { P = 50, IN = 40, OUT = 150 };
	static const size_t from[] = {0, 50, 64, 149};

	(void)state;
	EACH_FAST_SET(k) {
		HR_AUTO(hr_auto_free) float *w = uniform(IN * OUT, 1), *b = uniform(OUT, 2), *x = uniform(P * IN, 3);
		HR_AUTO(hr_auto_free) float *all = zeros(P * OUT), *some = zeros(P * OUT), *scratch = zeros(HR_SCRATCH_FLOATS(P, OUT));
		HR_AUTO(hr_auto_free) void *packed = hr_alloc(k->packed_bytes(IN, OUT) + 1, 1);
		struct hr_linear l = {IN, OUT, w, b, packed};

		k->pack(&l);
		k->linear(all, x, &l, P, scratch);
		for (size_t f = 0; f < sizeof from / sizeof from[0]; f++) {
			memset(some, 0, P * OUT * sizeof *some);
			k->linear_from(some, x, &l, from[f], P, scratch);
			for (size_t p = 0; p < P; p++)
				assert_memory_equal(some + p * OUT + from[f], all + p * OUT + from[f], (OUT - from[f]) * sizeof *all);
		}
	}
}

/* ---- attention ---- */

/* The queries from the middle on, to rows of another distance, without probabilities: the same bits, and nothing else. */
static void assert_attention_of_some(const struct hr_kernels *k, struct hr_attention a, const float *whole, float *scratch)
{
	const size_t ld_o = a.d + 3;
	HR_AUTO(hr_auto_free) float *o = uniform(a.T * ld_o, 10), *was = copy(o, a.T * ld_o);

	a.probs = NULL;
	a.first = a.T / 2;
	const size_t ld_whole = a.ld_o;
	a.ld_o = ld_o;
	k->attention(o, &a, scratch);
	assert_memory_equal(o, was, a.first * ld_o * sizeof *o);
	for (size_t i = a.first; i < a.T; i++) {
		assert_memory_equal(o + i * ld_o, whole + i * ld_whole, a.d * sizeof *o);
		assert_memory_equal(o + i * ld_o + a.d, was + i * ld_o + a.d, 3 * sizeof *o);
	}
}

static void assert_attention(const struct hr_kernels *k, size_t T, size_t d, size_t ld, float p)
{
	const struct hr_kernels *ref = hr_kernels_reference();
	const size_t n = T * ld;
	HR_AUTO(hr_auto_free) float *q = uniform(n, 1), *key = uniform(n, 2), *v = uniform(n, 3), *bias = uniform(T * T, 4);
	HR_AUTO(hr_auto_free) float *dout = uniform(n, 5), *probs1 = zeros(T * T), *probs2 = zeros(T * T), *o1 = zeros(n), *o2 = zeros(n);
	HR_AUTO(hr_auto_free) float *dq1 = uniform(n, 6), *dk1 = uniform(n, 7), *dv1 = uniform(n, 8), *db1 = uniform(T * T, 9);
	HR_AUTO(hr_auto_free) float *dq2 = copy(dq1, n), *dk2 = copy(dk1, n), *dv2 = copy(dv1, n), *db2 = copy(db1, T * T);
	HR_AUTO(hr_auto_free) float *scratch = zeros(HR_SCRATCH_FLOATS(T, d > T ? d : T));
	struct hr_attention a = {T, d, ld, ld, q, key, v, bias, probs1, {.key = 3, .p = p}, 77, 0}, b = a;

	for (size_t i = 0; i < T; i++)
		for (size_t j = i + 1; j < T; j++)
			bias[i * T + j] = NAN; /* never read */
	b.probs = probs2;
	ref->attention(o1, &a, scratch);
	k->attention(o2, &b, scratch);
	assert_near(o2, o1, n, tolerance(k), k, "attention");
	for (size_t i = 0; i < T; i++)
		assert_near(probs2 + i * T, probs1 + i * T, i + 1, tolerance(k), k, "attention's probs");
	assert_attention_of_some(ref, a, o1, scratch);
	assert_attention_of_some(k, b, o2, scratch);
	ref->attention_back(dq1, dk1, dv1, db1, dout, &a, scratch);
	k->attention_back(dq2, dk2, dv2, db2, dout, &a, scratch);
	assert_near(dq2, dq1, n, tolerance(k), k, "dq");
	assert_near(dk2, dk1, n, tolerance(k), k, "dk");
	assert_near(dv2, dv1, n, tolerance(k), k, "dv");
	assert_near(db2, db1, T * T, tolerance(k), k, "dbias");
	k->attention_back(dq2, dk2, dv2, NULL, dout, &a, scratch);
}

static void attention_matches_the_reference(void **state)
{
	static const size_t odd[][3] = {{1, 1, 1}, {5, 7, 9}, {17, 19, 23}, {33, 48, 50}, {12, 64, 64}, {3, 200, 201}, {130, 15, 15}};

	(void)state;
	EACH_FAST_SET(k) {
		for (size_t T = 1; T <= 50; T++)
			assert_attention(k, T, 32, 192, T % 2 == 0 ? 0.2f : 0);
		assert_attention(k, 200, 32, 192, 0.2f);
		for (size_t s = 0; s < sizeof odd / sizeof odd[0]; s++)
			assert_attention(k, odd[s][0], odd[s][1], odd[s][2], 0.3f);
	}
}

/* ---- rows and elements ---- */

static void assert_rows(const struct hr_kernels *k, size_t P, size_t D)
{
	const struct hr_kernels *ref = hr_kernels_reference();
	const size_t n = P * D;
	HR_AUTO(hr_auto_free) float *x = uniform(n, 1), *g = uniform(D, 2), *b = uniform(D, 3), *dy = uniform(n, 4);
	HR_AUTO(hr_auto_free) float *y1 = zeros(n), *y2 = zeros(n), *hat1 = zeros(n), *hat2 = zeros(n), *r1 = zeros(P), *r2 = zeros(P);
	HR_AUTO(hr_auto_free) float *dx1 = uniform(n, 5), *dx2 = copy(dx1, n), *dg1 = uniform(D, 6), *dg2 = copy(dg1, D);
	HR_AUTO(hr_auto_free) float *db1 = uniform(D, 7), *db2 = copy(db1, D);

	for (size_t i = 0; i < n; i++)
		x[i] += 3; /* a mean that a single pass would suffer from */
	ref->norm(y1, hat1, r1, x, g, b, P, D);
	k->norm(y2, hat2, r2, x, g, b, P, D);
	assert_near(y2, y1, n, 3e-6, k, "norm");
	assert_near(r2, r1, P, 3e-6, k, "norm's rstd");
	ref->norm_back(dx1, dg1, db1, dy, hat1, r1, g, P, D);
	k->norm_back(dx2, dg2, db2, dy, hat1, r1, g, P, D);
	assert_near(dx2, dx1, n, 3e-6, k, "norm dx");
	assert_near(dg2, dg1, D, 3e-6, k, "norm dg");
	assert_near(db2, db1, D, 3e-6, k, "norm db");
	for (size_t c = 0; c < D; c++)
		x[c] *= 1e-9f; /* a row below the bound of its length */
	ref->unit(y1, r1, x, P, D);
	k->unit(y2, r2, x, P, D);
	assert_near(y2, y1, n, 3e-6, k, "unit");
	ref->unit_back(dx1, dy, y1, r1, P, D);
	k->unit_back(dx2, dy, y1, r1, P, D);
	assert_near(dx2, dx1, n, 3e-6, k, "unit dx");
}

static void rows_match_the_reference(void **state)
{
	(void)state;
	EACH_FAST_SET(k) {
		assert_rows(k, 1, 2);
		assert_rows(k, 7, 19);
		assert_rows(k, 5, 48);
		assert_rows(k, 50, 64);
		assert_rows(k, 3, 256);
	}
}

static void open_rows_are_counted_exactly(void **state)
{
	enum { N = 1003 };
	float x[N], open[N];

	(void)state;
	for (size_t i = 0; i < N; i++) {
		x[i] = (float)(i * 37 % 101) - 50;
		open[i] = i % 3 != 0;
	}
	EACH_FAST_SET(k) {
		for (size_t n = 0; n <= N; n += n < 40 ? 1 : 107)
			for (float bar = -51; bar < 52; bar += 25.5f)
				assert_int_equal(k->count_open(x, open, bar, n), hr_kernels_reference()->count_open(x, open, bar, n));
	}
}

static void gelu_and_logs_match_over_their_whole_range(void **state)
{
	enum { N = 40013 };

	(void)state;
	EACH_FAST_SET(k) {
		HR_AUTO(hr_auto_free) float *x = zeros(N), *dy = uniform(N, 1), *y1 = zeros(N), *y2 = zeros(N);

		for (size_t i = 0; i < N; i++)
			x[i] = ((float)i - N / 2) * 1e-3f;
		hr_kernels_reference()->gelu(y1, x, N);
		k->gelu(y2, x, N);
		for (size_t i = 0; i < N; i++)
			assert_close((double)y2[i], (double)y1[i], 1e-6, "gelu", i);
		hr_kernels_reference()->gelu_back(y1, dy, x, N);
		k->gelu_back(y2, dy, x, N);
		for (size_t i = 0; i < N; i++)
			assert_close((double)y2[i], (double)y1[i], 2e-6, "gelu_back", i);
		for (size_t i = 0; i < N; i++) /* every exponent, and close to 1 where log is small */
			x[i] = i % 2 == 0 ? ldexpf(1 + (float)i / N, (int)(i % 276) - 149) : 1 + ((float)i / N - 0.5f) * 1e-2f;
		hr_kernels_reference()->logs(y1, x, N);
		k->logs(y2, x, N);
		for (size_t i = 0; i < N; i++)
			assert_true(fabsf(y2[i] - y1[i]) <= 4e-7f * fabsf(y1[i]));
	}
}

static void losses_match_the_reference(void **state)
{
	enum { P = 7 };
	static const size_t candidates[] = {1, 2, 17, 100, 1500};

	(void)state;
	EACH_FAST_SET(k) {
		for (size_t s = 0; s < sizeof candidates / sizeof candidates[0]; s++) {
			const size_t C = candidates[s], ld = C + GAP;
			HR_AUTO(hr_auto_free) float *want = uniform(P * ld, 1), *bias = uniform(C, 2), *weight = uniform(P, 3);
			uint32_t label[P];

			for (size_t p = 0; p < P; p++)
				label[p] = (uint32_t)(p * 31 % C);
			for (size_t i = 0; i < P * ld; i++)
				want[i] *= 30;
			HR_AUTO(hr_auto_free) float *got = copy(want, P * ld);
			const double loss1 = hr_kernels_reference()->softmax_xent(want, ld, bias, label, weight, P, C);
			const double loss2 = k->softmax_xent(got, ld, bias, label, weight, P, C);
			assert_close(loss2, loss1, 1e-6, k->name, C);
			for (size_t p = 0; p < P; p++) {
				for (size_t c = 0; c < C; c++) /* of 1, not of the largest: a sure prediction's gradient is a difference of ones */
					assert_close((double)got[p * ld + c], (double)want[p * ld + c], 2e-6, k->name, c);
				assert_memory_equal(got + p * ld + C, want + p * ld + C, GAP * sizeof(float));
			}
		}
	}
}

static void a_nan_is_not_hidden(void **state)
{
	enum { C = 40 };

	(void)state;
	for (const char *const *name = hr_kernels_available(); *name != NULL; name++) {
		const struct hr_kernels *k = set_named(*name);
		for (size_t at = 0; at < C; at++) {
			HR_AUTO(hr_auto_free) float *x = uniform(C, 1), *y = zeros(C);
			const float weight = 1;

			x[at] = NAN;
			k->gelu(y, x, C);
			assert_true(isnan(y[at]));
			assert_true(isnan(k->softmax_xent(x, C, NULL, (const uint32_t[]){3}, &weight, 1, C)));
		}
	}
}

static void optimisers_match_the_reference(void **state)
{
	enum { N = 133 };

	(void)state;
	EACH_FAST_SET(k) {
		HR_AUTO(hr_auto_free) float *w1 = uniform(N, 1), *m1 = zeros(N), *v1 = zeros(N), *g1 = zeros(N);
		HR_AUTO(hr_auto_free) float *w2 = uniform(N, 1), *m2 = zeros(N), *v2 = zeros(N), *g2 = zeros(N);
		float acc1 = 0.5f, acc2 = 0.5f;

		for (uint64_t t = 1; t < 20; t++) {
			HR_AUTO(hr_auto_free) float *g = uniform(N, t);
			memcpy(g1, g, N * sizeof *g);
			memcpy(g2, g, N * sizeof *g);
			hr_kernels_reference()->adamw(w1, m1, v1, g1, N, 1e-3f, 0.9f, 0.99f, 1e-8f, 0.01f, t);
			k->adamw(w2, m2, v2, g2, N, 1e-3f, 0.9f, 0.99f, 1e-8f, 0.01f, t);
			hr_kernels_reference()->adagrad_row(w1, &acc1, g, N, 0.1f, t % 2 == 0 ? 0.05f : 0);
			k->adagrad_row(w2, &acc2, g, N, 0.1f, t % 2 == 0 ? 0.05f : 0);
			assert_true(g2[0] == 0.0f && g2[N - 1] == 0.0f);
		}
		assert_near(w2, w1, N, 1e-5, k, "adamw and adagrad_row");
		assert_near(v2, v1, N, 1e-5, k, "adamw's v");
		assert_close((double)acc2, (double)acc1, 1e-6, "acc", 0);
	}
}

static void scores_match_the_reference_and_do_not_depend_on_the_batch(void **state)
{
	static const struct product shapes[] = {{1, 1, 1}, {3, 70, 33}, {1, 1000, 64}, {9, 203, 64}, {17, 64, 64}};

	(void)state;
	EACH_FAST_SET(k) {
		for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
			const size_t Q = shapes[s].M, N = shapes[s].N, D = shapes[s].K, ld = N + GAP;
			HR_AUTO(hr_auto_free) float *q = uniform(Q * D, 1), *rows = uniform(N * D, 2), *want = zeros(Q * ld), *got = zeros(Q * ld);
			HR_AUTO(hr_auto_free) float *one = zeros(N), *scratch = zeros(HR_SCRATCH_FLOATS(Q, D));

			hr_kernels_reference()->scores(want, ld, q, rows, Q, N, D, scratch);
			k->scores(got, ld, q, rows, Q, N, D, scratch);
			assert_near(got, want, Q * ld, 2e-6, k, "scores");
			k->scores(one, N, q + (Q - 1) * D, rows, 1, N, D, scratch);
			assert_memory_equal(one, got + (Q - 1) * ld, N * sizeof *one);
		}
	}
}

static void coarse_bounds_are_the_reference_s(void **state)
{
	enum { BLOCKS = 7, ROWS = 16 * BLOCKS };

	(void)state;
	EACH_FAST_SET(k) {
		for (size_t D = 16; D <= 256; D += 80) {
			HR_AUTO(hr_auto_free) float *q = uniform(D, 1), *rows = uniform(ROWS * D, 2), *bonus = uniform(ROWS, 3);
			float want[ROWS], got[ROWS];
			uint16_t over[BLOCKS];
			struct hr_coarse c;
			int8_t code[256];

			hr_coarse_init(&c, rows, ROWS, D);
			const struct hr_coarse_query query = hr_coarse_query(&c, q, 3, code);
			for (int with = 0; with < 2; with++) {
				const float *more = with ? bonus : NULL;
				hr_kernels_reference()->coarse(want, over, 0, &query, c.code, c.scale, c.rest, more, BLOCKS, D);
				k->coarse(got, over, 0, &query, c.code, c.scale, c.rest, more, BLOCKS, D);
				assert_near(got, want, ROWS, 1e-6, k, "upper");
			}
			hr_coarse_fini(&c);
		}
	}
}

/* The bar is one of the bounds, so that "at least" shows. */
static void coarse_marks_the_rows_that_reach_the_bar(void **state)
{
	enum { D = 32, BLOCKS = 7, ROWS = 16 * BLOCKS };
	HR_AUTO(hr_auto_free) float *q = uniform(D, 1), *rows = uniform(ROWS * D, 2);
	struct hr_coarse c;
	int8_t code[256];

	(void)state;
	hr_coarse_init(&c, rows, ROWS, D);
	const struct hr_coarse_query query = hr_coarse_query(&c, q, 3, code);
	for (const char *const *name = hr_kernels_available(); *name != NULL; name++) {
		const struct hr_kernels *k = set_named(*name);
		float upper[ROWS], again[ROWS];
		uint16_t over[BLOCKS];

		k->coarse(upper, over, -INFINITY, &query, c.code, c.scale, c.rest, NULL, BLOCKS, D);
		for (size_t b = 0; b < BLOCKS; b++)
			assert_int_equal(over[b], UINT16_MAX);
		k->coarse(again, over, upper[37], &query, c.code, c.scale, c.rest, NULL, BLOCKS, D);
		for (size_t r = 0; r < ROWS; r++)
			assert_int_equal(over[r / 16] >> r % 16 & 1, upper[r] >= upper[37]);
	}
	hr_coarse_fini(&c);
}

/* ---- the same bits in both fp32 sets ---- */

/* Forward and backward of everything, one after the other, into out; returns floats used. */
static size_t run_everything(const struct hr_kernels *k, float *out)
{
	enum { P = 37, D = 70, T = 37, HEAD = 35, C = 130 };
	HR_AUTO(hr_auto_free) float *w = uniform(D * D, 1), *b = uniform(D, 2), *x = uniform(P * D, 3), *bias = uniform(T * T, 4);
	HR_AUTO(hr_auto_free) float *scratch = zeros(HR_SCRATCH_FLOATS(C, C)), *xhat = zeros(P * D), *rstd = zeros(P), *weight = uniform(P, 5);
	HR_AUTO(hr_auto_free) void *packed = hr_alloc(k->packed_bytes(D, D) + 1, 1);
	struct hr_linear l = {D, D, w, b, packed};
	float *y = out, *dx = y + P * D, *dw = dx + P * D, *probs = dw + D * D, *logits = probs + T * T, *last = logits + P * C;
	struct hr_attention a = {T, HEAD, D, D, y, y + HEAD, x, bias, probs, {.key = 9, .p = 0.2f}, 1, 0};
	uint32_t label[P];

	memset(out, 0, (size_t)(last - out) * sizeof *out); /* what is added to */
	for (size_t p = 0; p < P; p++)
		label[p] = (uint32_t)p;
	k->pack(&l);
	k->linear(y, x, &l, P, scratch);
	k->attention(dx, &a, scratch);
	k->attention_back(dx, dx + HEAD, dw, bias, x, &a, scratch);
	k->linear_dx(dx, y, &l, P, /* add */ true, scratch);
	k->linear_dw(dw, b, x, dx, D, D, P, scratch);
	k->norm(y, xhat, rstd, dx, b, b, P, D);
	k->norm_back(dx, w, b, y, xhat, rstd, b, P, D);
	k->gelu(y, dx, P * D);
	k->gelu_back(dx, y, dx, P * D);
	k->unit(y, rstd, dx, P, D);
	k->add_dropped(y, x, &a.drop, 3, P * D);
	k->gemm_nt(logits, C, y, D, w, D / 2, P, C, D / 2, false, scratch);
	const float loss = (float)k->softmax_xent(logits, C, NULL, label, weight, P, C);
	k->logs(last, rstd, P);
	last[P] = loss;
	return (size_t)(last - out) + P + 1;
}

static void vector_sets_of_fp32_give_the_same_bits_on_every_call(void **state)
{
	enum { ROOM = 1 << 17 };
	HR_AUTO(hr_auto_free) float *first = zeros(ROOM), *again = zeros(ROOM);
	size_t n = 0;

	(void)state;
	EACH_FAST_SET(k) {
		if (rounds(k))
			continue;
		const bool is_first = n == 0;
		n = run_everything(k, is_first ? first : again);
		assert_true(n < ROOM);
		assert_int_equal(n, run_everything(k, again));
		assert_memory_equal(again, first, n * sizeof *first);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(optimisers_match_their_formulas_in_every_set),
		cmocka_unit_test(products_match_the_reference),
		cmocka_unit_test(dense_layers_match_the_reference),
		cmocka_unit_test(no_rows_change_nothing),
		cmocka_unit_test(a_row_has_the_same_bits_whatever_rows_are_beside_it),
		cmocka_unit_test(columns_from_any_on_have_the_same_bits),
		cmocka_unit_test(attention_matches_the_reference),
		cmocka_unit_test(rows_match_the_reference),
		cmocka_unit_test(open_rows_are_counted_exactly),
		cmocka_unit_test(gelu_and_logs_match_over_their_whole_range),
		cmocka_unit_test(losses_match_the_reference),
		cmocka_unit_test(a_nan_is_not_hidden),
		cmocka_unit_test(optimisers_match_the_reference),
		cmocka_unit_test(scores_match_the_reference_and_do_not_depend_on_the_batch),
		cmocka_unit_test(coarse_bounds_are_the_reference_s),
		cmocka_unit_test(coarse_marks_the_rows_that_reach_the_bar),
		cmocka_unit_test(vector_sets_of_fp32_give_the_same_bits_on_every_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
