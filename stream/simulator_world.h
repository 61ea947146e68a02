/* stream/simulator_world.h - the goods of the simulated shop: what each item is, how popular, what follows it. */
#ifndef HR_STREAM_SIMULATOR_WORLD_H
#define HR_STREAM_SIMULATOR_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/rng.h"

enum { SIM_TWINS = 2 }; /* items that an item leads to, in each type that follows its own */

struct sim_item {
	uint32_t title; /* offset in world->titles */
	uint8_t type, style, brand;
	uint32_t leads_to[2 * SIM_TWINS]; /* item-level edges of the hidden graph */
};

/** Items of one type in order of arrival, with running sums of their popularity. */
struct sim_shelf {
	uint32_t *item;
	double *sum;
	size_t count, cap, sum_cap;
	size_t here; /* that have arrived */
	uint8_t follows[2];
};

struct sim_world {
	uint32_t items, types; /* types in use, fewer in a small shop */
	struct sim_item *item;
	struct sim_shelf *shelf; /* one for each type */
	double *type_sum;        /* running sums of the types' popularity */
	struct hr_buf titles;
	uint32_t here; /* items that have arrived: 0..here-1 */
};

/** Everything is here but nothing has arrived. */
void sim_world_init(struct sim_world *w, uint64_t seed, uint32_t items);
void sim_world_fini(struct sim_world *w);
/** Lets the next item arrive. */
void sim_world_arrive(struct sim_world *w);

/** A type by its popularity. */
uint8_t sim_world_draw_type(const struct sim_world *w, struct hr_rng *rng);
/** An item of a type, by popularity among what has arrived. Each type in use has at least one. */
uint32_t sim_world_draw_item(const struct sim_world *w, uint8_t type, struct hr_rng *rng);
const char *sim_world_title(const struct sim_world *w, uint32_t item);
const char *sim_world_category(const struct sim_world *w, uint32_t item);

#endif
