#include "model/encoder_input.h"

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"

struct hr_dropout hr_drop_of(const struct hr_run *run, size_t block, enum hr_site site)
{
	return (struct hr_dropout){.key = hr_random_bits(run->key, block * HR_SITES + site), .p = run->dropout};
}

/* ---- input ---- */

/* D is a multiple: inner loops of that many, counted from 0, are compiled to vectors; loops over D are not. */
#define LANES ((size_t)16)

/* Restrict counts on parameters only: of pointers made within a loop gcc does not believe it. */
static void scaled_sum(float *restrict to, float scale, const float *restrict row, const float *restrict gap,
                       const float *restrict kind, size_t D)
{
	for (size_t c = 0; c < D; c += LANES)
		for (size_t i = 0; i < LANES; i++)
			to[c + i] = scale * (row[c + i] + gap[c + i] + kind[c + i]);
}

static void scaled(float *restrict to, float scale, const float *restrict from, size_t D)
{
	for (size_t c = 0; c < D; c += LANES)
		for (size_t i = 0; i < LANES; i++)
			to[c + i] = scale * from[c + i];
}

static void add(float *restrict y, const float *restrict x, size_t n)
{
	for (size_t c = 0; c < n; c += LANES)
		for (size_t i = 0; i < LANES; i++)
			y[c + i] += x[c + i];
}

static const float *row_of(const struct hr_encoder *e, const struct hr_run *run, size_t p)
{
	static const float zeros[256];

	HR_ASSERT(e->at.shape.D <= 256);
	if (run->row[p] == HR_NONE)
		return zeros;
	return run->row[p] == HR_ROW_MASK ? e->w + e->at.mask : run->unit + (size_t)run->row[p] * e->at.shape.D;
}

void hr_input_fetch(const struct hr_encoder *e, const struct hr_run *run)
{
	for (size_t p = 0; p < run->positions; p++)
		for (size_t c = 0; c < e->at.shape.D; c += HR_CACHE_LINE / sizeof(float))
			__builtin_prefetch(row_of(e, run, p) + c);
}

void hr_input(const struct hr_encoder *e, const struct hr_run *run, float *x)
{
	const size_t D = e->at.shape.D;
	const float scale = sqrtf((float)D);
	const struct hr_dropout drop = hr_drop_of(run, 0, HR_SITE_INPUT);

	for (size_t p = 0; p < run->positions; p++)
		scaled_sum(x + p * D, scale, row_of(e, run, p),
		           e->w + e->at.gap + hr_gap_bucket(run->ask_ms[p], run->time_ms[p]) * D, e->w + e->at.kind + run->kind[p] * D, D);
	if (drop.p > 0)
		e->k->dropped(x, x, &drop, run->position_at * D, run->positions * D);
}

void hr_input_back(const struct hr_encoder *e, const struct hr_run *run, float *dunit, float *dx, float *grad)
{
	const size_t D = e->at.shape.D;
	const float scale = sqrtf((float)D);
	const struct hr_dropout drop = hr_drop_of(run, 0, HR_SITE_INPUT);

	e->k->dropped(dx, dx, &drop, run->position_at * D, run->positions * D);
	for (size_t p = 0; p < run->positions; p++) {
		float *d = dunit + p * D;
		scaled(d, scale, dx + p * D, D);
		add(grad + e->at.gap + hr_gap_bucket(run->ask_ms[p], run->time_ms[p]) * D, d, D);
		add(grad + e->at.kind + run->kind[p] * D, d, D);
		if (run->row[p] == HR_ROW_MASK)
			add(grad + e->at.mask, d, D);
	}
}

/* ---- attention's biases ---- */

/* Times fall with j: a key's bucket is mostly that of the one behind it, and the next one is close. */
static void gaps_of_row(uint8_t *bucket, int64_t ask_ms, const int64_t *time_ms, size_t keys)
{
	struct hr_gap_range range = {.bucket = 1};

	for (size_t j = keys; j-- > 0;) {
		const uint64_t gap = hr_gap(ask_ms, time_ms[j]);
		if (gap - range.low >= range.width)
			range = hr_gap_range(gap, range.bucket);
		bucket[j] = range.bucket;
	}
}

void hr_input_gaps(uint8_t *bucket, const struct hr_run *run, size_t first, size_t T, size_t from)
{
	for (size_t i = from; i < T; i++)
		gaps_of_row(bucket + i * T, run->ask_ms[first + i], run->time_ms + first, i + 1);
}

static void fill_bias(float *bias, const struct hr_encoder *e, const uint8_t *bucket, size_t T, size_t from, size_t h)
{
	const size_t H = e->at.shape.H;
	float nearness[HR_WINDOW_MAX], gap[HR_GAPS]; /* of this head: by distance from the farthest, by bucket */

	for (size_t d = 0; d < T; d++)
		nearness[T - 1 - d] = e->w[e->at.distance + d * H + h];
	for (size_t b = 0; b < HR_GAPS; b++)
		gap[b] = e->w[e->at.gap_bias + b * H + h];
	for (size_t i = from; i < T; i++) {
		const float *of_row = nearness + T - 1 - i;
		for (size_t j = 0; j <= i; j++)
			bias[i * T + j] = of_row[j] + gap[bucket[i * T + j]];
	}
}

void hr_input_biases(float *bias, uint8_t *bucket, const struct hr_encoder *e, const struct hr_run *run, size_t first, size_t T,
                     size_t from)
{
	hr_input_gaps(bucket, run, first, T, from);
	for (size_t h = 0; h < e->at.shape.H; h++)
		fill_bias(bias + h * T * T, e, bucket, T, from, h);
}

void hr_input_biases_back(const struct hr_encoder *e, float *grad, const float *dbias, const uint8_t *bucket, size_t T, size_t h)
{
	const size_t H = e->at.shape.H;
	float *distance = grad + e->at.distance + h, *gap = grad + e->at.gap_bias + h;

	for (size_t i = 0; i < T; i++) {
		for (size_t j = 0; j <= i; j++) {
			distance[(i - j) * H] += dbias[i * T + j];
			gap[bucket[i * T + j] * H] += dbias[i * T + j];
		}
	}
}
