/* The OpenAPI document and the server say the same: every route is in it, and every answer has the shape it promises. */
#include "tests/test.h"

#include <curl/curl.h>

#include "serve/priv.h"
#include "tests/serve_fake.h"

static const struct hr_server_config config = {.address = "127.0.0.1", .threads = 1, .limit_max = 100};
static json_t *document;

static int start(void **state)
{
	(void)state;
	fake_start(&config, false);
	struct answer a = ask("GET", "/openapi.json", NULL);
	assert_int_equal(a.status, 200);
	document = json_incref(a.json);
	answer_fini(&a);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	json_decref(document);
	fake_stop();
	return 0;
}

static const char *text_at(const json_t *object, const char *key) { return json_string_value(json_object_get(object, key)); }

/* Follows "#/a/b/c". */
static const json_t *resolve(const json_t *schema)
{
	const char *ref = text_at(schema, "$ref");
	const json_t *at = document;
	char path[128];

	if (ref == NULL)
		return schema;
	(void)snprintf(path, sizeof path, "%s", ref + 2);
	for (char *save, *key = strtok_r(path, "/", &save); key != NULL; key = strtok_r(NULL, "/", &save))
		at = json_object_get(at, key);
	if (at == NULL)
		fail_msg("%s leads nowhere", ref);
	return at;
}

static bool type_fits(const char *type, const json_t *value)
{
	return strcmp(type, "object") == 0   ? json_is_object(value)
	       : strcmp(type, "array") == 0  ? json_is_array(value)
	       : strcmp(type, "string") == 0 ? json_is_string(value)
	       : strcmp(type, "integer") == 0 ? json_is_integer(value)
	       : strcmp(type, "number") == 0 ? json_is_number(value)
	                                     : false;
}

/* One value against one schema: what of JSON Schema the document uses. The caller walks down. */
static void check_value(const json_t *schema, json_t *value, const char *where)
{
	const json_t *required = json_object_get(schema, "required"), *choices = json_object_get(schema, "enum");
	const bool closed = json_is_false(json_object_get(schema, "additionalProperties"));
	bool chosen = choices == NULL;
	const char *key;
	size_t index;
	json_t *part;

	if (!type_fits(text_at(schema, "type"), value))
		fail_msg("%s is not of type %s", where, text_at(schema, "type"));
	json_array_foreach (required, index, part) {
		if (json_object_get(value, json_string_value(part)) == NULL)
			fail_msg("%s has no %s", where, json_string_value(part));
	}
	json_array_foreach (choices, index, part)
		chosen |= json_equal(part, value);
	if (!chosen)
		fail_msg("%s is not one of its choices", where);
	json_object_foreach (value, key, part) {
		if (closed && json_object_get(json_object_get(schema, "properties"), key) == NULL)
			fail_msg("%s has a %s that the document does not know", where, key);
	}
}

/* No recursion: the document nests as deep as this work list is long. */
static void assert_fits(const json_t *schema, json_t *value)
{
	struct {
		const json_t *schema;
		json_t *value;
		const char *where;
	} left[64] = {{schema, value, "the answer"}};

	for (size_t count = 1; count > 0;) {
		const json_t *is = resolve(left[count - 1].schema), *properties = json_object_get(is, "properties");
		json_t *v = left[count - 1].value, *part;
		size_t index;
		const char *key;

		check_value(is, v, left[--count].where);
		json_object_foreach (v, key, part) {
			assert_true(count < 64);
			if (json_object_get(properties, key) != NULL)
				left[count].schema = json_object_get(properties, key), left[count].value = part, left[count++].where = key;
		}
		json_array_foreach (v, index, part) {
			assert_true(count < 64);
			left[count].schema = json_object_get(is, "items"), left[count].value = part, left[count++].where = "an element";
		}
	}
}

static const json_t *operation_of(const char *template, const char *method)
{
	return json_object_get(json_object_get(json_object_get(document, "paths"), template), method);
}

/* Asks, and checks status, content type and body against what the document says of them. */
static void assert_documented(const char *template, const char *method, const char *path, const char *body, long status)
{
	struct answer a = ask(strcmp(method, "post") == 0 ? "POST" : "GET", path, body);
	char code[16], type[128];

	if (a.status != status)
		fail_msg("%s: %ld, not %ld", path, a.status, status);
	(void)snprintf(code, sizeof code, "%ld", status);
	(void)snprintf(type, sizeof type, "%s", a.type);
	type[strcspn(type, ";")] = '\0';
	const json_t *response = json_object_get(json_object_get(operation_of(template, method), "responses"), code);
	if (response == NULL)
		fail_msg("%s %s: %s is not documented", method, template, code);
	const json_t *media = json_object_get(json_object_get(resolve(response), "content"), type);
	if (media == NULL)
		fail_msg("%s %s: %s is not a documented type of %s", method, template, type, code);
	if (a.json != NULL)
		assert_fits(json_object_get(media, "schema"), a.json);
	answer_fini(&a);
}

