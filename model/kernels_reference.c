/* model/kernels_reference.c - the kernels as their formulas read, and OpenBLAS for the matrix products. The other sets
 * are tested against this one, so nothing here is clever: sums in double, one row after the other. */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "model/kernels_sets.h"

static size_t packed_bytes(size_t in, size_t out)
{
	(void)in, (void)out;
	return 0;
}

static void pack(struct hr_linear *l) { (void)l; }

/* ---- matrix products ---- */

static void gemm(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, float *C, size_t ldc, const float *A, size_t lda,
                 const float *B, size_t ldb, size_t M, size_t N, size_t K, bool add)
{
	if (M == 0 || N == 0)
		return;
	cblas_sgemm(CblasRowMajor, ta, tb, (blasint)M, (blasint)N, (blasint)K, 1, A, (blasint)lda, B, (blasint)ldb,
	            add ? 1 : 0, C, (blasint)ldc);
}

static void gemm_nn(float *C, size_t ldc, const float *A, size_t lda, const float *B, size_t ldb, size_t M, size_t N,
                    size_t K, bool add, float *scratch)
{
	(void)scratch;
	gemm(CblasNoTrans, CblasNoTrans, C, ldc, A, lda, B, ldb, M, N, K, add);
}

static void gemm_nt(float *C, size_t ldc, const float *A, size_t lda, const float *B, size_t ldb, size_t M, size_t N,
                    size_t K, bool add, float *scratch)
{
	(void)scratch;
	gemm(CblasNoTrans, CblasTrans, C, ldc, A, lda, B, ldb, M, N, K, add);
}

static void gemm_tn(float *C, size_t ldc, const float *A, size_t lda, const float *B, size_t ldb, size_t M, size_t N,
                    size_t K, bool add, float *scratch)
{
	(void)scratch;
	gemm(CblasTrans, CblasNoTrans, C, ldc, A, lda, B, ldb, M, N, K, add);
}

static void linear(float *y, const float *x, const struct hr_linear *l, size_t P, float *scratch)
{
	for (size_t p = 0; p < P && l->b != NULL; p++)
		memcpy(y + p * l->out, l->b, l->out * sizeof *y);
	gemm_nn(y, l->out, x, l->in, l->w, l->out, P, l->out, l->in, /* add */ l->b != NULL, scratch);
}

static void linear_from(float *y, const float *x, const struct hr_linear *l, size_t from, size_t P, float *scratch)
{
	(void)from; /* BLAS may round a narrower product in another way */
	linear(y, x, l, P, scratch);
}

static void linear_dx(float *dx, const float *dy, const struct hr_linear *l, size_t P, bool add, float *scratch)
{
	gemm_nt(dx, l->in, dy, l->out, l->w, l->out, P, l->in, l->out, add, scratch);
}

static void linear_dw(float *dw, float *db, const float *x, const float *dy, size_t in, size_t out, size_t P,
                      float *scratch)
{
	if (P == 0)
		return;
	gemm_tn(dw, out, x, in, dy, out, in, out, P, /* add */ true, scratch);
	for (size_t c = 0; c < out && db != NULL; c++) {
		double sum = 0;
		for (size_t p = 0; p < P; p++)
			sum += (double)dy[p * out + c];
		db[c] += (float)sum;
	}
}

/* ---- attention ---- */

static double dot(const float *a, const float *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)a[i] * (double)b[i];
	return sum;
}

static void add_scaled(float *y, float by, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] += by * x[i];
}

/* In place over n logits; returns log of the sum of exp. A logit of -INFINITY becomes 0. */
static double softmax(float *x, size_t n)
{
	double max = (double)-INFINITY, sum = 0;

	for (size_t i = 0; i < n; i++)
		max = fmax(max, (double)x[i]);
	for (size_t i = 0; i < n; i++)
		sum += exp((double)x[i] - max);
	for (size_t i = 0; i < n; i++)
		x[i] = (float)(exp((double)x[i] - max) / sum);
	return max + log(sum);
}

/* What stands before a probability: 1 / (1 - p) where it is kept, 0 where dropped. */
static float kept(const struct hr_dropout_keys *keys, uint64_t at)
{
	return hr_dropout_keeps(keys, at) ? keys->scale : 0;
}

static void attention(float *o, const struct hr_attention *a, float *scratch)
{
	const struct hr_dropout_keys keys = hr_dropout_prepare(&a->drop);
	const double scale = 1 / sqrt((double)a->d);

	for (size_t i = a->first; i < a->T; i++) {
		float *row = a->probs != NULL ? a->probs + i * a->T : scratch, *out = o + i * a->ld_o;

		for (size_t j = 0; j <= i; j++)
			row[j] = (float)(dot(a->q + i * a->ld, a->k + j * a->ld, a->d) * scale +
			                 (double)a->bias[i * a->T + j]);
		(void)softmax(row, i + 1);
		memset(out, 0, a->d * sizeof *out);
		for (size_t j = 0; j <= i; j++)
			add_scaled(out, row[j] * kept(&keys, a->drop_at + i * a->T + j), a->v + j * a->ld, a->d);
	}
}

