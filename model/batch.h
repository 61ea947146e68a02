/* model/batch.h - histories packed end to end: what a step trains on and what the encoder reads. No padding. */
#ifndef HR_MODEL_BATCH_H
#define HR_MODEL_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/idmap.h" /* HR_NONE */

/**
 * Sequence s owns positions start[s] .. start[s+1]-1, oldest first, at least one.
 * A position asks: given everything up to here, what comes at ask_ms? In training that is the time of the next event; at the
 * last position of a history that is asked now, it is stream time.
 */
struct hr_batch {
	size_t sequences, positions;
	size_t sequences_cap, positions_cap, start_cap; /* of the arrays below; kept by the functions here */
	uint32_t *start;   /* sequences + 1 */
	uint8_t *fresh;    /* for each sequence: 1 = a user of the recent window, 0 = rehearsed */
	uint32_t *item;    /* for each position: row of its event */
	int64_t *time_ms;
	uint8_t *kind;
	int64_t *ask_ms;
	uint32_t *target;  /* row to predict, HR_NONE: no loss here */
	uint8_t *target_kind; /* kind of the event to predict */
};

void hr_batch_clear(struct hr_batch *b); /* keeps the memory; zeroed memory is an empty batch */
void hr_batch_fini(struct hr_batch *b);
/** Opens a new sequence; positions follow with hr_batch_add. */
void hr_batch_begin(struct hr_batch *b, int fresh);
void hr_batch_add(struct hr_batch *b, uint32_t item, int64_t time_ms, uint8_t kind, int64_t ask_ms, uint32_t target,
                  uint8_t target_kind);

#endif
