#include "daemon/work.h"

#include "base/base.h"

struct hr_work *hr_work_new(enum hr_work_kind kind)
{
	struct hr_work *w = hr_alloc(1, sizeof *w);

	w->kind = kind;
	if (kind == HR_WORK_BARRIER)
		w->changes = hr_changes_new();
	return w;
}

void hr_work_free(struct hr_work *w)
{
	if (w == NULL)
		return;
	hr_free(w->item);
	hr_free(w->event);
	hr_free(w->admission);
	hr_free(w->expired);
	hr_free(w->past_item);
	hr_free(w->past_time_ms);
	hr_free(w->past_kind);
	hr_batch_fini(&w->batch);
	hr_barrier_fini(&w->row);
	hr_changes_free(w->changes);
	hr_free(w->user);
	hr_free(w->arrived_ms);
	hr_snapshot_unref(w->snapshot);
	hr_free(w);
}

void hr_work_add_event(struct hr_work *w, uint64_t ordinal, uint32_t item, uint8_t kind, int64_t time_ms,
                       struct hr_history before)
{
	w->event = hr_grow(w->event, &w->event_cap, w->event_count + 1, sizeof *w->event);
	w->event[w->event_count++] = (struct hr_work_event){.ordinal = ordinal,
	                                                    .time_ms = time_ms,
	                                                    .item = item,
	                                                    .past_at = (uint32_t)w->past_count,
	                                                    .past_len = before.len,
	                                                    .kind = kind};
	const size_t need = w->past_count + before.len;
	w->past_item = hr_grow(w->past_item, &w->past_item_cap, need, sizeof *w->past_item);
	w->past_time_ms = hr_grow(w->past_time_ms, &w->past_time_cap, need, sizeof *w->past_time_ms);
	w->past_kind = hr_grow(w->past_kind, &w->past_kind_cap, need, sizeof *w->past_kind);
	for (uint16_t i = 0; i < before.len; i++, w->past_count++) {
		w->past_item[w->past_count] = before.past[i].item;
		w->past_time_ms[w->past_count] = before.past[i].time_ms;
		w->past_kind[w->past_count] = before.past[i].kind;
	}
}

static struct hr_observation observation(const struct hr_work *w, const struct hr_work_event *e)
{
	return (struct hr_observation){.ordinal = e->ordinal,
	                               .item = e->item,
	                               .kind = e->kind,
	                               .time_ms = e->time_ms,
	                               .history_len = e->past_len,
	                               .history_item = w->past_item + e->past_at,
	                               .history_time_ms = w->past_time_ms + e->past_at,
	                               .history_kind = w->past_kind + e->past_at};
}

static void observe_in_turn(const struct hr_work *w, struct hr_trainer *trainer, const struct hr_observation *seen)
{
	size_t told = 0;

	for (size_t i = 0; i < w->admission_count; i++) {
		const size_t after = (size_t)w->admission[i].event + 1;
		const size_t end = after < w->event_count ? after : w->event_count; /* state only: there are no events */

		if (end > told)
			hr_trainer_observe(trainer, seen + told, end - told);
		told = end;
		hr_trainer_admit(trainer, w->admission[i].row);
	}
	if (w->event_count > told)
		hr_trainer_observe(trainer, seen + told, w->event_count - told);
}

static void observe_at_once(const struct hr_work *w, struct hr_trainer *trainer, const struct hr_observation *seen)
{
	hr_trainer_ask(trainer, seen, w->event_count);
	hr_trainer_count(trainer, seen, w->event_count);
	for (size_t i = 0; i < w->admission_count; i++)
		hr_trainer_admit(trainer, w->admission[i].row);
}

void hr_work_observe(const struct hr_work *w, struct hr_trainer *trainer, bool in_turn, const uint8_t *mute)
{
	HR_AUTO(hr_auto_free) struct hr_observation *seen = hr_alloc(w->event_count, sizeof *seen);

	for (size_t i = 0; i < w->item_count; i++)
		hr_trainer_item(trainer, w->item[i].row, w->item[i].id_hash);
	for (size_t i = 0; i < w->event_count; i++) {
		seen[i] = observation(w, &w->event[i]);
		seen[i].mute = w->mute || (mute != NULL && mute[i] != 0);
	}
	if (in_turn)
		observe_in_turn(w, trainer, seen);
	else
		observe_at_once(w, trainer, seen);
	for (size_t i = 0; i < w->expired_count; i++)
		hr_trainer_retire(trainer, w->expired[i]);
}

void hr_work_train(const struct hr_work *w, struct hr_trainer *trainer, struct hr_step_result *ret_result)
{
	*ret_result = (struct hr_step_result){0};
	if (w->thaw)
		hr_trainer_thaw(trainer);
	hr_trainer_rate(trainer, w->rate);
	if (w->batch.sequences != 0)
		hr_trainer_step(trainer, &w->batch, ret_result);
}
