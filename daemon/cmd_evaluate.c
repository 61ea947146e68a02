/* daemon/cmd_evaluate.c - `headrace evaluate`: published protocols on a file, with the very code of the daemon. */
#include "daemon/tool.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "daemon/evaluate.h"
#include "daemon/options.h"
#include "daemon/progress.h"

struct evaluate_options {
	uint32_t protocol, learn, day_steps; /* learn: enum hr_learn */
	char *cut, *columns, *json;
	bool header;
	uint64_t seed;
	struct hr_strings set;
};

static const struct hr_setting rows[] = {
        HR_OPTION(struct evaluate_options, protocol, "protocol", ENUM, "prequential", 0, 0, "prequential", "What is asked and when."),
        HR_OPTION(struct evaluate_options, cut, "cut", STRING, NULL, 1, 64, "TIME",
                  "Where the questions begin: seconds or milliseconds since 1970, or RFC 3339."),
        HR_OPTION(struct evaluate_options, learn, "learn", ENUM, "per-event", 0, 0, "per-event|per-day|frozen",
                  "The daemon's own schedule, steps at each day's end, or nothing after the cut."),
        HR_OPTION(struct evaluate_options, day_steps, "day-steps", U32, "8", 1, 1000, "steps", "Steps at a day's end."),
        HR_OPTION(struct evaluate_options, columns, "columns", STRING, NULL, 1, 4096, "ROLES",
                  "time,user,item and kind weight session id, in order; - skips one."),
        HR_OPTION(struct evaluate_options, header, "header", BOOL, NULL, 0, 0, "", "The first line names columns."),
        HR_OPTION(struct evaluate_options, seed, "seed", U64, "1", 0, 0x1p64, "", "Seed of every random number."),
        HR_OPTION(struct evaluate_options, set, "set", LIST, NULL, 0, 65536, "KEY=VALUE", "Any setting of the daemon; may be given again."),
        HR_OPTION(struct evaluate_options, json, "json", STRING, NULL, 1, 4096, "FILE", "The table for programs."),
};

static const struct hr_options options = {
        .command = "headrace evaluate",
        .usage = "usage: headrace evaluate FILE --cut TIME [--learn HOW] [--columns ROLES] [--set KEY=VALUE]\n"
                 "\n"
                 "Replays a file of events in its order. After the cut each event of a user with a history is ranked against\n"
                 "every item seen so far, then learned. No Kafka, no state on disk; intake and trainer are the daemon's.\n",
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
};

static double cpu_s_per_1000(const struct hr_evaluation *r)
{
	return r->events == 0 ? 0 : r->cpu_s * 1000 / (double)r->events;
}

static void print_table(const struct hr_evaluation *r)
{
	(void)printf("%-14s %-6s %9s %9s %9s %9s %9s %9s\n", "ranker", "items", "questions", "recall@5", "recall@10", "ndcg@10",
	             "recall@20", "mrr@20");
	for (int s = 0; s < HR_SLICES; s++) {
		for (int k = 0; k < HR_RANKERS; k++) {
			const struct hr_quality *q = &r->quality[k][s];

			(void)printf("%-14s %-6s %9llu %9.4f %9.4f %9.4f %9.4f %9.4f\n", hr_ranker_name((enum hr_ranker)k),
			             hr_slice_name((enum hr_slice)s), (unsigned long long)q->questions, q->recall5, q->recall10,
			             q->ndcg10, q->recall20, q->mrr20);
		}
	}
	(void)printf("events=%llu questions=%llu steps=%llu cpu_s_per_1000_events=%.3f\n", (unsigned long long)r->events,
	             (unsigned long long)r->questions, (unsigned long long)r->steps,
	             cpu_s_per_1000(r));
}

static json_t *quality_json(const struct hr_quality *q)
{
	return json_pack("{s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:I}", "recall@5", q->recall5, "recall@10", q->recall10, "recall@20",
	                 q->recall20, "ndcg@5", q->ndcg5, "ndcg@10", q->ndcg10, "ndcg@20", q->ndcg20, "mrr@20", q->mrr20,
	                 "questions", (json_int_t)q->questions);
}

