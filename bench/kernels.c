/* bench/kernels.c - GFLOP/s of each operation of each set at the model's shapes, beside the core's measured multiply-add peak.
 *
 * kernels [--rounds N] [SET ...]   median [lowest..highest] of N rounds (9), sets by turns, so that a busy minute of a shared
 * machine falls on all of them. Element-wise operations count elements instead of FLOPs. The reference's products are
 * OpenBLAS: leave OPENBLAS_CORETYPE unset.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "bench/peak.h"
#include "model/kernels.h"

enum { ROUNDS_MAX = 99, SETS_MAX = 8, ROUND_NS = 4000000 };

struct shape {
	size_t P, in, out; /* for attention: sequences, positions, head width */
};

/* What every operation works on: large enough for the largest shape. */
struct room {
	const struct hr_kernels *k;
	struct shape s;
	struct hr_linear l;
	float *x, *y, *dx, *dy, *dw, *db, *probs, *bias, *scratch;
	uint32_t *label;
	double work; /* FLOPs or elements of one call */
};

typedef void operation(struct room *r);

static void run_linear(struct room *r) { r->k->linear(r->y, r->x, &r->l, r->s.P, r->scratch); }
static void run_linear_dx(struct room *r) { r->k->linear_dx(r->dx, r->dy, &r->l, r->s.P, false, r->scratch); }
static void run_linear_dw(struct room *r)
{
	r->k->linear_dw(r->dw, r->db, r->x, r->dy, r->s.in, r->s.out, r->s.P, r->scratch);
}
static void run_pack(struct room *r) { r->k->pack(&r->l); }
static void run_logits(struct room *r)
{
	r->k->gemm_nt(r->y, r->s.out, r->x, r->s.in, r->dy, r->s.in, r->s.P, r->s.out, r->s.in, false, r->scratch);
}
static void run_logits_dx(struct room *r)
{
	r->k->gemm_nn(r->dx, r->s.in, r->y, r->s.out, r->dy, r->s.in, r->s.P, r->s.in, r->s.out, false, r->scratch);
}
static void run_logits_drows(struct room *r)
{
	r->k->gemm_tn(r->dw, r->s.in, r->y, r->s.out, r->x, r->s.in, r->s.out, r->s.in, r->s.P, true, r->scratch);
}
static void run_scores(struct room *r)
{
	r->k->scores(r->y, r->s.out, r->x, r->dy, r->s.P, r->s.out, r->s.in, r->scratch);
}

static struct hr_attention head_of(struct room *r, size_t sequence)
{
	const size_t T = r->s.in, ld = 192, at = sequence * T * ld;

	return (struct hr_attention){T, r->s.out, ld, ld, r->x + at, r->x + at + 64, r->x + at + 128, r->bias,
	                             r->probs + sequence * T * T, {.key = 1, .p = 0.2f}, sequence * T * T, /* first */ 0};
}

static void run_attention(struct room *r)
{
	for (size_t s = 0; s < r->s.P; s++) {
		const struct hr_attention a = head_of(r, s);
		r->k->attention(r->y + s * a.T * a.ld, &a, r->scratch);
	}
}

static void run_attention_back(struct room *r)
{
	for (size_t s = 0; s < r->s.P; s++) {
		const struct hr_attention a = head_of(r, s);
		float *to = r->dx + s * a.T * a.ld;
		r->k->attention_back(to, to + 64, to + 128, NULL, r->dy + s * a.T * a.ld, &a, r->scratch);
	}
}

