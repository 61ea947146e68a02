#include "model/encoder.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "model/cut.h"
#include "model/encoder_input.h"

/* ---- memory ---- */

struct block_tape {
	float *hat1, *rstd1, *in1;  /* (P, D) (P) (P, D): norm1 */
	float *qkv, *probs, *mixed; /* (P, 3 D), H x (T, T) a sequence, (P, D): attention */
	float *hat2, *rstd2, *in2;
	float *up, *act;            /* (P, 4 D) before and after gelu */
};

static struct block_tape cut_block(float **from, size_t P, size_t pairs, const struct hr_shape *s)
{
	struct block_tape t;

	t.hat1 = hr_cut(from, P * s->D);
	t.rstd1 = hr_cut(from, P);
	t.in1 = hr_cut(from, P * s->D);
	t.qkv = hr_cut(from, P * 3 * s->D);
	t.probs = hr_cut(from, pairs * s->H);
	t.mixed = hr_cut(from, P * s->D);
	t.hat2 = hr_cut(from, P * s->D);
	t.rstd2 = hr_cut(from, P);
	t.in2 = hr_cut(from, P * s->D);
	t.up = hr_cut(from, P * HR_UP * s->D);
	t.act = hr_cut(from, P * HR_UP * s->D);
	return t;
}

static size_t block_floats(size_t P, size_t pairs, const struct hr_shape *s)
{
	return 5 * hr_cut_room(P * s->D) + 2 * hr_cut_room(P) + hr_cut_room(P * 3 * s->D) + hr_cut_room(pairs * s->H) + 2 * hr_cut_room(P * HR_UP * s->D);
}

struct tape {
	struct block_tape block[HR_BLOCKS_MAX];
	float *hat, *rstd;
};

static struct tape cut_tape(float *from, size_t P, size_t pairs, const struct hr_shape *s)
{
	struct tape t;

	for (size_t l = 0; l < s->blocks; l++)
		t.block[l] = cut_block(&from, P, pairs, s);
	t.hat = hr_cut(&from, P * s->D);
	t.rstd = hr_cut(&from, P);
	return t;
}

size_t hr_tape_floats(const struct hr_layout *at, size_t positions, size_t pairs)
{
	return at->shape.blocks * block_floats(positions, pairs, &at->shape) + hr_cut_room(positions * at->shape.D) + hr_cut_room(positions);
}

struct scratch {
	float *x;             /* (P, D) */
	float *y;             /* (P, D) */
	float *wide1, *wide2; /* (P, 4 D) */
	float *bias;          /* (H, T, T) */
	uint8_t *bucket;      /* (T, T) */
	float *kernel;
};

static struct scratch cut_scratch(float *from, size_t P, size_t T, const struct hr_shape *s)
{
	struct scratch m;

	m.x = hr_cut(&from, P * s->D);
	m.y = hr_cut(&from, P * s->D);
	m.wide1 = hr_cut(&from, P * HR_UP * s->D);
	m.wide2 = hr_cut(&from, P * HR_UP * s->D);
	m.bias = hr_cut(&from, s->H * T * T);
	m.bucket = (uint8_t *)hr_cut(&from, T * T / sizeof(float) + 1);
	m.kernel = from;
	return m;
}

size_t hr_encoder_scratch_floats(const struct hr_layout *at, size_t positions, size_t longest)
{
	const struct hr_shape *s = &at->shape;
	const size_t P = positions > longest ? positions : longest, T = longest;

	return 2 * hr_cut_room(P * s->D) + 2 * hr_cut_room(P * HR_UP * s->D) + hr_cut_room(s->H * T * T) +
	       hr_cut_room(T * T / sizeof(float) + 1) + HR_SCRATCH_FLOATS(P, HR_UP * s->D);
}

static size_t longest_of(const struct hr_run *run)
{
	size_t longest = 0;

	for (size_t s = 0; s < run->sequences; s++)
		longest = run->start[s + 1] - run->start[s] > longest ? run->start[s + 1] - run->start[s] : longest;
	return longest;
}

size_t hr_run_pairs(const struct hr_run *run)
{
	size_t pairs = 0;

	for (size_t s = 0; s < run->sequences; s++)
		pairs += (size_t)(run->start[s + 1] - run->start[s]) * (run->start[s + 1] - run->start[s]);
	return pairs;
}

/* ---- attention ---- */

/* One sequence of a run and its place in the tape. */
struct place {
	size_t first, T, pairs; /* pairs: of the sequences before it in the run */
};

