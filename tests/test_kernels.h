/* tests/test_kernels.h - what the two programs that test kernels share. */
#ifndef HR_TESTS_TEST_KERNELS_H
#define HR_TESTS_TEST_KERNELS_H

#include "base/base.h"
#include "model/kernels.h"
#include "tests/test.h"

/** n values uniform in -1..1, from seed. hr_free() it. */
static inline float *uniform(size_t n, uint64_t seed)
{
	struct hr_rng rng = hr_rng_stream(seed, 1, 2);
	float *x = hr_alloc(n + 1, sizeof *x);

	for (size_t i = 0; i < n; i++)
		x[i] = (float)(2 * hr_rng_unit(&rng) - 1);
	return x;
}

static inline float *zeros(size_t n) { return hr_alloc(n + 1, sizeof(float)); }

static inline float *copy(const float *x, size_t n) { return memcpy(zeros(n), x, n * sizeof *x); }

static inline const struct hr_kernels *set_named(const char *name)
{
	const struct hr_kernels *kernels = NULL;
	struct hr_error err = {0};

	if (!hr_kernels_choose(name, &kernels, &err))
		fail_msg("%s", err.msg);
	return kernels;
}

/** Sets that round to bf16 inside: 8 bits of mantissa. */
static inline bool rounds(const struct hr_kernels *k)
{
	return strcmp(k->name, "avx512bf16") == 0 || strcmp(k->name, "amx") == 0;
}

/* |got - want| <= relative times the largest |want|: what a chain of roundings is measured by. */
static inline void assert_near(const float *got, const float *want, size_t n, double relative, const struct hr_kernels *k,
                        const char *what)
{
	double largest = 1e-30;
	char label[96];

	for (size_t i = 0; i < n; i++)
		largest = fmax(largest, fabs((double)want[i]));
	(void)snprintf(label, sizeof label, "%s %s (of %zu, as a share of the largest)", k->name, what, n);
	for (size_t i = 0; i < n; i++)
		assert_close((double)got[i] / largest, (double)want[i] / largest, relative, label, i);
}

#endif
