#include "model/loss_triplet.h"

#include "base/idmap.h"

double hr_triplet(float *duser, float *dcandidate, const float *user, const float *candidate, const uint32_t *label,
                  const uint32_t *other, size_t P, size_t D, float margin, float weight)
{
	double loss = 0;

	for (size_t p = 0; p < P; p++) {
		if (label[p] == HR_NONE || other[p] == HR_NONE)
			continue;
		const float *u = user + p * D, *near = candidate + (size_t)label[p] * D, *far = candidate + (size_t)other[p] * D;
		double gap = (double)margin;
		for (size_t c = 0; c < D; c++)
			gap += (double)u[c] * (double)(far[c] - near[c]);
		if (gap <= 0)
			continue;
		loss += gap;
		for (size_t c = 0; c < D; c++) {
			duser[p * D + c] += weight * (far[c] - near[c]);
			dcandidate[(size_t)label[p] * D + c] -= weight * u[c];
			dcandidate[(size_t)other[p] * D + c] += weight * u[c];
		}
	}
	return loss;
}
