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
	uint32_t count, indexed; /* the numbers below indexed are in the slots */
};

enum { AHEAD = 16 }; /* slots fetched while one is filled; a power of two */

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

static void fetch_slot(const struct hr_idmap *m, uint64_t hash)
{
	__builtin_prefetch(&m->slots[(size_t)hash & (m->slot_count - 1)]);
}

void hr_idmap_fetch_slots(const struct hr_idmap *m, const struct hr_id *id, size_t count, uint64_t *ret_hash)
{
	HR_ASSERT(count <= HR_FETCH_MAX);
	for (size_t i = 0; i < count; i++) {
		ret_hash[i] = id[i].len != 0 ? hr_hash(id[i].p, id[i].len) : 0;
		fetch_slot(m, ret_hash[i]);
	}
}

/* By what the slots alone say. */
static uint32_t guess(const struct hr_idmap *m, uint64_t hash)
{
	const size_t mask = m->slot_count - 1;

	for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask)
		if (m->slots[i].number == HR_NONE || m->slots[i].tag == (uint32_t)(hash >> 32))
			return m->slots[i].number;
}

void hr_idmap_fetch_guess(const struct hr_idmap *m, const uint64_t *hash, size_t count, uint32_t *ret_number)
{
	for (size_t i = 0; i < count; i++) {
		ret_number[i] = guess(m, hash[i]);
		if (ret_number[i] != HR_NONE)
			__builtin_prefetch(&m->place[ret_number[i]]);
	}
}

void hr_idmap_fetch_ids(const struct hr_idmap *m, const uint32_t *number, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (number[i] != HR_NONE)
			__builtin_prefetch(m->ids + m->place[number[i]]);
}

uint32_t hr_idmap_find(const struct hr_idmap *m, const void *id, size_t len)
{
	HR_ASSERT(m->indexed == m->count);
	return seek(m, hr_hash(id, len), id, len)->number;
}

/* Hash of a number's id, whose slot is fetched. */
static uint64_t hash_ahead(const struct hr_idmap *m, uint32_t number)
{
	size_t len;
	const uint8_t *id = hr_idmap_id(m, number, &len);
	const uint64_t hash = hr_hash(id, len);

	fetch_slot(m, hash);
	return hash;
}

/* Numbers from indexed on go into the slots, which have room. */
static bool fill_slots(struct hr_idmap *m, uint32_t *ret_first, uint32_t *ret_again)
{
	uint64_t hash[AHEAD];
	uint32_t fetched = m->indexed;

	for (; m->indexed < m->count; m->indexed++) {
		for (; fetched < m->count && fetched - m->indexed < AHEAD; fetched++)
			hash[fetched % AHEAD] = hash_ahead(m, fetched);
		size_t len;
		const uint8_t *id = hr_idmap_id(m, m->indexed, &len);
		struct slot *s = seek(m, hash[m->indexed % AHEAD], id, len);
		if (s->number != HR_NONE) {
			*ret_first = s->number;
			*ret_again = m->indexed;
			return false;
		}
		*s = (struct slot){(uint32_t)(hash[m->indexed % AHEAD] >> 32), m->indexed};
	}
	return true;
}

bool hr_idmap_index(struct hr_idmap *m, uint32_t *ret_first, uint32_t *ret_again)
{
	size_t slot_count = m->slot_count;

	while ((size_t)m->count * 8 > slot_count * 5)
		slot_count *= 2;
	if (slot_count != m->slot_count) {
		hr_free(m->slots);
		clear_slots(m, slot_count);
		m->indexed = 0;
	}
	return fill_slots(m, ret_first, ret_again);
}

uint32_t hr_idmap_append(struct hr_idmap *m, const void *id, size_t len)
{
	HR_ASSERT(len >= 1 && len <= HR_ID_MAX && m->count < HR_NONE - 1);
	const uint64_t at = m->place[m->count];
	m->ids = hr_grow(m->ids, &m->ids_cap, (size_t)at + len, 1);
	memcpy(m->ids + at, id, len);
	m->place = hr_grow(m->place, &m->place_cap, (size_t)m->count + 2, sizeof *m->place);
	m->place[m->count + 1] = at + len;
	return m->count++;
}

uint32_t hr_idmap_add(struct hr_idmap *m, const void *id, size_t len, bool *ret_new)
{
	const uint64_t hash = hr_hash(id, len);
	struct slot *s = seek(m, hash, id, len);
	uint32_t first, again;

	HR_ASSERT(m->indexed == m->count);
	*ret_new = s->number == HR_NONE;
	if (!*ret_new)
		return s->number;
	*s = (struct slot){(uint32_t)(hash >> 32), hr_idmap_append(m, id, len)};
	m->indexed++;
	HR_ASSERT(hr_idmap_index(m, &first, &again));
	return m->count - 1;
}

uint32_t hr_idmap_count(const struct hr_idmap *m) { return m->count; }

size_t hr_idmap_memory_bytes(const struct hr_idmap *m)
{
	return m->slot_count * sizeof *m->slots + m->place_cap * sizeof *m->place + m->ids_cap;
}
