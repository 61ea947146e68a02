/* daemon/cmd_replay.c - `headraced replay`: a state made anew from the log. */
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "daemon/options.h"
#include "daemon/rebuild.h"
#include "daemon/tool.h"

struct replay_options {
	char *config, *state, *from, *to, *order_log, *without;
	bool then_live;
	struct hr_strings set;
};

static const struct hr_setting rows[] = {
        HR_OPTION(struct replay_options, state, "state", STRING, NULL, 1, 4096, "DIR", "Where the state is made; it must hold none yet."),
        HR_OPTION(struct replay_options, from, "from", STRING, NULL, 1, 65536, "WHERE",
                  "earliest, a time (RFC 3339, seconds or ms), or offsets of every partition: 0:17,1:4 (earliest)"),
        HR_OPTION(struct replay_options, to, "to", STRING, NULL, 1, 65536, "WHERE",
                  "latest, a time, or offsets; never beyond the ends at the start. (latest)"),
        HR_OPTION(struct replay_options, order_log, "order-log", STRING, NULL, 1, 4096, "DIR",
                  "Take the records in the order that the state in DIR took them in, and compare the digest at every barrier. "
                  "DIR is only looked at: its daemon may be running."),
        HR_OPTION(struct replay_options, without, "without", STRING, NULL, 1, 4096, "FILE",
                  "Leave out these users, one id a line: the model that never saw them."),
        HR_OPTION(struct replay_options, then_live, "then-live", BOOL, NULL, 0, 0, "", "Go on as the daemon when the end is reached."),
        HR_OPTION(struct replay_options, config, "config", STRING, NULL, 1, 4096, "FILE", "As for the daemon."),
        HR_OPTION(struct replay_options, set, "set", LIST, NULL, 0, 65536, "KEY=VALUE", "As for the daemon; may be given again."),
};

static const struct hr_options options = {
        .command = "headraced replay",
        .usage = "usage: headraced replay --state DIR [--from WHERE] [--to WHERE] [--order-log DIR] [--without FILE] ...\n"
                 "\n"
                 "Makes a state anew from the events topic, at full speed, publishing nothing. Without an order log partitions are\n"
                 "merged by (record timestamp, partition, offset). Exit code 1: a digest differs from the order log's.\n",
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
};

bool hr_options_config(struct hr_config *c, const char *path, const struct hr_strings *set, const char *state_dir,
                       struct hr_error *err)
{
	HR_AUTO(hr_auto_free) const char **all = hr_alloc(set->count + 1, sizeof *all);
	char state[4200];

	for (size_t i = 0; i < set->count; i++)
		all[i] = set->p[i];
	(void)snprintf(state, sizeof state, "state.dir=%s", state_dir);
	all[set->count] = state;
	return hr_config_load(c, path, all, set->count + 1, err);
}

static bool replay(const struct replay_options *o, struct hr_config *config, struct hr_rebuild_result *ret_result,
                   struct hr_error *err)
{
	const struct hr_rebuild_options what = {
		.order_log = o->order_log, .from = o->from, .to = o->to, .without = o->without};

	if (o->without != NULL && o->order_log != NULL)
		return hr_fail(err, HR_E_CONFIG, "--without changes what is learned: no order log leads there; leave --order-log away");
	if (!hr_options_config(config, o->config, &o->set, o->state, err) || !hr_config_disk(config, err))
		return false;
	hr_log_set_level((enum hr_log_level)config->log_level);
	return hr_rebuild_run(config, &what, ret_result, err);
}

int hr_cmd_replay(int argc, char **argv, struct hr_config *config, bool *ret_live)
{
	struct replay_options o = {0};
	struct hr_rebuild_result r = {0};
	struct hr_error err;
	int first, code;

	*ret_live = false;
	hr_config_init(config);
	if (hr_options_read(&options, &o, argc, argv, &first, &code)) {
		if (first != argc || o.state == NULL) {
			code = hr_options_misuse(&options, o.state == NULL ? "--state is needed" : "%s: no such argument", argv[first]);
		} else if (!replay(&o, config, &r, &err)) {
			code = hr_options_fail(&options, &err);
		} else {
			hr_rebuild_print("replay", &r, o.order_log != NULL, stdout);
			(void)fflush(stdout); /* whoever waits for it need not wait for the daemon's end */
			code = r.differs == 0 ? HR_EXIT_OK : HR_EXIT_FAILED;
			*ret_live = o.then_live && r.differs == 0;
		}
	}
	hr_options_fini(&options, &o);
	return code;
}
