/* model/kernels_sets.h - what the kernel sets share among themselves: their tables and the hash behind dropout. */
#ifndef HR_MODEL_KERNELS_SETS_H
#define HR_MODEL_KERNELS_SETS_H

#include "base/rng.h"
#include "model/kernels.h"

/* Tables. A set is compiled on every x86-64 and run only where its instructions are. */
const struct hr_kernels *hr_kernels_avx2(void);
const struct hr_kernels *hr_kernels_avx512(void);
const struct hr_kernels *hr_kernels_bf16(void);
const struct hr_kernels *hr_kernels_amx(void);

/** Whether the processor has AMX and the kernel lets this process use it; asks for that once per call. */
bool hr_kernels_amx_allowed(void);

/* Loops written out, where values must stay in registers: neither compiler unrolls them reliably at -O2. */
#define HR_AT(i, value, ...) \
	{ \
		enum { i = value }; \
		__VA_ARGS__ \
	}
#define HR_EACH_2(i, ...) HR_AT(i, 0, __VA_ARGS__) HR_AT(i, 1, __VA_ARGS__)
#define HR_EACH_4(i, ...) HR_EACH_2(i, __VA_ARGS__) HR_AT(i, 2, __VA_ARGS__) HR_AT(i, 3, __VA_ARGS__)
#define HR_EACH_8(i, ...) \
	HR_EACH_4(i, __VA_ARGS__) \
	HR_AT(i, 4, __VA_ARGS__) HR_AT(i, 5, __VA_ARGS__) HR_AT(i, 6, __VA_ARGS__) HR_AT(i, 7, __VA_ARGS__)
#define HR_EACH_16(i, ...) \
	HR_EACH_8(i, __VA_ARGS__) \
	HR_AT(i, 8, __VA_ARGS__) \
	HR_AT(i, 9, __VA_ARGS__) HR_AT(i, 10, __VA_ARGS__) HR_AT(i, 11, __VA_ARGS__) HR_AT(i, 12, __VA_ARGS__) \
		HR_AT(i, 13, __VA_ARGS__) HR_AT(i, 14, __VA_ARGS__) HR_AT(i, 15, __VA_ARGS__)

#define HR_NORM_EPSILON  1e-5f
#define HR_UNIT_NORM_MIN 1e-6f
#define HR_GELU_SCALE    0.7978845608f /* sqrt(2 / pi) */
#define HR_GELU_CUBE     0.044715f

#define HR_COARSE_ROUNDING 0x1p-20f /* of a few fp32 operations, generously */

/* Dropout: elements 2n and 2n + 1 take the low and the high 16 bits of one 32-bit hash of n and are kept when theirs
 * reach the threshold. The mixer is "lowbias32" (Wellons, hash-prospector, 2018) with half the key before and half
 * inside it: multiplies, shifts and adds of 32 bits, so that 16 words fit a vector register. The stream repeats after
 * 2^33 elements. */
#define HR_DROPOUT_STEP 0x9e3779b9u
#define HR_DROPOUT_MUL1 0x7feb352du
#define HR_DROPOUT_MUL2 0x846ca68bu

struct hr_dropout_keys {
	uint32_t before, inside;
	uint16_t threshold; /* a lane below it is dropped */
	float scale;        /* 1 / (1 - p) */
};

static inline struct hr_dropout_keys hr_dropout_prepare(const struct hr_dropout *drop)
{
	const uint64_t mixed = hr_random_bits(drop->key, 0);

	return (struct hr_dropout_keys){
		.before = (uint32_t)mixed,
		.inside = (uint32_t)(mixed >> 32),
		.threshold = (uint16_t)(drop->p * 65536.0f),
		.scale = 1.0f / (1.0f - drop->p),
	};
}

static inline uint32_t hr_dropout_word(const struct hr_dropout_keys *keys, uint32_t pair)
{
	uint32_t x = pair * HR_DROPOUT_STEP + keys->before;

	x = (x ^ (x >> 16)) * HR_DROPOUT_MUL1 + keys->inside;
	x = (x ^ (x >> 15)) * HR_DROPOUT_MUL2;
	return x ^ (x >> 16);
}

static inline bool hr_dropout_keeps(const struct hr_dropout_keys *keys, uint64_t at)
{
	const uint32_t word = hr_dropout_word(keys, (uint32_t)(at >> 1));

	return ((word >> (16 * (at & 1))) & 0xffff) >= keys->threshold;
}

#endif
