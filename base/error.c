#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool hr_fail(struct hr_error *err, enum hr_code code, const char *fmt, ...)
{
	if (err != NULL) {
		va_list ap;

		err->code = code;
		err->retriable = code == HR_E_BUSY;
		va_start(ap, fmt);
		(void)vsnprintf(err->msg, sizeof err->msg, fmt, ap);
		va_end(ap);
	}
	return false;
}

bool hr_context(struct hr_error *err, const char *fmt, ...)
{
	if (err != NULL) {
		char told[sizeof err->msg], front[sizeof err->msg / 2];
		va_list ap;

		memcpy(told, err->msg, sizeof told);
		va_start(ap, fmt);
		(void)vsnprintf(front, sizeof front, fmt, ap);
		va_end(ap);
		const int front_len = snprintf(err->msg, sizeof err->msg, "%s: ", front);
		(void)snprintf(err->msg + front_len, sizeof err->msg - (size_t)front_len, "%s", told);
	}
	return false;
}

const char *hr_code_name(enum hr_code code)
{
	switch (code) {
	case HR_OK: return "ok";
	case HR_E_CONFIG: return "config";
	case HR_E_FORMAT: return "format";
	case HR_E_STORE: return "store";
	case HR_E_BROKER: return "broker";
	case HR_E_BUSY: return "busy";
	case HR_E_NUMERIC: return "numeric";
	case HR_E_NOMEM: return "nomem";
	case HR_E_IO: return "io";
	}
	return "unknown";
}

void hr_assert_failed(const char *cond, const char *file, int line, const char *func)
{
	(void)fprintf(stderr, "assertion failed: %s at %s:%d in %s: this is a bug in headrace\n", cond, file, line, func);
	abort();
}
