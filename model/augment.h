/* model/augment.h - two views of one history, for the contrast between them: blind ones as in CL4SRec (Xie et al. 2020,
 * arXiv:2010.14395), informed ones as in CoSeRec (Liu et al. 2021, arXiv:2108.06479). */
#ifndef HR_MODEL_AUGMENT_H
#define HR_MODEL_AUGMENT_H

#include "base/rng.h"
#include "model/batch.h"
#include "model/counters.h"

/** Histories shorter than this have no views. */
#define HR_VIEW_MIN 3u

struct hr_augmenting {
	struct hr_counters *counters; /* what followed an item; borrowed */
	float informed;               /* share of views that are informed */
	size_t longest;               /* positions of a view at most; no history is longer */
};

/**
 * Appends a view of the positions from..from+count-1 of b to out, without targets; out may be b. One of, at random:
 *   blind     a crop of .6 of the positions, each position left out with .3 (one stays), or the items of half of them shuffled
 *   informed  each item replaced with .3 by one that often follows it, or such a one put behind it with .3, as far as there is room
 * An item that nothing ever followed stays alone.
 */
void hr_augment(struct hr_batch *out, const struct hr_batch *b, size_t from, size_t count, const struct hr_augmenting *how,
                struct hr_rng *rng);

#endif
