#include "stream/rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/base.h"
#include "stream/lines.h"
#include "stream/rows_fields.h"
#include "stream/time.h"

#define TIME_START_MS INT64_C(1577836800000) /* 2020-01-01 */

struct hr_rows {
	/* ---- set at open ---- */
	struct hr_lines *lines;
	struct hr_rows_config config;
	struct hr_columns columns;
	bool columns_from_header;
	char *path;
	/* ---- where we are ---- */
	uint64_t row; /* events handed out or refused: the clock of a file without times */
	uint64_t number;
	bool at_start;
	struct hr_buf scratch;
	struct hr_field user, rest; /* SEQUENCES: items of the line still to come */
};

/* ---- open ---- */

static bool ends_with(const char *s, size_t len, const char *end)
{
	const size_t end_len = strlen(end);

	return len >= end_len && strncasecmp(s + len - end_len, end, end_len) == 0;
}

static bool guess_format(const char *path, enum hr_rows_format *ret_format, struct hr_error *err)
{
	size_t len = strlen(path);

	if (ends_with(path, len, ".gz"))
		len -= 3;
	if (ends_with(path, len, ".tsv") || ends_with(path, len, ".txt"))
		*ret_format = HR_ROWS_TSV;
	else if (ends_with(path, len, ".csv"))
		*ret_format = HR_ROWS_CSV;
	else if (ends_with(path, len, ".jsonl") || ends_with(path, len, ".ndjson") || ends_with(path, len, ".json"))
		*ret_format = HR_ROWS_JSONL;
	else
		return hr_fail(err, HR_E_CONFIG, "%.300s: the name does not tell the format (.tsv .csv .jsonl, with or without .gz)",
		               path);
	return true;
}

static bool set_columns(struct hr_rows *r, struct hr_error *err)
{
	if (r->config.format == HR_ROWS_SEQUENCES)
		return true;
	if (r->config.format == HR_ROWS_JSONL)
		return hr_columns_parse_json(r->config.columns, &r->columns, err);
	r->columns_from_header = r->config.columns == NULL && r->config.header;
	if (r->columns_from_header)
		return true;
	if (r->config.columns == NULL)
		return hr_fail(err, HR_E_CONFIG, "columns are missing: name them by role, such as time,user,item");
	return hr_columns_parse(r->config.columns, &r->columns, err);
}

bool hr_rows_open(const char *path, const struct hr_rows_config *config, struct hr_rows **ret_rows, struct hr_error *err)
{
	struct hr_rows *r = hr_alloc(1, sizeof *r);
	const size_t path_bytes = strlen(path) + 1;

	r->config = *config;
	if (r->config.time_start_ms == 0) {
		r->config.time_start_ms = TIME_START_MS;
		r->config.time_step_ms = config->time_step_ms != 0 ? config->time_step_ms : 1000;
	}
	r->at_start = true;
	r->path = memcpy(hr_alloc(path_bytes, 1), path, path_bytes);
	if ((config->format == HR_ROWS_AUTO && !guess_format(path, &r->config.format, err)) || !set_columns(r, err) ||
	    !hr_lines_open(path, &r->lines, err)) {
		hr_rows_close(r);
		return false;
	}
	r->config.columns = NULL; /* was borrowed */
	*ret_rows = r;
	return true;
}

void hr_rows_close(struct hr_rows *r)
{
	if (r == NULL)
		return;
	hr_lines_close(r->lines);
	hr_buf_fini(&r->scratch);
	hr_free(r->path);
	hr_free(r);
}

void hr_rows_progress(const struct hr_rows *r, uint64_t *ret_read, uint64_t *ret_size)
{
	hr_lines_progress(r->lines, ret_read, ret_size);
}

/* ---- fields to an event ---- */

static int shown(struct hr_field field) { return (int)(field.len < 64 ? field.len : 64); }

