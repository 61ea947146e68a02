#include "model/gate.h"

#include <math.h>


#define MEMORY 0.999f /* of the mean square: some thousand questions */

void hr_gate_init(struct hr_gate *g) { *g = (struct hr_gate){.now = hr_mix_start(), .next = hr_mix_start()}; }

void hr_mix_scores(const struct hr_mix *m, const struct hr_gate_question *q, float *score)
{
	const float *w = m->weight;
	const float *logit = q->term[HR_MIX_MODEL], *rules = q->term[HR_MIX_RULES], *popularity = q->term[HR_MIX_POPULARITY];

	for (size_t row = 0; row < q->rows; row++)
		score[row] = w[HR_MIX_MODEL] * logit[row] + w[HR_MIX_RULES] * rules[row] + w[HR_MIX_POPULARITY] * popularity[row];
	for (size_t i = 0; i < q->history_len; i++) {
		const enum hr_mix_term own = hr_mix_own(q->history, q->history_len, i);
		if (own != HR_MIX_TERMS)
			score[q->history[i]] += w[own];
	}
}

/* error (rows) = softmax - 1 at the wanted item: the gradient of the loss by each score. */
static void score_errors(const struct hr_gate *g, const struct hr_kernels *k, const struct hr_gate_question *q, float *error)
{
	const float weight = 1;

	hr_mix_scores(&g->next, q, error);
	for (size_t row = 0; row < q->rows; row++)
		error[row] = q->open[row] > 0 ? error[row] : -INFINITY;
	(void)k->softmax_xent(error, q->rows, /* bias */ NULL, &q->wanted, &weight, 1, q->rows);
}

static void slopes(const struct hr_gate_question *q, const float *error, double slope[HR_MIX_TERMS])
{
	for (size_t row = 0; row < q->rows; row++)
		for (size_t term = 0; term < HR_MIX_AGAIN; term++)
			slope[term] += (double)error[row] * (double)q->term[term][row];
	for (size_t i = 0; i < q->history_len; i++) {
		const enum hr_mix_term own = hr_mix_own(q->history, q->history_len, i);
		if (own != HR_MIX_TERMS)
			slope[own] += (double)error[q->history[i]];
	}
}

void hr_gate_learn(struct hr_gate *g, const struct hr_kernels *k, const struct hr_gate_question *q, float rate, float *scratch)
{
	double slope[HR_MIX_TERMS] = {0};

	HR_ASSERT(q->wanted < q->rows && q->open[q->wanted] > 0);
	score_errors(g, k, q, scratch);
	slopes(q, scratch, slope);
	g->questions++;
	const float seen = 1 - powf(MEMORY, (float)g->questions); /* Adam's correction of a mean that began at 0 */
	for (size_t term = 0; term < HR_MIX_TERMS; term++) {
		const float s = (float)slope[term];
		if (!isfinite(s * s))
			continue;
		g->square[term] = MEMORY * g->square[term] + (1 - MEMORY) * s * s;
		const float step = rate * s / (sqrtf(g->square[term] / seen) + 1e-8f);
		const float low = term < HR_MIX_AGAIN ? 0 : -HR_MIX_BOUND;
		g->next.weight[term] = fmaxf(low, fminf(HR_MIX_BOUND, g->next.weight[term] - step));
	}
}

void hr_gate_encode(const struct hr_gate *g, struct hr_buf *out)
{
	for (size_t term = 0; term < HR_MIX_TERMS; term++)
		hr_buf_f32(out, g->next.weight[term]);
	for (size_t term = 0; term < HR_MIX_TERMS; term++)
		hr_buf_f32(out, g->square[term]);
	hr_buf_u64(out, g->questions);
}

bool hr_gate_decode(struct hr_gate *g, struct hr_cursor *in, struct hr_error *err)
{
	for (size_t term = 0; term < HR_MIX_TERMS; term++) {
		const float weight = hr_cur_f32(in), low = term < HR_MIX_AGAIN ? 0 : -HR_MIX_BOUND;
		if (!(weight >= low && weight <= HR_MIX_BOUND))
			return hr_fail(err, HR_E_FORMAT, "weight %g of the mix is not in %g..%g", (double)weight, (double)low,
			               (double)HR_MIX_BOUND);
		g->next.weight[term] = weight;
	}
	for (size_t term = 0; term < HR_MIX_TERMS; term++) {
		g->square[term] = hr_cur_f32(in);
		if (!(g->square[term] >= 0 && isfinite(g->square[term])))
			return hr_fail(err, HR_E_FORMAT, "mean square %g of the mix is not one", (double)g->square[term]);
	}
	g->questions = hr_cur_u64(in);
	g->now = g->next;
	return true;
}
