/* store/checkpoint.h - states of earlier times, kept aside in the state directory, and the way back to one.
 *
 * DIR/checkpoints/N is the state at barrier N: a RocksDB directory whose files are shared (hard links) with the state for as
 * long as both need them. Offsets are part of it, so after a restore the events since are read again.
 *
 * Restore: the state's files are moved to DIR/replaced, the checkpoint's are linked in, the checkpoint itself stays. It works
 * inside DIR alone, which may be a mount point in a folder of somebody else. While it is under way DIR/RESTORING says so: a
 * text "moving N" or "linking N". The state does not open then, and a restore to any checkpoint picks up where it broke off.
 */
#ifndef HR_STORE_CHECKPOINT_H
#define HR_STORE_CHECKPOINT_H

#include <stddef.h>

#include "store/state.h"

struct hr_checkpoint {
	uint64_t barrier;
	int64_t made_ms; /* when it was made; for people and for the ring */
};

/** The checkpoints of a state, ascending by barrier. Returned: hr_free() it. None is not an error. */
HR_MUST_USE bool hr_checkpoints_list(const char *dir, struct hr_checkpoint **ret_list, size_t *ret_count, struct hr_error *err);

/** Makes one of the newest barrier, unless there is one. @thread the store's writer */
HR_MUST_USE bool hr_checkpoint_make(struct hr_store *s, struct hr_error *err);

/** Removes all but the newest keep, and what an interrupted make left. */
HR_MUST_USE bool hr_checkpoints_prune(const char *dir, size_t keep, struct hr_error *err);

/**
 * Takes a state back. The state is kept in DIR/replaced until the next restore, or until it is removed by hand.
 * Refused while a process has the state open (HR_E_BUSY), and when the records of the checkpoint do not have its digest.
 */
HR_MUST_USE bool hr_checkpoint_restore(const char *dir, uint64_t barrier, struct hr_error *err);

#endif
