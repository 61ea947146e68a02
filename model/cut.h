/* model/cut.h - one array of floats cut into pieces, each starting on a cache line. */
#ifndef HR_MODEL_CUT_H
#define HR_MODEL_CUT_H

#include <stddef.h>

/** Floats that a piece takes. */
static inline size_t hr_cut_room(size_t floats) { return (floats + 15) / 16 * 16; }

/** The next piece; from moves behind it. */
static inline float *hr_cut(float **from, size_t floats)
{
	float *piece = *from;

	*from += hr_cut_room(floats);
	return piece;
}

#endif
