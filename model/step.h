/* model/step.h - the memory of one optimiser step, and its parts in the order in which they run.
 *
 * Sequences are split into HR_SHARDS shards by position; a shard is one task, and has gradients of its own that are added up
 * in the order of the shards: the number of threads reaches no bit of the result.
 */
#ifndef HR_MODEL_STEP_H
#define HR_MODEL_STEP_H

#include "model/batch.h"
#include "model/trainer.h"

#define HR_SHARDS 8u

/** Consecutive sequences that are read together. */
struct hr_chunk {
	size_t first, last;           /* sequences first..last-1 of the plan's batch */
	size_t pair_at, tape_at;
};

struct hr_pair {
	uint32_t a, b; /* positions */
};

/* ---- what to do: step_plan.c ---- */

struct hr_plan {
	struct hr_batch batch;    /* the caller's, cut to the window; views behind, then masked copies */
	uint32_t *slot;           /* for each position: slot of its item, HR_ROW_MASK where it is hidden */
	uint32_t *label;          /* for each position: slot of its target, which is also its candidate; HR_NONE */
	uint32_t *hidden;         /* for each position: slot of the item hidden there; HR_NONE */
	uint32_t *other;          /* for each position with a label: another user's label; HR_NONE */
	uint32_t *touched;        /* for each slot: row. Candidates first */
	size_t slots, candidates, targets, masks;
	bool sampled;             /* the candidates are a sample: logits need the correction */
	struct hr_pair *change, *views; /* before and after the newest events; two views */
	size_t changes, view_pairs;
	uint32_t *view_target;    /* for each pair of views: what the history leads to; HR_NONE */
	struct hr_chunk *chunk;
	size_t shard[HR_SHARDS + 1]; /* chunks of shard s: shard[s]..shard[s+1]-1 */
	size_t tape_floats, longest;
	size_t slot_cap, label_cap, hidden_cap, other_cap, touched_cap, change_cap, views_cap, view_target_cap, chunk_cap;
};

/* ---- where the numbers stand: cut from one array, which only grows ---- */

struct hr_step_memory {
	float *all;
	size_t cap;
	float *unit, *inv;        /* (slots, D) (slots) */
	float *dunit_row, *drow;  /* (slots, D) gradients of unit rows, of rows */
	float *bias;              /* (candidates) */
	float *user, *inv_user, *duser; /* (positions, D) (positions) (positions, D) */
	float *dinput;            /* (positions, D) */
	float *tape;
	float *grad;              /* HR_SHARDS x layout's floats */
	float *dcandidate;        /* HR_SHARDS x (candidates, D) */
	float *content;           /* gradients of content rows */
	float *scratch;           /* workers x scratch_floats */
	size_t scratch_floats;
};

struct hr_step {
	struct hr_plan plan;
	struct hr_step_memory memory;
	double next_item[HR_SHARDS], masked_item[HR_SHARDS], triplet[HR_SHARDS], dlog_scale[HR_SHARDS];
	double before_after, views;
	double squares[HR_SHARDS + 1]; /* of the gradients, to see that they are finite */
};

void hr_step_fini(struct hr_step *s);

/** Fills the plan. False: no position has a target. Marks t->slot; hr_plan_done takes that back. */
bool hr_plan_make(struct hr_trainer *t, const struct hr_batch *batch);
void hr_plan_done(struct hr_trainer *t);

/** Forward, losses, backward. @param scale  exp(log_scale) */
void hr_step_run(struct hr_trainer *t, float scale);

/** Adds up the shards' gradients. False: something is not finite. */
bool hr_step_reduce(struct hr_trainer *t);
/** Optimisers and slow weights. */
void hr_step_apply(struct hr_trainer *t);

#endif
