#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "serve/priv.h"

void hr_history_keep(struct hr_user_view *history, const struct hr_snapshot *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < history->len; i++) {
		if (history->item[i] >= s->rows)
			continue;
		history->item[kept] = history->item[i];
		history->time_ms[kept] = history->time_ms[i];
		history->kind[kept++] = history->kind[i];
	}
	history->len = kept;
}

float *hr_history_encode(const struct hr_snapshot *s, const struct hr_user_view *history, int64_t now_ms)
{
	float *user = hr_alloc(s->width, sizeof *user);
	struct hr_batch batch = {0};

	HR_ASSERT(history->len >= 1 && history->len <= HR_USER_VIEW_MAX);
	hr_batch_begin(&batch, 0);
	for (size_t i = 0; i < history->len; i++) {
		/* Stream time may be behind an event of a session that was sent along: it is then asked at once. */
		const int64_t next_ms = i + 1 < history->len ? history->time_ms[i + 1] : now_ms;
		const int64_t ask_ms = next_ms > history->time_ms[i] ? next_ms : history->time_ms[i];

		hr_batch_add(&batch, history->item[i], history->time_ms[i], history->kind[i], ask_ms, HR_NONE, HR_KIND_VIEW);
	}
	hr_snapshot_encode(s, &batch, user);
	hr_batch_fini(&batch);
	return user;
}

static int compare_rows(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

static size_t sorted_set(uint32_t *row, size_t count)
{
	size_t kept = 0;

	qsort(row, count, sizeof *row, compare_rows);
	for (size_t i = 0; i < count; i++) {
		if (kept == 0 || row[kept - 1] != row[i])
			row[kept++] = row[i];
	}
	return kept;
}

static float rules_term(float rules) { return rules > 0 ? logf(1 + 10 * rules) : 0; }
static float popularity_term(const struct hr_snapshot *s, size_t row) { return .2f * s->log_popularity[row]; }

void hr_rank(const struct hr_backend *b, const struct hr_snapshot *s, const struct hr_user_view *history, int64_t now_ms,
             size_t limit, struct hr_ranking *ret_ranking)
{
	HR_AUTO(hr_auto_free) float *bonus = hr_alloc(s->rows, sizeof *bonus);
	HR_AUTO(hr_auto_free) float *nobody = hr_alloc(s->width, sizeof *nobody);
	uint32_t own[HR_USER_VIEW_MAX];
	size_t own_count = 0;
	struct hr_ranking *r = ret_ranking;

	*r = (struct hr_ranking){.rules = hr_alloc(s->rows, sizeof *r->rules), .hit = hr_alloc(limit, sizeof *r->hit)};
	if (history->len > 0) {
		r->user = hr_history_encode(s, history, now_ms);
		hr_counters_rules(b->counters(b->ctx), history->item, history->len, r->rules, s->rows);
		memcpy(own, history->item, history->len * sizeof *own);
		own_count = b->repeats ? 0 : sorted_set(own, history->len);
	}
	for (size_t row = 0; row < s->rows; row++)
		bonus[row] = rules_term(r->rules[row]) + popularity_term(s, row);
	hr_snapshot_top(s, r->user != NULL ? r->user : nobody, 1, r->user != NULL ? s->scale : 0, bonus, own, own_count, limit,
	                r->hit, &r->found);
}

void hr_ranking_fini(struct hr_ranking *r)
{
	hr_free(r->user);
	hr_free(r->rules);
	hr_free(r->hit);
	*r = (struct hr_ranking){0};
}

struct hr_parts hr_rank_parts(const struct hr_snapshot *s, const struct hr_ranking *r, uint32_t row)
{
	const float *unit = s->unit + row * s->width;
	double dot = 0;

	for (size_t d = 0; r->user != NULL && d < s->width; d++)
		dot += (double)r->user[d] * (double)unit[d];
	return (struct hr_parts){s->scale * (float)dot, rules_term(r->rules[row]), popularity_term(s, row)};
}

struct reason {
	uint32_t row;
	float weight;
};

static float rule_weight(struct hr_counters *c, uint32_t from, uint32_t to)
{
	struct hr_follower follower[512];
	const size_t count = hr_counters_followers(c, from, follower, sizeof follower / sizeof *follower);

	for (size_t i = 0; i < count; i++) {
		if (follower[i].item == to)
			return follower[i].weight;
	}
	return 0;
}

static void add_reason(struct reason *reasons, size_t *count, uint32_t row, float weight)
{
	size_t i = 0;

	while (i < *count && reasons[i].row != row)
		i++;
	if (i == *count)
		reasons[(*count)++] = (struct reason){.row = row};
	reasons[i].weight += weight;
}

size_t hr_rank_reasons(const struct hr_backend *b, const struct hr_user_view *history, uint32_t row,
                       uint32_t because[HR_RULES_BACK])
{
	struct reason reasons[HR_RULES_BACK];
	size_t count = 0;
	float fade = 1;

	for (size_t back = 0; back < HR_RULES_BACK && back < history->len; back++, fade *= .7f) {
		const uint32_t from = history->item[history->len - 1 - back];
		const float weight = rule_weight(b->counters(b->ctx), from, row);

		if (weight > 0)
			add_reason(reasons, &count, from, fade * weight);
	}
	for (size_t n = 0; n < count; n++) {
		size_t best = n;

		for (size_t i = n + 1; i < count; i++)
			best = reasons[i].weight > reasons[best].weight ? i : best;
		because[n] = reasons[best].row;
		reasons[best] = reasons[n];
	}
	return count;
}
