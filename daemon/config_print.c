/* The configuration as text: what is in force, and the commented sample file. */
#include "daemon/config_priv.h"

#include <string.h>

static const struct section {
	const char *name, *help;
} sections[] = {
#define SECTION(name_, help_) {name_, help_},
        HR_SECTIONS(SECTION)
#undef SECTION
};

/* Length of the character at p and its number; a byte that begins none is taken as it is. */
static size_t character(const char *p, size_t left, uint32_t *ret_number)
{
	const unsigned char lead = (unsigned char)p[0];
	const size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
	uint32_t number = len == 1 ? lead : lead & (0x7fu >> len);

	if (len > left || len == 1) {
		*ret_number = lead;
		return 1;
	}
	for (size_t i = 1; i < len; i++)
		number = number << 6 | ((unsigned char)p[i] & 0x3f);
	*ret_number = number;
	return len;
}

/* Not printable in YAML, or read as a line break or a byte order mark. */
static bool needs_escape(uint32_t c)
{
	return (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff || c == 0xfffe || c == 0xffff;
}

/* Plain where YAML reads it back as the same text, else double-quoted; "${" is kept from being expanded. */
static void print_scalar(FILE *out, const char *text, size_t len)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./";
	uint32_t number;

	if (len != 0 && text[0] != '-' && strspn(text, plain) >= len) {
		(void)fprintf(out, "%.*s", (int)len, text);
		return;
	}
	(void)fputc('"', out);
	for (size_t i = 0; i < len;) {
		const size_t bytes = character(text + i, len - i, &number);

		if (text[i] == '"' || text[i] == '\\')
			(void)fputc('\\', out);
		if (text[i] == '$' && i + 1 < len && text[i + 1] == '{')
			(void)fputc('$', out);
		if (needs_escape(number))
			(void)fprintf(out, "\\u%04x", (unsigned)number);
		else
			(void)fwrite(text + i, 1, bytes, out);
		i += bytes;
	}
	(void)fputc('"', out);
}

static bool secret(const char *pair, size_t name_len)
{
	static const char *const marks[] = {"password", "secret", "key.pem", "token", "oauthbearer.config"};

	for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
		const char *at = strstr(pair, marks[i]);
		if (at != NULL && at < pair + name_len)
			return true;
	}
	return false;
}

static void print_properties(FILE *out, const struct hr_setting *row, const struct hr_strings *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *pair = list->p[i];
		const size_t name = strcspn(pair, "=");

		(void)fprintf(out, "%s.%.*s: ", row->key, (int)name, pair);
		if (secret(pair, name))
			(void)fputs("[hidden]", out);
		else
			print_scalar(out, pair + name + 1, strlen(pair + name + 1));
		(void)fputc('\n', out);
	}
}

void hr_config_print(const struct hr_config *c, FILE *out, bool with_origin)
{
	struct hr_buf text = {0};

	for (size_t i = 0; i < HR_SETTING_COUNT; i++) {
		const struct hr_setting *row = &hr_settings[i];

		if (with_origin && c->where[i] != NULL)
			(void)fprintf(out, "# %s\n", c->where[i]);
		if (row->type == HR_TYPE_LIST) {
			print_properties(out, row, hr_setting_member(row, c));
			continue;
		}
		hr_buf_clear(&text);
		hr_setting_format(row, hr_setting_member(row, c), &text);
		hr_buf_u8(&text, '\0');
		(void)fprintf(out, "%s: ", row->key);
		print_scalar(out, (const char *)text.p, text.len - 1);
		(void)fputc('\n', out);
	}
	hr_buf_fini(&text);
}

/* ---- the sample ---- */

enum { SAMPLE_COLUMNS = 120 };

/* One paragraph of comment, wrapped. */
static void print_comment(FILE *out, int indent, const char *text)
{
	size_t column = 0;

	while (*text != '\0') {
		const size_t word = strcspn(text, " ");

		if (column == 0 || column + 1 + word > SAMPLE_COLUMNS) {
			if (column != 0)
				(void)fputc('\n', out);
			column = (size_t)fprintf(out, "%*s#", indent, "");
		}
		column += (size_t)fprintf(out, " %.*s", (int)word, text);
		text += word;
		text += strspn(text, " ");
	}
	(void)fputc('\n', out);
}

/* The sentence, the bounds, and whether a state is bound to the value; NUL-terminated. */
static void put_help(struct hr_buf *text, const struct hr_setting *row)
{
	hr_buf_clear(text);
	hr_buf_bytes(text, row->help, strlen(row->help));
	if (row->type != HR_TYPE_STRING && row->type != HR_TYPE_LIST && row->type != HR_TYPE_BOOL) {
		hr_buf_bytes(text, " (", 2);
		hr_setting_format_bounds(row, text);
		hr_buf_u8(text, ')');
	}
	if ((row->flags & HR_SETTING_TRAINING) != 0)
		hr_buf_bytes(text, " [fixed]", 8);
	hr_buf_u8(text, '\0');
}

