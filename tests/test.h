/* tests/test.h - cmocka with the headers it needs, and the few helpers that every test program shares. */
#ifndef HR_TESTS_TEST_H
#define HR_TESTS_TEST_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/** Fails with both numbers unless |got - want| <= tolerance * max(1, |want|). */
static inline void assert_close(double got, double want, double tolerance, const char *what, size_t index)
{
	const double bound = tolerance * (fabs(want) > 1 ? fabs(want) : 1);

	if (!(fabs(got - want) <= bound))
		fail_msg("%s[%zu]: got %.9g, want %.9g, tolerance %.3g", what, index, got, want, bound);
}

#endif
