/* model/loss_triplet.h - margin between the wanted item and one that another user wanted. */
#ifndef HR_MODEL_LOSS_TRIPLET_H
#define HR_MODEL_LOSS_TRIPLET_H

#include <stddef.h>
#include <stdint.h>

/**
 * Schroff et al. 2015, arXiv:1503.03832, with cosines for distances:
 *   loss = sum_p max(0, margin - user[p] . candidate[label[p]] + user[p] . candidate[other[p]])
 * Adds weight times the gradients; returns the loss without its weight. Positions where label or other is HR_NONE are left out.
 * @param user       (P, D), of length 1
 * @param candidate  (C, D), of length 1
 */
double hr_triplet(float *duser, float *dcandidate, const float *user, const float *candidate, const uint32_t *label,
                  const uint32_t *other, size_t P, size_t D, float margin, float weight);

#endif
