/* model/kernels_math.h - exp, log and sums of sixteen floats, over either kernels_simd_*.h. */
#ifndef HR_MODEL_KERNELS_MATH_H
#define HR_MODEL_KERNELS_MATH_H

/* Of 16 lanes, always by the same tree. */
HR_INLINE float v_sum(v16 x)
{
	const __m256 eight = _mm256_add_ps(v_low(x), v_high(x));
	const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
	const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));

	return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

HR_INLINE float v_largest(v16 x)
{
	const __m256 eight = _mm256_max_ps(v_low(x), v_high(x));
	const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
	const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));

	return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/* 2^t for t clamped to -126..127; a NaN stays. Cephes' exp2f: a polynomial of t - round(t) (Moshier 1989), 2 units in
 * the last place. */
HR_INLINE v16 v_exp2_clamped(v16 t)
{
	const v16 inside = v_max(v_set1(-126), v_min(v_set1(127), t)), n = v_round(inside), f = v_sub(inside, n);
	v16 p = v_fma(v_set1(1.535336188e-4f), f, v_set1(1.339887440e-3f));

	p = v_fma(p, f, v_set1(9.618437358e-3f));
	p = v_fma(p, f, v_set1(5.550332471e-2f));
	p = v_fma(p, f, v_set1(2.402264791e-1f));
	p = v_fma(p, f, v_set1(6.931472029e-1f));
	return v_scale(v_fma(p, f, v_set1(1)), n);
}

/* e^x of x <= 0, 0 below -87.3 (-INFINITY too); above 88 it stops at 2^127. The product with log2 e is rounded, so the
 * relative error grows as |x| 2^-24: 2e-8 of the largest term of a softmax, in exchange for a third fewer
 * instructions. */
HR_INLINE v16 v_exp(v16 x)
{
	const v16 t = v_mul(x, v_set1(1.44269504f));

	return v_select(m_less(t, v_set1(-126)), v_zero(), v_exp2_clamped(t));
}

/* log x of finite x > 0, Cephes' logf: x = m 2^e with m near 1, then a polynomial of m - 1. */
HR_INLINE v16 v_log(v16 x)
{
	const v16 smallest = v_set1(0x1p-126f);
	const m16 subnormal = m_less(x, smallest);
	v16 e, m = v_split(v_select(subnormal, v_mul(x, v_set1(0x1p23f)), x), &e);
	const m16 low = m_less(m, v_set1(0.707106781f));

	e = v_sub(e, v_select(subnormal, v_set1(23), v_zero()));
	e = v_sub(e, v_select(low, v_set1(1), v_zero()));
	const v16 f = v_sub(v_add(m, v_keep(low, m)), v_set1(1)), f2 = v_mul(f, f);
	v16 p = v_set1(7.0376836292e-2f);
	p = v_fma(p, f, v_set1(-1.1514610310e-1f));
	p = v_fma(p, f, v_set1(1.1676998740e-1f));
	p = v_fma(p, f, v_set1(-1.2420140846e-1f));
	p = v_fma(p, f, v_set1(1.4249322787e-1f));
	p = v_fma(p, f, v_set1(-1.6668057665e-1f));
	p = v_fma(p, f, v_set1(2.0000714765e-1f));
	p = v_fma(p, f, v_set1(-2.4999993993e-1f));
	p = v_fma(p, f, v_set1(3.3333331174e-1f));
	p = v_mul(p, v_mul(f, f2));
	p = v_fma(e, v_set1(-2.12194440e-4f), p);
	p = v_fnma(v_set1(0.5f), f2, p);
	return v_fma(e, v_set1(0.693359375f), v_add(f, p));
}

/* Up to 16 floats from p, the rest zero: the whole-vector way when it can be taken. */
HR_INLINE v16 v_load_upto(const float *p, size_t n) { return n >= 16 ? v_load(p) : v_load_some(p, m_first(n)); }
HR_INLINE void v_store_upto(float *p, size_t n, v16 x)
{
	if (n >= 16)
		v_store(p, x);
	else
		v_store_some(p, m_first(n), x);
}

#endif
