/* model/kernels_rows.h - what goes element by element or row by row, over kernels_simd_*.h. */
#ifndef HR_MODEL_KERNELS_ROWS_H
#define HR_MODEL_KERNELS_ROWS_H

#include <math.h>

/* ---- rows of width D: sums over 16 lanes, then over the lanes ---- */

static float row_sum(const float *x, size_t D)
{
	v16 sum = v_zero();

	for (size_t c = 0; c < D; c += 16)
		sum = v_add(sum, v_load_upto(x + c, D - c));
	return v_sum(sum);
}

static float row_dot(const float *x, const float *y, size_t D)
{
	v16 sum = v_zero();

	for (size_t c = 0; c < D; c += 16)
		sum = v_fma(v_load_upto(x + c, D - c), v_load_upto(y + c, D - c), sum);
	return v_sum(sum);
}

/* Sum of (x - mean)^2; what lies behind D counts as the mean. */
static float row_spread(const float *x, float mean, size_t D)
{
	v16 sum = v_zero();

	for (size_t c = 0; c < D; c += 16) {
		const v16 away = v_keep(m_first(D - c), v_sub(v_load_upto(x + c, D - c), v_set1(mean)));
		sum = v_fma(away, away, sum);
	}
	return v_sum(sum);
}

/* Sixteen rows at most, stage by stage: within a row each stage waits for the sum before, and the others fill that time. */
static void norm_16(float *y, float *xhat, float *rstd, const float *x, const float *g, const float *b, size_t P, size_t D)
{
	const float share = 1 / (float)D;
	float mean[16], spread[16] = {0};

	for (size_t p = 0; p < P; p++)
		mean[p] = row_sum(x + p * D, D) * share;
	for (size_t p = 0; p < P; p++)
		spread[p] = row_spread(x + p * D, mean[p], D) * share + HR_NORM_EPSILON;
	v_store_upto(rstd, P, v_div(v_set1(1), v_sqrt(v_load(spread))));
	for (size_t p = 0; p < P; p++, x += D, y += D, xhat += D) {
		const v16 middle = v_set1(mean[p]), scale = v_set1(rstd[p]);

		for (size_t c = 0; c < D; c += 16) {
			const v16 hat = v_mul(v_sub(v_load_upto(x + c, D - c), middle), scale);
			v_store_upto(xhat + c, D - c, hat);
			v_store_upto(y + c, D - c, v_fma(hat, v_load_upto(g + c, D - c), v_load_upto(b + c, D - c)));
		}
	}
}

static void norm(float *y, float *xhat, float *rstd, const float *x, const float *g, const float *b, size_t P, size_t D)
{
	for (size_t p = 0; p < P; p += 16)
		norm_16(y + p * D, xhat + p * D, rstd + p, x + p * D, g, b, P - p < 16 ? P - p : 16, D);
}

/* One row's dx, and its share of dg and db. */
HR_INLINE void norm_row_back(float *dx, float *dg, float *db, const float *dy, const float *xhat, float rstd,
                             const float *g, size_t D)
{
	const float share = 1 / (float)D;
	v16 sum = v_zero(), along = v_zero();

	for (size_t c = 0; c < D; c += 16) {
		const v16 up = v_load_upto(dy + c, D - c), hat = v_load_upto(xhat + c, D - c);
		const v16 scaled = v_mul(up, v_load_upto(g + c, D - c));

		sum = v_add(sum, scaled);
		along = v_fma(scaled, hat, along);
		v_store_upto(dg + c, D - c, v_fma(up, hat, v_load_upto(dg + c, D - c)));
		v_store_upto(db + c, D - c, v_add(v_load_upto(db + c, D - c), up));
	}
	const v16 mean = v_set1(v_sum(sum) * share), slope = v_set1(v_sum(along) * share);
	for (size_t c = 0; c < D; c += 16) {
		const v16 scaled = v_mul(v_load_upto(dy + c, D - c), v_load_upto(g + c, D - c));
		const v16 change = v_fnma(v_load_upto(xhat + c, D - c), slope, v_sub(scaled, mean));
		v_store_upto(dx + c, D - c, v_fma(change, v_set1(rstd), v_load_upto(dx + c, D - c)));
	}
}

