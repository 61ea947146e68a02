#include "model/loss_next.h"

#include <math.h>

#include "base/idmap.h"
#include "model/cut.h"

size_t hr_next_item_scratch_floats(size_t C, size_t D)
{
	return hr_cut_room(HR_NEXT_ROWS * C) + 2 * hr_cut_room(HR_NEXT_ROWS * D) + HR_SCRATCH_FLOATS(C, D) +
	       HR_SCRATCH_FLOATS(HR_NEXT_ROWS, C);
}

float hr_inclusion_bias(double expected) { return (float)-log(-expm1(-expected)); }

/* The positions of one block that ask something. */
struct asked {
	size_t count;
	size_t position[HR_NEXT_ROWS];
	uint32_t label[HR_NEXT_ROWS];
	float weight[HR_NEXT_ROWS];
};

static size_t next_asked(struct asked *a, const struct hr_next_item *n, const uint32_t *label, size_t p, size_t P)
{
	for (a->count = 0; p < P && a->count < HR_NEXT_ROWS; p++) {
		if (label[p] == HR_NONE)
			continue;
		a->position[a->count] = p;
		a->label[a->count] = label[p];
		a->weight[a->count++] = n->weight;
	}
	return p;
}

static void gather(float *query, const struct asked *a, const struct hr_next_item *n, const float *user)
{
	for (size_t r = 0; r < a->count; r++)
		for (size_t c = 0; c < n->D; c++)
			query[r * n->D + c] = n->scale * user[a->position[r] * n->D + c];
}

/* dquery is of scale * user: one factor for the user, and along the query for the scale's logarithm. */
static void scatter(float *duser, double *dlog_scale, const float *dquery, const float *query, const struct asked *a,
                    const struct hr_next_item *n)
{
	for (size_t r = 0; r < a->count; r++) {
		for (size_t c = 0; c < n->D; c++) {
			duser[a->position[r] * n->D + c] += n->scale * dquery[r * n->D + c];
			*dlog_scale += (double)query[r * n->D + c] * (double)dquery[r * n->D + c];
		}
	}
}

double hr_next_item(const struct hr_next_item *n, const struct hr_kernels *k, float *duser, float *dcandidate,
                    double *dlog_scale, const float *user, const uint32_t *label, size_t P, float *scratch)
{
	const size_t C = n->C, D = n->D;
	float *work = scratch, *logits = hr_cut(&work, HR_NEXT_ROWS * C);
	float *query = hr_cut(&work, HR_NEXT_ROWS * D), *dquery = hr_cut(&work, HR_NEXT_ROWS * D);
	struct asked a;
	double loss = 0;

	for (size_t p = next_asked(&a, n, label, 0, P); a.count > 0; p = next_asked(&a, n, label, p, P)) {
		gather(query, &a, n, user);
		k->gemm_nt(logits, C, query, D, n->candidate, D, a.count, C, D, /* add */ false, work);
		loss += k->softmax_xent(logits, C, n->bias, a.label, a.weight, a.count, C);
		k->gemm_nn(dquery, D, logits, C, n->candidate, D, a.count, D, C, /* add */ false, work);
		k->gemm_tn(dcandidate, D, logits, C, query, D, C, D, a.count, /* add */ true, work);
		scatter(duser, dlog_scale, dquery, query, &a, n);
	}
	return n->weight > 0 ? loss / (double)n->weight : 0;
}
