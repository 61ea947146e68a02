/* The parts of serve/ without a socket: the JSON writer, the router, the meter. */
#include "tests/test.h"

#include <jansson.h>

#include "serve/priv.h"

static const char *written(struct hr_buf *b)
{
	hr_buf_u8(b, 0);
	return (const char *)b->p;
}

static void assert_text(const char *in, size_t len, const char *want)
{
	struct hr_buf b = {0};
	struct hr_json j = {.out = &b};

	hr_json_text(&j, in, len);
	assert_string_equal(written(&b), want);
	hr_buf_fini(&b);
}

static void text_is_escaped_and_always_utf8(void **state)
{
	(void)state;
	assert_text("", 0, "\"\"");
	assert_text("a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\"");
	assert_text("\0\n\x1f\x7f", 4, "\"\\u0000\\u000a\\u001f\\u007f\"");
	assert_text("é€😀", 9, "\"é€😀\"");
	assert_text("a\xff" "b", 3, "\"a\xef\xbf\xbd" "b\"");
	assert_text("\xc3", 1, "\"\xef\xbf\xbd\"");                                            /* cut off */
	assert_text("\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");                            /* overlong */
	assert_text("\xe0\x80\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");            /* overlong */
	assert_text("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");            /* surrogate */
	assert_text("\xf4\x90\x80\x80", 4, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); /* over U+10FFFF */
	assert_text("\xf4\x8f\xbf\xbf", 4, "\"\xf4\x8f\xbf\xbf\"");
}

static void every_text_of_random_bytes_parses(void **state)
{
	struct hr_rng rng = hr_rng_stream(1, 2, 3);

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct hr_buf b = {0};
		struct hr_json j = {.out = &b};
		uint8_t bytes[8];

		for (size_t i = 0; i < sizeof bytes; i++)
			bytes[i] = (uint8_t)(hr_rng_u64(&rng) >> (i % 2 != 0 ? 0 : 9)) | (i % 3 != 0 ? 0x80 : 0);
		hr_json_text(&j, bytes, sizeof bytes);
		json_t *back = json_loadb((const char *)b.p, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		assert_non_null(back);
		json_decref(back);
		hr_buf_fini(&b);
	}
}

/* Significant digits of a number as written. */
static int digits_of(const char *s)
{
	int n = 0, zeros = 0;
	bool begun = false;

	for (; *s != '\0' && *s != 'e'; s++) {
		if (*s < '0' || *s > '9')
			continue;
		begun |= *s != '0';
		zeros = *s == '0' ? zeros + begun : 0;
		n += begun;
	}
	return n - zeros;
}

static void assert_float(float v)
{
	struct hr_buf b = {0};
	struct hr_json j = {.out = &b};
	char shortest[32];

	hr_json_f32(&j, v);
	const char *text = written(&b);
	if (strtof(text, NULL) != v)
		fail_msg("%a became %s", (double)v, text);
	for (int precision = 6; precision <= 9; precision++) {
		(void)snprintf(shortest, sizeof shortest, "%.*g", precision, (double)v);
		if (strtof(shortest, NULL) == v)
			break;
	}
	/* rounding half up and half to even may part by one digit; both read back */
	if (digits_of(text) > digits_of(shortest))
		fail_msg("%s is longer than %s", text, shortest);
	hr_buf_fini(&b);
}

static void floats_read_back_the_same_from_the_fewest_digits(void **state)
{
	static const float edges[] = {1, -1, .5f, .1f, 1e-5f, 9.9999e-6f, 999999.94f, 1e6f, 123456.7f, .99999994f, 1.0000001f,
	                              3.4028235e38f, 1.1754944e-38f, 1e-45f, 16777216, 1e5f, 99999.99f, -.00012345679f};
	struct hr_rng rng = hr_rng_stream(4, 5, 6);

	(void)state;
	for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
		assert_float(edges[i]);
	for (int i = 0; i < 200000; i++) {
		const uint32_t bits = (uint32_t)hr_rng_u64(&rng);
		float v;

		memcpy(&v, &bits, sizeof v);
		if (isfinite(v) && v != 0)
			assert_float(v);
		assert_float((float)(hr_rng_unit(&rng) * 2 - 1)); /* what vectors hold */
	}
}

