/* daemon/schedule.h - which histories a step trains on: the window of recent events, and the users to rehearse. */
#ifndef HR_DAEMON_SCHEDULE_H
#define HR_DAEMON_SCHEDULE_H

#include "base/buf.h"
#include "model/model.h"
#include "store/store.h"

struct hr_schedule;

/** @param all_positions  fresh histories have a loss on their old positions too */
struct hr_schedule *hr_schedule_new(uint32_t window, float rehearsal, bool all_positions, uint32_t positions, uint64_t seed);
void hr_schedule_free(struct hr_schedule *s);

/** One accepted event of a user enters the window; the oldest leaves it. */
void hr_schedule_event(struct hr_schedule *s, uint32_t user);

/** Changes the window to the last n events; those that fell out before do not come back. */
void hr_schedule_window(struct hr_schedule *s, uint32_t n);

/**
 * Fills out (cleared first) with the fresh histories of the window and the rehearsed ones of step number `step`.
 * A fresh history ends with a position that has no target and asks at now_ms; targets of items not admitted are left out.
 * "Inside the window" counts from the end of a history: an event that came late and was put further in front has no loss in
 * the fresh half, only when it is rehearsed.
 */
void hr_schedule_batch(struct hr_schedule *s, uint64_t step, int64_t now_ms, const struct hr_histories *histories,
                       const struct hr_catalogue *catalogue, struct hr_batch *out);

void hr_schedule_write(const struct hr_schedule *s, struct hr_buf *out);
/** @param users  how many there are: a number that is not below is refused */
HR_MUST_USE bool hr_schedule_read(struct hr_schedule *s, struct hr_cursor *c, uint32_t users, struct hr_error *err);

#endif
