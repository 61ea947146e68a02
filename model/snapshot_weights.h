/* model/snapshot_weights.h - what a snapshot owns, and how the trainer gets one to fill. */
#ifndef HR_MODEL_SNAPSHOT_WEIGHTS_H
#define HR_MODEL_SNAPSHOT_WEIGHTS_H

#include "model/coarse.h"
#include "model/encoder.h"
#include "model/snapshot.h"

struct hr_snapshot_weights {
	struct hr_encoder encoder; /* bound to w below */
	float *w, *unit, *log_popularity;
	uint64_t *events;
	uint8_t *live;
	struct hr_coarse coarse;   /* of unit, once it is ready; before that a search reads unit alone */
};

/** Memory of a thread's encodes and searches: to get and to clear it takes longer than a short history to encode. */
struct hr_snapshot_memory {
	struct hr_encode_memory encode;
	struct hr_hit *may; /* hr_snapshot_top's, and below */
	float *sure, *row;
	size_t sure_cap, may_cap, row_cap;
};

/** This thread's, until it ends. */
struct hr_snapshot_memory *hr_snapshot_memory(void);

/** Its own copy of the encoder's weights, and room for rows; one reference. */
struct hr_snapshot *hr_snapshot_new(const struct hr_encoder *e, size_t rows);

/** unit is filled: makes what quick searches read. */
void hr_snapshot_ready(struct hr_snapshot *s);

#endif
