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

		hr_batch_add(&batch, history->item[i], history->time_ms[i], history->kind[i], ask_ms, HR_NONE, 0);
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

/* What the mix adds to item number i of the history, once for an item that it holds several times. */
static float own_term(const struct hr_snapshot *s, const struct hr_user_view *history, size_t i)
{
	const enum hr_mix_term own = hr_mix_own(history->item, history->len, i);

	return own != HR_MIX_TERMS ? s->mix.weight[own] : 0;
}

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
		bonus[row] = hr_mix_rules(&s->mix, r->rules[row]) + hr_mix_popularity(&s->mix, s->log_popularity[row]);
	for (size_t i = 0; i < history->len && b->repeats; i++)
		bonus[history->item[i]] += own_term(s, history, i);
	hr_snapshot_top(s, r->user != NULL ? r->user : nobody, 1, r->user != NULL ? s->mix.weight[HR_MIX_MODEL] * s->scale : 0,
	                bonus, own, own_count, limit, r->hit, &r->found);
}

void hr_ranking_fini(struct hr_ranking *r)
{
	hr_free(r->user);
	hr_free(r->rules);
	hr_free(r->hit);
	*r = (struct hr_ranking){0};
}

struct hr_parts hr_rank_parts(const struct hr_snapshot *s, const struct hr_ranking *r, const struct hr_user_view *history,
                              uint32_t row)
{
	const float *unit = s->unit + row * s->width;
	double dot = 0;
	float again = 0;

	for (size_t d = 0; r->user != NULL && d < s->width; d++)
		dot += (double)r->user[d] * (double)unit[d];
	for (size_t i = 0; i < history->len; i++)
		again += history->item[i] == row ? own_term(s, history, i) : 0;
	return (struct hr_parts){.logit = s->mix.weight[HR_MIX_MODEL] * s->scale * (float)dot,
	                         .rules = hr_mix_rules(&s->mix, r->rules[row]),
	                         .popularity = hr_mix_popularity(&s->mix, s->log_popularity[row]),
	                         .again = again};
}

struct hr_reasons *hr_reasons_new(const struct hr_backend *b, const struct hr_user_view *history)
{
	struct hr_reasons *r = hr_alloc(1, sizeof *r);
	float fade = 1;

	for (r->len = 0; r->len < HR_RULES_BACK && r->len < history->len; r->len++, fade *= .7f) {
		const uint32_t row = history->item[history->len - 1 - r->len];

		r->of[r->len].row = row;
		r->of[r->len].fade = fade;
		r->of[r->len].count =
			hr_counters_followers(b->counters(b->ctx), row, r->of[r->len].follower, HR_FOLLOWERS_MAX);
	}
	return r;
}

static float weight_of(const struct hr_reasons *r, size_t n, uint32_t row)
{
	for (size_t i = 0; i < r->of[n].count; i++) {
		if (r->of[n].follower[i].item == row)
			return r->of[n].fade * r->of[n].follower[i].weight;
	}
	return 0;
}

size_t hr_reasons_for(const struct hr_reasons *r, uint32_t row, uint32_t because[HR_RULES_BACK])
{
	float weight[HR_RULES_BACK];
	size_t count = 0;

	for (size_t n = 0; n < r->len; n++) {
		const float more = weight_of(r, n, row);
		size_t at = 0;

		while (at < count && because[at] != r->of[n].row)
			at++;
		if (more <= 0)
			continue;
		weight[at] = more + (at < count ? weight[at] : 0);
		because[at] = r->of[n].row;
		count += at == count;
		for (; at > 0 && weight[at] > weight[at - 1]; at--) { /* the strongest first */
			const float w = weight[at];
			const uint32_t from = because[at];

			weight[at] = weight[at - 1];
			because[at] = because[at - 1];
			weight[at - 1] = w;
			because[at - 1] = from;
		}
	}
	return count;
}
