#include "daemon/replay.h"

#include <inttypes.h>

#include "base/base.h"
#include "daemon/pipeline.h"

#define DAY_MS INT64_C(86400000)

bool hr_replay_open(struct hr_replay *r, const struct hr_evaluation_config *config, hr_progress_fn *progress, void *ctx,
                    struct hr_error *err)
{
	const struct hr_intake_config intake = hr_config_intake(config->config);
	struct hr_model_config model;

	*r = (struct hr_replay){.c = config, .progress = progress, .ctx = ctx, .day = INT64_MIN};
	hr_config_model(config->config, &model);
	model.evaluate_share = 0; /* until the cut, then every event */
	if (config->protocol == HR_LEAVE_ONE_OUT)
		model.mix_rate = 0; /* its questions are not a stream */
	if (!hr_rows_open(config->path, &config->rows, &r->rows, err) || !hr_trainer_new(&model, &r->trainer, err))
		return false;
	r->intake = hr_intake_new(&intake);
	hr_intake_partition(r->intake, 0, 0);
	if (config->config->train_every != 0 && config->config->train_start_up != 0)
		hr_intake_backlog(r->intake);
	return true;
}

void hr_replay_close(struct hr_replay *r)
{
	hr_rows_close(r->rows);
	hr_intake_free(r->intake);
	hr_trainer_free(r->trainer);
	hr_drift_free(r->drift);
	hr_free(r->mute);
}

bool hr_replay_next(struct hr_replay *r, struct hr_event *ret_event, uint32_t *ret_period, bool *ret_end,
                    struct hr_error *err)
{
	uint64_t done, size;

	if (!hr_rows_next(r->rows, ret_event, ret_period, ret_end, err))
		return false;
	*ret_end |= !*ret_end && r->c->until_ms != 0 && ret_event->time_ms >= r->c->until_ms;
	r->result.read += !*ret_end;
	if (r->progress != NULL && r->result.read % 1024 == 0) {
		hr_rows_progress(r->rows, &done, &size);
		r->progress(r->ctx, done, size, r->result.read);
	}
	return true;
}

void hr_replay_end_day(struct hr_replay *r)
{
	struct hr_snapshot *s = hr_trainer_snapshot(r->trainer);

	hr_drift_day(r->drift, s, r->day);
	hr_snapshot_unref(s);
}

static void begin_day(struct hr_replay *r, int64_t day)
{
	if (r->drift != NULL && day != r->day)
		hr_replay_end_day(r);
	r->day = day;
}

bool hr_replay_take(struct hr_replay *r, const struct hr_event *e, bool mute, struct hr_error *err)
{
	enum hr_reject why;

	begin_day(r, e->time_ms / DAY_MS);
	const enum hr_outcome outcome = hr_intake_event(r->intake, e, 0, r->offset++, -1, &why);
	if (outcome == HR_OUT_REJECTED)
		return hr_fail(err, HR_E_FORMAT, "event %" PRId64 " is refused: %s", r->offset, hr_reject_text(why));
	r->result.events += r->cut;
	if (outcome == HR_OUT_TRAINED) {
		r->mute = hr_grow(r->mute, &r->mute_cap, r->muted + 1, sizeof *r->mute);
		r->mute[r->muted++] = mute;
	}
	return true;
}

/* Content comes with the row: no event of the item is ranked or learned before it. */
static void introduce_items(struct hr_replay *r, const struct hr_work *w)
{
	for (size_t i = 0; i < w->item_count && r->c->features != NULL; i++) {
		const struct hr_item item = hr_catalogue_get(hr_intake_catalogue(r->intake), w->item[i].row);
		size_t count;
		const uint64_t *hash = hr_features_get(r->c->features, item.id, item.id_len, &count);

		hr_trainer_item(r->trainer, w->item[i].row, w->item[i].id_hash);
		hr_trainer_content(r->trainer, w->item[i].row, hash, count);
	}
}

static void train(struct hr_replay *r, const struct hr_work *w)
{
	const int64_t began = hr_process_cpu_us();
	struct hr_step_result step;

	if (r->cut && r->c->learn == HR_LEARN_FROZEN)
		return;
	hr_work_train(w, r->trainer, &step);
	r->result.cpu_s += r->cut ? (double)(hr_process_cpu_us() - began) * 1e-6 : 0;
	r->result.steps += r->cut && step.trained;
}

void hr_replay_step(struct hr_replay *r)
{
	struct hr_work *w = hr_intake_step(r->intake);

	HR_ASSERT(r->muted == w->event_count);
	introduce_items(r, w);
	hr_work_observe(w, r->trainer, !r->whole, r->mute);
	r->muted = 0;
	train(r, w);
	hr_work_free(w);
}

void hr_replay_again(struct hr_replay *r)
{
	struct hr_work *w = hr_intake_step(r->intake);

	train(r, w);
	hr_work_free(w);
}

void hr_replay_flush(struct hr_replay *r)
{
	if (hr_intake_pending(r->intake) != 0)
		hr_replay_step(r);
}

void hr_replay_cut(struct hr_replay *r)
{
	hr_replay_flush(r);
	if (hr_intake_phase(r->intake) == HR_PHASE_BACKLOG)
		hr_intake_start_up(r->intake);
	while (hr_intake_phase(r->intake) == HR_PHASE_START_UP)
		hr_replay_again(r);
	hr_trainer_rate(r->trainer, 0);
	hr_trainer_cut(r->trainer);
	r->cut = true;
	r->drift = hr_drift_new(hr_intake_histories(r->intake), hr_intake_catalogue(r->intake), SIZE_MAX,
	                        hr_intake_stream_ms(r->intake));
	hr_replay_end_day(r);
}

void hr_replay_tell(struct hr_replay *r)
{
	const struct hr_score *score = hr_trainer_score(r->trainer);

	for (int ranker = 0; ranker < HR_RANKERS; ranker++) {
		for (int slice = 0; slice < HR_SLICES; slice++)
			r->result.quality[ranker][slice] =
				hr_score_quality(score, (enum hr_ranker)ranker, (enum hr_slice)slice, /* window */ false);
	}
	r->result.questions = r->result.quality[HR_RANK_MODEL][HR_SLICE_ALL].questions;
}

struct hr_quality hr_quality_since(struct hr_quality now, struct hr_quality before)
{
	const double n = (double)now.questions, b = (double)before.questions, asked = n > b ? n - b : 1;

	return (struct hr_quality){
		.questions = now.questions - before.questions,
		.recall5 = (now.recall5 * n - before.recall5 * b) / asked,
		.recall10 = (now.recall10 * n - before.recall10 * b) / asked,
		.recall20 = (now.recall20 * n - before.recall20 * b) / asked,
		.ndcg5 = (now.ndcg5 * n - before.ndcg5 * b) / asked,
		.ndcg10 = (now.ndcg10 * n - before.ndcg10 * b) / asked,
		.ndcg20 = (now.ndcg20 * n - before.ndcg20 * b) / asked,
		.mrr20 = (now.mrr20 * n - before.mrr20 * b) / asked,
	};
}
