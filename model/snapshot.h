/* model/snapshot.h - an immutable picture of the model: what the publisher sends and queries read. Reference-counted. */
#ifndef HR_MODEL_SNAPSHOT_H
#define HR_MODEL_SNAPSHOT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "model/batch.h"
#include "model/mix.h"

struct hr_snapshot {
	/* ---- set by the trainer, then read-only ---- */
	size_t rows, width;
	const float *unit;           /* (rows, width): item vectors of length 1 */
	const uint8_t *live;         /* rows: 1 = may be recommended */
	const float *log_popularity; /* rows: log(popularity + .05) at the snapshot's stream time */
	const uint64_t *events;      /* rows: events counted ever */
	float scale;                 /* logit = scale * (user . item) */
	struct hr_mix mix;           /* weights of a recommendation's terms */
	uint64_t steps;
	/* ---- set by the daemon before it is shared ---- */
	uint64_t barrier;
	int64_t watermark_ms;
	/* ---- private to model/ ---- */
	struct hr_snapshot_weights *weights;
	_Atomic unsigned references;
};

void hr_snapshot_ref(struct hr_snapshot *s);
void hr_snapshot_unref(struct hr_snapshot *s); /* NULL allowed; the last one frees */

/**
 * User vectors: the encoder's last position of each sequence, length 1. No dropout. Sequences longer than the window are read
 * from their end.
 * @param out  (batch->sequences, width)
 * @thread any; each keeps its working memory until it ends
 */
void hr_snapshot_encode(const struct hr_snapshot *s, const struct hr_batch *batch, float *out);

struct hr_hit {
	uint32_t row;
	float score;
};

/**
 * The k best live rows by score[row] = scale * (query . unit[row]) + bonus[row], best first; exact.
 * Ties go to the lower row. Blocked so that scores never leave the cache; a few queries read a quarter of the memory first
 * (model/coarse.h).
 * @param queries (count, width); bonus (rows) added, NULL for none
 * @param skip  sorted rows left out, may be NULL
 * @param hits  (count, k); ret_found (count)
 * @thread any; each keeps its working memory until it ends
 */
void hr_snapshot_top(const struct hr_snapshot *s, const float *queries, size_t count, float scale, const float *bonus,
                     const uint32_t *skip, size_t skip_count, size_t k, struct hr_hit *hits, size_t *ret_found);

#endif
