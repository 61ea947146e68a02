/* model/encoder_input.h - what an event's item, kind and times put into the encoder: its input, and the biases of its attention.
 * Private to the encoder. */
#ifndef HR_MODEL_ENCODER_INPUT_H
#define HR_MODEL_ENCODER_INPUT_H

#include "model/encoder.h"

/** One stream of dropout for each place in the network. */
enum hr_site { HR_SITE_INPUT, HR_SITE_ATTENTION, HR_SITE_OUT, HR_SITE_DOWN, HR_SITES };

struct hr_dropout hr_drop_of(const struct hr_run *run, size_t block, enum hr_site site);

/** Asks for the run's rows, which stand anywhere in a table that is larger than the caches: together, their waits overlap. */
void hr_input_fetch(const struct hr_encoder *e, const struct hr_run *run);
/** x (P, D), after dropout. */
void hr_input(const struct hr_encoder *e, const struct hr_run *run, float *x);
/** As hr_encoder_backward has it; dx (P, D) is overwritten. */
void hr_input_back(const struct hr_encoder *e, const struct hr_run *run, float *dunit, float *dx, float *grad);

/** Of the sequence of T positions that begins at first, its questions from `from` on: bucket (T, T), row i, key j <= i, holds the
 * bucket of the time from event j to question i. */
void hr_input_gaps(uint8_t *bucket, const struct hr_run *run, size_t first, size_t T, size_t from);
/** bias (H, T, T), and bucket on the way; every block's are the same. */
void hr_input_biases(float *bias, uint8_t *bucket, const struct hr_encoder *e, const struct hr_run *run, size_t first, size_t T,
                     size_t from);
/** Adds what dbias (T, T) of head h says. */
void hr_input_biases_back(const struct hr_encoder *e, float *grad, const float *dbias, const uint8_t *bucket, size_t T, size_t h);

#endif
