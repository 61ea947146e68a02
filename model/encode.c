/* model/encode.c - user vectors: the forward direction alone, run by run. */
#include <string.h>

#include "base/mem.h"
#include "model/encoder.h"

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
	const size_t D = e->at.shape.D, L = e->at.shape.L;
	const uint32_t bounds[2] = {first_read(b, s, L), b->start[s + 1]};
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
	float *hidden = memory, *tape = hidden + D, inv;

	hr_encoder_last(e, &run, hidden, tape, tape + hr_tape_floats(&e->at, L, L * L));
	e->k->unit(out, &inv, hidden, 1, D);
}

void hr_encode(const struct hr_encoder *e, const struct hr_batch *b, const float *unit, size_t rows_count, float *out,
               struct hr_encode_memory *m)
{
	const size_t D = e->at.shape.D, L = e->at.shape.L;
	const size_t need = D + hr_tape_floats(&e->at, L, L * L) + hr_encoder_scratch_floats(&e->at, L, L);

	m->p = hr_grow(m->p, &m->cap, need, sizeof *m->p);
	m->row = hr_grow(m->row, &m->row_cap, b->positions, sizeof *m->row);
	for (size_t p = 0; p < b->positions; p++)
		m->row[p] = b->item[p] < rows_count ? b->item[p] : HR_NONE;
	for (size_t s = 0; s < b->sequences; s++) {
		HR_ASSERT(b->start[s + 1] > b->start[s]);
		encode_one(e, b, s, m->row, unit, out + s * D, m->p);
	}
}
