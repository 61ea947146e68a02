#include "daemon/epochs.h"

#include <string.h>

#include "base/base.h"

enum { SHUFFLE = 0x53 }; /* purpose of the random stream that orders an epoch */
enum { WARM_UP_STEPS = 100 };

#define RATE_END 0.1 /* of the peak, at the last step */

/* Inputs past[from] .. past[to - 2] of a user, each with the event behind it as its target. */
struct window {
	uint32_t user;
	uint16_t from, to;
};

struct hr_epochs {
	struct hr_epochs_config config;
	hr_history_fn *history;
	const void *ctx;
	struct window *window; /* users in order */
	size_t windows, window_cap;
	uint32_t *order;       /* numbers of windows, as the epoch takes them */
	uint64_t positions;
	struct hr_epochs_place at;
};

static void add_window(struct hr_epochs *e, uint32_t user, size_t from, size_t to)
{
	e->window = hr_grow(e->window, &e->window_cap, e->windows + 1, sizeof *e->window);
	e->window[e->windows++] = (struct window){user, (uint16_t)from, (uint16_t)to};
	e->positions += to - 1 - from;
}

/* From the end, so that only the oldest window is short. */
static void add_history(struct hr_epochs *e, uint32_t user, size_t len)
{
	const size_t L = e->config.positions;

	for (size_t to = len; to >= 2; to = to > L ? to - L : 0)
		add_window(e, user, to - 1 > L ? to - 1 - L : 0, to);
}

/* From the users' own order each time: no epoch depends on the one before it (Fisher and Yates). */
static void shuffle(struct hr_epochs *e)
{
	struct hr_rng rng = hr_rng_stream(e->config.seed, SHUFFLE, e->at.epoch);

	for (size_t i = 0; i < e->windows; i++)
		e->order[i] = (uint32_t)i;
	for (size_t i = e->windows; i > 1; i--) {
		const size_t j = hr_rng_below(&rng, (uint32_t)i);
		const uint32_t w = e->order[i - 1];

		e->order[i - 1] = e->order[j];
		e->order[j] = w;
	}
}

struct hr_epochs *hr_epochs_new(const struct hr_epochs_config *config, hr_history_fn *history, const void *ctx,
                                uint32_t users)
{
	struct hr_epochs *e = hr_alloc(1, sizeof *e);

	*e = (struct hr_epochs){.config = *config, .history = history, .ctx = ctx};
	for (uint32_t user = 0; user < users; user++)
		add_history(e, user, history(ctx, user).len);
	HR_ASSERT(e->windows < UINT32_MAX);
	e->order = hr_alloc(e->windows + 1, sizeof *e->order);
	shuffle(e);
	return e;
}

void hr_epochs_free(struct hr_epochs *e)
{
	if (e == NULL)
		return;
	hr_free(e->window);
	hr_free(e->order);
	hr_free(e);
}

uint64_t hr_epochs_positions(const struct hr_epochs *e) { return e->positions; }
struct hr_epochs_place hr_epochs_place(const struct hr_epochs *e) { return e->at; }

uint64_t hr_epochs_planned(const struct hr_epochs *e)
{
	return (e->positions + e->config.batch - 1) / e->config.batch * e->config.epochs;
}

bool hr_epochs_go(struct hr_epochs *e, struct hr_epochs_place place)
{
	e->at = place;
	shuffle(e);
	return place.window < e->windows;
}

static void read_window(const struct hr_epochs *e, struct window w, const struct hr_catalogue *catalogue, struct hr_batch *out)
{
	const struct hr_history h = e->history(e->ctx, w.user);

	hr_batch_begin(out, /* fresh */ 1);
	for (size_t i = w.from; i + 1 < w.to; i++) {
		const struct hr_past *now = &h.past[i], *next = now + 1;
		const bool learn = catalogue == NULL || hr_catalogue_get(catalogue, next->item).admitted;

		hr_batch_add(out, now->item, now->time_ms, now->kind, next->time_ms, learn ? next->item : HR_NONE, next->kind);
	}
}

static float rate_now(const struct hr_epochs *e)
{
	const double total = (double)e->positions / e->config.batch * e->config.epochs, step = (double)e->at.steps;
	const double up = step + 1 < WARM_UP_STEPS ? (step + 1) / WARM_UP_STEPS : 1;
	const double down = 1 - (1 - RATE_END) * (step < total ? step / total : 1);

	return (float)((double)e->config.rate * up * down);
}

void hr_epochs_batch(struct hr_epochs *e, const struct hr_catalogue *catalogue, struct hr_batch *out, float *ret_rate)
{
	HR_ASSERT(e->at.window < e->windows);
	hr_batch_clear(out);
	*ret_rate = rate_now(e);
	while (e->at.window < e->windows && out->positions < e->config.batch)
		read_window(e, e->window[e->order[e->at.window++]], catalogue, out);
	e->at.steps++;
	if (e->at.window == e->windows) {
		e->at.epoch++;
		e->at.window = 0;
		shuffle(e);
	}
}
