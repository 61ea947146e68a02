/* What the members of a JSON record mean. Finding them is event_simdjson.cc's job. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/kind.h"
#include "base/mem.h"
#include "stream/priv.h"
#include "stream/time.h"

#define PATH_KEYS_MAX 8 /* "a.b.c" has three */

struct hr_json {
	struct hr_json_parser *parser;
	struct hr_json_node nodes[HR_JSON_NODES_MAX];
	int node_count;
	uint8_t default_kind;
	struct hr_json_value values[HR_JSON_MEMBERS];
	char digits[HR_JSON_MEMBERS][24]; /* ids that came as numbers */
	char padded[HR_RECORD_MAX + HR_JSON_PADDING];
};

/* The node of a key among the nodes beside *link, made when new; NULL when the table is full. */
static struct hr_json_node *add_key(struct hr_json *j, int *link, const char *key, size_t key_len)
{
	for (; *link >= 0; link = &j->nodes[*link].sibling) {
		struct hr_json_node *n = &j->nodes[*link];

		if (n->key_len == key_len && memcmp(n->key, key, key_len) == 0)
			return n;
	}
	if (j->node_count == HR_JSON_NODES_MAX)
		return NULL;
	*link = j->node_count++;
	j->nodes[*link] = (struct hr_json_node){.key = key, .key_len = key_len, .child = -1, .sibling = -1};
	return &j->nodes[*link];
}

static bool add_path(struct hr_json *j, const char *path, enum hr_json_member member)
{
	int first = j->node_count > 0 ? 0 : -1; /* nodes[0] is the first top-level key, whoever adds it */
	int *link = &first;

	for (unsigned depth = 0; depth < PATH_KEYS_MAX; depth++) {
		const size_t key_len = strcspn(path, ".");
		struct hr_json_node *n = key_len > 0 ? add_key(j, link, path, key_len) : NULL;

		if (n == NULL)
			return false;
		if (path[key_len] == '\0') {
			n->members |= 1u << member;
			return n->child < 0;
		}
		if (n->members != 0)
			return false; /* one path calls it a value, another an object */
		path += key_len + 1;
		link = &n->child;
	}
	return false;
}

struct hr_json *hr_json_new(const struct hr_json_fields *fields, uint8_t default_kind)
{
	const struct hr_json_fields none = {0}, *f = fields != NULL ? fields : &none;
	const char *const paths[HR_JSON_MEMBERS] = {
		[HR_JSON_USER] = f->user != NULL ? f->user : "user",
		[HR_JSON_ITEM] = f->item != NULL ? f->item : "item",
		[HR_JSON_KIND] = f->kind != NULL ? f->kind : "kind",
		[HR_JSON_TIME] = f->time != NULL ? f->time : "time",
		[HR_JSON_ID] = f->id != NULL ? f->id : "id",
		[HR_JSON_WEIGHT] = f->weight != NULL ? f->weight : "weight",
		[HR_JSON_SESSION] = f->session != NULL ? f->session : "session",
	};
	struct hr_json *j = hr_alloc(1, sizeof *j);
	bool ok = true;

	j->default_kind = default_kind;
	for (int m = 0; ok && m < HR_JSON_MEMBERS; m++)
		ok = add_path(j, paths[m], (enum hr_json_member)m);
	if (ok)
		j->parser = hr_json_parser_new();
	if (j->parser != NULL)
		return j;
	hr_json_free(j);
	return NULL;
}

void hr_json_free(struct hr_json *j)
{
	if (j == NULL)
		return;
	hr_json_parser_free(j->parser);
	hr_free(j);
}

/* An id: a string, or an integer taken as its decimal text. */
static bool take_id(struct hr_json *j, enum hr_json_member member, const uint8_t **ret_p, size_t *ret_len)
{
	const struct hr_json_value *v = &j->values[member];
	char *digits = j->digits[member];

	switch (v->type) {
	case HR_JSON_ABSENT: return true;
	case HR_JSON_STRING: *ret_p = (const uint8_t *)v->text, *ret_len = v->text_len; return true;
	case HR_JSON_INTEGER: *ret_len = (size_t)snprintf(digits, sizeof j->digits[0], "%" PRId64, v->integer); break;
	case HR_JSON_HUGE: *ret_len = (size_t)snprintf(digits, sizeof j->digits[0], "%" PRIu64, v->huge); break;
	default: return false;
	}
	*ret_p = (const uint8_t *)digits;
	return true;
}

/* A name, or the number of headrace.v1.Kind. */
static bool take_kind(const struct hr_json *j, uint8_t *ret_kind)
{
	const struct hr_json_value *v = &j->values[HR_JSON_KIND];

	switch (v->type) {
	case HR_JSON_ABSENT: *ret_kind = j->default_kind; return true;
	case HR_JSON_STRING: *ret_kind = hr_kind_parse(v->text, v->text_len); return true;
	case HR_JSON_INTEGER:
		*ret_kind = v->integer > 0 && v->integer < HR_KIND_COUNT ? (uint8_t)v->integer : 0;
		return true;
	default: return false;
	}
}

/* Milliseconds, or an RFC 3339 string. A text that is no time leaves 0, which is refused as a time. */
static bool take_time(const struct hr_json *j, int64_t *ret_ms)
{
	const struct hr_json_value *v = &j->values[HR_JSON_TIME];

	switch (v->type) {
	case HR_JSON_ABSENT: return true;
	case HR_JSON_INTEGER: *ret_ms = v->integer; return true;
	case HR_JSON_STRING: (void)hr_time_rfc3339(v->text, v->text_len, ret_ms); return true;
	default: return false;
	}
}

static bool take_weight(const struct hr_json *j, float *ret_weight)
{
	const struct hr_json_value *v = &j->values[HR_JSON_WEIGHT];

	switch (v->type) {
	case HR_JSON_ABSENT: return true;
	case HR_JSON_INTEGER: *ret_weight = (float)v->integer; return true;
	case HR_JSON_HUGE: *ret_weight = (float)v->huge; return true;
	case HR_JSON_REAL: *ret_weight = (float)v->real; return true;
	default: return false;
	}
}

enum hr_reject hr_json_decode(struct hr_json *j, const void *value, size_t len, struct hr_event *ret_event)
{
	HR_ASSERT(len <= HR_RECORD_MAX);
	memcpy(j->padded, value, len);
	memset(j->values, 0, sizeof j->values);
	const enum hr_reject why = hr_json_read(j->parser, j->padded, len, j->nodes, j->values);
	if (why != HR_ACCEPTED)
		return why;
	const bool ok = take_id(j, HR_JSON_USER, &ret_event->user, &ret_event->user_len) &&
	                take_id(j, HR_JSON_ITEM, &ret_event->item, &ret_event->item_len) &&
	                take_id(j, HR_JSON_ID, &ret_event->id, &ret_event->id_len) &&
	                take_id(j, HR_JSON_SESSION, &ret_event->session, &ret_event->session_len) &&
	                take_kind(j, &ret_event->kind) && take_time(j, &ret_event->time_ms) &&
	                take_weight(j, &ret_event->weight);
	return ok ? HR_ACCEPTED : HR_REJECT_TYPE;
}
