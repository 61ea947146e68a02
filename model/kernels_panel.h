/* model/kernels_panel.h - the two sides of a matrix product and where it goes, for kernels_tile.h and kernels_gemm.h.
 * unit, defined before, is the type of one step of one column: one k of fp32, a pair of k of bf16. */
#ifndef HR_MODEL_KERNELS_PANEL_H
#define HR_MODEL_KERNELS_PANEL_H

#define PANEL (16 * TILE_VECS) /* columns of a tile */

/* Element (row r, step s) is at[r * row + s * step]. */
struct left {
	const unit *at;
	size_t row, step;
};

/* Element (step s, column c) is at[s * step + c]; readable up to a multiple of 16 columns. */
struct right {
	const unit *at;
	size_t step;
};

/* Where C starts from: rows start_ld apart, 0 for the same row every time, start NULL for zero. */
struct result {
	float *C;
	size_t ldc;
	const float *start;
	size_t start_ld;
};

static inline size_t min_size(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t up_to_16(size_t n) { return (n + 15) / 16 * 16; }

static inline struct result into(float *C, size_t ldc, bool add)
{
	return (struct result){C, ldc, add ? C : NULL, ldc};
}

static inline struct result result_at(struct result c, size_t m, size_t n)
{
	c.C += m * c.ldc + n;
	if (c.start != NULL)
		c.start += m * c.start_ld + n;
	return c;
}

/* The left side as its owner has it: (M, K) or, by columns, (K, M). */
struct left_source {
	const float *A;
	size_t lda;
	bool by_columns;
};

#endif
