#include "daemon/evaluate_report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static double cpu_s_per_1000(const struct hr_evaluation *e) { return e->events == 0 ? 0 : e->cpu_s * 1000 / (double)e->events; }

/* ---- for people ---- */

static void print_slice(const struct hr_evaluation *e, enum hr_slice slice, FILE *out)
{
	for (int ranker = 0; ranker < HR_RANKERS && e->quality[ranker][slice].questions > 0; ranker++) {
		const struct hr_quality *q = &e->quality[ranker][slice];

		(void)fprintf(out, "%-14s %-6s %9" PRIu64 " %9.4f %9.4f %9.4f %9.4f %9.4f\n", hr_ranker_name((enum hr_ranker)ranker),
		              hr_slice_name(slice), q->questions, q->recall5, q->recall10, q->ndcg10, q->recall20, q->mrr20);
	}
}

void hr_evaluation_print(const struct hr_evaluation *e, FILE *out)
{
	const struct hr_drift_result *d = &e->drift;

	(void)fprintf(out, "%-14s %-6s %9s %9s %9s %9s %9s %9s\n", "ranker", "items", "questions", "recall@5", "recall@10",
	              "ndcg@10", "recall@20", "mrr@20");
	for (int slice = 0; slice < HR_SLICES; slice++)
		print_slice(e, (enum hr_slice)slice, out);
	if (d->pairs1 > 0)
		(void)fprintf(out, "drift: mean cosine after 1 day: users %.4f items %.4f; after 7 days: users %.4f items %.4f\n",
		              d->user1, d->item1, d->user7, d->item7);
	if (e->cycles > 0)
		(void)fprintf(out, "means over %" PRIu32 " periods\n", e->cycles);
	if (e->epoch > 0)
		(void)fprintf(out, "chosen by validation: epoch %" PRIu32 "\n", e->epoch);
	(void)fprintf(out, "events=%" PRIu64 " questions=%" PRIu64 " steps=%" PRIu64 " cpu_s_per_1000_events=%.3f\n", e->events,
	              e->questions, e->steps, cpu_s_per_1000(e));
}

/* ---- for programs ---- */

static json_t *quality_json(const struct hr_quality *q)
{
	return json_pack("{s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:I}", "recall@5", q->recall5, "recall@10", q->recall10, "recall@20",
	                 q->recall20, "ndcg@5", q->ndcg5, "ndcg@10", q->ndcg10, "ndcg@20", q->ndcg20, "mrr@20", q->mrr20,
	                 "questions", (json_int_t)q->questions);
}

static json_t *rankers_json(const struct hr_evaluation *e, enum hr_slice slice)
{
	json_t *all = json_object();

	for (int ranker = 0; ranker < HR_RANKERS; ranker++)
		(void)json_object_set_new(all, hr_ranker_name((enum hr_ranker)ranker), quality_json(&e->quality[ranker][slice]));
	return all;
}

static json_t *settings_json(const struct hr_strings *set)
{
	json_t *settings = json_object();

	for (size_t i = 0; i < set->count; i++) {
		const char *eq = strchr(set->p[i], '=');

		(void)json_object_setn_new(settings, set->p[i], (size_t)(eq - set->p[i]), json_string(eq + 1));
	}
	return settings;
}

static json_t *drift_json(const struct hr_drift_result *d)
{
	return json_pack("{s:f,s:f,s:f,s:f,s:i,s:i}", "users_1d", d->user1, "items_1d", d->item1, "users_7d", d->user7,
	                 "items_7d", d->item7, "pairs_1d", (int)d->pairs1, "pairs_7d", (int)d->pairs7);
}

bool hr_evaluation_write(const struct hr_evaluation *e, enum hr_protocol protocol, enum hr_learn learn, uint64_t seed,
                         const struct hr_strings *set, const char *path, struct hr_error *err)
{
	static const char *const protocols[] = {"prequential", "cycles", "leave-one-out"};
	static const char *const learns[] = {"per-event", "per-day", "per-cycle", "frozen"};
	json_t *all = rankers_json(e, HR_SLICE_ALL);

	(void)json_object_set_new(all, "protocol", json_string(protocols[protocol]));
	(void)json_object_set_new(all, "learn", json_string(protocol == HR_LEAVE_ONE_OUT ? "epochs" : learns[learn]));
	(void)json_object_set_new(all, "questions", json_integer((json_int_t)e->questions));
	(void)json_object_set_new(all, "seed", json_integer((json_int_t)seed));
	(void)json_object_set_new(all, "settings", settings_json(set));
	(void)json_object_set_new(all, "cpu_s_per_1000_events", json_real(cpu_s_per_1000(e)));
	(void)json_object_set_new(all, "cold", rankers_json(e, HR_SLICE_COLD));
	(void)json_object_set_new(all, "warm", rankers_json(e, HR_SLICE_WARM));
	(void)json_object_set_new(all, "short", rankers_json(e, HR_SLICE_SHORT));
	if (e->drift.pairs1 > 0)
		(void)json_object_set_new(all, "drift", drift_json(&e->drift));
	if (e->cycles > 0)
		(void)json_object_set_new(all, "cycles", json_integer(e->cycles));
	if (e->epoch > 0)
		(void)json_object_set_new(all, "epoch", json_integer(e->epoch));
	const bool written = json_dump_file(all, path, JSON_INDENT(2) | JSON_REAL_PRECISION(8)) == 0;
	json_decref(all);
	return written || hr_fail(err, HR_E_IO, "could not write %s", path);
}
