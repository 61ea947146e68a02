/* serve/json.h - writes JSON into a buffer: commas, escapes and numbers are looked after, nesting is the caller's.
 *
 * Text is UTF-8; a byte that is not becomes U+FFFD, so that an answer always parses. A float is written with the fewest
 * digits that read back as the same float32; what is not finite becomes null.
 */
#ifndef HR_SERVE_JSON_H
#define HR_SERVE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/** Begin with {.out = &buf}. */
struct hr_json {
	struct hr_buf *out; /* borrowed; appended to */
	bool comma;         /* the next value needs one in front */
};

void hr_json_open(struct hr_json *j, char bracket);  /* '{' or '[' */
void hr_json_close(struct hr_json *j, char bracket); /* '}' or ']' */
void hr_json_key(struct hr_json *j, const char *key);
void hr_json_text(struct hr_json *j, const void *p, size_t len);
void hr_json_string(struct hr_json *j, const char *s);
void hr_json_u64(struct hr_json *j, uint64_t v);
void hr_json_f32(struct hr_json *j, float v);
void hr_json_null(struct hr_json *j);
/** ms since 1970 as RFC 3339 in UTC with milliseconds; null outside the years 1..9999. */
void hr_json_time(struct hr_json *j, int64_t time_ms);

#endif
