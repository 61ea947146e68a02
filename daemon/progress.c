#include "daemon/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { BAR_CELLS = 28, TERMINAL_EVERY_US = 100000, LOG_EVERY_US = 5000000, PACE_SLACK_US = 1000 };
#define RATE_KEEP 0.8 /* of the shown rate, at each update */

const char *hr_grouped(uint64_t n, char out[32])
{
	char digits[24];
	const int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
	char *to = out;

	for (int i = 0; i < len; i++) {
		if (i != 0 && (len - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return out;
}

static void put_duration(double seconds, char *out, size_t out_bytes)
{
	const unsigned long s = (unsigned long)(seconds + .5);

	if (s >= 3600)
		(void)snprintf(out, out_bytes, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
	else
		(void)snprintf(out, out_bytes, "%lu:%02lu", s / 60, s % 60);
}

void hr_progress_begin(struct hr_progress *p, const char *unit)
{
	const int64_t now = hr_mono_us();

	*p = (struct hr_progress){.unit = unit, .terminal = isatty(STDERR_FILENO) == 1, .start_us = now, .shown_us = now};
}

void hr_progress_note(struct hr_progress *p, int64_t time_ms)
{
	const time_t seconds = (time_t)(time_ms / 1000);
	struct tm utc;

	if (time_ms <= 0 || gmtime_r(&seconds, &utc) == NULL)
		p->note[0] = '\0';
	else
		(void)strftime(p->note, sizeof p->note, "  at %Y-%m-%d %H:%M UTC", &utc);
}

/* "[=====>    ]  52%  " or nothing. */
static size_t put_bar(double share, char *out, size_t out_bytes)
{
	char bar[BAR_CELLS + 1];
	const int full = (int)(share * BAR_CELLS);

	if (share < 0)
		return 0;
	memset(bar, ' ', BAR_CELLS);
	memset(bar, '=', (size_t)full);
	if (full < BAR_CELLS)
		bar[full] = '>';
	bar[BAR_CELLS] = '\0';
	return (size_t)snprintf(out, out_bytes, "[%s] %3d%%  ", bar, (int)(share * 100));
}

const char *hr_progress_line(const struct hr_progress *p, int64_t now_us, uint64_t done, double share,
                             char out[HR_PROGRESS_LINE_MAX])
{
	const double elapsed = (double)(now_us - p->start_us) / 1e6;
	char count[32], rate[32], left[32];

	share = share > 1 ? 1 : share;
	size_t n = put_bar(share, out, HR_PROGRESS_LINE_MAX);
	n += (size_t)snprintf(out + n, HR_PROGRESS_LINE_MAX - n, "%s %s  %s/s", hr_grouped(done, count), p->unit,
	                      hr_grouped((uint64_t)(p->rate + .5), rate));
	if (share > 0) {
		put_duration(elapsed * (1 - share) / share, left, sizeof left);
		n += (size_t)snprintf(out + n, HR_PROGRESS_LINE_MAX - n, "  %s left", left);
	}
	(void)snprintf(out + n, HR_PROGRESS_LINE_MAX - n, "%s", p->note);
	return out;
}

void hr_progress_update(struct hr_progress *p, uint64_t done, double share)
{
	const int64_t now = hr_mono_us(), since = now - p->shown_us;
	char line[HR_PROGRESS_LINE_MAX];

	if (since < (p->terminal ? TERMINAL_EVERY_US : LOG_EVERY_US))
		return;
	const double rate = (double)(done - p->shown_done) * 1e6 / (double)since;
	p->rate = p->rate > 0 && p->terminal ? RATE_KEEP * p->rate + (1 - RATE_KEEP) * rate : rate;
	p->shown_us = now;
	p->shown_done = done;
	(void)hr_progress_line(p, now, done, share, line);
	(void)fprintf(stderr, p->terminal ? "\r%s\033[K" : "%s\n", line);
	(void)fflush(stderr);
}

const char *hr_progress_total(const struct hr_progress *p, int64_t now_us, uint64_t done, char out[HR_PROGRESS_LINE_MAX])
{
	const double elapsed = (double)(now_us - p->start_us) / 1e6;
	char count[32], rate[32];

	(void)snprintf(out, HR_PROGRESS_LINE_MAX, "%s %s in %.1f s, %s/s", hr_grouped(done, count), p->unit, elapsed,
	               hr_grouped(elapsed > 0 ? (uint64_t)((double)done / elapsed + .5) : 0, rate));
	return out;
}

void hr_progress_end(struct hr_progress *p, uint64_t done)
{
	char line[HR_PROGRESS_LINE_MAX];

	(void)hr_progress_total(p, hr_mono_us(), done, line);
	(void)fprintf(stderr, p->terminal ? "\r%s\033[K\n" : "%s\n", line);
}

void hr_pace(struct hr_pacer *p, uint64_t n)
{
	if (p->rate <= 0)
		return;
	const int64_t now = hr_mono_us();
	if (p->start_us == 0)
		p->start_us = now;
	const int64_t early = p->start_us + (int64_t)((double)n * 1e6 / p->rate) - now;
	if (early > PACE_SLACK_US) {
		const struct timespec wait = {.tv_sec = early / 1000000, .tv_nsec = early % 1000000 * 1000};
		(void)nanosleep(&wait, NULL); /* a signal ends it early: the caller looks for one */
	}
}