/* One query: ds[j], the gradient of logit j before scaling; dv takes its share on the way. */
static void attention_row_back(float *ds, float *dv, const float *dout, const struct hr_attention *a, size_t i)
{
	const struct hr_dropout_keys keys = hr_dropout_prepare(&a->drop);
	const float *row = a->probs + i * a->T;
	double mean = 0;

	for (size_t j = 0; j <= i; j++) {
		const float keep = kept(&keys, a->drop_at + i * a->T + j);
		add_scaled(dv + j * a->ld, row[j] * keep, dout, a->d);
		ds[j] = keep * (float)dot(dout, a->v + j * a->ld, a->d);
		mean += (double)row[j] * (double)ds[j];
	}
	for (size_t j = 0; j <= i; j++)
		ds[j] = row[j] * (float)((double)ds[j] - mean);
}

static void attention_back(float *dq, float *dk, float *dv, float *dbias, const float *do_,
                           const struct hr_attention *a, float *scratch)
{
	const float scale = 1 / sqrtf((float)a->d);
	const size_t ld = a->ld;

	for (size_t i = 0; i < a->T; i++) {
		attention_row_back(scratch, dv, do_ + i * a->ld_o, a, i);
		for (size_t j = 0; j <= i; j++) {
			add_scaled(dq + i * ld, scale * scratch[j], a->k + j * ld, a->d);
			add_scaled(dk + j * ld, scale * scratch[j], a->q + i * ld, a->d);
		}
		if (dbias != NULL)
			add_scaled(dbias + i * a->T, 1, scratch, i + 1);
	}
}

/* ---- rows ---- */

static void norm(float *y, float *xhat, float *rstd, const float *x, const float *g, const float *b, size_t P, size_t D)
{
	for (size_t p = 0; p < P; p++) {
		const float *row = x + p * D;
		double mean = 0, variance = 0;

		for (size_t c = 0; c < D; c++)
			mean += (double)row[c] / (double)D;
		for (size_t c = 0; c < D; c++)
			variance += ((double)row[c] - mean) * ((double)row[c] - mean) / (double)D;
		rstd[p] = (float)(1 / sqrt(variance + (double)HR_NORM_EPSILON));
		for (size_t c = 0; c < D; c++) {
			xhat[p * D + c] = (float)((double)row[c] - mean) * rstd[p];
			y[p * D + c] = xhat[p * D + c] * g[c] + b[c];
		}
	}
}

static void norm_back(float *dx, float *dg, float *db, const float *dy, const float *xhat, const float *rstd,
                      const float *g, size_t P, size_t D)
{
	for (size_t p = 0; p < P; p++) {
		const float *up = dy + p * D, *hat = xhat + p * D;
		double mean = 0, along = 0;

		for (size_t c = 0; c < D; c++) {
			mean += (double)up[c] * (double)g[c] / (double)D;
			along += (double)up[c] * (double)g[c] * (double)hat[c] / (double)D;
			dg[c] += up[c] * hat[c];
			db[c] += up[c];
		}
		for (size_t c = 0; c < D; c++)
			dx[p * D + c] += rstd[p] * (float)((double)(up[c] * g[c]) - mean - (double)hat[c] * along);
	}
}

static void unit(float *y, float *inv, const float *x, size_t P, size_t D)
{
	for (size_t p = 0; p < P; p++) {
		const double length = sqrt(dot(x + p * D, x + p * D, D));

		inv[p] = 1 / fmaxf((float)length, HR_UNIT_NORM_MIN);
		for (size_t c = 0; c < D; c++)
			y[p * D + c] = x[p * D + c] * inv[p];
	}
}

static void unit_back(float *dx, const float *dy, const float *y, const float *inv, size_t P, size_t D)
{
	for (size_t p = 0; p < P; p++) {
		const bool bounded = inv[p] >= 1 / HR_UNIT_NORM_MIN; /* y = x / constant: nothing to project out */
		const float along = bounded ? 0 : (float)dot(dy + p * D, y + p * D, D);

		for (size_t c = 0; c < D; c++)
			dx[p * D + c] += (dy[p * D + c] - y[p * D + c] * along) * inv[p];
	}
}

/* ---- element-wise ---- */

static double gelu_tanh(double x) { return tanh((double)HR_GELU_SCALE * (x + (double)HR_GELU_CUBE * x * x * x)); }

static void gelu(float *y, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] = (float)(0.5 * (double)x[i] * (1 + gelu_tanh((double)x[i])));
}

static void gelu_back(float *dx, const float *dy, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const double v = (double)x[i], t = gelu_tanh(v);
		const double slope = (double)HR_GELU_SCALE * (1 + 3 * (double)HR_GELU_CUBE * v * v);

		dx[i] = dy[i] * (float)(0.5 * (1 + t) + 0.5 * v * (1 - t * t) * slope);
	}
}

