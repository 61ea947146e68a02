/* Every endpoint over a real socket; the numbers follow from the model in tests/serve_fake.h. */
#include "tests/test.h"

#include <curl/curl.h>

#include "tests/serve_fake.h"

static const struct hr_server_config config = {.address = "127.0.0.1", .threads = 2, .limit_max = 100};

static int start(void **state)
{
	(void)state;
	fake_start(&config, false);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	fake_stop();
	return 0;
}

static const char *string_at(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	assert_non_null(s);
	return s;
}

static double number_at(const json_t *object, const char *key)
{
	const json_t *n = json_object_get(object, key);

	assert_true(json_is_number(n));
	return json_number_value(n);
}

static void assert_version(const json_t *answer)
{
	const json_t *version = json_object_get(answer, "version");

	assert_string_equal(string_at(version, "lineage"), "0123456789abcdef");
	assert_int_equal(json_integer_value(json_object_get(version, "barrier")), 17);
	assert_string_equal(string_at(answer, "as_of"), "2026-11-24T20:15:36.123Z");
}

/* The ids of a list, in their order, with commas between. */
static const char *ids_of(const json_t *list, char out[256])
{
	size_t index;
	json_t *hit;

	assert_true(json_is_array(list));
	out[0] = '\0';
	json_array_foreach (list, index, hit) {
		const json_t *id = json_is_string(hit) ? hit : json_object_get(hit, "id");

		assert_true(strlen(out) + json_string_length(id) + 2 < 256);
		(void)strcat(strcat(out, index > 0 ? "," : ""), json_string_value(id));
	}
	return out;
}

static void assert_problem(const char *method, const char *path, const char *body, long status, const char *detail)
{
	struct answer a = ask(method, path, body);

	if (a.status != status)
		fail_msg("%s %.80s: %ld, not %ld: %s", method, path, a.status, status, a.body);
	assert_string_equal(a.type, "application/problem+json");
	assert_string_equal(string_at(a.json, "type"), "about:blank");
	assert_true(string_at(a.json, "title")[0] != '\0');
	assert_int_equal(json_integer_value(json_object_get(a.json, "status")), status);
	if (strstr(string_at(a.json, "detail"), detail) == NULL)
		fail_msg("%s %.80s: \"%s\" does not say \"%s\"", method, path, string_at(a.json, "detail"), detail);
	answer_fini(&a);
}

static void an_item_has_its_unit_vector(void **state)
{
	struct answer a = ask("GET", "/v1/items/pear%2F2/embedding", NULL);

	(void)state;
	assert_int_equal(a.status, 200);
	assert_string_equal(a.type, "application/json");
	assert_string_equal(string_at(a.json, "id"), "pear/2");
	assert_int_equal(json_integer_value(json_object_get(a.json, "dimensions")), FAKE_WIDTH);
	assert_string_equal(string_at(a.json, "space"), "0123456789abcdef");
	assert_int_equal(json_integer_value(json_object_get(a.json, "events")), 100 + PEAR);
	const json_t *vector = json_object_get(a.json, "vector");
	assert_int_equal(json_array_size(vector), FAKE_WIDTH);
	for (size_t d = 0; d < FAKE_WIDTH; d++)
		assert_true((float)json_number_value(json_array_get(vector, d)) == fake_unit[PEAR * FAKE_WIDTH + d]);
	assert_version(a.json);
	answer_fini(&a);
}

static void ids_of_any_characters_are_found(void **state)
{
	const char *const paths[] = {"/v1/items/%C4%8Daj%20%E2%98%95/embedding", "/v1/items/%c4%8daj%20\xe2\x98\x95/embedding",
	                             "/v1/users/%CE%B6%2Fu/embedding", "/v1/items/%61pple/neighbors"};

	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		struct answer a = ask("GET", paths[i], NULL);

		if (a.status != 200)
			fail_msg("%s: %s", paths[i], a.body);
		answer_fini(&a);
	}
	assert_problem("GET", "/v1/items/pear/2/embedding", NULL, 404, "there is no \"/v1/items/pear/2/embedding\"");
	assert_problem("GET", "/v1/items/%C4%8Daj+%E2%98%95/embedding", NULL, 404, "no item has the id");
	assert_problem("GET", "/v1/items/apple%00/embedding", NULL, 404, "no item has the id");
	assert_problem("GET", "/v1/items/%ff%fe/embedding", NULL, 404, "\xef\xbf\xbd");
}

