/* model/kernels_simd_avx512.h - sixteen floats as one AVX-512 register. The same names as kernels_simd_avx2.h,
 * operation by operation with the same result, so that what is written over them gives the same bits in both sets. */
#ifndef HR_MODEL_KERNELS_SIMD_H
#define HR_MODEL_KERNELS_SIMD_H

#include <immintrin.h>
#include <string.h>

#include "model/kernels_sets.h"

#define HR_INLINE static inline __attribute__((always_inline))

/* Registers allow tiles of 6 x 4: 24 sums, 4 columns of the right side, 1 element of the left. */
#define TILE_ROWS 6
#define TILE_VECS 4

typedef __m512 v16;
typedef __mmask16 m16;

HR_INLINE v16 v_zero(void) { return _mm512_setzero_ps(); }
HR_INLINE v16 v_set1(float x) { return _mm512_set1_ps(x); }
HR_INLINE v16 v_load(const float *p) { return _mm512_loadu_ps(p); }
HR_INLINE void v_store(float *p, v16 x) { _mm512_storeu_ps(p, x); }
HR_INLINE v16 v_add(v16 a, v16 b) { return _mm512_add_ps(a, b); }
HR_INLINE v16 v_sub(v16 a, v16 b) { return _mm512_sub_ps(a, b); }
HR_INLINE v16 v_mul(v16 a, v16 b) { return _mm512_mul_ps(a, b); }
HR_INLINE v16 v_div(v16 a, v16 b) { return _mm512_div_ps(a, b); }
HR_INLINE v16 v_sqrt(v16 a) { return _mm512_sqrt_ps(a); }
HR_INLINE v16 v_fma(v16 a, v16 b, v16 c) { return _mm512_fmadd_ps(a, b, c); }
HR_INLINE v16 v_fnma(v16 a, v16 b, v16 c) { return _mm512_fnmadd_ps(a, b, c); }
/* of a NaN and a number, the second argument: put the variable second and a NaN stays one */
HR_INLINE v16 v_max(v16 a, v16 b) { return _mm512_max_ps(a, b); }
HR_INLINE v16 v_min(v16 a, v16 b) { return _mm512_min_ps(a, b); }
HR_INLINE v16 v_round(v16 a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT); }

/* x 2^n, n integral in -126..127 */
HR_INLINE v16 v_scale(v16 x, v16 n) { return _mm512_scalef_ps(x, n); }

/* x = m 2^e with m in [1/2, 1), of normal positive x: returns m, and e as a float */
HR_INLINE v16 v_split(v16 x, v16 *e)
{
	const __m512i bits = _mm512_castps_si512(x);

	*e = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_srli_epi32(bits, 23), _mm512_set1_epi32(126)));
	return _mm512_castsi512_ps(
		_mm512_or_si512(_mm512_and_si512(bits, _mm512_set1_epi32(0x007fffff)), _mm512_set1_epi32(0x3f000000)));
}

HR_INLINE m16 m_first(size_t n) { return (m16)(n >= 16 ? 0xffffu : (1u << n) - 1); }
/* Bit i: lane i of a is at least that of b, and neither is a NaN. */
HR_INLINE uint16_t bits_reaching(v16 a, v16 b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
HR_INLINE m16 m_less(v16 a, v16 b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
HR_INLINE v16 v_select(m16 m, v16 yes, v16 no) { return _mm512_mask_blend_ps(m, no, yes); }
HR_INLINE v16 v_keep(m16 m, v16 x) { return _mm512_maskz_mov_ps(m, x); }
HR_INLINE v16 v_load_some(const float *p, m16 m) { return _mm512_maskz_loadu_ps(m, p); }
HR_INLINE void v_store_some(float *p, m16 m, v16 x) { _mm512_mask_storeu_ps(p, m, x); }

HR_INLINE __m256 v_low(v16 x) { return _mm512_castps512_ps256(x); }
HR_INLINE __m256 v_high(v16 x) { return _mm512_extractf32x8_ps(x, 1); }

/* Four values of the query, for every row. */
HR_INLINE __m512i query_bytes(const int8_t *q)
{
	int32_t word;

	memcpy(&word, q, sizeof word);
	return _mm512_set1_epi32(word);
}

/* Products of sixteen rows of codes, (D / 4, 16, 4), less zero. */
#ifdef HR_SET_HAS_VNNI
HR_INLINE __m512i add_products(__m512i sum, __m512i codes, __m512i q) { return _mm512_dpbusd_epi32(sum, codes, q); }
#else
HR_INLINE __m512i add_products(__m512i sum, __m512i codes, __m512i q)
{
	return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(codes, q), _mm512_set1_epi16(1)));
}
#endif

