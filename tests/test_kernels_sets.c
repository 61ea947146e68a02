/* tests/test_kernels_sets.c - every set of kernels against the reference. */
#include "tests/test_kernels.h"

static void pure_functions_match_their_formulas(void **state)
{
	const struct hr_kernels *k = hr_kernels_reference();
	float w[3] = {1, 2, 3}, m[3] = {0}, v[3] = {0}, g[3] = {0.5f, -0.25f, 0}, acc = 0;
	const float slope[2] = {3, 4};

	(void)state;
	k->adamw(w, m, v, g, 3, 0.1f, 0.9f, 0.999f, 1e-8f, 0.01f, 1); /* the first step moves by the rate, whatever g is */
	assert_close((double)w[0], 1 - 0.1 * (1 + 0.01 * 1), 1e-6, "w", 0);
	assert_close((double)w[1], 2 - 0.1 * (-1 + 0.01 * 2), 1e-6, "w", 1);
	assert_close((double)w[2], 3 - 0.1 * (0.01 * 3), 1e-6, "w", 2);
	assert_true(g[0] == 0.0f && g[1] == 0.0f);
	k->adagrad_row(w, &acc, slope, 2, 0.1f, /* clip */ 0);
	assert_close((double)acc, 12.5, 1e-6, "acc", 0);
	assert_close((double)w[0], 0.899 - 0.1 * 3 / sqrt(12.5), 1e-6, "w", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pure_functions_match_their_formulas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
