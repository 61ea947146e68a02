/* headrace produce: a file of events to a topic. */
#include "daemon/tool.h"

#include <string.h>

#include "base/base.h"
#include "daemon/feed.h"

enum { BAD_SHOWN = 5, LOOK_EVERY = 256 };

struct produce_options {
	struct hr_feed_options feed;
	char *columns, *kind, *time_start;
	uint64_t time_step, limit;
	uint32_t format; /* enum hr_rows_format */
	bool header, skip_bad;
};

static const struct hr_setting rows[] = {
        HR_FEED_OPTIONS(struct produce_options, feed),
        HR_OPTION(struct produce_options, columns, "columns", STRING, NULL, 1, 4096, "ROLES",
                  "Roles of the columns in order: time user item kind weight session id, - skips one. JSONL: member=role "
                  "pairs, where members are not named as their roles."),
        HR_OPTION(struct produce_options, format, "format", ENUM, "auto", 0, 0, "auto|tsv|csv|jsonl|sequences",
                  "auto: by the file's name. sequences: \"user item item ...\" a line."),
        HR_OPTION(struct produce_options, header, "header", BOOL, NULL, 0, 0, "",
                  "The first line names columns: it is skipped, or read when there is no --columns."),
        HR_OPTION(struct produce_options, kind, "kind", STRING, "view", 1, 64, "KIND", "Kind of events without a kind column."),
        HR_OPTION(struct produce_options, time_start, "time-start", STRING, NULL, 1, 64, "TIME",
                  "Time of the first event of a file without a time column: RFC 3339, seconds or ms. (2020-01-01)"),
        HR_OPTION(struct produce_options, time_step, "time-step", U64, "1000", 0, HR_MS_DAY, "MS",
                  "Milliseconds from one event to the next in such a file."),
        HR_OPTION(struct produce_options, limit, "limit", U64, "0", 0, 0x1p64, "N", "Stop after this many events; 0 for all."),
        HR_OPTION(struct produce_options, skip_bad, "skip-bad", BOOL, NULL, 0, 0, "",
                  "Bad lines are counted and shown as ever, but do not make the exit code 1."),
};

static const struct hr_options options = {
        .command = "headrace produce",
        .usage = "usage: headrace produce FILE [--columns time,user,item] [--topic NAME] [--brokers HOST:PORT] ...\n"
                 "\n"
                 "FILE is TSV, CSV or JSONL, plain or .gz, or - for standard input. Each line becomes one headrace.v1.Event,\n"
                 "keyed by its user. Times may be RFC 3339, or seconds, ms or us since 1970.\n",
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
};

static bool rows_config(const struct produce_options *o, struct hr_rows_config *ret_config, int *ret_exit)
{
	int64_t start = 0;
	const uint8_t kind = hr_kind_parse(o->kind, strlen(o->kind));

	if (kind == 0) {
		*ret_exit = hr_options_misuse(&options, "--kind: \"%s\" is unknown", o->kind);
		return false;
	}
	if (o->time_start != NULL && !hr_time_guess(o->time_start, strlen(o->time_start), &start)) {
		*ret_exit = hr_options_misuse(&options, "--time-start: \"%s\" is no time within 1990..2100", o->time_start);
		return false;
	}
	*ret_config = (struct hr_rows_config){
	        .format = (enum hr_rows_format)o->format,
	        .columns = o->columns,
	        .header = o->header,
	        .time_start_ms = start,
	        .time_step_ms = (int64_t)o->time_step,
	        .default_kind = kind,
	};
	return true;
}

static void show_bad(struct hr_feed *f, uint64_t number, const char *msg)
{
	if (number > BAD_SHOWN)
		return;
	if (f->progress.terminal)
		(void)fputs("\r\033[K", stderr);
	(void)fprintf(stderr, "%s: %s\n", options.command, msg);
	if (number == BAD_SHOWN)
		(void)fprintf(stderr, "%s: further bad lines are counted only\n", options.command);
}

/* By bytes of the file, or by the limit: whichever ends it first. */
static double share_done(const struct hr_rows *r, uint64_t sent, uint64_t limit)
{
	uint64_t at, size;

	hr_rows_progress(r, &at, &size);
	const double by_bytes = size != 0 ? (double)at / (double)size : -1;
	const double by_limit = limit != 0 ? (double)sent / (double)limit : -1;
	return by_bytes > by_limit ? by_bytes : by_limit;
}

static bool send_all(struct hr_feed *f, struct hr_rows *r, uint64_t limit, uint64_t *bad, struct hr_error *err)
{
	struct hr_event event;
	double share = -1;

	for (bool end = false; !hr_feed_stopped() && (limit == 0 || f->sent < limit);) {
		if (!hr_rows_next(r, &event, NULL, &end, err)) {
			if (err->code != HR_E_FORMAT)
				return false;
			show_bad(f, ++*bad, err->msg);
			continue;
		}
		if (end)
			break;
		if (f->sent % LOOK_EVERY == 0)
			share = share_done(r, f->sent, limit);
		if (!hr_feed_event(f, &event, share, err))
			return false;
	}
	return true;
}

static int verdict(const struct produce_options *o, uint64_t bad)
{
	char count[32];

	if (bad != 0)
		(void)fprintf(stderr, "%s: %s bad lines were left out\n", options.command, hr_grouped(bad, count));
	if (hr_feed_stopped())
		return HR_EXIT_FAILED;
	return bad != 0 && !o->skip_bad ? HR_EXIT_FAILED : HR_EXIT_OK;
}

static int produce(const struct produce_options *o, struct hr_rows *r)
{
	struct hr_feed feed;
	struct hr_error err;
	uint64_t bad = 0;

	const bool ok = hr_feed_open(&feed, &o->feed, &err) && send_all(&feed, r, o->limit, &bad, &err) &&
	                hr_feed_finish(&feed, &err);
	hr_feed_close(&feed);
	return ok ? verdict(o, bad) : hr_options_fail(&options, &err);
}

static int run(const struct produce_options *o, const char *path)
{
	struct hr_rows_config config;
	struct hr_rows *r;
	struct hr_error err;
	int code;

	if (!rows_config(o, &config, &code))
		return code;
	if (!hr_rows_open(path, &config, &r, &err))
		return hr_options_fail(&options, &err);
	code = produce(o, r);
	hr_rows_close(r);
	return code;
}

int hr_cmd_produce(int argc, char **argv)
{
	struct produce_options o = {0};
	int first, code;

	if (hr_options_read(&options, &o, argc, argv, &first, &code))
		code = argc - first == 1 ? run(&o, argv[first]) : hr_options_misuse(&options, "one FILE is needed, not %d", argc - first);
	hr_options_fini(&options, &o);
	return code;
}
