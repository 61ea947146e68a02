/* daemon/cmd_verify.c - `headrace verify`: is the state what its log says? */
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "daemon/options.h"
#include "daemon/rebuild.h"
#include "daemon/tool.h"
#include "store/store.h"

struct verify_options {
	char *config, *state, *scratch;
	struct hr_strings set;
};

static const struct hr_setting rows[] = {
        HR_OPTION(struct verify_options, state, "state", STRING, NULL, 1, 4096, "DIR",
                  "The state to verify. It is only looked at: its daemon may be running."),
        HR_OPTION(struct verify_options, scratch, "scratch", STRING, "/tmp", 1, 4000, "DIR",
                  "Folder in which the state is made anew; what is made is removed again."),
        HR_OPTION(struct verify_options, config, "config", STRING, NULL, 1, 4096, "FILE", "As for the daemon."),
        HR_OPTION(struct verify_options, set, "set", LIST, NULL, 0, 65536, "KEY=VALUE", "As for the daemon; may be given again."),
};

static const struct hr_options options = {
        .command = "headrace verify",
        .usage = "usage: headrace verify --state DIR [--config FILE]\n"
                 "\n"
                 "Computes the digest of the records on disk, then the whole state anew from the log in its recorded order, and\n"
                 "compares the digest at every barrier. Exit code 0: all equal; 1: something differs, with the barrier's number.\n",
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
};

static bool same(struct hr_hash128 a, struct hr_hash128 b) { return a.hi == b.hi && a.lo == b.lo; }

static void tell_difference(uint64_t barrier, const char *what, struct hr_hash128 found, struct hr_hash128 want)
{
	char x[33], y[33];

	hr_hash128_hex(found, x);
	hr_hash128_hex(want, y);
	(void)printf("barrier %" PRIu64 " differs: %s digest %s, the barrier says %s\n", barrier, what, x, y);
}

/* The records on disk against the barrier row, and the barrier row against the order row. */
static bool check_records(const char *dir, bool *ret_equal, struct hr_error *err)
{
	HR_AUTO(hr_barrier_fini) struct hr_barrier row = {0};
	HR_AUTO(hr_buf_fini) struct hr_buf log = {0};
	struct hr_hash128 records;
	struct hr_order_head head;
	struct hr_manifest held;
	struct hr_store *s;

	if (!hr_store_look(dir, &held, &s, &row, err))
		return false;
	const bool ok = (row.number != 0 || hr_fail(err, HR_E_CONFIG, "%s has no barrier yet", dir)) &&
	                (hr_store_digest(s, &records, err) || hr_context(err, "barrier %" PRIu64, row.number)) &&
	                hr_store_order_log(s, row.number, &head, &log, err);
	hr_store_close(s);
	if (!ok)
		return false;
	*ret_equal = same(records, row.digest) && same(row.digest, head.digest);
	if (!*ret_equal)
		tell_difference(row.number, "the records on disk have", records, same(row.digest, records) ? head.digest : row.digest);
	return true;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st, (void)flag, (void)at;
	return remove(path);
}

static bool recompute(const struct verify_options *o, struct hr_rebuild_result *ret_result, struct hr_error *err)
{
	const struct hr_rebuild_options what = {.order_log = o->state};
	struct hr_config config;
	char scratch[4100];

	(void)snprintf(scratch, sizeof scratch, "%s/headrace-verify-XXXXXX", o->scratch);
	if (mkdtemp(scratch) == NULL)
		return hr_fail(err, HR_E_IO, "no directory can be made in %s", o->scratch);
	hr_config_init(&config);
	const bool ok = hr_options_config(&config, o->config, &o->set, scratch, err) && hr_config_disk(&config, err) &&
	                (hr_log_set_level(HR_LOG_WARNING), hr_rebuild_run(&config, &what, ret_result, err));
	hr_config_fini(&config);
	(void)nftw(scratch, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return ok;
}

static int verify(const struct verify_options *o)
{
	struct hr_rebuild_result r = {0};
	struct hr_error err;
	bool equal = false;

	if (!check_records(o->state, &equal, &err))
		return hr_options_fail(&options, &err);
	if (!equal)
		return HR_EXIT_FAILED;
	if (!recompute(o, &r, &err))
		return hr_options_fail(&options, &err);
	if (r.differs != 0)
		tell_difference(r.differs, "the log gives", r.got, r.want);
	else
		(void)printf("equal: every barrier is what the log gives\n");
	hr_rebuild_print("verify", &r, true, stdout);
	return r.differs == 0 ? HR_EXIT_OK : HR_EXIT_FAILED;
}

int hr_cmd_verify(int argc, char **argv)
{
	struct verify_options o = {0};
	int first, code;

	if (hr_options_read(&options, &o, argc, argv, &first, &code)) {
		if (first != argc || o.state == NULL)
			code = hr_options_misuse(&options, "--state is needed, and nothing else without a name");
		else
			code = verify(&o);
	}
	hr_options_fini(&options, &o);
	return code;
}
