/* bench/train_ours.c - our side of bench/train: the daemon's encoder, kernels, shards and optimisers under the loss of the
 * peers, binary cross-entropy of the next item against one negative (Kang and McAuley 2018), on random items.
 *
 * train_ours LENGTHS   reads commands "full|natural|infonce BATCH WORKERS SECONDS" from standard input and answers each with
 *                      "sequences wall_seconds cpu_seconds loss"; the first line is "kernels NAME peak GFLOP/s", of fp32 multiply-adds.
 * LENGTHS: line n counts the histories of length n. What differs from the peers is what headrace differs in: pre-LN, cosine
 * logits, distance and time-gap biases, no padding, row-wise Adagrad on the rows that a step touches, Adam for the rest.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "bench/peak.h"
#include "model/cut.h"
#include "model/encoder.h"
#include "model/loss_contrast.h"
#include "model/pool.h"
#include "model/step.h"

enum { ITEMS = 12101, D = 64, HEADS = 2, BLOCKS = 2, L = 50 };
#define DROPOUT   0.2f
#define CONTRAST  0.1f /* weight of InfoNCE beside the next item, as in CL4SRec */
#define DAY_MS    INT64_C(86400000)

struct chunk {
	size_t first, last, pair_at, tape_at;
};

struct trainer {
	struct hr_encoder encoder;
	float *w, *g, *m, *v;        /* dense weights, gradient, Adam's moments */
	float *row, *acc;            /* (ITEMS, D) and Adagrad's accumulators */
	uint32_t *slot;              /* of each item, HR_NONE between steps */
	struct hr_rng rng;
	uint64_t steps;
	struct hr_pool *pool;
	double lengths[L + 1];       /* share of histories no longer than this */
	/* ---- one step ---- */
	struct hr_batch batch;       /* sequences with targets, views behind them */
	size_t asking, pairs;        /* sequences with targets; pairs of views */
	uint32_t *negative, *touched, *in, *yes, *no; /* for each position: item; slots of item, target, negative */
	size_t slots, chunks, shard[HR_SHARDS + 1], tape_floats;
	struct chunk *chunk;
	double loss[HR_SHARDS];
	struct { /* memory, cut from one array */
		float *all, *unit, *inv, *dunit, *drow, *user, *inv_user, *duser, *dinput, *pull, *tape, *grad, *scratch;
		size_t cap, scratch_floats;
	} a;
	size_t negative_cap, touched_cap, in_cap, yes_cap, no_cap, chunk_cap;
};

/* ---- dot products, over sixteen lanes ---- */

typedef float lanes __attribute__((vector_size(64), aligned(4), may_alias));

__attribute__((target_clones("avx512f", "avx2", "default"))) static float dot(const float *x, const float *y)
{
	lanes sum = {0};
	float total = 0;

	for (size_t c = 0; c < D; c += 16)
		sum += *(const lanes *)(x + c) * *(const lanes *)(y + c);
	for (size_t c = 0; c < 16; c++)
		total += sum[c];
	return total;
}

__attribute__((target_clones("avx512f", "avx2", "default"))) static void add_scaled(float *y, float a, const float *x)
{
	for (size_t c = 0; c < D; c += 16)
		*(lanes *)(y + c) += a * *(const lanes *)(x + c);
}

/* ---- a batch of random items ---- */

static size_t some_length(struct trainer *t, bool natural)
{
	const double at = hr_rng_unit(&t->rng);
	size_t n = 1;

	if (!natural)
		return L;
	while (n < L && t->lengths[n] <= at)
		n++;
	return n;
}

static void add_sequence(struct trainer *t, size_t length, bool targets)
{
	hr_batch_begin(&t->batch, /* fresh */ 1);
	for (size_t i = 0; i < length; i++) {
		const uint32_t item = hr_rng_below(&t->rng, ITEMS), target = hr_rng_below(&t->rng, ITEMS);
		hr_batch_add(&t->batch, item, (int64_t)i * DAY_MS, HR_KIND_VIEW, (int64_t)(i + 1) * DAY_MS, targets ? target : HR_NONE,
		             HR_KIND_VIEW);
	}
}

