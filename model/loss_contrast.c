#include "model/loss_contrast.h"

#include "base/error.h"
#include "model/cut.h"

size_t hr_infonce_scratch_floats(size_t n, size_t D)
{
	return hr_cut_room(n * n) + hr_cut_room(n * D) + 2 * hr_cut_room(n) + HR_SCRATCH_FLOATS(n, n > D ? n : D);
}

/* a asks, b answers. The kernel's weight carries weight / (n tau), so that dS is ready for both products. */
static double one_way(const struct hr_kernels *k, float *da, float *db, const float *a, const float *b, size_t n, size_t D,
                      float tau, float weight, float *scratch)
{
	float *work = scratch, *similar = hr_cut(&work, n * n), *scaled = hr_cut(&work, n * D), *share = hr_cut(&work, n);
	uint32_t *label = (uint32_t *)hr_cut(&work, n);

	for (size_t i = 0; i < n * D; i++)
		scaled[i] = a[i] / tau;
	for (size_t i = 0; i < n; i++) {
		share[i] = weight / ((float)n * tau);
		label[i] = (uint32_t)i;
	}
	k->gemm_nt(similar, n, scaled, D, b, D, n, n, D, /* add */ false, work);
	const double loss = k->softmax_xent(similar, n, /* bias */ NULL, label, share, n, n);
	k->gemm_nn(da, D, similar, n, b, D, n, D, n, /* add */ true, work);
	k->gemm_tn(db, D, similar, n, a, D, n, D, n, /* add */ true, work);
	return loss * (double)tau / (double)weight;
}

double hr_infonce(const struct hr_kernels *k, float *da, float *db, const float *a, const float *b, size_t n, size_t D,
                  float tau, float weight, bool both, float *scratch)
{
	HR_ASSERT(n >= 1 && tau > 0 && weight > 0);
	if (!both)
		return one_way(k, da, db, a, b, n, D, tau, weight, scratch);
	return 0.5 * one_way(k, da, db, a, b, n, D, tau, 0.5f * weight, scratch) +
	       0.5 * one_way(k, db, da, b, a, n, D, tau, 0.5f * weight, scratch);
}
