/* A YAML file to settings, by libyaml's events: maps, lists and scalars, and nothing else of YAML. */
#include "daemon/config_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/mem.h"

enum { DEPTH_MAX = 8, KEY_MAX = 256, VALUE_MAX = 65536 };

struct reader {
	struct hr_config *c;
	const char *path;
	yaml_parser_t yaml;
	/* ---- where we are ---- */
	char key[KEY_MAX];            /* dotted, of the innermost map or of the value that follows */
	size_t prefix_len[DEPTH_MAX]; /* of key, for each open map */
	bool is_list[DEPTH_MAX];
	size_t depth;
	bool in_value; /* a map's key was read */
	/* ---- what was seen ---- */
	struct hr_strings seen; /* every key, to find duplicates */
	unsigned documents;
	struct hr_buf text;
};

static void place(const struct reader *r, yaml_mark_t mark, char *out, size_t out_bytes)
{
	(void)snprintf(out, out_bytes, "%.200s:%zu:%zu", r->path, mark.line + 1, mark.column + 1);
}

static bool fail_at(const struct reader *r, yaml_mark_t mark, struct hr_error *err, const char *what)
{
	char where[300];

	place(r, mark, where, sizeof where);
	return hr_fail(err, HR_E_CONFIG, "%s: %s", where, what);
}

static bool syntax_error(const struct reader *r, struct hr_error *err)
{
	char what[200];

	if (r->yaml.error == YAML_READER_ERROR) {
		(void)snprintf(what, sizeof what, "%s at byte %zu", r->yaml.problem, r->yaml.problem_offset);
		return hr_fail(err, HR_E_CONFIG, "%s: %s", r->path, what);
	}
	(void)snprintf(what, sizeof what, "%s%s%s", r->yaml.context != NULL ? r->yaml.context : "",
	               r->yaml.context != NULL ? ", " : "", r->yaml.problem != NULL ? r->yaml.problem : "not YAML");
	return fail_at(r, r->yaml.problem_mark, err, what);
}

/* ---- ${VAR}, ${VAR:-default}, ${VAR:?message} ---- */