static void run_norm(struct room *r) { r->k->norm(r->y, r->dx, r->db, r->x, r->dw, r->bias, r->s.P, r->s.in); }
static void run_norm_back(struct room *r)
{
	r->k->norm_back(r->dx, r->dw, r->dw + r->s.in, r->dy, r->x, r->bias, r->bias, r->s.P, r->s.in);
}
static void run_gelu(struct room *r) { r->k->gelu(r->y, r->x, r->s.P * r->s.in); }
static void run_gelu_back(struct room *r) { r->k->gelu_back(r->dx, r->dy, r->x, r->s.P * r->s.in); }
static void run_add_dropped(struct room *r)
{
	const struct hr_dropout drop = {.key = 5, .p = 0.2f};
	r->k->add_dropped(r->dx, r->x, &drop, 0, r->s.P * r->s.in);
}
static void run_xent(struct room *r)
{
	(void)r->k->softmax_xent(r->y, r->s.in, NULL, r->label, r->bias, r->s.P, r->s.in);
}
static void run_logs(struct room *r) { r->k->logs(r->y, r->bias, r->s.P * r->s.in); }
static void run_adamw(struct room *r)
{
	r->k->adamw(r->y, r->dx, r->probs, r->dw, r->s.P * r->s.in, 1e-3f, 0.9f, 0.99f, 1e-8f, 0.01f, 10);
}

struct line {
	const char *name;
	operation *run;
	double flops; /* per P in out; 0: count P in elements */
	struct shape shapes[8];
};

static const struct line lines[] = {
	{"linear", run_linear, 2, {{8, 64, 64}, {50, 64, 64}, {50, 64, 192}, {50, 64, 256}, {50, 256, 64}, {512, 64, 256}, {2048, 64, 64}}},
	{"linear_dx", run_linear_dx, 2, {{8, 64, 64}, {50, 64, 64}, {50, 64, 192}, {50, 64, 256}, {50, 256, 64}, {512, 64, 256}, {2048, 64, 64}}},
	{"linear_dw", run_linear_dw, 2, {{8, 64, 64}, {50, 64, 64}, {50, 64, 192}, {50, 64, 256}, {50, 256, 64}, {512, 64, 256}, {2048, 64, 64}}},
	{"pack", run_pack, 0, {{64, 64, 64}, {64, 64, 256}}},
	{"logits (gemm_nt)", run_logits, 2, {{64, 64, 1500}, {512, 64, 1500}}},
	{"logits dx (gemm_nn)", run_logits_dx, 2, {{64, 64, 1500}, {512, 64, 1500}}},
	{"logits drows (gemm_tn)", run_logits_drows, 2, {{64, 64, 1500}, {512, 64, 1500}}},
	{"attention", run_attention, 4, {{8, 9, 32}, {8, 25, 32}, {8, 50, 32}, {2, 200, 32}}},
	{"attention_back", run_attention_back, 8, {{8, 9, 32}, {8, 25, 32}, {8, 50, 32}, {2, 200, 32}}},
	{"norm", run_norm, 0, {{50, 64, 0}}},
	{"norm_back", run_norm_back, 0, {{50, 64, 0}}},
	{"gelu", run_gelu, 0, {{50, 256, 0}}},
	{"gelu_back", run_gelu_back, 0, {{50, 256, 0}}},
	{"add_dropped", run_add_dropped, 0, {{50, 64, 0}}},
	{"softmax_xent", run_xent, 0, {{50, 1500, 0}}},
	{"logs", run_logs, 0, {{50, 64, 0}}},
	{"adamw", run_adamw, 0, {{1000, 64, 0}}},
	{"scores", run_scores, 2, {{1, 64, 12000}, {16, 64, 12000}}},
};

static double now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static float *filled(size_t n, uint64_t seed)
{
	float *x = hr_alloc(n, sizeof *x);

	for (size_t i = 0; i < n; i++)
		x[i] = (float)(hr_random_bits(seed, i) >> 40) * 0x1p-24f + 1e-3f;
	return x;
}

