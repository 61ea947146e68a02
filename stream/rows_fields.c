#include "stream/rows_fields.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const role_names[HR_ROLE_COUNT] = {"time", "user", "item", "kind", "weight", "session", "id", "period"};

static bool find_role(const char *name, size_t len, enum hr_role *ret_role)
{
	if (len == 1 && name[0] == '-') {
		*ret_role = HR_ROLE_SKIP;
		return true;
	}
	for (int i = 0; i < HR_ROLE_COUNT; i++) {
		if (strlen(role_names[i]) == len && strncasecmp(role_names[i], name, len) == 0) {
			*ret_role = (enum hr_role)i;
			return true;
		}
	}
	return false;
}

static bool unknown_role(const char *name, size_t len, struct hr_error *err)
{
	return hr_fail(err, HR_E_CONFIG, "columns: \"%.*s\" is not one of time user item kind weight session id period -",
	               (int)(len < 64 ? len : 64), name);
}

static bool add_column(struct hr_columns *c, enum hr_role role, struct hr_error *err)
{
	if (c->count == HR_COLUMNS_MAX)
		return hr_fail(err, HR_E_CONFIG, "columns: more than %d", HR_COLUMNS_MAX);
	if (role != HR_ROLE_SKIP) {
		if (c->has[role])
			return hr_fail(err, HR_E_CONFIG, "columns: %s is named twice", role_names[role]);
		c->has[role] = true;
	}
	c->role[c->count++] = role;
	return true;
}

static bool need_ids(const struct hr_columns *c, struct hr_error *err)
{
	return (c->has[HR_ROLE_USER] && c->has[HR_ROLE_ITEM]) ||
	       hr_fail(err, HR_E_CONFIG, "columns: %s is missing", c->has[HR_ROLE_USER] ? "item" : "user");
}

bool hr_columns_parse(const char *text, struct hr_columns *ret_columns, struct hr_error *err)
{
	struct hr_columns c = {0};
	enum hr_role role;

	for (const char *p = text + strspn(text, ", "); *p != '\0';) {
		const size_t len = strcspn(p, ", ");

		if (!find_role(p, len, &role))
			return unknown_role(p, len, err);
		if (!add_column(&c, role, err))
			return false;
		p += len;
		p += strspn(p, ", ");
	}
	if (!need_ids(&c, err))
		return false;
	*ret_columns = c;
	return true;
}

bool hr_columns_from_header(const struct hr_field *name, size_t count, struct hr_columns *ret_columns, struct hr_error *err)
{
	struct hr_columns c = {0};
	enum hr_role role;

	for (size_t i = 0; i < count; i++) {
		if (!find_role(name[i].p, name[i].len, &role))
			role = HR_ROLE_SKIP;
		if (!add_column(&c, role, err))
			return false;
	}
	if (!need_ids(&c, err))
		return hr_context(err, "the header line does not name the roles, and no columns were given");
	*ret_columns = c;
	return true;
}

static bool add_member(struct hr_columns *c, const char *name, size_t name_len, enum hr_role role, struct hr_error *err)
{
	if (name_len == 0 || name_len >= HR_MEMBER_MAX)
		return hr_fail(err, HR_E_CONFIG, "columns: a member of %zu characters is outside 1..%d", name_len, HR_MEMBER_MAX - 1);
	if (!add_column(c, role, err))
		return false;
	memcpy(c->member[role], name, name_len);
	return true;
}

static bool default_members(struct hr_columns *c, struct hr_error *err)
{
	for (int i = 0; i < HR_ROLE_COUNT; i++) {
		if (!add_member(c, role_names[i], strlen(role_names[i]), (enum hr_role)i, err))
			return false;
	}
	return true;
}

bool hr_columns_parse_json(const char *text, struct hr_columns *ret_columns, struct hr_error *err)
{
	struct hr_columns c = {0};
	enum hr_role role;

	if (text == NULL && !default_members(&c, err))
		return false;
	for (const char *p = text != NULL ? text : ""; *p != '\0';) {
		const size_t len = strcspn(p, ", "), name = strcspn(p, "=");
		const char *role_name = name < len ? p + name + 1 : p; /* a bare role is its own member */

		if (!find_role(role_name, (size_t)(p + len - role_name), &role) || role == HR_ROLE_SKIP)
			return unknown_role(role_name, (size_t)(p + len - role_name), err);
		if (!add_member(&c, p, name < len ? name : len, role, err))
			return false;
		p += len;
		p += strspn(p, ", ");
	}
	if (!need_ids(&c, err))
		return false;
	*ret_columns = c;
	return true;
}

size_t hr_fields_tsv(const char *line, size_t len, struct hr_field *ret_field)
{
	const char *p = line, *end = line + len;
	size_t count = 0;

	while (count < HR_COLUMNS_MAX) {
		const char *tab = memchr(p, '\t', (size_t)(end - p));

		ret_field[count++] = (struct hr_field){p, (size_t)((tab == NULL ? end : tab) - p)};
		if (tab == NULL)
			break;
		p = tab + 1;
	}
	return count;
}

