/* model/step_plan.c - a step before its arithmetic: the sequences with their views, which rows take part, who is a candidate,
 * who is contrasted with whom, and how the work is split. */
#include "base/mem.h"
#include "model/augment.h"
#include "model/priv.h"
#include "model/purpose.h"

#define CHANGES_MAX 512u /* pairs of one contrast */
#define PAIRS_MIN 8u     /* fewer have too few negatives to be worth it */
#define MASK_SHARE 0.2   /* BERT4Rec (Sun et al. 2019, arXiv:1904.06690) on short histories */

/* ---- sequences ---- */

static void copy_windows(struct hr_plan *p, const struct hr_batch *b, size_t L)
{
	hr_batch_clear(&p->batch);
	for (size_t s = 0; s < b->sequences; s++) {
		const size_t begin = b->start[s], end = b->start[s + 1];
		HR_ASSERT(end > begin);
		hr_batch_begin(&p->batch, b->fresh[s]);
		for (size_t i = end - begin > L ? end - L : begin; i < end; i++)
			hr_batch_add(&p->batch, b->item[i], b->time_ms[i], b->kind[i], b->ask_ms[i], b->target[i], b->target_kind[i]);
	}
}

static void add_pair(struct hr_pair **pair, size_t *count, size_t *cap, uint32_t a, uint32_t b)
{
	*pair = hr_grow(*pair, cap, *count + 1, sizeof **pair);
	(*pair)[(*count)++] = (struct hr_pair){.a = a, .b = b};
}

/* The state when the first new event was asked for, and the state now. */
static void pair_changes(struct hr_plan *p)
{
	const struct hr_batch *b = &p->batch;

	p->changes = 0;
	for (size_t s = 0; s < b->sequences && p->changes < CHANGES_MAX; s++) {
		const uint32_t last = b->start[s + 1] - 1;
		uint32_t first = b->start[s];
		if (!b->fresh[s] || b->target[last] != HR_NONE)
			continue;
		while (first < last && b->target[first] == HR_NONE)
			first++;
		if (first < last)
			add_pair(&p->change, &p->changes, &p->change_cap, first, last);
	}
	if (p->changes < PAIRS_MIN)
		p->changes = 0;
}

/* How much of sequence s its views are of: all, or, for same-target positives, what leads to its last target. */
static size_t viewed(const struct hr_trainer *t, size_t s)
{
	const struct hr_batch *b = &t->step.plan.batch;
	const size_t count = b->start[s + 1] - b->start[s];
	const bool asks_now = b->target[b->start[s + 1] - 1] == HR_NONE;

	return !b->fresh[s] ? 0 : count - (t->config.same_target && asks_now);
}

static size_t count_viewable(const struct hr_trainer *t)
{
	size_t count = 0;

	for (size_t s = 0; s < t->step.plan.batch.sequences; s++)
		count += viewed(t, s) >= HR_VIEW_MIN;
	return count;
}

static void add_views(struct hr_trainer *t, size_t s, struct hr_rng *rng)
{
	struct hr_plan *p = &t->step.plan;
	struct hr_batch *b = &p->batch;
	const struct hr_augmenting how = {.counters = t->counters, .informed = t->config.informed_views,
	                                  .longest = t->config.window};
	const size_t from = b->start[s], count = viewed(t, s);
	uint32_t last[2];

	p->view_target = hr_grow(p->view_target, &p->view_target_cap, p->view_pairs + 1, sizeof *p->view_target);
	p->view_target[p->view_pairs] = b->target[from + count - 1];
	for (size_t v = 0; v < 2; v++) {
		hr_augment(b, b, from, count, &how, rng);
		last[v] = (uint32_t)b->positions - 1;
	}
	add_pair(&p->views, &p->view_pairs, &p->views_cap, last[0], last[1]);
}