static void nesting_puts_commas_where_they_belong(void **state)
{
	struct hr_buf b = {0};
	struct hr_json j = {.out = &b};

	(void)state;
	hr_json_open(&j, '{');
	hr_json_key(&j, "a");
	hr_json_open(&j, '[');
	hr_json_f32(&j, 0.f);
	hr_json_f32(&j, -0.f);
	hr_json_f32(&j, NAN);
	hr_json_f32(&j, -INFINITY);
	hr_json_f32(&j, 1000);
	hr_json_close(&j, ']');
	hr_json_key(&j, "b");
	hr_json_open(&j, '{');
	hr_json_close(&j, '}');
	hr_json_key(&j, "c");
	hr_json_null(&j);
	hr_json_key(&j, "d");
	hr_json_u64(&j, UINT64_MAX);
	hr_json_close(&j, '}');
	assert_string_equal(written(&b), "{\"a\":[0,0,null,null,1000],\"b\":{},\"c\":null,"
	                                 "\"d\":18446744073709551615}");
	hr_buf_fini(&b);
}

static void times_are_rfc_3339_in_utc(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} times[] = {{0, "\"1970-01-01T00:00:00.000Z\""},
	             {-1, "\"1969-12-31T23:59:59.999Z\""},
	             {INT64_C(951782400001), "\"2000-02-29T00:00:00.001Z\""},
	             {INT64_C(253402300799999), "\"9999-12-31T23:59:59.999Z\""},
	             {INT64_C(253402300800000), "null"},
	             {INT64_MIN, "null"},
	             {INT64_MAX, "null"}};

	(void)state;
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		struct hr_buf b = {0};
		struct hr_json j = {.out = &b};

		hr_json_time(&j, times[i].ms);
		assert_string_equal(written(&b), times[i].text);
		hr_buf_fini(&b);
	}
}

static void an_id_is_the_bytes_behind_the_percent_signs(void **state)
{
	struct hr_problem problem = {0};
	struct hr_request r;

	(void)state;
	assert_true(hr_request_parse("GET", "/v1/items/%00%2f%FF+a/neighbors?limit=7&&", 50, &r, &problem));
	assert_int_equal(r.route, HR_ROUTE_NEIGHBORS);
	assert_int_equal(r.id_len, 5);
	assert_memory_equal(r.id, "\0/\xff+a", 5);
	assert_int_equal(r.limit, 7);
	assert_true(hr_request_parse("HEAD", "/v1/users/embedding/embedding", 50, &r, &problem));
	assert_int_equal(r.route, HR_ROUTE_USER_EMBEDDING);
	assert_memory_equal(r.id, "embedding", 9);
	assert_false(hr_request_parse("GET", "/v1/items/embedding", 50, &r, &problem));
	assert_int_equal(problem.status, 404);
}

static void the_default_limit_is_never_over_the_largest(void **state)
{
	struct hr_problem problem = {0};
	struct hr_request r;

	(void)state;
	assert_true(hr_request_parse("GET", "/v1/items/a/neighbors", 50, &r, &problem));
	assert_int_equal(r.limit, HR_LIMIT_DEFAULT);
	assert_true(hr_request_parse("GET", "/v1/items/a/neighbors", 3, &r, &problem));
	assert_int_equal(r.limit, 3);
	assert_true(hr_request_parse("GET", "/v1/items/a/neighbors?limit=4294967295", UINT32_MAX, &r, &problem));
	assert_true(r.limit == UINT32_MAX);
	assert_false(hr_request_parse("GET", "/v1/items/a/neighbors?limit=4294967296", UINT32_MAX, &r, &problem));
}

static void a_refused_request_still_names_its_route(void **state)
{
	struct hr_problem problem = {0};
	struct hr_request r;

	(void)state;
	assert_false(hr_request_parse("DELETE", "/v1/items/a/neighbors", 50, &r, &problem));
	assert_int_equal(problem.status, 405);
	assert_string_equal(problem.allow, "GET, HEAD");
	assert_string_equal(hr_route_name(r.route), "/v1/items/{id}/neighbors");
	assert_false(hr_request_parse("GET", "http://nowhere", 50, &r, &problem));
	assert_int_equal(problem.status, 404);
	assert_null(problem.allow);
}

