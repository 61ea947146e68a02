/* Texts to values and back, by the type of the row. One parser for defaults, files, environment and --set. */
#include "daemon/config_priv.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

struct unit {
	const char *name;
	double size;
};

/* Ascending; format takes the largest that divides the value. */
static const struct unit duration_units[] = {{"ms", 1},          {"s", 1e3},         {"m", 60e3},
                                             {"h", HR_MS_HOUR},  {"d", HR_MS_DAY},   {"w", 7 * HR_MS_DAY}};
static const struct unit byte_units[] = {{"B", 1}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
enum { DURATION_UNITS = 5, BYTE_UNITS = 5 }; /* that are written; weeks are only read */

HR_PRINTF(2, 3) static void print(struct hr_buf *out, const char *fmt, ...)
{
	char text[64];
	va_list ap;

	va_start(ap, fmt);
	const int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	HR_ASSERT(n >= 0 && (size_t)n < sizeof text);
	hr_buf_bytes(out, text, (size_t)n);
}

static void put_text(struct hr_buf *out, const char *s) { hr_buf_bytes(out, s, strlen(s)); }

static void format_units(struct hr_buf *out, double value, const struct unit *units, size_t count)
{
	size_t best = 0;

	for (size_t i = 1; value != 0 && i < count; i++) {
		if (fmod(value, units[i].size) == 0)
			best = i;
	}
	print(out, "%.0f%s", value / units[best].size, units[best].name);
}

static void format_bound(const struct hr_setting *row, double bound, struct hr_buf *out)
{
	switch (row->type) {
	case HR_TYPE_DURATION: format_units(out, bound, duration_units, DURATION_UNITS); break;
	case HR_TYPE_BYTES: format_units(out, bound, byte_units, BYTE_UNITS); break;
	case HR_TYPE_F32:
	case HR_TYPE_F64: print(out, "%g", bound); break;
	case HR_TYPE_U64: print(out, "%llu", bound >= 0x1p64 ? ULLONG_MAX : (unsigned long long)bound); break;
	default: print(out, "%.0f", bound); break;
	}
}

static void format_words(const struct hr_setting *row, struct hr_buf *out)
{
	put_text(out, "one of: ");
	for (const char *w = row->words; *w != '\0'; w++)
		put_text(out, *w == '|' ? ", " : (const char[]){*w, '\0'});
}

static void format_range(const struct hr_setting *row, struct hr_buf *out)
{
	format_bound(row, row->min, out);
	put_text(out, "..");
	format_bound(row, row->max, out);
}

void hr_setting_format_bounds(const struct hr_setting *row, struct hr_buf *out)
{
	switch (row->type) {
	case HR_TYPE_ENUM: format_words(row, out); break;
	case HR_TYPE_BOOL: put_text(out, "true or false"); break;
	case HR_TYPE_STRING:
	case HR_TYPE_LIST: break;
	default:
		format_range(row, out);
		if (row->words[0] != '\0')
			put_text(out, " ");
		put_text(out, row->words);
		break;
	}
}

static bool outside(const struct hr_setting *row, const char *text, struct hr_error *err)
{
	struct hr_buf bounds = {0};

	hr_setting_format_bounds(row, &bounds);
	(void)hr_fail(err, HR_E_CONFIG, "%s is outside %.*s", text, (int)bounds.len, (const char *)bounds.p);
	hr_buf_fini(&bounds);
	return false;
}

static bool wrong(const char *text, const char *what, struct hr_error *err)
{
	return hr_fail(err, HR_E_CONFIG, "\"%.200s\" is not %s", text, what);
}

/* strtod also reads spaces, hexadecimal, inf and nan; a setting is digits. */
static bool starts_number(const char *s)
{
	if (*s == '-')
		s++;
	return (*s >= '0' && *s <= '9' && s[1] != 'x' && s[1] != 'X') || (*s == '.' && s[1] >= '0' && s[1] <= '9');
}

static bool parse_double(const char *text, char **ret_end, double *ret_value)
{
	if (!starts_number(text))
		return false;
	const double value = strtod(text, ret_end);
	*ret_value = value;
	return isfinite(value);
}

static bool parse_float(const struct hr_setting *row, const char *text, double *ret_value, struct hr_error *err)
{
	char *end;

	if (!parse_double(text, &end, ret_value) || *end != '\0')
		return wrong(text, "a number", err);
	return (*ret_value >= row->min && *ret_value <= row->max) || outside(row, text, err);
}

static bool parse_whole(const struct hr_setting *row, const char *text, uint64_t *ret_value, struct hr_error *err)
{
	const size_t digits = strspn(text + (text[0] == '-'), "0123456789");

	if (digits == 0 || text[digits + (text[0] == '-')] != '\0')
		return wrong(text, "a whole number", err);
	errno = 0;
	const uint64_t value = strtoull(text, NULL, 10);
	if (text[0] == '-' || errno == ERANGE || (double)value < row->min || (double)value > row->max)
		return outside(row, text, err);
	*ret_value = value;
	return true;
}

static const struct unit *find_unit(const char *name, const struct unit *units, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(name, units[i].name) == 0)
			return &units[i];
	}
	return NULL;
}

