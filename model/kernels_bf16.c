/* model/kernels_bf16.c - the set "avx512bf16": products of bf16 pairs summed in fp32 (vdpbf16ps), all else as in
 * "avx512". On AMD's Zen 4 and 5 the instruction does twice the work of an fp32 multiply-add, on Intel's Sapphire
 * Rapids half of it. */
#include "model/kernels_sets.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <pthread.h>

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni,avx2,fma"))), \
                             apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni,avx2,fma")
#endif

#define HR_SET_HAS_VNNI
#include "model/kernels_simd_avx512.h"

#include "model/kernels_math.h"

#include "model/kernels_pairs.h"

HR_INLINE v16 tile_left(const unit *at) { return _mm512_castsi512_ps(_mm512_set1_epi32((int)*at)); }
HR_INLINE v16 tile_right(const unit *at) { return _mm512_castsi512_ps(_mm512_loadu_si512(at)); }
HR_INLINE v16 tile_multiply(v16 a, v16 b, v16 sum) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }

#include "model/kernels_tile.h"

/* Rows that are converted together and then meet every panel. */
#define ROWS_BLOCK     ((size_t)96)
#define multiply_block multiply_tiles

static size_t panel_steps(size_t K) { return (K + 1) / 2; }

static struct left left_block(const struct left_source *a, size_t m, size_t rows, size_t K, unit *work)
{
	const size_t steps = panel_steps(K);

	if (a->by_columns) {
		pack_across(work, up_to_16(rows), a->A + m, a->lda, rows, K, steps);
		return (struct left){work, 1, up_to_16(rows)};
	}
	pack_along(work, up_to_16(steps), a->A + m * a->lda, a->lda, rows, K, up_to_16(steps));
	return (struct left){work, up_to_16(steps), 1};
}

static void panel_from_rows(unit *panel, const float *B, size_t ldb, size_t N, size_t K)
{
	pack_across(panel, PANEL, B, ldb, N, K, panel_steps(K));
}

static void panel_from_columns(unit *panel, const float *B, size_t ldb, size_t N, size_t K)
{
	pack_along_transposed(panel, PANEL, B, ldb, N, K, panel_steps(K));
}

#include "model/kernels_gemm.h"

#include "model/kernels_coarse.h"

static struct hr_kernels table;

static void fill_table(void)
{
	table = *hr_kernels_avx512();
	table.name = "avx512bf16";
	HR_SET_PRODUCTS(table);
	table.coarse = coarse;
}

#ifdef __clang__
#pragma clang attribute pop
#endif

const struct hr_kernels *hr_kernels_bf16(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, fill_table);
	return &table;
}
#endif
