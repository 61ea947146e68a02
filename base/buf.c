#include "base/buf.h"

#include <string.h>

#include "base/mem.h"

void hr_buf_fini(struct hr_buf *b)
{
	hr_free(b->p);
	*b = (struct hr_buf){0};
}

void hr_buf_clear(struct hr_buf *b) { b->len = 0; }

static uint8_t *reserve(struct hr_buf *b, size_t n)
{
	b->p = hr_grow(b->p, &b->cap, b->len + n, 1);
	uint8_t *at = b->p + b->len;
	b->len += n;
	return at;
}

static void put_le(struct hr_buf *b, uint64_t v, size_t n)
{
	uint8_t *at = reserve(b, n);

	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)(v >> (8 * i));
}

void hr_buf_bytes(struct hr_buf *b, const void *p, size_t n)
{
	if (n != 0)
		memcpy(reserve(b, n), p, n);
}

void hr_buf_u8(struct hr_buf *b, uint8_t v) { put_le(b, v, 1); }
void hr_buf_u16(struct hr_buf *b, uint16_t v) { put_le(b, v, 2); }
void hr_buf_u32(struct hr_buf *b, uint32_t v) { put_le(b, v, 4); }
void hr_buf_u64(struct hr_buf *b, uint64_t v) { put_le(b, v, 8); }

void hr_buf_f32(struct hr_buf *b, float v)
{
	uint32_t u;

	memcpy(&u, &v, sizeof u);
	hr_buf_u32(b, u);
}

void hr_buf_f64(struct hr_buf *b, double v)
{
	uint64_t u;

	memcpy(&u, &v, sizeof u);
	hr_buf_u64(b, u);
}

void hr_buf_varint(struct hr_buf *b, uint64_t v)
{
	uint8_t bytes[HR_VARINT_MAX];

	hr_buf_bytes(b, bytes, (size_t)(hr_varint_put(bytes, v) - bytes));
}

void hr_buf_blob(struct hr_buf *b, const void *p, size_t n)
{
	hr_buf_u32(b, (uint32_t)n);
	hr_buf_bytes(b, p, n);
}

const uint8_t *hr_cur_bytes(struct hr_cursor *c, size_t n)
{
	if (c->failed || n > c->left) {
		c->failed = true;
		return NULL;
	}
	const uint8_t *p = c->p;
	c->p += n;
	c->left -= n;
	return p;
}

static uint64_t get_le(struct hr_cursor *c, size_t n)
{
	const uint8_t *p = hr_cur_bytes(c, n);
	uint64_t v = 0;

	for (size_t i = 0; p != NULL && i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

uint8_t hr_cur_u8(struct hr_cursor *c) { return (uint8_t)get_le(c, 1); }
uint16_t hr_cur_u16(struct hr_cursor *c) { return (uint16_t)get_le(c, 2); }
uint32_t hr_cur_u32(struct hr_cursor *c) { return (uint32_t)get_le(c, 4); }
uint64_t hr_cur_u64(struct hr_cursor *c) { return get_le(c, 8); }

float hr_cur_f32(struct hr_cursor *c)
{
	const uint32_t u = hr_cur_u32(c);
	float v;

	memcpy(&v, &u, sizeof v);
	return v;
}

double hr_cur_f64(struct hr_cursor *c)
{
	const uint64_t u = hr_cur_u64(c);
	double v;

	memcpy(&v, &u, sizeof v);
	return v;
}

uint64_t hr_cur_varint(struct hr_cursor *c)
{
	const uint8_t *at = c->p;
	uint64_t v = 0;

	if (c->failed || !hr_varint_get(&at, c->p + c->left, &v)) {
		c->failed = true;
		return 0;
	}
	(void)hr_cur_bytes(c, (size_t)(at - c->p));
	return v;
}

const uint8_t *hr_cur_blob(struct hr_cursor *c, size_t *ret_n)
{
	const size_t n = hr_cur_u32(c);
	const uint8_t *p = hr_cur_bytes(c, n);

	if (p != NULL)
		*ret_n = n;
	return p;
}

void hr_cur_copy(struct hr_cursor *c, void *to, size_t n)
{
	const uint8_t *p = hr_cur_bytes(c, n);

	if (p != NULL)
		memcpy(to, p, n);
	else
		memset(to, 0, n);
}
