/* model/kernels_pairs.h - bf16 layouts: a unit holds the values of two neighbouring k, rounded to nearest even, the
 * even k in the low half. Both sides of a product are converted once per call, a layer's weights once per change. */
#ifndef HR_MODEL_KERNELS_PAIRS_H
#define HR_MODEL_KERNELS_PAIRS_H

typedef uint32_t unit;

/* Bits of two vectors of 16 as 16 pairs: neighbours within a vector, or one of each. */
HR_INLINE __m512i pairs_along(v16 first, v16 second) { return (__m512i)_mm512_cvtne2ps_pbh(second, first); }

HR_INLINE __m512i pairs_across(v16 even, v16 odd)
{
	const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
	                                       6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);

	return _mm512_permutexvar_epi16(order, pairs_along(even, odd));
}

/* 32 floats of a row from k on, as pairs; zero from K on. */
HR_INLINE __m512i row_pairs(const float *row, size_t k, size_t K)
{
	return pairs_along(v_load_upto(row + k, K - k), K - k > 16 ? v_load_upto(row + k + 16, K - k - 16) : v_zero());
}

/* Rows 2s and 2s + 1 of x (K, N), 16 columns from c, as pairs; zero from K and N on. */
HR_INLINE __m512i column_pairs(const float *x, size_t ld, size_t s, size_t K, size_t c, size_t N)
{
	const float *even = x + 2 * s * ld + c;

	return pairs_across(2 * s < K ? v_load_upto(even, N - c) : v_zero(),
	                    2 * s + 1 < K ? v_load_upto(even + ld, N - c) : v_zero());
}

/* x (rows, K) to rows of steps pairs, rows `to_ld` units apart; steps a multiple of 16. */
static void pack_along(unit *to, size_t to_ld, const float *x, size_t ld, size_t rows, size_t K, size_t steps)
{
	for (size_t r = 0; r < rows; r++)
		for (size_t s = 0; s < steps; s += 16)
			_mm512_storeu_si512(to + r * to_ld + s,
			                    2 * s < K ? row_pairs(x + r * ld, 2 * s, K) : _mm512_setzero_si512());
}

/* x (K, N) to steps rows of N pairs, rows `to_ld` units apart. */
static void pack_across(unit *to, size_t to_ld, const float *x, size_t ld, size_t N, size_t K, size_t steps)
{
	for (size_t s = 0; s < steps; s++)
		for (size_t c = 0; c < N; c += 16)
			_mm512_storeu_si512(to + s * to_ld + c, column_pairs(x, ld, s, K, c, N));
}

/* x (N, K) to steps rows of N pairs: transposed. */
static void pack_along_transposed(unit *to, size_t to_ld, const float *x, size_t ld, size_t N, size_t K, size_t steps)
{
	__m512i r[16];

	for (size_t c = 0; c < N; c += 16) {
		for (size_t s = 0; s < steps; s += 16) {
			HR_EACH_16(i, {
				r[i] = c + i < N && 2 * s < K ? row_pairs(x + (c + i) * ld, 2 * s, K)
				                              : _mm512_setzero_si512();
			})
			transpose_words(r);
			HR_EACH_16(i, {
				if (s + i < steps)
					_mm512_storeu_si512(to + (s + i) * to_ld + c, r[i]);
			})
		}
	}
}

#endif
