/* model/top.c - the k best rows, exactly: scores block by block, and a heap with the worst kept hit on top. Many queries
 * share one reading of the rows; a few read the coarse rows first, and then only those that may be among the best. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "model/snapshot_weights.h"

#define QUERIES 16u  /* a block of scores is QUERIES x ROWS floats: it stays in the second-level cache */
#define ROWS 1024u

/* Hits in hit[0..found-1], a binary heap: the parent is no better than its children. */
struct heap {
	struct hr_hit *hit;
	size_t found, k;
};

/* Ties go to the lower row. */
static bool worse(struct hr_hit a, struct hr_hit b) { return a.score < b.score || (a.score == b.score && a.row > b.row); }

static void sink(struct hr_hit *hit, size_t n, size_t i)
{
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= n)
			return;
		child += child + 1 < n && worse(hit[child + 1], hit[child]);
		if (!worse(hit[child], hit[i]))
			return;
		const struct hr_hit was = hit[i];
		hit[i] = hit[child];
		hit[child] = was;
		i = child;
	}
}

static void rise(struct hr_hit *hit, size_t i)
{
	while (i > 0 && worse(hit[i], hit[(i - 1) / 2])) {
		const struct hr_hit was = hit[i];
		hit[i] = hit[(i - 1) / 2];
		hit[(i - 1) / 2] = was;
		i = (i - 1) / 2;
	}
}

/* Rows come in ascending order, so an equal score never displaces an earlier one. */
static void offer(struct heap *h, uint32_t row, float score)
{
	if (h->found < h->k) {
		h->hit[h->found] = (struct hr_hit){.row = row, .score = score};
		rise(h->hit, h->found++);
	} else {
		h->hit[0] = (struct hr_hit){.row = row, .score = score};
		sink(h->hit, h->k, 0);
	}
}

/* A score at or below it can not enter. */
static float bar(const struct heap *h) { return h->found < h->k ? -INFINITY : h->hit[0].score; }

/* Best first, by taking the worst to the end again and again. */
static void sort(struct heap *h)
{
	for (size_t n = h->found; n-- > 1;) {
		const struct hr_hit worst = h->hit[0];
		h->hit[0] = h->hit[n];
		h->hit[n] = worst;
		sink(h->hit, n, 0);
	}
}

struct block {
	size_t first, rows;       /* of the table */
	const uint32_t *skip;     /* the first one not before first */
	size_t skip_left;
};

static void scan(struct heap *h, const struct hr_snapshot *s, const float *scores, float scale, const float *bonus,
                 struct block b)
{
	float least = bar(h);

	for (size_t i = 0; i < b.rows; i++) {
		const uint32_t row = (uint32_t)(b.first + i);
		const float score = scale * scores[i] + (bonus != NULL ? bonus[row] : 0);
		/* Equal to the bar: entered only while there is room, which bar() says with -INFINITY. */
		if (!(score > least) || !s->live[row])
			continue;
		while (b.skip_left > 0 && *b.skip < row)
			b.skip++, b.skip_left--;
		if (b.skip_left > 0 && *b.skip == row)
			continue;
		offer(h, row, score);
		least = bar(h);
	}
}

static void search(const struct hr_snapshot *s, const float *queries, size_t count, float scale, const float *bonus,
                   struct block b, struct heap *heap, float *scores)
{
	const struct hr_kernels *k = s->weights->encoder.k;

	for (b.first = 0; b.first < s->rows; b.first += ROWS) {
		b.rows = s->rows - b.first < ROWS ? s->rows - b.first : ROWS;
		while (b.skip_left > 0 && *b.skip < b.first)
			b.skip++, b.skip_left--;
		k->scores(scores, ROWS, queries, s->unit + b.first * s->width, count, b.rows, s->width, scores + QUERIES * ROWS);
		for (size_t q = 0; q < count; q++)
			scan(&heap[q], s, scores + q * ROWS, scale, bonus, b);
	}
}

/* ---- a query on its own ---- */

#define COARSE_BLOCKS (ROWS / HR_COARSE_ROWS)
#define FEW           4u /* queries: from here on one reading of the rows for all is quicker */

struct quick {
	const struct hr_snapshot *s;
	struct hr_coarse_query q;
	const float *bonus;
	const uint32_t *skip;
	size_t skip_left;
	struct heap sure;      /* the k best lower bounds; what can not reach the last of them is out */
	struct hr_hit *may;    /* rows that may be among the best, with their upper bounds, in ascending order */
	size_t may_count, may_cap;
};

static bool skipped(struct quick *w, uint32_t row)
{
	while (w->skip_left > 0 && *w->skip < row)
		w->skip++, w->skip_left--;
	return w->skip_left > 0 && *w->skip == row;
}

/* Upper bound to lower bound: twice the margin below, as the kernel has it, and a little more. */
static float lower_bound(const struct quick *w, uint32_t row, float upper)
{
	const float bonus = w->bonus != NULL ? w->bonus[row] : 0;
	const float margin = w->q.reach * w->s->weights->coarse.rest[row] + w->q.rest;

	return upper - 2.001f * margin - 0x1p-17f * (fabsf(upper) + margin + fabsf(bonus));
}

