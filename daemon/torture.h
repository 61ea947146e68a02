/* daemon/torture.h - the store on somebody's own disk: processes that write barriers are killed, their logs are cut and their
 * files bent, and what the store then opens is compared with what was written.
 *
 * Barrier n of a seed is a pure function of (seed, n), so the digest of every barrier is known without asking the store.
 * RocksDB runs in child processes only: a killed one leaves what a crash leaves, and Debian's build may abort on damage.
 */
#ifndef HR_DAEMON_TORTURE_H
#define HR_DAEMON_TORTURE_H

#include "base/error.h"
#include "base/histogram.h"

enum hr_fault {
	HR_FAULT_KILL,    /* SIGKILL at a random instant */
	HR_FAULT_POINT,   /* SIGKILL before or after the write of a barrier, and in the open */
	HR_FAULT_WRITE,   /* the disk takes no more bytes (a limit on the size of a file) */
	HR_FAULT_POWER,   /* killed; the log is cut at a random place behind what the last sync had covered */
	HR_FAULT_CONTROL, /* killed; the log is cut in front of that: barriers must be missing, and the store must say so */
	HR_FAULT_FLIP,    /* one bit of a file is wrong */
	HR_FAULTS,
};

struct hr_torture_count {
	uint64_t tries;
	uint64_t missing; /* acknowledged barriers that were not there */
	uint64_t silent;  /* tries in which barriers were missing and the store did not say so */
	uint64_t wrong;   /* tries in which a state opened that is no barrier that was written, or the process that opened it died */
	uint64_t refused; /* tries in which the state did not open */
};

struct hr_torture;

/** A new folder below dir, which must exist; gone at _free. The caller has one thread and no RocksDB open. */
HR_MUST_USE bool hr_torture_new(const char *dir, uint64_t seed, struct hr_torture **ret_torture, struct hr_error *err);
void hr_torture_free(struct hr_torture *t);

/** One try; false when it could not be carried out. */
HR_MUST_USE bool hr_torture_try(struct hr_torture *t, enum hr_fault fault, struct hr_torture_count *count,
                                struct hr_error *err);

/** Did the tries show what this fault must show? */
bool hr_torture_good(enum hr_fault fault, const struct hr_torture_count *count);
const char *hr_fault_name(enum hr_fault fault);
const char *hr_fault_text(enum hr_fault fault);

const struct hr_histogram *hr_torture_commit_us(const struct hr_torture *t); /* one synced barrier */
const struct hr_histogram *hr_torture_open_us(const struct hr_torture *t);   /* an open after a fault, whole state read */

/** For tests: the barriers that are expected from now on are those of another seed. */
void hr_torture_expect(struct hr_torture *t, uint64_t seed);

#endif
