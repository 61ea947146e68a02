#include "daemon/evaluate.h"

#include <inttypes.h>

#include "base/base.h"
#include "daemon/intake.h"
#include "daemon/pipeline.h"

#define DAY_MS INT64_C(86400000)
#define DAY_EVENTS_MAX (1u << 20) /* of a day, for per-day learning */

struct run {
	const struct hr_evaluation_config *c;
	struct hr_intake *intake;
	struct hr_trainer *trainer;
	struct hr_evaluation *result;
	int64_t offset, day;
	uint32_t day_events;
	bool cut;
};

static bool waits_for_day(const struct run *r) { return r->cut && r->c->learn == HR_LEARN_PER_DAY; }

static void train(struct run *r, struct hr_work *w)
{
	const int64_t began = hr_process_cpu_us();
	struct hr_step_result step = {0};

	if (r->cut && r->c->learn == HR_LEARN_FROZEN)
		return;
	if (w->batch.sequences != 0)
		hr_trainer_step(r->trainer, &w->batch, &step);
	if (!r->cut)
		return;
	r->result->cpu_s += (double)(hr_process_cpu_us() - began) * 1e-6;
	r->result->steps += step.trained;
}

static void run_step(struct run *r)
{
	struct hr_work *w = hr_intake_step(r->intake);

	hr_work_observe(w, r->trainer, !waits_for_day(r));
	train(r, w);
	hr_work_free(w);
}

/* The day is over: its events are ranked, then learned by several steps over its users. */
static void end_day(struct run *r)
{
	if (r->day_events == 0)
		return;
	hr_intake_window(r->intake, r->day_events);
	run_step(r);
	for (uint32_t i = 1; i < r->c->day_steps; i++) {
		struct hr_work *more = hr_intake_step(r->intake);

		train(r, more);
		hr_work_free(more);
	}
	hr_intake_window(r->intake, DAY_EVENTS_MAX);
	r->day_events = 0;
}

static void begin_questions(struct run *r)
{
	if (hr_intake_pending(r->intake) != 0)
		run_step(r);
	hr_trainer_cut(r->trainer);
	r->cut = true;
	r->day_events = 0;
	if (waits_for_day(r))
		hr_intake_window(r->intake, DAY_EVENTS_MAX);
}

static bool take(struct run *r, const struct hr_event *e, struct hr_error *err)
{
	enum hr_reject why;

	if (!r->cut && e->time_ms >= r->c->cut_ms)
		begin_questions(r);
	if (waits_for_day(r) && e->time_ms / DAY_MS != r->day)
		end_day(r);
	r->day = e->time_ms / DAY_MS;
	if (hr_intake_event(r->intake, e, 0, r->offset++, -1, &why) == HR_OUT_REJECTED)
		return hr_fail(err, HR_E_FORMAT, "event %" PRId64 " is refused: %s", r->offset, hr_reject_text(why));
	r->result->read++;
	r->result->events += r->cut;
	r->day_events++;
	if (!waits_for_day(r) && hr_intake_step_due(r->intake))
		run_step(r);
	return true;
}

static bool read_all(struct run *r, struct hr_rows *rows, hr_progress_fn *progress, void *ctx, struct hr_error *err)
{
	struct hr_event e;
	uint64_t done, size;
	bool end = false;

	for (;;) {
		if (!hr_rows_next(rows, &e, NULL, &end, err))
			return false;
		if (end)
			break;
		if (!take(r, &e, err))
			return false;
		if (progress != NULL && r->offset % 1024 == 0) {
			hr_rows_progress(rows, &done, &size);
			progress(ctx, done, size, (uint64_t)r->offset);
		}
	}
	if (waits_for_day(r))
		end_day(r);
	else if (hr_intake_pending(r->intake) != 0)
		run_step(r);
	return true;
}

static void tell(struct run *r)
{
	const struct hr_score *score = hr_trainer_score(r->trainer);

	for (int ranker = 0; ranker < HR_RANKERS; ranker++) {
		for (int slice = 0; slice < HR_SLICES; slice++)
			r->result->quality[ranker][slice] =
				hr_score_quality(score, (enum hr_ranker)ranker, (enum hr_slice)slice, false);
	}
	r->result->questions = r->result->quality[HR_RANK_MODEL][HR_SLICE_ALL].questions;
}

bool hr_evaluate_prequential(const struct hr_evaluation_config *config, hr_progress_fn *progress, void *ctx,
                             struct hr_evaluation *ret_result, struct hr_error *err)
{
	struct hr_evaluation result = {0};
	struct run r = {.c = config, .result = &result};
	const struct hr_intake_config intake = hr_config_intake(config->config);
	struct hr_model_config model;
	struct hr_rows *rows;

	hr_config_model(config->config, &model);
	model.evaluate_share = 0; /* until the cut, then every event */
	if (!hr_rows_open(config->path, &config->rows, &rows, err))
		return false;
	bool ok = hr_trainer_new(&model, &r.trainer, err);
	if (ok) {
		r.intake = hr_intake_new(&intake);
		hr_intake_partition(r.intake, 0, 0);
		ok = read_all(&r, rows, progress, ctx, err);
	}
	if (ok && !r.cut)
		ok = hr_fail(err, HR_E_CONFIG, "--cut: no event is at or after it: nothing was asked");
	if (ok) {
		tell(&r);
		*ret_result = result;
	}
	hr_rows_close(rows);
	hr_intake_free(r.intake);
	hr_trainer_free(r.trainer);
	return ok;
}
