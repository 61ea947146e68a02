/* headrace config: what is in force and why, the sample file, the manual page, and whether a file would be accepted. */
#include "daemon/tool.h"

#include <stdio.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/options.h"

struct config_options {
	char *config;
	struct hr_strings set;
};

static const struct hr_setting rows[] = {
        HR_OPTION(struct config_options, config, "config", STRING, NULL, 1, 4096, "FILE", "The file to read; none without it."),
        HR_OPTION(struct config_options, set, "set", LIST, NULL, 0, 65536, "KEY=VALUE", "Set one setting; may be given again."),
};

static const struct hr_options options = {
        .command = "headrace config",
        .usage = "usage: headrace config show|check|sample|man [--config FILE] [--set KEY=VALUE]\n"
                 "\n"
                 "  show    every setting in force, with where it comes from: a file that can be read back\n"
                 "  check   exit code 0 when headraced would accept this configuration, 78 with the reason when not\n"
                 "  sample  the commented sample file\n"
                 "  man     the manual page headrace.conf(5)\n",
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
};

static bool load(struct hr_config *c, const struct config_options *o, struct hr_error *err)
{
	return hr_config_load(c, o->config, (const char *const *)o->set.p, o->set.count, err);
}

static size_t changed(const struct hr_config *c)
{
	size_t n = 0;

	for (size_t i = 0; i < HR_SETTING_COUNT; i++)
		n += c->origin[i] != HR_FROM_DEFAULT;
	return n;
}

/* A configuration that lacks something (state.dir) is still worth seeing; the reason and the exit code tell. */
static int show(struct hr_config *c, const struct config_options *o)
{
	struct hr_error err;
	const bool ok = load(c, o, &err);

	hr_config_print(c, stdout, true);
	return ok ? HR_EXIT_OK : hr_options_fail(&options, &err);
}

static int check(struct hr_config *c, const struct config_options *o)
{
	struct hr_error err;

	if (!load(c, o, &err))
		return hr_options_fail(&options, &err);
	(void)printf("accepted: %zu settings given, %zu defaults\n", changed(c), HR_SETTING_COUNT - changed(c));
	return HR_EXIT_OK;
}

static int run(const char *what, const struct config_options *o)
{
	struct hr_config c;
	int code;

	hr_config_init(&c);
	if (strcmp(what, "show") == 0) {
		code = show(&c, o);
	} else if (strcmp(what, "check") == 0) {
		code = check(&c, o);
	} else if (strcmp(what, "sample") == 0) {
		hr_config_sample(stdout);
		code = HR_EXIT_OK;
	} else if (strcmp(what, "man") == 0) {
		hr_config_man(stdout);
		code = HR_EXIT_OK;
	} else {
		code = hr_options_misuse(&options, "\"%s\" is not one of show, check, sample, man", what);
	}
	hr_config_fini(&c);
	return code;
}

int hr_cmd_config(int argc, char **argv)
{
	struct config_options o = {0};
	int first, code;

	if (hr_options_read(&options, &o, argc, argv, &first, &code))
		code = argc - first == 1 ? run(argv[first], &o) : hr_options_misuse(&options, "one of show, check, sample, man is needed");
	hr_options_fini(&options, &o);
	return code;
}
