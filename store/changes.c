/* What one barrier writes: the newest bytes of every changed record; hashed and summed when they are written. */
#include <endian.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/crc32c.h"
#include "store/priv.h"

enum { BLOCK_BYTES = 4 << 20, NAME_BYTES = 1 + 4 };
_Static_assert((int)NAME_BYTES >= (int)HR_VALUE_CRC, "the CRC takes the place of the name");

/* Bytes never move, so that what hr_changes_get lent stays good. */
struct block {
	struct block *next;
	size_t used, cap;
	uint8_t bytes[];
};

/* Small: ingest stands still while 200,000 of them are laid down. */
struct put {
	uint8_t *data; /* behind NAME_BYTES of room; NULL: delete */
	uint32_t len, number;
	uint8_t cls;
};

struct hr_changes {
	struct put *change; /* count, in order of first put */
	size_t change_cap, count, bytes;
	uint64_t next[HR_CLASS_LAST - HR_CLASS_FIRST + 1]; /* a number from here on is new to its class */
	bool mixed;     /* some class is not in ascending order */
	uint32_t *slot; /* open addressing: index into change plus one, 0 for empty; at most half full; indexed changes only */
	size_t slot_count, indexed;
	struct block *blocks; /* the first is being filled */
	struct block *empty;
	struct hr_buf order;
};

/* What barriers were written in is kept for the next ones: while ingest stands still, the kernel should not clear pages. */
enum { SPARE_MAX = 2, SPARE_BLOCKS = 16 };
static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;
static struct hr_changes *spare[SPARE_MAX];

static struct hr_changes *take_spare(void)
{
	struct hr_changes *c = NULL;

	(void)pthread_mutex_lock(&spare_lock);
	for (int i = 0; i < SPARE_MAX && c == NULL; i++) {
		c = spare[i];
		spare[i] = NULL;
	}
	(void)pthread_mutex_unlock(&spare_lock);
	return c;
}

/* Returns c when there are enough. */
static struct hr_changes *give_spare(struct hr_changes *c)
{
	(void)pthread_mutex_lock(&spare_lock);
	for (int i = 0; i < SPARE_MAX && c != NULL; i++) {
		if (spare[i] != NULL)
			continue;
		spare[i] = c;
		c = NULL;
	}
	(void)pthread_mutex_unlock(&spare_lock);
	return c;
}

struct hr_changes *hr_changes_new(void)
{
	struct hr_changes *c = take_spare();

	if (c != NULL)
		return c;
	c = hr_alloc(1, sizeof *c);
	c->slot_count = 64;
	c->slot = hr_alloc(c->slot_count, sizeof *c->slot);
	return c;
}

static void free_blocks(struct block *b)
{
	while (b != NULL) {
		struct block *next = b->next;

		hr_free(b);
		b = next;
	}
}

/* Leaves c as new, but for the memory that it holds. */
static void clear(struct hr_changes *c)
{
	struct block *kept = c->empty;
	size_t count = 0;

	while (c->blocks != NULL) {
		struct block *b = c->blocks;

		c->blocks = b->next;
		b->used = 0;
		b->next = kept;
		kept = b;
	}
	for (struct block *b = kept; b != NULL; b = b->next)
		if (++count == SPARE_BLOCKS) {
			free_blocks(b->next);
			b->next = NULL;
		}
	c->empty = kept;
	if (c->indexed != 0)
		memset(c->slot, 0, c->slot_count * sizeof *c->slot);
	memset(c->next, 0, sizeof c->next);
	c->count = c->bytes = c->indexed = 0;
	c->mixed = false;
	hr_buf_clear(&c->order);
}

void hr_changes_free(struct hr_changes *c)
{
	if (c == NULL)
		return;
	clear(c);
	c = give_spare(c);
	if (c == NULL)
		return;
	free_blocks(c->empty);
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

static struct put *find_or_add(struct hr_changes *c, uint8_t cls, uint32_t number)
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
	c->change[c->count] = (struct put){.cls = cls, .number = number};
	c->bytes += HR_KEY_RECORD;
	return &c->change[c->count++];
}

void hr_changes_reserve(struct hr_changes *c, size_t count)
{
	c->change = hr_grow(c->change, &c->change_cap, c->count + count, sizeof *c->change);
}

static struct block *new_block(struct hr_changes *c, size_t bytes)
{
	const size_t whole = bytes + sizeof(struct block) > BLOCK_BYTES ? bytes + sizeof(struct block) : BLOCK_BYTES;
	struct block *b = c->empty;

