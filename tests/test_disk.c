/* Floors and ballast, on a disk whose free space the test says. */
#include "tests/test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "daemon/disk.h"

enum { MIB = 1 << 20 };

static uint64_t free_now, freed_by_ballast;
static char dir[64], ballast[80];

static bool ballast_is_there(void) { return access(ballast, F_OK) == 0; }

static uint64_t told(const char *asked)
{
	(void)asked;
	return free_now + (ballast_is_there() ? 0 : freed_by_ballast);
}

static struct hr_disk disk_of(uint64_t pause, uint64_t bytes)
{
	struct hr_disk d;

	hr_disk_init(&d, dir, pause, bytes);
	d.ask = told;
	return d;
}

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof dir, "/tmp/headrace-test-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return 1;
	(void)snprintf(ballast, sizeof ballast, "%s/BALLAST", dir);
	free_now = freed_by_ballast = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(ballast);
	return rmdir(dir);
}

static void consuming_stops_below_the_floor_and_goes_on_an_eighth_above_it(void **state)
{
	struct hr_disk d = disk_of(800, 0);
	uint64_t seen = 0;
	int64_t at = 0;

	(void)state;
	free_now = 800;
	assert_false(hr_disk_low(&d, at += 1000000, &seen));
	assert_int_equal(seen, 800);
	free_now = 799;
	assert_true(hr_disk_low(&d, at += 1000000, &seen));
	free_now = 899;
	assert_true(hr_disk_low(&d, at += 1000000, &seen));
	free_now = 900;
	assert_false(hr_disk_low(&d, at += 1000000, &seen));
}

static void the_disk_is_asked_a_few_times_a_second_only(void **state)
{
	struct hr_disk d = disk_of(800, 0);
	uint64_t seen = 1;

	(void)state;
	free_now = 1000;
	assert_false(hr_disk_low(&d, 5, &seen));
	free_now = 10;
	seen = 1;
	assert_false(hr_disk_low(&d, 100000, &seen));
	assert_int_equal(seen, 1);
	assert_true(hr_disk_low(&d, 300000, &seen));
}

static void the_ballast_takes_real_room_and_only_when_there_is_enough(void **state)
{
	struct hr_disk d = disk_of(8 * MIB, 2 * MIB);
	struct stat st;

	(void)state;
	free_now = 13 * MIB - 1;
	assert_false(hr_disk_settle(&d));
	assert_false(ballast_is_there());
	free_now = 13 * MIB;
	assert_true(hr_disk_settle(&d));
	assert_int_equal(stat(ballast, &st), 0);
	assert_int_equal(st.st_size, 2 * MIB);
	assert_true(st.st_blocks * 512 >= 2 * MIB);
	assert_false(hr_disk_settle(&d)); /* it is there */
}

static void the_ballast_goes_when_it_makes_room_for_a_barrier(void **state)
{
	struct hr_disk d = disk_of(0, 2 * MIB);

	(void)state;
	free_now = 100 * MIB;
	assert_true(hr_disk_settle(&d));
	free_now = 9 * MIB;
	freed_by_ballast = 2 * MIB;
	assert_true(hr_disk_has_room(&d, MIB / 2)); /* 2 x 1/2 + 8 */
	assert_true(ballast_is_there());
	assert_true(hr_disk_has_room(&d, MIB));
	assert_false(ballast_is_there());
	assert_false(hr_disk_has_room(&d, 2 * MIB));
}

static void an_open_without_room_is_refused_with_both_numbers(void **state)
{
	struct hr_disk d = disk_of(0, 2 * MIB);
	struct hr_error err;

	(void)state;
	free_now = 20 * MIB;
	assert_true(hr_disk_clear_for_open(&d, 12 * MIB, &err));
	assert_false(hr_disk_clear_for_open(&d, 13 * MIB, &err));
	assert_int_equal(err.code, HR_E_IO);
	assert_non_null(strstr(err.msg, "20 MiB free at "));
	assert_non_null(strstr(err.msg, "opening the state may write 21 MiB"));
}

static void a_ballast_that_was_left_is_known_again_and_one_of_another_size_is_removed(void **state)
{
	struct hr_disk d = disk_of(0, MIB);

	(void)state;
	free_now = 100 * MIB;
	assert_true(hr_disk_settle(&d));
	d = disk_of(0, MIB);
	assert_true(d.ballast);
	d = disk_of(0, 2 * MIB);
	assert_false(d.ballast);
	assert_false(ballast_is_there());
}

static void a_folder_that_is_not_there_yet_has_the_room_of_the_one_above(void **state)
{
	char below[100];

	(void)state;
	(void)snprintf(below, sizeof below, "%s/no/such/place", dir);
	assert_true(hr_disk_free(below) > 0 && hr_disk_free(below) < UINT64_MAX);
	(void)snprintf(below, sizeof below, "%s/\x01", "/proc/self/status");
	assert_true(hr_disk_free(below) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(consuming_stops_below_the_floor_and_goes_on_an_eighth_above_it, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(the_disk_is_asked_a_few_times_a_second_only, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(the_ballast_takes_real_room_and_only_when_there_is_enough, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(the_ballast_goes_when_it_makes_room_for_a_barrier, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(an_open_without_room_is_refused_with_both_numbers, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_ballast_that_was_left_is_known_again_and_one_of_another_size_is_removed, set_up,
	                                        tear_down),
	        cmocka_unit_test_setup_teardown(a_folder_that_is_not_there_yet_has_the_room_of_the_one_above, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("disk", tests, NULL, NULL);
}