static void norm_back(float *dx, float *dg, float *db, const float *dy, const float *xhat, const float *rstd,
                      const float *g, size_t P, size_t D)
{
	for (size_t p = 0; p < P; p++)
		norm_row_back(dx + p * D, dg, db, dy + p * D, xhat + p * D, rstd[p], g, D);
}

static void unit_rows(float *y, float *inv, const float *x, size_t P, size_t D)
{
	for (size_t p = 0; p < P; p++, x += D, y += D) {
		inv[p] = 1 / fmaxf(sqrtf(row_dot(x, x, D)), HR_UNIT_NORM_MIN);
		for (size_t c = 0; c < D; c += 16)
			v_store_upto(y + c, D - c, v_mul(v_load_upto(x + c, D - c), v_set1(inv[p])));
	}
}

static void unit_rows_back(float *dx, const float *dy, const float *y, const float *inv, size_t P, size_t D)
{
	for (size_t p = 0; p < P; p++, dx += D, dy += D, y += D) {
		const bool bounded = inv[p] >= 1 / HR_UNIT_NORM_MIN; /* y = x / constant: nothing to project out */
		const v16 along = v_set1(bounded ? 0 : row_dot(dy, y, D));

		for (size_t c = 0; c < D; c += 16) {
			const v16 across = v_fnma(v_load_upto(y + c, D - c), along, v_load_upto(dy + c, D - c));
			v_store_upto(dx + c, D - c, v_fma(across, v_set1(inv[p]), v_load_upto(dx + c, D - c)));
		}
	}
}

/* ---- element-wise ---- */

/* x / 2 (1 + tanh u) = x gate, gate = 1 / (1 + e^-2u), u = sqrt(2 / pi) (x + 0.044715 x^3) */
HR_INLINE v16 gelu_gate(v16 x)
{
	const float steep = -2 * 1.44269504f * HR_GELU_SCALE; /* -2 u log2 e */
	const v16 t = v_mul(x, v_fma(v_mul(x, x), v_set1(steep * HR_GELU_CUBE), v_set1(steep)));

	return v_div(v_set1(1), v_add(v_set1(1), v_exp2_clamped(t)));
}

static void gelu(float *y, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i += 16) {
		const v16 v = v_load_upto(x + i, n - i);
		v_store_upto(y + i, n - i, v_mul(v, gelu_gate(v)));
	}
}

static void gelu_back(float *dx, const float *dy, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i += 16) {
		const v16 v = v_load_upto(x + i, n - i), gate = gelu_gate(v);
		const v16 slope =
			v_fma(v_mul(v, v), v_set1(6 * HR_GELU_SCALE * HR_GELU_CUBE), v_set1(2 * HR_GELU_SCALE));
		const v16 bend = v_mul(v_mul(v, gate), v_mul(v_sub(v_set1(1), gate), slope));
		v_store_upto(dx + i, n - i, v_mul(v_load_upto(dy + i, n - i), v_add(gate, bend)));
	}
}

static void add(float *y, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i += 16)
		v_store_upto(y + i, n - i, v_add(v_load_upto(y + i, n - i), v_load_upto(x + i, n - i)));
}

static void add_dropped(float *y, const float *x, const struct hr_dropout *drop, uint64_t at, size_t n)
{
	if (drop->p == 0) {
		add(y, x, n);
		return;
	}
	const struct hr_dropout_keys keys = hr_dropout_prepare(drop);
	const v16 scale = v_set1(keys.scale);
	m16 keep[2];

	for (size_t i = 0; i < n; i += 16) {
		const size_t half = i / 16 % 2;
		if (half == 0)
			m_dropout(&keys, at + i, &keep[0], &keep[1]);
		const v16 scaled = v_keep(keep[half], v_mul(v_load_upto(x + i, n - i), scale));
		v_store_upto(y + i, n - i, v_add(v_load_upto(y + i, n - i), scaled));
	}
}

static void dropped(float *y, const float *x, const struct hr_dropout *drop, uint64_t at, size_t n)
{
	const struct hr_dropout_keys keys = hr_dropout_prepare(drop);
	const v16 scale = v_set1(keys.scale);
	m16 keep[2];

	for (size_t i = 0; i < n; i += 16) {
		const size_t half = i / 16 % 2;
		if (half == 0)
			m_dropout(&keys, at + i, &keep[0], &keep[1]);
		v_store_upto(y + i, n - i, v_keep(keep[half], v_mul(v_load_upto(x + i, n - i), scale)));
	}
}

