/* model/priv.h - the trainer from the inside: shared by trainer.c, observe.c, step*.c and state.c. */
#ifndef HR_MODEL_PRIV_H
#define HR_MODEL_PRIV_H

#include "base/buf.h"
#include "model/counters.h"
#include "model/encoder.h"
#include "model/gate.h"
#include "model/items.h"
#include "model/pool.h"
#include "model/ranks.h"
#include "model/step.h"
#include "model/trainer.h"

struct hr_trainer {
	/* ---- set at the start, then read-only ---- */
	struct hr_model_config config;
	const struct hr_kernels *k;
	struct hr_pool *pool;
	/* ---- dense weights: arrays of the encoder's layout ---- */
	float *w, *m, *v, *g, *slow;
	struct hr_encoder encoder;
	/* ---- items ---- */
	struct hr_items items, content;
	float *unit;          /* (rows, D) vectors of length 1; rows that are stale in items are old */
	uint8_t *live;        /* (rows) the same as in items, a byte each */
	uint32_t *slot;       /* (rows) HR_NONE between steps */
	size_t unit_cap, live_cap, slot_cap;
	/* ---- the rest of the state ---- */
	struct hr_counters *counters;
	struct hr_score score;
	struct hr_gate gate;
	uint64_t steps;
	int64_t stream_ms;    /* largest event time seen; INT64_MIN before the first */
	float rate;           /* instead of the configured one; 0: none */
	uint32_t refused;     /* steps refused in a row; at HR_REFUSED_MAX learning is frozen */
	float ask_share;      /* of events that are questions; the configured one until the cut */
	uint32_t cut_rows;    /* items known at the cut; HR_NONE: there was none */
	/* ---- between calls only memory ---- */
	bool dense_dirty, state_dirty;
	struct { /* what was loaded, for hr_trainer_loaded */
		bool dense, trainer;
		uint64_t rows;
	} loaded;
	struct hr_step step;
	struct hr_observing {
		struct hr_batch batch;
		struct hr_encode_memory encode;
		float *user, *logits, *scores, *scratch;
		float *open; /* for each row: 1 = competes */
		uint32_t *question;
		size_t open_cap, user_cap, logits_cap, scores_cap, scratch_cap, question_cap;
	} observing;
	struct hr_buf bytes;
};

/** Grows the arrays that have an entry for each row, and fills the new entries. */
void hr_trainer_rows(struct hr_trainer *t);

/** Without time gaps: their tables are zeros, and so is what an optimiser would change them by. @param x  of the layout */
void hr_trainer_no_gaps(float *x, const struct hr_layout *at);

/** Makes stale unit vectors anew. */
void hr_trainer_refresh(struct hr_trainer *t);

#endif
