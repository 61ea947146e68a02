/* model/kernels_avx512.c - the set "avx512": fp32 in registers of sixteen. */
#include "model/kernels_sets.h"

#if defined(__x86_64__)
#include <immintrin.h>

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), \
                             apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif

#include "model/kernels_simd_avx512.h"

#include "model/kernels_vector.h"

static const struct hr_kernels avx512 = HR_VECTOR_KERNELS("avx512");

#ifdef __clang__
#pragma clang attribute pop
#endif

const struct hr_kernels *hr_kernels_avx512(void) { return &avx512; }
#endif
