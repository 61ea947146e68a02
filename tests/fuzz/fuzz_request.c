/*
 * One request: "METHOD target", a line feed, the body. What the router takes must survive being written and read again; what
 * it or the session's reader refuses must make a problem that parses.
 */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "serve/priv.h"

const char hr_fuzz_corpus[] = "request";

static const uint32_t limit_max = 1000;

static void check_refusal(const struct hr_problem *problem)
{
	struct hr_reply reply = {0};

	HR_ASSERT(problem->status == 400 || problem->status == 404 || problem->status == 405);
	HR_ASSERT((problem->status == 405) == (problem->allow != NULL));
	hr_reply_problem(&reply, problem);
	json_t *back = json_loadb((const char *)reply.body.p, reply.body.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	HR_ASSERT(json_integer_value(json_object_get(back, "status")) == problem->status);
	HR_ASSERT(json_string_length(json_object_get(back, "detail")) > 0);
	json_decref(back);
	hr_buf_fini(&reply.body);
}

static void check_round_trip(const char *method, const struct hr_request *r)
{
	char target[HR_URI_MAX];
	const char *name = hr_route_name(r->route), *hole = strstr(name, "{id}");
	struct hr_problem problem = {0};
	struct hr_request back;
	size_t len = (size_t)snprintf(target, sizeof target, "%.*s", hole != NULL ? (int)(hole - name) : 99, name);

	HR_ASSERT(r->limit >= 1 && r->limit <= limit_max);
	HR_ASSERT(hole == NULL ? r->id_len == 0 : r->id_len >= 1 && r->id_len <= HR_ID_MAX);
	for (size_t i = 0; i < r->id_len; i++)
		len += (size_t)snprintf(target + len, sizeof target - len, "%%%02X", r->id[i]);
	if (hole != NULL)
		(void)snprintf(target + len, sizeof target - len, "%s", hole + 4);
	HR_ASSERT(hr_request_parse(method, target, limit_max, &back, &problem));
	HR_ASSERT(back.route == r->route && back.id_len == r->id_len && memcmp(back.id, r->id, r->id_len) == 0);
}

static void check_session(const void *body, size_t len)
{
	struct hr_problem problem = {0};
	struct hr_session s;

	if (!hr_session_parse(body, len, limit_max, &s, &problem)) {
		check_refusal(&problem);
		return;
	}
	HR_ASSERT(s.len <= HR_USER_VIEW_MAX && s.limit >= 1 && s.limit <= limit_max);
	for (size_t i = 0; i < s.len; i++) {
		HR_ASSERT(s.event[i].id_len >= 1 && s.event[i].id_len <= HR_ID_MAX && hr_kind_name(s.event[i].kind) != NULL);
		HR_ASSERT(i == 0 || s.event[i].time_ms < 0 || s.event[i].time_ms >= s.event[i - 1].time_ms);
	}
	hr_session_fini(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const uint8_t *end = len > 0 ? memchr(bytes, '\n', len) : NULL;
	const size_t line = end != NULL ? (size_t)(end - bytes) : len;
	struct hr_problem problem = {0};
	struct hr_request r;
	char text[HR_URI_MAX + 1];

	if (line > HR_URI_MAX)
		return 0; /* answered with 414 before the router sees it */
	memcpy(text, bytes != NULL ? bytes : (const uint8_t *)"", line);
	text[line] = '\0';
	char *target = strchr(text, ' ');
	if (target == NULL)
		return 0;
	*target++ = '\0';
	if (!hr_request_parse(text, target, limit_max, &r, &problem)) {
		check_refusal(&problem);
		return 0;
	}
	check_round_trip(text, &r);
	if (r.route == HR_ROUTE_SESSION)
		check_session(end != NULL ? end + 1 : NULL, end != NULL ? len - line - 1 : 0);
	return 0;
}
