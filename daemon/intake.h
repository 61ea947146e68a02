/* daemon/intake.h - from records to work: decode, admit, histories, the training schedule, the order log, the accounting.
 *
 * Deterministic: histories, catalogue and work are a function of the configuration, of the records in the order in which
 * they are given, and of where steps are closed. No clock.
 *
 * Schedule (spread visits): a step is due after every `every` events. Its fresh half is every user of the last `window`
 * events, with a loss only on the positions inside the window; the other half is as many users drawn uniformly from all,
 * times `rehearsal`, with a loss on all positions. An event is so visited window / every times, by different batches.
 *
 * Start-up: a backlog is first read whole (HR_PHASE_BACKLOG: histories, catalogue and counters learn, nothing is trained or asked),
 * then trained on by epochs over the histories that it left (HR_PHASE_START_UP: no record is taken), then the stream goes on as
 * above. When the phases begin is said by the caller and written to the order log; what their steps are follows from the state.
 *
 * Record of class HR_REC_SCHEDULE, little-endian: u8 version (2) | u64 events (ordinal of the next) | u64 steps |
 * i64 stream time | u8 phase | u32 epoch | u64 place in it | u64 steps of start-up | u32 n, n x u32 user of the window, oldest first.
 *
 * @thread ingest only, but for hr_intake_lock holders, who may read histories and catalogue
 */
#ifndef HR_DAEMON_INTAKE_H
#define HR_DAEMON_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/work.h"
#include "store/store.h"
#include "stream/stream.h"

struct hr_intake_config {
	uint16_t history_length;
	uint32_t min_count;
	int64_t expire_ms;       /* an item not seen for so long, in stream time, is no longer one; 0: never */
	uint32_t positions;      /* the encoder's window */
	uint32_t every, window;  /* events; every 0: no training, steps are empty and close at barriers only */
	float rehearsal;         /* rehearsed histories for each fresh one */
	bool all_positions;      /* fresh ones are asked for their old events too */
	uint32_t start_up;       /* epochs after a backlog */
	uint32_t start_up_batch; /* positions of their steps */
	float rate;              /* peak of theirs */
	int64_t future_limit_ms; /* an event may be this far ahead of its record's broker timestamp */
	uint64_t seed;
};

/** What became of a record. Every offset ends in exactly one of these. */
enum hr_outcome { HR_OUT_TRAINED, HR_OUT_REJECTED, HR_OUT_DUPLICATE, HR_OUT_LATE, HR_OUT_FORGOTTEN };

struct hr_intake;

struct hr_intake *hr_intake_new(const struct hr_intake_config *config);
void hr_intake_free(struct hr_intake *in);

/** Declares an input partition and where this lineage begins in it; before its first record, ascending by number. */
void hr_intake_partition(struct hr_intake *in, int32_t partition, int64_t begin);
/** Moves the beginning of a declared partition; before its first record. */
void hr_intake_begin(struct hr_intake *in, int32_t partition, int64_t begin);

/**
 * Takes one record.
 * @param decoder  borrowed
 * @param ret_why  the reason when rejected
 * Call hr_intake_step whenever hr_intake_step_due says so, before the next record.
 */
enum hr_outcome hr_intake_record(struct hr_intake *in, const struct hr_record *record, struct hr_decoder *decoder,
                                 enum hr_reject *ret_why);

/** Events taken whose record's key was not their user, since the start. @thread ingest */
uint64_t hr_intake_other_keys(const struct hr_intake *in);

/**
 * Prepares for the next records, which are taken one by one right after: decodes those that can be decoded ahead, and brings
 * what they will touch into the cache. Changes no state.
 * @param records  at most HR_FETCH_MAX; their bytes stay until the last is taken
 */
void hr_intake_fetch(struct hr_intake *in, const struct hr_record *records, size_t count, struct hr_decoder *decoder);

/** Takes a decoded event that has no record: files. partition and offset count as usual. */
enum hr_outcome hr_intake_event(struct hr_intake *in, const struct hr_event *event, int32_t partition, int64_t offset,
                                int64_t timestamp_ms, enum hr_reject *ret_why);

