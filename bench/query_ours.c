/* bench/query_ours.c - our side of bench/query: the snapshot's own encode and search, one query at a time.
 *
 * query_ours   reads commands from standard input and answers each with microseconds, one a query:
 *   encode SECONDS       a history of 50, encoded, and the ten best of 12,101 items for it
 *   top ITEMS SECONDS    the ten best of ITEMS for one vector
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "model/snapshot_weights.h"

enum { ITEMS = 12101, D = 64, L = 50, BEST = 10, WARM = 10, MEASURED_MIN = 5 };
#define DAY_MS INT64_C(86400000)

static int64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static struct hr_snapshot *made_up(const struct hr_encoder *e, size_t rows)
{
	struct hr_snapshot *s = hr_snapshot_new(e, rows);
	struct hr_rng rng = hr_rng_stream(1, 1, rows);
	float *inv = hr_alloc(rows, sizeof *inv);

	for (size_t i = 0; i < rows * D; i++)
		s->weights->unit[i] = (float)(hr_rng_unit(&rng) + hr_rng_unit(&rng) + hr_rng_unit(&rng) - 1.5);
	e->k->unit(s->weights->unit, inv, s->weights->unit, rows, D);
	memset(s->weights->live, 1, rows);
	hr_free(inv);
	hr_snapshot_ready(s);
	return s;
}

static void draw(struct hr_batch *b, float *vector, const struct hr_kernels *k, struct hr_rng *rng)
{
	float inv;

	hr_batch_clear(b);
	hr_batch_begin(b, 0);
	for (int i = 0; i < L; i++)
		hr_batch_add(b, hr_rng_below(rng, ITEMS), i * DAY_MS, HR_KIND_VIEW, (i + 1) * DAY_MS, HR_NONE, 0);
	for (size_t c = 0; c < D; c++)
		vector[c] = (float)hr_rng_normal(rng);
	k->unit(vector, &inv, vector, 1, D);
}

static double one_us(const struct hr_snapshot *s, bool encode, struct hr_batch *batch, struct hr_rng *rng)
{
	struct hr_hit hit[BEST];
	float vector[D];
	size_t found;

	draw(batch, vector, s->weights->encoder.k, rng);
	const int64_t begin_ns = now_ns();
	if (encode)
		hr_snapshot_encode(s, batch, vector);
	hr_snapshot_top(s, vector, 1, s->scale, NULL, NULL, 0, BEST, hit, &found);
	return (double)(now_ns() - begin_ns) * 1e-3;
}

static void run(const struct hr_snapshot *s, bool encode, double limit)
{
	struct hr_rng rng = hr_rng_stream(2, 2, 2);
	struct hr_batch batch = {0};

	for (int n = 0; n < WARM; n++)
		(void)one_us(s, encode, &batch, &rng);
	const int64_t stop_ns = now_ns() + (int64_t)(1e9 * limit);
	for (int n = 0; n < MEASURED_MIN || now_ns() < stop_ns; n++)
		printf("%.1f ", one_us(s, encode, &batch, &rng));
	printf("\n");
	(void)fflush(stdout);
	hr_batch_fini(&batch);
}

int main(void)
{
	const struct hr_shape shape = {.D = D, .H = 2, .blocks = 2, .L = L};
	struct hr_layout at;
	struct hr_encoder e;
	struct hr_error err;
	const struct hr_kernels *k;
	char line[64];

	if (!hr_kernels_choose(getenv("HEADRACE_KERNELS"), &k, &err)) {
		(void)fprintf(stderr, "%s\n", err.msg);
		return 2;
	}
	hr_layout_init(&at, &shape);
	float *w = hr_alloc(at.floats, sizeof *w);
	hr_weights_start(w, &at, /* seed */ 1);
	hr_encoder_init(&e, k, &at, w);
	hr_encoder_pack(&e);
	printf("kernels %s\n", k->name);
	(void)fflush(stdout);
	while (fgets(line, sizeof line, stdin) != NULL) {
		size_t rows = ITEMS;
		double limit;
		const bool encode = sscanf(line, "encode %lf", &limit) == 1;
		if (!encode && sscanf(line, "top %zu %lf", &rows, &limit) != 2)
			return 2;
		struct hr_snapshot *s = made_up(&e, rows);
		s->scale = 10;
		run(s, encode, limit);
		hr_snapshot_unref(s);
	}
	hr_encoder_fini(&e);
	hr_free(w);
	return 0;
}
