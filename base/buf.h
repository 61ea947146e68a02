/* base/buf.h - growable bytes to write a record into, and a bounded cursor to read one; everything little-endian. */
#ifndef HR_BASE_BUF_H
#define HR_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hr_buf {
	uint8_t *p;
	size_t len, cap;
};

void hr_buf_fini(struct hr_buf *b);
void hr_buf_clear(struct hr_buf *b); /* keeps the memory */
void hr_buf_bytes(struct hr_buf *b, const void *p, size_t n);
void hr_buf_u8(struct hr_buf *b, uint8_t v);
void hr_buf_u16(struct hr_buf *b, uint16_t v);
void hr_buf_u32(struct hr_buf *b, uint32_t v);
void hr_buf_u64(struct hr_buf *b, uint64_t v);
void hr_buf_f32(struct hr_buf *b, float v);
void hr_buf_f64(struct hr_buf *b, double v);
void hr_buf_varint(struct hr_buf *b, uint64_t v); /* LEB128, as in protobuf; at most HR_VARINT_MAX bytes */
/** u32 length, then the bytes. */
void hr_buf_blob(struct hr_buf *b, const void *p, size_t n);

#define HR_VARINT_MAX 10u

/** The same without a buffer around it. Returns the end. */
static inline uint8_t *hr_varint_put(uint8_t *to, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*to++ = (uint8_t)(v | 0x80);
	*to++ = (uint8_t)v;
	return to;
}

/** Reads the number at *p; false when it is cut off, over 64 bits or longer than need be. */
static inline bool hr_varint_get(const uint8_t **p, const uint8_t *end, uint64_t *ret_v)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && *p < end; shift += 7) {
		const uint8_t byte = *(*p)++;

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte >= 0x80)
			continue;
		*ret_v = v;
		return (byte != 0 || shift == 0) && (shift < 63 || byte == 1);
	}
	return false;
}

/** Reads past the end set failed and give zeros; check failed (and, for a whole record, left == 0) once at the end. */
struct hr_cursor {
	const uint8_t *p;
	size_t left;
	bool failed;
};

const uint8_t *hr_cur_bytes(struct hr_cursor *c, size_t n); /* borrowed; NULL when short */
uint8_t hr_cur_u8(struct hr_cursor *c);
uint16_t hr_cur_u16(struct hr_cursor *c);
uint32_t hr_cur_u32(struct hr_cursor *c);
uint64_t hr_cur_u64(struct hr_cursor *c);
float hr_cur_f32(struct hr_cursor *c);
double hr_cur_f64(struct hr_cursor *c);
uint64_t hr_cur_varint(struct hr_cursor *c); /* in its shortest form only, so that a number has one form */
const uint8_t *hr_cur_blob(struct hr_cursor *c, size_t *ret_n); /* borrowed; NULL when short */
/** Copies n bytes out, or zeros when short. */
void hr_cur_copy(struct hr_cursor *c, void *to, size_t n);

#endif
