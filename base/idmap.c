#include "base/idmap.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

struct slot {
	uint32_t tag; /* high half of the hash */
	uint32_t number; /* HR_NONE: empty */
};

struct hr_idmap {
	struct slot *slots; /* slot_count, a power of two, at most 5/8 full */
	size_t slot_count;
	uint64_t *place; /* number -> byte offset in ids; count + 1 entries are valid */
	size_t place_cap;
	uint8_t *ids; /* id bytes end to end */
	size_t ids_cap;
	uint32_t count;
};

static void clear_slots(struct hr_idmap *m, size_t slot_count)
{
	m->slot_count = slot_count;
	m->slots = hr_alloc(slot_count, sizeof *m->slots);
	for (size_t i = 0; i < slot_count; i++)
		m->slots[i].number = HR_NONE;
}

struct hr_idmap *hr_idmap_new(void)
{
	struct hr_idmap *m = hr_alloc(1, sizeof *m);

	clear_slots(m, 64);
	m->place = hr_grow(NULL, &m->place_cap, 1, sizeof *m->place);
	return m;
}

void hr_idmap_free(struct hr_idmap *m)
{
	if (m == NULL)
		return;
	hr_free(m->slots);
	hr_free(m->place);
	hr_free(m->ids);
	hr_free(m);
}

const uint8_t *hr_idmap_id(const struct hr_idmap *m, uint32_t number, size_t *ret_len)
{
	HR_ASSERT(number < m->count);
	*ret_len = (size_t)(m->place[number + 1] - m->place[number]);
	return m->ids + m->place[number];
}

/* The slot that holds the id, or the empty one where it belongs. */
static struct slot *seek(const struct hr_idmap *m, uint64_t hash, const void *id, size_t len)
{
	const size_t mask = m->slot_count - 1;
	const uint32_t tag = (uint32_t)(hash >> 32);

	for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
		struct slot *s = &m->slots[i];

		if (s->number == HR_NONE)
			return s;
		if (s->tag == tag) {
			size_t have_len;
			const uint8_t *have = hr_idmap_id(m, s->number, &have_len);

			if (have_len == len && memcmp(have, id, len) == 0)
				return s;
		}
	}
}

void hr_idmap_prefetch(const struct hr_idmap *m, uint64_t hash)
{
	__builtin_prefetch(&m->slots[(size_t)hash & (m->slot_count - 1)]);
}

uint32_t hr_idmap_guess(const struct hr_idmap *m, uint64_t hash)
{
	const size_t mask = m->slot_count - 1;

	for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask)
		if (m->slots[i].number == HR_NONE || m->slots[i].tag == (uint32_t)(hash >> 32))
			return m->slots[i].number;
}

void hr_idmap_prefetch_place(const struct hr_idmap *m, uint32_t number) { __builtin_prefetch(&m->place[number]); }
void hr_idmap_prefetch_id(const struct hr_idmap *m, uint32_t number) { __builtin_prefetch(m->ids + m->place[number]); }

uint32_t hr_idmap_find(const struct hr_idmap *m, const void *id, size_t len)
{
	return seek(m, hr_hash(id, len), id, len)->number;
}

static void rehash(struct hr_idmap *m)
{
	struct slot *old = m->slots;
	const size_t old_count = m->slot_count, mask = 2 * old_count - 1;

	clear_slots(m, 2 * old_count);
	for (size_t i = 0; i < old_count; i++) {
		if (old[i].number == HR_NONE)
			continue;
		size_t len;
		const uint8_t *id = hr_idmap_id(m, old[i].number, &len);
		size_t at = (size_t)hr_hash(id, len) & mask;
		while (m->slots[at].number != HR_NONE)
			at = (at + 1) & mask;
		m->slots[at] = old[i];
	}
	hr_free(old);
}

uint32_t hr_idmap_add(struct hr_idmap *m, const void *id, size_t len, bool *ret_new)
{
	const uint64_t hash = hr_hash(id, len);
	struct slot *s = seek(m, hash, id, len);

	HR_ASSERT(len >= 1 && len <= HR_ID_MAX);
	*ret_new = s->number == HR_NONE;
	if (!*ret_new)
		return s->number;
	HR_ASSERT(m->count < HR_NONE - 1);
	const uint64_t at = m->place[m->count];
	m->ids = hr_grow(m->ids, &m->ids_cap, (size_t)at + len, 1);
	memcpy(m->ids + at, id, len);
	s->tag = (uint32_t)(hash >> 32);
	s->number = m->count++;
	m->place = hr_grow(m->place, &m->place_cap, (size_t)m->count + 1, sizeof *m->place);
	m->place[m->count] = at + len;
	if ((size_t)m->count * 8 > m->slot_count * 5)
		rehash(m);
	return m->count - 1;
}

uint32_t hr_idmap_count(const struct hr_idmap *m) { return m->count; }

size_t hr_idmap_memory_bytes(const struct hr_idmap *m)
{
	return m->slot_count * sizeof *m->slots + m->place_cap * sizeof *m->place + m->ids_cap;
}
