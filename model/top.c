/* model/top.c - the k best rows, exactly: scores block by block, and a heap with the worst kept hit on top. */
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

void hr_snapshot_top(const struct hr_snapshot *s, const float *queries, size_t count, float scale, const float *bonus,
                     const uint32_t *skip, size_t skip_count, size_t k, struct hr_hit *hits, size_t *ret_found)
{
	HR_AUTO(hr_auto_free)
	float *scores = hr_alloc(QUERIES * ROWS + HR_SCRATCH_FLOATS(QUERIES, ROWS) + HR_SCRATCH_FLOATS(ROWS, s->width),
	                         sizeof *scores);
	const struct block all = {.skip = skip, .skip_left = skip_count};

	memset(ret_found, 0, count * sizeof *ret_found);
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
