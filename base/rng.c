#include "base/rng.h"

#include <math.h>

double hr_rng_normal(struct hr_rng *r)
{
	const double u = 1.0 - hr_rng_unit(r), v = hr_rng_unit(r);

	return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}