static void draw_batch(struct trainer *t, size_t sequences, bool natural, bool views)
{
	hr_batch_clear(&t->batch);
	for (size_t s = 0; s < sequences; s++)
		add_sequence(t, some_length(t, natural), /* targets */ true);
	for (size_t s = 0; s < 2 * sequences && views; s++)
		add_sequence(t, L, /* targets */ false);
	t->asking = sequences;
	t->pairs = views ? sequences : 0;
	t->negative = hr_grow(t->negative, &t->negative_cap, t->batch.positions, sizeof *t->negative);
	for (size_t p = 0; p < t->batch.positions; p++)
		t->negative[p] = hr_rng_below(&t->rng, ITEMS);
}

/* ---- the plan: slots of the rows that take part, chunks and shards as in the trainer ---- */

static uint32_t touch(struct trainer *t, uint32_t row)
{
	if (t->slot[row] == HR_NONE) {
		t->touched = hr_grow(t->touched, &t->touched_cap, t->slots + 1, sizeof *t->touched);
		t->slot[row] = (uint32_t)t->slots;
		t->touched[t->slots++] = row;
	}
	return t->slot[row];
}

static void find_slots(struct trainer *t)
{
	const size_t P = t->batch.positions;

	t->in = hr_grow(t->in, &t->in_cap, P, sizeof *t->in);
	t->yes = hr_grow(t->yes, &t->yes_cap, P, sizeof *t->yes);
	t->no = hr_grow(t->no, &t->no_cap, P, sizeof *t->no);
	t->slots = 0;
	for (size_t p = 0; p < P; p++) {
		const bool asks = t->batch.target[p] != HR_NONE;
		t->in[p] = touch(t, t->batch.item[p]);
		t->yes[p] = asks ? touch(t, t->batch.target[p]) : HR_NONE;
		t->no[p] = asks ? touch(t, t->negative[p]) : HR_NONE;
	}
}

static void split(struct trainer *t)
{
	const struct hr_batch *b = &t->batch;
	size_t shard = 0, pair_at = 0, pairs = 0;

	t->chunk = hr_grow(t->chunk, &t->chunk_cap, b->sequences + 1, sizeof *t->chunk);
	t->chunks = t->tape_floats = 0;
	memset(t->shard, 0, sizeof t->shard);
	for (size_t s = 0, first = 0; s < b->sequences; s++) {
		const size_t T = b->start[s + 1] - b->start[s], from = (size_t)b->start[first] * HR_SHARDS / b->positions;
		pairs += T * T;
		if (s + 1 < b->sequences && b->start[s + 2] - b->start[first] <= HR_RUN_POSITIONS &&
		    (size_t)b->start[s + 1] * HR_SHARDS / b->positions == from)
			continue;
		while (shard < from)
			t->shard[++shard] = t->chunks;
		t->chunk[t->chunks++] = (struct chunk){first, s + 1, pair_at, t->tape_floats};
		t->tape_floats += hr_tape_floats(&t->encoder.at, b->start[s + 1] - b->start[first], pairs);
		pair_at += pairs;
		pairs = 0;
		first = s + 1;
	}
	while (shard < HR_SHARDS)
		t->shard[++shard] = t->chunks;
}

static size_t cut_memory(struct trainer *t, float *from)
{
	const size_t P = t->batch.positions, workers = hr_pool_workers(t->pool), n = t->asking;
	const size_t encoder = hr_cut_room(HR_RUN_POSITIONS * D) + hr_encoder_scratch_floats(&t->encoder.at, HR_RUN_POSITIONS, L);
	const size_t contrast = 4 * hr_cut_room(n * D) + hr_infonce_scratch_floats(n, D);
	float *const begin = from;

	t->a.scratch_floats = hr_cut_room(encoder > contrast ? encoder : contrast);
	t->a.unit = hr_cut(&from, t->slots * D);
	t->a.inv = hr_cut(&from, t->slots);
	t->a.dunit = hr_cut(&from, t->slots * D);
	t->a.drow = hr_cut(&from, t->slots * D);
	t->a.user = hr_cut(&from, P * D);
	t->a.inv_user = hr_cut(&from, P);
	t->a.duser = hr_cut(&from, P * D);
	t->a.dinput = hr_cut(&from, P * D);
	t->a.pull = hr_cut(&from, 2 * P);
	t->a.tape = hr_cut(&from, t->tape_floats);
	t->a.grad = hr_cut(&from, HR_SHARDS * t->encoder.at.floats);
	t->a.scratch = hr_cut(&from, workers * t->a.scratch_floats);
	return (size_t)(from - begin);
}

