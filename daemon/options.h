/* daemon/options.h - the options of a command from one table, of the same rows as the settings: parser, bounds and help text. */
#ifndef HR_DAEMON_OPTIONS_H
#define HR_DAEMON_OPTIONS_H

#include <stdio.h>

#include "daemon/config_priv.h"

/**
 * A row: key is the long name, initial its default (NULL: the member stays zero), words its unit, its words, or what stands
 * for the value in the help text. A BOOL takes no value, a LIST may be given again.
 */
struct hr_options {
	const char *command; /* "headrace produce": front of messages */
	const char *usage;   /* what stands above and between the options in --help */
	const struct hr_setting *rows;
	size_t count;
};

/** HR_OPTION(struct mine, rate, "rate", F64, "0", 0, 1e9, "events/s", "Sentence.") */
#define HR_OPTION(type_, member, key_, kind, initial_, min_, max_, words_, help_) \
	{.key = key_, .initial = initial_, .words = words_, .help = help_, .min = min_, .max = max_, \
	 .offset = offsetof(type_, member), .type = HR_TYPE_##kind}

/**
 * Fills into, which is zero, with defaults and then with what is given.
 * @param ret_first  index of the first argument that is no option (options and arguments may be mixed)
 * @param ret_exit   when false is returned: what the program ends with. --help has been printed, or the mistake was told.
 */
HR_MUST_USE bool hr_options_read(const struct hr_options *o, void *into, int argc, char **argv, int *ret_first, int *ret_exit);
void hr_options_print(const struct hr_options *o, FILE *out);
/** Loads the daemon's configuration for a command, with another state.dir. */
HR_MUST_USE bool hr_options_config(struct hr_config *c, const char *path, const struct hr_strings *set, const char *state_dir,
                                   struct hr_error *err);

void hr_options_fini(const struct hr_options *o, void *into);

/** Prints "headrace produce: message" and gives hr_exit_code() of it. */
int hr_options_fail(const struct hr_options *o, const struct hr_error *err);
/** The same for a mistake in the arguments: 64, with a word on --help. */
int hr_options_misuse(const struct hr_options *o, const char *fmt, ...) HR_PRINTF(2, 3);

#endif
