/* daemon/exit.h - what a process ends with, after sysexits(3); the same for headraced and every command of headrace. */
#ifndef HR_DAEMON_EXIT_H
#define HR_DAEMON_EXIT_H

#include "base/error.h"

enum {
	HR_EXIT_OK = 0,
	HR_EXIT_FAILED = 1,    /* the work was done, and the answer is no */
	HR_EXIT_USAGE = 64,    /* the command line */
	HR_EXIT_DATA = 65,     /* bytes that somebody sent */
	HR_EXIT_AWAY = 69,     /* a broker or a server can not be reached, or refuses */
	HR_EXIT_INTERNAL = 70, /* the model, the memory, or a bug */
	HR_EXIT_IO = 74,       /* disk or file */
	HR_EXIT_BUSY = 75,     /* somebody else has it; later it can work */
	HR_EXIT_CONFIG = 78,   /* a setting */
};

/** The exit code of an error that ends the process. */
int hr_exit_code(enum hr_code code);

#endif
