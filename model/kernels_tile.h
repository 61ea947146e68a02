/* model/kernels_tile.h - the innermost matrix product: a tile of C in registers, and the loop of tiles over rows and
 * columns.
 *
 * A step is what one multiply-add takes: one k of fp32, a pair of k of bf16. Each element of C is one chain of
 * multiply-adds that starts from what stood there (or the bias, or zero), whatever rows and columns stand beside it.
 *
 * Defined before this file: unit (the type of one step of one column), tile_left(), tile_right(), tile_multiply().
 */
#ifndef HR_MODEL_KERNELS_TILE_H
#define HR_MODEL_KERNELS_TILE_H

#include "model/kernels_panel.h"

/* The sums must live in registers, so these loops are written out: neither compiler unrolls them reliably at -O2. The
 * counts are constants of the place that tile() is inlined into, so what a smaller tile does not have costs nothing. */
#define AT_(name, value, limit, ...) \
	if (value < (limit)) { \
		enum { name = value }; \
		__VA_ARGS__ \
	}
#define EACH_ROW(r, ...) \
	AT_(r, 0, rows, __VA_ARGS__) \
	AT_(r, 1, rows, __VA_ARGS__) \
	AT_(r, 2, rows, __VA_ARGS__) \
	AT_(r, 3, rows, __VA_ARGS__) \
	AT_(r, 4, rows, __VA_ARGS__) \
	AT_(r, 5, rows, __VA_ARGS__)
#if TILE_VECS == 4
#define EACH_VEC(v, ...) \
	AT_(v, 0, vecs, __VA_ARGS__) \
	AT_(v, 1, vecs, __VA_ARGS__) \
	AT_(v, 2, vecs, __VA_ARGS__) \
	AT_(v, 3, vecs, __VA_ARGS__)
#else
#define EACH_VEC(v, ...) AT_(v, 0, vecs, __VA_ARGS__)
#endif

/* tail: columns of the last vector */
HR_INLINE void tile(struct result c, struct left a, struct right b, size_t steps, size_t tail, const size_t rows,
                    const size_t vecs)
{
	v16 sum[TILE_ROWS][TILE_VECS], right[TILE_VECS];

	if (c.start == NULL) {
		EACH_ROW(r, EACH_VEC(v, sum[r][v] = v_zero();))
	} else {
		EACH_ROW(r, EACH_VEC(v, {
				 sum[r][v] = v_load_upto(c.start + r * c.start_ld + 16 * v, v + 1 == vecs ? tail : 16);
			 }))
	}
	for (size_t s = 0; s < steps; s++) {
		EACH_VEC(v, right[v] = tile_right(b.at + s * b.step + 16 * v);)
		EACH_ROW(r, {
			const v16 left = tile_left(a.at + r * a.row + s * a.step);
			EACH_VEC(v, sum[r][v] = tile_multiply(left, right[v], sum[r][v]);)
		})
	}
	EACH_ROW(r, EACH_VEC(v, v_store_upto(c.C + r * c.ldc + 16 * v, v + 1 == vecs ? tail : 16, sum[r][v]);))
}

#define TILE_CASE(rows, vecs) \
	case 8 * (rows) + (vecs): \
		tile(c, a, b, steps, tail, rows, vecs); \
		break;
#if TILE_VECS == 4
#define TILE_CASES(rows) TILE_CASE(rows, 1) TILE_CASE(rows, 2) TILE_CASE(rows, 3) TILE_CASE(rows, 4)
#else
#define TILE_CASES(rows) TILE_CASE(rows, 1)
#endif

/* Structs go by reference: by value they are copied through the stack in pieces of another size than they were written
 * in, which a processor waits for; a small head's attention took a fifth longer. */
static void tile_of(const struct result *to, const struct left *left, const struct right *right, size_t m, size_t n,
                    size_t rows, size_t cols, size_t steps)
{
	const struct result c = result_at(*to, m, n);
	const struct left a = {left->at + m * left->row, left->row, left->step};
	const struct right b = {right->at + n, right->step};
	const size_t vecs = (cols + 15) / 16, tail = cols - 16 * (vecs - 1);

	switch (8 * rows + vecs) {
		TILE_CASES(1)
		TILE_CASES(2)
		TILE_CASES(3)
		TILE_CASES(4)
		TILE_CASES(5)
		TILE_CASES(6)
	}
}

/* Rows of the next tile: as many as fit, but the last two share what is left, so that none is thin. */
static inline size_t next_rows(size_t left)
{
	return left >= 2 * TILE_ROWS || left == TILE_ROWS ? TILE_ROWS : left > TILE_ROWS ? (left + 1) / 2 : left;
}

/* C (M, N) = start + A (M, steps) B (steps, N) */
static void multiply_tiles(const struct result *c, const struct left *a, const struct right *b, size_t M, size_t N,
                           size_t steps)
{
	for (size_t n = 0; n < N; n += PANEL) {
		for (size_t m = 0, rows; m < M; m += rows) {
			rows = next_rows(M - m);
			tile_of(c, a, b, m, n, rows, min_size(N - n, PANEL), steps);
		}
	}
}

#endif