	if (b != NULL && b->cap >= bytes) {
		c->empty = b->next;
		return b;
	}
	b = hr_alloc_blank(whole, 1);
	*b = (struct block){.cap = whole - sizeof *b};
	return b;
}

static uint8_t *room(struct hr_changes *c, size_t bytes)
{
	if (c->blocks == NULL || bytes > c->blocks->cap - c->blocks->used) {
		struct block *b = new_block(c, bytes);

		b->next = c->blocks;
		c->blocks = b;
	}
	uint8_t *at = c->blocks->bytes + c->blocks->used;
	c->blocks->used += bytes;
	return at;
}

static size_t value_bytes(const struct put *p) { return p->data == NULL ? 0 : HR_VALUE_CRC + p->len; }

void hr_changes_put(void *changes, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len)
{
	struct hr_changes *c = changes;

	HR_ASSERT((int)cls >= HR_CLASS_FIRST && (int)cls <= HR_CLASS_LAST && (bytes != NULL || len == 0) && len <= UINT32_MAX);
	struct put *p = find_or_add(c, (uint8_t)cls, number);
	c->bytes -= value_bytes(p);
	p->data = NULL;
	p->len = (uint32_t)len;
	if (bytes != NULL) {
		p->data = room(c, NAME_BYTES + len) + NAME_BYTES;
		if (len != 0)
			memcpy(p->data, bytes, len);
	}
	c->bytes += value_bytes(p);
}

const uint8_t *hr_changes_get(struct hr_changes *c, enum hr_record_class cls, uint32_t number, size_t *ret_len)
{
	index_all(c);
	const uint32_t slot = *seek(c, (uint8_t)cls, number);

	if (slot == 0 || c->change[slot - 1].data == NULL)
		return NULL;
	*ret_len = c->change[slot - 1].len;
	return c->change[slot - 1].data;
}

static int by_key(const void *a, const void *b)
{
	const struct put *x = a, *y = b;

	if (x->cls != y->cls)
		return x->cls < y->cls ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

/* Each class is in order already, mostly: they are only put one behind the other. Returned. */
static struct put *in_order(const struct hr_changes *c)
{
	struct put *sorted = hr_alloc_blank(c->count, sizeof *sorted);
	size_t place[HR_CLASS_LAST - HR_CLASS_FIRST + 2] = {0};

	for (size_t i = 0; i < c->count; i++)
		place[c->change[i].cls - HR_CLASS_FIRST + 1]++;
	for (int cls = HR_CLASS_FIRST; cls <= HR_CLASS_LAST; cls++)
		place[cls - HR_CLASS_FIRST + 1] += place[cls - HR_CLASS_FIRST];
	for (size_t i = 0; i < c->count; i++)
		sorted[place[c->change[i].cls - HR_CLASS_FIRST]++] = c->change[i];
	if (c->mixed)
		qsort(sorted, c->count, sizeof *sorted, by_key);
	return sorted;
}

/* Behind its name a record is hashed for the digest; then the CRC takes the place of the name. Left to the writer, so that
 * ingest does not stand still for it. */
static struct hr_change seal(const struct put *p)
{
	struct hr_change change = {.cls = p->cls, .number = p->number};
	const uint32_t number = htole32(p->number);
	uint8_t key[HR_KEY_RECORD];

	if (p->data == NULL)
		return change;
	uint8_t *named = p->data - NAME_BYTES;
	named[0] = p->cls;
	memcpy(named + 1, &number, sizeof number);
	change.hash = hr_record_hash(named, NAME_BYTES + p->len);
	hr_record_key(key, p->cls, p->number);
	const uint32_t crc = hr_value_crc(key, sizeof key, p->data, p->len);
	change.value = memcpy(p->data - HR_VALUE_CRC, &crc, sizeof crc);
	change.value_len = HR_VALUE_CRC + p->len;
	return change;
}

void hr_changes_sealed(const struct hr_changes *c, hr_change_fn *visit, void *ctx)
{
	HR_AUTO(hr_auto_free) struct put *sorted = in_order(c);

	for (size_t i = 0; i < c->count; i++) {
		const struct hr_change change = seal(&sorted[i]);

		visit(ctx, &change);
	}
}

void hr_changes_each(const struct hr_changes *c, hr_record_put_fn *put, void *ctx)
{
	HR_AUTO(hr_auto_free) struct put *sorted = in_order(c);

	for (size_t i = 0; i < c->count; i++)
		put(ctx, (enum hr_record_class)sorted[i].cls, sorted[i].number, sorted[i].data, sorted[i].data == NULL ? 0 : sorted[i].len);
}