/**
 * What an item is, from the items topic. Kept beside the state, not in it: how the two topics interleave must not reach a
 * digest, and the topic is compacted, so every start reads it whole.
 */
void hr_intake_item(struct hr_intake *in, const void *id, size_t id_len, const char *title, const char *const *category,
                    size_t category_count, const char *const *tag, size_t tag_count, double price);

/** What was said about an item is taken back. */
void hr_intake_item_gone(struct hr_intake *in, const void *id, size_t id_len);

/** False: nothing was said about it. ret_item borrowed until the next hr_intake_item. Under the lock. */
bool hr_intake_described(struct hr_intake *in, const void *id, size_t id_len, struct hr_item *ret_item);

/** Leaves the records of these users out from now on; they count as forgotten. users is borrowed for the life. */
void hr_intake_without(struct hr_intake *in, const struct hr_idmap *users);

/** The trainer, if its learning has stopped, goes on with the step that is open now; the order log says so. */
void hr_intake_thaw(struct hr_intake *in);

enum hr_phase { HR_PHASE_LIVE, HR_PHASE_BACKLOG, HR_PHASE_START_UP, HR_PHASES };
enum hr_phase hr_intake_phase(const struct hr_intake *in); /* @thread any */
/** A backlog begins here. At a step boundary. */
void hr_intake_backlog(struct hr_intake *in);
/**
 * The backlog ends here: until the phase is live again, steps are closed one after the other without a record between them.
 * At a step boundary.
 */
void hr_intake_start_up(struct hr_intake *in);
/** Steps of start-up so far, and how many it takes, about; 0 and 0 outside. @thread ingest */
void hr_intake_start_up_steps(const struct hr_intake *in, uint64_t *ret_done, uint64_t *ret_planned);

/** One step after every n events from here on, and the order log says so; not part of the state. 0: as configured. */
void hr_intake_every(struct hr_intake *in, uint32_t n);

bool hr_intake_step_due(const struct hr_intake *in);
size_t hr_intake_pending(const struct hr_intake *in); /* events since the last step */

/** Closes a step here, also early: the work with the events since the last one and the histories to train on. Returned. */
struct hr_work *hr_intake_step(struct hr_intake *in);

/** Sets the window of the schedule to the last n events, for learning at a day's end (evaluation). */
void hr_intake_window(struct hr_intake *in, uint32_t n);

/**
 * Ingest's half of a barrier; only at a step boundary (pending is 0).
 * @param number     of the barrier: the last durable one that was asked for, plus one
 * @param published  newest barrier whose refresh is complete
 */
struct hr_work *hr_intake_barrier(struct hr_intake *in, uint64_t number, uint64_t published);
bool hr_intake_changed(const struct hr_intake *in); /* anything since the last barrier? */
uint64_t hr_intake_events_since_barrier(const struct hr_intake *in);

/** A record of class user, item or schedule, at start. */
HR_MUST_USE bool hr_intake_load(struct hr_intake *in, enum hr_record_class cls, uint32_t number, const void *bytes,
                                size_t len, struct hr_error *err);
/** The newest barrier row, when all records are loaded: positions, accounting and phase go on from there. */
HR_MUST_USE bool hr_intake_resume(struct hr_intake *in, const struct hr_barrier *row, struct hr_error *err);

/** Positions and accounting now; borrowed. @thread ingest, or under the lock */
const struct hr_barrier *hr_intake_account(const struct hr_intake *in);

int64_t hr_intake_stream_ms(const struct hr_intake *in); /* stream time; INT64_MIN before the first event. @thread any */
struct hr_histories *hr_intake_histories(struct hr_intake *in); /* under the lock */
struct hr_catalogue *hr_intake_catalogue(struct hr_intake *in); /* under the lock */

/** The ingest thread holds it for a group of records, readers for one look. */
void hr_intake_lock(struct hr_intake *in);
void hr_intake_unlock(struct hr_intake *in);

/** Hash of a record's key and value, that a stored position can be checked against later; not of its broker timestamp, which a
 * log written again does not keep. Never 0. */
uint64_t hr_record_fingerprint(const struct hr_record *record);

#endif