static struct hr_attention head_of(const struct hr_encoder *e, const struct hr_run *run, const struct block_tape *t,
                                   size_t block, const struct place *at, size_t h)
{
	const size_t D = e->at.shape.D, H = e->at.shape.H, d = D / H;
	const float *qkv = t->qkv + at->first * 3 * D + h * d;

	return (struct hr_attention){
		.T = at->T,
		.d = d,
		.ld = 3 * D,
		.ld_o = D,
		.q = qkv,
		.k = qkv + D,
		.v = qkv + 2 * D,
		.probs = t->probs + at->pairs * H + h * at->T * at->T,
		.drop = hr_drop_of(run, block, HR_SITE_ATTENTION),
		.drop_at = (run->pair_at + at->pairs) * H + h * at->T * at->T,
	};
}

static struct place place_of(const struct hr_run *run, size_t s, size_t pairs)
{
	const size_t first = run->start[s] - run->start[0];

	return (struct place){.first = first, .T = run->start[s + 1] - run->start[s], .pairs = pairs};
}

static void attend(const struct hr_encoder *e, const struct hr_run *run, const struct block_tape *t, size_t block,
                   const struct scratch *m)
{
	const size_t D = e->at.shape.D, d = D / e->at.shape.H;
	struct place at;
	size_t pairs = 0;

	for (size_t s = 0; s < run->sequences; s++, pairs += at.T * at.T) {
		at = place_of(run, s, pairs);
		HR_ASSERT(at.T <= e->at.shape.L && at.T <= HR_WINDOW_MAX);
		/* Every block has the same biases: those of a sequence on its own are still there. */
		if (block == 0 || run->sequences > 1)
			hr_input_biases(m->bias, m->bucket, e, run, at.first, at.T, /* from */ 0);
		for (size_t h = 0; h < e->at.shape.H; h++) {
			struct hr_attention a = head_of(e, run, t, block, &at, h);
			a.bias = m->bias + h * at.T * at.T;
			e->k->attention(t->mixed + at.first * D + h * d, &a, m->kernel);
		}
	}
}

static void attend_back(const struct hr_encoder *e, const struct hr_run *run, const struct block_tape *t, size_t block,
                        float *dqkv, const float *dmixed, float *grad, const struct scratch *m)
{
	const size_t D = e->at.shape.D, d = D / e->at.shape.H;
	struct place at;
	size_t pairs = 0;

	memset(dqkv, 0, run->positions * 3 * D * sizeof *dqkv);
	for (size_t s = 0; s < run->sequences; s++, pairs += at.T * at.T) {
		at = place_of(run, s, pairs);
		hr_input_gaps(m->bucket, run, at.first, at.T, /* from */ 0);
		for (size_t h = 0; h < e->at.shape.H; h++) {
			const struct hr_attention a = head_of(e, run, t, block, &at, h);
			float *dq = dqkv + at.first * 3 * D + h * d;
			memset(m->bias, 0, at.T * at.T * sizeof *m->bias);
			e->k->attention_back(dq, dq + D, dq + 2 * D, m->bias, dmixed + at.first * D + h * d, &a, m->kernel);
			hr_input_biases_back(e, grad, m->bias, m->bucket, at.T, h);
		}
	}
}

/* ---- blocks ---- */

static void mix(const struct hr_encoder *e, const struct hr_run *run, size_t l, const float *x, const struct block_tape *t,
                const struct scratch *m)
{
	const struct hr_block_at *at = &e->at.block[l];
	const size_t P = run->positions, D = e->at.shape.D;

	e->k->norm(t->in1, t->hat1, t->rstd1, x, e->w + at->norm1_g, e->w + at->norm1_b, P, D);
	e->k->linear(t->qkv, t->in1, &e->block[l].qkv, P, m->kernel);
	attend(e, run, t, l, m);
}

/* What follows attention, for P positions: mixed (P, D) are theirs, x too; position_at is the first one's. */
static void feed(const struct hr_encoder *e, const struct hr_run *run, size_t l, float *x, const float *mixed,
                 uint64_t position_at, size_t P, const struct block_tape *t, const struct scratch *m)
{
	const struct hr_kernels *k = e->k;
	const struct hr_block *b = &e->block[l];
	const struct hr_block_at *at = &e->at.block[l];
	const size_t D = e->at.shape.D;
	const struct hr_dropout out = hr_drop_of(run, l, HR_SITE_OUT), down = hr_drop_of(run, l, HR_SITE_DOWN);

	k->linear(m->y, mixed, &b->out, P, m->kernel);
	k->add_dropped(x, m->y, &out, position_at * D, P * D);
	k->norm(t->in2, t->hat2, t->rstd2, x, e->w + at->norm2_g, e->w + at->norm2_b, P, D);
	k->linear(t->up, t->in2, &b->up, P, m->kernel);
	k->gelu(t->act, t->up, P * HR_UP * D);
	k->linear(m->y, t->act, &b->down, P, m->kernel);
	k->add_dropped(x, m->y, &down, position_at * D, P * D);
}