/* Chooses wanted of the histories long enough, each with the same chance, in order (Knuth 1997, algorithm S). */
static void make_views(struct hr_trainer *t)
{
	struct hr_plan *p = &t->step.plan;
	struct hr_rng rng = hr_rng_stream(t->config.seed, HR_PURPOSE_VIEWS, t->steps);
	size_t sequences = p->batch.sequences, left = count_viewable(t), wanted = t->config.view_histories;

	if ((left < wanted ? left : wanted) < PAIRS_MIN)
		return;
	for (size_t s = 0; s < sequences && wanted > 0; s++) {
		if (viewed(t, s) < HR_VIEW_MIN)
			continue;
		if (hr_rng_below(&rng, (uint32_t)left--) >= wanted)
			continue;
		wanted--;
		add_views(t, s, &rng);
	}
}

/* A copy of sequence s with some items hidden, at least one; hidden[position] is what was there. */
static void add_masked(struct hr_plan *p, size_t s, struct hr_rng *rng)
{
	struct hr_batch *b = &p->batch;
	const size_t from = b->start[s], to = b->start[s + 1];
	bool any = false;

	hr_batch_begin(b, /* fresh */ 0);
	for (size_t i = from; i < to; i++) {
		const bool hide = hr_rng_unit(rng) < MASK_SHARE || (i + 1 == to && !any);
		p->hidden = hr_grow(p->hidden, &p->hidden_cap, b->positions + 1, sizeof *p->hidden);
		p->hidden[b->positions] = hide ? b->item[i] : HR_NONE;
		hr_batch_add(b, b->item[i], b->time_ms[i], b->kind[i], b->ask_ms[i], HR_NONE, 0);
		p->masks += hide;
		any |= hide;
	}
}

static void make_masked(struct hr_trainer *t, size_t sequences)
{
	struct hr_plan *p = &t->step.plan;
	struct hr_rng rng = hr_rng_stream(t->config.seed, HR_PURPOSE_MASKED, t->steps);

	p->masks = 0;
	p->hidden = hr_grow(p->hidden, &p->hidden_cap, p->batch.positions, sizeof *p->hidden);
	for (size_t i = 0; i < p->batch.positions; i++)
		p->hidden[i] = HR_NONE;
	for (size_t s = 0; s < sequences && t->config.masked_item > 0; s++)
		if (p->batch.start[s + 1] - p->batch.start[s] >= 2)
			add_masked(p, s, &rng);
}

/* ---- rows that take part ---- */

static uint32_t touch(struct hr_trainer *t, uint32_t row)
{
	struct hr_plan *p = &t->step.plan;

	HR_ASSERT(row < t->items.rows && (hr_items_page(&t->items, row)->known >> row % HR_PAGE_ROWS & 1));
	if (t->slot[row] == HR_NONE) {
		p->touched = hr_grow(p->touched, &p->touched_cap, p->slots + 1, sizeof *p->touched);
		t->slot[row] = (uint32_t)p->slots;
		p->touched[p->slots++] = row;
	}
	return t->slot[row];
}

static void choose_candidates(struct hr_trainer *t)
{
	struct hr_plan *p = &t->step.plan;
	const size_t live = t->items.live_count;

	p->slots = 0;
	p->targets = 0;
	for (size_t i = 0; i < p->batch.positions; i++) {
		p->label[i] = p->batch.target[i] == HR_NONE ? HR_NONE : touch(t, p->batch.target[i]);
		p->targets += p->label[i] != HR_NONE;
	}
	for (size_t i = 0; i < p->batch.positions && p->masks > 0; i++)
		p->hidden[i] = p->hidden[i] == HR_NONE ? HR_NONE : touch(t, p->hidden[i]);
	p->sampled = live >= t->config.full_softmax_below && live > t->config.negatives;
	if (p->sampled) {
		struct hr_rng rng = hr_rng_stream(t->config.seed, HR_PURPOSE_NEGATIVES, t->steps);
		for (uint32_t i = 0; i < t->config.negatives; i++)
			(void)touch(t, hr_items_draw(&t->items, &rng));
	} else {
		for (uint32_t row = 0; row < t->items.rows; row++)
			if (t->live[row])
				(void)touch(t, row);
	}
	p->candidates = p->slots;
}

/* ---- split ---- */

