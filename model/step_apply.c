/* model/step_apply.c - from the shards' gradients to new weights. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "model/priv.h"

#define BETA1 0.9f
#define BETA2 0.98f
#define EPSILON 1e-8f
/* A stream has no end: an accumulator that only grew would bring the items that are seen most to a stop. So the last
 * hundred or so squared gradients of a row count. On the stream of docs/model.md: HR@10 .1656 -> .1671 alone,
 * .1768 -> .1782 mixed. */
#define ITEM_MEMORY 0.99f
/* Cosines do not see how long a row is, but steps at right angles to it make it longer without end, and a long row turns
 * slowly. */
#define ROW_LENGTH_MAX 2.0
/* Start-up training: the rate of item rows, in terms of that of the dense weights. Rows that are long when it ends turn slowly
 * from then on, and those of new items quickly: beside 17, 67 gave .1719/.1036 -> .1752/.1059 alone, and items drift by .002
 * in a week instead of .014. */
#define START_UP_ITEMS 67.0f
/* Squares of finite numbers must stay finite in the optimisers' accumulators. */
#define SQUARES_MAX 1e30
/* CLIP (Radford et al. 2021): a scale above 100 was found to make training unstable. */
#define LOG_SCALE_MAX 4.6051702f

static double squares(const float *x, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)x[i] * (double)x[i];
	return sum;
}

static void add(float *y, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] += x[i];
}

/* Gradients of the unit rows of slots first..last-1: as candidates, shard by shard; as inputs, in the batch's order. */
static void collect_slots(const struct hr_trainer *t, size_t first, size_t last)
{
	const struct hr_plan *p = &t->step.plan;
	const struct hr_step_memory *m = &t->step.memory;
	const size_t D = t->config.width, candidates = last < p->candidates ? last : p->candidates;

	memset(m->dunit_row + first * D, 0, (last - first) * D * sizeof(float));
	if (first < candidates)
		for (size_t s = 0; s < HR_SHARDS; s++)
			add(m->dunit_row + first * D, m->dcandidate + (s * p->candidates + first) * D, (candidates - first) * D);
	for (size_t i = 0; i < p->batch.positions; i++)
		if (p->slot[i] >= first && p->slot[i] < last)
			add(m->dunit_row + p->slot[i] * D, m->dinput + i * D, D);
}

static void reduce_slots(void *ctx, size_t worker, size_t task)
{
	struct hr_trainer *t = ctx;
	const struct hr_step_memory *m = &t->step.memory;
	const size_t D = t->config.width, slots = t->step.plan.slots;
	const size_t first = slots * task / HR_SHARDS, last = slots * (task + 1) / HR_SHARDS, n = last - first;

	(void)worker;
	collect_slots(t, first, last);
	memset(m->drow + first * D, 0, n * D * sizeof(float));
	t->k->unit_back(m->drow + first * D, m->dunit_row + first * D, m->unit + first * D, m->inv + first, n, D);
	t->step.squares[task] = squares(m->drow + first * D, n * D);
}

static void reduce_dense(struct hr_trainer *t)
{
	const size_t n = t->encoder.at.floats;

	memset(t->g, 0, n * sizeof *t->g);
	for (size_t s = 0; s < HR_SHARDS; s++) {
		add(t->g, t->step.memory.grad + s * n, n);
		t->g[t->encoder.at.log_scale] += (float)t->step.dlog_scale[s];
	}
	if (!t->config.time_gaps)
		hr_trainer_no_gaps(t->g, &t->encoder.at);
	t->step.squares[HR_SHARDS] = squares(t->g, n);
}

bool hr_step_reduce(struct hr_trainer *t)
{
	double sum = t->step.before_after + t->step.views;

	hr_pool_run(t->pool, reduce_slots, t, HR_SHARDS);
	reduce_dense(t);
	for (size_t s = 0; s < HR_SHARDS; s++)
		sum += t->step.next_item[s] + t->step.masked_item[s] + t->step.triplet[s];
	if (!isfinite(sum))
		return false;
	sum = 0;
	for (size_t s = 0; s <= HR_SHARDS; s++)
		sum += t->step.squares[s];
	return sum <= SQUARES_MAX; /* false for NaN too */
}

/* ---- optimisers ---- */

