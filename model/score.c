#include "model/score.h"

#include <math.h>

#include "base/mem.h"
#include "model/ranks.h"

const char *hr_ranker_name(enum hr_ranker r)
{
	static const char *const names[HR_RANKERS] = {"model", "covisitation", "popularity", "counters", "mix"};

	HR_ASSERT(r < HR_RANKERS);
	return names[r];
}

const char *hr_slice_name(enum hr_slice s)
{
	static const char *const names[HR_SLICES] = {"all", "cold", "warm", "short"};

	HR_ASSERT(s < HR_SLICES);
	return names[s];
}

void hr_score_init(struct hr_score *s, size_t window)
{
	*s = (struct hr_score){.window = window, .ring = hr_alloc(window, sizeof(struct hr_answer))};
}

void hr_score_fini(struct hr_score *s)
{
	hr_free(s->ring);
	s->ring = NULL;
}

/* by: 1 counts an answer, UINT64_MAX takes it back (modulo 2^64). */
static void count(struct hr_rank_counts to[HR_RANKERS][HR_SLICES], const struct hr_answer *a, uint64_t by)
{
	for (size_t r = 0; r < HR_RANKERS; r++) {
		for (size_t s = 0; s < HR_SLICES; s++) {
			if (!(a->slices >> s & 1))
				continue;
			to[r][s].questions += by;
			if (a->rank[r] < HR_RANKS)
				to[r][s].at[a->rank[r]] += by;
		}
	}
}

static void add_recent(struct hr_score *s, const struct hr_answer *a)
{
	if (s->filled == s->window)
		count(s->recent, &s->ring[s->next], UINT64_MAX);
	else
		s->filled++;
	s->ring[s->next] = *a;
	s->next = (s->next + 1) % s->window;
	count(s->recent, a, 1);
}

void hr_score_add(struct hr_score *s, const struct hr_answer *a)
{
	add_recent(s, a);
	count(s->total, a, 1);
}

static double recall(const struct hr_rank_counts *c, size_t k)
{
	double hits = 0;

	for (size_t rank = 0; rank < k; rank++)
		hits += (double)c->at[rank];
	return hits / (double)c->questions;
}

static double ndcg(const struct hr_rank_counts *c, size_t k)
{
	double gain = 0;

	for (size_t rank = 0; rank < k; rank++)
		gain += (double)c->at[rank] / log2((double)rank + 2);
	return gain / (double)c->questions;
}

static double mrr(const struct hr_rank_counts *c)
{
	double sum = 0;

	for (size_t rank = 0; rank < HR_RANKS; rank++)
		sum += (double)c->at[rank] / ((double)rank + 1);
	return sum / (double)c->questions;
}

struct hr_quality hr_score_quality(const struct hr_score *s, enum hr_ranker r, enum hr_slice slice, bool window)
{
	HR_ASSERT(r < HR_RANKERS && slice < HR_SLICES);
	const struct hr_rank_counts *c = window ? &s->recent[r][slice] : &s->total[r][slice];

	if (c->questions == 0)
		return (struct hr_quality){0};
	return (struct hr_quality){
		.questions = c->questions,
		.recall5 = recall(c, 5),
		.recall10 = recall(c, 10),
		.recall20 = recall(c, 20),
		.ndcg5 = ndcg(c, 5),
		.ndcg10 = ndcg(c, 10),
		.ndcg20 = ndcg(c, 20),
		.mrr20 = mrr(c),
	};
}

void hr_score_encode(const struct hr_score *s, struct hr_buf *out)
{
	hr_buf_u32(out, (uint32_t)s->filled);
	for (size_t i = 0; i < s->filled; i++) {
		const struct hr_answer *a = &s->ring[(s->next + s->window - s->filled + i) % s->window];
		hr_buf_bytes(out, a->rank, sizeof a->rank);
		hr_buf_u8(out, a->slices);
	}
	for (size_t r = 0; r < HR_RANKERS; r++) {
		for (size_t k = 0; k < HR_SLICES; k++) {
			hr_buf_u64(out, s->total[r][k].questions);
			for (size_t rank = 0; rank < HR_RANKS; rank++)
				hr_buf_u64(out, s->total[r][k].at[rank]);
		}
	}
}

bool hr_score_decode(struct hr_score *s, struct hr_cursor *in, struct hr_error *err)
{
	const uint32_t filled = hr_cur_u32(in);

	if ((size_t)filled * sizeof(struct hr_answer) > in->left)
		return hr_fail(err, HR_E_FORMAT, "%u answers do not fit into %zu bytes", filled, in->left);
	for (uint32_t i = 0; i < filled; i++) {
		struct hr_answer a;
		hr_cur_copy(in, a.rank, sizeof a.rank);
		a.slices = hr_cur_u8(in);
		add_recent(s, &a);
	}
	for (size_t r = 0; r < HR_RANKERS; r++) {
		for (size_t k = 0; k < HR_SLICES; k++) {
			s->total[r][k].questions = hr_cur_u64(in);
			for (size_t rank = 0; rank < HR_RANKS; rank++)
				s->total[r][k].at[rank] = hr_cur_u64(in);
		}
	}
	return !in->failed || hr_fail(err, HR_E_FORMAT, "the score ends early");
}
