/* daemon/cmd_evaluate.c - `headrace evaluate`: published protocols on a file, with the very code of the daemon. */
#include "daemon/tool.h"

#include <stdio.h>
#include <string.h>

#include "daemon/evaluate_report.h"
#include "daemon/options.h"
#include "daemon/progress.h"

struct evaluate_options {
	uint32_t protocol, learn, format; /* enum hr_protocol, hr_learn, hr_rows_format */
	uint32_t day_steps, epochs, batch, patience, validate_from;
	char *cut, *until, *columns, *items, *item_columns, *json;
	bool header;
	uint64_t seed, time_step;
	struct hr_strings set;
};

static const struct hr_setting rows[] = {
        HR_OPTION(struct evaluate_options, protocol, "protocol", ENUM, "prequential", 0, 0, "prequential|cycles|leave-one-out",
                  "What is asked and when."),
        HR_OPTION(struct evaluate_options, cut, "cut", STRING, NULL, 1, 64, "TIME",
                  "prequential: where the questions begin. Seconds or milliseconds since 1970, or RFC 3339."),
        HR_OPTION(struct evaluate_options, until, "until", STRING, NULL, 1, 64, "TIME",
                  "Events from here on are not read: settings are chosen on what is before."),
        HR_OPTION(struct evaluate_options, learn, "learn", ENUM, "per-event", 0, 0, "per-event|per-day|per-cycle|frozen",
                  "The daemon's own schedule; steps at each day's end; the daemon's schedule after a period is asked (cycles); "
                  "or no steps after the cut."),
        HR_OPTION(struct evaluate_options, day_steps, "day-steps", U32, "8", 1, 1000, "steps", "Steps at a day's end."),
        HR_OPTION(struct evaluate_options, epochs, "epochs", U32, "40", 1, 100000, "N", "leave-one-out: epochs at most."),
        HR_OPTION(struct evaluate_options, patience, "patience", U32, "10", 1, 100000, "N",
                  "leave-one-out: epochs without a better validation before the end."),
        HR_OPTION(struct evaluate_options, validate_from, "validate-from", U32, "1", 1, 100000, "N",
                  "leave-one-out: first epoch that is validated; asking takes longer than learning."),
        HR_OPTION(struct evaluate_options, batch, "batch", U32, "1024", 16, 1000000, "N", "leave-one-out: positions of a step."),
        HR_OPTION(struct evaluate_options, columns, "columns", STRING, NULL, 1, 4096, "ROLES",
                  "time,user,item and kind weight session id period, in order; - skips one."),
        HR_OPTION(struct evaluate_options, format, "format", ENUM, "auto", 0, 0, "auto|tsv|csv|jsonl|sequences",
                  "auto: by the file's name. sequences: \"user item item ...\" a line."),
        HR_OPTION(struct evaluate_options, header, "header", BOOL, NULL, 0, 0, "",
                  "The first line of FILE, and of --items, names columns."),
        HR_OPTION(struct evaluate_options, time_step, "time-step", U64, "1000", 0, HR_MS_DAY, "MS",
                  "Milliseconds from one event to the next in a file without times."),
        HR_OPTION(struct evaluate_options, items, "items", STRING, NULL, 1, 4096, "FILE",
                  "Attributes and titles of items, a line each: content features."),
        HR_OPTION(struct evaluate_options, item_columns, "item-columns", STRING, "item,attributes,title", 1, 4096, "ROLES",
                  "item attributes title, in order; - skips one."),
        HR_OPTION(struct evaluate_options, seed, "seed", U64, "1", 0, 0x1p64, "", "Seed of every random number."),
        HR_OPTION(struct evaluate_options, set, "set", LIST, NULL, 0, 65536, "KEY=VALUE", "Any setting of the daemon; may be given again."),
        HR_OPTION(struct evaluate_options, json, "json", STRING, NULL, 1, 4096, "FILE", "The table for programs."),
};

static const struct hr_options options = {
        .command = "headrace evaluate",
        .usage = "usage: headrace evaluate FILE --cut TIME [--learn HOW] [--columns ROLES] [--items FILE] [--set KEY=VALUE]\n"
                 "       headrace evaluate FILE --protocol cycles [--learn HOW] --columns period,user,item\n"
                 "       headrace evaluate FILE --protocol leave-one-out --format sequences\n"
                 "\n"
                 "Replays a file of events in its order. After the cut each event of a user with a history is ranked against\n"
                 "every item seen so far, then learned. No Kafka, no state on disk; intake and trainer are the daemon's.\n"
                 "cycles: periods asked and learned in turn (ADER). leave-one-out: epochs, each user's last item asked.\n",
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
};

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

