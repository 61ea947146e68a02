/* daemon/epochs.h - start-up training: epochs over whole histories in a random order, at a rate that rises and falls.
 *
 * What a step trains on is a function of the configuration, of the histories and of how many steps were taken before it. The
 * histories must not change between the first step and the last.
 */
#ifndef HR_DAEMON_EPOCHS_H
#define HR_DAEMON_EPOCHS_H

#include "model/model.h"
#include "store/store.h"

struct hr_epochs_config {
	uint32_t epochs;    /* that the fall of the rate is planned for */
	uint32_t batch;     /* positions of a step */
	uint32_t positions; /* the encoder's window */
	float rate;         /* the peak: reached after 100 steps, then down in a straight line to a tenth */
	uint64_t seed;
};

/** The history of a user, 0, 1, 2, ... A view that is good until the next call. */
typedef struct hr_history hr_history_fn(const void *ctx, uint32_t user);

struct hr_epochs;

/**
 * @param history  of users 0 .. users - 1: each event but the first is a target; a history that is longer than the window is
 *                 read in several. ctx is borrowed for the life
 */
struct hr_epochs *hr_epochs_new(const struct hr_epochs_config *config, hr_history_fn *history, const void *ctx,
                                uint32_t users);
void hr_epochs_free(struct hr_epochs *e); /* NULL allowed */

uint64_t hr_epochs_positions(const struct hr_epochs *e); /* of one epoch */
uint64_t hr_epochs_planned(const struct hr_epochs *e);   /* steps of all epochs, about */

/** Where it stands. The next step of an equal one that was sent to the same place is the same. */
struct hr_epochs_place {
	uint32_t epoch;  /* that the next step belongs to, from 0 */
	uint64_t window; /* next of the epoch's order */
	uint64_t steps;  /* taken */
};
struct hr_epochs_place hr_epochs_place(const struct hr_epochs *e);
/** False: no such place. */
HR_MUST_USE bool hr_epochs_go(struct hr_epochs *e, struct hr_epochs_place place);

/**
 * Fills out (cleared first) with the next step; an epoch's last is smaller. There is one as long as positions is not 0.
 * @param catalogue  targets of items not admitted are left out; NULL: all are admitted
 * @param ret_rate   of this step, for hr_trainer_rate
 */
void hr_epochs_batch(struct hr_epochs *e, const struct hr_catalogue *catalogue, struct hr_batch *out, float *ret_rate);

#endif
