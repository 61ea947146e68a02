/* stream/rows.h - events from a file: TSV, CSV (RFC 4180) or JSONL, plain or .gz, columns named by role. */
#ifndef HR_STREAM_ROWS_H
#define HR_STREAM_ROWS_H

#include "base/error.h"
#include "stream/event.h"

enum hr_rows_format { HR_ROWS_AUTO, HR_ROWS_TSV, HR_ROWS_CSV, HR_ROWS_JSONL, HR_ROWS_SEQUENCES };

struct hr_rows_config {
	enum hr_rows_format format; /* AUTO: by the name's ending, .gz taken off first; SEQUENCES: "user item item ..." a line */
	/* Roles in order, "time,user,item" (or spaces between): time user item kind weight session id period, "-" skips one.
	 * JSONL: "member=role,payload.uid=user"; NULL: members are named as their roles. Borrowed for the call. */
	const char *columns;
	bool header;                /* the first line names columns: it is skipped, or read where columns is NULL */
	int64_t time_start_ms;      /* files without a time column: time = start + row * step; 0: 2020-01-01 */
	int64_t time_step_ms;       /* 0 beside a start of 0: a second */
	uint8_t default_kind;       /* files without a kind column; HR_KIND_VIEW when 0 */
};

struct hr_rows;

/** @param path  "-" for standard input */
HR_MUST_USE bool hr_rows_open(const char *path, const struct hr_rows_config *config, struct hr_rows **ret_rows,
                              struct hr_error *err);

/**
 * The next event; a view until the next call. Times in a file may be seconds, ms or us since 1970, or RFC 3339.
 * A bad line is HR_E_FORMAT "path: line 7: reason"; the caller may count it and go on with the next call. Any other code
 * (a broken .gz is HR_E_IO) ends the file.
 * @param ret_end  set true, with true returned, when the file is at its end
 * @param ret_period  the period column, 0 without one; NULL allowed
 */
HR_MUST_USE bool hr_rows_next(struct hr_rows *r, struct hr_event *ret_event, uint32_t *ret_period, bool *ret_end,
                              struct hr_error *err);

/** Bytes of the (compressed) file read so far and its size: for a progress bar. */
void hr_rows_progress(const struct hr_rows *r, uint64_t *ret_read, uint64_t *ret_size);
void hr_rows_close(struct hr_rows *r);

#endif