static json_t *rankers_json(const struct hr_evaluation *r, enum hr_slice slice)
{
	json_t *all = json_object();

	for (int k = 0; k < HR_RANKERS; k++)
		(void)json_object_set_new(all, hr_ranker_name((enum hr_ranker)k), quality_json(&r->quality[k][slice]));
	return all;
}

static bool write_json(const char *path, uint64_t seed, const struct hr_strings *set, const struct hr_evaluation *r,
                       struct hr_error *err)
{
	json_t *all = rankers_json(r, HR_SLICE_ALL), *settings = json_object();

	for (size_t i = 0; i < set->count; i++) {
		const char *eq = strchr(set->p[i], '=');

		(void)json_object_setn_new(settings, set->p[i], (size_t)(eq - set->p[i]), json_string(eq + 1));
	}
	(void)json_object_set_new(all, "protocol", json_string("prequential"));
	(void)json_object_set_new(all, "questions", json_integer((json_int_t)r->questions));
	(void)json_object_set_new(all, "seed", json_integer((json_int_t)seed));
	(void)json_object_set_new(all, "settings", settings);
	(void)json_object_set_new(all, "cpu_s_per_1000_events", json_real(cpu_s_per_1000(r)));
	(void)json_object_set_new(all, "cold", rankers_json(r, HR_SLICE_COLD));
	(void)json_object_set_new(all, "warm", rankers_json(r, HR_SLICE_WARM));
	const bool written = json_dump_file(all, path, JSON_INDENT(2) | JSON_REAL_PRECISION(8)) == 0;
	json_decref(all);
	return written || hr_fail(err, HR_E_IO, "could not write %s", path);
}

static void show_progress(void *ctx, uint64_t done, uint64_t size, uint64_t events)
{
	hr_progress_update(ctx, events, size == 0 ? -1 : (double)done / (double)size);
}

static bool configure(struct hr_config *c, const struct evaluate_options *o, struct hr_error *err)
{
	char seed[32];

	(void)snprintf(seed, sizeof seed, "%llu", (unsigned long long)o->seed);
	if (!hr_config_set(c, "model.seed", seed, HR_FROM_FLAG, err))
		return false;
	for (size_t i = 0; i < o->set.count; i++) {
		if (!hr_config_assign(c, o->set.p[i], HR_FROM_FLAG, err))
			return false;
	}
	return true;
}

static bool run(const char *path, const struct evaluate_options *o, struct hr_config *c, struct hr_error *err)
{
	struct hr_evaluation_config e = {.config = c,
	                                 .path = path,
	                                 .rows = {.columns = o->columns, .header = o->header},
	                                 .learn = (enum hr_learn)o->learn,
	                                 .day_steps = o->day_steps};
	struct hr_evaluation result;
	struct hr_progress progress;

	if (!hr_time_guess(o->cut, strlen(o->cut), &e.cut_ms))
		return hr_fail(err, HR_E_CONFIG, "--cut %s: seconds or milliseconds since 1970, or RFC 3339, are wanted", o->cut);
	if (!configure(c, o, err))
		return false;
	hr_progress_begin(&progress, "events");
	if (!hr_evaluate_prequential(&e, show_progress, &progress, &result, err))
		return false;
	hr_progress_end(&progress, result.read);
	print_table(&result);
	return o->json == NULL || write_json(o->json, o->seed, &o->set, &result, err);
}

int hr_cmd_evaluate(int argc, char **argv)
{
	struct evaluate_options o = {0};
	struct hr_config c;
	struct hr_error err;
	int first, code;

	hr_config_init(&c);
	if (hr_options_read(&options, &o, argc, argv, &first, &code)) {
		if (argc - first != 1 || o.cut == NULL)
			code = hr_options_misuse(&options, "one FILE and --cut are needed");
		else
			code = run(argv[first], &o, &c, &err) ? HR_EXIT_OK : hr_options_fail(&options, &err);
	}
	hr_options_fini(&options, &o);
	hr_config_fini(&c);
	return code;
}
