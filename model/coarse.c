#include "model/coarse.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { ROW_MOST = 63, QUERY_MOST = 127 };
#define UP 1.0001 /* bounds are computed in double, kept and used in float */

static double length(const float *x, size_t D)
{
	double sum = 0;

	for (size_t i = 0; i < D; i++)
		sum += (double)x[i] * (double)x[i];
	return sqrt(sum);
}

static float largest(const float *x, size_t D)
{
	float most = 0;

	for (size_t i = 0; i < D; i++)
		most = fmaxf(most, fabsf(x[i]));
	return most;
}

/* x / scale to the nearest whole number, without a call of libm: |x / scale| <= 127. */
static int nearest(float x, float inv_scale)
{
	const float at = x * inv_scale;

	return (int)(at + (at < 0 ? -0.5f : 0.5f));
}

static void code_row(struct hr_coarse *c, size_t row, const float *x)
{
	const size_t D = c->D, r = row % HR_COARSE_ROWS;
	uint8_t *block = c->code + row / HR_COARSE_ROWS * HR_COARSE_ROWS * D;
	const float scale = largest(x, D) / ROW_MOST, inv = scale > 0 ? 1 / scale : 0;
	double rest = 0, all = 0;

	for (size_t i = 0; i < D; i++) {
		const int v = nearest(x[i], inv);
		const double kept = (double)scale * v, left = (double)x[i] - kept;
		block[(i / 4 * HR_COARSE_ROWS + r) * 4 + i % 4] = (uint8_t)(v + HR_COARSE_ZERO);
		rest += left * left;
		all += kept * kept;
	}
	c->scale[row] = scale;
	/* a chain of D multiply-adds is within D 2^-24 of the sum of the products' sizes, which is at most |q| |row| */
	c->rest[row] = (float)(UP * (sqrt(rest) + (double)D * 0x1p-23 * (sqrt(all) + sqrt(rest))));
	c->longest = fmaxf(c->longest, (float)(UP * sqrt(all)));
}

void hr_coarse_init(struct hr_coarse *c, const float *row, size_t rows, size_t D)
{
	const size_t padded = (rows + HR_COARSE_ROWS - 1) / HR_COARSE_ROWS * HR_COARSE_ROWS;

	HR_ASSERT(D % 16 == 0 && D <= 256);
	*c = (struct hr_coarse){.rows = rows, .D = D};
	c->code = hr_alloc(padded * D, 1);
	c->scale = hr_alloc(padded, sizeof *c->scale);
	c->rest = hr_alloc(padded, sizeof *c->rest);
	memset(c->code, HR_COARSE_ZERO, padded * D);
	for (size_t r = 0; r < rows; r++)
		code_row(c, r, row + r * D);
}

void hr_coarse_fini(struct hr_coarse *c)
{
	hr_free(c->code);
	hr_free(c->scale);
	hr_free(c->rest);
	*c = (struct hr_coarse){0};
}

struct hr_coarse_query hr_coarse_query(const struct hr_coarse *c, const float *q, float scale, int8_t *code)
{
	const float step = largest(q, c->D) / QUERY_MOST, inv = step > 0 ? 1 / step : 0;
	double rest = 0;
	int sum = 0;

	for (size_t i = 0; i < c->D; i++) {
		code[i] = (int8_t)nearest(q[i], inv);
		const double left = (double)q[i] - (double)step * code[i];
		rest += left * left;
		sum += code[i];
	}
	return (struct hr_coarse_query){
		.code = code,
		.zero = HR_COARSE_ZERO * sum,
		.step = scale * step,
		.reach = (float)(UP * (double)fabsf(scale) * length(q, c->D)),
		.rest = (float)(UP * (double)fabsf(scale) * sqrt(rest) * (double)c->longest),
	};
}
