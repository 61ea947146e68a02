/* model/kernels_simd_avx2.h - sixteen floats as two AVX registers. The same names as kernels_simd_avx512.h, operation
 * by operation with the same result, so that what is written over them gives the same bits in both sets. */
#ifndef HR_MODEL_KERNELS_SIMD_H
#define HR_MODEL_KERNELS_SIMD_H

#include <immintrin.h>
#include <string.h>

#include "model/kernels_sets.h"

#define HR_INLINE static inline __attribute__((always_inline))

/* Registers allow tiles of 6 x 1 (of 16 floats): 12 sums, 2 columns of the right side, 1 element of the left. */
#define TILE_ROWS 6
#define TILE_VECS 1

typedef struct {
	__m256 lo, hi;
} v16;
typedef v16 m16; /* all bits of a lane, or none */

HR_INLINE v16 v_zero(void) { return (v16){_mm256_setzero_ps(), _mm256_setzero_ps()}; }
HR_INLINE v16 v_set1(float x) { return (v16){_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
HR_INLINE v16 v_load(const float *p) { return (v16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
HR_INLINE void v_store(float *p, v16 x)
{
	_mm256_storeu_ps(p, x.lo);
	_mm256_storeu_ps(p + 8, x.hi);
}
HR_INLINE v16 v_add(v16 a, v16 b) { return (v16){_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
HR_INLINE v16 v_sub(v16 a, v16 b) { return (v16){_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
HR_INLINE v16 v_mul(v16 a, v16 b) { return (v16){_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
HR_INLINE v16 v_div(v16 a, v16 b) { return (v16){_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
HR_INLINE v16 v_sqrt(v16 a) { return (v16){_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)}; }
HR_INLINE v16 v_fma(v16 a, v16 b, v16 c)
{
	return (v16){_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
HR_INLINE v16 v_fnma(v16 a, v16 b, v16 c)
{
	return (v16){_mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi)};
}
/* of a NaN and a number, the second argument: put the variable second and a NaN stays one */
HR_INLINE v16 v_max(v16 a, v16 b) { return (v16){_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
HR_INLINE v16 v_min(v16 a, v16 b) { return (v16){_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
HR_INLINE v16 v_round(v16 a)
{
	enum { NEAREST = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC };

	return (v16){_mm256_round_ps(a.lo, NEAREST), _mm256_round_ps(a.hi, NEAREST)};
}

/* Products of eight rows of codes, which stand 64 bytes apart from those of the next four values, less zero. */
HR_INLINE __m256 coarse_half(const uint8_t *code, const int8_t *q, int32_t zero, size_t D)
{
	__m256i sum = _mm256_set1_epi32(-zero);

	for (size_t i = 0; i < D; i += 4) {
		int32_t word;
		memcpy(&word, q + i, sizeof word);
		const __m256i codes = _mm256_loadu_si256((const __m256i *)(const void *)(code + 16 * i));
		const __m256i pairs = _mm256_maddubs_epi16(codes, _mm256_set1_epi32(word));
		sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
	}
	return _mm256_cvtepi32_ps(sum);
}

HR_INLINE v16 coarse_dots(const uint8_t *code, const int8_t *q, int32_t zero, size_t D)
{
	return (v16){coarse_half(code, q, zero, D), coarse_half(code + 32, q, zero, D)};
}

/* Bit i: lane i of a is at least that of b, and neither is a NaN. */
HR_INLINE uint16_t bits_reaching(v16 a, v16 b)
{
	const int low = _mm256_movemask_ps(_mm256_cmp_ps(a.lo, b.lo, _CMP_GE_OQ));
	const int high = _mm256_movemask_ps(_mm256_cmp_ps(a.hi, b.hi, _CMP_GE_OQ));

	return (uint16_t)(low | high << 8);
}

HR_INLINE __m256 pow2_half(__m256 n)
{
	const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));

	return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
}

/* x 2^n, n integral in -126..127 */
HR_INLINE v16 v_scale(v16 x, v16 n)
{
	return (v16){_mm256_mul_ps(x.lo, pow2_half(n.lo)), _mm256_mul_ps(x.hi, pow2_half(n.hi))};
}

HR_INLINE __m256 split_half(__m256 x, __m256 *e)
{
	const __m256i bits = _mm256_castps_si256(x);

	*e = _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_srli_epi32(bits, 23), _mm256_set1_epi32(126)));
	return _mm256_castsi256_ps(
		_mm256_or_si256(_mm256_and_si256(bits, _mm256_set1_epi32(0x007fffff)), _mm256_set1_epi32(0x3f000000)));
}

/* x = m 2^e with m in [1/2, 1), of normal positive x: returns m, and e as a float */
HR_INLINE v16 v_split(v16 x, v16 *e) { return (v16){split_half(x.lo, &e->lo), split_half(x.hi, &e->hi)}; }

HR_INLINE m16 m_first(size_t n)
{
	const __m256i count = _mm256_set1_epi32(n > 16 ? 16 : (int)n);
	const __m256i low = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0),
		      high = _mm256_add_epi32(low, _mm256_set1_epi32(8));

	return (m16){_mm256_castsi256_ps(_mm256_cmpgt_epi32(count, low)),
	             _mm256_castsi256_ps(_mm256_cmpgt_epi32(count, high))};
}
HR_INLINE m16 m_less(v16 a, v16 b)
{
	return (m16){_mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ)};
}
HR_INLINE v16 v_select(m16 m, v16 yes, v16 no)
{
	return (v16){_mm256_blendv_ps(no.lo, yes.lo, m.lo), _mm256_blendv_ps(no.hi, yes.hi, m.hi)};
}
HR_INLINE v16 v_keep(m16 m, v16 x) { return (v16){_mm256_and_ps(m.lo, x.lo), _mm256_and_ps(m.hi, x.hi)}; }
HR_INLINE v16 v_load_some(const float *p, m16 m)
{
	return (v16){_mm256_maskload_ps(p, _mm256_castps_si256(m.lo)),
	             _mm256_maskload_ps(p + 8, _mm256_castps_si256(m.hi))};
}
HR_INLINE void v_store_some(float *p, m16 m, v16 x)
{
	_mm256_maskstore_ps(p, _mm256_castps_si256(m.lo), x.lo);
	_mm256_maskstore_ps(p + 8, _mm256_castps_si256(m.hi), x.hi);
}

HR_INLINE __m256 v_low(v16 x) { return x.lo; }
HR_INLINE __m256 v_high(v16 x) { return x.hi; }

/* 16-bit masks of 16 elements, from the 8 words of the hash that start at pair. */
HR_INLINE __m256i dropout_lanes(const struct hr_dropout_keys *keys, uint32_t pair)
{
	const __m256i lane = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
	const __m256i threshold = _mm256_set1_epi16((short)keys->threshold);
	__m256i x = _mm256_mullo_epi32(_mm256_add_epi32(_mm256_set1_epi32((int)pair), lane),
	                               _mm256_set1_epi32((int)HR_DROPOUT_STEP));

	x = _mm256_add_epi32(x, _mm256_set1_epi32((int)keys->before));
	x = _mm256_mullo_epi32(_mm256_xor_si256(x, _mm256_srli_epi32(x, 16)), _mm256_set1_epi32((int)HR_DROPOUT_MUL1));
	x = _mm256_add_epi32(x, _mm256_set1_epi32((int)keys->inside));
	x = _mm256_mullo_epi32(_mm256_xor_si256(x, _mm256_srli_epi32(x, 15)), _mm256_set1_epi32((int)HR_DROPOUT_MUL2));
	x = _mm256_xor_si256(x, _mm256_srli_epi32(x, 16));
	return _mm256_cmpeq_epi16(_mm256_max_epu16(x, threshold), x);
}

HR_INLINE m16 widen_lanes(const int16_t *lanes)
{
	return (m16){_mm256_castsi256_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)lanes))),
	             _mm256_castsi256_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(lanes + 8))))};
}

/* Keep masks of elements at..at+31. */
HR_INLINE void m_dropout(const struct hr_dropout_keys *keys, uint64_t at, m16 *first, m16 *second)
{
	const uint32_t pair = (uint32_t)(at >> 1);
	int16_t lanes[33];

	_mm256_storeu_si256((__m256i *)lanes, dropout_lanes(keys, pair));
	_mm256_storeu_si256((__m256i *)(lanes + 16), dropout_lanes(keys, pair + 8));
	if (at & 1)
		lanes[32] = hr_dropout_keeps(keys, at + 31) ? -1 : 0;
	*first = widen_lanes(lanes + (at & 1));
	*second = widen_lanes(lanes + (at & 1) + 16);
}

HR_INLINE void transpose8(float *to, size_t ld_to, const float *from, size_t ld_from, size_t rows, size_t cols)
{
	const __m256i mask = _mm256_castps_si256(m_first(cols).lo);
	__m256 r[8], t[8];

	HR_EACH_8(i, r[i] = i < rows ? _mm256_maskload_ps(from + i * ld_from, mask) : _mm256_setzero_ps();)
	HR_EACH_4(i, {
		t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
		t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
	})
	HR_EACH_2(i, {
		r[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
		r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
		r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
		r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
	})
	HR_EACH_4(i, {
		t[i] = _mm256_permute2f128_ps(r[i], r[4 + i], 0x20);
		t[4 + i] = _mm256_permute2f128_ps(r[i], r[4 + i], 0x31);
	})
	HR_EACH_8(i, {
		if (i < cols)
			_mm256_storeu_ps(to + i * ld_to, t[i]);
	})
}

/* to (cols, 16), rows ld_to apart = transposed from (rows, cols), at most 16 x 16; missing rows are zero. */
HR_INLINE void transpose16(float *to, size_t ld_to, const float *from, size_t ld_from, size_t rows, size_t cols)
{
	for (size_t i = 0; i < 16; i += 8)
		for (size_t j = 0; j < cols; j += 8)
			transpose8(to + j * ld_to + i, ld_to, from + (rows > i ? i * ld_from : 0) + j, ld_from,
			           rows > i ? rows - i : 0, cols - j < 8 ? cols - j : 8);
}

#endif
