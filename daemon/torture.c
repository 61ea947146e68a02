#include "daemon/torture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/torture_priv.h"

/* ---- one try ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static void remove_all(const char *dir) { (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

/* A refused state is of no more use; the next try begins a new one. */
static void begin_again(struct hr_torture *t)
{
	remove_all(t->state);
	atomic_store(&t->shared->acked, 0);
}

static void count_up(struct hr_torture *t, uint64_t acked, struct hr_torture_count *count)
{
	const struct hr_torture_shared *sh = t->shared;

	count->tries++;
	if (!sh->judged) {
		count->wrong++;
		return;
	}
	if (!sh->opened) {
		count->refused++;
		return;
	}
	const struct hr_hash128 want = hr_torture_digest(t, sh->number);
	count->wrong += sh->number > acked + 1 || sh->digest.hi != want.hi || sh->digest.lo != want.lo;
	count->missing += sh->number < acked ? acked - sh->number : 0;
	count->silent += sh->number < acked && !sh->noticed;
}

static bool judge_state(struct hr_torture *t, const char *dir, struct hr_torture_count *count, struct hr_error *err)
{
	t->shared->judged = t->shared->opened = false;
	if (!hr_torture_child(t, &(struct hr_torture_child){.judged = dir}, err))
		return false;
	count_up(t, atomic_load(&t->shared->acked), count);
	return true;
}

static bool write_and_damage(struct hr_torture *t, enum hr_fault fault, struct hr_rng *rng, struct hr_error *err)
{
	static const char *const points[] = {"before-write", "after-write", "open"};
	struct hr_torture_child c = {.killed_by_us = true, .delay_us = hr_rng_below(rng, 20000)};
	char point[32];

	if (fault == HR_FAULT_POINT) {
		const char *name = points[hr_rng_below(rng, 3)];

		(void)snprintf(point, sizeof point, "%s:%u", name, name[0] == 'o' ? 1 : 1 + hr_rng_below(rng, 8));
		c = (struct hr_torture_child){.point = point};
	} else if (fault == HR_FAULT_WRITE) {
		c = (struct hr_torture_child){.file_bytes = 4096 + hr_rng_below(rng, 3 << 20)};
	}
	if (!hr_torture_child(t, &c, err))
		return false;
	if (fault == HR_FAULT_POWER || fault == HR_FAULT_CONTROL)
		hr_torture_cut_logs(t, fault == HR_FAULT_CONTROL, rng);
	return true;
}

static bool try_flip(struct hr_torture *t, struct hr_rng *rng, struct hr_torture_count *count, struct hr_error *err)
{
	char bent[HR_TORTURE_PATH];

	if (t->tries % 16 == 0 || access(t->state, F_OK) != 0) { /* else the same state is bent at another place */
		if (!write_and_damage(t, HR_FAULT_KILL, rng, err))
			return false;
	}
	(void)snprintf(bent, sizeof bent, "%s/bent", t->dir);
	const bool ok = hr_torture_bent_copy(t, bent, rng) ? judge_state(t, bent, count, err)
	                                        : hr_fail(err, HR_E_IO, "could not copy %s", t->state);
	remove_all(bent);
	return ok;
}

bool hr_torture_try(struct hr_torture *t, enum hr_fault fault, struct hr_torture_count *count, struct hr_error *err)
{
	struct hr_rng rng = hr_rng_stream(t->seed, HR_TORTURE_FAULT, t->tries++);

	if (fault == HR_FAULT_FLIP)
		return try_flip(t, &rng, count, err);
	if (!write_and_damage(t, fault, &rng, err) || !judge_state(t, t->state, count, err))
		return false;
	if (t->shared->opened)
		atomic_store(&t->shared->acked, t->shared->number); /* from here on, whatever was found is what must stay */
	else
		begin_again(t);
	return true;
}

bool hr_torture_good(enum hr_fault fault, const struct hr_torture_count *c)
{
	if (c->tries == 0 || c->wrong != 0 || c->silent != 0)
		return false;
	switch (fault) {
	case HR_FAULT_CONTROL: return c->missing > 0;
	case HR_FAULT_FLIP: return true;
	default: return c->missing == 0 && c->refused == 0;
	}
}

const char *hr_fault_name(enum hr_fault fault)
{
	static const char *const name[HR_FAULTS] = {"kill", "point", "write", "power", "control", "flip"};

	return name[fault];
}

const char *hr_fault_text(enum hr_fault fault)
{
	static const char *const text[HR_FAULTS] = {
	        "kill -9 at a random instant",
	        "kill -9 in an open, before or after a write",
	        "a file can not grow any further",
	        "power cut: the log ends anywhere behind its last sync",
	        "the log ends in front of its last sync: must lose, and say so",
	        "one bit of a file is wrong: found, or harmless",
	};

	return text[fault];
}

const struct hr_histogram *hr_torture_commit_us(const struct hr_torture *t) { return &t->shared->commit_us; }
const struct hr_histogram *hr_torture_open_us(const struct hr_torture *t) { return &t->shared->open_us; }

bool hr_torture_new(const char *dir, uint64_t seed, struct hr_torture **ret_torture, struct hr_error *err)
{
	struct hr_torture *t = hr_alloc(1, sizeof *t);

	t->seed = t->expected_seed = seed;
	(void)snprintf(t->dir, sizeof t->dir, "%.3900s/headrace-torture-XXXXXX", dir);
	t->shared = mmap(NULL, sizeof *t->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t->shared == MAP_FAILED || mkdtemp(t->dir) == NULL) {
		if (t->shared != MAP_FAILED)
			(void)munmap(t->shared, sizeof *t->shared);
		hr_free(t);
		return hr_fail(err, HR_E_IO, "could not make a folder in %s", dir);
	}
	(void)snprintf(t->state, sizeof t->state, "%s/state", t->dir);
	*ret_torture = t;
	return true;
}

void hr_torture_free(struct hr_torture *t)
{
	if (t == NULL)
		return;
	remove_all(t->dir);
	(void)munmap(t->shared, sizeof *t->shared);
	hr_free(t->digest);
	hr_free(t);
}
