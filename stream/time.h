/* stream/time.h - times as people write them, to ms since 1970 UTC. */
#ifndef HR_STREAM_TIME_H
#define HR_STREAM_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * RFC 3339: 2026-11-24T20:15:36.123Z, 2026-11-24t22:15:36+02:00; a space for the T, and " UTC" for the Z, are read too.
 * Digits after the ms are cut. False for anything else: no time, no zone, a month 13, bytes left over.
 */
bool hr_time_rfc3339(const char *s, size_t len, int64_t *ret_ms);

/**
 * A number of seconds (with a fraction or not), ms or us since 1970, whichever falls in 1990..2100, or RFC 3339. For files
 * only: a topic says what its times are.
 */
bool hr_time_guess(const char *s, size_t len, int64_t *ret_ms);

#endif
