/* base/hash.h - XXH3 behind our own names, so that one seed and one version are used everywhere. */
#ifndef HR_BASE_HASH_H
#define HR_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/** 64-bit XXH3 of n bytes; stable across machines and versions (XXH3 is frozen since 0.8.0). */
uint64_t hr_hash(const void *p, size_t n);

/** 128-bit value, also the type of a state digest. */
struct hr_hash128 {
	uint64_t lo, hi;
};

struct hr_hash128 hr_hash128(const void *p, size_t n, uint64_t seed);

/** Sum and difference modulo 2^128: a set's digest is the sum of its members' hashes, so it does not depend on order. */
struct hr_hash128 hr_hash128_add(struct hr_hash128 a, struct hr_hash128 b);
struct hr_hash128 hr_hash128_sub(struct hr_hash128 a, struct hr_hash128 b);

/** 32 lower-case hex digits and a NUL, high half first. */
void hr_hash128_hex(struct hr_hash128 h, char hex[33]);

#endif