static void a_user_vector_is_asked_at_stream_time(void **state)
{
	struct answer a = ask("GET", "/v1/users/ann/embedding", NULL);

	(void)state;
	assert_int_equal(a.status, 200);
	assert_string_equal(string_at(a.json, "id"), "ann");
	assert_int_equal(json_integer_value(json_object_get(a.json, "events")), 41);
	const json_t *vector = json_object_get(a.json, "vector");
	for (size_t d = 0; d < FAKE_WIDTH; d++)
		assert_true((float)json_number_value(json_array_get(vector, d)) == fake_unit[TEA * FAKE_WIDTH + d]);
	assert_true(fake.asked_ms == FAKE_NOW_MS);
	assert_version(a.json);
	answer_fini(&a);
}

static void neighbors_are_live_items_by_cosine_without_the_item(void **state)
{
	char ids[256];
	struct answer a = ask("GET", "/v1/items/apple/neighbors", NULL);

	(void)state;
	assert_int_equal(a.status, 200);
	const json_t *list = json_object_get(a.json, "neighbors");
	assert_string_equal(ids_of(list, ids), "pear/2,čaj ☕,lamp");
	assert_close(number_at(json_array_get(list, 0), "score"), .8, 1e-6, "score", 0);
	assert_string_equal(string_at(json_array_get(list, 0), "title"), "Pear \"Williams\"");
	assert_close(number_at(json_array_get(list, 2), "score"), -.6, 1e-6, "score", 2);
	assert_string_equal(string_at(json_array_get(list, 2), "title"), "");
	assert_version(a.json);
	answer_fini(&a);
	a = ask("GET", "/v1/items/apple/neighbors?limit=1", NULL);
	assert_string_equal(ids_of(json_object_get(a.json, "neighbors"), ids), "pear/2");
	answer_fini(&a);
}

/* ann: apple, tea. pear: logit 2*.6, rules 2 + .7*3 = 4.1, popularity 0. lamp: logit 0, rules .7, popularity .4. */
static void a_recommendation_is_the_sum_of_its_parts(void **state)
{
	char ids[256];
	struct answer a = ask("GET", "/v1/users/ann/recommendations?parts=1&limit=5", NULL);

	(void)state;
	assert_int_equal(a.status, 200);
	assert_string_equal(string_at(a.json, "status"), "ok");
	const json_t *list = json_object_get(a.json, "recommendations");
	assert_string_equal(ids_of(list, ids), "pear/2,lamp");
	const double want[2][3] = {{1.2, log(42), 0}, {0, log(8), .4}};
	for (size_t i = 0; i < 2; i++) {
		const json_t *hit = json_array_get(list, i), *parts = json_object_get(hit, "parts");

		assert_close(number_at(parts, "logit"), want[i][0], 1e-6, "logit", i);
		assert_close(number_at(parts, "rules"), want[i][1], 1e-6, "rules", i);
		assert_close(number_at(parts, "popularity"), want[i][2], 1e-6, "popularity", i);
		assert_close(number_at(hit, "score"), want[i][0] + want[i][1] + want[i][2], 1e-6, "score", i);
	}
	/* the older apple speaks louder for pear: .7 * 3 against 2 */
	assert_string_equal(ids_of(json_object_get(json_array_get(list, 0), "because"), ids), "apple,čaj ☕");
	assert_string_equal(ids_of(json_object_get(json_array_get(list, 1), "because"), ids), "apple");
	assert_version(a.json);
	answer_fini(&a);
}

static void parts_are_shown_only_when_asked_for(void **state)
{
	struct answer a = ask("GET", "/v1/users/ann/recommendations?parts=0", NULL);

	(void)state;
	const json_t *hit = json_array_get(json_object_get(a.json, "recommendations"), 0);
	assert_non_null(hit);
	assert_null(json_object_get(hit, "parts"));
	assert_null(json_object_get(hit, "because"));
	answer_fini(&a);
}

static void the_own_history_is_left_out_unless_repeats_are_wanted(void **state)
{
	char ids[256];
	struct answer a = ask("GET", "/v1/users/bob/recommendations", NULL);

	(void)state;
	assert_null(strstr(ids_of(json_object_get(a.json, "recommendations"), ids), "lamp"));
	answer_fini(&a);
	fake_stop();
	fake_start(&config, true);
	a = ask("GET", "/v1/users/bob/recommendations", NULL);
	assert_true(strncmp(ids_of(json_object_get(a.json, "recommendations"), ids), "lamp,", 5) == 0);
	answer_fini(&a);
}