static void consider(struct quick *w, const float *upper, uint32_t first, size_t rows)
{
	for (uint32_t row = first; row < first + rows; row++) {
		const float most = upper[row - first];
		if (!(most >= bar(&w->sure)) || !w->s->live[row] || skipped(w, row))
			continue;
		w->may = hr_grow(w->may, &w->may_cap, w->may_count + 1, sizeof *w->may);
		w->may[w->may_count++] = (struct hr_hit){.row = row, .score = most};
		const float least = lower_bound(w, row, most);
		if (least > bar(&w->sure))
			offer(&w->sure, row, least);
	}
}

/* Blocks b.. of the coarse rows; the last of all may have fewer rows than it has places. */
static void narrow_blocks(struct quick *w, size_t b, size_t blocks)
{
	const struct hr_coarse *c = &w->s->weights->coarse;
	const size_t first = b * HR_COARSE_ROWS, D = c->D;
	float upper[ROWS], most[COARSE_BLOCKS], padded[HR_COARSE_ROWS] = {0};
	const float *bonus = w->bonus == NULL ? NULL : w->bonus + first;

	if (bonus != NULL && first + HR_COARSE_ROWS > c->rows)
		bonus = memcpy(padded, bonus, (c->rows - first) * sizeof *bonus);
	w->s->weights->encoder.k->coarse(upper, most, &w->q, c->code + first * D, c->scale + first, c->rest + first, bonus, blocks,
	                                 D);
	for (size_t i = 0; i < blocks; i++) {
		const size_t at = first + i * HR_COARSE_ROWS, left = c->rows - at;
		if (most[i] >= bar(&w->sure))
			consider(w, upper + i * HR_COARSE_ROWS, (uint32_t)at, left < HR_COARSE_ROWS ? left : HR_COARSE_ROWS);
	}
}

static void narrow(struct quick *w)
{
	const size_t rows = w->s->rows, whole = rows / HR_COARSE_ROWS;

	for (size_t b = 0; b < whole; b += COARSE_BLOCKS)
		narrow_blocks(w, b, whole - b < COARSE_BLOCKS ? whole - b : COARSE_BLOCKS);
	if (rows % HR_COARSE_ROWS > 0)
		narrow_blocks(w, whole, 1);
}

/* The exact scores of the rows that are left, some at a time. */
static void settle(const struct quick *w, const float *query, float scale, struct heap *heap)
{
	enum { SOME = 64 };
	const struct hr_snapshot *s = w->s;
	const size_t D = s->width;
	HR_AUTO(hr_auto_free) float *row = hr_alloc(SOME * (D + 1) + HR_SCRATCH_FLOATS(1, D), sizeof *row);
	float *scores = row + SOME * D;
	uint32_t number[SOME];

	for (size_t i = 0, n; i < w->may_count;) {
		for (n = 0; n < SOME && i < w->may_count; i++) {
			if (!(w->may[i].score >= bar(&w->sure)))
				continue;
			memcpy(row + n * D, s->unit + w->may[i].row * D, D * sizeof *row);
			number[n++] = w->may[i].row;
		}
		s->weights->encoder.k->scores(scores, SOME, query, row, 1, n, D, scores + SOME);
		for (size_t r = 0; r < n; r++) {
			const float score = scale * scores[r] + (w->bonus != NULL ? w->bonus[number[r]] : 0);
			if (score > bar(heap))
				offer(heap, number[r], score);
		}
	}
}

static size_t quick_top(const struct hr_snapshot *s, const float *query, float scale, const float *bonus,
                        const uint32_t *skip, size_t skip_count, size_t k, struct hr_hit *hits)
{
	int8_t code[256];
	struct quick w = {.s = s, .bonus = bonus, .skip = skip, .skip_left = skip_count};
	struct heap heap = {.hit = hits, .k = k};

	w.q = hr_coarse_query(&s->weights->coarse, query, scale, code);
	w.sure = (struct heap){.hit = hr_alloc(k, sizeof *w.sure.hit), .k = k};
	narrow(&w);
	settle(&w, query, scale, &heap);
	sort(&heap);
	hr_free(w.sure.hit);
	hr_free(w.may);
	return heap.found;
}

/* ---- */

void hr_snapshot_top(const struct hr_snapshot *s, const float *queries, size_t count, float scale, const float *bonus,
                     const uint32_t *skip, size_t skip_count, size_t k, struct hr_hit *hits, size_t *ret_found)
{
	HR_AUTO(hr_auto_free) float *scores = NULL;
	const struct block all = {.skip = skip, .skip_left = skip_count};

	memset(ret_found, 0, count * sizeof *ret_found);
	/* With scale 0 only the bonus counts, and many rows may share it: there is nothing to narrow. */
	if (count < FEW && scale != 0 && s->weights->coarse.code != NULL) {
		for (size_t q = 0; q < count && k > 0; q++)
			ret_found[q] =
				quick_top(s, queries + q * s->width, scale, bonus, skip, skip_count, k, hits + q * k);
		return;
	}
	scores = hr_alloc(QUERIES * ROWS + HR_SCRATCH_FLOATS(QUERIES, s->width), sizeof *scores);
	for (size_t first = 0; first < count && k > 0; first += QUERIES) {
		const size_t n = count - first < QUERIES ? count - first : QUERIES;
		struct heap heap[QUERIES];
		for (size_t q = 0; q < n; q++)
			heap[q] = (struct heap){.hit = hits + (first + q) * k, .k = k};
		search(s, queries + first * s->width, n, scale, bonus, all, heap, scores);
		for (size_t q = 0; q < n; q++) {
			sort(&heap[q]);
			ret_found[first + q] = heap[q].found;
		}
	}
}
