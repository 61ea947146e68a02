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
void hr_buf_varint(struct hr_buf *b, uint64_t v); /* LEB128, as in protobuf */
/** u32 length, then the bytes. */
void hr_buf_blob(struct hr_buf *b, const void *p, size_t n);

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
uint64_t hr_cur_varint(struct hr_cursor *c);
const uint8_t *hr_cur_blob(struct hr_cursor *c, size_t *ret_n); /* borrowed; NULL when short */
/** Copies n bytes out, or zeros when short. */
void hr_cur_copy(struct hr_cursor *c, void *to, size_t n);

#endif