static void a_user_outside_the_model_gets_what_is_popular(void **state)
{
	char ids[256];
	struct answer a = ask("GET", "/v1/users/newcomer/recommendations?limit=2", NULL);

	(void)state;
	assert_int_equal(a.status, 200);
	assert_string_equal(string_at(a.json, "status"), "popular");
	assert_string_equal(ids_of(json_object_get(a.json, "recommendations"), ids), "lamp,apple");
	answer_fini(&a);
	assert_problem("GET", "/v1/users/newcomer/embedding", NULL, 404, "no event on an item of this model");
}

static void a_session_is_ranked_and_unknown_items_are_named(void **state)
{
	char ids[256];
	struct answer a = ask("POST", "/v1/recommendations",
	                      "{\"items\":[\"nope\",\"apple\",\"newborn\"],\"limit\":1,\"parts\":true}");

	(void)state;
	assert_int_equal(a.status, 200);
	assert_string_equal(string_at(a.json, "status"), "ok");
	assert_null(json_object_get(a.json, "id"));
	assert_string_equal(ids_of(json_object_get(a.json, "ignored"), ids), "nope,newborn");
	const json_t *list = json_object_get(a.json, "recommendations");
	assert_string_equal(ids_of(list, ids), "pear/2");
	assert_close(number_at(json_array_get(list, 0), "score"), 1.6 + log(31), 1e-6, "score", 0);
	assert_version(a.json);
	answer_fini(&a);
}

static void a_session_event_newer_than_stream_time_is_asked_at_once(void **state)
{
	struct answer a = ask("POST", "/v1/recommendations",
	                      "{\"items\":[{\"id\":\"tea?\"},{\"id\":\"apple\",\"kind\":\"buy\"}]}");

	(void)state;
	assert_int_equal(a.status, 200);
	assert_true(fake.asked_ms == FAKE_NOW_MS);
	answer_fini(&a);
	a = ask("POST", "/v1/recommendations",
	        "{\"items\":[{\"id\":\"lamp\",\"time_ms\":1795551336000},{\"id\":\"apple\",\"time_ms\":1795551400000},\"lamp\"]}");
	assert_int_equal(a.status, 200);
	assert_true(fake.asked_ms == INT64_C(1795551400000));
	answer_fini(&a);
}

static void a_reason_is_named_once_with_the_weight_of_all_its_events(void **state)
{
	char ids[256];
	struct answer a = ask("POST", "/v1/recommendations",
	                      "{\"items\":[\"apple\",\"čaj ☕\",\"lamp\",\"čaj ☕\"],\"limit\":1,\"parts\":true}");

	/* pear: tea 2 + .49 * 2, apple .343 * 3; lamp has no rules */
	(void)state;
	const json_t *hit = json_array_get(json_object_get(a.json, "recommendations"), 0);
	assert_string_equal(string_at(hit, "id"), "pear/2");
	assert_string_equal(ids_of(json_object_get(hit, "because"), ids), "čaj ☕,apple");
	assert_close(number_at(json_object_get(hit, "parts"), "rules"), log(1 + 10 * (2 + .98 + 1.029)), 1e-6, "rules", 0);
	answer_fini(&a);
}

static void an_empty_session_gets_what_is_popular(void **state)
{
	char ids[256];
	struct answer a = ask("POST", "/v1/recommendations", "{\"items\":[]}");

	(void)state;
	assert_string_equal(string_at(a.json, "status"), "popular");
	assert_string_equal(ids_of(json_object_get(a.json, "recommendations"), ids), "lamp,apple,pear/2,čaj ☕");
	answer_fini(&a);
}

