#include "stream/time.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "stream/event.h"

static bool digits(const char *s, int count, int min, int max, int *ret_value)
{
	int value = 0;

	for (int i = 0; i < count; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		value = value * 10 + (s[i] - '0');
	}
	*ret_value = value;
	return value >= min && value <= max;
}

static int month_days(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* Days from 1970-01-01. Source: Howard Hinnant, "chrono-compatible low-level date algorithms", days_from_civil. */
static int64_t days_from_civil(int year, int month, int day)
{
	const int y = month <= 2 ? year - 1 : year;
	const int era = y / 400, year_of_era = y - era * 400;
	const int day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	const int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return (int64_t)era * 146097 + day_of_era - 719468;
}

/* ".123456" at *at: ms of it; *at moves behind the digits. */
static int fraction_ms(const char *s, size_t len, size_t *at)
{
	int ms = 0, scale = 100;

	for ((*at)++; *at < len && s[*at] >= '0' && s[*at] <= '9'; (*at)++) {
		ms += (s[*at] - '0') * scale;
		scale /= 10;
	}
	return ms;
}

static bool zone_minutes(const char *s, size_t len, int *ret_minutes)
{
	int hours, minutes;

	if ((len == 1 && (*s == 'Z' || *s == 'z')) || (len == 4 && memcmp(s, " UTC", 4) == 0)) {
		*ret_minutes = 0;
		return true;
	}
	if (len != 6 || (*s != '+' && *s != '-') || s[3] != ':' || !digits(s + 1, 2, 0, 23, &hours) ||
	    !digits(s + 4, 2, 0, 59, &minutes))
		return false;
	*ret_minutes = (*s == '-' ? -1 : 1) * (hours * 60 + minutes);
	return true;
}

bool hr_time_rfc3339(const char *s, size_t len, int64_t *ret_ms)
{
	int year, month, day, hour, minute, second, zone, ms = 0;
	size_t at = 19;

	if (len < 20 || s[4] != '-' || s[7] != '-' || (s[10] != 'T' && s[10] != 't' && s[10] != ' ') || s[13] != ':' ||
	    s[16] != ':')
		return false;
	if (!digits(s, 4, 1, 9999, &year) || !digits(s + 5, 2, 1, 12, &month) ||
	    !digits(s + 8, 2, 1, month_days(year, month), &day) || !digits(s + 11, 2, 0, 23, &hour) ||
	    !digits(s + 14, 2, 0, 59, &minute) || !digits(s + 17, 2, 0, 60, &second))
		return false;
	if (s[at] == '.') {
		ms = fraction_ms(s, len, &at);
		if (at == 20)
			return false;
	}
	if (!zone_minutes(s + at, len - at, &zone))
		return false;
	*ret_ms = ((days_from_civil(year, month, day) * 24 + hour) * 60 + minute - zone) * 60000 + second * 1000 + ms;
	return true;
}

static bool in_range(int64_t ms) { return ms >= HR_TIME_MIN_MS && ms < HR_TIME_MAX_MS; }

/* A whole number, and up to three digits of its fraction. */
static bool parse_number(const char *s, size_t len, int64_t *ret_whole, int *ret_ms)
{
	int64_t whole = 0;
	size_t at = 0;

	for (; at < len && s[at] >= '0' && s[at] <= '9'; at++) {
		if (at == 16)
			return false;
		whole = whole * 10 + (s[at] - '0');
	}
	*ret_whole = whole;
	*ret_ms = at != 0 && at < len && s[at] == '.' ? fraction_ms(s, len, &at) : 0;
	return at != 0 && at == len;
}

bool hr_time_guess(const char *s, size_t len, int64_t *ret_ms)
{
	int64_t whole;
	int ms;

	if (!parse_number(s, len, &whole, &ms))
		return hr_time_rfc3339(s, len, ret_ms) && in_range(*ret_ms);
	if (in_range(whole))
		*ret_ms = whole;
	else if (whole <= HR_TIME_MAX_MS / 1000 && in_range(whole * 1000))
		*ret_ms = whole * 1000 + ms;
	else if (in_range(whole / 1000))
		*ret_ms = whole / 1000;
	else
		return false;
	return true;
}
