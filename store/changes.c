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
	uint64_t next[HR_CLASS_LAST - HR_CLASS_FIRST + 1]; /* a number from here on is new to its class */
	bool mixed;     /* some class is not in ascending order */
	uint32_t *slot; /* open addressing: index into change plus one, 0 for empty; at most half full; indexed changes only */
	size_t slot_count, indexed;
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

		free(c->blocks);
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

/* The numbers of a class come in ascending order, mostly, and are then surely new: the index is made when somebody asks. */
static void index_all(struct hr_changes *c)
{
	if (c->count * 2 > c->slot_count) {
		hr_free(c->slot);
		while (c->count * 2 > c->slot_count)
			c->slot_count *= 2;
		c->slot = hr_alloc(c->slot_count, sizeof *c->slot);
		c->indexed = 0;
	}
	for (; c->indexed < c->count; c->indexed++)
		*seek(c, c->change[c->indexed].cls, c->change[c->indexed].number) = (uint32_t)c->indexed + 1;
}

static struct hr_change *find_or_add(struct hr_changes *c, uint8_t cls, uint32_t number)
{
	uint64_t *next = &c->next[cls - HR_CLASS_FIRST];

	if (number < *next) {
		index_all(c);
		const uint32_t slot = *seek(c, cls, number);
		if (slot != 0)
			return &c->change[slot - 1];
		c->mixed = true;
	} else {
		*next = (uint64_t)number + 1;
	}
	c->change = hr_grow(c->change, &c->change_cap, c->count + 1, sizeof *c->change);
	c->change[c->count] = (struct hr_change){.cls = cls, .number = number};
	c->bytes += HR_KEY_RECORD;
	return &c->change[c->count++];
}

static uint8_t *room(struct hr_changes *c, size_t bytes)
{
	if (c->blocks == NULL || bytes > c->blocks->cap - c->blocks->used) {
		const size_t cap = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
		struct block *b = malloc(sizeof *b + cap); /* not cleared: every byte is written, while ingest stands still */

		HR_ASSERT(b != NULL);
		*b = (struct block){.next = c->blocks, .cap = cap};
		c->blocks = b;
	}
	uint8_t *at = c->blocks->bytes + c->blocks->used;
	c->blocks->used += bytes;
	return at;
}

/* The bytes are copied once, with room for their name in front. */
static void fill(struct hr_changes *c, struct hr_change *change, const void *bytes, size_t len)
{
	uint8_t *data = room(c, NAME_BYTES + len) + NAME_BYTES;

	if (len != 0)
		memcpy(data, bytes, len);
	change->value = data - HR_VALUE_CRC;
	change->value_len = HR_VALUE_CRC + len;
	change->sealed = false;
}

/* Behind its name a record is hashed for the digest; then the CRC takes the place of the name. Left to the writer, so that
 * ingest does not stand still for it. */
static void seal(struct hr_change *change)
{
	uint8_t *data = change->value + HR_VALUE_CRC, *named = data - NAME_BYTES, key[HR_KEY_RECORD];
	const uint32_t number = htole32(change->number);
	const size_t len = change->value_len - HR_VALUE_CRC;

	named[0] = change->cls;
	memcpy(named + 1, &number, sizeof number);
	change->hash = hr_record_hash(named, NAME_BYTES + len);
	hr_record_key(key, change->cls, change->number);
	const uint32_t crc = hr_value_crc(key, sizeof key, data, len);
	memcpy(change->value, &crc, sizeof crc);
	change->sealed = true;
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

const uint8_t *hr_changes_get(struct hr_changes *c, enum hr_record_class cls, uint32_t number, size_t *ret_len)
{
	index_all(c);
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

/* Each class is in order already: they are only put one behind the other. */
static void by_class(struct hr_change *sorted, const struct hr_changes *c)
{
	size_t place[HR_CLASS_LAST - HR_CLASS_FIRST + 2] = {0};

	for (size_t i = 0; i < c->count; i++)
		place[c->change[i].cls - HR_CLASS_FIRST + 1]++;
	for (int cls = HR_CLASS_FIRST; cls <= HR_CLASS_LAST; cls++)
		place[cls - HR_CLASS_FIRST + 1] += place[cls - HR_CLASS_FIRST];
	for (size_t i = 0; i < c->count; i++)
		sorted[place[c->change[i].cls - HR_CLASS_FIRST]++] = c->change[i];
}

struct hr_change *hr_changes_sorted(const struct hr_changes *c)
{
	struct hr_change *sorted = hr_alloc(c->count, sizeof *sorted);

	for (size_t i = 0; i < c->count; i++)
		if (c->change[i].value != NULL && !c->change[i].sealed)
			seal(&c->change[i]);
	by_class(sorted, c);
	if (c->mixed)
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
