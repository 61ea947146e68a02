/* model/step_run.c - the arithmetic of a step: forward and next-item loss shard by shard, the contrasts, then backward. */
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/cut.h"
#include "model/loss_contrast.h"
#include "model/loss_next.h"
#include "model/loss_triplet.h"
#include "model/priv.h"
#include "model/purpose.h"

/* ---- memory ---- */

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static size_t run_positions(const struct hr_plan *p) { return larger(HR_RUN_POSITIONS, p->longest); }

static size_t contrast_floats(size_t n, size_t D)
{
	return n == 0 ? 0 : 4 * hr_cut_room(n * D) + hr_infonce_scratch_floats(n, D);
}

/* Of one worker: a chunk's hidden states and the encoder's scratch, or a loss. */
static size_t scratch_floats(const struct hr_trainer *t)
{
	const struct hr_plan *p = &t->step.plan;
	const size_t D = t->config.width, P = run_positions(p);
	const size_t encoder = hr_cut_room(P * D) + hr_encoder_scratch_floats(&t->encoder.at, P, p->longest);
	const size_t contrast = contrast_floats(larger(p->changes, p->view_pairs), D);

	return hr_cut_room(larger(encoder, larger(contrast, hr_next_item_scratch_floats(p->candidates, D))));
}

static void lay_out(struct hr_step_memory *m, const struct hr_trainer *t, float *from)
{
	const struct hr_plan *p = &t->step.plan;
	const size_t D = t->config.width, P = p->batch.positions;

	m->scratch_floats = scratch_floats(t);
	m->unit = hr_cut(&from, p->slots * D);
	m->inv = hr_cut(&from, p->slots);
	m->dunit_row = hr_cut(&from, p->slots * D);
	m->drow = hr_cut(&from, p->slots * D);
	m->bias = hr_cut(&from, p->candidates);
	m->user = hr_cut(&from, P * D);
	m->inv_user = hr_cut(&from, P);
	m->duser = hr_cut(&from, P * D);
	m->dinput = hr_cut(&from, P * D);
	m->tape = hr_cut(&from, p->tape_floats);
	m->grad = hr_cut(&from, HR_SHARDS * t->encoder.at.floats);
	m->dcandidate = hr_cut(&from, HR_SHARDS * p->candidates * D);
	m->scratch = hr_cut(&from, hr_pool_workers(t->pool) * m->scratch_floats);
}

static size_t floats_needed(const struct hr_trainer *t)
{
	const struct hr_plan *p = &t->step.plan;
	const size_t D = t->config.width, P = p->batch.positions;

	return 3 * hr_cut_room(p->slots * D) + hr_cut_room(p->slots) + hr_cut_room(p->candidates) + 3 * hr_cut_room(P * D) +
	       hr_cut_room(P) + hr_cut_room(p->tape_floats) + HR_SHARDS * t->encoder.at.floats +
	       hr_cut_room(HR_SHARDS * p->candidates * D) + hr_pool_workers(t->pool) * scratch_floats(t);
}

static void prepare_memory(struct hr_trainer *t)
{
	struct hr_step_memory *m = &t->step.memory;
	const size_t need = floats_needed(t);

	if (need > m->cap) {
		hr_free(m->all);
		m->cap = need + need / 4; /* so that a few batches, each a little larger, do not each cost one */
		m->all = hr_alloc(m->cap, sizeof *m->all);
	}
	lay_out(m, t, m->all);
}

/* ---- rows and candidates ---- */

static void gather_rows(struct hr_trainer *t)
{
	const struct hr_plan *p = &t->step.plan;
	struct hr_step_memory *m = &t->step.memory;
	const size_t D = t->config.width;

	for (size_t i = 0; i < p->slots; i++)
		hr_items_vector(&t->items, &t->content, p->touched[i], m->drow + i * D);
	t->k->unit(m->unit, m->inv, m->drow, p->slots, D);
}

/* Share of the targets that are new events; in start-up training all are old. */
static double fresh_share(const struct hr_trainer *t)
{
	const struct hr_plan *p = &t->step.plan;
	size_t fresh = 0;

	for (size_t s = 0; s < p->batch.sequences; s++)
		for (size_t i = p->batch.start[s]; i < p->batch.start[s + 1] && p->batch.fresh[s]; i++)
			fresh += p->label[i] != HR_NONE;
	return t->rate > 0 || p->targets == 0 ? 0 : (double)fresh / (double)p->targets;
}

/* A candidate is drawn uniformly, or is some position's target: that of a new event with the item's share of recent events,
 * that of an old one with its share of all. With the share of all alone, what is bought just now was corrected for too little. */
