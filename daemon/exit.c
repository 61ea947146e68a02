#include "daemon/exit.h"

int hr_exit_code(enum hr_code code)
{
	switch (code) {
	case HR_OK: return HR_EXIT_OK;
	case HR_E_CONFIG: return HR_EXIT_CONFIG;
	case HR_E_FORMAT: return HR_EXIT_DATA;
	case HR_E_BROKER: return HR_EXIT_AWAY;
	case HR_E_STORE:
	case HR_E_IO: return HR_EXIT_IO;
	case HR_E_BUSY: return HR_EXIT_BUSY;
	case HR_E_NUMERIC:
	case HR_E_NOMEM: break;
	}
	return HR_EXIT_INTERNAL;
}