static void prepare_memory(struct trainer *t)
{
	static float nothing[1]; /* only to count from */
	const size_t need = cut_memory(t, nothing);

	if (need > t->a.cap) {
		hr_free(t->a.all);
		t->a.cap = need + need / 4;
		t->a.all = hr_alloc(t->a.cap, sizeof *t->a.all);
	}
	(void)cut_memory(t, t->a.all);
}

/* ---- forward, losses, backward ---- */

static struct hr_run run_of(const struct trainer *t, const struct chunk *c)
{
	const struct hr_batch *b = &t->batch;
	const size_t first = b->start[c->first];

	return (struct hr_run){
		.sequences = c->last - c->first,
		.positions = b->start[c->last] - first,
		.start = b->start + c->first,
		.row = t->in + first,
		.time_ms = b->time_ms + first,
		.ask_ms = b->ask_ms + first,
		.kind = b->kind + first,
		.unit = t->a.unit,
		.dropout = DROPOUT,
		.key = hr_random_bits(1, t->steps),
		.position_at = first,
		.pair_at = c->pair_at,
	};
}

/* -log sigmoid(logit), and its slope in logit. */
static double cross_entropy(float logit, float *slope)
{
	const double e = exp(-(double)logit);

	*slope = (float)(1 / (1 + e) - 1);
	return log1p(e);
}

/* pull[2 p], pull[2 p + 1]: gradients of the logits of target and negative at p, times the scale. */
static void ask(struct trainer *t, size_t shard, size_t p, float scale, float weight)
{
	const float *user = t->a.user + p * D, *yes = t->a.unit + t->yes[p] * D, *no = t->a.unit + t->no[p] * D;
	float *dlog_scale = t->a.grad + shard * t->encoder.at.floats + t->encoder.at.log_scale;
	const float yes_logit = scale * dot(user, yes), no_logit = scale * dot(user, no);
	float yes_slope, no_slope;

	t->loss[shard] += cross_entropy(yes_logit, &yes_slope) + cross_entropy(-no_logit, &no_slope);
	*dlog_scale += weight * (yes_slope * yes_logit - no_slope * no_logit);
	t->a.pull[2 * p] = weight * scale * yes_slope;
	t->a.pull[2 * p + 1] = -weight * scale * no_slope;
	add_scaled(t->a.duser + p * D, t->a.pull[2 * p], yes);
	add_scaled(t->a.duser + p * D, t->a.pull[2 * p + 1], no);
}

static void forward(void *ctx, size_t worker, size_t shard)
{
	struct trainer *t = ctx;
	float *hidden = t->a.scratch + worker * t->a.scratch_floats, *rest = hidden + hr_cut_room(HR_RUN_POSITIONS * D);
	const float scale = expf(t->w[t->encoder.at.log_scale]), weight = 1 / (float)t->batch.start[t->asking];

	memset(t->a.grad + shard * t->encoder.at.floats, 0, t->encoder.at.floats * sizeof(float));
	t->loss[shard] = 0;
	for (size_t c = t->shard[shard]; c < t->shard[shard + 1]; c++) {
		const struct hr_run run = run_of(t, &t->chunk[c]);
		const size_t first = run.position_at;
		hr_encoder_forward(&t->encoder, &run, hidden, t->a.tape + t->chunk[c].tape_at, rest);
		t->encoder.k->unit(t->a.user + first * D, t->a.inv_user + first, hidden, run.positions, D);
		memset(t->a.duser + first * D, 0, run.positions * D * sizeof(float));
		for (size_t p = first; p < first + run.positions; p++)
			if (t->yes[p] != HR_NONE)
				ask(t, shard, p, scale, weight);
	}
}

