/* store/barrier.h - what a barrier says beside the records: positions, accounting, order log, manifest.
 *
 * Barrier row, little-endian: u8 version (1) | u64 number | u64 digest hi | u64 digest lo | u64 events | u64 steps |
 *   i64 watermark_ms | i64 wall_ms | u64 published | u32 partitions | partitions x { i32 partition, i64 begin, i64 offset, u64 fingerprint,
 *   u64 trained, u64 duplicate, u64 late, u64 gap, u64 forgotten, u8 n, n x u64 rejected, the last not 0 }.
 * Order log: a sequence of varint-coded entries: (partition << 2 | 0) count = a run of records taken from a partition;
 *   1 = a training step fell here; (k << 2 | 2) = from here on one step after every k events, until the process ends; (m << 2 | 3) = a mark: 0 learning
 *   that had stopped goes on from the next step, 1 the backlog of a start-up begins, 2 it ends and start-up training begins.
 * Order row, one a barrier: u8 version (1) | u64 digest hi | u64 digest lo | u64 events | u64 steps | i64 wall_ms | order log.
 * Manifest: u8 version (3) | u32 format | blob settings | blob lineage | blob space | blob kernels | u32 partitions | u64 seed.
 */
#ifndef HR_STORE_BARRIER_H
#define HR_STORE_BARRIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"

#define HR_STATE_FORMAT 2u
#define HR_LINEAGE_CHARS 32u
#define HR_REJECT_SLOTS 24u /* room for the reasons of stream/event.h */

/** One input partition at a barrier. offset = trained + rejected + duplicate + late + gap + forgotten + where it began. */
struct hr_partition {
	int32_t partition;
	int64_t begin;  /* first offset of this lineage */
	int64_t offset; /* of the next record to read */
	uint64_t fingerprint; /* hash of (key, value) of the record at offset - 1; 0: none read yet */
	uint64_t trained, duplicate, late, gap, forgotten;
	uint64_t rejected[HR_REJECT_SLOTS];
};

/** Is every offset from begin to offset accounted for? Asserted by hr_store_commit, checked by hr_barrier_decode. */
bool hr_partition_balances(const struct hr_partition *p);

struct hr_barrier {
	uint64_t number; /* 1 for the first; 0: an empty state */
	struct hr_hash128 digest;
	uint64_t events, steps;
	int64_t watermark_ms; /* stream time: largest event time so far; INT64_MIN before the first event */
	int64_t wall_ms;      /* when it was written; not part of the digest */
	uint64_t published;   /* newest barrier whose refresh is complete on the output topic */
	struct hr_partition *partition; /* partition_count, ascending by number; owned */
	size_t partition_count;
};

void hr_barrier_fini(struct hr_barrier *b);
uint64_t hr_barrier_records(const struct hr_barrier *b); /* accounted for since the lineage began, over all partitions */
void hr_barrier_copy(struct hr_barrier *to, const struct hr_barrier *from); /* to is overwritten; free with _fini */
void hr_barrier_encode(const struct hr_barrier *b, struct hr_buf *out);
HR_MUST_USE bool hr_barrier_decode(const void *bytes, size_t len, struct hr_barrier *ret_row, struct hr_error *err);

#define HR_SETTINGS_BYTES 8192u

/** What must stay the same for a state to be continued. */
struct hr_manifest {
	char settings[HR_SETTINGS_BYTES]; /* every one that training depends on: "key=value\n" each. "": any will do */
	uint64_t seed;
	uint32_t partitions;
	char lineage[HR_LINEAGE_CHARS + 1]; /* hex; made at the empty state, and anew by a restore: a barrier number is used once */
	char space[HR_LINEAGE_CHARS + 1];   /* the first lineage: vectors of a restored state are comparable with those before */
	char kernels[32]; /* kernel set; a change withdraws the claim of equal bytes, aloud, but is not refused */
};

/** Do the settings differ? out: the first one that does, "model.width was 64, is 128". Settings "" on either side: no. */
bool hr_manifest_differs(const struct hr_manifest *then, const struct hr_manifest *now, char *out, size_t out_bytes);

void hr_manifest_encode(const struct hr_manifest *m, struct hr_buf *out);
HR_MUST_USE bool hr_manifest_decode(const void *bytes, size_t len, struct hr_manifest *ret_manifest, struct hr_error *err);

/** What stands in front of a barrier's order log: what a replay that takes the same records must come to. */
struct hr_order_head {
	struct hr_hash128 digest; /* of all records at the barrier */
	uint64_t events, steps;   /* ever, as in the barrier row */
	int64_t wall_ms;          /* when it was written: hr_store_keep_order goes by it */
};

void hr_order_head_encode(const struct hr_order_head *h, struct hr_buf *out);
/** Reads the head; c then stands at the order log. */
HR_MUST_USE bool hr_order_head_decode(struct hr_cursor *c, struct hr_order_head *ret_head, struct hr_error *err);

/** Order log being written. Runs of one partition are joined. */
struct hr_order {
	struct hr_buf bytes;
	int32_t run_partition;
	uint64_t run_count;
};

void hr_order_fini(struct hr_order *o);
void hr_order_record(struct hr_order *o, int32_t partition); /* one record was taken */
void hr_order_step(struct hr_order *o);
void hr_order_every(struct hr_order *o, uint32_t events);
void hr_order_thaw(struct hr_order *o);
void hr_order_backlog(struct hr_order *o);
void hr_order_start_up(struct hr_order *o);
void hr_order_seal(struct hr_order *o); /* closes the open run; call before bytes are read */
void hr_order_clear(struct hr_order *o);

enum hr_order_kind { HR_ORDER_RUN, HR_ORDER_STEP, HR_ORDER_EVERY, HR_ORDER_THAW, HR_ORDER_BACKLOG, HR_ORDER_START_UP };
struct hr_order_entry {
	enum hr_order_kind kind;
	int32_t partition;
	uint64_t count;
};
/** The next entry; false at the end (c->failed tells a broken log from a finished one). */
bool hr_order_next(struct hr_cursor *c, struct hr_order_entry *ret_entry);

#endif
