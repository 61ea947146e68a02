/* headrace - the command line: one subcommand, one function. */
#include <stdio.h>
#include <string.h>

#include "daemon/nearest.h"
#include "daemon/tool.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *does;
} commands[] = {
	{"demo", hr_cmd_demo, "broker, traffic, training and queries in one process, with no set-up"},
	{"produce", hr_cmd_produce, "events from a TSV, CSV or JSONL file to a topic"},
	{"simulate", hr_cmd_simulate, "the events of a simulated shop to a topic"},
	{"query", hr_cmd_query, "ask a running daemon: vectors, neighbours, recommendations"},
	{"config", hr_cmd_config, "the settings in force, the sample file, and whether a file is accepted"},
	{"state", hr_cmd_state, "look into a state"},
	{"verify", hr_cmd_verify, "is a state what its log says? Recomputed, and compared at every barrier"},
	{"checkpoint", hr_cmd_checkpoint, "states of earlier times: list them, make one, take the state back to one"},
	{"forget", hr_cmd_forget, "have users forgotten"},
	{"torture", hr_cmd_torture, "what crashes, power cuts and bad bits leave of a state on your disk"},
	{"evaluate", hr_cmd_evaluate, "published protocols on a file, with the code of the daemon"},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void print_help(FILE *out)
{
	(void)fputs("usage: headrace COMMAND ...\n\n", out);
	for (size_t i = 0; i < COMMANDS; i++)
		(void)fprintf(out, "  %-12s%s\n", commands[i].name, commands[i].does);
	(void)fputs("\nheadrace COMMAND --help tells more. The daemon itself is headraced.\n", out);
}

static int unknown(const char *name)
{
	struct hr_nearest nearest = hr_nearest_to(name);

	for (size_t i = 0; i < COMMANDS; i++)
		hr_nearest_offer(&nearest, commands[i].name);
	if (nearest.best != NULL)
		(void)fprintf(stderr, "headrace: \"%s\" is no command; did you mean %s?\n", name, nearest.best);
	else
		(void)fprintf(stderr, "headrace: \"%s\" is no command (headrace --help lists them)\n", name);
	return HR_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (name == NULL) {
		print_help(stderr);
		return HR_EXIT_USAGE;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		print_help(stdout);
		return HR_EXIT_OK;
	}
	if (strcmp(name, "--version") == 0) {
		(void)puts(PACKAGE_STRING);
		return HR_EXIT_OK;
	}
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	return unknown(name);
}
