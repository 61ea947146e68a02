/* daemon/tool.h - the subcommands of `headrace`, one function each. argv[0] is the subcommand's name. */
#ifndef HR_DAEMON_TOOL_H
#define HR_DAEMON_TOOL_H

/* Exit codes, as in sysexits(3): 0 done, 1 the work failed, 64 usage, 69 a server is away, 74 input/output, 78 configuration. */
enum { HR_EXIT_OK = 0, HR_EXIT_FAILED = 1, HR_EXIT_USAGE = 64, HR_EXIT_AWAY = 69, HR_EXIT_IO = 74, HR_EXIT_CONFIG = 78 };

int hr_cmd_produce(int argc, char **argv);
int hr_cmd_simulate(int argc, char **argv);
int hr_cmd_query(int argc, char **argv);
int hr_cmd_config(int argc, char **argv);
int hr_cmd_demo(int argc, char **argv);
int hr_cmd_evaluate(int argc, char **argv);
int hr_cmd_state(int argc, char **argv);

#endif