static void add_dropped(float *y, const float *x, const struct hr_dropout *drop, uint64_t at, size_t n)
{
	const struct hr_dropout_keys keys = hr_dropout_prepare(drop);

	for (size_t i = 0; i < n; i++)
		y[i] += x[i] * kept(&keys, at + i);
}

static void dropped(float *y, const float *x, const struct hr_dropout *drop, uint64_t at, size_t n)
{
	const struct hr_dropout_keys keys = hr_dropout_prepare(drop);

	for (size_t i = 0; i < n; i++)
		y[i] = x[i] * kept(&keys, at + i);
}

/* ---- loss ---- */

static double softmax_xent(float *logits, size_t ld, const float *bias, const uint32_t *label, const float *weight,
                           size_t P, size_t C)
{
	double loss = 0;

	for (size_t p = 0; p < P; p++) {
		float *row = logits + p * ld;
		const double own = (double)row[label[p]];

		for (size_t c = 0; c < C && bias != NULL; c++)
			row[c] += c == label[p] ? 0 : bias[c];
		loss += (double)weight[p] * (softmax(row, C) - own);
		row[label[p]] -= 1;
		for (size_t c = 0; c < C; c++)
			row[c] *= weight[p];
	}
	return loss;
}

/* ---- optimisers ---- */

static void adamw(float *w, float *m, float *v, float *g, size_t n, float rate, float beta1, float beta2, float eps,
                  float decay, uint64_t t)
{
	const float fix1 = (float)(1 / (1 - pow((double)beta1, (double)t)));
	const float fix2 = (float)(1 / (1 - pow((double)beta2, (double)t)));

	for (size_t i = 0; i < n; i++) {
		m[i] = beta1 * m[i] + (1 - beta1) * g[i];
		v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
		w[i] -= rate * (fix1 * m[i] / (sqrtf(fix2 * v[i]) + eps) + decay * w[i]);
		g[i] = 0;
	}
}

static void adagrad_row(float *w, float *acc, const float *g, size_t D, float rate, float clip)
{
	const double squares = dot(g, g, D);

	if (squares == 0)
		return;
	*acc += (float)(squares / (double)D);
	double step = (double)rate / sqrt((double)*acc);
	if (clip > 0)
		step = fmin(step, (double)clip / sqrt(squares));
	for (size_t c = 0; c < D; c++)
		w[c] -= (float)step * g[c];
}

/* ---- search ---- */

static void scores(float *scores, size_t ld, const float *q, const float *rows, size_t Q, size_t N, size_t D,
                   float *scratch)
{
	gemm_nt(scores, ld, q, D, rows, D, Q, N, D, /* add */ false, scratch);
}

static void coarse(float *upper, uint16_t *over, float bar, const struct hr_coarse_query *q, const uint8_t *code,
                   const float *scale, const float *rest, const float *bonus, size_t blocks, size_t D)
{
	memset(over, 0, blocks * sizeof *over);
	for (size_t r = 0; r < 16 * blocks; r++) {
		const uint8_t *row = code + r / 16 * 16 * D + r % 16 * 4;
		int32_t dot = -q->zero;
		for (size_t i = 0; i < D; i++)
			dot += row[i / 4 * 64 + i % 4] * q->code[i];
		const float score = q->step * scale[r] * (float)dot, more = bonus != NULL ? bonus[r] : 0;
		upper[r] = score + more + (q->reach * rest[r] + q->rest + HR_COARSE_ROUNDING * (fabsf(score) + fabsf(more)));
		over[r / 16] |= (uint16_t)((upper[r] >= bar) << r % 16);
	}
}

static void logs(float *y, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] = (float)log((double)x[i]);
}

static size_t count_open(const float *x, const float *open, float bar, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += open[i] > 0 && x[i] >= bar;
	return count;
}

static const struct hr_kernels reference = {
	.name = "reference",
	.packed_bytes = packed_bytes,
	.pack = pack,
	.linear = linear,
	.linear_from = linear_from,
	.linear_dx = linear_dx,
	.linear_dw = linear_dw,
	.gemm_nn = gemm_nn,
	.gemm_nt = gemm_nt,
	.gemm_tn = gemm_tn,
	.attention = attention,
	.attention_back = attention_back,
	.norm = norm,
	.norm_back = norm_back,
	.unit = unit,
	.unit_back = unit_back,
	.gelu = gelu,
	.gelu_back = gelu_back,
	.add_dropped = add_dropped,
	.dropped = dropped,
	.softmax_xent = softmax_xent,
	.adamw = adamw,
	.adagrad_row = adagrad_row,
	.scores = scores,
	.coarse = coarse,
	.logs = logs,
	.count_open = count_open,
};

const struct hr_kernels *hr_kernels_reference(void)
{
	openblas_set_num_threads(1); /* threads stand above the kernels, never inside */
	return &reference;
}
