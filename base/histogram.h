/* base/histogram.h - log-linear histogram: 16 linear steps per power of two, so a value is known to 1/16. */
#ifndef HR_BASE_HISTOGRAM_H
#define HR_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

enum { HR_HISTOGRAM_BUCKETS = 16 * 61 };

/** Any unit. Zeroed memory is an empty histogram. @thread any: adds are atomic, reads are a snapshot of running counts. */
struct hr_histogram {
	_Atomic uint64_t count[HR_HISTOGRAM_BUCKETS];
	_Atomic uint64_t total, sum, max;
};

void hr_histogram_add(struct hr_histogram *h, uint64_t value);

/** Upper bound of the bucket in which the quantile q (0..1) lies; 0 when empty. */
uint64_t hr_histogram_quantile(const struct hr_histogram *h, double q);

#endif
