/* model/kernels.c - which set of kernels this processor runs. */
#include "model/kernels.h"

#include <stdio.h>
#include <string.h>

#include "model/kernels_sets.h"

struct choice {
	const char *name;
	bool (*can_run)(void);
	const struct hr_kernels *(*table)(void);
};

static bool always(void) { return true; }

#if defined(__x86_64__)
static bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

static bool has_avx512(void)
{
	return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

/* Every processor that has the first has the second. */
static bool has_bf16(void)
{
	return has_avx512() && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni");
}

/* vdpbf16ps does twice the work of an fp32 multiply-add on Zen 4 and 5, half of it on Sapphire Rapids: its place in the
 * order is by maker, since a measurement at start could choose otherwise the next time. */
static bool has_fast_bf16(void) { return has_bf16() && __builtin_cpu_is("amd"); }
static bool has_slow_bf16(void) { return has_bf16() && !__builtin_cpu_is("amd"); }
static bool has_amx(void) { return has_bf16() && hr_kernels_amx_allowed(); }
#endif

/* Best first. */
static const struct choice choices[] = {
#if defined(__x86_64__)
	{"amx", has_amx, hr_kernels_amx},
	{"avx512bf16", has_fast_bf16, hr_kernels_bf16},
	{"avx512", has_avx512, hr_kernels_avx512},
	{"avx512bf16", has_slow_bf16, hr_kernels_bf16},
	{"avx2", has_avx2, hr_kernels_avx2},
#endif
	{"reference", always, hr_kernels_reference},
};

#define CHOICES (sizeof choices / sizeof choices[0])

const char *const *hr_kernels_available(void)
{
	static _Thread_local const char *names[CHOICES + 1];
	size_t count = 0;

	for (size_t i = 0; i < CHOICES; i++)
		if (choices[i].can_run())
			names[count++] = choices[i].name;
	names[count] = NULL;
	return names;
}

static bool refuse(const char *name, struct hr_error *err)
{
	char list[128] = "";
	bool known = false;

	for (size_t i = 0; i < CHOICES; i++)
		known |= strcmp(choices[i].name, name) == 0;
	for (const char *const *n = hr_kernels_available(); *n != NULL; n++) {
		const size_t used = strlen(list);
		(void)snprintf(list + used, sizeof list - used, "%s%s", used > 0 ? ", " : "", *n);
	}
	return hr_fail(err, HR_E_CONFIG, "kernels \"%s\" are %s: one of auto, %s", name,
	               known ? "more than this processor can run" : "not known", list);
}

bool hr_kernels_choose(const char *name, const struct hr_kernels **ret_kernels, struct hr_error *err)
{
	const bool best = name == NULL || strcmp(name, "auto") == 0;

	for (size_t i = 0; i < CHOICES; i++) {
		if ((best || strcmp(choices[i].name, name) == 0) && choices[i].can_run()) {
			*ret_kernels = choices[i].table();
			return true;
		}
	}
	return refuse(name, err);
}

uint16_t hr_dropout_bits(const struct hr_dropout *drop, uint64_t at_multiple_of_16)
{
	const struct hr_dropout_keys keys = hr_dropout_prepare(drop);
	unsigned bits = 0;

	HR_ASSERT(at_multiple_of_16 % 16 == 0);
	for (unsigned b = 0; b < 16; b++)
		bits |= (unsigned)hr_dropout_keeps(&keys, at_multiple_of_16 + b) << b;
	return (uint16_t)bits;
}