static void inclusion_biases(struct hr_trainer *t)
{
	const struct hr_plan *p = &t->step.plan;
	const double N = (double)t->items.live_count, K = (double)t->config.negatives;
	const double P = (double)(p->targets + p->masks), fresh = fresh_share(t);
	const double total = (double)hr_counters_total(t->counters) + N;
	float *bias = t->step.memory.bias;

	hr_counters_recent(t->counters, t->stream_ms, p->touched, p->candidates, bias);
	for (size_t c = 0; c < p->candidates; c++) {
		const double ever = ((double)hr_counters_events(t->counters, p->touched[c]) + 1) / total;
		const double share = fresh * (double)bias[c] + (1 - fresh) * ever;
		bias[c] = hr_inclusion_bias(K / N + P * share);
	}
}

/* ---- shards ---- */

struct stage {
	struct hr_trainer *t;
	float scale;
	uint64_t dropout_key;
};

static float *worker_scratch(const struct stage *s, size_t worker)
{
	const struct hr_step_memory *m = &s->t->step.memory;

	return m->scratch + worker * m->scratch_floats;
}

static struct hr_run run_of(const struct stage *s, const struct hr_chunk *c)
{
	const struct hr_plan *p = &s->t->step.plan;
	const size_t first = p->batch.start[c->first];

	return (struct hr_run){
		.sequences = c->last - c->first,
		.positions = p->batch.start[c->last] - first,
		.start = p->batch.start + c->first,
		.row = p->slot + first,
		.time_ms = p->batch.time_ms + first,
		.ask_ms = p->batch.ask_ms + first,
		.kind = p->batch.kind + first,
		.unit = s->t->step.memory.unit,
		.dropout = s->t->config.dropout,
		.key = s->dropout_key,
		.position_at = first,
		.pair_at = c->pair_at,
	};
}

/* The losses that ask each position for an item of the candidates. */
static void chunk_losses(const struct stage *s, size_t first, size_t positions, size_t shard, float *scratch)
{
	struct hr_trainer *t = s->t;
	struct hr_step *step = &t->step;
	const struct hr_plan *p = &step->plan;
	const size_t D = t->config.width;
	const float *user = step->memory.user + first * D;
	float *duser = step->memory.duser + first * D, *dcandidate = step->memory.dcandidate + shard * p->candidates * D;
	struct hr_next_item n = {
		.C = p->candidates,
		.D = D,
		.candidate = step->memory.unit,
		.bias = p->sampled ? step->memory.bias : NULL,
		.scale = s->scale,
	};

	if (t->config.next_item > 0) {
		n.weight = t->config.next_item / (float)p->targets;
		step->next_item[shard] += hr_next_item(&n, t->k, duser, dcandidate, &step->dlog_scale[shard], user,
		                                       p->label + first, positions, scratch);
	}
	if (p->masks > 0) {
		n.weight = t->config.masked_item / (float)p->masks;
		step->masked_item[shard] += hr_next_item(&n, t->k, duser, dcandidate, &step->dlog_scale[shard], user,
		                                         p->hidden + first, positions, scratch);
	}
	if (t->config.triplet > 0)
		step->triplet[shard] +=
			hr_triplet(duser, dcandidate, user, n.candidate, p->label + first, p->other + first, positions, D,
		                   t->config.triplet_margin, t->config.triplet / (float)p->targets);
}

static void chunk_forward(const struct stage *s, const struct hr_chunk *c, size_t shard, float *scratch)
{
	struct hr_trainer *t = s->t;
	struct hr_step_memory *m = &t->step.memory;
	const size_t D = t->config.width;
	const struct hr_run run = run_of(s, c);
	const size_t first = run.position_at;
	float *hidden = scratch, *rest = scratch + hr_cut_room(run_positions(&t->step.plan) * D);

	hr_encoder_forward(&t->encoder, &run, hidden, m->tape + c->tape_at, rest);
	t->k->unit(m->user + first * D, m->inv_user + first, hidden, run.positions, D);
	memset(m->duser + first * D, 0, run.positions * D * sizeof(float));
	chunk_losses(s, first, run.positions, shard, scratch); /* hidden is not needed any more */
}

static void forward(void *ctx, size_t worker, size_t shard)
{
	const struct stage *s = ctx;
	struct hr_step *step = &s->t->step;
	const size_t candidate_floats = step->plan.candidates * s->t->config.width, floats = s->t->encoder.at.floats;

	memset(step->memory.grad + shard * floats, 0, floats * sizeof(float));
	memset(step->memory.dcandidate + shard * candidate_floats, 0, candidate_floats * sizeof(float));
	step->next_item[shard] = step->masked_item[shard] = step->triplet[shard] = 0;
	step->dlog_scale[shard] = 0;
	for (size_t c = step->plan.shard[shard]; c < step->plan.shard[shard + 1]; c++)
		chunk_forward(s, &step->plan.chunk[c], shard, worker_scratch(s, worker));
}

