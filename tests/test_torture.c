/* Every fault on a throw-away folder, and the proof that the torture can fail. */
#include "tests/test.h"

#include "base/base.h"
#include "daemon/torture.h"

enum { TRIES = 3 };

static struct hr_torture *begin(uint64_t seed)
{
	const char *tmp = getenv("TMPDIR");
	struct hr_torture *t = NULL;
	struct hr_error err;

	if (!hr_torture_new(tmp != NULL ? tmp : "/tmp", seed, &t, &err))
		fail_msg("%s", err.msg);
	return t;
}

static struct hr_torture_count run(struct hr_torture *t, enum hr_fault fault, int tries)
{
	struct hr_torture_count count = {0};
	struct hr_error err;

	for (int i = 0; i < tries; i++) {
		if (!hr_torture_try(t, fault, &count, &err))
			fail_msg("%s: %s", hr_fault_name(fault), err.msg);
	}
	return count;
}

static void a_sound_disk_stands_every_fault(void **state)
{
	struct hr_torture *t = begin(1);

	(void)state;
	for (int f = 0; f < HR_FAULTS; f++) {
		const struct hr_torture_count count = run(t, (enum hr_fault)f, TRIES);

		if (!hr_torture_good((enum hr_fault)f, &count))
			fail_msg("%s: missing %llu silent %llu wrong %llu refused %llu", hr_fault_name((enum hr_fault)f),
			         (unsigned long long)count.missing, (unsigned long long)count.silent, (unsigned long long)count.wrong,
			         (unsigned long long)count.refused);
		assert_int_equal(count.tries, TRIES);
	}
	assert_true(hr_histogram_quantile(hr_torture_commit_us(t), 0.5) > 0);
	hr_torture_free(t);
}

static void a_process_that_dies_of_a_state_did_not_refuse_it(void **state)
{
	struct hr_torture *t = begin(1);

	(void)state;
	(void)setenv("HR_CRASH_POINT", "open:1", 1); /* of the one that judges, too */
	const struct hr_torture_count count = run(t, HR_FAULT_KILL, 1);
	(void)unsetenv("HR_CRASH_POINT");
	assert_int_equal(count.refused, 0);
	assert_int_equal(count.wrong, 1);
	hr_torture_free(t);
}

static void a_state_of_other_contents_is_found_wrong(void **state)
{
	struct hr_torture *t = begin(1);

	(void)state;
	hr_torture_expect(t, 2);
	const struct hr_torture_count count = run(t, HR_FAULT_KILL, 1);
	assert_int_equal(count.wrong, 1);
	assert_false(hr_torture_good(HR_FAULT_KILL, &count));
	hr_torture_free(t);
}

static void a_fault_is_good_only_when_it_showed_what_it_must(void **state)
{
	const struct hr_torture_count none = {0}, clean = {.tries = 1}, lost = {.tries = 1, .missing = 1},
	                              silent = {.tries = 1, .missing = 1, .silent = 1}, refused = {.tries = 1, .refused = 1};

	(void)state;
	assert_false(hr_torture_good(HR_FAULT_KILL, &none));
	assert_true(hr_torture_good(HR_FAULT_KILL, &clean));
	assert_false(hr_torture_good(HR_FAULT_KILL, &lost));
	assert_false(hr_torture_good(HR_FAULT_KILL, &refused));
	assert_false(hr_torture_good(HR_FAULT_CONTROL, &clean)); /* a control that does not lose proves nothing */
	assert_true(hr_torture_good(HR_FAULT_CONTROL, &lost));
	assert_false(hr_torture_good(HR_FAULT_CONTROL, &silent));
	assert_true(hr_torture_good(HR_FAULT_FLIP, &refused));
	assert_false(hr_torture_good(HR_FAULT_FLIP, &silent));
}

static void a_folder_that_is_not_there_is_refused(void **state)
{
	struct hr_torture *t = NULL;
	struct hr_error err;

	(void)state;
	assert_false(hr_torture_new("/no/such/folder", 1, &t, &err));
	assert_int_equal(err.code, HR_E_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_sound_disk_stands_every_fault),
	        cmocka_unit_test(a_process_that_dies_of_a_state_did_not_refuse_it),
	        cmocka_unit_test(a_state_of_other_contents_is_found_wrong),
	        cmocka_unit_test(a_fault_is_good_only_when_it_showed_what_it_must),
	        cmocka_unit_test(a_folder_that_is_not_there_is_refused),
	};

	return cmocka_run_group_tests_name("torture", tests, NULL, NULL);
}
