/* daemon/train.c - the trainer thread: steps in the order of the queue; at a barrier, its half of the state. */
#include "daemon/priv.h"

#define DAY_MS INT64_C(86400000)

static void tell_refusal(struct hr_pipeline *p, const struct hr_work *w)
{
	const unsigned long long step = hr_trainer_steps(p->trainer);

	hr_metric_add(hr_metric_of(p->metrics, HR_M_STEPS_REFUSED), 1);
	hr_log(HR_LOG_WARNING, "a training step was refused: a number was not finite; the weights are unchanged",
	       "step=%llu events=%zu", step, w->event_count);
	if (hr_trainer_frozen(p->trainer))
		hr_log(HR_LOG_ERROR,
		       "learning is frozen after three refused steps in a row; state and answers go on: restore a checkpoint, or "
		       "start with train.thaw",
		       "step=%llu", step);
}

static void run_step(struct hr_pipeline *p, const struct hr_work *w)
{
	struct hr_step_result r;

	hr_work_observe(w, p->trainer, true, NULL);
	hr_metric_add(hr_metric_of(p->metrics, HR_M_EXPIRED), w->expired_count);
	hr_work_train(w, p->trainer, &r);
	if (r.refused)
		tell_refusal(p, w);
	hr_metric_set(hr_metric_of(p->metrics, HR_M_FROZEN), hr_trainer_frozen(p->trainer));
	if (r.trained) {
		hr_metric_add(hr_metric_of(p->metrics, HR_M_STEPS), 1);
		hr_metric_add(hr_metric_of(p->metrics, HR_M_TARGETS), r.targets);
		hr_metric_set(hr_metric_of(p->metrics, HR_M_LOSS), r.loss);
	}
}

/* Once for each day of stream time, at its first barrier. */
static void watch_drift(struct hr_pipeline *p, const struct hr_work *w)
{
	const struct hr_histories *histories = hr_intake_histories(p->intake);
	const int64_t day = w->row.watermark_ms / DAY_MS;

	if (w->row.watermark_ms == INT64_MIN || (p->drift != NULL && day == p->drift_day))
		return;
	hr_intake_lock(p->intake);
	if (p->drift == NULL || hr_drift_outgrown(p->drift, histories)) {
		hr_drift_free(p->drift);
		p->drift = hr_drift_new(histories, hr_intake_catalogue(p->intake), w->snapshot->rows, w->row.watermark_ms);
	}
	hr_intake_unlock(p->intake);
	hr_drift_day(p->drift, w->snapshot, day);
	p->drift_day = day;
	hr_metrics_drift(p->metrics, hr_drift_newest(p->drift));
}

static void join_barrier(struct hr_pipeline *p, struct hr_work *w)
{
	hr_trainer_collect(p->trainer, hr_changes_put, w->changes);
	w->snapshot = hr_trainer_snapshot(p->trainer);
	w->snapshot->barrier = w->row.number;
	w->snapshot->watermark_ms = w->row.watermark_ms;
	w->ever = hr_score_quality(hr_trainer_score(p->trainer), HR_RANK_MODEL, HR_SLICE_ALL, false);
	w->window = hr_score_quality(hr_trainer_score(p->trainer), HR_RANK_MODEL, HR_SLICE_ALL, true);
	hr_metrics_quality(p->metrics, hr_trainer_score(p->trainer));
	if (p->config->train_every != 0 && w->live) /* what a start-up moves is not drift: nobody has its vectors yet */
		watch_drift(p, w);
}

void *hr_train_main(void *pipeline)
{
	struct hr_pipeline *p = pipeline;
	struct hr_work *w;

	hr_log_thread("trainer");
	while ((w = hr_queue_pop(p->steps, -1)) != NULL) {
		if (w->kind == HR_WORK_STEP) {
			run_step(p, w);
			hr_work_free(w);
			continue;
		}
		join_barrier(p, w);
		if (!hr_queue_push(p->barriers, w))
			hr_work_free(w);
	}
	hr_queue_close(p->barriers);
	return NULL;
}
