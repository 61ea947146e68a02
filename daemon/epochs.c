#include "daemon/epochs.h"

#include <string.h>

#include "base/base.h"

enum { SHUFFLE = 0x53 }; /* purpose of the random stream that orders an epoch */
enum { WARM_UP_STEPS = 100 };

#define RATE_END 0.1 /* of the peak, at the last step */

/* Inputs past[from] .. past[to - 2], each with the event behind it as its target. */
struct window {
	size_t from, to;
};

struct hr_epochs {
	struct hr_trainer *trainer;
	struct hr_epochs_config config;
	struct hr_past *past; /* histories, one behind the other */
	size_t events, past_cap;
	struct window *window;
	size_t windows, window_cap;
	uint64_t positions, steps;
	uint32_t epoch;
	struct hr_batch batch;
};

struct hr_epochs *hr_epochs_new(struct hr_trainer *trainer, const struct hr_epochs_config *config)
{
	struct hr_epochs *e = hr_alloc(1, sizeof *e);

	e->trainer = trainer;
	e->config = *config;
	return e;
}

void hr_epochs_free(struct hr_epochs *e)
{
	if (e == NULL)
		return;
	hr_batch_fini(&e->batch);
	hr_free(e->past);
	hr_free(e->window);
	hr_free(e);
}

uint64_t hr_epochs_positions(const struct hr_epochs *e) { return e->positions; }

static void add_window(struct hr_epochs *e, size_t from, size_t to)
{
	e->window = hr_grow(e->window, &e->window_cap, e->windows + 1, sizeof *e->window);
	e->window[e->windows++] = (struct window){from, to};
	e->positions += to - 1 - from;
}

void hr_epochs_add(struct hr_epochs *e, const struct hr_past *past, size_t len)
{
	const size_t begin = e->events, L = e->config.positions;

	if (len < 2)
		return;
	e->past = hr_grow(e->past, &e->past_cap, begin + len, sizeof *e->past);
	memcpy(e->past + begin, past, len * sizeof *past);
	e->events += len;
	/* From the end, so that only the oldest window is short. */
	for (size_t to = begin + len; to >= begin + 2; to = to > L ? to - L : 0)
		add_window(e, to - 1 > begin + L ? to - 1 - L : begin, to);
}

static void shuffle(struct hr_epochs *e)
{
	struct hr_rng rng = hr_rng_stream(e->config.seed, SHUFFLE, e->epoch);

	for (size_t i = e->windows; i > 1; i--) {
		const size_t j = hr_rng_below(&rng, (uint32_t)i);
		const struct window w = e->window[i - 1];

		e->window[i - 1] = e->window[j];
		e->window[j] = w;
	}
}

static void read_window(struct hr_epochs *e, struct window w)
{
	hr_batch_begin(&e->batch, /* fresh */ 1);
	for (size_t i = w.from; i + 1 < w.to; i++) {
		const struct hr_past *now = &e->past[i], *next = now + 1;

		hr_batch_add(&e->batch, now->item, now->time_ms, now->kind, next->time_ms, next->item, next->kind);
	}
}

static float rate_now(const struct hr_epochs *e)
{
	const double total = (double)e->positions / e->config.batch * e->config.epochs, step = (double)e->steps;
	const double up = step + 1 < WARM_UP_STEPS ? (step + 1) / WARM_UP_STEPS : 1;
	const double down = 1 - (1 - RATE_END) * (step < total ? step / total : 1);

	return (float)((double)e->config.rate * up * down);
}

static void take_step(struct hr_epochs *e)
{
	struct hr_step_result result;

	hr_trainer_rate(e->trainer, rate_now(e));
	hr_trainer_step(e->trainer, &e->batch, &result);
	hr_batch_clear(&e->batch);
	e->steps++;
}

uint64_t hr_epochs_run(struct hr_epochs *e)
{
	const uint64_t before = e->steps;

	e->epoch++;
	shuffle(e);
	for (size_t i = 0; i < e->windows; i++) {
		read_window(e, e->window[i]);
		if (e->batch.positions >= e->config.batch)
			take_step(e);
	}
	if (e->batch.sequences > 0)
		take_step(e);
	return e->steps - before;
}

void hr_epochs_end(struct hr_epochs *e) { hr_trainer_rate(e->trainer, 0); }
