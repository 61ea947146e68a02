/* daemon/tool.h - the subcommands of `headrace`, one function each. argv[0] is the subcommand's name. */
#ifndef HR_DAEMON_TOOL_H
#define HR_DAEMON_TOOL_H

#include "daemon/exit.h"

int hr_cmd_produce(int argc, char **argv);
int hr_cmd_simulate(int argc, char **argv);
int hr_cmd_query(int argc, char **argv);
int hr_cmd_config(int argc, char **argv);
int hr_cmd_demo(int argc, char **argv);
int hr_cmd_evaluate(int argc, char **argv);
int hr_cmd_state(int argc, char **argv);
int hr_cmd_torture(int argc, char **argv);

#endif
