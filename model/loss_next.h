/* model/loss_next.h - next item: sampled softmax over candidates shared by the batch. */
#ifndef HR_MODEL_LOSS_NEXT_H
#define HR_MODEL_LOSS_NEXT_H

#include <stddef.h>
#include <stdint.h>

#include "model/kernels.h"

/**
 * logit[p][c] = scale (user[p] . candidate[c]);  loss = weight * sum_p -log softmax(logit[p] + bias, own bias left out)[label[p]].
 * Correction for what the sample leaves out (Bengio and Senecal 2008): bias[c] = -log(probability that c is a candidate); the
 * own target is there for certain, so it gets none.
 */
struct hr_next_item {
	size_t C, D;
	const float *candidate; /* (C, D) of length 1 */
	const float *bias;      /* (C), NULL: every live item is a candidate */
	float scale;            /* exp(log_scale) */
	float weight;
};

/** Positions whose logits are worked on together: their block stays in the cache. */
#define HR_NEXT_ROWS 64u

size_t hr_next_item_scratch_floats(size_t C, size_t D);

/** -log(1 - exp(-expected)) : expected = how often an item is drawn on average. expected > 0. */
float hr_inclusion_bias(double expected);

/**
 * Adds the gradients; returns the loss without its weight.
 * @param duser       (P, D), of the unit user vectors
 * @param dcandidate  (C, D), of the unit candidates
 * @param dlog_scale  one number
 * @param label       (P): candidate of each position, HR_NONE: no question there
 */
double hr_next_item(const struct hr_next_item *n, const struct hr_kernels *k, float *duser, float *dcandidate,
                    double *dlog_scale, const float *user, const uint32_t *label, size_t P, float *scratch);

#endif
