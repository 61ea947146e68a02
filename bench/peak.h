/* bench/peak.h - what one core can do at most: fp32 multiply-adds from registers alone, the highest of nine tries. */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

#include <time.h>

#if defined(__x86_64__)
typedef float bench_wide __attribute__((vector_size(64)));

__attribute__((target("avx512f"))) static inline double bench_peak_once(void)
{
	enum { TURNS = 2000000, SUMS = 12 };
	bench_wide sum[SUMS] = {{0}}, a = {0}, b = {0};
	struct timespec begin, end;

	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int t = 0; t < TURNS; t++) {
#pragma GCC unroll 12
		for (int i = 0; i < SUMS; i++)
			__asm__ volatile("vfmadd231ps %1, %2, %0" : "+v"(sum[i]) : "v"(a), "v"(b));
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	return SUMS * 32.0 * TURNS / (1e9 * (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec));
}
#endif

/** GFLOP/s; 0 where there is no AVX-512. */
static inline double bench_peak_gflops(void)
{
	double peak = 0;

#if defined(__x86_64__)
	for (int i = 0; i < 9 && __builtin_cpu_supports("avx512f"); i++) {
		const double once = bench_peak_once();
		peak = once > peak ? once : peak;
	}
#endif
	return peak;
}

#endif
