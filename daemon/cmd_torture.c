/* daemon/cmd_torture.c - `headrace torture`: what a crash leaves of a state on this disk, under this kernel. */
#include "daemon/tool.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/base.h"
#include "daemon/disk.h"
#include "daemon/options.h"
#include "daemon/torture.h"

enum { TRIES_MIN = 3 };
#define ROOM_BYTES ((uint64_t)512 << 20)

struct torture_options {
	char *dir;
	double minutes;
	uint64_t seed;
};

static const struct hr_setting rows[] = {
        HR_OPTION(struct torture_options, dir, "dir", STRING, NULL, 1, 3900, "DIR",
                  "Any folder on the disk in question, as that of state.dir; a folder is made in it and removed."),
        HR_OPTION(struct torture_options, minutes, "minutes", F64, "1", 0, 10000, "N", "How long, over all faults."),
        HR_OPTION(struct torture_options, seed, "seed", U64, "1", 0, 0x1p64, "N", "Seed of what is written and where it breaks."),
};

static const struct hr_options options = {
        .command = "headrace torture",
        .usage = "usage: headrace torture --dir DIR [--minutes N] [--seed N]\n"
                 "\n"
                 "Writes barriers as the daemon does, in processes that are killed, with logs that are cut and files that are bent,\n"
                 "and compares what opens with what was written. Exit code 0: no acknowledged barrier was missing, no wrong state\n"
                 "was taken for right; 1: not so. A disk that forgets what it said was synced shows only when its power is cut.\n",
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
};

static void print_row(enum hr_fault fault, const struct hr_torture_count *c)
{
	(void)printf("%-8s%-9s%7" PRIu64 "%9" PRIu64 "%8" PRIu64 "%7" PRIu64 "%9" PRIu64 "   %s\n",
	             hr_torture_good(fault, c) ? "ok" : "FAILED", hr_fault_name(fault), c->tries, c->missing, c->silent, c->wrong,
	             c->refused, hr_fault_text(fault));
	(void)fflush(stdout);
}

/* Tries of one fault until its share of the time is over. */
static bool run_fault(struct hr_torture *t, enum hr_fault fault, int64_t until_us, struct hr_torture_count *count,
                      struct hr_error *err)
{
	while (count->tries < TRIES_MIN || hr_mono_us() < until_us) {
		if (!hr_torture_try(t, fault, count, err))
			return hr_context(err, "%s", hr_fault_name(fault));
	}
	print_row(fault, count);
	return true;
}

static bool run_all(struct hr_torture *t, const struct torture_options *o, bool *ret_good, struct hr_error *err)
{
	struct hr_torture_count count[HR_FAULTS] = {0};
	const int64_t began = hr_mono_us(), whole_us = (int64_t)(o->minutes * 60e6);
	uint64_t tries = 0, lost = 0, wrong = 0;

	*ret_good = true;
	(void)printf("%-8s%-9s%7s%9s%8s%7s%9s\n", "", "fault", "tries", "missing", "silent", "wrong", "refused");
	for (int f = 0; f < HR_FAULTS; f++) {
		if (!run_fault(t, (enum hr_fault)f, began + whole_us * (f + 1) / HR_FAULTS, &count[f], err))
			return false;
		*ret_good = *ret_good && hr_torture_good((enum hr_fault)f, &count[f]);
		tries += count[f].tries;
		lost += f == HR_FAULT_CONTROL || f == HR_FAULT_FLIP ? 0 : count[f].missing;
		wrong += count[f].wrong + count[f].silent;
	}
	(void)printf("torture tries=%" PRIu64 " lost=%" PRIu64 " wrong=%" PRIu64
	             " barrier_p50_ms=%.1f barrier_p99_ms=%.1f open_p50_ms=%.1f open_p99_ms=%.1f\n",
	             tries, lost, wrong, (double)hr_histogram_quantile(hr_torture_commit_us(t), 0.5) / 1e3,
	             (double)hr_histogram_quantile(hr_torture_commit_us(t), 0.99) / 1e3,
	             (double)hr_histogram_quantile(hr_torture_open_us(t), 0.5) / 1e3,
	             (double)hr_histogram_quantile(hr_torture_open_us(t), 0.99) / 1e3);
	return true;
}

static bool torture(const struct torture_options *o, bool *ret_good, struct hr_error *err)
{
	const uint64_t room = hr_disk_free(o->dir);
	struct hr_torture *t = NULL;

	if (room < ROOM_BYTES)
		return hr_fail(err, HR_E_IO, "%llu MiB free at %s, %llu are needed", (unsigned long long)(room >> 20), o->dir,
		               (unsigned long long)(ROOM_BYTES >> 20));
	if (!hr_torture_new(o->dir, o->seed, &t, err))
		return false;
	const bool ok = run_all(t, o, ret_good, err);
	hr_torture_free(t);
	return ok;
}

int hr_cmd_torture(int argc, char **argv)
{
	struct torture_options o = {0};
	struct hr_error err;
	bool good = false;
	int first, code;

	if (hr_options_read(&options, &o, argc, argv, &first, &code)) {
		if (argc != first || o.dir == NULL)
			code = hr_options_misuse(&options, "--dir is needed, and nothing else is");
		else if (!torture(&o, &good, &err))
			code = hr_options_fail(&options, &err);
		else
			code = good ? HR_EXIT_OK : HR_EXIT_FAILED;
	}
	hr_options_fini(&options, &o);
	return code;
}
