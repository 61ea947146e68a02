/* daemon/progress.h - how far a long command is: a bar on a terminal, else a line every few seconds. On standard error. */
#ifndef HR_DAEMON_PROGRESS_H
#define HR_DAEMON_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hr_progress {
	const char *unit; /* "events" */
	bool terminal;
	int64_t start_us, shown_us; /* hr_mono_us() */
	uint64_t shown_done;
	double rate; /* per second, of late */
	char note[40]; /* behind all the rest; "": none */
};

enum { HR_PROGRESS_LINE_MAX = 200 };

void hr_progress_begin(struct hr_progress *p, const char *unit);

/** Says behind the bar what time of the stream is reached, in ms since 1970; 0: none yet. */
void hr_progress_note(struct hr_progress *p, int64_t time_ms);

/**
 * Shows where things stand when it is time to; cheap to call often.
 * @param share  part of the work that is done, 0..1; below 0: not known
 */
void hr_progress_update(struct hr_progress *p, uint64_t done, double share);

/** The last line: what was done, how long it took, how fast. */
void hr_progress_end(struct hr_progress *p, uint64_t done);

/** The texts of both, without the clock: for update and for tests. Returns out. */
const char *hr_progress_line(const struct hr_progress *p, int64_t now_us, uint64_t done, double share,
                             char out[HR_PROGRESS_LINE_MAX]);
const char *hr_progress_total(const struct hr_progress *p, int64_t now_us, uint64_t done, char out[HR_PROGRESS_LINE_MAX]);

/** 1234567 as "1,234,567". Returns out. */
const char *hr_grouped(uint64_t n, char out[32]);

/** Holds a rate: hr_pace() waits until event number n is due. */
struct hr_pacer {
	double rate; /* per second; 0: none */
	int64_t start_us;
};
void hr_pace(struct hr_pacer *p, uint64_t n);

#endif