/* A number with its unit; a bare 0 needs none. */
static bool parse_units(const struct hr_setting *row, const char *text, const struct unit *units, size_t count,
                        const char *what, double *ret_value, struct hr_error *err)
{
	char *end;
	double value;

	if (!parse_double(text, &end, &value))
		return wrong(text, what, err);
	const struct unit *unit = *end == '\0' && value == 0 ? &units[0] : find_unit(end, units, count);
	if (unit == NULL)
		return wrong(text, what, err);
	value = nearbyint(value * unit->size);
	if (value < row->min || value > row->max)
		return outside(row, text, err);
	*ret_value = value;
	return true;
}

static bool parse_bool(const char *text, bool *ret_value, struct hr_error *err)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*ret_value = i % 2 == 1;
			return true;
		}
	}
	return wrong(text, "true or false", err);
}

static bool parse_word(const struct hr_setting *row, const char *text, uint32_t *ret_value, struct hr_error *err)
{
	const char *w = row->words;

	for (uint32_t i = 0;; i++, w++) {
		const size_t len = strcspn(w, "|");
		if (strlen(text) == len && memcmp(text, w, len) == 0) {
			*ret_value = i;
			return true;
		}
		w += len;
		if (*w == '\0')
			break;
	}
	struct hr_buf words = {0};
	format_words(row, &words);
	(void)hr_fail(err, HR_E_CONFIG, "\"%.200s\" is not %.*s", text, (int)words.len, (const char *)words.p);
	hr_buf_fini(&words);
	return false;
}

static char *copy(const char *text)
{
	const size_t bytes = strlen(text) + 1;

	return memcpy(hr_alloc(bytes, 1), text, bytes);
}

static bool parse_string(const struct hr_setting *row, const char *text, char **member, struct hr_error *err)
{
	const double len = (double)strlen(text);

	for (const char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return hr_fail(err, HR_E_CONFIG, "the text holds a control character");
	}
	if (len < row->min || len > row->max)
		return hr_fail(err, HR_E_CONFIG, "a text of %.0f characters is outside %.0f..%.0f", len, row->min, row->max);
	hr_free(*member);
	*member = copy(text);
	return true;
}

/* A later property of the same name takes the place of the earlier one. */
static bool parse_property(const struct hr_setting *row, const char *text, struct hr_strings *list, struct hr_error *err)
{
	static const char name_chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	const size_t name = strspn(text, name_chars);
	size_t at = 0;

	if (text[name] != '=' || name == 0)
		return wrong(text, "name=value", err);
	while (at < list->count && strncmp(list->p[at], text, name + 1) != 0)
		at++;
	char *old = at < list->count ? list->p[at] : NULL;
	if (old == NULL) {
		list->p = hr_grow(list->p, &list->cap, list->count + 2, sizeof *list->p);
		list->p[at] = NULL;
	}
	if (!parse_string(row, text, &list->p[at], err))
		return false;
	if (old == NULL)
		list->count++;
	return true;
}

