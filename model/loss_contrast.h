/* model/loss_contrast.h - InfoNCE between two sets of vectors: each one's positive is its partner, the others its negatives. */
#ifndef HR_MODEL_LOSS_CONTRAST_H
#define HR_MODEL_LOSS_CONTRAST_H

#include <stdbool.h>
#include <stddef.h>

#include "model/kernels.h"

size_t hr_infonce_scratch_floats(size_t n, size_t D);

/**
 * van den Oord et al. 2018, arXiv:1807.03748, eq. 4, with f = exp(a.b / tau):
 *   S = a b' / tau;  loss = mean_i -log softmax(S_i)[i];  both: the mean of that and of the same with a and b exchanged.
 *   dS = weight (softmax(S) - I) / n;  da += dS b / tau;  db += dS' a / tau
 * Gradients are added. Returns the loss without its weight. tau > 0.
 * @param a, b  (n, D), of length 1
 */
double hr_infonce(const struct hr_kernels *k, float *da, float *db, const float *a, const float *b, size_t n, size_t D,
                  float tau, float weight, bool both, float *scratch);

#endif
