/* model/loss_contrast.h - InfoNCE between two sets of vectors: each one's positive is its partner, the others its negatives,
 * but for those that are said to be alike. */
#ifndef HR_MODEL_LOSS_CONTRAST_H
#define HR_MODEL_LOSS_CONTRAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/kernels.h"

size_t hr_infonce_scratch_floats(size_t n, size_t D);

/**
 * van den Oord et al. 2018, arXiv:1807.03748, eq. 4, with f = exp(a.b / tau):
 *   S = a b' / tau;  loss = mean_i -log softmax(S_i)[i];  both: the mean of that and of the same with a and b exchanged.
 *   dS = weight (softmax(S) - I) / n;  da += dS b / tau;  db += dS' a / tau
 * alike: rows with the same number are positives of each other too, as in DuoRec (Qiu et al. 2022, arXiv:2110.05730) and in
 * the supervised contrast of Khosla et al. 2020, arXiv:2004.11362, eq. 2; with A_i the rows alike to i, itself included:
 *   loss = mean_i 1/|A_i| sum_{j in A_i} -log softmax(S_i)[j]
 * Gradients are added. Returns the loss without its weight. tau > 0.
 * @param a, b   (n, D), of length 1
 * @param alike  (n), HR_NONE: alike to no other; NULL: none is
 */
double hr_infonce(const struct hr_kernels *k, float *da, float *db, const float *a, const float *b, size_t n, size_t D,
                  const uint32_t *alike,
                  float tau, float weight, bool both, float *scratch);

#endif
