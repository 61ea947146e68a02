/* model/trainer.c - the trainer's life, its items, and a step from outside. */
#include "model/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/priv.h"

#include "model/purpose.h"
#include "model/snapshot_weights.h"

/* ---- life ---- */

void hr_trainer_no_gaps(float *x, const struct hr_layout *at)
{
	memset(x + at->gap_bias, 0, HR_GAPS * at->shape.H * sizeof *x);
	memset(x + at->gap, 0, HR_GAPS * at->shape.D * sizeof *x);
}

static void new_dense(struct hr_trainer *t)
{
	const struct hr_model_config *c = &t->config;
	const struct hr_shape shape = {.D = c->width, .H = c->heads, .blocks = c->blocks, .L = c->window};
	struct hr_layout at;

	hr_layout_init(&at, &shape);
	t->w = hr_alloc(5 * at.floats, sizeof *t->w);
	t->m = t->w + at.floats;
	t->v = t->m + at.floats;
	t->g = t->v + at.floats;
	t->slow = t->g + at.floats;
	hr_weights_start(t->w, &at, c->seed);
	if (!c->time_gaps)
		hr_trainer_no_gaps(t->w, &at);
	memcpy(t->slow, t->w, at.floats * sizeof *t->w);
	hr_encoder_init(&t->encoder, t->k, &at, t->w);
	t->dense_dirty = true;
}

static void new_content(struct hr_trainer *t)
{
	hr_items_init(&t->content, t->config.width, t->config.seed, HR_PURPOSE_CONTENT);
	for (size_t row = 0; row < HR_CONTENT_ROWS; row++)
		hr_items_make(&t->content, row, row);
}

bool hr_trainer_new(const struct hr_model_config *config, struct hr_trainer **ret_trainer, struct hr_error *err)
{
	const struct hr_kernels *kernels;

	if (!hr_model_config_check(config, err) || !hr_kernels_choose(getenv("HEADRACE_KERNELS"), &kernels, err))
		return false;
	struct hr_trainer *t = hr_alloc(1, sizeof *t);
	t->config = *config;
	t->k = kernels;
	t->pool = hr_pool_new(config->workers);
	t->stream_ms = INT64_MIN;
	t->ask_share = config->evaluate_share;
	t->cut_rows = HR_NONE;
	t->state_dirty = true;
	new_dense(t);
	hr_items_init(&t->items, config->width, config->seed, HR_PURPOSE_ITEM);
	t->counters = hr_counters_new(config->rules_kept, config->popularity_half_life_days);
	hr_score_init(&t->score, config->evaluate_window);
	hr_gate_init(&t->gate);
	*ret_trainer = t;
	return true;
}

static void free_observing(struct hr_observing *o)
{
	hr_batch_fini(&o->batch);
	hr_encode_memory_fini(&o->encode);
	hr_free(o->user);
	hr_free(o->logits);
	hr_free(o->scores);
	hr_free(o->scratch);
	hr_free(o->question);
	hr_free(o->open);
}

void hr_trainer_free(struct hr_trainer *t)
{
	if (t == NULL)
		return;
	hr_pool_free(t->pool);
	hr_encoder_fini(&t->encoder);
	hr_items_fini(&t->items);
	hr_items_fini(&t->content);
	hr_counters_free(t->counters);
	hr_score_fini(&t->score);
	hr_step_fini(&t->step);
	free_observing(&t->observing);
	hr_buf_fini(&t->bytes);
	hr_free(t->w);
	hr_free(t->unit);
	hr_free(t->live);
	hr_free(t->slot);
	hr_free(t);
}

const char *hr_trainer_kernels(const struct hr_trainer *t) { return t->k->name; }

uint64_t hr_trainer_steps(const struct hr_trainer *t) { return t->steps; }

void hr_trainer_rate(struct hr_trainer *t, float rate)
{
	HR_ASSERT(rate >= 0);
	t->rate = rate;
	t->state_dirty = true;
}

struct hr_counters *hr_trainer_counters(struct hr_trainer *t) { return t->counters; }

const struct hr_score *hr_trainer_score(const struct hr_trainer *t) { return &t->score; }

/* ---- items ---- */

void hr_trainer_rows(struct hr_trainer *t)
{
	const size_t rows = t->items.rows, slots_were = t->slot_cap;

	t->unit = hr_grow(t->unit, &t->unit_cap, rows * t->config.width, sizeof *t->unit);
	t->live = hr_grow(t->live, &t->live_cap, rows, sizeof *t->live);
	t->slot = hr_grow(t->slot, &t->slot_cap, rows, sizeof *t->slot);
	for (size_t row = slots_were; row < t->slot_cap; row++)
		t->slot[row] = HR_NONE;
}