static void bad_sessions_are_told_why(void **state)
{
	static const struct {
		const char *body, *detail;
	} bad[] = {
		{"", "the body is not JSON"},
		{"{\"items\":[", "line 1 column"},
		{"[]", "not a JSON object"},
		{"{}", "no items"},
		{"{\"items\":\"apple\"}", "items is not an array"},
		{"{\"items\":[7]}", "items[0] is neither"},
		{"{\"items\":[\"apple\",{}]}", "items[1] is neither"},
		{"{\"items\":[\"\"]}", "has 0 bytes, not 1 to 256"},
		{"{\"items\":[{\"id\":\"apple\",\"kind\":\"kick\"}]}", "the kind of items[0]"},
		{"{\"items\":[{\"id\":\"apple\",\"kind\":7}]}", "the kind of items[0]"},
		{"{\"items\":[{\"id\":\"apple\",\"time_ms\":-1}]}", "the time_ms of items[0]"},
		{"{\"items\":[{\"id\":\"apple\",\"time_ms\":1e9}]}", "the time_ms of items[0]"},
		{"{\"items\":[{\"id\":\"apple\",\"when\":1}]}", "unknown member \"when\""},
		{"{\"items\":[{\"id\":\"a\",\"time_ms\":5},{\"id\":\"a\",\"time_ms\":4}]}", "items[1] is older"},
		{"{\"items\":[\"a\",{\"id\":\"a\",\"time_ms\":4}]}", "items[1] is older"},
		{"{\"items\":[],\"limit\":0}", "limit is not an integer from 1 to 100"},
		{"{\"items\":[],\"limit\":101}", "limit is not an integer from 1 to 100"},
		{"{\"items\":[],\"limit\":\"5\"}", "limit is not an integer from 1 to 100"},
		{"{\"items\":[],\"parts\":1}", "parts is not true or false"},
		{"{\"items\":[],\"item\":[]}", "unknown member \"item\""},
		{"{\"items\":[],\"items\":[]}", "the body is not JSON"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_problem("POST", "/v1/recommendations", bad[i].body, 400, bad[i].detail);
	assert_problem("POST", "/v1/recommendations?limit=3", "{\"items\":[]}", 400, "takes no parameter \"limit\"");
}

static void a_session_of_over_200_events_is_refused(void **state)
{
	char body[4096] = "{\"items\":[\"apple\"";

	(void)state;
	for (size_t i = 1; i < 200; i++)
		(void)strcat(body, ",\"apple\"");
	char *end = body + strlen(body);
	(void)strcpy(end, "]}");
	struct answer a = ask("POST", "/v1/recommendations", body);
	assert_int_equal(a.status, 200);
	answer_fini(&a);
	(void)strcpy(end, ",\"apple\"]}");
	assert_problem("POST", "/v1/recommendations", body, 400, "items has 201 events; allowed are up to 200");
}

static void unknown_ids_are_404(void **state)
{
	(void)state;
	assert_problem("GET", "/v1/items/nope/embedding", NULL, 404, "no item has the id \"nope\"");
	assert_problem("GET", "/v1/items/nope/neighbors", NULL, 404, "no item has the id \"nope\"");
	assert_problem("GET", "/v1/users/nope/embedding", NULL, 404, "no user has the id \"nope\"");
	assert_problem("GET", "/v1/users/nope/recommendations", NULL, 404, "no user has the id \"nope\"");
	assert_problem("GET", "/v1/items/gone/embedding", NULL, 404, "newer than the model");
	assert_problem("GET", "/v1/items/newborn/neighbors", NULL, 404, "has 106 events, but is not in the model");
	assert_problem("GET", "/v1/items/seen%20once/embedding", NULL, 404, "not admitted yet");
	assert_problem("GET", "/", NULL, 404, "/openapi.json lists what there is");
	assert_problem("GET", "/v1/items", NULL, 404, "there is no");
	assert_problem("GET", "/v1/model/", NULL, 404, "there is no");
}

static void bad_questions_are_400_with_the_bound(void **state)
{
	char path[1200] = "/v1/items/";

	(void)state;
	assert_problem("GET", "/v1/items/apple/neighbors?limit=0", NULL, 400, "limit is \"0\", not a number from 1 to 100");
	assert_problem("GET", "/v1/items/apple/neighbors?limit=101", NULL, 400, "from 1 to 100");
	assert_problem("GET", "/v1/items/apple/neighbors?limit=-1", NULL, 400, "from 1 to 100");
	assert_problem("GET", "/v1/items/apple/neighbors?limit=99999999999999999999999", NULL, 400, "from 1 to 100");
	assert_problem("GET", "/v1/items/apple/neighbors?limit=", NULL, 400, "from 1 to 100");
	assert_problem("GET", "/v1/items/apple/neighbors?limt=5", NULL, 400, "takes no parameter \"limt\"");
	assert_problem("GET", "/v1/items/apple/neighbors?parts=1", NULL, 400, "takes no parameter \"parts\"");
	assert_problem("GET", "/v1/users/ann/recommendations?parts=yes", NULL, 400, "not 0 or 1");
	assert_problem("GET", "/v1/items//embedding", NULL, 400, "the id is empty");
	assert_problem("GET", "/v1/items/%/embedding", NULL, 400, "bad percent escape at byte 0");
	assert_problem("GET", "/v1/items/a%4/embedding", NULL, 400, "bad percent escape at byte 1");
	assert_problem("GET", "/v1/items/a%zz/embedding", NULL, 400, "bad percent escape at byte 1");
	for (size_t i = 0; i < 257; i++)
		(void)strcat(path, "%41");
	(void)strcat(path, "/embedding");
	assert_problem("GET", path, NULL, 400, "the id is over 256 bytes");
}

static void a_wrong_method_is_told_which_are_allowed(void **state)
{
	static const struct {
		const char *method, *path, *allow;
	} wrong[] = {{"POST", "/v1/items/apple/embedding", "GET, HEAD"}, {"DELETE", "/v1/users/ann/embedding", "GET, HEAD"},
	             {"GET", "/v1/recommendations", "POST"},             {"PUT", "/v1/recommendations", "POST"},
	             {"OPTIONS", "/v1/model", "GET, HEAD"},              {"POST", "/metrics", "GET, HEAD"}};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct answer a = ask(wrong[i].method, wrong[i].path, NULL);

		assert_int_equal(a.status, 405);
		assert_string_equal(a.allow, wrong[i].allow);
		answer_fini(&a);
	}
	assert_problem("DELETE", "/livez", NULL, 405, "DELETE is not for /livez; allowed: GET, HEAD");
}

static void head_has_the_headers_and_no_body(void **state)
{
	struct answer a = ask("HEAD", "/v1/items/apple/neighbors", NULL);

	(void)state;
	assert_int_equal(a.status, 200);
	assert_string_equal(a.type, "application/json");
	assert_int_equal(a.body_len, 0);
	answer_fini(&a);
	a = ask("HEAD", "/v1/items/nope/neighbors", NULL);
	assert_int_equal(a.status, 404);
	answer_fini(&a);
}

static void before_the_first_snapshot_questions_are_503(void **state)
{
	static const char *const paths[] = {"/v1/items/apple/embedding", "/v1/items/apple/neighbors", "/v1/users/ann/embedding",
	                                    "/v1/users/ann/recommendations"};

	(void)state;
	fake.empty = true;
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		assert_problem("GET", paths[i], NULL, 503, "there is no model yet");
	assert_problem("POST", "/v1/recommendations", "{\"items\":[\"apple\"]}", 503, "there is no model yet");
	struct answer a = ask("GET", paths[0], NULL);
	assert_string_equal(a.retry, "1");
	answer_fini(&a);
	fake.empty = false;
	a = ask("GET", paths[0], NULL);
	assert_int_equal(a.status, 200);
	answer_fini(&a);
}

static void readiness_says_what_it_waits_for(void **state)
{
	(void)state;
	struct answer a = ask("GET", "/readyz", NULL);
	assert_int_equal(a.status, 200);
	assert_string_equal(string_at(a.json, "status"), "ready");
	answer_fini(&a);
	fake.ready = false;
	assert_problem("GET", "/readyz", NULL, 503, "not ready: 822 records to restore");
	a = ask("GET", "/livez", NULL);
	assert_int_equal(a.status, 200);
	assert_string_equal(string_at(a.json, "status"), "alive");
	answer_fini(&a);
}

static void the_model_is_the_backends_own_words(void **state)
{
	struct answer a = ask("GET", "/v1/model", NULL);

	(void)state;
	assert_string_equal(a.body, "{\"quality\":{\"recall10\":0.25},\"steps\":12}");
	answer_fini(&a);
}

static void metrics_are_the_backends_and_the_servers(void **state)
{
	struct answer a = ask("GET", "/v1/items/apple/embedding", NULL);

	(void)state;
	answer_fini(&a);
	assert_problem("GET", "/v1/items/nope/embedding", NULL, 404, "nope");
	assert_problem("GET", "/nowhere", NULL, 404, "nowhere");
	a = ask("GET", "/metrics", NULL);
	assert_string_equal(a.type, "text/plain; version=0.0.4; charset=utf-8");
	static const char *const lines[] = {
		"headrace_events_total 7\n",
		"headrace_http_requests_total{route=\"/v1/items/{id}/embedding\",code=\"200\"} 1\n",
		"headrace_http_requests_total{route=\"/v1/items/{id}/embedding\",code=\"404\"} 1\n",
		"headrace_http_requests_total{route=\"none\",code=\"404\"} 1\n",
		"headrace_http_requests_total{route=\"/v1/model\",code=\"200\"} 0\n",
		"headrace_http_request_seconds_bucket{route=\"/v1/items/{id}/embedding\",le=\"+Inf\"} 2\n",
		"headrace_http_request_seconds_count{route=\"/v1/items/{id}/embedding\"} 2\n",
		"# TYPE headrace_http_request_seconds histogram\n",
		"headrace_http_connections ",
	};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		if (strstr(a.body, lines[i]) == NULL)
			fail_msg("no %s in\n%s", lines[i], a.body);
	}
	assert_null(strstr(a.body, "apple"));
	answer_fini(&a);
}

