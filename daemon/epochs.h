/* daemon/epochs.h - start-up training: epochs over whole histories in a random order, at a rate that rises and falls. */
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

struct hr_epochs;

/** @param trainer  borrowed */
struct hr_epochs *hr_epochs_new(struct hr_trainer *trainer, const struct hr_epochs_config *config);
void hr_epochs_free(struct hr_epochs *e); /* NULL allowed */

/** A history: each event but the first is a target. One that is longer than the window is read in several. Copied. */
void hr_epochs_add(struct hr_epochs *e, const struct hr_past *past, size_t len);
uint64_t hr_epochs_positions(const struct hr_epochs *e); /* of one epoch */

/** One epoch. Returns its steps. */
uint64_t hr_epochs_run(struct hr_epochs *e);
/** The trainer's own rates again. */
void hr_epochs_end(struct hr_epochs *e);

#endif
