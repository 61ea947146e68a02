#include "base/histogram.h"

static unsigned bucket_of(uint64_t v)
{
	if (v < 16)
		return (unsigned)v;
	const unsigned top = 63u - (unsigned)__builtin_clzll(v); /* v is in [2^top, 2^(top+1)) */
	return (top - 3) * 16 + (unsigned)((v >> (top - 4)) & 15);
}

static uint64_t bucket_end(unsigned b)
{
	if (b < 16)
		return b;
	const unsigned top = b / 16 + 3;
	return ((UINT64_C(16) + b % 16 + 1) << (top - 4)) - 1;
}

void hr_histogram_add(struct hr_histogram *h, uint64_t value)
{
	atomic_fetch_add_explicit(&h->count[bucket_of(value)], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->total, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum, value, memory_order_relaxed);
	uint64_t max = atomic_load_explicit(&h->max, memory_order_relaxed);
	while (value > max && !atomic_compare_exchange_weak(&h->max, &max, value))
		;
}

uint64_t hr_histogram_quantile(const struct hr_histogram *h, double q)
{
	uint64_t count[HR_HISTOGRAM_BUCKETS], total = 0, seen = 0;

	for (unsigned b = 0; b < HR_HISTOGRAM_BUCKETS; b++)
		total += count[b] = atomic_load_explicit(&h->count[b], memory_order_relaxed);
	if (total == 0)
		return 0;
	const uint64_t need = (uint64_t)(q * (double)(total - 1)) + 1;
	for (unsigned b = 0; b < HR_HISTOGRAM_BUCKETS; b++) {
		seen += count[b];
		if (seen >= need) {
			const uint64_t end = bucket_end(b), max = atomic_load(&h->max);
			return end < max ? end : max;
		}
	}
	return atomic_load(&h->max);
}
