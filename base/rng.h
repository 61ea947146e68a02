/* base/rng.h - counter-based random numbers: value n of a stream is a pure function of (key, n), so that no order of
 * calls, thread or restart can change it. Mixer: the 64-bit finaliser of SplitMix64 (Steele et al. 2014). */
#ifndef HR_BASE_RNG_H
#define HR_BASE_RNG_H

#include <stdint.h>

/** The bits numbered n of the stream key. */
static inline uint64_t hr_random_bits(uint64_t key, uint64_t n)
{
	uint64_t z = key + (n + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/** A stream that is walked in order. A plain value: copy it to fork it. */
struct hr_rng {
	uint64_t key, next;
};

/** Independent stream for (seed, purpose, ordinal); purpose is one of the caller's constants. */
static inline struct hr_rng hr_rng_stream(uint64_t seed, uint64_t purpose, uint64_t ordinal)
{
	return (struct hr_rng){.key = hr_random_bits(hr_random_bits(seed, purpose), ordinal)};
}

static inline uint64_t hr_rng_u64(struct hr_rng *r) { return hr_random_bits(r->key, r->next++); }

/** Uniform in 0..n-1; n >= 1. Lemire's multiply; its bias below n / 2^32 is accepted. */
static inline uint32_t hr_rng_below(struct hr_rng *r, uint32_t n)
{
	return (uint32_t)(((hr_rng_u64(r) >> 32) * n) >> 32);
}

/** Uniform in [0, 1). */
static inline double hr_rng_unit(struct hr_rng *r) { return (double)(hr_rng_u64(r) >> 11) * 0x1p-53; }

/** Standard normal, by Box and Muller; uses two values of the stream. */
double hr_rng_normal(struct hr_rng *r);

#endif
