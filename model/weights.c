#include "model/weights.h"

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/purpose.h"

/* ---- layout ---- */

static size_t take(struct hr_layout *at, size_t floats)
{
	const size_t here = at->floats;

	at->floats += (floats + 15) / 16 * 16;
	return here;
}

void hr_layout_init(struct hr_layout *at, const struct hr_shape *shape)
{
	const size_t D = shape->D;

	HR_ASSERT(shape->blocks >= 1 && shape->blocks <= HR_BLOCKS_MAX && D % shape->H == 0);
	*at = (struct hr_layout){.shape = *shape};
	for (size_t l = 0; l < shape->blocks; l++) {
		struct hr_block_at *b = &at->block[l];
		b->qkv_w = take(at, D * 3 * D);
		b->out_w = take(at, D * D);
		b->up_w = take(at, D * HR_UP * D);
		b->down_w = take(at, HR_UP * D * D);
	}
	at->distance = take(at, shape->L * shape->H);
	at->gap_bias = take(at, HR_GAPS * shape->H);
	at->gap = take(at, HR_GAPS * D);
	at->kind = take(at, HR_KIND_COUNT * D);
	at->mask = take(at, D);
	at->decayed = at->floats;
	for (size_t l = 0; l < shape->blocks; l++) {
		struct hr_block_at *b = &at->block[l];
		b->norm1_g = take(at, D);
		b->norm1_b = take(at, D);
		b->qkv_b = take(at, 3 * D);
		b->out_b = take(at, D);
		b->norm2_g = take(at, D);
		b->norm2_b = take(at, D);
		b->up_b = take(at, HR_UP * D);
		b->down_b = take(at, D);
	}
	at->norm_g = take(at, D);
	at->norm_b = take(at, D);
	at->log_scale = take(at, 1);
}

/* ---- start values ---- */

static void fill(float *w, size_t n, float value)
{
	for (size_t i = 0; i < n; i++)
		w[i] = value;
}

static void uniform(float *w, size_t n, size_t in, struct hr_rng *rng)
{
	const double bound = 1 / sqrt((double)in);

	for (size_t i = 0; i < n; i++)
		w[i] = (float)(bound * (2 * hr_rng_unit(rng) - 1));
}

static void normal(float *w, size_t n, struct hr_rng *rng)
{
	for (size_t i = 0; i < n; i++)
		w[i] = (float)(0.02 * hr_rng_normal(rng));
}

static void linear_start(float *w, size_t weight_at, size_t bias_at, size_t in, size_t out, struct hr_rng *rng)
{
	uniform(w + weight_at, in * out, in, rng);
	uniform(w + bias_at, out, in, rng);
}

void hr_weights_start(float *w, const struct hr_layout *at, uint64_t seed)
{
	struct hr_rng rng = hr_rng_stream(seed, HR_PURPOSE_WEIGHTS, 0);
	const size_t D = at->shape.D;

	fill(w, at->floats, 0);
	for (size_t l = 0; l < at->shape.blocks; l++) {
		const struct hr_block_at *b = &at->block[l];
		linear_start(w, b->qkv_w, b->qkv_b, D, 3 * D, &rng);
		linear_start(w, b->out_w, b->out_b, D, D, &rng);
		linear_start(w, b->up_w, b->up_b, D, HR_UP * D, &rng);
		linear_start(w, b->down_w, b->down_b, HR_UP * D, D, &rng);
		fill(w + b->norm1_g, D, 1);
		fill(w + b->norm2_g, D, 1);
	}
	normal(w + at->gap, HR_GAPS * D, &rng);
	normal(w + at->kind, HR_KIND_COUNT * D, &rng);
	normal(w + at->mask, D, &rng);
	fill(w + at->norm_g, D, 1);
	w[at->log_scale] = (float)log(1 / 0.07);
}

/* ---- time gaps ---- */

#define MINUTE UINT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* Day steps as the recipe was chosen with; the steps below a day are for clicks, data stamped in days never meets them. */
static const uint64_t gap_edge_ms[HR_GAP_EDGES] = {
	0, MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 8 * HOUR, DAY, 2 * DAY, 4 * DAY, 8 * DAY, 15 * DAY, 31 * DAY, 61 * DAY,
	121 * DAY, 241 * DAY, 481 * DAY,
};

struct hr_gap_range hr_gap_range(uint64_t gap, uint8_t near)
{
	uint8_t b = near;

	while (b < HR_GAP_EDGES && gap >= gap_edge_ms[b])
		b++;
	while (b > 1 && gap < gap_edge_ms[b - 1])
		b--;
	const uint64_t low = gap_edge_ms[b - 1], end = b < HR_GAP_EDGES ? gap_edge_ms[b] : UINT64_MAX;
	return (struct hr_gap_range){.bucket = b, .low = low, .width = end - low};
}

uint8_t hr_gap_bucket(int64_t ask_ms, int64_t time_ms) { return hr_gap_range(hr_gap(ask_ms, time_ms), 1).bucket; }

/* ---- the kernels' view ---- */

static size_t packed_room(const struct hr_kernels *k, size_t in, size_t out)
{
	return (k->packed_bytes(in, out) + HR_CACHE_LINE - 1) / HR_CACHE_LINE * HR_CACHE_LINE;
}

static void bind(struct hr_encoder *e, struct hr_linear *l, size_t in, size_t out, size_t w_at, size_t b_at, size_t *used)
{
	const size_t room = packed_room(e->k, in, out);

	*l = (struct hr_linear){.in = in, .out = out, .w = e->w + w_at, .b = e->w + b_at};
	l->packed = room > 0 ? e->packed + *used : NULL;
	*used += room;
}

void hr_encoder_init(struct hr_encoder *e, const struct hr_kernels *k, const struct hr_layout *at, const float *w)
{
	const size_t D = at->shape.D;
	const size_t room = at->shape.blocks * (packed_room(k, D, 3 * D) + packed_room(k, D, D) +
	                                        packed_room(k, D, HR_UP * D) + packed_room(k, HR_UP * D, D));
	size_t used = 0;

	*e = (struct hr_encoder){.k = k, .at = *at, .w = w, .packed = room > 0 ? hr_alloc(room, 1) : NULL};
	for (size_t l = 0; l < at->shape.blocks; l++) {
		const struct hr_block_at *b = &at->block[l];
		bind(e, &e->block[l].qkv, D, 3 * D, b->qkv_w, b->qkv_b, &used);
		bind(e, &e->block[l].out, D, D, b->out_w, b->out_b, &used);
		bind(e, &e->block[l].up, D, HR_UP * D, b->up_w, b->up_b, &used);
		bind(e, &e->block[l].down, HR_UP * D, D, b->down_w, b->down_b, &used);
	}
	hr_encoder_pack(e);
}

void hr_encoder_fini(struct hr_encoder *e)
{
	hr_free(e->packed);
	e->packed = NULL;
}

void hr_encoder_pack(struct hr_encoder *e)
{
	for (size_t l = 0; l < e->at.shape.blocks; l++) {
		e->k->pack(&e->block[l].qkv);
		e->k->pack(&e->block[l].out);
		e->k->pack(&e->block[l].up);
		e->k->pack(&e->block[l].down);
	}
}
