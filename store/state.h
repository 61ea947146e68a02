/* store/state.h - the state on disk: one RocksDB directory, one column family, one synced WriteBatch a barrier.
 *
 * Keys: one class byte, then the number big-endian, so that a class is a range in order:
 *   class byte 'a'..'z' (base/record.h) | u32 number        a record's bytes
 *   'M'                                                     manifest
 *   'B'                                                     the newest barrier row
 *   'L' | u64 barrier                                       order row: its digest, and the order log since the one before
 * Every value is u32 CRC32C of key and bytes | bytes: right bytes under a wrong key are found too. All integers inside
 * values are little-endian. Byte layouts of manifest, barrier row and order row: store/barrier.h.
 *
 * Digest: the sum modulo 2^128 over all records of hr_hash128(class byte | u32 number, little-endian | bytes), seed
 * HR_STATE_FORMAT. Beside RocksDB's files the directory holds LAST, the number of the last durable barrier as a hint for
 * notices, and wal-aside-N, logs that did not open (the newest four).
 *
 * Crash-only: after any failed write the outcome is unknown; the caller must end the process and never retry.
 */
#ifndef HR_STORE_STATE_H
#define HR_STORE_STATE_H

#include "base/error.h"
#include "base/hash.h"
#include "base/record.h"
#include "store/barrier.h"

#define HR_NOTICE_BYTES 512u

struct hr_store;

/** What one barrier writes. Filled by several threads one after the other, never at once. */
struct hr_changes;

struct hr_changes *hr_changes_new(void);
void hr_changes_free(struct hr_changes *c); /* the memory of two, up to 64 MiB each, is kept for the next. @thread any */
void hr_changes_reserve(struct hr_changes *c, size_t count); /* so many puts are to come: only saves time */
/** hr_record_put_fn with ctx = struct hr_changes *. A later put of the same name wins. */
void hr_changes_put(void *changes, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len);
/** The order log of this barrier, sealed; copied, the last call wins. Without a call an empty one is written. */
void hr_changes_order(struct hr_changes *c, const void *bytes, size_t len);
const uint8_t *hr_changes_order_log(const struct hr_changes *c, size_t *ret_len); /* borrowed, good until _free */
/** Hands every record on, by class and ascending number. */
void hr_changes_each(const struct hr_changes *c, hr_record_put_fn *put, void *ctx);
size_t hr_changes_bytes(const struct hr_changes *c); /* keys and values that will be written */
size_t hr_changes_count(const struct hr_changes *c);
/** The bytes put for a name, or NULL (none, or a delete); borrowed, good until _free. */
const uint8_t *hr_changes_get(struct hr_changes *c, enum hr_record_class cls, uint32_t number, size_t *ret_len);

/**
 * Opens or creates a state directory (0700, one writer: a second open fails with the holder named by RocksDB).
 * @param manifest  in: what this program would write; out, on success: what the directory holds. An existing state with
 *                  another format version or other settings is refused with both values; lineage, seed, partitions
 *                  and kernels are the caller's to compare. An empty lineage in a new state is filled from random bytes.
 *                  Settings "" accept any: for tools that only look.
 * @param ret_row   the newest barrier, number 0 for a new state
 * @param ret_notice  HR_NOTICE_BYTES: "", or what a person has to know
 * WAL recovery: absolute consistency first; on refusal the WAL is copied aside, reopened point-in-time, and ret_notice says
 * which barrier is now the newest and how many are lost. A process killed inside a write leaves such a log too; none is
 * lost then. The notice of lost barriers is repeated at every open until the next commit.
 */
HR_MUST_USE bool hr_store_open(const char *dir, struct hr_manifest *manifest, struct hr_store **ret_store,
                               struct hr_barrier *ret_row, char *ret_notice, struct hr_error *err);
/** Writes it again, synced: its partitions have changed. */
HR_MUST_USE bool hr_store_manifest(struct hr_store *s, const struct hr_manifest *m, struct hr_error *err);
void hr_store_close(struct hr_store *s);
/** Is there a state in this directory? For tools that must not make one by looking. */
bool hr_store_exists(const char *dir);

/**
 * Opens what is there for looking only: writes nothing, takes no lock, so that it does not disturb a daemon that has the
 * state open; sees it as of now. A damaged end of the log is left out and not told. HR_E_IO when there is no state.
 */
HR_MUST_USE bool hr_store_look(const char *dir, struct hr_manifest *ret_manifest, struct hr_store **ret_store,
                               struct hr_barrier *ret_row, struct hr_error *err);

/** Hands over every record, by class and ascending number; stops at the first false. A wrong CRC is HR_E_STORE with its
 * key, and so are records whose digest is not the newest barrier's. Once, before the first commit. */
typedef bool hr_record_load_fn(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len,
                               struct hr_error *err);
HR_MUST_USE bool hr_store_load(struct hr_store *s, hr_record_load_fn *load, void *ctx, struct hr_error *err);

/** Hands over every record of one class as one barrier left it, the newest or one about to be the newest; stops at the first
 * false. @thread any */
HR_MUST_USE bool hr_store_each(struct hr_store *s, enum hr_record_class cls, hr_record_load_fn *each, void *ctx,
                               struct hr_error *err);

/**
 * Writes changes, order log and barrier row in one synced WriteBatch with sorted keys, and fills row->digest: the digest of
 * the previous barrier, minus the hashes of the replaced records, plus those of the new ones.
 * @param row  number must be the last one plus one, and its partitions must balance. On success its digest is set.
 * @thread one writer at a time; hr_store_load must be over
 */
HR_MUST_USE bool hr_store_commit(struct hr_store *s, const struct hr_changes *changes, struct hr_barrier *row,
                                 struct hr_error *err);

/**
 * Before a clean close: makes a table of what only the logs hold, so that the next open has no logs to read. Whether it works
 * does not matter: the logs are there.
 * @thread the writer
 */
void hr_store_settle(struct hr_store *s);

/** From the next commit on, order rows older than this (by wall_ms) are removed, a few a commit; 0, as at open: none. */
void hr_store_keep_order(struct hr_store *s, int64_t ms);

/** The oldest barrier whose order row is still there; one above the newest barrier: none is. */
uint64_t hr_store_first_order(struct hr_store *s);

/** What one barrier's digest was, and its order log, appended to out. HR_E_STORE when there is no such barrier, or
 * its row was removed. */
HR_MUST_USE bool hr_store_order_log(struct hr_store *s, uint64_t barrier, struct hr_order_head *ret_head, struct hr_buf *out,
                                    struct hr_error *err);

/** Digest recomputed from every record on disk: must equal the newest barrier's. @thread any; sees one barrier, whole */
HR_MUST_USE bool hr_store_digest(struct hr_store *s, struct hr_hash128 *ret_digest, struct hr_error *err);

/** RocksDB checkpoint (hard links) into a directory that must not exist. */
HR_MUST_USE bool hr_store_checkpoint(struct hr_store *s, const char *dir, struct hr_error *err);

/** Most that hr_store_open may write into a directory: its logs become a table. 0 for a directory that is not there. */
uint64_t hr_store_open_bytes(const char *dir);

uint64_t hr_store_disk_bytes(struct hr_store *s);

#endif
