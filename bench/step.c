/* bench/step.c - optimiser steps and questions at the recipe's shape: 530 histories of 9 events on average, 512 uniform
 * negatives, 12,000 items. For each kernel set: milliseconds a step (median, best, CPU), microseconds a ranked event.
 * HEADRACE_KERNELS chooses one set; the first argument is the number of workers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "model/model.h"

enum { ITEMS = 12000, HISTORIES = 530, BATCHES = 8, STEPS = 40, QUESTIONS = 256 };

/* Low rows more often than high ones. */
static uint32_t popular(struct hr_rng *rng)
{
	const uint32_t below = 1 + hr_rng_below(rng, ITEMS);

	return hr_rng_below(rng, 1 + hr_rng_below(rng, below));
}

/* Lengths 1..17; the fresh half asks at the two positions before its last. */
static void add_history(struct hr_batch *b, struct hr_rng *rng, int fresh)
{
	const uint32_t length = 1 + hr_rng_below(rng, 17);
	int64_t time_ms = (int64_t)hr_rng_below(rng, 1000) * 86400000;

	hr_batch_begin(b, fresh);
	for (uint32_t i = 0; i < length; i++) {
		const int64_t ask_ms = time_ms + (int64_t)hr_rng_below(rng, 20) * 86400000;
		const uint32_t item = popular(rng), next = popular(rng);
		const bool asks = !fresh || (i + 3 >= length && i + 1 < length);
		hr_batch_add(b, item, time_ms, HR_KIND_CLICK, ask_ms, asks ? next : HR_NONE, HR_KIND_CLICK);
		time_ms = ask_ms;
	}
}

static struct hr_trainer *make(uint32_t workers)
{
	struct hr_model_config c = hr_model_defaults();
	struct hr_trainer *t;
	struct hr_error err;

	c.workers = workers;
	c.evaluate_share = 1;
	if (!hr_trainer_new(&c, &t, &err)) {
		(void)fprintf(stderr, "%s\n", err.msg);
		exit(1);
	}
	for (uint32_t row = 0; row < ITEMS; row++) {
		hr_trainer_item(t, row, row);
		hr_trainer_admit(t, row);
	}
	return t;
}

static int ascending(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void time_steps(struct hr_trainer *t, struct hr_rng *rng)
{
	struct hr_batch batch[BATCHES] = {{0}};
	int64_t us[STEPS], cpu_us = 0;
	struct hr_step_result r;

	for (size_t i = 0; i < BATCHES; i++)
		for (int s = 0; s < HISTORIES; s++)
			add_history(&batch[i], rng, s % 2);
	for (size_t i = 0; i < STEPS; i++) {
		const int64_t start = hr_mono_us(), cpu_start = hr_thread_cpu_us();
		hr_trainer_step(t, &batch[i % BATCHES], &r);
		us[i] = hr_mono_us() - start;
		cpu_us += hr_thread_cpu_us() - cpu_start;
	}
	qsort(us, STEPS, sizeof us[0], ascending);
	printf("%-12s step %.2f ms (best %.2f, CPU of the calling thread %.2f), %zu positions, %zu targets\n",
	       hr_trainer_kernels(t), (double)us[STEPS / 2] * 1e-3, (double)us[0] * 1e-3, (double)cpu_us * 1e-3 / STEPS,
	       r.positions, r.targets);
	for (size_t i = 0; i < BATCHES; i++)
		hr_batch_fini(&batch[i]);
}

static void time_questions(struct hr_trainer *t, struct hr_rng *rng)
{
	struct hr_batch b = {0};
	struct hr_observation e[QUESTIONS];

	for (size_t i = 0; i < QUESTIONS; i++)
		add_history(&b, rng, 0);
	for (size_t i = 0; i < QUESTIONS; i++) {
		const uint32_t at = b.start[i], len = b.start[i + 1] - at;
		e[i] = (struct hr_observation){.ordinal = i, .item = b.target[at + len - 1], .kind = HR_KIND_CLICK,
		                               .time_ms = b.ask_ms[at + len - 1], .history_len = len, .history_item = b.item + at,
		                               .history_time_ms = b.time_ms + at, .history_kind = b.kind + at};
	}
	const int64_t start = hr_mono_us(), cpu_start = hr_thread_cpu_us();
	hr_trainer_observe(t, e, QUESTIONS);
	printf("%-12s observe %.1f us an event (CPU %.1f)\n", "", (double)(hr_mono_us() - start) / QUESTIONS,
	       (double)(hr_thread_cpu_us() - cpu_start) / QUESTIONS);
	hr_batch_fini(&b);
}

int main(int argc, char **argv)
{
	const uint32_t workers = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
	const char *only = getenv("HEADRACE_KERNELS");

	for (const char *const *name = hr_kernels_available(); *name != NULL; name++) {
		if (only != NULL && strcmp(only, *name) != 0)
			continue;
		(void)setenv("HEADRACE_KERNELS", *name, 1);
		struct hr_rng rng = hr_rng_stream(1, 1, 1);
		struct hr_trainer *t = make(workers);
		time_steps(t, &rng);
		time_questions(t, &rng);
		hr_trainer_free(t);
		if (only != NULL)
			break;
	}
	return 0;
}
