/* daemon/evaluate_cycles.c - update cycles: each period is asked with what was known before it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "daemon/replay.h"

enum { PERIOD_CHARS = 11, GROUP = 256 };

/* The sessions of one period, of items known before it only: what the protocol lets a question see. */
struct filter {
	uint32_t items; /* known before the period */
	struct hr_histories *sessions;
	uint16_t length;
};

/* Questions that are ranked together; histories one behind the other. */
struct group {
	struct hr_observation event[GROUP];
	struct hr_past past[GROUP * HR_HISTORY_MAX];
	uint32_t item[GROUP * HR_HISTORY_MAX];
	int64_t time_ms[GROUP * HR_HISTORY_MAX];
	uint8_t kind[GROUP * HR_HISTORY_MAX];
	size_t events, positions;
};

struct cycles {
	struct hr_replay *r;
	struct hr_rows *ahead; /* per-cycle, frozen: the same file, read by those who ask before it is learned */
	struct hr_event next;  /* of ahead */
	uint32_t next_period;
	bool ahead_end;
	struct filter filter;
	struct group *group;
	struct hr_quality before[HR_RANKERS][HR_SLICES], sum[HR_RANKERS][HR_SLICES];
	uint32_t period, with[HR_SLICES]; /* periods that had a question of the slice */
	uint8_t user[HR_ID_MAX];
};

/* ---- the filter ---- */

static void begin_filter(struct cycles *c)
{
	hr_histories_free(c->filter.sessions);
	c->filter.sessions = hr_histories_new(c->filter.length);
	c->filter.items = hr_catalogue_count(hr_intake_catalogue(c->r->intake));
}

/* Whether e asks, given its session so far; then e is part of it. The history is a view from before. */
static bool filter_event(struct cycles *c, const struct hr_event *e, uint32_t *ret_row, struct hr_past *ret_past,
                         uint16_t *ret_len)
{
	const uint32_t row = hr_catalogue_find(hr_intake_catalogue(c->r->intake), e->item, e->item_len);
	uint16_t place;

	if (row >= c->filter.items) /* HR_NONE too */
		return false;
	const uint32_t session = hr_histories_user(c->filter.sessions, e->user, e->user_len);
	const struct hr_history h = hr_histories_get(c->filter.sessions, session);
	const struct hr_past past = {.time_ms = e->time_ms, .item = row, .kind = e->kind};

	*ret_row = row;
	*ret_len = h.len;
	if (h.len > 0)
		memcpy(ret_past, h.past, h.len * sizeof *ret_past);
	(void)hr_histories_append(c->filter.sessions, session, &past, NULL, 0, &place);
	return *ret_len > 0;
}

/* ---- a period asked whole ---- */

static void ask_group(struct cycles *c)
{
	hr_trainer_ask(c->r->trainer, c->group->event, c->group->events);
	c->group->events = c->group->positions = 0;
}

static void add_question(struct group *g, const struct hr_event *e, uint32_t row, uint16_t len)
{
	const size_t at = g->positions;

	for (uint16_t i = 0; i < len; i++, g->positions++) {
		g->item[g->positions] = g->past[i].item;
		g->time_ms[g->positions] = g->past[i].time_ms;
		g->kind[g->positions] = g->past[i].kind;
	}
	g->event[g->events++] = (struct hr_observation){.item = row,
	                                                .kind = e->kind,
	                                                .time_ms = e->time_ms,
	                                                .history_len = len,
	                                                .history_item = g->item + at,
	                                                .history_time_ms = g->time_ms + at,
	                                                .history_kind = g->kind + at};
}

static bool read_ahead(struct cycles *c, struct hr_error *err)
{
	return hr_rows_next(c->ahead, &c->next, &c->next_period, &c->ahead_end, err);
}

static bool ask_period(struct cycles *c, uint32_t period, struct hr_error *err)
{
	uint32_t row;
	uint16_t len;

	while (!c->ahead_end && c->next_period < period)
		if (!read_ahead(c, err))
			return false;
	while (!c->ahead_end && c->next_period == period) {
		if (filter_event(c, &c->next, &row, c->group->past, &len))
			add_question(c->group, &c->next, row, len);
		if (c->group->events == GROUP)
			ask_group(c);
		if (!read_ahead(c, err))
			return false;
	}
	ask_group(c);
	return true;
}

/* ---- figures ---- */

/* Means over periods are kept as sums until the end, weighted by one each. */
static void add_quality(struct hr_quality *sum, struct hr_quality q)
{
	sum->questions += q.questions;
	sum->recall5 += q.recall5;
	sum->recall10 += q.recall10;
	sum->recall20 += q.recall20;
	sum->ndcg5 += q.ndcg5;
	sum->ndcg10 += q.ndcg10;
	sum->ndcg20 += q.ndcg20;
	sum->mrr20 += q.mrr20;
}