static void apply_dense(struct hr_trainer *t)
{
	const size_t n = t->encoder.at.floats, decayed = t->encoder.at.decayed;
	const float rate = t->rate > 0 ? t->rate : t->config.rate;
	const uint64_t step = t->steps + 1;

	t->k->adamw(t->w, t->m, t->v, t->g, decayed, rate, BETA1, BETA2, EPSILON, t->config.weight_decay, step);
	t->k->adamw(t->w + decayed, t->m + decayed, t->v + decayed, t->g + decayed, n - decayed, rate, BETA1, BETA2, EPSILON,
	            /* decay */ 0, step);
	t->w[t->encoder.at.log_scale] = fminf(t->w[t->encoder.at.log_scale], LOG_SCALE_MAX);
}

static void shorten(float *x, size_t D, double length)
{
	const float share = (float)(ROW_LENGTH_MAX / length);

	for (size_t c = 0; c < D; c++)
		x[c] *= share;
}

static void apply_row(struct hr_trainer *t, struct hr_items *items, size_t row, const float *gradient)
{
	const size_t D = t->config.width;
	float *x = hr_items_row(items, row), *acc = &hr_items_page(items, row)->acc[row % HR_PAGE_ROWS];
	const double length = sqrt(squares(x, D));
	const float rate = t->rate > 0 ? START_UP_ITEMS * t->rate : t->config.item_rate;

	*acc *= ITEM_MEMORY;
	t->k->adagrad_row(x, acc, gradient, D, rate, t->config.clip * (float)length);
	if (length > ROW_LENGTH_MAX)
		shorten(x, D, length);
	hr_items_touch(items, row);
}

/* What a content row gets: the sum over the items that contain it. */
static void collect_content(struct hr_trainer *t, float *dcontent, bool *reached)
{
	const struct hr_plan *p = &t->step.plan;
	const size_t D = t->config.width;

	for (size_t i = 0; i < p->slots; i++) {
		const struct hr_page *page = hr_items_page(&t->items, p->touched[i]);
		const size_t r = p->touched[i] % HR_PAGE_ROWS, features = page->features[r];
		const float share = features > 0 ? 1 / sqrtf((float)features) : 0;
		for (size_t f = 0; f < features; f++) {
			const size_t feature = page->feature[r][f];
			reached[feature] = true;
			for (size_t c = 0; c < D; c++)
				dcontent[feature * D + c] += share * t->step.memory.drow[i * D + c];
		}
	}
}

static void apply_content(struct hr_trainer *t)
{
	const size_t D = t->config.width;
	bool reached[HR_CONTENT_ROWS] = {0};

	if (t->items.featured == 0)
		return;
	if (t->step.memory.content == NULL)
		t->step.memory.content = hr_alloc(HR_CONTENT_ROWS * D, sizeof(float));
	collect_content(t, t->step.memory.content, reached);
	for (size_t f = 0; f < HR_CONTENT_ROWS; f++) {
		if (!reached[f])
			continue;
		apply_row(t, &t->content, f, t->step.memory.content + f * D);
		memset(t->step.memory.content + f * D, 0, D * sizeof(float));
	}
	hr_items_content_moved(&t->items);
}

/* In start-up training nothing is published that must not wander, and half steps cost it .002 of HR@10. */
static void apply_slow(struct hr_trainer *t)
{
	const float share = t->rate > 0 ? 1 : t->config.slow_share;

	if (t->steps % t->config.slow_every != 0)
		return;
	for (size_t i = 0; i < t->encoder.at.floats; i++) {
		t->w[i] = share < 1 ? t->slow[i] + share * (t->w[i] - t->slow[i]) : t->w[i];
		t->slow[i] = t->w[i];
	}
	hr_items_slow(&t->items, share);
	hr_items_slow(&t->content, share);
	if (t->items.featured > 0)
		hr_items_content_moved(&t->items);
}

void hr_step_apply(struct hr_trainer *t)
{
	const struct hr_plan *p = &t->step.plan;

	apply_dense(t);
	apply_content(t);
	for (size_t i = 0; i < p->slots; i++)
		apply_row(t, &t->items, p->touched[i], t->step.memory.drow + i * t->config.width);
	t->steps++;
	apply_slow(t);
	hr_encoder_pack(&t->encoder);
	t->dense_dirty = t->state_dirty = true;
}
