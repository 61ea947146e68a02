/* model/trainer.h - the learning model: weights, item rows, optimiser, counters, test-then-train score.
 *
 * A pure function of (configuration, seed, the calls in their order): no clock, no thread count, no address reaches a bit.
 * Records: HR_REC_PAGE (64 item rows with their optimiser state), HR_REC_DENSE, HR_REC_RULES, HR_REC_POPULARITY,
 * HR_REC_TRAINER; their bytes are specified in model/items.h, model/counters.h and at the head of model/state.c.
 *
 * @thread all calls from one thread, but for hr_counters_* readers, which take the counters' own lock
 */
#ifndef HR_MODEL_TRAINER_H
#define HR_MODEL_TRAINER_H

#include "base/record.h"
#include "model/batch.h"
#include "model/config.h"
#include "model/counters.h"
#include "model/score.h"
#include "model/snapshot.h"

struct hr_trainer;

HR_MUST_USE bool hr_trainer_new(const struct hr_model_config *config, struct hr_trainer **ret_trainer, struct hr_error *err);
void hr_trainer_free(struct hr_trainer *t);
const char *hr_trainer_kernels(const struct hr_trainer *t); /* name of the kernel set in use */

/**
 * Makes rows up to and including row exist. A new row's vector is a hash of the item's id, so that it does not depend on the
 * order of arrival.
 * @param id_hash  hr_hash of the external id
 */
void hr_trainer_item(struct hr_trainer *t, uint32_t row, uint64_t id_hash);
/** The item may now be predicted, drawn as a negative, ranked and recommended. */
void hr_trainer_admit(struct hr_trainer *t, uint32_t row);
/** The opposite: expired. */
void hr_trainer_retire(struct hr_trainer *t, uint32_t row);

/**
 * Content of an item: ids of its attributes and title words, hashed by the caller. They share rows of a small table whose
 * sum is added to the item's row. count 0 takes the content away.
 */
void hr_trainer_content(struct hr_trainer *t, uint32_t row, const uint64_t *feature_hash, size_t count);

/** One event, before it is learned. Arrays are the user's history before it, oldest first; borrowed. */
struct hr_observation {
	uint64_t ordinal; /* of the event in the lineage: decides whether it is a question */
	uint32_t item;
	uint8_t kind;
	bool mute; /* never a question: an event that a protocol leaves out */
	int64_t time_ms;
	size_t history_len;
	const uint32_t *history_item;
	const int64_t *history_time_ms;
	const uint8_t *history_kind;
};

/**
 * Ranks the events that are questions (history not empty, item and sample as configured) with the weights of the last step and
 * the counters of the moment, then lets the counters learn every event. Events in order; a question inside the group sees
 * what the counters learned from the events before it.
 */
void hr_trainer_observe(struct hr_trainer *t, const struct hr_observation *events, size_t count);

/** The two halves of observe apart, for protocols that rank a whole day before any of it is learned. What the mix learns from
 * the questions counts from hr_trainer_count on. */
void hr_trainer_ask(struct hr_trainer *t, const struct hr_observation *events, size_t count);
void hr_trainer_count(struct hr_trainer *t, const struct hr_observation *events, size_t count);

/** Evaluation begins here: from now on every event is a question, and cold means an item first seen after this call. Not part
 * of the records. */
void hr_trainer_cut(struct hr_trainer *t);

struct hr_step_result {
	bool trained;    /* false: the batch held no position with a target, or the step was refused */
	bool refused;    /* not finite: no weight was changed */
	double loss;     /* sum of the objectives with their weights, nats */
	double next_item, before_after, views, masked_item, triplet; /* the parts, unweighted */
	size_t positions, targets;
};

/** Refused steps in a row after which learning is frozen: the weights are no more to be trusted with another. */
#define HR_REFUSED_MAX 3u

/**
 * One optimiser step on a batch. A step whose loss or gradient is not finite changes no weight and says so; after
 * HR_REFUSED_MAX of them in a row no further step is tried until hr_trainer_thaw. Counters and score go on.
 */
void hr_trainer_step(struct hr_trainer *t, const struct hr_batch *batch, struct hr_step_result *ret_result);

uint64_t hr_trainer_steps(const struct hr_trainer *t);

bool hr_trainer_frozen(const struct hr_trainer *t); /* part of the state */
void hr_trainer_thaw(struct hr_trainer *t);         /* learning goes on from the next step */

/** Start-up training: this rate instead of the configured one, item rows at a multiple of it, and no slow weights, until
 * called with 0. Part of the state. */
void hr_trainer_rate(struct hr_trainer *t, float rate);

/** Everything that changed since the last call, as records. */
void hr_trainer_collect(struct hr_trainer *t, hr_record_put_fn *put, void *ctx);
/** The opposite, record by record, on a new trainer; then hr_trainer_loaded checks that they fit together. */
HR_MUST_USE bool hr_trainer_load(struct hr_trainer *t, enum hr_record_class cls, uint32_t number, const void *bytes,
                                 size_t len, struct hr_error *err);
HR_MUST_USE bool hr_trainer_loaded(struct hr_trainer *t, struct hr_error *err);

/** An immutable copy of what queries and the publisher need; one reference, the caller's. */
struct hr_snapshot *hr_trainer_snapshot(struct hr_trainer *t);

struct hr_counters *hr_trainer_counters(struct hr_trainer *t); /* borrowed; safe from other threads */
const struct hr_score *hr_trainer_score(const struct hr_trainer *t); /* borrowed; trainer's thread */

#endif
