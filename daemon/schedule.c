#include "daemon/schedule.h"

#include <string.h>

#include "base/base.h"

enum { REHEARSE = 0x52 }; /* purpose of the random stream that draws users */

struct hr_schedule {
	uint32_t window, room, positions; /* events that count; slots of the ring */
	float rehearsal;
	bool all_positions;
	uint64_t seed;
	uint32_t *ring; /* users of the last `filled` events, up to `window`; the newest stands before ring[head] */
	uint32_t head, filled;
	uint32_t *recent; /* for each user: events inside the window */
	uint64_t *drawn;  /* for each user: step that last took it as fresh, plus one */
	size_t recent_cap, drawn_cap;
};

struct hr_schedule *hr_schedule_new(uint32_t window, float rehearsal, bool all_positions, uint32_t positions, uint64_t seed)
{
	struct hr_schedule *s = hr_alloc(1, sizeof *s);

	HR_ASSERT(window >= 1 && positions >= 2);
	*s = (struct hr_schedule){.window = window, .room = window, .positions = positions, .rehearsal = rehearsal,
	                          .all_positions = all_positions, .seed = seed};
	s->ring = hr_alloc(window, sizeof *s->ring);
	return s;
}

void hr_schedule_free(struct hr_schedule *s)
{
	if (s == NULL)
		return;
	hr_free(s->ring);
	hr_free(s->recent);
	hr_free(s->drawn);
	hr_free(s);
}

/* Number i of the window, 0 is the oldest. */
static uint32_t ring_at(const struct hr_schedule *s, uint32_t i)
{
	return s->ring[(s->head + s->room - s->filled + i) % s->room];
}

static void drop_oldest(struct hr_schedule *s)
{
	s->recent[ring_at(s, 0)]--;
	s->filled--;
}

void hr_schedule_event(struct hr_schedule *s, uint32_t user)
{
	s->recent = hr_grow(s->recent, &s->recent_cap, (size_t)user + 1, sizeof *s->recent);
	s->drawn = hr_grow(s->drawn, &s->drawn_cap, (size_t)user + 1, sizeof *s->drawn);
	if (s->filled == s->window)
		drop_oldest(s);
	s->ring[s->head] = user;
	s->head = (s->head + 1) % s->room;
	s->filled++;
	s->recent[user]++;
}

void hr_schedule_window(struct hr_schedule *s, uint32_t n)
{
	HR_ASSERT(n >= 1);
	while (s->filled > n)
		drop_oldest(s);
	if (n > s->room) {
		uint32_t *ring = hr_alloc(n, sizeof *ring);

		for (uint32_t i = 0; i < s->filled; i++)
			ring[i] = ring_at(s, i);
		hr_free(s->ring);
		s->ring = ring;
		s->room = n;
		s->head = s->filled % n;
	}
	s->window = n;
}

static void add_position(struct hr_batch *out, const struct hr_past *p, const struct hr_past *next, bool learn)
{
	hr_batch_add(out, p->item, p->time_ms, p->kind, next->time_ms, learn ? next->item : HR_NONE, next->kind);
}

/* Every event is an input, the last one without a target; a loss where the next event lies inside the window. */
static void add_fresh(const struct hr_schedule *s, struct hr_history h, uint32_t recent, int64_t now_ms,
                      const struct hr_catalogue *catalogue, struct hr_batch *out)
{
	const uint32_t from = h.len > s->positions ? h.len - s->positions : 0;
	const uint32_t first_new = recent < h.len && !s->all_positions ? h.len - recent : 0;

	hr_batch_begin(out, 1);
	for (uint32_t i = from; i + 1 < h.len; i++)
		add_position(out, &h.past[i], &h.past[i + 1],
		             i + 1 >= first_new && hr_catalogue_get(catalogue, h.past[i + 1].item).admitted);
	const struct hr_past *last = &h.past[h.len - 1];
	hr_batch_add(out, last->item, last->time_ms, last->kind, now_ms > last->time_ms ? now_ms : last->time_ms, HR_NONE, 0);
}

/* Every position but the last is an input with the next event as its target. */
static void add_rehearsed(const struct hr_schedule *s, struct hr_history h, const struct hr_catalogue *catalogue,
                          struct hr_batch *out)
{
	const uint32_t from = h.len - 1u > s->positions ? h.len - 1u - s->positions : 0;

	hr_batch_begin(out, 0);
	for (uint32_t i = from; i + 1 < h.len; i++)
		add_position(out, &h.past[i], &h.past[i + 1], hr_catalogue_get(catalogue, h.past[i + 1].item).admitted);
}

void hr_schedule_batch(struct hr_schedule *s, uint64_t step, int64_t now_ms, const struct hr_histories *histories,
                       const struct hr_catalogue *catalogue, struct hr_batch *out)
{
	struct hr_rng rng = hr_rng_stream(s->seed, REHEARSE, step);
	const uint32_t users = hr_histories_count(histories);
	size_t fresh = 0;

	hr_batch_clear(out);
	for (uint32_t i = 0; i < s->filled; i++) {
		const uint32_t user = ring_at(s, i);
		const struct hr_history h = hr_histories_get(histories, user);

		if (s->drawn[user] == step + 1 || h.len < 2)
			continue;
		s->drawn[user] = step + 1;
		add_fresh(s, h, s->recent[user], now_ms, catalogue, out);
		fresh++;
	}
	const size_t rehearsed = (size_t)((float)fresh * s->rehearsal);
	for (size_t i = 0; i < rehearsed; i++) {
		const struct hr_history h = hr_histories_get(histories, hr_rng_below(&rng, users));

		if (h.len >= 2)
			add_rehearsed(s, h, catalogue, out);
	}
}

void hr_schedule_write(const struct hr_schedule *s, struct hr_buf *out)
{
	hr_buf_u32(out, s->filled);
	for (uint32_t i = 0; i < s->filled; i++)
		hr_buf_u32(out, ring_at(s, i));
}

bool hr_schedule_read(struct hr_schedule *s, struct hr_cursor *c, uint32_t users, struct hr_error *err)
{
	const uint32_t filled = hr_cur_u32(c);

	if (filled > s->window)
		return hr_fail(err, HR_E_FORMAT, "schedule record: %u events in a window of %u", filled, s->window);
	for (uint32_t i = 0; i < filled; i++) {
		const uint32_t user = hr_cur_u32(c);

		if (c->failed)
			break;
		if (user >= users)
			return hr_fail(err, HR_E_FORMAT, "schedule record: user %u, the state has %u", user, users);
		hr_schedule_event(s, user);
	}
	if (c->failed || c->left != 0)
		return hr_fail(err, HR_E_FORMAT, "schedule record: %s", c->failed ? "too short" : "bytes left over");
	return true;
}
