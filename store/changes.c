/* What one barrier writes: the newest bytes of every changed record, hashed and summed as they are put. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/crc32c.h"
#include "store/priv.h"

enum { BLOCK_BYTES = 1 << 20, NAME_BYTES = 1 + 4 };
_Static_assert((int)NAME_BYTES >= (int)HR_VALUE_CRC, "the CRC takes the place of the name");

/* Bytes never move, so that what hr_changes_get lent stays good. */
struct block {
	struct block *next;
	size_t used, cap;
	uint8_t bytes[];
};

struct hr_changes {
	struct hr_change *change; /* count, in order of first put */
	size_t change_cap, count, bytes;
	uint32_t *slot; /* open addressing: index into change plus one, 0 for empty; at most half full */
	size_t slot_count;
	struct block *blocks;
	struct hr_buf order;
};

struct hr_changes *hr_changes_new(void)
{
	struct hr_changes *c = hr_alloc(1, sizeof *c);

	c->slot_count = 64;
	c->slot = hr_alloc(c->slot_count, sizeof *c->slot);
	return c;
}

void hr_changes_free(struct hr_changes *c)
{
	if (c == NULL)
		return;
	while (c->blocks != NULL) {
		struct block *next = c->blocks->next;

		hr_free(c->blocks);
		c->blocks = next;
	}
	hr_free(c->change);
	hr_free(c->slot);
	hr_buf_fini(&c->order);
	hr_free(c);
}

size_t hr_changes_bytes(const struct hr_changes *c) { return c->bytes; }
size_t hr_changes_count(const struct hr_changes *c) { return c->count; }

void hr_changes_order(struct hr_changes *c, const void *bytes, size_t len)
{
	hr_buf_clear(&c->order);
	hr_buf_bytes(&c->order, bytes, len);
}

const uint8_t *hr_changes_order_log(const struct hr_changes *c, size_t *ret_len)
{
	*ret_len = c->order.len;
	return c->order.p;
}

void hr_record_key(uint8_t key[HR_KEY_RECORD], uint8_t cls, uint32_t number)
{
	const uint32_t big = htobe32(number);

	key[0] = cls;
	memcpy(key + 1, &big, sizeof big);
}

struct hr_hash128 hr_record_hash(const uint8_t *named, size_t named_len)
{
	return hr_hash128(named, named_len, HR_STATE_FORMAT);
}

uint32_t hr_value_crc(const void *key, size_t key_len, const void *bytes, size_t len)
{
	return htole32(hr_crc32c(hr_crc32c(0, key, key_len), bytes, len));
}

/* The slot that points to (cls, number), or the empty one where it belongs. */
static uint32_t *seek(const struct hr_changes *c, uint8_t cls, uint32_t number)
{
	const uint64_t name = ((uint64_t)cls << 32 | number) * UINT64_C(0x9e3779b97f4a7c15);

	for (size_t i = (size_t)(name >> 32);; i++) {
		uint32_t *slot = &c->slot[i & (c->slot_count - 1)];

		if (*slot == 0 || (c->change[*slot - 1].number == number && c->change[*slot - 1].cls == cls))
			return slot;
	}
}

static void widen_slots(struct hr_changes *c)
{
	hr_free(c->slot);
	c->slot_count *= 2;
	c->slot = hr_alloc(c->slot_count, sizeof *c->slot);
	for (size_t i = 0; i < c->count; i++)
		*seek(c, c->change[i].cls, c->change[i].number) = (uint32_t)i + 1;
}

static struct hr_change *find_or_add(struct hr_changes *c, uint8_t cls, uint32_t number)
{
	uint32_t *slot = seek(c, cls, number);

	if (*slot != 0)
		return &c->change[*slot - 1];
	if ((c->count + 1) * 2 > c->slot_count) {
		widen_slots(c);
		slot = seek(c, cls, number);
	}
	c->change = hr_grow(c->change, &c->change_cap, c->count + 1, sizeof *c->change);
	c->change[c->count] = (struct hr_change){.cls = cls, .number = number};
	*slot = (uint32_t)++c->count;
	c->bytes += HR_KEY_RECORD;
	return &c->change[c->count - 1];
}

static uint8_t *room(struct hr_changes *c, size_t bytes)
{
	if (c->blocks == NULL || bytes > c->blocks->cap - c->blocks->used) {
		const size_t cap = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
		struct block *b = hr_alloc(1, sizeof *b + cap);

		b->cap = cap;
		b->next = c->blocks;
		c->blocks = b;
	}
	uint8_t *at = c->blocks->bytes + c->blocks->used;
	c->blocks->used += bytes;
	return at;
}

/* The bytes are copied once, behind their name, which the digest covers; then the CRC takes the place of the name. */
static void fill(struct hr_changes *c, struct hr_change *change, const void *bytes, size_t len)
{
	uint8_t *named = room(c, NAME_BYTES + len), *data = named + NAME_BYTES, key[HR_KEY_RECORD];
	const uint32_t number = htole32(change->number);

	named[0] = change->cls;
	memcpy(named + 1, &number, sizeof number);
	if (len != 0)
		memcpy(data, bytes, len);
	change->hash = hr_record_hash(named, NAME_BYTES + len);
	hr_record_key(key, change->cls, change->number);
	const uint32_t crc = hr_value_crc(key, sizeof key, data, len);
	memcpy(data - sizeof crc, &crc, sizeof crc);
	change->value = data - sizeof crc;
	change->value_len = sizeof crc + len;
}

void hr_changes_put(void *changes, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len)
{
	struct hr_changes *c = changes;

	HR_ASSERT((int)cls >= HR_CLASS_FIRST && (int)cls <= HR_CLASS_LAST && (bytes != NULL || len == 0));
	struct hr_change *change = find_or_add(c, (uint8_t)cls, number);
	c->bytes -= change->value_len;
	change->value = NULL;
	change->value_len = 0;
	change->hash = (struct hr_hash128){0};
	if (bytes != NULL)
		fill(c, change, bytes, len);
	c->bytes += change->value_len;
}

const uint8_t *hr_changes_get(const struct hr_changes *c, enum hr_record_class cls, uint32_t number, size_t *ret_len)
{
	const uint32_t slot = *seek(c, (uint8_t)cls, number);

	if (slot == 0 || c->change[slot - 1].value == NULL)
		return NULL;
	*ret_len = c->change[slot - 1].value_len - HR_VALUE_CRC;
	return c->change[slot - 1].value + HR_VALUE_CRC;
}

static int by_key(const void *a, const void *b)
{
	const struct hr_change *x = a, *y = b;

	if (x->cls != y->cls)
		return x->cls < y->cls ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

struct hr_change *hr_changes_sorted(const struct hr_changes *c)
{
	struct hr_change *sorted = hr_alloc(c->count, sizeof *sorted);

	if (c->count != 0)
		memcpy(sorted, c->change, c->count * sizeof *sorted);
	qsort(sorted, c->count, sizeof *sorted, by_key);
	return sorted;
}

void hr_changes_each(const struct hr_changes *c, hr_record_put_fn *put, void *ctx)
{
	HR_AUTO(hr_auto_free) struct hr_change *sorted = hr_changes_sorted(c);

	for (size_t i = 0; i < c->count; i++) {
		const struct hr_change *one = &sorted[i];

		put(ctx, (enum hr_record_class)one->cls, one->number, one->value == NULL ? NULL : one->value + HR_VALUE_CRC,
		    one->value == NULL ? 0 : one->value_len - HR_VALUE_CRC);
	}
}
