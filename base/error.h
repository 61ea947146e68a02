/* base/error.h - how a call fails: false, and one struct hr_error on the caller's stack. */
#ifndef HR_BASE_ERROR_H
#define HR_BASE_ERROR_H

#include <stdbool.h>

#define HR_MUST_USE __attribute__((warn_unused_result))
#define HR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define HR_NORETURN __attribute__((noreturn))
/** Calls fn(&variable) when the variable leaves its scope. */
#define HR_AUTO(fn) __attribute__((cleanup(fn)))

/** Whose move it is. The code is for the program to act on, the text for the person on call. */
enum hr_code {
	HR_OK = 0,
	HR_E_CONFIG,  /* the operator: a setting, a flag, a file's place */
	HR_E_FORMAT,  /* whoever sent the bytes: Kafka, disk, network */
	HR_E_STORE,   /* the disk or RocksDB; the outcome is unknown, the process must end */
	HR_E_BROKER,  /* Kafka */
	HR_E_BUSY,    /* us: a queue is full, a shutdown is under way */
	HR_E_NUMERIC, /* the model: something is not finite */
	HR_E_NOMEM,   /* the machine */
	HR_E_IO,      /* any other file or socket */
};

struct hr_error {
	enum hr_code code;
	bool retriable; /* the same call, later, can succeed */
	char msg[512];  /* lower case, no full stop, the value and its bound */
};

/** Fills err (NULL is allowed) and returns false, so that `return hr_fail(...)` reads as the end of a function. */
bool hr_fail(struct hr_error *err, enum hr_code code, const char *fmt, ...) HR_PRINTF(3, 4);

/** Puts "fmt: " in front of the message; the code stays. Returns false. */
bool hr_context(struct hr_error *err, const char *fmt, ...) HR_PRINTF(2, 3);

/** "config", "format", ...: for logs and metrics. */
const char *hr_code_name(enum hr_code code);

/** Prints the failed condition with its place and aborts; stays on in release builds. What it guards is our own bug. */
#define HR_ASSERT(cond) ((cond) ? (void)0 : hr_assert_failed(#cond, __FILE__, __LINE__, __func__))
HR_NORETURN void hr_assert_failed(const char *cond, const char *file, int line, const char *func);

#endif
