/* store/priv.h - between changes.c, state.c and recover.c. */
#ifndef HR_STORE_PRIV_H
#define HR_STORE_PRIV_H

#include <rocksdb/c.h>

#include "store/state.h"

#define HR_KEY_RECORD   5u /* class, u32 number */
#define HR_VALUE_CRC    4u /* bytes of CRC in front of every value */
#define HR_CLASS_FIRST  'a'
#define HR_CLASS_LAST   'z'

/** One record of a barrier, ready to be written. */
struct hr_change {
	const uint8_t *value; /* u32 CRC | bytes; NULL: delete */
	size_t value_len;
	struct hr_hash128 hash; /* its part of the digest; zero for delete */
	uint32_t number;
	uint8_t cls;
};

/** The changes by key, ascending; hr_changes_count() of them; hr_free() it. */
struct hr_change *hr_changes_sorted(const struct hr_changes *c);
const uint8_t *hr_changes_order_log(const struct hr_changes *c, size_t *ret_len);

void hr_record_key(uint8_t key[HR_KEY_RECORD], uint8_t cls, uint32_t number);
/** Part of the digest: hash of class | u32 number, little-endian | bytes. named holds just that. */
struct hr_hash128 hr_record_hash(const uint8_t *named, size_t named_len);
/** CRC32C of key and bytes, as it stands in front of bytes. */
uint32_t hr_value_crc(const void *key, size_t key_len, const void *bytes, size_t len);

/** Copies dir/<number>.log into dir/wal-aside-N, N one more than the largest there; the oldest of many copies is removed. */
HR_MUST_USE bool hr_wal_aside(const char *dir, char *ret_name, size_t name_bytes, struct hr_error *err);

/* DIR/LAST: u64 barrier | u32 CRC32C. A note of the last durable barrier, written after it and never synced: it can be old
 * or gone after a power cut, but never names a barrier that was not durable. It only words a notice; nothing depends on it. */
int hr_last_open(const char *dir);                        /* -1: no note will be kept */
void hr_last_write(int fd, uint64_t barrier);             /* failures do not matter */
uint64_t hr_last_read(int fd);                            /* 0: no note, or a broken one */

#endif
