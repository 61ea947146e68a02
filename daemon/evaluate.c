/* daemon/evaluate.c - the choice of protocol; and the prequential one. */
#include "daemon/replay.h"

#define DAY_MS INT64_C(86400000)
#define DAY_EVENTS_MAX (1u << 20) /* of a day, for per-day learning */

/* The day is over: its events are ranked, then learned by several steps over its users. */
static void end_day(struct hr_replay *r)
{
	const size_t events = hr_intake_pending(r->intake);

	if (events == 0)
		return;
	hr_intake_window(r->intake, (uint32_t)events);
	hr_replay_step(r);
	for (uint32_t i = 1; i < r->c->day_steps; i++)
		hr_replay_again(r);
	hr_intake_window(r->intake, DAY_EVENTS_MAX);
}

static void begin_questions(struct hr_replay *r)
{
	hr_replay_cut(r);
	r->whole = r->c->learn == HR_LEARN_PER_DAY;
	if (r->whole)
		hr_intake_window(r->intake, DAY_EVENTS_MAX);
}

static bool take(struct hr_replay *r, const struct hr_event *e, struct hr_error *err)
{
	if (!r->cut && e->time_ms >= r->c->cut_ms)
		begin_questions(r);
	if (r->whole && e->time_ms / DAY_MS != r->day)
		end_day(r);
	if (!hr_replay_take(r, e, /* mute */ false, err))
		return false;
	if (!r->whole && hr_intake_step_due(r->intake))
		hr_replay_step(r);
	return true;
}

bool hr_evaluate_prequential(struct hr_replay *r, struct hr_error *err)
{
	struct hr_event e;
	bool end = false;

	for (;;) {
		if (!hr_replay_next(r, &e, NULL, &end, err))
			return false;
		if (end)
			break;
		if (!take(r, &e, err))
			return false;
	}
	if (!r->cut)
		return hr_fail(err, HR_E_CONFIG, "--cut: no event is at or after it: nothing was asked");
	if (r->whole)
		end_day(r);
	else
		hr_replay_flush(r);
	hr_replay_tell(r);
	return true;
}

bool hr_evaluate(const struct hr_evaluation_config *config, hr_progress_fn *progress, void *ctx,
                 struct hr_evaluation *ret_result, struct hr_error *err)
{
	struct hr_replay r;
	bool ok = hr_replay_open(&r, config, progress, ctx, err);

	if (ok) {
		switch (config->protocol) {
		case HR_PREQUENTIAL: ok = hr_evaluate_prequential(&r, err); break;
		case HR_CYCLES: ok = hr_evaluate_cycles(&r, err); break;
		case HR_LEAVE_ONE_OUT: ok = hr_evaluate_leave_one_out(&r, err); break;
		}
	}
	if (ok) {
		if (r.drift != NULL) {
			hr_replay_end_day(&r);
			r.result.drift = hr_drift_tell(r.drift);
		}
		*ret_result = r.result;
	}
	hr_replay_close(&r);
	return ok;
}
