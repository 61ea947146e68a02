/* daemon/tool.h - the subcommands of `headrace`, one function each. argv[0] is the subcommand's name. */
#ifndef HR_DAEMON_TOOL_H
#define HR_DAEMON_TOOL_H

#include <stdbool.h>

#include "daemon/exit.h"

struct hr_config;

int hr_cmd_produce(int argc, char **argv);
int hr_cmd_simulate(int argc, char **argv);
int hr_cmd_query(int argc, char **argv);
int hr_cmd_config(int argc, char **argv);
int hr_cmd_demo(int argc, char **argv);
int hr_cmd_evaluate(int argc, char **argv);
int hr_cmd_state(int argc, char **argv);
int hr_cmd_torture(int argc, char **argv);
int hr_cmd_verify(int argc, char **argv);
int hr_cmd_forget(int argc, char **argv);
int hr_cmd_checkpoint(int argc, char **argv);

/** `headraced replay`. Fills config, which is the caller's to end. *ret_live: go on as the daemon with it. */
int hr_cmd_replay(int argc, char **argv, struct hr_config *config, bool *ret_live);

#endif