static bool take_time(const struct hr_rows *r, struct hr_field field, int64_t *ret_ms, struct hr_error *err)
{
	if (field.p == NULL) {
		*ret_ms = r->config.time_start_ms + (int64_t)r->row * r->config.time_step_ms;
		return true;
	}
	return hr_time_guess(field.p, field.len, ret_ms) ||
	       hr_fail(err, HR_E_FORMAT, "time \"%.*s\" is neither seconds nor ms within 1990..2100, nor RFC 3339", shown(field),
	               field.p);
}

static bool take_kind(const struct hr_rows *r, struct hr_field field, uint8_t *ret_kind, struct hr_error *err)
{
	*ret_kind = r->config.default_kind != 0 ? r->config.default_kind : HR_KIND_VIEW;
	if (field.p == NULL)
		return true;
	*ret_kind = hr_kind_parse(field.p, field.len);
	return *ret_kind != 0 || hr_fail(err, HR_E_FORMAT, "kind \"%.*s\" is unknown", shown(field), field.p);
}

static bool take_weight(struct hr_field field, float *ret_weight, struct hr_error *err)
{
	char text[64], *end;

	*ret_weight = 1;
	if (field.p == NULL || field.len == 0)
		return true;
	(void)snprintf(text, sizeof text, "%.*s", (int)(field.len < sizeof text ? field.len : sizeof text), field.p);
	*ret_weight = strtof(text, &end);
	return (field.len < sizeof text && *end == '\0' && isfinite(*ret_weight) && *ret_weight >= 0) ||
	       hr_fail(err, HR_E_FORMAT, "weight \"%s\" is not a number >= 0", text);
}

static bool take_period(struct hr_field field, uint32_t *ret_period, struct hr_error *err)
{
	uint32_t value = 0;

	for (size_t i = 0; i < field.len; i++) {
		if (field.p[i] < '0' || field.p[i] > '9' || i == 9)
			return hr_fail(err, HR_E_FORMAT, "period \"%.*s\" is not a number of 1..9 digits", shown(field), field.p);
		value = value * 10 + (uint32_t)(field.p[i] - '0');
	}
	*ret_period = value;
	return true;
}

static struct hr_event ids_of(const struct hr_field *role)
{
	return (struct hr_event){
	        .user = (const uint8_t *)role[HR_ROLE_USER].p,
	        .item = (const uint8_t *)role[HR_ROLE_ITEM].p,
	        .id = (const uint8_t *)role[HR_ROLE_ID].p,
	        .session = (const uint8_t *)role[HR_ROLE_SESSION].p,
	        .user_len = role[HR_ROLE_USER].len,
	        .item_len = role[HR_ROLE_ITEM].len,
	        .id_len = role[HR_ROLE_ID].len,
	        .session_len = role[HR_ROLE_SESSION].len,
	};
}

static bool to_event(const struct hr_rows *r, const struct hr_field *role, struct hr_event *ret_event, uint32_t *ret_period,
                     struct hr_error *err)
{
	struct hr_event e = ids_of(role);
	uint32_t period = 0;

	if (!take_time(r, role[HR_ROLE_TIME], &e.time_ms, err) || !take_kind(r, role[HR_ROLE_KIND], &e.kind, err) ||
	    !take_weight(role[HR_ROLE_WEIGHT], &e.weight, err) || !take_period(role[HR_ROLE_PERIOD], &period, err))
		return false;
	const enum hr_reject why = hr_event_check(&e);
	if (why != HR_ACCEPTED)
		return hr_fail(err, HR_E_FORMAT, "%s", hr_reject_text(why));
	*ret_event = e;
	if (ret_period != NULL)
		*ret_period = period;
	return true;
}

/* ---- lines to fields ---- */

static bool split(struct hr_rows *r, char *line, size_t len, struct hr_field *ret_field, size_t *ret_count,
                  struct hr_error *err)
{
	if (r->config.format == HR_ROWS_CSV)
		return hr_fields_csv(line, len, ret_field, ret_count, err);
	*ret_count = hr_fields_tsv(line, len, ret_field);
	return true;
}

