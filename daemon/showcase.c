#include "daemon/showcase.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

enum { ITEMS = 3, NEIGHBOURS = 5, PAST = 6, RECOMMENDED = 6, USER_EVENTS = 8 };

static void print_item(struct hr_pipeline *p, uint32_t row, FILE *out)
{
	struct hr_intake *in = hr_pipeline_intake(p);
	struct hr_item described;

	hr_intake_lock(in);
	const struct hr_item item = hr_catalogue_get(hr_intake_catalogue(in), row);
	const bool titled = hr_intake_described(in, item.id, item.id_len, &described);
	(void)fprintf(out, "%-44s  %.*s", titled ? described.title : "", (int)item.id_len, (const char *)item.id);
	hr_intake_unlock(in);
}

/* The most popular item that is not near one shown already. */
static uint32_t popular_item(const struct hr_snapshot *s, const uint32_t *shown, size_t shown_count)
{
	uint32_t best = HR_NONE;
	float most = -INFINITY;

	for (uint32_t row = 0; row < s->rows; row++) {
		bool used = !s->live[row];

		for (size_t i = 0; i < shown_count && !used; i++) {
			float cosine = 0;

			for (size_t d = 0; d < s->width; d++)
				cosine += s->unit[row * s->width + d] * s->unit[shown[i] * s->width + d];
			used = cosine > .3f; /* another corner of the catalogue */
		}
		if (!used && s->log_popularity[row] > most) {
			most = s->log_popularity[row];
			best = row;
		}
	}
	return best;
}

static void show_neighbours(struct hr_pipeline *p, const struct hr_snapshot *s, uint32_t row, FILE *out)
{
	struct hr_hit hits[NEIGHBOURS];
	size_t found;

	hr_snapshot_top(s, s->unit + row * s->width, 1, 1, NULL, &row, 1, NEIGHBOURS, hits, &found);
	(void)fputs("\n  similar to  ", out);
	print_item(p, row, out);
	(void)fputc('\n', out);
	for (size_t i = 0; i < found; i++) {
		(void)fprintf(out, "       %.3f  ", (double)hits[i].score);
		print_item(p, hits[i].row, out);
		(void)fputc('\n', out);
	}
}

/* Copies the history of the first user with enough events; false when there is none. */
static bool some_user(struct hr_pipeline *p, struct hr_past *past, size_t *ret_len, FILE *out)
{
	struct hr_intake *in = hr_pipeline_intake(p);
	bool found = false;

	hr_intake_lock(in);
	const struct hr_histories *all = hr_intake_histories(in);
	for (uint32_t user = hr_histories_count(all); user-- > 0 && !found;) {
		if (hr_histories_len(all, user) < USER_EVENTS)
			continue;
		const struct hr_history h = hr_histories_get(all, user);
		size_t id_len;
		const uint8_t *id = hr_histories_id(all, user, &id_len);
		memcpy(past, h.past, h.len * sizeof *past);
		*ret_len = h.len;
		(void)fprintf(out, "\n  user %.*s, newest last\n", (int)id_len, (const char *)id);
		found = true;
	}
	hr_intake_unlock(in);
	return found;
}

static int ascending(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* The mix that /v1/users/{id}/recommendations answers with. */
static void show_recommendations(struct hr_pipeline *p, const struct hr_snapshot *s, const struct hr_past *past, size_t len,
                                 FILE *out)
{
	HR_AUTO(hr_auto_free) float *bonus = hr_alloc(s->rows, sizeof *bonus);
	HR_AUTO(hr_auto_free) float *vector = hr_alloc(s->width, sizeof *vector);
	uint32_t rows[HR_HISTORY_MAX], skip[HR_HISTORY_MAX];
	struct hr_batch b = {0};
	struct hr_hit hits[RECOMMENDED];
	size_t found;

	hr_batch_begin(&b, 0);
	for (size_t i = 0; i < len; i++) {
		rows[i] = skip[i] = past[i].item;
		hr_batch_add(&b, past[i].item, past[i].time_ms, past[i].kind, i + 1 < len ? past[i + 1].time_ms : s->watermark_ms,
		             HR_NONE, 0);
	}
	hr_snapshot_encode(s, &b, vector);
	hr_batch_fini(&b);
	hr_counters_rules(hr_pipeline_counters(p), rows, len, bonus, s->rows);
	for (size_t row = 0; row < s->rows; row++)
		bonus[row] = hr_mix_rules(&s->mix, bonus[row]) + hr_mix_popularity(&s->mix, s->log_popularity[row]);
	qsort(skip, len, sizeof *skip, ascending);
	hr_snapshot_top(s, vector, 1, s->mix.weight[HR_MIX_MODEL] * s->scale, bonus, skip, len, RECOMMENDED, hits, &found);
	for (size_t i = 0; i < found; i++) {
		(void)fprintf(out, "      %6.2f  ", (double)hits[i].score);
		print_item(p, hits[i].row, out);
		(void)fputc('\n', out);
	}
}

void hr_showcase(struct hr_pipeline *p, FILE *out)
{
	struct hr_snapshot *s = hr_pipeline_pin(p);
	struct hr_past past[HR_HISTORY_MAX];
	uint32_t shown[ITEMS];
	size_t len;

	for (size_t i = 0; i < ITEMS; i++) {
		shown[i] = popular_item(s, shown, i);
		if (shown[i] == HR_NONE)
			break;
		show_neighbours(p, s, shown[i], out);
	}
	if (some_user(p, past, &len, out)) {
		for (size_t i = len > PAST ? len - PAST : 0; i < len; i++) {
			const char *kind = hr_kind_name(past[i].kind);

			(void)fprintf(out, "    %8s  ", kind == NULL ? "?" : kind);
			print_item(p, past[i].item, out);
			(void)fputc('\n', out);
		}
		(void)fputs("    recommended\n", out);
		show_recommendations(p, s, past, len, out);
	}
	(void)fputc('\n', out);
	(void)fflush(out);
	hr_snapshot_unref(s);
}
