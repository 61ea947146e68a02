/* model/kernels_fp32.h - fp32 products: how both sides lie, for kernels_gemm.h. */
#ifndef HR_MODEL_KERNELS_FP32_H
#define HR_MODEL_KERNELS_FP32_H

typedef float unit;

HR_INLINE v16 tile_left(const unit *at) { return v_set1(*at); }
HR_INLINE v16 tile_right(const unit *at) { return v_load(at); }
HR_INLINE v16 tile_multiply(v16 a, v16 b, v16 sum) { return v_fma(a, b, sum); }

#include "model/kernels_tile.h"

/* Rows that share one reading of the panels: their part of the left side stays in a second-level cache. */
#define ROWS_BLOCK     ((size_t)192)
#define multiply_block multiply_tiles

static size_t panel_steps(size_t K) { return K; }

static struct left left_block(const struct left_source *a, size_t m, size_t rows, size_t K, unit *work)
{
	(void)rows, (void)K, (void)work;
	return a->by_columns ? (struct left){a->A + m, 1, a->lda} : (struct left){a->A + m * a->lda, a->lda, 1};
}

/* From B (K, N): side by side; columns up to a multiple of 16 are zero, the rest of the panel is never read. */
static void panel_from_rows(unit *panel, const float *B, size_t ldb, size_t N, size_t K)
{
	for (size_t k = 0; k < K; k++)
		for (size_t c = 0; c < N; c += 16)
			v_store(panel + k * PANEL + c, v_load_upto(B + k * ldb + c, N - c));
}

/* From B (N, K): transposed. */
static void panel_from_columns(unit *panel, const float *B, size_t ldb, size_t N, size_t K)
{
	for (size_t c = 0; c < N; c += 16)
		for (size_t k = 0; k < K; k += 16)
			transpose16(panel + k * PANEL + c, PANEL, B + c * ldb + k, ldb, min_size(N - c, 16),
			            min_size(K - k, 16));
}

#include "model/kernels_gemm.h"

/* Rows are read once, a panel at a time, so that any number of them needs the scratch of one panel. */
static void scores(float *scores, size_t ld, const float *q, const float *rows, size_t Q, size_t N, size_t D,
                   float *scratch)
{
	for (size_t n = 0; n < N; n += PANEL)
		gemm_nt(scores + n, ld, q, D, rows + n * D, D, Q, min_size(N - n, PANEL), D, /* add */ false, scratch);
}

#endif