static bool line_to_roles(struct hr_rows *r, char *line, size_t len, struct hr_field *role, struct hr_error *err)
{
	struct hr_field field[HR_COLUMNS_MAX];
	size_t count;

	if (r->config.format == HR_ROWS_JSONL)
		return hr_fields_json(&r->columns, line, len, &r->scratch, role, err);
	return split(r, line, len, field, &count, err) && hr_fields_by_role(&r->columns, field, count, role, err);
}

/* The next word of the line's rest, "" when there is none. */
static struct hr_field next_word(struct hr_field *rest)
{
	while (rest->len != 0 && (*rest->p == ' ' || *rest->p == '\t')) {
		rest->p++;
		rest->len--;
	}
	struct hr_field word = {rest->p, 0};
	while (word.len < rest->len && word.p[word.len] != ' ' && word.p[word.len] != '\t')
		word.len++;
	rest->p += word.len;
	rest->len -= word.len;
	return word;
}

static bool next_of_sequence(struct hr_rows *r, struct hr_field *role)
{
	memset(role, 0, HR_ROLE_COUNT * sizeof *role);
	role[HR_ROLE_USER] = r->user;
	role[HR_ROLE_ITEM] = next_word(&r->rest);
	return role[HR_ROLE_ITEM].len != 0;
}

static bool take_header(struct hr_rows *r, char *line, size_t len, struct hr_error *err)
{
	struct hr_field field[HR_COLUMNS_MAX];
	size_t count;

	return !r->columns_from_header ||
	       (split(r, line, len, field, &count, err) && hr_columns_from_header(field, count, &r->columns, err));
}

/* The next line that holds a row: not blank, not the header. */
static bool next_line(struct hr_rows *r, char **ret_line, size_t *ret_len, bool *ret_end, struct hr_error *err)
{
	for (;;) {
		if (!hr_lines_next(r->lines, r->config.format == HR_ROWS_CSV, ret_line, ret_len, &r->number, ret_end, err))
			return hr_context(err, "%.300s", r->path);
		if (*ret_end)
			return true;
		if (r->at_start && *ret_len >= 3 && memcmp(*ret_line, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark */
			*ret_line += 3;
			*ret_len -= 3;
		}
		const bool header = r->at_start && r->config.header && *ret_len != 0;
		if (header && !take_header(r, *ret_line, *ret_len, err))
			return hr_context(err, "%.300s", r->path);
		r->at_start = r->at_start && *ret_len == 0;
		if (*ret_len != 0 && !header)
			return true;
	}
}

static bool at_line(const struct hr_rows *r, struct hr_error *err)
{
	return hr_context(err, "%.300s: line %llu", r->path, (unsigned long long)r->number);
}

static bool next_roles(struct hr_rows *r, struct hr_field *role, bool *ret_end, struct hr_error *err)
{
	const bool sequences = r->config.format == HR_ROWS_SEQUENCES;
	char *line;
	size_t len;

	*ret_end = false;
	while (!sequences || !next_of_sequence(r, role)) {
		if (!next_line(r, &line, &len, ret_end, err))
			return false;
		if (*ret_end)
			return true;
		if (!sequences)
			return line_to_roles(r, line, len, role, err) || at_line(r, err);
		r->rest = (struct hr_field){line, len};
		r->user = next_word(&r->rest);
	}
	return true;
}

bool hr_rows_next(struct hr_rows *r, struct hr_event *ret_event, uint32_t *ret_period, bool *ret_end, struct hr_error *err)
{
	struct hr_field role[HR_ROLE_COUNT];

	const bool found = next_roles(r, role, ret_end, err);
	if (found && *ret_end)
		return true;
	const bool ok = found && (to_event(r, role, ret_event, ret_period, err) || at_line(r, err));
	r->row++;
	return ok;
}
