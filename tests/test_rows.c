#include "tests/test.h"

#include <unistd.h>
#include <zlib.h>

#include "base/base.h"
#include "stream/rows.h"
#include "stream/time.h"

static void write_bytes(const char *path, const void *bytes, size_t len)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static struct hr_rows *open_rows(const char *path, const char *text, struct hr_rows_config config)
{
	struct hr_rows *r;
	struct hr_error err;

	write_bytes(path, text, strlen(text));
	if (!hr_rows_open(path, &config, &r, &err))
		fail_msg("%s", err.msg);
	return r;
}

static const char *open_refused(const char *path, const char *text, struct hr_rows_config config)
{
	static struct hr_error err;
	struct hr_rows *r;

	write_bytes(path, text, strlen(text));
	if (!hr_rows_open(path, &config, &r, &err))
		return err.msg;
	hr_rows_close(r);
	return "";
}

/* Where files without times are begun here; told() counts from it. */
#define T0  INT64_C(1577836800000)
#define DAY INT64_C(86400000)

/* Everything a file gives, one row after the other: "user>item@time kind*weight" or "!message". */
static const char *told(const char *path, const char *text, struct hr_rows_config config)
{
	static char out[8192];
	struct hr_rows *r;
	struct hr_event e;
	struct hr_error err = {0};

	size_t n = 0;

	config.time_start_ms += T0;
	r = open_rows(path, text, config);
	out[0] = '\0';
	for (bool end = false; n < sizeof out - 1000;) {
		if (!hr_rows_next(r, &e, NULL, &end, &err)) {
			n += (size_t)snprintf(out + n, sizeof out - n, "!%s\n", err.msg);
			if (err.code != HR_E_FORMAT)
				break;
			continue;
		}
		if (end)
			break;
		n += (size_t)snprintf(out + n, sizeof out - n, "%.*s>%.*s@%lld %s*%g\n", (int)e.user_len, (const char *)e.user,
		                      (int)e.item_len, (const char *)e.item, (long long)(e.time_ms - (e.time_ms < T0 + DAY ? T0 : 0)), hr_kind_name(e.kind),
		                      (double)e.weight);
	}
	hr_rows_close(r);
	(void)unlink(path);
	return out;
}

#define TSV "rows.tmp.tsv"
#define CSV "rows.tmp.csv"
#define JSONL "rows.tmp.jsonl"

static void tsv_columns_are_named_by_role(void **state)
{
	(void)state;
	assert_string_equal(told(TSV, "1700000000000\tu1\tx\ti1\tcart\t2.5\n1700000000001\tu2\t\ti2\tview\t\r\n",
	                         (struct hr_rows_config){.columns = "time,user,-,item,kind,weight"}),
	                    "u1>i1@1700000000000 cart*2.5\nu2>i2@1700000000001 view*1\n");
	assert_string_equal(told(TSV, "u1\ti1\tmore\tand more\nu2\ti2", (struct hr_rows_config){.columns = "user item"}),
	                    "u1>i1@0 view*1\nu2>i2@0 view*1\n");
}

static void times_without_a_column_are_counted_from_a_start(void **state)
{
	(void)state;
	assert_string_equal(told(TSV, "u\ta\n\nu\nu\tb\n",
	                         (struct hr_rows_config){.columns = "user item", .time_start_ms = 1000, .time_step_ms = 10,
	                                                 .default_kind = HR_KIND_PURCHASE}),
	                    "u>a@1000 purchase*1\n!rows.tmp.tsv: line 3: 1 fields for 2 columns\nu>b@1020 purchase*1\n");
}

static void csv_follows_rfc_4180(void **state)
{
	const struct hr_rows_config config = {.columns = "user,item"};

	(void)state;
	assert_string_equal(told(CSV, "\"u,1\",\"say \"\"hi\"\"\"\r\nu2,i2\r\n\"\xc3\xa9\",\"\"\"\"\n", config),
	                    "u,1>say \"hi\"@0 view*1\nu2>i2@0 view*1\n\xc3\xa9>\"@0 view*1\n");
	assert_string_equal(told(CSV, "u,i,\"a\nb\nc\"\nu2,i2,\"x\n", config),
	                    "u>i@0 view*1\n!rows.tmp.csv: line 4: a quote is not closed\n");
	assert_string_equal(told(CSV, "u\"1,i,x\"\n\"u\"x,i\nu2,i2\n", config),
	                    "!rows.tmp.csv: line 1: field 1: a quote stands in the middle\n"
	                    "!rows.tmp.csv: line 2: field 1: a quote stands in the middle\nu2>i2@0 view*1\n");
}