void hr_trainer_item(struct hr_trainer *t, uint32_t row, uint64_t id_hash)
{
	const size_t rows = t->items.rows;

	hr_items_make(&t->items, row, id_hash);
	if (t->items.rows > rows) {
		hr_trainer_rows(t);
		t->state_dirty = true;
	}
}

void hr_trainer_admit(struct hr_trainer *t, uint32_t row)
{
	hr_items_admit(&t->items, row);
	t->live[row] = 1;
}

void hr_trainer_retire(struct hr_trainer *t, uint32_t row)
{
	hr_items_retire(&t->items, row);
	t->live[row] = 0;
}

void hr_trainer_content(struct hr_trainer *t, uint32_t row, const uint64_t *feature_hash, size_t count)
{
	if (count > 0 && t->content.rows == 0)
		new_content(t);
	hr_items_content(&t->items, row, feature_hash, count);
}

void hr_trainer_refresh(struct hr_trainer *t)
{
	const size_t D = t->config.width;
	float vector[256], inv;

	HR_ASSERT(D <= sizeof vector / sizeof vector[0]);
	for (size_t i = 0; i < t->items.pages; i++) {
		struct hr_page *p = t->items.page[i];
		for (; p->stale != 0; p->stale &= p->stale - 1) {
			const size_t row = i * HR_PAGE_ROWS + (size_t)__builtin_ctzll(p->stale);
			hr_items_vector(&t->items, &t->content, row, vector);
			t->k->unit(t->unit + row * D, &inv, vector, 1, D);
		}
	}
}

/* ---- step ---- */

static double mean(const double *of_shard, size_t count)
{
	double sum = 0;

	for (size_t i = 0; i < HR_SHARDS; i++)
		sum += of_shard[i];
	return count > 0 ? sum / (double)count : 0;
}

static void fill_result(const struct hr_trainer *t, struct hr_step_result *r)
{
	const struct hr_model_config *c = &t->config;
	const struct hr_step *s = &t->step;

	r->positions = s->plan.batch.positions;
	r->targets = s->plan.targets;
	r->next_item = mean(s->next_item, s->plan.targets);
	r->masked_item = mean(s->masked_item, s->plan.masks);
	r->triplet = mean(s->triplet, s->plan.targets);
	r->before_after = s->before_after;
	r->views = s->views;
	r->loss = (double)c->next_item * r->next_item + (double)c->before_after * r->before_after +
	          (double)c->views * r->views + (double)c->masked_item * r->masked_item + (double)c->triplet * r->triplet;
}

static void count_refusal(struct hr_trainer *t, bool refused)
{
	t->state_dirty |= refused || t->refused != 0;
	t->refused = refused ? t->refused + 1 : 0;
}

bool hr_trainer_frozen(const struct hr_trainer *t) { return t->refused >= HR_REFUSED_MAX; }
void hr_trainer_thaw(struct hr_trainer *t) { count_refusal(t, false); }

void hr_trainer_step(struct hr_trainer *t, const struct hr_batch *batch, struct hr_step_result *ret_result)
{
	*ret_result = (struct hr_step_result){0};
	if (hr_trainer_frozen(t))
		return;
	if (hr_plan_make(t, batch)) {
		hr_step_run(t, expf(t->w[t->encoder.at.log_scale]));
		fill_result(t, ret_result);
		ret_result->trained = hr_step_reduce(t);
		ret_result->refused = !ret_result->trained;
		count_refusal(t, ret_result->refused);
		if (ret_result->trained)
			hr_step_apply(t);
	}
	hr_plan_done(t);
}

/* ---- snapshot ---- */

struct hr_snapshot *hr_trainer_snapshot(struct hr_trainer *t)
{
	struct hr_snapshot *s = hr_snapshot_new(&t->encoder, t->items.rows);
	float *unit = s->weights->unit, *log_popularity = s->weights->log_popularity;

	hr_trainer_refresh(t);
	if (s->rows > 0) {
		memcpy(unit, t->unit, s->rows * s->width * sizeof *unit);
		memcpy(s->weights->live, t->live, s->rows);
	}
	hr_counters_popularity(t->counters, t->stream_ms, log_popularity, s->rows);
	for (size_t row = 0; row < s->rows; row++)
		log_popularity[row] += 0.05f;
	t->k->logs(log_popularity, log_popularity, s->rows);
	for (size_t row = 0; row < s->rows; row++)
		s->weights->events[row] = hr_counters_events(t->counters, (uint32_t)row);
	s->scale = expf(t->w[t->encoder.at.log_scale]);
	s->mix = t->gate.now;
	s->steps = t->steps;
	hr_snapshot_ready(s);
	return s;
}
