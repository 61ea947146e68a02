#include "serve/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"

static void put_text(struct hr_json *j, const char *s) { hr_buf_bytes(j->out, s, strlen(s)); }

/* A value or a key begins here. */
static void begin(struct hr_json *j)
{
	if (j->comma)
		hr_buf_u8(j->out, ',');
	j->comma = true;
}

void hr_json_open(struct hr_json *j, char bracket)
{
	begin(j);
	hr_buf_u8(j->out, (uint8_t)bracket);
	j->comma = false;
}

void hr_json_close(struct hr_json *j, char bracket)
{
	hr_buf_u8(j->out, (uint8_t)bracket);
	j->comma = true;
}

/* Length of the well-formed UTF-8 character at p (RFC 3629: no surrogates, no overlong forms), 0 for none. */
static size_t character_bytes(const uint8_t *p, size_t left)
{
	const uint8_t a = p[0];
	const uint8_t low = a == 0xe0 ? 0xa0 : a == 0xf0 ? 0x90 : 0x80;
	const uint8_t high = a == 0xed ? 0x9f : a == 0xf4 ? 0x8f : 0xbf;
	const size_t n = a < 0x80 ? 1 : a < 0xc2 ? 0 : a < 0xe0 ? 2 : a < 0xf0 ? 3 : a < 0xf5 ? 4 : 0;

	if (n == 0 || n > left || (n > 1 && (p[1] < low || p[1] > high)))
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

static void put_ascii(struct hr_buf *out, uint8_t c)
{
	char escape[8];

	if (c == '"' || c == '\\') {
		hr_buf_u8(out, '\\');
		hr_buf_u8(out, c);
	} else if (c >= 0x20 && c != 0x7f) {
		hr_buf_u8(out, c);
	} else {
		hr_buf_bytes(out, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", c));
	}
}

static void put_quoted(struct hr_buf *out, const uint8_t *p, size_t len)
{
	hr_buf_u8(out, '"');
	for (size_t at = 0; at < len;) {
		const size_t n = character_bytes(p + at, len - at);

		if (n == 1)
			put_ascii(out, p[at]);
		else if (n > 1)
			hr_buf_bytes(out, p + at, n);
		else
			hr_buf_bytes(out, "\xef\xbf\xbd", 3);
		at += n > 0 ? n : 1;
	}
	hr_buf_u8(out, '"');
}

void hr_json_key(struct hr_json *j, const char *key)
{
	begin(j);
	put_quoted(j->out, (const uint8_t *)key, strlen(key));
	hr_buf_u8(j->out, ':');
	j->comma = false;
}

void hr_json_text(struct hr_json *j, const void *p, size_t len)
{
	begin(j);
	put_quoted(j->out, p, len);
}

void hr_json_string(struct hr_json *j, const char *s) { hr_json_text(j, s, strlen(s)); }

void hr_json_u64(struct hr_json *j, uint64_t v)
{
	char digits[24];

	begin(j);
	hr_buf_bytes(j->out, digits, (size_t)snprintf(digits, sizeof digits, "%" PRIu64, v));
}

/* Writes n / 10^places without the zeros at the end, n < 10^18. Returns the bytes. */
static size_t write_decimal(char *out, uint64_t n, unsigned places, bool negative)
{
	char digits[24];
	size_t len = 0, have = (size_t)snprintf(digits, sizeof digits, "%0*" PRIu64, (int)places + 1, n);

	for (; places > 0 && digits[have - 1] == '0'; places--)
		have--;
	if (negative)
		out[len++] = '-';
	memcpy(out + len, digits, have - places);
	len += have - places;
	if (places > 0) {
		out[len++] = '.';
		memcpy(out + len, digits + have - places, places);
		len += places;
	}
	return len;
}

/*
 * The fewest of 6..9 significant digits that give v back, for 1e-5 <= |v| < 1e6; nine always do. The powers of ten are
 * exact and the quotient is rounded once, so a candidate is the double next to its decimal; asking for v on both sides of
 * it covers readers that round the decimal straight to a float. 87 ns a number where printf and strtof took 440: they were most of an answer with a vector. Returns the bytes.
 */
static size_t write_float(char *out, float v)
{
	static const double power[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14};
	const double x = fabs((double)v);
	unsigned places = 5; /* for six digits of 1 <= x < 10 */

	for (double top = 10; x >= top; top *= 10)
		places--;
	for (double top = 1; x < top; top /= 10)
		places++;
	for (unsigned more = 0;; more++, places++) {
		const double n = floor(x * power[places] + .5), back = n / power[places];
		const float down = (float)(back * (1 - 0x1p-51)), up = (float)(back * (1 + 0x1p-51));

		if (more == 3 || (down == (float)x && up == (float)x))
			return write_decimal(out, (uint64_t)n, places, v < 0);
	}
}

void hr_json_f32(struct hr_json *j, float v)
{
	char digits[32];
	size_t len = 0;

	if (!isfinite(v)) {
		hr_json_null(j);
		return;
	}
	begin(j);
	if (v == 0)
		digits[len++] = '0';
	else if (fabsf(v) >= 1e-5f && fabsf(v) < 1e6f)
		len = write_float(digits, v);
	for (int precision = 6; len == 0; precision++) {
		const int n = snprintf(digits, sizeof digits, "%.*g", precision, (double)v);

		len = precision == 9 || strtof(digits, NULL) == v ? (size_t)n : 0;
	}
	hr_buf_bytes(j->out, digits, len);
}

void hr_json_null(struct hr_json *j)
{
	begin(j);
	put_text(j, "null");
}

void hr_json_time(struct hr_json *j, int64_t time_ms)
{
	char text[96];
	struct tm tm;

	if (time_ms < INT64_C(-62135596800000) || time_ms >= INT64_C(253402300800000)) {
		hr_json_null(j);
		return;
	}
	const int64_t ms = (time_ms % 1000 + 1000) % 1000;
	const time_t seconds = (time_t)((time_ms - ms) / 1000);
	HR_ASSERT(gmtime_r(&seconds, &tm) != NULL);
	(void)snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
	               tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)ms);
	hr_json_string(j, text);
}
