/* daemon/torture_priv.h - what the parts of the torture share: the truth, the children, the damage. */
#ifndef HR_DAEMON_TORTURE_PRIV_H
#define HR_DAEMON_TORTURE_PRIV_H

#include <sys/resource.h>
#include <sys/types.h>

#include "base/base.h"
#include "daemon/torture.h"
#include "store/store.h"

enum { HR_TORTURE_RECORDS = 512, HR_TORTURE_RECORD_MAX = 1500, HR_TORTURE_LOGS = 8, HR_TORTURE_PATH = 4200, HR_TORTURE_NAME = 64 };
enum { HR_TORTURE_TOUCH = 1, HR_TORTURE_BYTES, HR_TORTURE_FAULT }; /* purposes of random streams */

/* What the logs were sure to hold when a barrier was acknowledged. */
struct hr_torture_sizes {
	unsigned count;
	struct {
		char name[HR_TORTURE_NAME];
		off_t bytes;
	} log[HR_TORTURE_LOGS];
};

/* Written by a child, read by the parent when the child is gone. */
struct hr_torture_shared {
	_Atomic uint64_t acked; /* newest acknowledged barrier */
	_Atomic unsigned newest; /* of sizes: the other one may be half written */
	struct hr_torture_sizes sizes[2];
	struct hr_histogram commit_us, open_us;
	/* ---- what a judge found ---- */
	bool judged, opened, noticed; /* judged: it came to an end; without that the process died of the state */
	uint64_t number;
	struct hr_hash128 digest;
};

struct hr_torture {
	char dir[HR_TORTURE_PATH - 256], state[HR_TORTURE_PATH - 128];
	uint64_t seed, tries;
	struct hr_torture_shared *shared;
	/* ---- the truth ---- */
	uint64_t expected_seed;
	struct hr_hash128 hash[HR_TORTURE_RECORDS], *digest; /* of every barrier up to known */
	size_t digest_cap, known;
};

/* ---- torture_truth.c: what barrier n writes ---- */

/** Record i in barrier n: false when it is left alone; len 0 for a delete. */
bool hr_torture_record(uint64_t seed, uint64_t n, uint32_t i, uint8_t bytes[HR_TORTURE_RECORD_MAX], size_t *ret_len);
/** A record's share of a digest, as store/state.h specifies it. */
struct hr_hash128 hr_torture_hash(uint8_t cls, uint32_t number, const void *bytes, size_t len);
struct hr_hash128 hr_torture_digest(struct hr_torture *t, uint64_t barrier);

/* ---- torture_child.c: a process that writes barriers, or judges a state ---- */

struct hr_torture_child {
	const char *point;   /* HR_CRASH_POINT; NULL: none */
	rlim_t file_bytes;   /* 0: no limit */
	const char *judged;  /* NULL: writes barriers */
	bool killed_by_us;   /* at a random instant after its first barrier */
	uint32_t delay_us;
};

/** Runs it to its end. */
HR_MUST_USE bool hr_torture_child(struct hr_torture *t, const struct hr_torture_child *c, struct hr_error *err);

/* ---- torture_damage.c ---- */

/** Cuts the logs behind what was sure, as a power cut may; or in front of it, as a disk that lies. */
void hr_torture_cut_logs(const struct hr_torture *t, bool in_front, struct hr_rng *rng);
/** A copy of the state in `to` with one bit wrong, in any file that the store reads back. */
HR_MUST_USE bool hr_torture_bent_copy(const struct hr_torture *t, const char *to, struct hr_rng *rng);

#endif