static void end_period(struct cycles *c)
{
	if (!c->r->cut)
		return;
	hr_replay_tell(c->r);
	for (int slice = 0; slice < HR_SLICES; slice++) {
		bool asked = false;

		for (int ranker = 0; ranker < HR_RANKERS; ranker++) {
			const struct hr_quality now = c->r->result.quality[ranker][slice], since = hr_quality_since(now, c->before[ranker][slice]);

			add_quality(&c->sum[ranker][slice], since);
			asked |= since.questions > 0;
			c->before[ranker][slice] = now;
		}
		c->with[slice] += asked;
	}
}

static void tell_means(struct cycles *c)
{
	for (int ranker = 0; ranker < HR_RANKERS; ranker++) {
		for (int slice = 0; slice < HR_SLICES; slice++) {
			const double share = c->with[slice] > 0 ? 1.0 / c->with[slice] : 0;
			const struct hr_quality s = c->sum[ranker][slice];

			c->r->result.quality[ranker][slice] = (struct hr_quality){.questions = s.questions,
			                                                          .recall5 = s.recall5 * share,
			                                                          .recall10 = s.recall10 * share,
			                                                          .recall20 = s.recall20 * share,
			                                                          .ndcg5 = s.ndcg5 * share,
			                                                          .ndcg10 = s.ndcg10 * share,
			                                                          .ndcg20 = s.ndcg20 * share,
			                                                          .mrr20 = s.mrr20 * share};
		}
	}
	c->r->result.cycles = c->with[HR_SLICE_ALL];
	c->r->result.questions = c->r->result.quality[HR_RANK_MODEL][HR_SLICE_ALL].questions;
}

/* ---- the stream ---- */

static bool begin_period(struct cycles *c, uint32_t period, struct hr_error *err)
{
	hr_replay_flush(c->r);
	end_period(c);
	if (!c->r->cut)
		hr_replay_cut(c->r);
	c->period = period;
	begin_filter(c);
	return c->ahead == NULL || ask_period(c, period, err);
}

/* A session that goes on in the next period is another one there. */
static bool name_session(struct cycles *c, struct hr_event *e, struct hr_error *err)
{
	char front[PERIOD_CHARS + 1];
	const size_t len = (size_t)snprintf(front, sizeof front, "%" PRIu32 ":", c->period);

	if (e->user_len + len > sizeof c->user)
		return hr_fail(err, HR_E_FORMAT, "a session id of %zu bytes is over %zu", e->user_len, sizeof c->user - len);
	memcpy(c->user, front, len);
	memcpy(c->user + len, e->user, e->user_len);
	e->user = c->user;
	e->user_len += len;
	return true;
}

static bool take(struct cycles *c, struct hr_event *e, uint32_t period, struct hr_error *err)
{
	bool mute = true;
	uint32_t row;
	uint16_t len;

	if (period < c->period)
		return hr_fail(err, HR_E_FORMAT, "period %" PRIu32 " comes after %" PRIu32, period, c->period);
	if (period > c->period && !begin_period(c, period, err))
		return false;
	if (c->r->cut && c->ahead == NULL)
		mute = !filter_event(c, e, &row, c->group->past, &len);
	if (!name_session(c, e, err) || !hr_replay_take(c->r, e, mute, err))
		return false;
	if (hr_intake_step_due(c->r->intake))
		hr_replay_step(c->r);
	return true;
}

static bool take_all(struct cycles *c, struct hr_error *err)
{
	struct hr_event e;
	uint32_t period;
	bool end = false;

	for (;;) {
		if (!hr_replay_next(c->r, &e, &period, &end, err))
			return false;
		if (end)
			break;
		if (!take(c, &e, period, err))
			return false;
	}
	hr_replay_flush(c->r);
	end_period(c);
	tell_means(c);
	return c->r->cut || hr_fail(err, HR_E_CONFIG, "no event has a period above 0: nothing was asked");
}

bool hr_evaluate_cycles(struct hr_replay *r, struct hr_error *err)
{
	struct cycles c = {.r = r, .filter.length = (uint16_t)r->c->config->history_length};
	bool ok = r->c->learn == HR_LEARN_PER_EVENT ||
	          (hr_rows_open(r->c->path, &r->c->rows, &c.ahead, err) && read_ahead(&c, err));

	c.group = hr_alloc(1, sizeof *c.group);
	ok = ok && take_all(&c, err);
	hr_rows_close(c.ahead);
	hr_histories_free(c.filter.sessions);
	hr_free(c.group);
	return ok;
}
