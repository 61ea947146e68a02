#include <stdio.h>
#include <string.h>

#include "serve/priv.h"

/* A path is prefix, id, suffix; without a suffix it is the prefix alone. */
static const struct {
	const char *name, *prefix, *suffix;
	const char *allow;
	bool limit, parts; /* the query may hold them */
} routes[HR_ROUTES] = {
	[HR_ROUTE_ITEM_EMBEDDING] = {"/v1/items/{id}/embedding", "/v1/items/", "/embedding", "GET, HEAD", false, false},
	[HR_ROUTE_USER_EMBEDDING] = {"/v1/users/{id}/embedding", "/v1/users/", "/embedding", "GET, HEAD", false, false},
	[HR_ROUTE_NEIGHBORS] = {"/v1/items/{id}/neighbors", "/v1/items/", "/neighbors", "GET, HEAD", true, false},
	[HR_ROUTE_USER] = {"/v1/users/{id}/recommendations", "/v1/users/", "/recommendations", "GET, HEAD", true, true},
	[HR_ROUTE_SESSION] = {"/v1/recommendations", "/v1/recommendations", NULL, "POST", false, false},
	[HR_ROUTE_MODEL] = {"/v1/model", "/v1/model", NULL, "GET, HEAD", false, false},
	[HR_ROUTE_METRICS] = {"/metrics", "/metrics", NULL, "GET, HEAD", false, false},
	[HR_ROUTE_LIVEZ] = {"/livez", "/livez", NULL, "GET, HEAD", false, false},
	[HR_ROUTE_READYZ] = {"/readyz", "/readyz", NULL, "GET, HEAD", false, false},
	[HR_ROUTE_OPENAPI] = {"/openapi.json", "/openapi.json", NULL, "GET, HEAD", false, false},
	[HR_ROUTE_NONE] = {"none", NULL, NULL, "", false, false},
};

const char *hr_route_name(enum hr_route route) { return routes[route].name; }

struct piece {
	const char *p;
	size_t len;
};

static bool piece_is(struct piece s, const char *word)
{
	return s.len == strlen(word) && memcmp(s.p, word, s.len) == 0;
}

/* How much of it goes into a message. */
static int shown(struct piece s) { return s.len < 40 ? (int)s.len : 40; }

/* The part of s before the first c; s keeps what follows it. */
static struct piece cut(struct piece *s, char c)
{
	const char *at = s->len > 0 ? memchr(s->p, c, s->len) : NULL;
	const struct piece head = {s->p, at != NULL ? (size_t)(at - s->p) : s->len};
	const size_t used = head.len + (at != NULL);

	*s = (struct piece){s->p + used, s->len - used};
	return head;
}

/* "http://host/path" is allowed by RFC 9112 3.2.2; what counts is from the path on. */
static const char *skip_authority(const char *target)
{
	if (strncmp(target, "http://", 7) != 0)
		return target;
	const char *path = strchr(target + 7, '/');
	return path != NULL ? path : "/";
}

static bool match(enum hr_route route, struct piece path, struct piece *ret_id)
{
	const char *prefix = routes[route].prefix, *suffix = routes[route].suffix;

	*ret_id = (struct piece){path.p, 0};
	if (suffix == NULL)
		return piece_is(path, prefix);
	const size_t front = strlen(prefix), back = strlen(suffix);
	if (path.len < front + back || memcmp(path.p, prefix, front) != 0 ||
	    memcmp(path.p + path.len - back, suffix, back) != 0)
		return false;
	*ret_id = (struct piece){path.p + front, path.len - front - back};
	return ret_id->len == 0 || memchr(ret_id->p, '/', ret_id->len) == NULL;
}

static enum hr_route find(struct piece path, struct piece *ret_id)
{
	enum hr_route route = 0;