/* One timed stretch of about ROUND_NS; returns work per ns. */
static double one_round(struct room *r, operation *run)
{
	size_t calls = 0;
	const double begin = now_ns();
	double spent = 0;

	while (spent < ROUND_NS) {
		for (int i = 0; i < 4; i++, calls++)
			run(r);
		spent = now_ns() - begin;
	}
	return r->work * (double)calls / spent;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void bench_shape(const struct line *line, struct room *rooms, size_t sets, size_t rounds, double peak)
{
	double rates[SETS_MAX][ROUNDS_MAX];

	for (size_t n = 0; n < rounds + 1; n++)
		for (size_t s = 0; s < sets; s++)
			rates[s][n > 0 ? n - 1 : 0] = one_round(&rooms[s], line->run); /* the first warms up */
	for (size_t s = 0; s < sets; s++) {
		qsort(rates[s], rounds, sizeof rates[s][0], by_value);
		printf("%-24s %5zu x %4zu x %4zu  %-11s %8.2f [%.2f..%.2f] %s", line->name, rooms[s].s.P, rooms[s].s.in, rooms[s].s.out,
		       rooms[s].k->name, rates[s][rounds / 2], rates[s][0], rates[s][rounds - 1], line->flops > 0 ? "GFLOP/s" : "G/s");
		if (line->flops > 0 && peak > 0)
			printf(", %.0f %% of the fp32 peak", 100 * rates[s][rounds / 2] / peak);
		printf("\n");
	}
	(void)fflush(stdout);
}

static void bench_line(const struct line *line, struct room *rooms, size_t sets, size_t rounds, double peak)
{
	for (const struct shape *shape = line->shapes; shape->P > 0; shape++) {
		for (size_t s = 0; s < sets; s++) {
			struct room *r = &rooms[s];
			const bool heads = line->run == run_attention || line->run == run_attention_back;
			r->s = *shape;
			r->work = line->flops > 0 ? line->flops * (double)shape->P * (double)shape->in * (double)shape->out
			                          : (double)shape->P * (double)shape->in;
			if (line->run == run_pack)
				r->work *= (double)shape->out / 64;
			if (heads) /* T x T x d, of which the causal half is needed */
				r->work *= (double)(shape->in + 1) / 2;
			r->l = (struct hr_linear){shape->in, shape->out > 0 ? shape->out : 1, r->dw, r->db, r->l.packed};
			r->k->pack(&r->l);
		}
		bench_shape(line, rooms, sets, rounds, peak);
	}
}

static struct room room_for(const char *set)
{
	enum { LARGEST = 512 * 1500, WIDE = 1536 };
	struct room r = {0};
	struct hr_error err;

	if (!hr_kernels_choose(set, &r.k, &err)) {
		(void)fprintf(stderr, "%s\n", err.msg);
		exit(2);
	}
	r.l.packed = hr_alloc(r.k->packed_bytes(WIDE, WIDE) + 1, 1);
	r.x = filled(LARGEST, 1), r.y = filled(LARGEST, 2), r.dx = filled(LARGEST, 3), r.dy = filled(LARGEST, 4);
	r.dw = filled(LARGEST, 5), r.db = filled(WIDE, 6), r.probs = filled(LARGEST, 7), r.bias = filled(LARGEST, 8);
	r.scratch = hr_alloc(HR_SCRATCH_FLOATS(WIDE, 1024), sizeof(float));
	r.label = hr_alloc(WIDE, sizeof *r.label);
	return r;
}

int main(int argc, char **argv)
{
	struct room rooms[SETS_MAX];
	size_t sets = 0, rounds = 9;
	const double peak = bench_peak_gflops();
	int arg = 1;

	if (argc > 2 && strcmp(argv[1], "--rounds") == 0) {
		rounds = strtoul(argv[2], NULL, 10);
		arg = 3;
	}
	if (rounds < 1 || rounds > ROUNDS_MAX) {
		(void)fprintf(stderr, "rounds must be 1..%d\n", ROUNDS_MAX);
		return 2;
	}
	for (; arg < argc && sets < SETS_MAX; arg++)
		rooms[sets++] = room_for(argv[arg]);
	const bool named = sets > 0;
	for (const char *const *name = hr_kernels_available(); !named && *name != NULL; name++)
		rooms[sets++] = room_for(*name);
	if (peak > 0)
		printf("fp32 multiply-add peak, registers only, highest of 9: %.1f GFLOP/s\n", peak);
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		bench_line(&lines[i], rooms, sets, rounds, peak);
	return 0;
}
