/* model/augment.h - two views of one history, for the contrast between them. CL4SRec (Xie et al. 2020, arXiv:2010.14395). */
#ifndef HR_MODEL_AUGMENT_H
#define HR_MODEL_AUGMENT_H

#include "base/rng.h"
#include "model/batch.h"

/** Histories shorter than this have no views. */
#define HR_VIEW_MIN 3u

/**
 * Appends a view of the positions from..from+count-1 of b to out, without targets; one of, at random:
 * a crop of .6 of the positions, each position left out with .3 (one stays), or the items of half of them shuffled in place.
 * out may be b.
 */
void hr_augment(struct hr_batch *out, const struct hr_batch *b, size_t from, size_t count, struct hr_rng *rng);

#endif
