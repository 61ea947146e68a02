/* tests/test_kernels_amx.c - what only a processor with AMX can show; elsewhere the program says that it skips. */
#include "tests/test_kernels.h"

static bool is_available(const char *name)
{
	for (const char *const *n = hr_kernels_available(); *n != NULL; n++)
		if (strcmp(*n, name) == 0)
			return true;
	return false;
}

/* Both round the same inputs in the same way; only the order of the sums differs. */
static void amx_and_avx512bf16_agree_as_closely_as_fp32_sets(void **state)
{
	enum { P = 75, IN = 100, OUT = 70 };

	(void)state;
	HR_AUTO(hr_auto_free) float *w = uniform(IN * OUT, 1), *b = uniform(OUT, 2), *x = uniform(P * IN, 3);
	HR_AUTO(hr_auto_free) float *scratch = zeros(HR_SCRATCH_FLOATS(P, IN));
	float *y[2], *dw[2];
	for (int i = 0; i < 2; i++) {
		const struct hr_kernels *k = set_named(i == 0 ? "avx512bf16" : "amx");
		HR_AUTO(hr_auto_free) void *packed = hr_alloc(k->packed_bytes(IN, OUT) + 1, 1);
		struct hr_linear l = {IN, OUT, w, b, packed};

		y[i] = zeros(P * OUT), dw[i] = zeros(IN * OUT);
		k->pack(&l);
		k->linear(y[i], x, &l, P, scratch);
		k->linear_dw(dw[i], NULL, x, y[0], IN, OUT, P, scratch);
	}
	assert_near(y[1], y[0], P * OUT, 2e-6, set_named("amx"), "linear beside avx512bf16");
	assert_near(dw[1], dw[0], IN * OUT, 2e-6, set_named("amx"), "linear_dw beside avx512bf16");
	for (int i = 0; i < 2; i++) {
		hr_free(y[i]);
		hr_free(dw[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(amx_and_avx512bf16_agree_as_closely_as_fp32_sets),
	};

	if (!is_available("amx")) {
		(void)printf("1..0 # SKIP this processor has no AMX, or the kernel does not let a process use it\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