/* 0 when it is not given. */
static bool read_time(const char *name, const char *text, int64_t *ret_ms, struct hr_error *err)
{
	*ret_ms = 0;
	return text == NULL || hr_time_guess(text, strlen(text), ret_ms) ||
	       hr_fail(err, HR_E_CONFIG, "--%s %s: seconds or milliseconds since 1970, or RFC 3339, are wanted", name, text);
}

/* What only one protocol knows. */
static bool check(const struct evaluate_options *o, struct hr_error *err)
{
	const enum hr_learn learn = (enum hr_learn)o->learn;

	if (o->protocol == HR_PREQUENTIAL && o->cut == NULL)
		return hr_fail(err, HR_E_CONFIG, "--cut is missing: where do the questions begin?");
	if (o->protocol != HR_PREQUENTIAL && o->cut != NULL)
		return hr_fail(err, HR_E_CONFIG, "--cut is for --protocol prequential");
	if (learn == HR_LEARN_PER_DAY && o->protocol != HR_PREQUENTIAL)
		return hr_fail(err, HR_E_CONFIG, "--learn per-day is for --protocol prequential");
	if (learn == HR_LEARN_PER_CYCLE && o->protocol != HR_CYCLES)
		return hr_fail(err, HR_E_CONFIG, "--learn per-cycle is for --protocol cycles");
	return true;
}

static bool report(const struct evaluate_options *o, const struct hr_evaluation *result, struct hr_error *err)
{
	hr_evaluation_print(result, stdout);
	return o->json == NULL || hr_evaluation_write(result, (enum hr_protocol)o->protocol, (enum hr_learn)o->learn, o->seed,
	                                              &o->set, o->json, err);
}

static bool evaluate(const char *path, const struct evaluate_options *o, const struct hr_config *c,
                     const struct hr_features *features, struct hr_error *err)
{
	struct hr_evaluation_config e = {.config = c,
	                                 .path = path,
	                                 .rows = {.format = (enum hr_rows_format)o->format,
	                                          .columns = o->columns,
	                                          .header = o->header,
	                                          .time_step_ms = (int64_t)o->time_step},
	                                 .features = features,
	                                 .protocol = (enum hr_protocol)o->protocol,
	                                 .learn = (enum hr_learn)o->learn,
	                                 .day_steps = o->day_steps,
	                                 .epochs = o->epochs,
	                                 .batch = o->batch,
	                                 .patience = o->patience,
	                                 .validate_from = o->validate_from,
	                                 .tell = true};
	struct hr_evaluation result;
	struct hr_progress progress;

	if (!read_time("cut", o->cut, &e.cut_ms, err) || !read_time("until", o->until, &e.until_ms, err))
		return false;
	hr_progress_begin(&progress, "events");
	if (!hr_evaluate(&e, show_progress, &progress, &result, err))
		return false;
	hr_progress_end(&progress, result.read);
	return report(o, &result, err);
}

static bool run(const char *path, const struct evaluate_options *o, struct hr_config *c, struct hr_error *err)
{
	struct hr_features *features = NULL;
	const bool ok = check(o, err) && configure(c, o, err) &&
	                (o->items == NULL || hr_features_read(o->items, o->item_columns, o->header, &features, err)) &&
	                evaluate(path, o, c, features, err);

	hr_features_free(features);
	return ok;
}

int hr_cmd_evaluate(int argc, char **argv)
{
	struct evaluate_options o = {0};
	struct hr_config c;
	struct hr_error err;
	int first, code;

	hr_config_init(&c);
	if (hr_options_read(&options, &o, argc, argv, &first, &code)) {
		if (argc - first != 1)
			code = hr_options_misuse(&options, "one FILE is needed");
		else
			code = run(argv[first], &o, &c, &err) ? HR_EXIT_OK : hr_options_fail(&options, &err);
	}
	hr_options_fini(&options, &o);
	hr_config_fini(&c);
	return code;
}