static void backward(void *ctx, size_t worker, size_t shard)
{
	struct trainer *t = ctx;
	float *dhidden = t->a.scratch + worker * t->a.scratch_floats, *rest = dhidden + hr_cut_room(HR_RUN_POSITIONS * D);

	for (size_t c = t->shard[shard]; c < t->shard[shard + 1]; c++) {
		const struct hr_run run = run_of(t, &t->chunk[c]);
		const size_t first = run.position_at;
		memset(dhidden, 0, run.positions * D * sizeof *dhidden);
		t->encoder.k->unit_back(dhidden, t->a.duser + first * D, t->a.user + first * D, t->a.inv_user + first, run.positions, D);
		hr_encoder_backward(&t->encoder, &run, dhidden, t->a.dinput + first * D, t->a.grad + shard * t->encoder.at.floats,
		                    t->a.tape + t->chunk[c].tape_at, rest);
	}
}

/* Last position of view number v of pair i. */
static size_t view_end(const struct trainer *t, size_t i, size_t v)
{
	return (size_t)t->batch.start[t->asking + 2 * i + v + 1] - 1;
}

static void contrast(struct trainer *t)
{
	const size_t n = t->pairs;
	float *rest = t->a.scratch, *x[2], *dx[2];

	for (size_t v = 0; v < 2; v++) {
		x[v] = hr_cut(&rest, n * D);
		dx[v] = hr_cut(&rest, n * D);
		memset(dx[v], 0, n * D * sizeof *dx[v]);
		for (size_t i = 0; i < n; i++)
			memcpy(x[v] + i * D, t->a.user + view_end(t, i, v) * D, D * sizeof(float));
	}
	(void)hr_infonce(t->encoder.k, dx[0], dx[1], x[0], x[1], n, D, /* alike */ NULL, /* tau */ 0.1f, CONTRAST, /* both */ true, rest);
	for (size_t v = 0; v < 2; v++)
		for (size_t i = 0; i < n; i++)
			add_scaled(t->a.duser + view_end(t, i, v) * D, 1, dx[v] + i * D);
}

/* ---- from gradients to weights ---- */

static void reduce_slots(void *ctx, size_t worker, size_t task)
{
	struct trainer *t = ctx;
	const size_t first = t->slots * task / HR_SHARDS, last = t->slots * (task + 1) / HR_SHARDS;

	(void)worker;
	memset(t->a.dunit + first * D, 0, (last - first) * D * sizeof(float));
	memset(t->a.drow + first * D, 0, (last - first) * D * sizeof(float));
	for (size_t p = 0; p < t->batch.positions; p++) {
		if (t->in[p] - first < last - first)
			add_scaled(t->a.dunit + t->in[p] * D, 1, t->a.dinput + p * D);
		if (t->yes[p] - first < last - first)
			add_scaled(t->a.dunit + t->yes[p] * D, t->a.pull[2 * p], t->a.user + p * D);
		if (t->no[p] - first < last - first)
			add_scaled(t->a.dunit + t->no[p] * D, t->a.pull[2 * p + 1], t->a.user + p * D);
	}
	t->encoder.k->unit_back(t->a.drow + first * D, t->a.dunit + first * D, t->a.unit + first * D, t->a.inv + first,
	                        last - first, D);
	for (size_t s = first; s < last; s++)
		t->encoder.k->adagrad_row(t->row + t->touched[s] * D, t->acc + t->touched[s], t->a.drow + s * D, D, 0.05f, 0);
}

static void update_dense(struct trainer *t)
{
	const size_t n = t->encoder.at.floats;

	for (size_t s = 0; s < HR_SHARDS; s++)
		for (size_t c = 0; c < n; c += D)
			add_scaled(t->g + c, 1, t->a.grad + s * n + c);
	t->encoder.k->adamw(t->w, t->m, t->v, t->g, n, 1e-3f, 0.9f, 0.98f, 1e-8f, 0, ++t->steps);
	hr_encoder_pack(&t->encoder);
}

