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
	struct hr_snapshot_memory *memory;
	float *sure;           /* the k best lower bounds, a heap with the least on top; what can not reach that one is out */
	size_t k;
	size_t may_count;      /* of memory's may: rows that may be among the best, with their upper bounds, in ascending order */
};

/* k times -INFINITY, so that it is always full, and one INFINITY behind, so that a parent always has two children. */
static void sure_begin(struct quick *w, size_t k)
{
	struct hr_snapshot_memory *m = w->memory;

	m->sure = hr_grow(m->sure, &m->sure_cap, k + 1, sizeof *m->sure);
	for (size_t i = 0; i < k; i++)
		m->sure[i] = -INFINITY;
	m->sure[k] = INFINITY;
	w->sure = m->sure;
	w->k = k;
}

/* In the place of the least one, which is below it. */
static void sure_add(struct quick *w, float bound)
{
	float *sure = w->sure;
	size_t i = 0;

	for (size_t child = 1; child < w->k; child = 2 * i + 1) {
		child += sure[child + 1] < sure[child];
		if (sure[child] >= bound)
			break;
		sure[i] = sure[child];
		i = child;
	}
	sure[i] = bound;
}

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

/* over: bit r, row first + r was over the bar when its block was read; the bar has risen since. */
static void consider(struct quick *w, const float *upper, uint32_t first, unsigned over)
{
	struct hr_hit *may = w->memory->may;

	for (; over != 0; over &= over - 1) {
		const uint32_t r = (uint32_t)__builtin_ctz(over), row = first + r;
		if (!(upper[r] >= w->sure[0]) || !w->s->live[row] || skipped(w, row))
			continue;
		may[w->may_count++] = (struct hr_hit){.row = row, .score = upper[r]};
		const float least = lower_bound(w, row, upper[r]);
		if (least > w->sure[0])
			sure_add(w, least);
	}
}

/* Blocks b.. of the coarse rows; the last of all may have fewer rows than it has places. */
static void narrow_blocks(struct quick *w, size_t b, size_t blocks)
{
	const struct hr_coarse *c = &w->s->weights->coarse;
	struct hr_snapshot_memory *m = w->memory;
	const size_t first = b * HR_COARSE_ROWS, D = c->D;
	float upper[ROWS], padded[HR_COARSE_ROWS] = {0};
	uint16_t over[COARSE_BLOCKS];
	const float *bonus = w->bonus == NULL ? NULL : w->bonus + first;

	if (bonus != NULL && first + HR_COARSE_ROWS > c->rows)
		bonus = memcpy(padded, bonus, (c->rows - first) * sizeof *bonus);
	m->may = hr_grow(m->may, &m->may_cap, w->may_count + blocks * HR_COARSE_ROWS, sizeof *m->may);
	w->s->weights->encoder.k->coarse(upper, over, w->sure[0], &w->q, c->code + first * D, c->scale + first,
	                                 c->rest + first, bonus, blocks, D);
	for (size_t i = 0; i < blocks; i++) {
		const size_t at = first + i * HR_COARSE_ROWS, left = c->rows - at;
		const unsigned there = left < HR_COARSE_ROWS ? (1u << left) - 1 : UINT16_MAX;
		if (over[i] != 0)
			consider(w, upper + i * HR_COARSE_ROWS, (uint32_t)at, over[i] & there);
	}
}

/* Some blocks at a time are held against the bar before them. It rises fastest at the start: there a few, then as many as
 * have been read. */
static void narrow(struct quick *w)
{
	const size_t rows = w->s->rows, whole = rows / HR_COARSE_ROWS;

	for (size_t b = 0, some; b < whole; b += some) {
		some = b < 4 ? 4 : b < COARSE_BLOCKS ? b : COARSE_BLOCKS;
		some = whole - b < some ? whole - b : some;
		narrow_blocks(w, b, some);
	}
	if (rows % HR_COARSE_ROWS > 0)
		narrow_blocks(w, whole, 1);
}

#define SOME 64u

/* The next rows that still may be among the best: at most SOME, from may i on; returns where it stopped. */
static size_t next_left(const struct quick *w, size_t i, uint32_t *number, size_t *ret_count)
{
	const struct hr_hit *may = w->memory->may;
	const size_t D = w->s->width;
	size_t n = 0;

	for (; n < SOME && i < w->may_count; i++) {
		if (!(may[i].score >= w->sure[0]))
			continue;
		for (size_t c = 0; c < D; c += HR_CACHE_LINE / sizeof(float))
			__builtin_prefetch(w->s->unit + may[i].row * D + c);
		number[n++] = may[i].row;
	}
	*ret_count = n;
	return i;
}

/* The exact scores of the rows that are left, some at a time. */
static void settle(const struct quick *w, const float *query, float scale, struct heap *heap)
{
	const struct hr_snapshot *s = w->s;
	struct hr_snapshot_memory *m = w->memory;
	const size_t D = s->width;
	uint32_t number[SOME];

	m->row = hr_grow(m->row, &m->row_cap, SOME * (D + 1) + HR_SCRATCH_FLOATS(1, D), sizeof *m->row);
	float *scores = m->row + SOME * D;
	for (size_t i = 0, n; i < w->may_count;) {
		i = next_left(w, i, number, &n);
		for (size_t r = 0; r < n; r++)
			memcpy(m->row + r * D, s->unit + number[r] * D, D * sizeof *m->row);
		s->weights->encoder.k->scores(scores, SOME, query, m->row, 1, n, D, scores + SOME);
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
	struct hr_snapshot_memory *m = hr_snapshot_memory();
	struct quick w = {.s = s, .bonus = bonus, .skip = skip, .skip_left = skip_count, .memory = m};
	struct heap heap = {.hit = hits, .k = k};

	w.q = hr_coarse_query(&s->weights->coarse, query, scale, code);
	sure_begin(&w, k);
	narrow(&w);
	settle(&w, query, scale, &heap);
	sort(&heap);
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