static void an_open_quote_costs_one_line_and_not_the_file(void **state)
{
	const struct hr_rows_config config = {.columns = "user,item"};

	(void)state;
	assert_string_equal(told(CSV, "u1,\"i1\nu2,i2\n", config),
	                    "!rows.tmp.csv: line 1: a quote is not closed\nu2>i2@0 view*1\n");
}

static void a_header_is_skipped_or_read(void **state)
{
	(void)state;
	assert_string_equal(told(CSV, "\xef\xbb\xbf" "a,b\nu,i\n", (struct hr_rows_config){.columns = "user,item", .header = true}),
	                    "u>i@0 view*1\n");
	assert_string_equal(told(CSV, "item,price,\"User\"\ni,3,u\n", (struct hr_rows_config){.header = true}), "u>i@0 view*1\n");
	assert_string_equal(told(CSV, "item,price\ni,3\n", (struct hr_rows_config){.header = true}),
	                    "!rows.tmp.csv: the header line does not name the roles, and no columns were given: "
	                    "columns: user is missing\n");
}

static void jsonl_members_may_be_nested_and_ids_may_be_numbers(void **state)
{
	(void)state;
	assert_string_equal(
	        told(JSONL,
	             "{\"user\":17,\"item\":\"a\\u00e9\",\"time\":\"2023-11-14T22:13:20.5Z\",\"kind\":\"buy\",\"weight\":0.5}\n"
	             "{\"user\":\"u\",\"item\":\"\"}\n{\"user\":\"u\",\"item\":[1]}\n[]\n{\"user\":\n"
	             "{\"user\":\"u\",\"item\":\"i\",\"time\":1700000000,\"kind\":null}\n",
	             (struct hr_rows_config){0}),
	        "17>a\xc3\xa9@1700000000500 purchase*0.5\n!rows.tmp.jsonl: line 2: the item id is empty\n"
	        "!rows.tmp.jsonl: line 3: member \"item\" is neither a string nor a number\n"
	        "!rows.tmp.jsonl: line 4: not a JSON object\n!rows.tmp.jsonl: line 5: not JSON: unexpected token near end of file\n"
	        "u>i@1700000000000 view*1\n");
	assert_string_equal(told(JSONL, "{\"p\":{\"uid\":\"u\"},\"item\":\"i\",\"time\":9}\n",
	                         (struct hr_rows_config){.columns = "p.uid=user,item"}),
	                    "u>i@0 view*1\n");
}

static void a_sequence_is_an_event_for_each_item(void **state)
{
	(void)state;
	assert_string_equal(told("rows.tmp.seq", "u1 a b\nu2\n\nu3 c\n",
	                         (struct hr_rows_config){.format = HR_ROWS_SEQUENCES, .time_start_ms = 5, .time_step_ms = 1}),
	                    "u1>a@5 view*1\nu1>b@6 view*1\nu3>c@7 view*1\n");
}

static void bad_values_are_refused_with_their_line(void **state)
{
	const struct hr_rows_config config = {.columns = "user item kind weight time"};
	static char long_id[300 * 2];
	size_t n = 257;

	(void)state;
	assert_string_equal(
	        told(TSV,
	             "\ti\tview\t1\t1700000000\nu\t\tview\t1\t1700000000\nu\ti\tlook\t1\t1700000000\nu\ti\tview\t-1\t1700000000\n"
	             "u\ti\tview\tinf\t1700000000\nu\ti\tview\t1x\t1700000000\nu\ti\tview\t1\t17\nu\ti\tview\t1\tsoon\n"
	             "u\x01\ti\tview\t1\t1700000000\nu\xc0\xaf\ti\tview\t1\t1700000000\nu\xe2\x82\ti\tview\t1\t1700000000\n",
	             config),
	        "!rows.tmp.tsv: line 1: the user id is empty\n!rows.tmp.tsv: line 2: the item id is empty\n"
	        "!rows.tmp.tsv: line 3: kind \"look\" is unknown\n!rows.tmp.tsv: line 4: weight \"-1\" is not a number >= 0\n"
	        "!rows.tmp.tsv: line 5: weight \"inf\" is not a number >= 0\n"
	        "!rows.tmp.tsv: line 6: weight \"1x\" is not a number >= 0\n"
	        "!rows.tmp.tsv: line 7: time \"17\" is neither seconds nor ms within 1990..2100, nor RFC 3339\n"
	        "!rows.tmp.tsv: line 8: time \"soon\" is neither seconds nor ms within 1990..2100, nor RFC 3339\n"
	        "!rows.tmp.tsv: line 9: an id is not UTF-8 or holds a control character\n"
	        "!rows.tmp.tsv: line 10: an id is not UTF-8 or holds a control character\n"
	        "!rows.tmp.tsv: line 11: an id is not UTF-8 or holds a control character\n");
	memset(long_id, 'u', n);
	(void)snprintf(long_id + n, sizeof long_id - n, "\ti\n%.256s\ti\n", long_id);
	const char *text = told(TSV, long_id, (struct hr_rows_config){.columns = "user item"});
	assert_int_equal(strncmp(text, "!rows.tmp.tsv: line 1: an id is over 256 bytes\nuuu", 49), 0);
}