static void anything_but_loopback_is_refused_with_what_is_needed(void **state)
{
	static const char *const open_to_all[] = {"0.0.0.0", "192.168.1.5", "::", "2001:db8::1", "::ffff:127.0.0.1", "128.0.0.1"};
	struct hr_server *server = NULL;
	struct hr_error err;

	(void)state;
	for (size_t i = 0; i < sizeof open_to_all / sizeof *open_to_all; i++) {
		const struct hr_server_config c = {.address = open_to_all[i], .threads = 1, .limit_max = 10};

		assert_false(hr_server_start(&c, &fake.backend, &server, &err));
		assert_int_equal(err.code, HR_E_CONFIG);
		assert_non_null(strstr(err.msg, "is not loopback"));
		assert_non_null(strstr(err.msg, "TLS and a token"));
	}
	const struct hr_server_config name = {.address = "example", .threads = 1, .limit_max = 10};
	assert_false(hr_server_start(&name, &fake.backend, &server, &err));
	assert_string_equal(err.msg, "the HTTP address \"example\" is neither IPv4 nor IPv6");
	assert_null(server);
}

static void loopback_has_many_names(void **state)
{
	static const char *const names[] = {"localhost", "127.9.9.9"};
	struct hr_error err;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const struct hr_server_config c = {.address = names[i], .threads = 1, .limit_max = 10};
		struct hr_server *server;

		assert_true(hr_server_start(&c, &fake.backend, &server, &err));
		assert_true(hr_server_port(server) != 0);
		hr_server_stop(server);
	}
}

