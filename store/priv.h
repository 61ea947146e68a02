/* store/priv.h - between changes.c, open.c, recover.c and state.c. */
#ifndef HR_STORE_PRIV_H
#define HR_STORE_PRIV_H

#include <rocksdb/c.h>

#include "base/buf.h"
#include "store/pages.h"
#include "store/state.h"

#define HR_KEY_RECORD  5u /* class, u32 number */
#define HR_VALUE_CRC   4u /* bytes of CRC in front of every value */
#define HR_CLASS_FIRST 'a'
#define HR_CLASS_LAST  'z'

static inline void hr_free_dbstr(char **s) { rocksdb_free(*s); }
static inline void hr_free_batch(rocksdb_writebatch_t **b) { rocksdb_writebatch_destroy(*b); }
static inline void hr_free_iter(rocksdb_iterator_t **i) { rocksdb_iter_destroy(*i); }
static inline void hr_free_ropt(rocksdb_readoptions_t **o) { rocksdb_readoptions_destroy(*o); }

struct hr_store {
	/* ---- set by open, then read-only ---- */
	rocksdb_t *db;
	rocksdb_writeoptions_t *synced; /* NULL: opened for looking only */
	char *dir;
	int last_fd;
	/* ---- the one writer's ---- */
	uint64_t barrier;                                         /* the newest */
	struct hr_hash128 digest;                                 /* of all records at it */
	struct hr_pages hash[HR_CLASS_LAST - HR_CLASS_FIRST + 1]; /* struct hr_hash128 by number; zero: no record */
	bool loaded, failed;
	int64_t order_keep_ms; /* age at which order rows go; 0: never */
	uint64_t order_first;  /* the oldest order row; 0: not looked for yet */
};

/** One record of a barrier, ready to be written. */
struct hr_change {
	const uint8_t *value; /* u32 CRC | bytes; NULL: delete */
	size_t value_len;
	struct hr_hash128 hash; /* its part of the digest; zero for delete */
	uint32_t number;
	uint8_t cls;
};

/** Hands over the changes by key, ascending; what is handed over is good for the call. */
typedef void hr_change_fn(void *ctx, const struct hr_change *change);
void hr_changes_sealed(const struct hr_changes *c, hr_change_fn *visit, void *ctx);

void hr_record_key(uint8_t key[HR_KEY_RECORD], uint8_t cls, uint32_t number);
/** Part of the digest: hash of class | u32 number, little-endian | bytes. named holds just that. */
struct hr_hash128 hr_record_hash(const uint8_t *named, size_t named_len);
/** CRC32C of key and bytes, as it stands in front of bytes. */
uint32_t hr_value_crc(const void *key, size_t key_len, const void *bytes, size_t len);

/** Puts a value with its CRC into a batch. */
void hr_value_put(rocksdb_writebatch_t *batch, const void *key, size_t key_len, const void *bytes, size_t len);
/** Steps over the CRC of *bytes, after a look at it. */
HR_MUST_USE bool hr_value_check(const void *key, size_t key_len, const uint8_t **bytes, size_t *len);
/** Appends the bytes of key to out. A key that is not there leaves *ret_found false. what: for the error text. */
HR_MUST_USE bool hr_value_get(struct hr_store *s, const void *key, size_t key_len, const char *what, struct hr_buf *out,
                              bool *ret_found, struct hr_error *err);
/** Makes the name of a new directory durable. */
HR_MUST_USE bool hr_sync_parent(const char *dir, struct hr_error *err);

/** Copies a file of one open directory into another, synced; it must not be there yet. */
HR_MUST_USE bool hr_copy_file(int from_dir, int to_dir, const char *name, struct hr_error *err);

/** Copies dir/<number>.log into dir/wal-aside-N, N one more than the largest there; the oldest of many copies is
 * removed. */
HR_MUST_USE bool hr_wal_aside(const char *dir, char *ret_name, size_t name_bytes, struct hr_error *err);

/* DIR/LAST: u64 barrier | u32 CRC32C. A note of the last durable barrier, written after it and never synced: it can be
 * old or gone after a power cut, but never names a barrier that was not durable. It only words a notice; nothing
 * depends on it. */
int hr_last_open(const char *dir);            /* -1: no note will be kept */
void hr_last_write(int fd, uint64_t barrier); /* failures do not matter */
uint64_t hr_last_read(int fd);                /* 0: no note, or a broken one */

#endif