/* Returns the mean loss of the next item. */
static double step(struct trainer *t)
{
	double loss = 0;

	find_slots(t);
	split(t);
	prepare_memory(t);
	for (size_t s = 0; s < t->slots; s++)
		memcpy(t->a.drow + s * D, t->row + t->touched[s] * D, D * sizeof(float));
	t->encoder.k->unit(t->a.unit, t->a.inv, t->a.drow, t->slots, D);
	hr_pool_run(t->pool, forward, t, HR_SHARDS);
	if (t->pairs > 0)
		contrast(t);
	hr_pool_run(t->pool, backward, t, HR_SHARDS);
	hr_pool_run(t->pool, reduce_slots, t, HR_SHARDS);
	update_dense(t);
	for (size_t s = 0; s < t->slots; s++)
		t->slot[t->touched[s]] = HR_NONE;
	for (size_t s = 0; s < HR_SHARDS; s++)
		loss += t->loss[s];
	return loss / (double)t->batch.start[t->asking];
}

/* ---- commands ---- */

static double seconds(clockid_t clock)
{
	struct timespec at;

	(void)clock_gettime(clock, &at);
	return (double)at.tv_sec + 1e-9 * (double)at.tv_nsec;
}

static void new_trainer(struct trainer *t, const char *lengths_path)
{
	struct hr_layout at;
	struct hr_error err;
	const struct hr_kernels *k;
	FILE *file = fopen(lengths_path, "r");

	for (size_t n = 1; n <= L && file != NULL; n++)
		if (fscanf(file, "%lf", &t->lengths[n]) != 1)
			t->lengths[n] = 0;
	for (size_t n = 1; n <= L; n++)
		t->lengths[n] += t->lengths[n - 1];
	if (!(t->lengths[L] > 0) || !hr_kernels_choose(getenv("HEADRACE_KERNELS"), &k, &err)) {
		(void)fprintf(stderr, "%s\n", t->lengths[L] > 0 ? err.msg : "no lengths");
		exit(2);
	}
	(void)fclose(file);
	for (size_t n = 1; n <= L; n++)
		t->lengths[n] /= t->lengths[L];
	hr_layout_init(&at, &(struct hr_shape){.D = D, .H = HEADS, .blocks = BLOCKS, .L = L});
	t->w = hr_alloc(at.floats, sizeof(float)), t->g = hr_alloc(at.floats + D, sizeof(float));
	t->m = hr_alloc(at.floats, sizeof(float)), t->v = hr_alloc(at.floats, sizeof(float));
	hr_weights_start(t->w, &at, /* seed */ 1);
	hr_encoder_init(&t->encoder, k, &at, t->w);
	hr_encoder_pack(&t->encoder);
	t->row = hr_alloc(ITEMS * D, sizeof(float)), t->acc = hr_alloc(ITEMS, sizeof(float));
	t->slot = hr_alloc(ITEMS, sizeof *t->slot);
	memset(t->slot, 0xff, ITEMS * sizeof *t->slot);
	t->rng = hr_rng_stream(1, 1, 1);
	for (size_t i = 0; i < ITEMS * D; i++)
		t->row[i] = 0.02f * (float)hr_rng_normal(&t->rng);
}

/* Batches are drawn outside of the clock, as the peers' are. The first step is not counted. */
static void run(struct trainer *t, const char *what, size_t batch, double limit)
{
	double wall = 0, cpu = 0, loss = 0;
	size_t sequences = 0;

	for (int n = 0; n < 2 || wall < limit; n++) {
		draw_batch(t, batch, strcmp(what, "natural") == 0, strcmp(what, "infonce") == 0);
		const double wall_begin = seconds(CLOCK_MONOTONIC), cpu_begin = seconds(CLOCK_PROCESS_CPUTIME_ID);
		loss = step(t);
		if (n == 0)
			continue;
		wall += seconds(CLOCK_MONOTONIC) - wall_begin;
		cpu += seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_begin;
		sequences += batch;
	}
	printf("%zu %.6f %.6f %.4f\n", sequences, wall, cpu, loss);
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	static struct trainer t;
	char what[16];
	unsigned batch, workers;
	double limit;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: train_ours LENGTHS\n");
		return 2;
	}
	new_trainer(&t, argv[1]);
	printf("kernels %s peak %.1f\n", t.encoder.k->name, bench_peak_gflops());
	(void)fflush(stdout);
	while (scanf("%15s %u %u %lf", what, &batch, &workers, &limit) == 4) {
		t.pool = hr_pool_new(workers);
		run(&t, what, batch, limit);
		hr_pool_free(t.pool);
	}
	return 0;
}