static void a_line_of_a_mebibyte_is_refused_and_the_next_one_read(void **state)
{
	const size_t n = (3u << 20) + 17;
	char *text = hr_alloc(n + 32, 1);

	(void)state;
	memset(text, 'x', n);
	memcpy(text, "u\ti\n", 4);
	memcpy(text + n, "\nu2\ti2\n", 8);
	assert_string_equal(told(TSV, text, (struct hr_rows_config){.columns = "user item"}),
	                    "u>i@0 view*1\n!rows.tmp.tsv: line 2: the line is over 1048576 bytes\nu2>i2@0 view*1\n");
	hr_free(text);
}

static void periods_are_handed_over(void **state)
{
	struct hr_rows *r = open_rows(TSV, "u\ti\t3\nu\ti\t-1\n", (struct hr_rows_config){.columns = "user item period"});
	struct hr_event e;
	struct hr_error err;
	uint32_t period;
	bool end;

	(void)state;
	assert_true(hr_rows_next(r, &e, &period, &end, &err));
	assert_int_equal(period, 3);
	assert_int_equal(e.time_ms, 1577836800000);
	assert_false(hr_rows_next(r, &e, &period, &end, &err));
	assert_string_equal(err.msg, "rows.tmp.tsv: line 2: period \"-1\" is not a number of 1..9 digits");
	hr_rows_close(r);
	(void)unlink(TSV);
}

static void gzip_is_read_and_progress_is_of_the_compressed_bytes(void **state)
{
	enum { ROWS = 100000 };
	const char *path = "rows.tmp.csv.gz";
	gzFile f = gzopen(path, "wb");
	struct hr_rows *r;
	struct hr_event e;
	struct hr_error err;
	uint64_t at = 0, last = 0, size = 0;
	size_t rows = 0, moves = 0;

	(void)state;
	for (int i = 0; i < ROWS; i++)
		assert_true(gzprintf(f, "u%u,i%d,17%08d\n", (unsigned)i * 2654435761u, i % 977, i) > 0);
	assert_int_equal(gzclose(f), Z_OK);
	assert_true(hr_rows_open(path, &(struct hr_rows_config){.columns = "user,item,time"}, &r, &err));
	for (bool end = false; hr_rows_next(r, &e, NULL, &end, &err) && !end; rows++) {
		hr_rows_progress(r, &at, &size);
		assert_true(at >= last && at <= size);
		moves += at > last;
		last = at;
	}
	assert_int_equal(rows, ROWS);
	assert_true(moves >= 2);
	assert_true(at == size && size > 0 && size < ROWS * 20);
	hr_rows_close(r);

	FILE *whole = fopen(path, "rb");
	char *bytes = hr_alloc(size, 1);
	assert_int_equal(fread(bytes, 1, size, whole), size);
	(void)fclose(whole);
	write_bytes(path, bytes, size / 2); /* a download that broke off */
	hr_free(bytes);
	assert_true(hr_rows_open(path, &(struct hr_rows_config){.columns = "user,item,time"}, &r, &err));
	for (bool end = false; hr_rows_next(r, &e, NULL, &end, &err);)
		assert_false(end);
	assert_int_equal(err.code, HR_E_IO);
	assert_non_null(strstr(err.msg, "rows.tmp.csv.gz: could not read behind line "));
	hr_rows_close(r);
	(void)unlink(path);
}

static void what_can_not_be_read_is_refused_at_open(void **state)
{
	struct hr_rows *r;
	struct hr_error err;

	(void)state;
	assert_string_equal(open_refused(TSV, "", (struct hr_rows_config){0}),
	                    "columns are missing: name them by role, such as time,user,item");
	assert_string_equal(open_refused(TSV, "", (struct hr_rows_config){.columns = "time,user"}), "columns: item is missing");
	assert_string_equal(open_refused(TSV, "", (struct hr_rows_config){.columns = "user,item,user"}),
	                    "columns: user is named twice");
	assert_string_equal(open_refused(TSV, "", (struct hr_rows_config){.columns = "user,itme"}),
	                    "columns: \"itme\" is not one of time user item kind weight session id period -");
	assert_string_equal(open_refused(JSONL, "", (struct hr_rows_config){.columns = "=user"}),
	                    "columns: a member of 0 characters is outside 1..127");
	assert_string_equal(open_refused("rows.tmp", "", (struct hr_rows_config){.columns = "user,item"}),
	                    "rows.tmp: the name does not tell the format (.tsv .csv .jsonl, with or without .gz)");
	assert_false(hr_rows_open("no/such.tsv", &(struct hr_rows_config){.columns = "user item"}, &r, &err));
	assert_int_equal(err.code, HR_E_IO);
	assert_string_equal(err.msg, "could not open no/such.tsv: No such file or directory");
	(void)unlink(TSV);
	(void)unlink(JSONL);
	(void)unlink("rows.tmp");
}

