/* base/log.h - one event a line, logfmt, to stderr. Only daemon/ logs; the other modules return errors.
 *
 *   ts=2026-11-24T20:15:36.123Z level=error thread=ingest partition=3 offset=8812 msg="user \"u17\": length 900 is over 64"
 *
 * Error and warning: a person may have to act. Info: a state changed. Debug: the rest.
 */
#ifndef HR_BASE_LOG_H
#define HR_BASE_LOG_H

#include <stdbool.h>

#include "base/error.h"

enum hr_log_level { HR_LOG_ERROR, HR_LOG_WARNING, HR_LOG_INFO, HR_LOG_DEBUG };

void hr_log_set_level(enum hr_log_level level); /* default: info. @thread any */

/** Name of the calling thread in log lines; a string constant. */
void hr_log_thread(const char *name);

/**
 * Writes one line.
 * @param fields  printf format of ready "key=value" pairs, "" for none; values with spaces must be quoted by the caller
 *                (use hr_log_quote)
 * @param msg     the sentence; quoted and escaped here
 * @thread any: one write call a line
 */
void hr_log(enum hr_log_level level, const char *msg, const char *fields, ...) HR_PRINTF(3, 4);

/** Copies s as a quoted, escaped logfmt value into out (always terminated; cut when too long). Returns out. */
const char *hr_log_quote(const char *s, char *out, unsigned out_bytes);

#endif