/* One matrix on the way back: its gradients, and dx = dy w'. */
static void linear_back(const struct hr_kernels *k, const struct hr_linear *l, float *dx, const float *x, const float *dy,
                        float *dw, float *db, size_t P, float *scratch)
{
	k->linear_dw(dw, db, x, dy, l->in, l->out, P, scratch);
	k->linear_dx(dx, dy, l, P, /* add */ false, scratch);
}

static void block_backward(const struct hr_encoder *e, const struct hr_run *run, size_t l, float *dx, float *grad,
                           const struct block_tape *t, const struct scratch *m)
{
	const struct hr_kernels *k = e->k;
	const struct hr_block *b = &e->block[l];
	const struct hr_block_at *at = &e->at.block[l];
	const size_t P = run->positions, D = e->at.shape.D;
	const struct hr_dropout out = hr_drop_of(run, l, HR_SITE_OUT), down = hr_drop_of(run, l, HR_SITE_DOWN);

	k->dropped(m->y, dx, &down, run->position_at * D, P * D);
	linear_back(k, &b->down, m->wide1, t->act, m->y, grad + at->down_w, grad + at->down_b, P, m->kernel);
	k->gelu_back(m->wide2, m->wide1, t->up, P * HR_UP * D);
	linear_back(k, &b->up, m->y, t->in2, m->wide2, grad + at->up_w, grad + at->up_b, P, m->kernel);
	k->norm_back(dx, grad + at->norm2_g, grad + at->norm2_b, m->y, t->hat2, t->rstd2, e->w + at->norm2_g, P, D);

	k->dropped(m->y, dx, &out, run->position_at * D, P * D);
	linear_back(k, &b->out, m->wide1, t->mixed, m->y, grad + at->out_w, grad + at->out_b, P, m->kernel);
	attend_back(e, run, t, l, m->wide2, m->wide1, grad, m);
	linear_back(k, &b->qkv, m->y, t->in1, m->wide2, grad + at->qkv_w, grad + at->qkv_b, P, m->kernel);
	k->norm_back(dx, grad + at->norm1_g, grad + at->norm1_b, m->y, t->hat1, t->rstd1, e->w + at->norm1_g, P, D);
}

void hr_encoder_forward(const struct hr_encoder *e, const struct hr_run *run, float *hidden, float *tape, float *scratch)
{
	const struct hr_shape *s = &e->at.shape;
	const struct tape t = cut_tape(tape, run->positions, hr_run_pairs(run), s);
	const struct scratch m = cut_scratch(scratch, run->positions, longest_of(run), s);

	hr_input_fetch(e, run);
	hr_input(e, run, m.x);
	for (size_t l = 0; l < s->blocks; l++) {
		mix(e, run, l, m.x, &t.block[l], &m);
		feed(e, run, l, m.x, t.block[l].mixed, run->position_at, run->positions, &t.block[l], &m);
	}
	e->k->norm(hidden, t.hat, t.rstd, m.x, e->w + e->at.norm_g, e->w + e->at.norm_b, run->positions, s->D);
}

void hr_encoder_backward(const struct hr_encoder *e, const struct hr_run *run, float *dhidden, float *dunit, float *grad,
                         float *tape, float *scratch)
{
	const struct hr_shape *s = &e->at.shape;
	const struct tape t = cut_tape(tape, run->positions, hr_run_pairs(run), s);
	const struct scratch m = cut_scratch(scratch, run->positions, longest_of(run), s);

	memset(m.x, 0, run->positions * s->D * sizeof *m.x);
	e->k->norm_back(m.x, grad + e->at.norm_g, grad + e->at.norm_b, dhidden, t.hat, t.rstd, e->w + e->at.norm_g,
	                run->positions, s->D);
	for (size_t l = s->blocks; l-- > 0;)
		block_backward(e, run, l, m.x, grad, &t.block[l], &m);
	hr_input_back(e, run, dunit, m.x, grad);
}