static void a_session_with_a_nul_in_an_id_is_refused(void **state)
{
	static const char body[] = "{\"items\":[\"a\\u0000b\"]}";
	struct hr_problem problem = {0};
	struct hr_session s;

	(void)state;
	assert_false(hr_session_parse(body, sizeof body - 1, 10, &s, &problem));
	assert_int_equal(problem.status, 400);
	assert_false(hr_session_parse(NULL, 0, 10, &s, &problem));
	assert_int_equal(problem.status, 400);
}

static void a_session_keeps_what_was_sent(void **state)
{
	static const char body[] = "{\"limit\":4,\"items\":[{\"id\":\"a\",\"time_ms\":5,\"kind\":\"PURCHASE\"},{\"id\":\"b\",\"time_ms\":5},\"c\"]}";
	struct hr_problem problem = {0};
	struct hr_session s;

	(void)state;
	assert_true(hr_session_parse(body, sizeof body - 1, 10, &s, &problem));
	assert_int_equal(s.len, 3);
	assert_int_equal(s.limit, 4);
	assert_false(s.parts);
	assert_int_equal(s.event[0].kind, HR_KIND_PURCHASE);
	assert_true(s.event[0].time_ms == 5 && s.event[1].time_ms == 5 && s.event[2].time_ms == -1);
	assert_int_equal(s.event[2].kind, HR_KIND_VIEW);
	assert_string_equal(s.event[2].id, "c");
	hr_session_fini(&s);
}

static void the_meter_counts_each_bound_into_all_above(void **state)
{
	static struct hr_meter m;
	struct hr_buf b = {0};

	(void)state;
	hr_meter_add(&m, HR_ROUTE_LIVEZ, 200, 100);
	hr_meter_add(&m, HR_ROUTE_LIVEZ, 200, 101);
	hr_meter_add(&m, HR_ROUTE_LIVEZ, 200, 2000000);
	hr_meter_add(&m, HR_ROUTE_LIVEZ, 418, -5);
	hr_meter_write(&m, 3, &b);
	const char *text = written(&b);
	static const char *const lines[] = {
		"headrace_http_connections 3\n",
		"{route=\"/livez\",code=\"200\"} 3\n",
		"{route=\"/livez\",code=\"other\"} 1\n",
		"_bucket{route=\"/livez\",le=\"0.0001\"} 2\n",
		"_bucket{route=\"/livez\",le=\"0.00025\"} 3\n",
		"_bucket{route=\"/livez\",le=\"1\"} 3\n",
		"_bucket{route=\"/livez\",le=\"+Inf\"} 4\n",
		"_sum{route=\"/livez\"} 2.000201\n",
		"_count{route=\"/livez\"} 4\n",
	};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		if (strstr(text, lines[i]) == NULL)
			fail_msg("no %s in\n%s", lines[i], text);
	}
	assert_null(strstr(text, "{route=\"/livez\",code=\"404\"}"));
	hr_buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_escaped_and_always_utf8),
		cmocka_unit_test(every_text_of_random_bytes_parses),
		cmocka_unit_test(floats_read_back_the_same_from_the_fewest_digits),
		cmocka_unit_test(nesting_puts_commas_where_they_belong),
		cmocka_unit_test(times_are_rfc_3339_in_utc),
		cmocka_unit_test(an_id_is_the_bytes_behind_the_percent_signs),
		cmocka_unit_test(the_default_limit_is_never_over_the_largest),
		cmocka_unit_test(a_refused_request_still_names_its_route),
		cmocka_unit_test(a_session_with_a_nul_in_an_id_is_refused),
		cmocka_unit_test(a_session_keeps_what_was_sent),
		cmocka_unit_test(the_meter_counts_each_bound_into_all_above),
	};

	return cmocka_run_group_tests_name("serve parts", tests, NULL, NULL);
}
