/* `headrace query` against a real server: what it prints, and its exit codes. */
#include "tests/test.h"

#include <curl/curl.h>
#include <unistd.h>

#include "daemon/tool.h"
#include "tests/serve_fake.h"

static const struct hr_server_config config = {.address = "127.0.0.1", .threads = 1, .limit_max = 100};
static char url[64];

static int start(void **state)
{
	(void)state;
	fake_start(&config, false);
	(void)snprintf(url, sizeof url, "--url=http://127.0.0.1:%u/", hr_server_port(fake.server));
	return 0;
}

static int stop(void **state)
{
	(void)state;
	fake_stop();
	return 0;
}

/* Both streams of one run, until the next. */
static char out[16384], errors[16384];

static void read_all(FILE *f, char *to, size_t bytes)
{
	rewind(f);
	to[fread(to, 1, bytes - 1, f)] = '\0';
	(void)fclose(f);
}

/* Runs the command with up to five words after the URL; returns its exit code. */
static int query(const char *a, const char *b, const char *c, const char *d, const char *e)
{
	const char *words[] = {"query", url, a, b, c, d, e, NULL};
	FILE *f[2] = {tmpfile(), tmpfile()};
	int argc = 0, keep[2] = {dup(1), dup(2)};

	while (words[argc] != NULL)
		argc++;
	(void)fflush(NULL);
	for (int i = 0; i < 2; i++)
		assert_int_equal(dup2(fileno(f[i]), i + 1), i + 1);
	const int code = hr_cmd_query(argc, (char **)(void *)words);
	(void)fflush(NULL);
	for (int i = 0; i < 2; i++) {
		(void)dup2(keep[i], i + 1);
		(void)close(keep[i]);
	}
	read_all(f[0], out, sizeof out);
	read_all(f[1], errors, sizeof errors);
	return code;
}

static void assert_says(const char *text, const char *what)
{
	if (strstr(text, what) == NULL)
		fail_msg("\"%s\" is not in:\n%s", what, text);
}

static void recommendations_are_a_table_with_reasons(void **state)
{
	(void)state;
	assert_int_equal(query("recommend", "ann", NULL, NULL, NULL), HR_EXIT_OK);
	assert_string_equal(errors, "");
	assert_string_equal(out, "   #   score  id      title            because of\n"
	                         "   1   4.938  pear/2  Pear \"Williams\"  apple, čaj ☕\n"
	                         "   2   2.479  lamp                     apple\n"
	                         "model 0123456789abcdef/17 as of 2026-11-24T20:15:36.123Z\n");
}

static void ids_are_encoded_for_the_path(void **state)
{
	(void)state;
	assert_int_equal(query("neighbors", "čaj ☕", "--limit", "1", NULL), HR_EXIT_OK);
	assert_says(out, "   1   0.600  pear/2");
	assert_int_equal(query("item", "pear/2", NULL, NULL, NULL), HR_EXIT_OK);
	assert_says(out, "pear/2: 4 dimensions, 101 events, space 0123456789abcdef\n  0.80000   0.60000   0.00000   0.00000 \n");
	assert_int_equal(query("user", "ζ/u", NULL, NULL, NULL), HR_EXIT_OK);
	assert_int_equal(query("item", "--", "../..", NULL, NULL), HR_EXIT_FAILED);
	assert_says(errors, "headrace query: 404: no item has the id \"../..\"");
	assert_int_equal(query("--", "item", "-x?", NULL, NULL), HR_EXIT_FAILED);
	assert_says(errors, "no item has the id \"-x?\"");
}

static void a_session_lists_what_the_model_does_not_know(void **state)
{
	(void)state;
	assert_int_equal(query("session", "nope", "apple", "-n1", NULL), HR_EXIT_OK);
	assert_says(out, "   1   5.034  pear/2  Pear \"Williams\"  apple\n");
	assert_says(out, "not in the model: nope\n");
	assert_int_equal(query("session", "nope", NULL, NULL, NULL), HR_EXIT_OK);
	assert_says(out, "this is what is popular\n");
	assert_int_equal(query("session", "\xff", NULL, NULL, NULL), HR_EXIT_USAGE);
	assert_says(errors, "an item is not UTF-8");
}

static void json_is_printed_as_it_came(void **state)
{
	(void)state;
	assert_int_equal(query("--json", "model", NULL, NULL, NULL), HR_EXIT_OK);
	assert_string_equal(out, "{\"quality\":{\"recall10\":0.25},\"steps\":12}\n");
	assert_int_equal(query("model", NULL, NULL, NULL, NULL), HR_EXIT_OK);
	assert_says(out, "  \"steps\": 12\n}\n");
	assert_int_equal(query("metrics", NULL, NULL, NULL, NULL), HR_EXIT_OK);
	assert_says(out, "headrace_events_total 7\n");
}

static void refusals_are_told_with_exit_codes(void **state)
{
	(void)state;
	assert_int_equal(query("item", "nope", NULL, NULL, NULL), HR_EXIT_FAILED);
	assert_string_equal(errors, "headrace query: 404: no item has the id \"nope\"\n");
	assert_string_equal(out, "");
	assert_int_equal(query("recommend", "ann", "--limit=101", NULL, NULL), HR_EXIT_FAILED);
	assert_says(errors, "400: limit is \"101\", not a number from 1 to 100");
	fake.empty = true;
	assert_int_equal(query("item", "apple", NULL, NULL, NULL), HR_EXIT_AWAY);
	assert_says(errors, "503: there is no model yet");
}

static void misuse_is_64(void **state)
{
	static const struct {
		const char *a, *b, *says;
	} wrong[] = {{NULL, NULL, "what shall be asked"},          {"dance", NULL, "\"dance\" is not one of item, user"},
	             {"item", NULL, "item takes one id, not 0"},   {"session", NULL, "session takes one item or more"},
	             {"model", "x", "model takes nothing more"},   {"model", "--limit=3", "model takes no --limit"},
	             {"item", "--limit=x", "takes a number"},      {"item", "--what", "unrecognized option"}};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_int_equal(query(wrong[i].a, wrong[i].b, NULL, NULL, NULL), HR_EXIT_USAGE);
		assert_says(errors, wrong[i].says);
	}
	assert_int_equal(query("--help", NULL, NULL, NULL, NULL), HR_EXIT_OK);
	assert_says(out, "usage: headrace query");
	assert_int_equal(query("--url=ftp://x", "model", NULL, NULL, NULL), HR_EXIT_USAGE);
	assert_says(errors, "is not the URL of a daemon");
}

static void a_daemon_that_is_away_is_69(void **state)
{
	(void)state;
	hr_server_stop(fake.server);
	fake.server = NULL;
	assert_int_equal(query("model", NULL, NULL, NULL, NULL), HR_EXIT_AWAY);
	assert_says(errors, "headrace query: Failed to connect");
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(recommendations_are_a_table_with_reasons),
		WITH_SERVER(ids_are_encoded_for_the_path),
		WITH_SERVER(a_session_lists_what_the_model_does_not_know),
		WITH_SERVER(json_is_printed_as_it_came),
		WITH_SERVER(refusals_are_told_with_exit_codes),
		WITH_SERVER(misuse_is_64),
		WITH_SERVER(a_daemon_that_is_away_is_69),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	const int failed = cmocka_run_group_tests_name("query", tests, NULL, NULL);
	curl_global_cleanup();
	return failed;
}
