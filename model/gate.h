/* model/gate.h - the weights of the mix, learned from every question: a softmax regression with a handful of parameters.
 *
 * The loss of a question is -log softmax(score over the items that compete)[wanted item]; a weight goes down the gradient by
 * rate / the root mean square of its own gradients. Weights of the first three terms stay >= 0, all within HR_MIX_BOUND.
 * Part of the state: 5 x f32 weights | 5 x f32 squares | u64 questions.
 */
#ifndef HR_MODEL_GATE_H
#define HR_MODEL_GATE_H

#include "base/buf.h"
#include "base/error.h"
#include "model/kernels.h"
#include "model/mix.h"

#define HR_MIX_BOUND 20.0f

struct hr_gate {
	struct hr_mix now;  /* what answers are made with */
	struct hr_mix next; /* what the questions since have made of it */
	float square[HR_MIX_TERMS];
	uint64_t questions;
};

void hr_gate_init(struct hr_gate *g);

/** One question and its terms for every row. */
struct hr_gate_question {
	size_t rows;
	const float *term[HR_MIX_AGAIN]; /* (rows) logit, log(1 + 10 rules), log(popularity + .05) */
	const float *open;               /* (rows) 1 = competes; the wanted item does */
	uint32_t wanted;
	const uint32_t *history;         /* oldest first, rows below `rows` */
	size_t history_len;
};

/** score (rows) = the mix with these weights, also where a row does not compete. */
void hr_mix_scores(const struct hr_mix *m, const struct hr_gate_question *q, float *score);

/** Moves next. @param scratch  rows floats */
void hr_gate_learn(struct hr_gate *g, const struct hr_kernels *k, const struct hr_gate_question *q, float rate, float *scratch);

/** What was learned counts from here on. */
static inline void hr_gate_take(struct hr_gate *g) { g->now = g->next; }

void hr_gate_encode(const struct hr_gate *g, struct hr_buf *out);
HR_MUST_USE bool hr_gate_decode(struct hr_gate *g, struct hr_cursor *in, struct hr_error *err);

#endif