HR_INLINE v16 coarse_dots(const uint8_t *code, const int8_t *q, int32_t zero, size_t D)
{
	__m512i sum[2] = {_mm512_set1_epi32(-zero), _mm512_setzero_si512()};

	for (size_t i = 0; i < D; i += 8) {
		HR_EACH_2(v, sum[v] = add_products(sum[v], _mm512_loadu_si512(code + 16 * (i + 4 * v)), query_bytes(q + i + 4 * v));)
	}
	return _mm512_cvtepi32_ps(_mm512_add_epi32(sum[0], sum[1]));
}

/* Keep masks of elements at..at+31: 16 words of the hash, and one more when at is odd. */
HR_INLINE void m_dropout(const struct hr_dropout_keys *keys, uint64_t at, m16 *first, m16 *second)
{
	const uint32_t pair = (uint32_t)(at >> 1);
	const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
	__m512i x = _mm512_mullo_epi32(_mm512_add_epi32(_mm512_set1_epi32((int)pair), lane),
	                               _mm512_set1_epi32((int)HR_DROPOUT_STEP));

	x = _mm512_add_epi32(x, _mm512_set1_epi32((int)keys->before));
	x = _mm512_mullo_epi32(_mm512_xor_si512(x, _mm512_srli_epi32(x, 16)), _mm512_set1_epi32((int)HR_DROPOUT_MUL1));
	x = _mm512_add_epi32(x, _mm512_set1_epi32((int)keys->inside));
	x = _mm512_mullo_epi32(_mm512_xor_si512(x, _mm512_srli_epi32(x, 15)), _mm512_set1_epi32((int)HR_DROPOUT_MUL2));
	x = _mm512_xor_si512(x, _mm512_srli_epi32(x, 16));
	uint64_t bits = _mm512_cmpge_epu16_mask(x, _mm512_set1_epi16((short)keys->threshold));
	if (at & 1)
		bits = (bits | (uint64_t)hr_dropout_keeps(keys, at + 31) << 32) >> 1;
	*first = (m16)bits;
	*second = (m16)(bits >> 16);
}

/* In place: 16 rows of 16 32-bit words become columns. */
HR_INLINE void transpose_words(__m512i r[16])
{
	__m512i t[16];

	HR_EACH_4(i, {
		t[4 * i] = _mm512_unpacklo_epi32(r[4 * i], r[4 * i + 1]);
		t[4 * i + 1] = _mm512_unpackhi_epi32(r[4 * i], r[4 * i + 1]);
		t[4 * i + 2] = _mm512_unpacklo_epi32(r[4 * i + 2], r[4 * i + 3]);
		t[4 * i + 3] = _mm512_unpackhi_epi32(r[4 * i + 2], r[4 * i + 3]);
	})
	HR_EACH_4(i, {
		r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
		r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
		r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
		r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
	})
	HR_EACH_4(i, {
		t[i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88);
		t[4 + i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xdd);
		t[8 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88);
		t[12 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xdd);
	})
	HR_EACH_4(i, {
		r[i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0x88);
		r[8 + i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0xdd);
		r[4 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0x88);
		r[12 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0xdd);
	})
}

/* to (cols, 16), rows ld_to apart = transposed from (rows, cols), at most 16 x 16; missing rows are zero. */
HR_INLINE void transpose16(float *to, size_t ld_to, const float *from, size_t ld_from, size_t rows, size_t cols)
{
	const m16 mask = m_first(cols);
	__m512i r[16];

	HR_EACH_16(i, r[i] = i < rows ? _mm512_maskz_loadu_epi32(mask, from + i * ld_from) : _mm512_setzero_si512();)
	transpose_words(r);
	HR_EACH_16(i, {
		if (i < cols)
			_mm512_storeu_si512(to + i * ld_to, r[i]);
	})
}

#endif