static int64_t rfc3339(const char *s)
{
	int64_t ms;

	return hr_time_rfc3339(s, strlen(s), &ms) ? ms : -1;
}

static int64_t guessed(const char *s)
{
	int64_t ms;

	return hr_time_guess(s, strlen(s), &ms) ? ms : -1;
}

static void rfc_3339_times_are_read_to_the_ms(void **state)
{
	static const char *const bad[] = {
	        "2023-11-14", "2023-11-14T22:13:20", "2023-13-14T22:13:20Z", "2023-02-29T22:13:20Z", "2023-11-14T24:13:20Z",
	        "2023-11-14T22:60:20Z", "2023-11-14T22:13:61Z", "2023-11-14T22:13:20.Z", "2023-11-14T22:13:20+2:00",
	        "2023-11-14T22:13:20Zx", "2023/11/14T22:13:20Z", "2023-11-14T22:13:20+24:00", "0000-11-14T22:13:20Z",
	        "2023-11-14T22:13:20.1234", "",
	};

	(void)state;
	assert_int_equal(rfc3339("1970-01-01T00:00:00Z"), 0);
	assert_int_equal(rfc3339("2023-11-14T22:13:20Z"), 1700000000000);
	assert_int_equal(rfc3339("2023-11-15T00:13:20.1239+02:00"), 1700000000123);
	assert_int_equal(rfc3339("2023-11-14t20:43:20-01:30"), 1700000000000);
	assert_int_equal(rfc3339("2023-11-14 22:13:20 UTC"), 1700000000000);
	assert_int_equal(rfc3339("2024-02-29T00:00:00Z"), 1709164800000);
	assert_int_equal(rfc3339("2100-03-01T00:00:00Z"), 4107542400000);
	assert_int_equal(rfc3339("2016-12-31T23:59:60Z"), 1483228800000);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(rfc3339(bad[i]), -1);
}

static void a_number_is_the_unit_that_falls_in_1990_to_2100(void **state)
{
	(void)state;
	assert_int_equal(guessed("1700000000"), 1700000000000);
	assert_int_equal(guessed("1700000000.25"), 1700000000250);
	assert_int_equal(guessed("1700000000000"), 1700000000000);
	assert_int_equal(guessed("1700000000000999"), 1700000000000);
	assert_int_equal(guessed("631152000"), HR_TIME_MIN_MS);
	assert_int_equal(guessed("631151999"), -1);
	assert_int_equal(guessed("4102444800"), -1);
	assert_int_equal(guessed("17000000000"), -1);
	assert_int_equal(guessed("99999999999999999999999"), -1);
	assert_int_equal(guessed("-1700000000"), -1);
	assert_int_equal(guessed("1.7e9"), -1);
	assert_int_equal(guessed(".5"), -1);
	assert_int_equal(guessed("2300-01-01T00:00:00Z"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(tsv_columns_are_named_by_role),
	        cmocka_unit_test(times_without_a_column_are_counted_from_a_start),
	        cmocka_unit_test(csv_follows_rfc_4180),
	        cmocka_unit_test(an_open_quote_costs_one_line_and_not_the_file),
	        cmocka_unit_test(a_header_is_skipped_or_read),
	        cmocka_unit_test(jsonl_members_may_be_nested_and_ids_may_be_numbers),
	        cmocka_unit_test(a_sequence_is_an_event_for_each_item),
	        cmocka_unit_test(bad_values_are_refused_with_their_line),
	        cmocka_unit_test(a_line_of_a_mebibyte_is_refused_and_the_next_one_read),
	        cmocka_unit_test(periods_are_handed_over),
	        cmocka_unit_test(gzip_is_read_and_progress_is_of_the_compressed_bytes),
	        cmocka_unit_test(what_can_not_be_read_is_refused_at_open),
	        cmocka_unit_test(rfc_3339_times_are_read_to_the_ms),
	        cmocka_unit_test(a_number_is_the_unit_that_falls_in_1990_to_2100),
	};

	return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