static bool name_char(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

/* The variable whose "${" was just passed; *at moves behind its "}". */
static bool expand_one(const char **at, struct hr_buf *out, struct hr_error *err)
{
	const char *name = *at, *p = name;

	while (name_char(*p))
		p++;
	const size_t name_len = (size_t)(p - name);
	const char *close = strchr(p, '}');
	if (close == NULL || name_len == 0 || name_len >= KEY_MAX)
		return hr_fail(err, HR_E_CONFIG, "\"${%.64s\" is not ${VAR}, ${VAR:-default} or ${VAR:?message}", name);
	char var[KEY_MAX];
	memcpy(var, name, name_len);
	var[name_len] = '\0';
	const char *value = getenv(var);
	const bool fallback = p[0] == ':' && p[1] == '-', demand = p[0] == ':' && p[1] == '?';
	if (!fallback && !demand && p != close)
		return hr_fail(err, HR_E_CONFIG, "\"${%.64s\" is not ${VAR}, ${VAR:-default} or ${VAR:?message}", name);
	*at = close + 1;
	if (value != NULL && (value[0] != '\0' || p == close))
		hr_buf_bytes(out, value, strlen(value));
	else if (fallback)
		hr_buf_bytes(out, p + 2, (size_t)(close - p - 2));
	else if (demand && close - p > 2)
		return hr_fail(err, HR_E_CONFIG, "environment variable %s: %.*s", var, (int)(close - p - 2), p + 2);
	else
		return hr_fail(err, HR_E_CONFIG, "environment variable %s is not set", var);
	return true;
}

/* Expands text into r->text, NUL-terminated. */
static bool expand(struct reader *r, const char *text, struct hr_error *err)
{
	hr_buf_clear(&r->text);
	while (*text != '\0') {
		const bool escaped = strncmp(text, "$${", 3) == 0;

		if (strncmp(text, "${", 2) == 0) {
			text += 2;
			if (!expand_one(&text, &r->text, err))
				return false;
			continue;
		}
		text += escaped;
		hr_buf_bytes(&r->text, text, escaped ? 2 : 1);
		text += escaped ? 2 : 1;
	}
	hr_buf_u8(&r->text, '\0');
	return true;
}

/* ---- keys ---- */

static bool remember_key(struct reader *r, yaml_mark_t mark, struct hr_error *err)
{
	char what[KEY_MAX + 32];

	for (size_t i = 0; i < r->seen.count; i++) {
		if (strcmp(r->seen.p[i], r->key) == 0) {
			(void)snprintf(what, sizeof what, "%s is set twice", r->key);
			return fail_at(r, mark, err, what);
		}
	}
	const size_t bytes = strlen(r->key) + 1;
	r->seen.p = hr_grow(r->seen.p, &r->seen.cap, r->seen.count + 1, sizeof *r->seen.p);
	r->seen.p[r->seen.count++] = memcpy(hr_alloc(bytes, 1), r->key, bytes);
	return true;
}

static bool enter_key(struct reader *r, const yaml_event_t *e, struct hr_error *err)
{
	const char *name = (const char *)e->data.scalar.value;
	const size_t prefix = r->prefix_len[r->depth - 1], len = e->data.scalar.length;

	if (len == 0 || strlen(name) != len || prefix + 1 + len >= KEY_MAX)
		return fail_at(r, e->start_mark, err, "a key is empty, too long or holds a NUL");
	(void)snprintf(r->key + prefix, KEY_MAX - prefix, "%s%s", prefix == 0 ? "" : ".", name);
	r->in_value = true;
	return remember_key(r, e->start_mark, err);
}

/* ---- values ---- */

static bool is_list_setting(const char *key)
{
	for (size_t i = 0; i < HR_SETTING_COUNT; i++) {
		if (hr_settings[i].type == HR_TYPE_LIST && strcmp(hr_settings[i].key, key) == 0)
			return true;
	}
	return false;
}

static bool put_value(struct reader *r, const yaml_event_t *e, struct hr_error *err)
{
	const char *value = (const char *)e->data.scalar.value;
	const size_t len = e->data.scalar.length;
	const bool empty = len == 0 && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	char where[300];

	if (strlen(value) != len || len > VALUE_MAX)
		return fail_at(r, e->start_mark, err, "a value is too long or holds a NUL");
	if (empty && !r->is_list[r->depth - 1] && (hr_config_is_section(r->key) || is_list_setting(r->key)))
		return true; /* all that stands below it is commented out */
	place(r, e->start_mark, where, sizeof where);
	if (!expand(r, value, err)) {
		(void)hr_context(err, "%s", r->key);
		return hr_context(err, "%s", where);
	}
	return hr_config_put(r->c, r->key, (const char *)r->text.p, HR_FROM_FILE, where, err);
}

static bool on_scalar(struct reader *r, const yaml_event_t *e, struct hr_error *err)
{
	if (r->depth == 0) {
		if (e->data.scalar.length == 0 && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
			return true; /* a file of comments */
		return fail_at(r, e->start_mark, err, "the file is not a map of settings");
	}
	if (!r->is_list[r->depth - 1] && !r->in_value)
		return enter_key(r, e, err);
	if (!put_value(r, e, err))
		return false;
	r->in_value = r->is_list[r->depth - 1];
	return true;
}

static bool open_level(struct reader *r, const yaml_event_t *e, bool list, struct hr_error *err)
{
	char what[KEY_MAX + 64];

	if (r->depth == DEPTH_MAX)
		return fail_at(r, e->start_mark, err, "nested more than 8 levels deep");
	if (r->depth != 0 && (!r->in_value || r->is_list[r->depth - 1]))
		return fail_at(r, e->start_mark, err, "a map or list can not be a key or stand in a list");
	if (list && (r->depth == 0 || !is_list_setting(r->key))) {
		(void)snprintf(what, sizeof what, "%s does not take a list", r->depth == 0 ? "the file" : r->key);
		return fail_at(r, e->start_mark, err, what);
	}
	r->prefix_len[r->depth] = r->depth == 0 ? 0 : strlen(r->key);
	r->is_list[r->depth++] = list;
	r->in_value = list;
	return true;
}

static void close_level(struct reader *r)
{
	r->depth--;
	r->in_value = false;
}

/* Anchors and tags: nothing that a reader of the file would have to know YAML for. */
static bool refuse_extras(const struct reader *r, const yaml_event_t *e, struct hr_error *err)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	if (e->type == YAML_SCALAR_EVENT) {
		anchor = e->data.scalar.anchor;
		tag = e->data.scalar.tag;
	} else if (e->type == YAML_MAPPING_START_EVENT) {
		anchor = e->data.mapping_start.anchor;
		tag = e->data.mapping_start.tag;
	} else if (e->type == YAML_SEQUENCE_START_EVENT) {
		anchor = e->data.sequence_start.anchor;
		tag = e->data.sequence_start.tag;
	}
	if (e->type == YAML_ALIAS_EVENT || anchor != NULL)
		return fail_at(r, e->start_mark, err, "anchors and aliases are not read here");
	return tag == NULL || fail_at(r, e->start_mark, err, "tags are not read here");
}

static bool on_event(struct reader *r, const yaml_event_t *e, struct hr_error *err)
{
	if (!refuse_extras(r, e, err))
		return false;
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		return r->documents++ == 0 || fail_at(r, e->start_mark, err, "a second document begins");
	case YAML_SCALAR_EVENT: return on_scalar(r, e, err);
	case YAML_MAPPING_START_EVENT: return open_level(r, e, false, err);
	case YAML_SEQUENCE_START_EVENT: return open_level(r, e, true, err);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT: close_level(r); return true;
	default: return true;
	}
}

static bool read_all(struct reader *r, struct hr_error *err)
{
	for (bool end = false; !end;) {
		yaml_event_t e;

		if (!yaml_parser_parse(&r->yaml, &e))
			return syntax_error(r, err);
		end = e.type == YAML_STREAM_END_EVENT;
		const bool ok = on_event(r, &e, err);
		yaml_event_delete(&e);
		if (!ok)
			return false;
	}
	return true;
}

static void reader_fini(struct reader *r)
{
	yaml_parser_delete(&r->yaml);
	for (size_t i = 0; i < r->seen.count; i++)
		hr_free(r->seen.p[i]);
	hr_free(r->seen.p);
	hr_buf_fini(&r->text);
}

bool hr_config_file(struct hr_config *c, const char *path, struct hr_error *err)
{
	struct reader r = {.c = c, .path = path};
	FILE *f = fopen(path, "rb");

	if (f == NULL)
		return hr_fail(err, HR_E_IO, "could not open %s: %s", path, strerror(errno));
	if (!yaml_parser_initialize(&r.yaml)) {
		(void)fclose(f);
		return hr_fail(err, HR_E_NOMEM, "%s: no memory for the parser", path);
	}
	yaml_parser_set_input_file(&r.yaml, f);
	const bool ok = read_all(&r, err);
	const bool broken = ferror(f) != 0;
	(void)fclose(f);
	reader_fini(&r);
	return broken ? hr_fail(err, HR_E_IO, "could not read %s", path) : ok;
}
