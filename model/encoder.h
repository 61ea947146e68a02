/* model/encoder.h - the causal transformer over packed histories, forward and backward.
 *
 * Self-attentive sequential recommendation (Kang and McAuley 2018, arXiv:1808.09781) with pre-LN blocks (Xiong et al. 2020),
 * a learned attention bias by distance and by the time from each event to the question, and no absolute positions:
 *   x = sqrt(D) (unit row of the item + gap[bucket(ask - time)] + kind[kind of the event]);  x = dropout(x)
 *   each block:  x += dropout(out(attention(qkv(norm1(x)))));  x += dropout(down(gelu(up(norm2(x)))))
 *   hidden = norm(x)
 * A run is some sequences, read one after the other; a run is all that is in the caches at a time.
 */
#ifndef HR_MODEL_ENCODER_H
#define HR_MODEL_ENCODER_H

#include <stddef.h>
#include <stdint.h>

#include "model/batch.h"
#include "model/weights.h"

/** A run holds at most this many positions, or one sequence. */
#define HR_RUN_POSITIONS 256u

struct hr_run {
	size_t sequences, positions;
	const uint32_t *start;  /* (sequences + 1): sequence s owns positions start[s] - start[0] .. of the arrays below */
	const uint32_t *row;    /* (positions): row of unit, HR_NONE: zeros, HR_ROW_MASK: the mask's vector */
	const int64_t *time_ms, *ask_ms;
	const uint8_t *kind;
	const float *unit;      /* (rows, D): item vectors of length 1 */
	float dropout;          /* 0: off */
	uint64_t key;           /* of dropout: one for each step */
	uint64_t position_at, pair_at; /* of the first one in the whole batch: its place in the dropout streams */
};

#define HR_ROW_MASK (HR_NONE - 1)

/** Sum of T * T over the sequences of a run. */
size_t hr_run_pairs(const struct hr_run *run);

/** What forward leaves for backward, in floats. */
size_t hr_tape_floats(const struct hr_layout *at, size_t positions, size_t pairs);
/** Scratch of both directions, in floats, for runs of at most positions, sequences of at most longest. */
size_t hr_encoder_scratch_floats(const struct hr_layout *at, size_t positions, size_t longest);

/** hidden (positions, D) = the encoder over run. */
void hr_encoder_forward(const struct hr_encoder *e, const struct hr_run *run, float *hidden, float *tape, float *scratch);

/**
 * Adds to grad (layout's floats) what comes back from the hidden states.
 * @param dhidden  (positions, D); overwritten
 * @param dunit    (positions, D): gradient of the unit row at each position; assigned
 */
void hr_encoder_backward(const struct hr_encoder *e, const struct hr_run *run, float *dhidden, float *dunit, float *grad,
                         float *tape, float *scratch);

/** hidden (D) = the last row that forward would give, without dropout, for a run of one sequence of at most T positions; the same
 * bits, but for what the reference set's products round with the number of rows. The last block is computed as far as that row
 * needs it. Scratch of hr_encoder_last_floats. */
void hr_encoder_last(const struct hr_encoder *e, const struct hr_run *run, float *hidden, float *scratch);
size_t hr_encoder_last_floats(const struct hr_layout *at, size_t T);

/** Memory of hr_encode, kept between calls; zeroed memory is empty. */
struct hr_encode_memory {
	float *p;
	size_t cap;
	uint32_t *row;
	size_t row_cap;
};

void hr_encode_memory_fini(struct hr_encode_memory *m);

/**
 * User vectors, without dropout: the last position of each sequence, length 1. Sequences are read from their end, as far as
 * the window reaches; rows from rows_count on are zeros. No bit depends on the other sequences of the batch.
 * @param unit  (rows_count, D)
 * @param out   (batch->sequences, D)
 */
void hr_encode(const struct hr_encoder *e, const struct hr_batch *batch, const float *unit, size_t rows_count, float *out,
               struct hr_encode_memory *m);

#endif
