/* daemon/evaluate_leave_one_out.c - the batch protocol of the literature: epochs over all but each user's last two items. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "daemon/epochs.h"
#include "daemon/replay.h"

enum { GROUP = 256, HELD_OUT = 2, LEN_MIN = 3 };

#define TIME_MS INT64_C(1577836800000) /* order is all that is known: every event has this time */

struct batch_run {
	struct hr_replay *r;
	struct hr_idmap *users, *items;
	/* ---- events: (user, item) as read; then the items of user u are item[at[u]] .. item[at[u + 1] - 1] ---- */
	uint32_t *user, *item;
	size_t events, user_cap, item_cap;
	size_t *at;
	struct hr_past *past; /* the same, as histories */
	/* ---- one time and one kind for all ---- */
	int64_t *time_ms;
	uint8_t *kind;
	size_t longest;
	struct hr_epochs *epochs;
	struct hr_batch batch;
	struct hr_quality before[HR_RANKERS][HR_SLICES];
};

/* ---- reading ---- */

static bool read_events(struct batch_run *b, struct hr_error *err)
{
	struct hr_event e;
	bool end = false, is_new;

	for (;;) {
		if (!hr_replay_next(b->r, &e, NULL, &end, err))
			return false;
		if (end)
			return true;
		b->user = hr_grow(b->user, &b->user_cap, b->events + 1, sizeof *b->user);
		b->item = hr_grow(b->item, &b->item_cap, b->events + 1, sizeof *b->item);
		b->user[b->events] = hr_idmap_add(b->users, e.user, e.user_len, &is_new);
		b->item[b->events++] = hr_idmap_add(b->items, e.item, e.item_len, &is_new);
	}
}

/* A counting sort by user, which keeps the order within one. */
static void group_by_user(struct batch_run *b)
{
	const size_t users = hr_idmap_count(b->users);
	HR_AUTO(hr_auto_free) size_t *next = hr_alloc(users + 1, sizeof *next);
	uint32_t *sorted = hr_alloc(b->events + 1, sizeof *sorted);

	b->at = hr_alloc(users + 1, sizeof *b->at);
	for (size_t i = 0; i < b->events; i++)
		b->at[b->user[i] + 1]++;
	for (size_t u = 0; u < users; u++) {
		b->longest = b->at[u + 1] > b->longest ? b->at[u + 1] : b->longest;
		b->at[u + 1] += b->at[u];
	}
	memcpy(next, b->at, (users + 1) * sizeof *next);
	for (size_t i = 0; i < b->events; i++)
		sorted[next[b->user[i]]++] = b->item[i];
	hr_free(b->item);
	b->item = sorted;
}

static void introduce_items(struct batch_run *b)
{
	const uint32_t items = hr_idmap_count(b->items);

	for (uint32_t row = 0; row < items; row++) {
		size_t len, count = 0;
		const uint8_t *id = hr_idmap_id(b->items, row, &len);

		hr_trainer_item(b->r->trainer, row, hr_hash(id, len));
		if (b->r->c->features != NULL) {
			const uint64_t *hash = hr_features_get(b->r->c->features, id, len, &count);
			hr_trainer_content(b->r->trainer, row, hash, count);
		}
		hr_trainer_admit(b->r->trainer, row);
	}
	hr_trainer_cut(b->r->trainer);
}

static size_t length_of(const struct batch_run *b, size_t user) { return b->at[user + 1] - b->at[user]; }

/* All that is learned of a user: everything but the last two, as far back as a history goes. */
static struct hr_history history_of(const void *ctx, uint32_t user)
{
	const struct batch_run *b = ctx;
	const size_t all = length_of(b, user), len = all < LEN_MIN ? 0 : all - HELD_OUT, kept = len < UINT16_MAX ? len : UINT16_MAX;

	return (struct hr_history){.past = b->past + b->at[user] + (len - kept), .len = (uint16_t)kept};
}

/* ---- what is known of an event ---- */

static struct hr_observation observation(const struct batch_run *b, size_t user, size_t index)
{
	return (struct hr_observation){.item = b->item[b->at[user] + index],
	                               .kind = b->kind[0],
	                               .time_ms = TIME_MS,
	                               .history_len = index,
	                               .history_item = b->item + b->at[user],
	                               .history_time_ms = b->time_ms,
	                               .history_kind = b->kind};
}

static void prepare(struct batch_run *b)
{
	const size_t users = hr_idmap_count(b->users);

	group_by_user(b);
	introduce_items(b);
	b->time_ms = hr_alloc(b->longest + 1, sizeof *b->time_ms);
	b->kind = hr_alloc(b->longest + 1, sizeof *b->kind);
	memset(b->kind, HR_KIND_VIEW, b->longest + 1);
	for (size_t i = 0; i <= b->longest; i++)
		b->time_ms[i] = TIME_MS;
	b->past = hr_alloc(b->events + 1, sizeof *b->past);
	for (size_t i = 0; i < b->events; i++)
		b->past[i] = (struct hr_past){.time_ms = TIME_MS, .item = b->item[i], .kind = HR_KIND_VIEW};
	for (size_t u = 0; u < users; u++) {
		if (length_of(b, u) < LEN_MIN)
			continue;
		for (size_t i = 0; i + HELD_OUT < length_of(b, u); i++) {
			const struct hr_observation e = observation(b, u, i);
			hr_trainer_count(b->r->trainer, &e, 1);
		}
	}
}