static void logs(float *y, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i += 16)
		v_store_upto(y + i, n - i, v_log(v_load_upto(x + i, n - i)));
}

static size_t count_open(const float *x, const float *open, float bar, size_t n)
{
	const v16 limit = v_set1(bar);
	float lane[16];
	v16 sum = v_zero();
	size_t count = 0;

	for (size_t i = 0; i < n; i += 16)
		sum = v_add(sum, v_select(m_less(v_load_upto(x + i, n - i), limit), v_zero(), v_load_upto(open + i, n - i)));
	v_store(lane, sum);
	for (size_t i = 0; i < 16; i++)
		count += (size_t)lane[i];
	return count;
}

/* ---- loss ---- */

/* row += bias but for its own column; returns the largest. */
static float biased_row(float *row, const float *bias, uint32_t own, size_t C)
{
	const float label = row[own];
	v16 largest = v_set1(-INFINITY);

	for (size_t c = 0; c < C && bias != NULL; c += 16)
		v_store_upto(row + c, C - c, v_add(v_load_upto(row + c, C - c), v_load_upto(bias + c, C - c)));
	row[own] = label;
	for (size_t c = 0; c < C; c += 16)
		largest = v_max(largest, v_select(m_first(C - c), v_load_upto(row + c, C - c), v_set1(-INFINITY)));
	return v_largest(largest);
}

static double softmax_xent(float *logits, size_t ld, const float *bias, const uint32_t *label, const float *weight,
                           size_t P, size_t C)
{
	double loss = 0;

	for (size_t p = 0; p < P; p++, logits += ld) {
		const float largest = biased_row(logits, bias, label[p], C);
		const float own = logits[label[p]];
		v16 sum = v_zero();

		for (size_t c = 0; c < C; c += 16) {
			const v16 e = v_exp(v_sub(v_load_upto(logits + c, C - c), v_set1(largest)));
			sum = v_add(sum, v_keep(m_first(C - c), e));
			v_store_upto(logits + c, C - c, e);
		}
		const float total = v_sum(sum);
		const v16 scale = v_set1(weight[p] / total);
		for (size_t c = 0; c < C; c += 16)
			v_store_upto(logits + c, C - c, v_mul(v_load_upto(logits + c, C - c), scale));
		logits[label[p]] -= weight[p];
		loss += (double)weight[p] * ((double)largest + log((double)total) - (double)own);
	}
	return loss;
}

/* ---- optimisers ---- */

static void adamw(float *w, float *m, float *v, float *g, size_t n, float rate, float beta1, float beta2, float eps,
                  float decay, uint64_t t)
{
	const v16 fix1 = v_set1((float)(1 / (1 - pow((double)beta1, (double)t))));
	const v16 fix2 = v_set1((float)(1 / (1 - pow((double)beta2, (double)t))));

	for (size_t i = 0; i < n; i += 16) {
		const size_t some = n - i;
		const v16 grad = v_load_upto(g + i, some), weight = v_load_upto(w + i, some);
		const v16 first = v_fma(v_set1(beta1), v_load_upto(m + i, some), v_mul(v_set1(1 - beta1), grad));
		const v16 second =
			v_fma(v_set1(beta2), v_load_upto(v + i, some), v_mul(v_mul(v_set1(1 - beta2), grad), grad));
		const v16 change = v_div(v_mul(fix1, first), v_add(v_sqrt(v_mul(fix2, second)), v_set1(eps)));

		v_store_upto(m + i, some, first);
		v_store_upto(v + i, some, second);
		v_store_upto(w + i, some, v_fnma(v_set1(rate), v_fma(v_set1(decay), weight, change), weight));
		v_store_upto(g + i, some, v_zero());
	}
}

static void adagrad_row(float *w, float *acc, const float *g, size_t D, float rate, float clip)
{
	const float squares = row_dot(g, g, D);

	if (squares == 0)
		return;
	*acc += squares / (float)D;
	float step = rate / sqrtf(*acc);
	if (clip > 0)
		step = fminf(step, clip / sqrtf(squares));
	for (size_t c = 0; c < D; c += 16)
		v_store_upto(w + c, D - c, v_fnma(v_set1(step), v_load_upto(g + c, D - c), v_load_upto(w + c, D - c)));
}

#endif
