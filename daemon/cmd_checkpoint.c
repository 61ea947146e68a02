/* daemon/cmd_checkpoint.c - `headrace checkpoint`: states of earlier times, and the way back to one. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "daemon/options.h"
#include "daemon/tool.h"
#include "store/store.h"

struct checkpoint_options {
	char *state;
};

static const struct hr_setting rows[] = {
        HR_OPTION(struct checkpoint_options, state, "state", STRING, NULL, 1, 4096, "DIR", "The directory of state.dir."),
};

static const struct hr_options options = {
        .command = "headrace checkpoint",
        .usage = "usage: headrace checkpoint list|create --state DIR\n"
                 "       headrace checkpoint restore BARRIER|latest --state DIR\n"
                 "\n"
                 "  list     one line a checkpoint, oldest first; also while the daemon runs\n"
                 "  create   makes one of the newest barrier; the daemon must be stopped (it makes its own: checkpoint.every)\n"
                 "  restore  takes the state back to a checkpoint, offsets included: the daemon, once started, reads the events\n"
                 "           since then again. It must be stopped. The state as it was is kept in DIR/replaced.\n",
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
};

static bool print_one(const char *dir, const struct hr_checkpoint *c, struct hr_error *err)
{
	HR_AUTO(hr_barrier_fini) struct hr_barrier row = {0};
	const time_t seconds = (time_t)(c->made_ms / 1000);
	char path[4200], made[32] = "", digest[33];
	struct hr_manifest held;
	struct hr_store *s;
	struct tm utc;

	(void)snprintf(path, sizeof path, "%s/checkpoints/%" PRIu64, dir, c->barrier);
	if (!hr_store_look(path, &held, &s, &row, err))
		return false;
	hr_store_close(s);
	if (gmtime_r(&seconds, &utc) != NULL)
		(void)strftime(made, sizeof made, "%Y-%m-%dT%H:%M:%SZ", &utc);
	hr_hash128_hex(row.digest, digest);
	(void)printf("barrier=%" PRIu64 " made=%s events=%" PRIu64 " steps=%" PRIu64 " digest=%s\n", c->barrier, made, row.events,
	             row.steps, digest);
	return true;
}

static bool list(const char *dir, struct hr_error *err)
{
	HR_AUTO(hr_auto_free) struct hr_checkpoint *all = NULL;
	size_t count;
	bool ok = hr_checkpoints_list(dir, &all, &count, err);

	for (size_t i = 0; ok && i < count; i++)
		ok = print_one(dir, &all[i], err);
	return ok;
}

static bool create(const char *dir, struct hr_error *err)
{
	HR_AUTO(hr_barrier_fini) struct hr_barrier row = {0};
	struct hr_manifest any = {0};
	char notice[HR_NOTICE_BYTES];
	struct hr_store *s;

	if (!hr_store_exists(dir))
		return hr_fail(err, HR_E_IO, "there is no state in %s", dir);
	if (!hr_store_open(dir, &any, &s, &row, notice, err))
		return false;
	const bool ok = row.number != 0 ? hr_checkpoint_make(s, err) : hr_fail(err, HR_E_CONFIG, "%s has no barrier yet", dir);
	hr_store_close(s);
	if (ok)
		(void)printf("checkpoint barrier=%" PRIu64 " dir=%s/checkpoints/%" PRIu64 "\n", row.number, dir, row.number);
	return ok;
}

static bool wanted_barrier(const char *dir, const char *text, uint64_t *ret_barrier, struct hr_error *err)
{
	HR_AUTO(hr_auto_free) struct hr_checkpoint *all = NULL;
	size_t count;
	char *end;

	if (strcmp(text, "latest") != 0) {
		*ret_barrier = strtoull(text, &end, 10);
		return (text[0] >= '0' && text[0] <= '9' && *end == '\0') ||
		       hr_fail(err, HR_E_CONFIG, "\"%s\" is not the number of a barrier, or latest", text);
	}
	if (!hr_checkpoints_list(dir, &all, &count, err))
		return false;
	*ret_barrier = count == 0 ? 0 : all[count - 1].barrier;
	return count != 0 || hr_fail(err, HR_E_CONFIG, "%s has no checkpoint", dir);
}

static bool restore(const char *dir, const char *text, struct hr_error *err)
{
	uint64_t barrier;

	if (!wanted_barrier(dir, text, &barrier, err) || !hr_checkpoint_restore(dir, barrier, err))
		return false;
	(void)printf("restored barrier=%" PRIu64 " replaced=%s/replaced\n", barrier, dir);
	return true;
}

static bool act(const char *dir, char **words, struct hr_error *err)
{
	if (strcmp(words[0], "list") == 0)
		return list(dir, err);
	return strcmp(words[0], "create") == 0 ? create(dir, err) : restore(dir, words[1], err);
}

static bool known(int count, char **words)
{
	if (count == 1)
		return strcmp(words[0], "list") == 0 || strcmp(words[0], "create") == 0;
	return count == 2 && strcmp(words[0], "restore") == 0;
}

int hr_cmd_checkpoint(int argc, char **argv)
{
	struct checkpoint_options o = {0};
	struct hr_error err;
	int first, code;

	if (hr_options_read(&options, &o, argc, argv, &first, &code)) {
		if (!known(argc - first, argv + first) || o.state == NULL)
			code = hr_options_misuse(&options, "list, create or restore BARRIER, and --state, are needed");
		else
			code = act(o.state, argv + first, &err) ? HR_EXIT_OK : hr_options_fail(&options, &err);
	}
	hr_options_fini(&options, &o);
	return code;
}
