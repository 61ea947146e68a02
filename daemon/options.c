#include "daemon/options.h"

#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/tool.h"

enum { OPTIONS_MAX = 48, HELP_COLUMN = 26, HELP_WIDTH = 100 };

int hr_options_fail(const struct hr_options *o, const struct hr_error *err)
{
	(void)fprintf(stderr, "%s: %s\n", o->command, err->msg);
	return hr_exit_code(err->code);
}

int hr_options_misuse(const struct hr_options *o, const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(stderr, "%s: ", o->command);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, " (%s --help tells more)\n", o->command);
	return HR_EXIT_USAGE;
}

static void *member_of(const struct hr_setting *row, void *into) { return (char *)into + row->offset; }

static void set_defaults(const struct hr_options *o, void *into)
{
	struct hr_error err;

	for (size_t i = 0; i < o->count; i++) {
		if (o->rows[i].initial != NULL)
			HR_ASSERT(hr_setting_parse(&o->rows[i], member_of(&o->rows[i], into), o->rows[i].initial, &err));
	}
}

static void fill_getopt(const struct hr_options *o, struct option *out)
{
	HR_ASSERT(o->count <= OPTIONS_MAX);
	for (size_t i = 0; i < o->count; i++)
		out[i] = (struct option){.name = o->rows[i].key,
		                         .has_arg = o->rows[i].type == HR_TYPE_BOOL ? no_argument : required_argument,
		                         .val = 256 + (int)i};
	out[o->count] = (struct option){.name = "help", .val = 'h'};
}

static bool take(const struct hr_options *o, const struct hr_setting *row, void *into, const char *text, int *ret_exit)
{
	struct hr_error err;

	if (hr_setting_parse(row, member_of(row, into), row->type == HR_TYPE_BOOL ? "true" : text, &err))
		return true;
	*ret_exit = hr_options_misuse(o, "--%s: %s", row->key, err.msg);
	return false;
}

bool hr_options_read(const struct hr_options *o, void *into, int argc, char **argv, int *ret_first, int *ret_exit)
{
	struct option options[OPTIONS_MAX + 2] = {0};

	set_defaults(o, into);
	fill_getopt(o, options);
	optind = 0; /* GNU: starts afresh */
	opterr = 0;
	for (;;) {
		const int at = optind == 0 ? 1 : optind, c = getopt_long(argc, argv, "h", options, NULL);

		if (c == -1) {
			*ret_first = optind;
			return true;
		}
		if (c == 'h') {
			hr_options_print(o, stdout);
			*ret_exit = HR_EXIT_OK;
			return false;
		}
		if (c < 256) {
			*ret_exit = hr_options_misuse(o, "%s is unknown, ambiguous or lacks its value", argv[at]);
			return false;
		}
		if (!take(o, &o->rows[c - 256], into, optarg, ret_exit))
			return false;
	}
}

/* The sentence, wrapped, beside the option's name. */
static void print_wrapped(FILE *out, size_t column, const char *text)
{
	bool first = true;

	if (column + 1 > HELP_COLUMN) {
		(void)fputc('\n', out);
		column = 0;
	}
	(void)fprintf(out, "%*s", HELP_COLUMN - (int)column, "");
	column = HELP_COLUMN;
	for (; *text != '\0'; first = false) {
		const size_t word = strcspn(text, " ");
		const bool wrap = !first && column + 1 + word > HELP_WIDTH;

		if (wrap)
			column = (size_t)fprintf(out, "\n%*s", HELP_COLUMN, "") - 1;
		column += (size_t)fprintf(out, "%s%.*s", first || wrap ? "" : " ", (int)word, text);
		text += word;
		text += strspn(text, " ");
	}
	(void)fputc('\n', out);
}

static void print_option(FILE *out, const struct hr_setting *row)
{
	struct hr_buf text = {0};
	const char *value = row->type == HR_TYPE_BOOL ? "" : row->words[0] != '\0' ? row->words : "N";
	const size_t column = (size_t)fprintf(out, "  --%s%s%s", row->key, value[0] != '\0' ? " " : "", value);

	hr_buf_bytes(&text, row->help, strlen(row->help));
	if (row->initial != NULL && row->initial[0] != '\0' && row->type != HR_TYPE_BOOL) {
		hr_buf_bytes(&text, " (", 2);
		hr_buf_bytes(&text, row->initial, strlen(row->initial));
		hr_buf_u8(&text, ')');
	}
	hr_buf_u8(&text, '\0');
	print_wrapped(out, column, (const char *)text.p);
	hr_buf_fini(&text);
}

void hr_options_print(const struct hr_options *o, FILE *out)
{
	(void)fprintf(out, "%s\n", o->usage);
	for (size_t i = 0; i < o->count; i++)
		print_option(out, &o->rows[i]);
}

static void free_list(struct hr_strings *list)
{
	for (size_t i = 0; i < list->count; i++)
		hr_free(list->p[i]);
	hr_free(list->p);
	*list = (struct hr_strings){0};
}

void hr_options_fini(const struct hr_options *o, void *into)
{
	for (size_t i = 0; i < o->count; i++) {
		char **text = member_of(&o->rows[i], into);

		if (o->rows[i].type == HR_TYPE_LIST) {
			free_list(member_of(&o->rows[i], into));
		} else if (o->rows[i].type == HR_TYPE_STRING) {
			hr_free(*text);
			*text = NULL;
		}
	}
}