	while (route < HR_ROUTE_NONE && !match(route, path, ret_id))
		route++;
	return route;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode_id(struct piece in, struct hr_request *request, struct hr_problem *problem)
{
	request->id_len = 0;
	for (size_t i = 0; i < in.len; i++) {
		int c = (unsigned char)in.p[i];

		if (c == '%') {
			const int high = i + 2 < in.len ? hex_digit(in.p[i + 1]) : -1;
			const int low = i + 2 < in.len ? hex_digit(in.p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return hr_problem(problem, 400, "the id has a bad percent escape at byte %zu", i);
			c = high * 16 + low;
			i += 2;
		}
		if (request->id_len == HR_ID_MAX)
			return hr_problem(problem, 400, "the id is over %u bytes", HR_ID_MAX);
		request->id[request->id_len++] = (uint8_t)c;
	}
	return request->id_len > 0 || hr_problem(problem, 400, "the id is empty; it has 1 to %u bytes", HR_ID_MAX);
}

static bool read_limit(struct piece value, uint32_t limit_max, uint32_t *ret_limit, struct hr_problem *problem)
{
	uint64_t n = 0;
	bool good = value.len > 0;

	for (size_t i = 0; i < value.len && good; i++) {
		good = value.p[i] >= '0' && value.p[i] <= '9';
		n = n > limit_max ? n : n * 10 + (uint64_t)(value.p[i] - '0');
	}
	if (!good || n < 1 || n > limit_max)
		return hr_problem(problem, 400, "limit is \"%.*s\", not a number from 1 to %u", shown(value), value.p, limit_max);
	*ret_limit = (uint32_t)n;
	return true;
}

static bool read_parts(struct piece value, bool *ret_parts, struct hr_problem *problem)
{
	if (!piece_is(value, "0") && !piece_is(value, "1"))
		return hr_problem(problem, 400, "parts is \"%.*s\", not 0 or 1", shown(value), value.p);
	*ret_parts = value.p[0] == '1';
	return true;
}

/* A misspelt parameter is refused: ignored, it would give an answer to another question. */
static bool read_query(struct piece query, uint32_t limit_max, struct hr_request *request, struct hr_problem *problem)
{
	while (query.len > 0) {
		struct piece value = cut(&query, '&');
		const struct piece name = cut(&value, '=');

		if (routes[request->route].limit && piece_is(name, "limit")) {
			if (!read_limit(value, limit_max, &request->limit, problem))
				return false;
		} else if (routes[request->route].parts && piece_is(name, "parts")) {
			if (!read_parts(value, &request->parts, problem))
				return false;
		} else if (name.len > 0) {
			return hr_problem(problem, 400, "%s takes no parameter \"%.*s\"", routes[request->route].name,
			                  shown(name), name.p);
		}
	}
	return true;
}

static bool check_method(const char *method, enum hr_route route, struct hr_problem *problem)
{
	const bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;

	if (route == HR_ROUTE_SESSION ? strcmp(method, "POST") == 0 : reads)
		return true;
	const char *allow = routes[route].allow;
	(void)hr_problem(problem, 405, "%.20s is not for %s; allowed: %s", method, routes[route].name, allow);
	problem->allow = allow;
	return false;
}

bool hr_request_parse(const char *method, const char *target, uint32_t limit_max, struct hr_request *ret_request,
                      struct hr_problem *problem)
{
	target = skip_authority(target);
	struct piece query = {target, strlen(target)}, id;
	const struct piece path = cut(&query, '?');

	ret_request->route = find(path, &id);
	ret_request->id_len = 0;
	ret_request->limit = limit_max < HR_LIMIT_DEFAULT ? limit_max : HR_LIMIT_DEFAULT;
	ret_request->parts = false;
	if (ret_request->route == HR_ROUTE_NONE)
		return hr_problem(problem, 404, "there is no \"%.*s\"; /openapi.json lists what there is",
		                  (int)(path.len < 200 ? path.len : 200), path.p);
	return check_method(method, ret_request->route, problem) &&
	       (routes[ret_request->route].suffix == NULL || decode_id(id, ret_request, problem)) &&
	       read_query(query, limit_max, ret_request, problem);
}
