#include <jansson.h>
#include <string.h>

#include "serve/priv.h"

/* The newest time a session may name: the end of the year 9999. */
static const int64_t time_ms_max = INT64_C(253402300799999);

static bool read_id(const json_t *value, size_t index, struct hr_session_event *event, struct hr_problem *problem)
{
	event->id = json_string_value(value);
	event->id_len = json_string_length(value);
	if (event->id == NULL)
		return hr_problem(problem, 400, "items[%zu] is neither an id nor an object with an \"id\"", index);
	if (event->id_len < 1 || event->id_len > HR_ID_MAX)
		return hr_problem(problem, 400, "the id of items[%zu] has %zu bytes, not 1 to %u", index, event->id_len,
		                  HR_ID_MAX);
	return true;
}

static bool read_kind(const json_t *value, size_t index, struct hr_session_event *event, struct hr_problem *problem)
{
	event->kind = json_is_string(value) ? hr_kind_parse(json_string_value(value), json_string_length(value)) : 0;
	return event->kind != 0 || hr_problem(problem, 400,
	                                      "the kind of items[%zu] is not one of view, click, cart, purchase, like, "
	                                      "rating, play, share", index);
}

static bool read_time(const json_t *value, size_t index, struct hr_session_event *event, struct hr_problem *problem)
{
	event->time_ms = json_is_integer(value) ? json_integer_value(value) : -1;
	return (event->time_ms >= 0 && event->time_ms <= time_ms_max) ||
	       hr_problem(problem, 400, "the time_ms of items[%zu] is not an integer from 0 to 253402300799999", index);
}

static bool read_event(json_t *value, size_t index, struct hr_session_event *event, struct hr_problem *problem)
{
	const char *key;
	json_t *member;

	*event = (struct hr_session_event){.time_ms = -1, .kind = HR_KIND_VIEW};
	if (!json_is_object(value))
		return read_id(value, index, event, problem);
	json_object_foreach (value, key, member) {
		bool good;

		if (strcmp(key, "id") == 0)
			good = read_id(member, index, event, problem);
		else if (strcmp(key, "kind") == 0)
			good = read_kind(member, index, event, problem);
		else if (strcmp(key, "time_ms") == 0)
			good = read_time(member, index, event, problem);
		else
			good = hr_problem(problem, 400, "items[%zu] has an unknown member \"%.40s\"", index, key);
		if (!good)
			return false;
	}
	return event->id != NULL || read_id(NULL, index, event, problem);
}

static bool read_items(const json_t *items, struct hr_session *s, struct hr_problem *problem)
{
	if (!json_is_array(items))
		return hr_problem(problem, 400, "items is not an array");
	if (json_array_size(items) > HR_USER_VIEW_MAX)
		return hr_problem(problem, 400, "items has %zu events; allowed are up to %u, send the newest",
		                  json_array_size(items), HR_USER_VIEW_MAX);
	for (s->len = 0; s->len < json_array_size(items); s->len++) {
		struct hr_session_event *event = &s->event[s->len];

		if (!read_event(json_array_get(items, s->len), s->len, event, problem))
			return false;
		/* Where only some have a time, those without stand for now, so they come last. */
		const int64_t before = s->len > 0 ? s->event[s->len - 1].time_ms : 0;
		if (event->time_ms >= 0 && (before < 0 || event->time_ms < before))
			return hr_problem(problem, 400, "items[%zu] is older than the one before; the oldest comes first",
			                  s->len);
	}
	return true;
}

static bool read_limit(const json_t *value, uint32_t limit_max, uint32_t *ret_limit, struct hr_problem *problem)
{
	const json_int_t n = json_is_integer(value) ? json_integer_value(value) : 0;

	if (n < 1 || n > limit_max)
		return hr_problem(problem, 400, "limit is not an integer from 1 to %u", limit_max);
	*ret_limit = (uint32_t)n;
	return true;
}

static bool read_session(json_t *document, uint32_t limit_max, struct hr_session *s, struct hr_problem *problem)
{
	const char *key;
	json_t *value;
	bool items = false;

	if (!json_is_object(document))
		return hr_problem(problem, 400, "the body is not a JSON object");
	json_object_foreach (document, key, value) {
		bool good = true;

		if (strcmp(key, "items") == 0)
			good = items = read_items(value, s, problem);
		else if (strcmp(key, "limit") == 0)
			good = read_limit(value, limit_max, &s->limit, problem);
		else if (strcmp(key, "parts") == 0)
			good = json_is_boolean(value) || hr_problem(problem, 400, "parts is not true or false");
		else
			good = hr_problem(problem, 400, "the body has an unknown member \"%.40s\"", key);
		if (!good)
			return false;
	}
	s->parts = json_is_true(json_object_get(document, "parts"));
	return items || hr_problem(problem, 400, "the body has no items");
}

bool hr_session_parse(const void *body, size_t body_len, uint32_t limit_max, struct hr_session *ret_session,
                      struct hr_problem *problem)
{
	json_error_t why;
	json_t *document = json_loadb(body != NULL ? body : "", body_len, JSON_REJECT_DUPLICATES, &why);

	ret_session->limit = limit_max < HR_LIMIT_DEFAULT ? limit_max : HR_LIMIT_DEFAULT;
	ret_session->len = 0;
	if (document == NULL)
		return hr_problem(problem, 400, "the body is not JSON: line %d column %d: %s", why.line, why.column,
		                  why.text);
	ret_session->document = document;
	if (read_session(document, limit_max, ret_session, problem))
		return true;
	hr_session_fini(ret_session);
	return false;
}

void hr_session_fini(struct hr_session *s)
{
	json_decref(s->document);
	s->document = NULL;
}
