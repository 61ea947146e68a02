#include "model/batch.h"

#include "base/kind.h"
#include "base/mem.h"

void hr_batch_clear(struct hr_batch *b)
{
	b->sequences = 0;
	b->positions = 0;
}

void hr_batch_fini(struct hr_batch *b)
{
	hr_free(b->start);
	hr_free(b->fresh);
	hr_free(b->item);
	hr_free(b->time_ms);
	hr_free(b->kind);
	hr_free(b->ask_ms);
	hr_free(b->target);
	hr_free(b->target_kind);
	*b = (struct hr_batch){0};
}

void hr_batch_begin(struct hr_batch *b, int fresh)
{
	const size_t s = b->sequences++;

	b->start = hr_grow(b->start, &b->start_cap, s + 2, sizeof *b->start);
	b->fresh = hr_grow(b->fresh, &b->sequences_cap, s + 1, sizeof *b->fresh);
	b->fresh[s] = fresh != 0;
	b->start[s] = (uint32_t)b->positions;
	b->start[s + 1] = (uint32_t)b->positions;
}

/* The arrays share one capacity: each is grown from the same old one. */
static void *grow_one(void *p, size_t cap, size_t need, size_t size) { return hr_grow(p, &cap, need, size); }

static void make_room(struct hr_batch *b, size_t need)
{
	const size_t cap = b->positions_cap;

	b->time_ms = grow_one(b->time_ms, cap, need, sizeof *b->time_ms);
	b->kind = grow_one(b->kind, cap, need, sizeof *b->kind);
	b->ask_ms = grow_one(b->ask_ms, cap, need, sizeof *b->ask_ms);
	b->target = grow_one(b->target, cap, need, sizeof *b->target);
	b->target_kind = grow_one(b->target_kind, cap, need, sizeof *b->target_kind);
	b->item = hr_grow(b->item, &b->positions_cap, need, sizeof *b->item);
}

void hr_batch_add(struct hr_batch *b, uint32_t item, int64_t time_ms, uint8_t kind, int64_t ask_ms, uint32_t target,
                  uint8_t target_kind)
{
	const size_t p = b->positions++;

	HR_ASSERT(b->sequences > 0 && p < UINT32_MAX);
	if (b->positions > b->positions_cap)
		make_room(b, b->positions);
	b->item[p] = item;
	b->time_ms[p] = time_ms;
	b->kind[p] = kind < HR_KIND_COUNT ? kind : 0; /* 0 stands for any kind that is not known here */
	b->ask_ms[p] = ask_ms;
	b->target[p] = target;
	b->target_kind[p] = target_kind;
	b->start[b->sequences] = (uint32_t)b->positions;
}