static void print_help(FILE *out, int indent, const struct hr_setting *row)
{
	struct hr_buf text = {0};

	put_help(&text, row);
	print_comment(out, indent, (const char *)text.p);
	hr_buf_fini(&text);
}

static void print_sample_row(FILE *out, int indent, const struct hr_setting *row)
{
	const bool required = (row->flags & HR_SETTING_REQUIRED) != 0;
	const char *value = required ? row->words : row->initial;

	print_help(out, indent, row);
	(void)fprintf(out, "%*s%s%s: ", indent, "", required ? "" : "#", strrchr(row->key, '.') + 1);
	if (row->type == HR_TYPE_LIST)
		(void)fputs("{}", out);
	else
		print_scalar(out, value, strlen(value));
	(void)fputc('\n', out);
}

static bool in_section(const struct section *section, const char *key)
{
	const size_t len = strlen(section->name);

	return strncmp(key, section->name, len) == 0 && key[len] == '.' && strchr(key + len + 1, '.') == NULL;
}

/* "events.json" is printed below "events", one level deeper. */
static void print_section(FILE *out, const struct section *section)
{
	const char *dot = strchr(section->name, '.');
	const int indent = dot == NULL ? 0 : 2;

	if (indent == 0)
		(void)fputc('\n', out);
	print_comment(out, indent, section->help);
	(void)fprintf(out, "%*s%s:\n", indent, "", dot == NULL ? section->name : dot + 1);
	for (size_t i = 0; i < HR_SETTING_COUNT; i++) {
		if (in_section(section, hr_settings[i].key))
			print_sample_row(out, indent + 2, &hr_settings[i]);
	}
}

void hr_config_sample(FILE *out)
{
	(void)fputs("# headrace.conf - settings of headraced, as `headrace config sample` prints them.\n"
	            "#\n"
	            "# A line that is commented out shows the default. Stronger than this file are environment variables\n"
	            "# (HEADRACE__MODEL__WIDTH=128), and --set model.width=128 is stronger still; `headrace config show` tells what is in\n"
	            "# force and why. ${VAR}, ${VAR:-default} and ${VAR:?message} inside a value are replaced from the environment.\n"
	            "# [fixed]: training depends on it, so a state that was made under another value is refused.\n",
	            out);
	for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
		print_section(out, &sections[i]);
}

/* ---- the manual page ---- */

/* Text for troff: no hyphen it may break at, no backslash or leading dot it would act on. */
static void print_roff(FILE *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		(void)fputs("\\&", out);
	for (; *text != '\0'; text++) {
		if (*text == '-')
			(void)fputs("\\-", out);
		else if (*text == '\\')
			(void)fputs("\\e", out);
		else
			(void)fputc(*text, out);
	}
	(void)fputc('\n', out);
}

static void print_man_row(FILE *out, const struct hr_setting *row)
{
	struct hr_buf text = {0};

	put_help(&text, row);
	(void)fputs(".TP\n.B ", out);
	print_roff(out, row->key);
	print_roff(out, (const char *)text.p);
	if (row->initial[0] != '\0') {
		(void)fputs("Default:\n.IR ", out);
		print_roff(out, row->initial);
	}
	hr_buf_fini(&text);
}

static const char man_front[] =
	".TH HEADRACE.CONF 5 \"\" \"headrace\" \"File formats\"\n"
	".SH NAME\nheadrace.conf \\- settings of headraced\n"
	".SH DESCRIPTION\n"
	"A YAML file of maps, lists and scalars. Keys may be nested, one map for each section, or written with dots.\n"
	"An unknown key, a key that is set twice, a value of the wrong type or outside its bounds, anchors, aliases and tags stop\n"
	"the start, with their line and column.\n"
	".PP\n"
	"Stronger than the file are environment variables (HEADRACE_\\|_MODEL_\\|_WIDTH=128: two underscores stand for a dot), and\n"
	"stronger still is\n.BR \\-\\-set .\n"
	".B headrace config show\nprints what is in force, and where each value comes from.\n"
	".PP\n"
	"${VAR}, ${VAR:\\-default} and ${VAR:?message} inside a value are replaced from the environment; an unset variable\n"
	"without a default is an error, and $${ stands for a plain ${. Durations: 500ms, 5s, 10m, 2h, 7d, 2w. Sizes: 512B, 64KiB,\n"
	"16MiB, 2GiB.\n"
	".PP\n"
	"[fixed]: training depends on it, so a state that was made under another value is refused.\n"
	".SH SETTINGS\n";

void hr_config_man(FILE *out)
{
	(void)fputs(man_front, out);
	for (size_t k = 0; k < sizeof sections / sizeof sections[0]; k++) {
		(void)fprintf(out, ".SS %s\n", sections[k].name);
		print_roff(out, sections[k].help);
		for (size_t i = 0; i < HR_SETTING_COUNT; i++) {
			if (in_section(&sections[k], hr_settings[i].key))
				print_man_row(out, &hr_settings[i]);
		}
	}
}
