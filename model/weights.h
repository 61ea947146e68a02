/* model/weights.h - where each dense weight stands in one array of floats, and the matrices bound to it.
 *
 * Weights, gradients, Adam's moments and the slow copy are arrays of the same layout. A piece starts at a multiple of 16
 * floats; the floats between stay zero. Matrices and tables stand first, because only they decay.
 */
#ifndef HR_MODEL_WEIGHTS_H
#define HR_MODEL_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/kind.h"
#include "model/kernels.h"

#define HR_BLOCKS_MAX 8u
#define HR_WINDOW_MAX 200u
#define HR_UP 4u /* the feed-forward layer is this many times as wide */

/** Time gaps fall into buckets: bucket = how many of the edges are <= the gap, so 1..HR_GAP_EDGES; 0 is kept unused. */
#define HR_GAP_EDGES 16u
#define HR_GAPS (HR_GAP_EDGES + 1u)

struct hr_shape {
	size_t D, H, blocks, L; /* width, heads, blocks, window */
};

struct hr_block_at {
	size_t qkv_w, out_w, up_w, down_w; /* (D, 3 D) (D, D) (D, 4 D) (4 D, D) */
	size_t norm1_g, norm1_b, qkv_b, out_b, norm2_g, norm2_b, up_b, down_b;
};

struct hr_layout {
	struct hr_shape shape;
	size_t distance;  /* (L, H): attention bias by how many positions back */
	size_t gap_bias;  /* (HR_GAPS, H): attention bias by the time from an event to the question */
	size_t gap;       /* (HR_GAPS, D): added input, by the time from the event itself to its question */
	size_t kind;      /* (HR_KIND_COUNT, D): added input, by what the user did */
	size_t mask;      /* (D): stands for a hidden item */
	size_t norm_g, norm_b;
	size_t log_scale; /* (1): logit = exp(log_scale) * cosine */
	struct hr_block_at block[HR_BLOCKS_MAX];
	size_t decayed;   /* floats before this one are matrices and tables */
	size_t floats;
};

void hr_layout_init(struct hr_layout *at, const struct hr_shape *shape);

/** Start values, a function of (layout, seed): matrices uniform within 1/sqrt(in), added inputs normal .02, norms 1 and 0. */
void hr_weights_start(float *w, const struct hr_layout *at, uint64_t seed);

/** From an event to a question; a question before the event counts as at once. */
static inline uint64_t hr_gap(int64_t ask_ms, int64_t time_ms)
{
	return ask_ms > time_ms ? (uint64_t)ask_ms - (uint64_t)time_ms : 0;
}

/** A bucket and its gaps, low..low + width - 1. */
struct hr_gap_range {
	uint8_t bucket;
	uint64_t low, width;
};

/** near: where the search starts, 1..HR_GAP_EDGES, a bucket that is probably close. */
struct hr_gap_range hr_gap_range(uint64_t gap, uint8_t near);

uint8_t hr_gap_bucket(int64_t ask_ms, int64_t time_ms);

struct hr_block {
	struct hr_linear qkv, out, up, down;
};

/** The encoder's weights as the kernels want them. */
struct hr_encoder {
	const struct hr_kernels *k;
	struct hr_layout at;
	const float *w; /* borrowed */
	struct hr_block block[HR_BLOCKS_MAX];
	uint8_t *packed; /* the kernels' own copies; NULL when the set needs none */
};

void hr_encoder_init(struct hr_encoder *e, const struct hr_kernels *k, const struct hr_layout *at, const float *w);
void hr_encoder_fini(struct hr_encoder *e);
/** After w changed. */
void hr_encoder_pack(struct hr_encoder *e);

#endif
