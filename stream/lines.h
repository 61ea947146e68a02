/* stream/lines.h - the lines of a file, plain or gzip, "-" for standard input. */
#ifndef HR_STREAM_LINES_H
#define HR_STREAM_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define HR_LINE_MAX (1u << 20) /* bytes; a longer line is refused, and reading goes on behind it */

struct hr_lines;

HR_MUST_USE bool hr_lines_open(const char *path, struct hr_lines **ret_lines, struct hr_error *err);

/**
 * The next line, without its end ("\n" or "\r\n"). The bytes may be written to; they are there until the next call.
 * @param quoted  a newline between double quotes does not end the line (RFC 4180)
 * @param ret_number  number of the line's first row, from 1
 * @param ret_end  set true, with true returned, when there is no line left
 * HR_E_FORMAT: this line is bad, the next call goes on. HR_E_IO: the file can not be read further.
 */
HR_MUST_USE bool hr_lines_next(struct hr_lines *l, bool quoted, char **ret_line, size_t *ret_len, uint64_t *ret_number,
                               bool *ret_end, struct hr_error *err);

/** Bytes read of the file as it lies on disk, and its size; 0 when it has none. */
void hr_lines_progress(const struct hr_lines *l, uint64_t *ret_read, uint64_t *ret_size);
void hr_lines_close(struct hr_lines *l);

#endif
