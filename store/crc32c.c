#include "store/crc32c.h"

#include <endian.h>
#include <pthread.h>
#include <string.h>

static uint32_t table[8][256]; /* table[k][b]: CRC of byte b followed by k zero bytes */
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t crc = b;

		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
		table[0][b] = crc;
	}
	for (size_t k = 1; k < 8; k++)
		for (size_t b = 0; b < 256; b++)
			table[k][b] = (table[k - 1][b] >> 8) ^ table[0][table[k - 1][b] & 0xff];
}

/* Eight bytes a turn; Kounavis and Berry, "A systematic approach to building high performance software-based CRC
 * generators", 2005. */
uint32_t hr_crc32c_table(uint32_t crc, const void *p, size_t n)
{
	const uint8_t *at = p;

	(void)pthread_once(&table_once, fill_table);
	crc = ~crc;
	for (; n >= 8; n -= 8, at += 8) {
		uint64_t v;

		memcpy(&v, at, sizeof v);
		v = le64toh(v) ^ crc;
		crc = 0;
		for (unsigned k = 0; k < 8; k++)
			crc ^= table[7 - k][(v >> (8 * k)) & 0xff];
	}
	for (; n > 0; n--, at++)
		crc = (crc >> 8) ^ table[0][(crc ^ *at) & 0xff];
	return ~crc;
}

#if defined __x86_64__
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *p, size_t n)
{
	const uint8_t *at = p;
	uint64_t wide = ~crc;

	for (; n >= 8; n -= 8, at += 8) {
		uint64_t v;

		memcpy(&v, at, sizeof v);
		wide = _mm_crc32_u64(wide, v);
	}
	uint32_t narrow = (uint32_t)wide;
	for (; n > 0; n--, at++)
		narrow = _mm_crc32_u8(narrow, *at);
	return ~narrow;
}

uint32_t hr_crc32c(uint32_t crc, const void *p, size_t n)
{
	return __builtin_cpu_supports("sse4.2") ? crc32c_sse42(crc, p, n) : hr_crc32c_table(crc, p, n);
}
#else
uint32_t hr_crc32c(uint32_t crc, const void *p, size_t n) { return hr_crc32c_table(crc, p, n); }
#endif
