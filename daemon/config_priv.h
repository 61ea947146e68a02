/* daemon/config_priv.h - what the files of the configuration share: the rows of the table, and texts to values and back. */
#ifndef HR_DAEMON_CONFIG_PRIV_H
#define HR_DAEMON_CONFIG_PRIV_H

#include "base/buf.h"
#include "daemon/config.h"

enum hr_setting_type {
	HR_TYPE_BOOL,
	HR_TYPE_U32,
	HR_TYPE_U64,
	HR_TYPE_F32,
	HR_TYPE_F64,
	HR_TYPE_STRING,
	HR_TYPE_ENUM,
	HR_TYPE_DURATION,
	HR_TYPE_BYTES,
	HR_TYPE_LIST,
};

enum { HR_SETTING_TRAINING = 1, HR_SETTING_REQUIRED = 2 };

struct hr_setting {
	const char *key, *initial, *words, *help;
	double min, max;
	size_t offset;
	enum hr_setting_type type;
	unsigned flags;
};

extern const struct hr_setting hr_settings[HR_SETTING_COUNT];

static inline const void *hr_setting_member(const struct hr_setting *row, const struct hr_config *c)
{
	return (const char *)c + row->offset;
}

/** Sets a member from text; HR_E_CONFIG "value is outside min..max unit". A LIST takes one "name=value". */
HR_MUST_USE bool hr_setting_parse(const struct hr_setting *row, void *member, const char *text, struct hr_error *err);
/** Appends the canonical text of a value: parsing it gives the value again. A LIST: its items, each ended by a newline. */
void hr_setting_format(const struct hr_setting *row, const void *member, struct hr_buf *out);
/** Appends "32..256 numbers", "one of: a, b", or nothing for a type without bounds. */
void hr_setting_format_bounds(const struct hr_setting *row, struct hr_buf *out);
/** "--set", a file's place or a variable's name; then the rest as hr_config_set. */
HR_MUST_USE bool hr_config_put(struct hr_config *c, const char *key, const char *text, enum hr_origin origin,
                               const char *where, struct hr_error *err);
/** True when some key begins with "name.". */
bool hr_config_is_section(const char *name);
/** The key that is nearest to what was written, or NULL when nothing is near. */
const char *hr_config_nearest(const char *key);

#endif