static void the_document_lists_the_routes_and_no_others(void **state)
{
	const json_t *paths = json_object_get(document, "paths");

	(void)state;
	assert_int_equal(strncmp(text_at(document, "openapi"), "3.1.", 4), 0);
	assert_int_equal(json_object_size(paths), HR_ROUTE_NONE);
	for (enum hr_route route = 0; route < HR_ROUTE_NONE; route++) {
		const char *method = route == HR_ROUTE_SESSION ? "post" : "get";

		if (operation_of(hr_route_name(route), method) == NULL)
			fail_msg("%s %s is not in the document", method, hr_route_name(route));
		assert_int_equal(json_object_size(json_object_get(paths, hr_route_name(route))), 1);
	}
}

static void answers_have_the_documented_shape(void **state)
{
	(void)state;
	assert_documented("/v1/items/{id}/embedding", "get", "/v1/items/apple/embedding", NULL, 200);
	assert_documented("/v1/items/{id}/neighbors", "get", "/v1/items/apple/neighbors", NULL, 200);
	assert_documented("/v1/users/{id}/embedding", "get", "/v1/users/ann/embedding", NULL, 200);
	assert_documented("/v1/users/{id}/recommendations", "get", "/v1/users/ann/recommendations", NULL, 200);
	assert_documented("/v1/users/{id}/recommendations", "get", "/v1/users/ann/recommendations?parts=1", NULL, 200);
	assert_documented("/v1/users/{id}/recommendations", "get", "/v1/users/newcomer/recommendations", NULL, 200);
	assert_documented("/v1/recommendations", "post", "/v1/recommendations", "{\"items\":[\"apple\",\"x\"],\"parts\":true}", 200);
	assert_documented("/v1/model", "get", "/v1/model", NULL, 200);
	assert_documented("/metrics", "get", "/metrics", NULL, 200);
	assert_documented("/livez", "get", "/livez", NULL, 200);
	assert_documented("/readyz", "get", "/readyz", NULL, 200);
	assert_documented("/openapi.json", "get", "/openapi.json", NULL, 200);
}

static void problems_have_the_documented_shape(void **state)
{
	(void)state;
	assert_documented("/v1/items/{id}/embedding", "get", "/v1/items/%/embedding", NULL, 400);
	assert_documented("/v1/items/{id}/embedding", "get", "/v1/items/nope/embedding", NULL, 404);
	assert_documented("/v1/items/{id}/neighbors", "get", "/v1/items/apple/neighbors?limit=0", NULL, 400);
	assert_documented("/v1/items/{id}/neighbors", "get", "/v1/items/nope/neighbors", NULL, 404);
	assert_documented("/v1/users/{id}/embedding", "get", "/v1/users//embedding", NULL, 400);
	assert_documented("/v1/users/{id}/embedding", "get", "/v1/users/nope/embedding", NULL, 404);
	assert_documented("/v1/users/{id}/recommendations", "get", "/v1/users/ann/recommendations?parts=2", NULL, 400);
	assert_documented("/v1/users/{id}/recommendations", "get", "/v1/users/nope/recommendations", NULL, 404);
	assert_documented("/v1/recommendations", "post", "/v1/recommendations", "{", 400);
	fake.empty = true;
	fake.ready = false;
	assert_documented("/v1/items/{id}/embedding", "get", "/v1/items/apple/embedding", NULL, 503);
	assert_documented("/v1/items/{id}/neighbors", "get", "/v1/items/apple/neighbors", NULL, 503);
	assert_documented("/v1/users/{id}/embedding", "get", "/v1/users/ann/embedding", NULL, 503);
	assert_documented("/v1/users/{id}/recommendations", "get", "/v1/users/ann/recommendations", NULL, 503);
	assert_documented("/v1/recommendations", "post", "/v1/recommendations", "{\"items\":[]}", 503);
	assert_documented("/readyz", "get", "/readyz", NULL, 503);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(the_document_lists_the_routes_and_no_others),
		WITH_SERVER(answers_have_the_documented_shape),
		WITH_SERVER(problems_have_the_documented_shape),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	const int failed = cmocka_run_group_tests_name("openapi", tests, NULL, NULL);
	curl_global_cleanup();
	return failed;
}