static void a_port_that_is_taken_is_the_operators_to_free(void **state)
{
	const struct hr_server_config taken = {.address = "127.0.0.1", .port = hr_server_port(fake.server), .threads = 1,
	                                       .limit_max = 10};
	struct hr_server *server = NULL;
	struct hr_error err;

	(void)state;
	assert_false(hr_server_start(&taken, &fake.backend, &server, &err));
	assert_int_equal(err.code, HR_E_BUSY); /* whoever has it may let it go: a supervisor tries again */
	assert_non_null(strstr(err.msg, "Address already in use"));
	assert_null(server);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(an_item_has_its_unit_vector),
		WITH_SERVER(ids_of_any_characters_are_found),
		WITH_SERVER(a_user_vector_is_asked_at_stream_time),
		WITH_SERVER(neighbors_are_live_items_by_cosine_without_the_item),
		WITH_SERVER(a_recommendation_is_the_sum_of_its_parts),
		WITH_SERVER(parts_are_shown_only_when_asked_for),
		WITH_SERVER(the_own_history_is_left_out_unless_repeats_are_wanted),
		WITH_SERVER(a_user_outside_the_model_gets_what_is_popular),
		WITH_SERVER(a_session_is_ranked_and_unknown_items_are_named),
		WITH_SERVER(a_session_event_newer_than_stream_time_is_asked_at_once),
		WITH_SERVER(a_reason_is_named_once_with_the_weight_of_all_its_events),
		WITH_SERVER(an_empty_session_gets_what_is_popular),
		WITH_SERVER(bad_sessions_are_told_why),
		WITH_SERVER(a_session_of_over_200_events_is_refused),
		WITH_SERVER(unknown_ids_are_404),
		WITH_SERVER(bad_questions_are_400_with_the_bound),
		WITH_SERVER(a_wrong_method_is_told_which_are_allowed),
		WITH_SERVER(head_has_the_headers_and_no_body),
		WITH_SERVER(before_the_first_snapshot_questions_are_503),
		WITH_SERVER(readiness_says_what_it_waits_for),
		WITH_SERVER(the_model_is_the_backends_own_words),
		WITH_SERVER(metrics_are_the_backends_and_the_servers),
		WITH_SERVER(anything_but_loopback_is_refused_with_what_is_needed),
		WITH_SERVER(loopback_has_many_names),
		WITH_SERVER(a_port_that_is_taken_is_the_operators_to_free),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	const int failed = cmocka_run_group_tests_name("serve", tests, NULL, NULL);
	curl_global_cleanup();
	return failed;
}
