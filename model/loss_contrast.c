#include "model/loss_contrast.h"

#include "base/error.h"
#include "base/idmap.h" /* HR_NONE */
#include "model/cut.h"

size_t hr_infonce_scratch_floats(size_t n, size_t D)
{
	return hr_cut_room(n * n) + hr_cut_room(n * D) + 2 * hr_cut_room(n) + HR_SCRATCH_FLOATS(n, n > D ? n : D);
}

static bool are_alike(const uint32_t *alike, size_t i, size_t j) { return i == j || (alike[i] != HR_NONE && alike[i] == alike[j]); }

static size_t count_alike(const uint32_t *alike, size_t i, size_t n)
{
	size_t count = 0;

	for (size_t j = 0; j < n; j++)
		count += are_alike(alike, i, j);
	return count;
}

/* What the loss has more than that of partners alone: each row's own logit less the mean of its positives'. */
static double logits_lost(const float *similar, const uint32_t *alike, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		const double share = 1 / (double)count_alike(alike, i, n);
		for (size_t j = 0; j < n; j++)
			if (are_alike(alike, i, j))
				sum += share * ((double)similar[i * n + i] - (double)similar[i * n + j]);
	}
	return sum;
}

/* similar is softmax - I, times weight: the partner's 1 is shared out among all positives. */
static void share_out(float *similar, const uint32_t *alike, size_t n, float weight)
{
	for (size_t i = 0; i < n; i++) {
		const float share = weight / (float)count_alike(alike, i, n);
		similar[i * n + i] += weight;
		for (size_t j = 0; j < n; j++)
			if (are_alike(alike, i, j))
				similar[i * n + j] -= share;
	}
}

/* a asks, b answers. The kernel's weight carries weight / (n tau), so that dS is ready for both products. */
static double one_way(const struct hr_kernels *k, float *da, float *db, const float *a, const float *b, size_t n, size_t D,
                      const uint32_t *alike, float tau, float weight, float *scratch)
{
	float *work = scratch, *similar = hr_cut(&work, n * n), *scaled = hr_cut(&work, n * D), *share = hr_cut(&work, n);
	uint32_t *label = (uint32_t *)hr_cut(&work, n);
	const float each = weight / ((float)n * tau);
	double loss = 0;

	for (size_t i = 0; i < n * D; i++)
		scaled[i] = a[i] / tau;
	for (size_t i = 0; i < n; i++) {
		share[i] = each;
		label[i] = (uint32_t)i;
	}
	k->gemm_nt(similar, n, scaled, D, b, D, n, n, D, /* add */ false, work);
	if (alike != NULL)
		loss = (double)each * logits_lost(similar, alike, n);
	loss += k->softmax_xent(similar, n, /* bias */ NULL, label, share, n, n);
	if (alike != NULL)
		share_out(similar, alike, n, each);
	k->gemm_nn(da, D, similar, n, b, D, n, D, n, /* add */ true, work);
	k->gemm_tn(db, D, similar, n, a, D, n, D, n, /* add */ true, work);
	return loss * (double)tau / (double)weight;
}

double hr_infonce(const struct hr_kernels *k, float *da, float *db, const float *a, const float *b, size_t n, size_t D,
                  const uint32_t *alike, float tau, float weight, bool both, float *scratch)
{
	HR_ASSERT(n >= 1 && tau > 0 && weight > 0);
	if (!both)
		return one_way(k, da, db, a, b, n, D, alike, tau, weight, scratch);
	return 0.5 * one_way(k, da, db, a, b, n, D, alike, tau, 0.5f * weight, scratch) +
	       0.5 * one_way(k, db, da, b, a, n, D, alike, tau, 0.5f * weight, scratch);
}