static void backward(void *ctx, size_t worker, size_t shard)
{
	const struct stage *s = ctx;
	struct hr_trainer *t = s->t;
	struct hr_step_memory *m = &t->step.memory;
	const size_t D = t->config.width;
	float *dhidden = worker_scratch(s, worker), *rest = dhidden + hr_cut_room(run_positions(&t->step.plan) * D);

	for (size_t c = t->step.plan.shard[shard]; c < t->step.plan.shard[shard + 1]; c++) {
		const struct hr_chunk *chunk = &t->step.plan.chunk[c];
		const struct hr_run run = run_of(s, chunk);
		const size_t first = run.position_at;
		memset(dhidden, 0, run.positions * D * sizeof *dhidden);
		t->k->unit_back(dhidden, m->duser + first * D, m->user + first * D, m->inv_user + first, run.positions, D);
		hr_encoder_backward(&t->encoder, &run, dhidden, m->dinput + first * D, m->grad + shard * t->encoder.at.floats,
		                    m->tape + chunk->tape_at, rest);
	}
}

/* ---- contrasts ---- */

static void take_users(float *out, const float *user, const struct hr_pair *pair, size_t n, size_t D, bool second)
{
	for (size_t i = 0; i < n; i++)
		memcpy(out + i * D, user + (size_t)(second ? pair[i].b : pair[i].a) * D, D * sizeof *out);
}

static void give_back(float *duser, const float *d, const struct hr_pair *pair, size_t n, size_t D, bool second)
{
	for (size_t i = 0; i < n; i++)
		for (size_t c = 0; c < D; c++)
			duser[(size_t)(second ? pair[i].b : pair[i].a) * D + c] += d[i * D + c];
}

static double contrast_pairs(struct hr_trainer *t, const struct hr_pair *pair, size_t n, const uint32_t *alike, float weight,
                             bool both, float *scratch)
{
	struct hr_step_memory *m = &t->step.memory;
	const size_t D = t->config.width;
	float *a = hr_cut(&scratch, n * D), *b = hr_cut(&scratch, n * D);
	float *da = hr_cut(&scratch, n * D), *db = hr_cut(&scratch, n * D);

	take_users(a, m->user, pair, n, D, false);
	take_users(b, m->user, pair, n, D, true);
	memset(da, 0, n * D * sizeof *da);
	memset(db, 0, n * D * sizeof *db);
	const double loss = hr_infonce(t->k, da, db, a, b, n, D, alike, t->config.temperature, weight, both, scratch);
	give_back(m->duser, da, pair, n, D, false);
	give_back(m->duser, db, pair, n, D, true);
	return loss;
}

/* Task 0: before and after; task 1: views. Views have positions of their own, so neither touches what is the other's. */
static void contrast(void *ctx, size_t worker, size_t task)
{
	const struct stage *s = ctx;
	struct hr_trainer *t = s->t;
	const struct hr_plan *p = &t->step.plan;
	float *scratch = worker_scratch(s, worker);

	if (task == 0 && p->changes > 0)
		t->step.before_after =
			contrast_pairs(t, p->change, p->changes, NULL, t->config.before_after, /* both */ true, scratch);
	if (task == 1 && p->view_pairs > 0)
		t->step.views = contrast_pairs(t, p->views, p->view_pairs, t->config.same_target ? p->view_target : NULL,
		                               t->config.views, /* both */ false, scratch);
}

void hr_step_run(struct hr_trainer *t, float scale)
{
	struct stage s = {.t = t, .scale = scale};
	const struct hr_rng rng = hr_rng_stream(t->config.seed, HR_PURPOSE_DROPOUT, t->steps);

	s.dropout_key = rng.key;
	prepare_memory(t);
	gather_rows(t);
	if (t->step.plan.sampled)
		inclusion_biases(t);
	t->step.before_after = t->step.views = 0;
	hr_pool_run(t->pool, forward, &s, HR_SHARDS);
	hr_pool_run(t->pool, contrast, &s, 2);
	hr_pool_run(t->pool, backward, &s, HR_SHARDS);
}

void hr_step_fini(struct hr_step *s)
{
	hr_batch_fini(&s->plan.batch);
	hr_free(s->plan.slot);
	hr_free(s->plan.label);
	hr_free(s->plan.hidden);
	hr_free(s->plan.other);
	hr_free(s->plan.touched);
	hr_free(s->plan.change);
	hr_free(s->plan.views);
	hr_free(s->plan.view_target);
	hr_free(s->plan.chunk);
	hr_free(s->memory.all);
	hr_free(s->memory.content);
	*s = (struct hr_step){0};
}
