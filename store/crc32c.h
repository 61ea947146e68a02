/* store/crc32c.h - CRC-32C (Castagnoli, reflected 0x82f63b78), as in iSCSI, ext4 and RocksDB. Private to store/. */
#ifndef HR_STORE_CRC32C_H
#define HR_STORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/** CRC of n bytes that follow bytes whose CRC is crc; 0 to begin. Uses the processor's instruction where it has one. */
uint32_t hr_crc32c(uint32_t crc, const void *p, size_t n);

/** The same by table: for processors without the instruction, and to test the other against. */
uint32_t hr_crc32c_table(uint32_t crc, const void *p, size_t n);

#endif
