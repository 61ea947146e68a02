#include "tests/test.h"

#include "base/base.h"
#include "daemon/nearest.h"
#include "daemon/options.h"
#include "daemon/progress.h"
#include "daemon/tool.h"

struct mine {
	char *topic;
	double rate;
	uint32_t partitions, format;
	bool header;
	struct hr_strings property;
};

static const struct hr_setting rows[] = {
        HR_OPTION(struct mine, topic, "topic", STRING, "events", 1, 249, "T", "Topic to write to."),
        HR_OPTION(struct mine, rate, "rate", F64, "0", 0, 1e9, "N", "Events a second; 0 for as fast as it goes."),
        HR_OPTION(struct mine, partitions, "partitions", U32, "6", 1, 100, "", "Partitions."),
        HR_OPTION(struct mine, format, "format", ENUM, "auto", 0, 0, "auto|tsv", "Format."),
        HR_OPTION(struct mine, header, "header", BOOL, NULL, 0, 0, "", "The first line names the columns."),
        HR_OPTION(struct mine, property, "property", LIST, NULL, 0, 4096, "NAME=VALUE", "Handed to librdkafka."),
};
static const struct hr_options options = {.command = "x", .usage = "usage: x", .rows = rows, .count = 6};

static int exit_of(int argc, char **argv)
{
	struct mine m = {0};
	int first, code = -1;

	if (hr_options_read(&options, &m, argc, argv, &first, &code))
		code = -1;
	hr_options_fini(&options, &m);
	return code;
}

static void options_have_defaults_and_bounds(void **state)
{
	char *argv[] = {"x", "file", "--rate", "2.5", "--header", "--property", "a=1", "--property=b=2", "--topic=t", "more", NULL};
	struct mine m = {0};
	int first, code;

	(void)state;
	assert_true(hr_options_read(&options, &m, 10, argv, &first, &code));
	assert_string_equal(m.topic, "t");
	assert_close(m.rate, 2.5, 0, "rate", 0);
	assert_int_equal(m.partitions, 6);
	assert_int_equal(m.format, 0);
	assert_true(m.header);
	assert_int_equal(m.property.count, 2);
	assert_string_equal(m.property.p[1], "b=2");
	assert_int_equal(first, 8);
	assert_string_equal(argv[8], "file");
	assert_string_equal(argv[9], "more");
	hr_options_fini(&options, &m);
	assert_null(m.topic);
}

static void mistakes_in_options_are_usage_errors(void **state)
{
	char *bad[][4] = {{"x", "--nope"}, {"x", "--rate"}, {"x", "--rate", "fast"}, {"x", "--partitions", "101"},
	                  {"x", "--format", "avro"}, {"x", "--property", "novalue"}, {"x", "-q"}};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(exit_of(bad[i][2] != NULL ? 3 : 2, bad[i]), HR_EXIT_USAGE);
}

static void help_lists_every_option_within_100_columns(void **state)
{
	char *text = NULL, *line;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);

	(void)state;
	hr_options_print(&options, f);
	assert_int_equal(fclose(f), 0);
	for (size_t i = 0; i < 6; i++)
		assert_non_null(strstr(text, rows[i].key));
	assert_non_null(strstr(text, "--rate N                Events a second; 0 for as fast as it goes. (0)\n"));
	for (line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 100 && line[strlen(line) - 1] != ' ');
	free(text);
}

static const char *nearest(const char *word)
{
	static const char *const words[] = {"produce", "query", "simulate", "config"};
	struct hr_nearest n = hr_nearest_to(word);

	for (size_t i = 0; i < 4; i++)
		hr_nearest_offer(&n, words[i]);
	return n.best;
}

static void the_nearest_word_is_offered_when_it_is_near(void **state)
{
	char long_word[100] = {0};

	(void)state;
	assert_string_equal(nearest("prodcue"), "produce");
	assert_string_equal(nearest("querry"), "query");
	assert_string_equal(nearest("simulat"), "simulate");
	assert_null(nearest("xyz"));
	assert_null(nearest(""));
	memset(long_word, 'q', sizeof long_word - 1);
	assert_null(nearest(long_word));
}

static void numbers_are_grouped(void **state)
{
	char out[32];

	(void)state;
	assert_string_equal(hr_grouped(0, out), "0");
	assert_string_equal(hr_grouped(999, out), "999");
	assert_string_equal(hr_grouped(1000, out), "1,000");
	assert_string_equal(hr_grouped(UINT64_MAX, out), "18,446,744,073,709,551,615");
}

static void a_progress_line_tells_share_rate_and_what_is_left(void **state)
{
	const struct hr_progress p = {.unit = "events", .rate = 41152.4};
	char out[HR_PROGRESS_LINE_MAX];

	(void)state;
	assert_string_equal(hr_progress_line(&p, 30000000, 1234567, .25, out),
	                    "[=======>                    ]  25%  1,234,567 events  41,152/s  1:30 left");
	assert_string_equal(hr_progress_line(&p, 30000000, 1, -1, out), "1 events  41,152/s");
	assert_string_equal(hr_progress_line(&p, 30000000, 7, 1.5, out),
	                    "[============================] 100%  7 events  41,152/s  0:00 left");
	assert_string_equal(hr_progress_line(&p, 36000000, 7, .001, out),
	                    "[>                           ]   0%  7 events  41,152/s  9:59:24 left");
	assert_string_equal(hr_progress_total(&p, 2000000, 5000, out), "5,000 events in 2.0 s, 2,500/s");
	assert_string_equal(hr_progress_total(&p, 0, 0, out), "0 events in 0.0 s, 0/s");
}

static void a_pacer_holds_its_rate(void **state)
{
	struct hr_pacer p = {.rate = 1000}, off = {0};
	const int64_t start = hr_mono_us();

	(void)state;
	for (uint64_t n = 0; n < 1000000; n++)
		hr_pace(&off, n);
	for (uint64_t n = 0; n <= 60; n++)
		hr_pace(&p, n);
	assert_true(hr_mono_us() - start >= 58000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(options_have_defaults_and_bounds),
	        cmocka_unit_test(mistakes_in_options_are_usage_errors),
	        cmocka_unit_test(help_lists_every_option_within_100_columns),
	        cmocka_unit_test(the_nearest_word_is_offered_when_it_is_near),
	        cmocka_unit_test(numbers_are_grouped),
	        cmocka_unit_test(a_progress_line_tells_share_rate_and_what_is_left),
	        cmocka_unit_test(a_pacer_holds_its_rate),
	};

	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