bool hr_setting_parse(const struct hr_setting *row, void *member, const char *text, struct hr_error *err)
{
	uint64_t whole = 0;
	double real = 0;

	switch (row->type) {
	case HR_TYPE_BOOL: return parse_bool(text, member, err);
	case HR_TYPE_ENUM: return parse_word(row, text, member, err);
	case HR_TYPE_STRING: return parse_string(row, text, member, err);
	case HR_TYPE_LIST: return parse_property(row, text, member, err);
	case HR_TYPE_U32:
		if (!parse_whole(row, text, &whole, err))
			return false;
		*(uint32_t *)member = (uint32_t)whole;
		return true;
	case HR_TYPE_U64: return parse_whole(row, text, member, err);
	case HR_TYPE_F32:
		if (!parse_float(row, text, &real, err))
			return false;
		*(float *)member = (float)real;
		return true;
	case HR_TYPE_F64: return parse_float(row, text, member, err);
	case HR_TYPE_DURATION:
		if (!parse_units(row, text, duration_units, DURATION_UNITS + 1, "a duration such as 500ms, 5s, 10m, 2h or 7d",
		                 &real, err))
			return false;
		*(int64_t *)member = (int64_t)real;
		return true;
	case HR_TYPE_BYTES:
		if (!parse_units(row, text, byte_units, BYTE_UNITS, "a size such as 64KiB, 16MiB or 2GiB", &real, err))
			return false;
		*(uint64_t *)member = (uint64_t)real;
		return true;
	}
	return false;
}

/* The fewest digits that read back as the same number. */
static void format_float(struct hr_buf *out, double value, bool narrow)
{
	char text[40];

	for (int digits = 1; digits <= 17; digits++) {
		(void)snprintf(text, sizeof text, "%.*g", digits, value);
		const double back = strtod(text, NULL);
		if (narrow ? (float)back == (float)value : back >= value && back <= value)
			break;
	}
	put_text(out, text);
}

static void format_word(const struct hr_setting *row, uint32_t index, struct hr_buf *out)
{
	const char *w = row->words;

	for (uint32_t i = 0; i < index; i++)
		w += strcspn(w, "|") + 1;
	hr_buf_bytes(out, w, strcspn(w, "|"));
}

static void format_list(const struct hr_strings *list, struct hr_buf *out)
{
	for (size_t i = 0; i < list->count; i++) {
		put_text(out, list->p[i]);
		hr_buf_u8(out, '\n');
	}
}

void hr_setting_format(const struct hr_setting *row, const void *member, struct hr_buf *out)
{
	switch (row->type) {
	case HR_TYPE_BOOL: put_text(out, *(const bool *)member ? "true" : "false"); break;
	case HR_TYPE_ENUM: format_word(row, *(const uint32_t *)member, out); break;
	case HR_TYPE_STRING: put_text(out, *(char *const *)member); break;
	case HR_TYPE_LIST: format_list(member, out); break;
	case HR_TYPE_U32: print(out, "%u", *(const uint32_t *)member); break;
	case HR_TYPE_U64: print(out, "%llu", (unsigned long long)*(const uint64_t *)member); break;
	case HR_TYPE_F32: format_float(out, (double)*(const float *)member, true); break;
	case HR_TYPE_F64: format_float(out, *(const double *)member, false); break;
	case HR_TYPE_DURATION:
		format_units(out, (double)*(const int64_t *)member, duration_units, DURATION_UNITS);
		break;
	case HR_TYPE_BYTES: format_units(out, (double)*(const uint64_t *)member, byte_units, BYTE_UNITS); break;
	}
}
