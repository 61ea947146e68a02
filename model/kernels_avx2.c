/* model/kernels_avx2.c - the set "avx2": fp32 in pairs of registers of eight. */
#include "model/kernels_sets.h"

#if defined(__x86_64__)
#include <immintrin.h>

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#include "model/kernels_simd_avx2.h"

#include "model/kernels_vector.h"

static const struct hr_kernels avx2 = HR_VECTOR_KERNELS("avx2");

#ifdef __clang__
#pragma clang attribute pop
#endif

const struct hr_kernels *hr_kernels_avx2(void) { return &avx2; }
#endif
