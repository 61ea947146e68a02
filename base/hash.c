#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

uint64_t hr_hash(const void *p, size_t n) { return XXH3_64bits(p, n); }

struct hr_hash128 hr_hash128(const void *p, size_t n, uint64_t seed)
{
	const XXH128_hash_t h = XXH3_128bits_withSeed(p, n, seed);

	return (struct hr_hash128){.lo = h.low64, .hi = h.high64};
}

struct hr_hash128 hr_hash128_add(struct hr_hash128 a, struct hr_hash128 b)
{
	const uint64_t lo = a.lo + b.lo;

	return (struct hr_hash128){.lo = lo, .hi = a.hi + b.hi + (lo < a.lo)};
}

struct hr_hash128 hr_hash128_sub(struct hr_hash128 a, struct hr_hash128 b)
{
	return (struct hr_hash128){.lo = a.lo - b.lo, .hi = a.hi - b.hi - (a.lo < b.lo)};
}

void hr_hash128_hex(struct hr_hash128 h, char hex[33])
{
	(void)snprintf(hex, 33, "%016" PRIx64 "%016" PRIx64, h.hi, h.lo);
}