static void close_chunk(struct hr_plan *p, size_t chunks, size_t last, const struct hr_layout *at)
{
	struct hr_chunk *c = &p->chunk[chunks - 1];
	size_t pairs = 0;

	c->last = last;
	for (size_t s = c->first; s < last; s++) {
		const size_t T = p->batch.start[s + 1] - p->batch.start[s];
		pairs += T * T;
		p->longest = T > p->longest ? T : p->longest;
	}
	p->tape_floats += hr_tape_floats(at, p->batch.start[last] - p->batch.start[c->first], pairs);
	if (last < p->batch.sequences)
		p->chunk[chunks] = (struct hr_chunk){.first = last, .pair_at = c->pair_at + pairs, .tape_at = p->tape_floats};
}

static void split(struct hr_plan *p, const struct hr_layout *at)
{
	const struct hr_batch *b = &p->batch;
	size_t chunks = 1, shard = 0;

	p->chunk = hr_grow(p->chunk, &p->chunk_cap, b->sequences + 1, sizeof *p->chunk);
	p->chunk[0] = (struct hr_chunk){0};
	p->tape_floats = 0;
	p->longest = 0;
	p->shard[0] = 0;
	for (size_t s = 1; s < b->sequences; s++) {
		const size_t in_shard = (size_t)b->start[s] * HR_SHARDS / b->positions;
		const bool full = b->start[s + 1] - b->start[p->chunk[chunks - 1].first] > HR_RUN_POSITIONS;
		if (full || in_shard != shard)
			close_chunk(p, chunks++, s, at);
		while (shard < in_shard)
			p->shard[++shard] = chunks - 1;
	}
	close_chunk(p, chunks, b->sequences, at);
	while (shard < HR_SHARDS)
		p->shard[++shard] = chunks;
}

/* ---- */

/* For each question, the target of a question of another sequence, drawn from all; a few tries, then none. */
static void choose_others(struct hr_trainer *t)
{
	struct hr_plan *p = &t->step.plan;
	const struct hr_batch *b = &p->batch;
	struct hr_rng rng = hr_rng_stream(t->config.seed, HR_PURPOSE_TRIPLET, t->steps);

	p->other = hr_grow(p->other, &p->other_cap, b->positions, sizeof *p->other);
	for (size_t s = 0; s < b->sequences; s++) {
		for (size_t i = b->start[s]; i < b->start[s + 1]; i++) {
			p->other[i] = HR_NONE;
			for (unsigned tries = 0; tries < 8 && p->label[i] != HR_NONE && p->other[i] == HR_NONE; tries++) {
				const size_t j = hr_rng_below(&rng, (uint32_t)b->positions);
				if ((j < b->start[s] || j >= b->start[s + 1]) && p->label[j] != p->label[i])
					p->other[i] = p->label[j];
			}
		}
	}
}

static void find_slots(struct hr_trainer *t)
{
	struct hr_plan *p = &t->step.plan;

	p->slot = hr_grow(p->slot, &p->slot_cap, p->batch.positions, sizeof *p->slot);
	p->label = hr_grow(p->label, &p->label_cap, p->batch.positions, sizeof *p->label);
	choose_candidates(t);
	for (size_t i = 0; i < p->batch.positions; i++)
		p->slot[i] = p->hidden[i] == HR_NONE ? touch(t, p->batch.item[i]) : HR_ROW_MASK;
}

bool hr_plan_make(struct hr_trainer *t, const struct hr_batch *batch)
{
	struct hr_plan *p = &t->step.plan;

	copy_windows(p, batch, t->config.window);
	p->changes = p->view_pairs = 0;
	if (t->config.before_after > 0)
		pair_changes(p);
	if (t->config.views > 0)
		make_views(t);
	make_masked(t, batch->sequences);
	find_slots(t);
	if (t->config.triplet > 0)
		choose_others(t);
	if (p->targets > 0)
		split(p, &t->encoder.at);
	return p->targets > 0;
}

void hr_plan_done(struct hr_trainer *t)
{
	struct hr_plan *p = &t->step.plan;

	for (size_t i = 0; i < p->slots; i++)
		t->slot[p->touched[i]] = HR_NONE;
	p->slots = 0;
}