/* ---- learning ---- */

static void learn_epoch(struct batch_run *b)
{
	const int64_t began = hr_process_cpu_us();
	const uint32_t epoch = hr_epochs_place(b->epochs).epoch;
	struct hr_step_result step;
	float rate;

	while (hr_epochs_place(b->epochs).epoch == epoch) {
		hr_epochs_batch(b->epochs, /* catalogue */ NULL, &b->batch, &rate);
		hr_trainer_rate(b->r->trainer, rate);
		hr_trainer_step(b->r->trainer, &b->batch, &step);
		b->r->result.steps++;
	}
	b->r->result.cpu_s += (double)(hr_process_cpu_us() - began) * 1e-6;
	b->r->result.events += hr_epochs_positions(b->epochs);
}

/* ---- asking ---- */

/* Figures of one question a user: its item number `back` from the end. */
static void ask(struct batch_run *b, size_t back, struct hr_quality ret[HR_RANKERS][HR_SLICES])
{
	const size_t users = hr_idmap_count(b->users);
	struct hr_observation group[GROUP];
	size_t asked = 0;

	for (size_t u = 0; u < users; u++) {
		if (length_of(b, u) >= LEN_MIN)
			group[asked++] = observation(b, u, length_of(b, u) - back);
		if (asked == GROUP || u + 1 == users) {
			hr_trainer_ask(b->r->trainer, group, asked);
			asked = 0;
		}
	}
	hr_replay_tell(b->r);
	for (int ranker = 0; ranker < HR_RANKERS; ranker++) {
		for (int slice = 0; slice < HR_SLICES; slice++) {
			ret[ranker][slice] = hr_quality_since(b->r->result.quality[ranker][slice], b->before[ranker][slice]);
			b->before[ranker][slice] = b->r->result.quality[ranker][slice];
		}
	}
}

static void tell_epoch(const struct batch_run *b, uint32_t epoch, const struct hr_quality *q)
{
	if (b->r->c->tell)
		(void)fprintf(stderr, "epoch %" PRIu32 ": validation recall@10 %.4f ndcg@10 %.4f, %.0f CPU seconds\n", epoch,
		              q->recall10, q->ndcg10, b->r->result.cpu_s);
}

/* Nothing is given up before it was asked. */
static uint32_t last_epoch(const struct hr_evaluation_config *c, uint32_t best_epoch)
{
	const uint64_t last = (uint64_t)(best_epoch > c->validate_from ? best_epoch : c->validate_from) + c->patience;

	return last < c->epochs ? (uint32_t)last : c->epochs;
}

static void run_epochs(struct batch_run *b)
{
	const struct hr_evaluation_config *c = b->r->c;
	struct hr_quality chosen[HR_RANKERS][HR_SLICES] = {0}, valid[HR_RANKERS][HR_SLICES];
	double best = -1;
	uint32_t best_epoch = 0;

	for (uint32_t epoch = 1; epoch <= last_epoch(c, best_epoch); epoch++) {
		learn_epoch(b);
		if (epoch < c->validate_from && epoch < c->epochs)
			continue;
		ask(b, /* back */ 2, valid);
		tell_epoch(b, epoch, &valid[HR_RANK_MODEL][HR_SLICE_ALL]);
		if (valid[HR_RANK_MODEL][HR_SLICE_ALL].ndcg10 <= best)
			continue;
		best = valid[HR_RANK_MODEL][HR_SLICE_ALL].ndcg10;
		best_epoch = epoch;
		ask(b, /* back */ 1, chosen);
	}
	memcpy(b->r->result.quality, chosen, sizeof chosen);
	b->r->result.epoch = best_epoch;
	b->r->result.questions = chosen[HR_RANK_MODEL][HR_SLICE_ALL].questions;
}

static void free_run(struct batch_run *b)
{
	hr_idmap_free(b->users);
	hr_idmap_free(b->items);
	hr_epochs_free(b->epochs);
	hr_batch_fini(&b->batch);
	hr_free(b->past);
	hr_free(b->user);
	hr_free(b->item);
	hr_free(b->at);
	hr_free(b->time_ms);
	hr_free(b->kind);
}

static struct hr_epochs *new_epochs(const struct batch_run *b)
{
	const struct hr_evaluation_config *c = b->r->c;
	const struct hr_epochs_config epochs = {.epochs = c->epochs,
	                                        .batch = c->batch,
	                                        .positions = c->config->history_length,
	                                        .rate = c->config->train_start_up_rate,
	                                        .seed = c->config->model_seed};

	return hr_epochs_new(&epochs, history_of, b, hr_idmap_count(b->users));
}

bool hr_evaluate_leave_one_out(struct hr_replay *r, struct hr_error *err)
{
	struct batch_run b = {.r = r, .users = hr_idmap_new(), .items = hr_idmap_new()};
	bool ok = read_events(&b, err);

	if (ok) {
		prepare(&b);
		b.epochs = new_epochs(&b);
		ok = hr_epochs_positions(b.epochs) > 0 || hr_fail(err, HR_E_CONFIG, "no user has %d events: nothing to learn", HELD_OUT + 2);
	}
	if (ok)
		run_epochs(&b);
	free_run(&b);
	return ok;
}