/* The quoted field at p, unquoted where it stands. Returns what follows its closing quote, or NULL without one. */
static char *unquote(char *p, char *end, struct hr_field *ret_field)
{
	char *to = p, *from = p + 1;

	for (; from < end; from++) {
		if (*from == '"') {
			if (from + 1 == end || from[1] != '"')
				break;
			from++;
		}
		*to++ = *from;
	}
	*ret_field = (struct hr_field){p, (size_t)(to - p)};
	return from < end ? from + 1 : NULL;
}

static char *bare(char *p, char *end, struct hr_field *ret_field)
{
	char *comma = memchr(p, ',', (size_t)(end - p));
	char *stop = comma == NULL ? end : comma;

	*ret_field = (struct hr_field){p, (size_t)(stop - p)};
	return memchr(p, '"', (size_t)(stop - p)) == NULL ? stop : NULL;
}

bool hr_fields_csv(char *line, size_t len, struct hr_field *ret_field, size_t *ret_count, struct hr_error *err)
{
	char *p = line, *end = line + len;
	size_t count = 0;

	while (count < HR_COLUMNS_MAX) {
		p = p < end && *p == '"' ? unquote(p, end, &ret_field[count]) : bare(p, end, &ret_field[count]);
		count++;
		if (p == NULL || (p < end && *p != ','))
			return hr_fail(err, HR_E_FORMAT, "field %zu: a quote stands in the middle", count);
		if (p == end)
			break;
		p++;
	}
	*ret_count = count;
	return true;
}

bool hr_fields_by_role(const struct hr_columns *columns, const struct hr_field *field, size_t count,
                       struct hr_field *ret_role, struct hr_error *err)
{
	if (count < columns->count)
		return hr_fail(err, HR_E_FORMAT, "%zu fields for %zu columns", count, columns->count);
	memset(ret_role, 0, HR_ROLE_COUNT * sizeof *ret_role);
	for (size_t i = 0; i < columns->count; i++) {
		if (columns->role[i] != HR_ROLE_SKIP)
			ret_role[columns->role[i]] = field[i];
	}
	return true;
}

/* ---- JSON ---- */

static const json_t *find_member(const json_t *object, const char *path)
{
	while (object != NULL) {
		const size_t len = strcspn(path, ".");
		const json_t *member = json_object_getn(object, path, len);

		if (path[len] == '\0')
			return member;
		path += len + 1;
		object = member;
	}
	return NULL;
}

/* Appends the text of a string or number; its place in scratch, which may still move. */
static bool put_member(const json_t *value, struct hr_buf *scratch, struct hr_field *ret_field)
{
	char number[40];
	const size_t at = scratch->len;

	if (json_is_string(value)) {
		hr_buf_bytes(scratch, json_string_value(value), json_string_length(value));
	} else if (json_is_number(value)) {
		const int n = json_is_integer(value) ? snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value))
		                                     : snprintf(number, sizeof number, "%.17g", json_real_value(value));
		hr_buf_bytes(scratch, number, (size_t)n);
	} else {
		return false;
	}
	ret_field->len = scratch->len - at;
	return true;
}

static bool take_members(const struct hr_columns *columns, const json_t *object, struct hr_buf *scratch,
                         struct hr_field *role, bool *has, struct hr_error *err)
{
	for (int i = 0; i < HR_ROLE_COUNT; i++) {
		const json_t *value = columns->member[i][0] != '\0' ? find_member(object, columns->member[i]) : NULL;

		has[i] = value != NULL && !json_is_null(value);
		if (has[i] && !put_member(value, scratch, &role[i]))
			return hr_fail(err, HR_E_FORMAT, "member \"%s\" is neither a string nor a number", columns->member[i]);
	}
	return true;
}

bool hr_fields_json(const struct hr_columns *columns, const char *line, size_t len, struct hr_buf *scratch,
                    struct hr_field *ret_role, struct hr_error *err)
{
	bool has[HR_ROLE_COUNT];
	json_error_t why;
	json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);

	if (!json_is_object(object)) {
		json_decref(object);
		return object == NULL ? hr_fail(err, HR_E_FORMAT, "not JSON: %s", why.text)
		                      : hr_fail(err, HR_E_FORMAT, "not a JSON object");
	}
	hr_buf_clear(scratch);
	memset(ret_role, 0, HR_ROLE_COUNT * sizeof *ret_role);
	const bool ok = take_members(columns, object, scratch, ret_role, has, err);
	json_decref(object);
	hr_buf_u8(scratch, '\0'); /* so that the bytes are there even when all texts are empty */
	const char *p = (const char *)scratch->p;
	for (int i = 0; ok && i < HR_ROLE_COUNT; i++) {
		if (has[i]) {
			ret_role[i].p = p;
			p += ret_role[i].len;
		}
	}
	return ok;
}
