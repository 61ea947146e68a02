/* model/encode.c - user vectors: the forward direction alone, one history after the other, with nothing kept for a way back:
 * all of it stays in the caches. */
#include "base/mem.h"
#include "model/cut.h"
#include "model/encoder_input.h"

struct scratch {
	float *x, *in, *y; /* (T, D) the stream; what a matrix reads of it; what it makes */
	float *wide;       /* (T, 4 D) */
	float *rstd;       /* (T) */
	float *bias;       /* (H, T, T) */
	uint8_t *bucket;   /* (T, T) */
	float *kernel;
};

static struct scratch cut_scratch(float *from, size_t T, const struct hr_shape *s)
{
	struct scratch m;

	m.x = hr_cut(&from, T * s->D);
	m.in = hr_cut(&from, T * s->D);
	m.y = hr_cut(&from, T * s->D);
	m.wide = hr_cut(&from, T * HR_UP * s->D);
	m.rstd = hr_cut(&from, T);
	m.bias = hr_cut(&from, s->H * T * T);
	m.bucket = (uint8_t *)hr_cut(&from, T * T / sizeof(float) + 1);
	m.kernel = from;
	return m;
}

size_t hr_encoder_last_floats(const struct hr_layout *at, size_t T)
{
	const struct hr_shape *s = &at->shape;

	return 3 * hr_cut_room(T * s->D) + hr_cut_room(T * HR_UP * s->D) + hr_cut_room(T) + hr_cut_room(s->H * T * T) +
	       hr_cut_room(T * T / sizeof(float) + 1) + HR_SCRATCH_FLOATS(T, HR_UP * s->D);
}

/* in (T, D) becomes what each query from `from` on attends to; of the others it is of no use afterwards. */
static void attend(const struct hr_encoder *e, const struct hr_block *b, size_t T, size_t from, const struct scratch *m)
{
	const size_t D = e->at.shape.D, H = e->at.shape.H, d = D / H;
	float *qkv = m->wide;

	if (from > 0) { /* keys and values of all, queries of some */
		e->k->linear_from(qkv, m->in, &b->qkv, D, from, m->kernel);
		e->k->linear(qkv + from * 3 * D, m->in + from * D, &b->qkv, T - from, m->kernel);
	} else {
		e->k->linear(qkv, m->in, &b->qkv, T, m->kernel);
	}
	for (size_t h = 0; h < H; h++) {
		const struct hr_attention a = {
			.T = T,
			.d = d,
			.ld = 3 * D,
			.ld_o = D,
			.q = qkv + h * d,
			.k = qkv + D + h * d,
			.v = qkv + 2 * D + h * d,
			.bias = m->bias + h * T * T,
			.first = from,
		};
		e->k->attention(m->in + h * d, &a, m->kernel);
	}
}

/* The rest of a block, for P positions. */
static void feed(const struct hr_encoder *e, size_t l, float *x, float *in, size_t P, const struct scratch *m)
{
	const struct hr_dropout none = {0};
	const struct hr_kernels *k = e->k;
	const struct hr_block *b = &e->block[l];
	const struct hr_block_at *at = &e->at.block[l];
	const size_t D = e->at.shape.D;

	k->linear(m->y, in, &b->out, P, m->kernel);
	k->add_dropped(x, m->y, &none, 0, P * D);
	k->norm(in, in, m->rstd, x, e->w + at->norm2_g, e->w + at->norm2_b, P, D);
	k->linear(m->wide, in, &b->up, P, m->kernel);
	k->gelu(m->wide, m->wide, P * HR_UP * D);
	k->linear(m->y, m->wide, &b->down, P, m->kernel);
	k->add_dropped(x, m->y, &none, 0, P * D);
}

void hr_encoder_last(const struct hr_encoder *e, const struct hr_run *run, float *hidden, float *scratch)
{
	const struct hr_shape *s = &e->at.shape;
	const size_t T = run->positions, last = T - 1, D = s->D;
	const struct scratch m = cut_scratch(scratch, T, s);

	HR_ASSERT(run->sequences == 1 && T >= 1 && T <= s->L && !(run->dropout > 0));
	hr_input_fetch(e, run);
	hr_input_biases(m.bias, m.bucket, e, run, 0, T, s->blocks > 1 ? 0 : last);
	hr_input(e, run, m.x);
	for (size_t l = 0; l < s->blocks; l++) {
		const struct hr_block_at *at = &e->at.block[l];
		const size_t from = l + 1 < s->blocks ? 0 : last;
		e->k->norm(m.in, m.in, m.rstd, m.x, e->w + at->norm1_g, e->w + at->norm1_b, T, D);
		attend(e, &e->block[l], T, from, &m);
		feed(e, l, m.x + from * D, m.in + from * D, T - from, &m);
	}
	e->k->norm(hidden, hidden, m.rstd, m.x + last * D, e->w + e->at.norm_g, e->w + e->at.norm_b, 1, D);
}

/* ---- */

void hr_encode_memory_fini(struct hr_encode_memory *m)
{
	hr_free(m->p);
	hr_free(m->row);
	*m = (struct hr_encode_memory){0};
}

/* Where sequence s begins when it is read from its end, as far as the window reaches. */
static uint32_t first_read(const struct hr_batch *b, size_t s, size_t L)
{
	const uint32_t begin = b->start[s], end = b->start[s + 1];

	return end - begin > L ? end - (uint32_t)L : begin;
}

/* One sequence a run, so that no bit of a user's vector depends on who was asked for beside it: what a query answers is
 * what was published. Runs of many would save a little time. */
static void encode_one(const struct hr_encoder *e, const struct hr_batch *b, size_t s, const uint32_t *row,
                       const float *unit, float *out, float *memory)
{
	const uint32_t bounds[2] = {first_read(b, s, e->at.shape.L), b->start[s + 1]};
	const struct hr_run run = {
		.sequences = 1,
		.positions = bounds[1] - bounds[0],
		.start = bounds,
		.row = row + bounds[0],
		.time_ms = b->time_ms + bounds[0],
		.ask_ms = b->ask_ms + bounds[0],
		.kind = b->kind + bounds[0],
		.unit = unit,
	};
	float inv;

	hr_encoder_last(e, &run, out, memory);
	e->k->unit(out, &inv, out, 1, e->at.shape.D);
}

void hr_encode(const struct hr_encoder *e, const struct hr_batch *b, const float *unit, size_t rows_count, float *out,
               struct hr_encode_memory *m)
{
	const size_t D = e->at.shape.D;

	m->p = hr_grow(m->p, &m->cap, hr_encoder_last_floats(&e->at, e->at.shape.L), sizeof *m->p);
	m->row = hr_grow(m->row, &m->row_cap, b->positions, sizeof *m->row);
	for (size_t p = 0; p < b->positions; p++)
		m->row[p] = b->item[p] < rows_count ? b->item[p] : HR_NONE;
	for (size_t s = 0; s < b->sequences; s++) {
		HR_ASSERT(b->start[s + 1] > b->start[s]);
		encode_one(e, b, s, m->row, unit, out + s * D, m->p);
	}
}
