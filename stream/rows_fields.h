/* stream/rows_fields.h - one line of a file to the texts of its roles. */
#ifndef HR_STREAM_ROWS_FIELDS_H
#define HR_STREAM_ROWS_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

enum hr_role { HR_ROLE_TIME, HR_ROLE_USER, HR_ROLE_ITEM, HR_ROLE_KIND, HR_ROLE_WEIGHT, HR_ROLE_SESSION, HR_ROLE_ID,
	       HR_ROLE_PERIOD, HR_ROLE_COUNT, HR_ROLE_SKIP = HR_ROLE_COUNT };

enum { HR_COLUMNS_MAX = 64, HR_MEMBER_MAX = 128 };

/** Which column (or JSON member) plays which role. */
struct hr_columns {
	size_t count;
	enum hr_role role[HR_COLUMNS_MAX];
	bool has[HR_ROLE_COUNT];
	char member[HR_ROLE_COUNT][HR_MEMBER_MAX]; /* JSONL: dotted path, "" for none */
};

/** A text; p is NULL when the line has none. Borrowed from the line or from the scratch buffer. */
struct hr_field {
	const char *p;
	size_t len;
};

/** "time,user,-,item" or "time user - item". HR_E_CONFIG for an unknown or repeated role, or without user and item. */
HR_MUST_USE bool hr_columns_parse(const char *text, struct hr_columns *ret_columns, struct hr_error *err);
/** As above, for names of a header line that are not roles: these are skipped. */
HR_MUST_USE bool hr_columns_from_header(const struct hr_field *name, size_t count, struct hr_columns *ret_columns,
                                        struct hr_error *err);
/** "member=role,payload.uid=user", or NULL for members that are named as their roles. */
HR_MUST_USE bool hr_columns_parse_json(const char *text, struct hr_columns *ret_columns, struct hr_error *err);

/** The fields of a line, at most HR_COLUMNS_MAX; further ones are not looked at. Returns how many. */
size_t hr_fields_tsv(const char *line, size_t len, struct hr_field *ret_field);
/** RFC 4180; unquotes inside line. HR_E_FORMAT when a quote stands inside a bare field or text behind a closing one. */
HR_MUST_USE bool hr_fields_csv(char *line, size_t len, struct hr_field *ret_field, size_t *ret_count, struct hr_error *err);

/** Fields by role. HR_E_FORMAT when the line has fewer fields than there are columns. */
HR_MUST_USE bool hr_fields_by_role(const struct hr_columns *columns, const struct hr_field *field, size_t count,
                                   struct hr_field *ret_role, struct hr_error *err);
/** Members by role; strings and numbers only. Texts are put into scratch. */
HR_MUST_USE bool hr_fields_json(const struct hr_columns *columns, const char *line, size_t len, struct hr_buf *scratch,
                                struct hr_field *ret_role, struct hr_error *err);

#endif
