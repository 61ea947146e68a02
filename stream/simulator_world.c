#include "stream/simulator_world.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "stream/simulator_words.h"

enum { PURPOSE_WORLD = 1 };

/* Zipf exponents: types among each other, and items of one type. */
#define TYPE_ZIPF 0.8
#define ITEM_ZIPF 1.1
enum { ITEMS_PER_TYPE_MIN = 6 };

static uint8_t find_type(const char *name, uint32_t types, uint32_t otherwise)
{
	for (uint32_t t = 0; t < types; t++) {
		if (strcmp(sim_types[t].name, name) == 0)
			return (uint8_t)t;
	}
	return (uint8_t)(otherwise % types); /* the type is not in use in a small shop */
}

static void init_types(struct sim_world *w, struct hr_rng *rng)
{
	uint32_t rank[SIM_TYPES];
	double sum = 0;

	for (uint32_t t = 0; t < w->types; t++) {
		const uint32_t at = hr_rng_below(rng, t + 1);
		rank[t] = rank[at];
		rank[at] = t;
	}
	for (uint32_t t = 0; t < w->types; t++) {
		sum += pow(rank[t] + 1, -TYPE_ZIPF);
		w->type_sum[t] = sum;
		for (uint32_t k = 0; k < SIM_FOLLOWS; k++)
			w->shelf[t].follows[k] = find_type(sim_types[t].follows[k], w->types, t + 1 + k);
	}
}

static void put_title(struct sim_world *w, struct sim_item *item, const char *make)
{
	const struct sim_type *type = &sim_types[item->type];
	const struct sim_department *d = &sim_departments[type->department];
	char text[160];

	const int n = snprintf(text, sizeof text, "%s %s %s, %s", d->brand[item->brand], make, type->name, d->style[item->style]);
	HR_ASSERT(n > 0 && (size_t)n < sizeof text);
	item->title = (uint32_t)w->titles.len;
	hr_buf_bytes(&w->titles, text, (size_t)n + 1);
}

static void put_on_shelf(struct sim_shelf *s, uint32_t item)
{
	s->item = hr_grow(s->item, &s->cap, s->count + 1, sizeof *s->item);
	s->item[s->count++] = item;
}

/* The first items are one of each type, so that no type in use is ever empty. */
static void init_item(struct sim_world *w, uint32_t number, struct hr_rng *rng)
{
	struct sim_item *item = &w->item[number];

	item->type = number < w->types ? (uint8_t)number : sim_world_draw_type(w, rng);
	item->style = (uint8_t)hr_rng_below(rng, SIM_STYLES);
	item->brand = (uint8_t)hr_rng_below(rng, SIM_BRANDS);
	put_title(w, item, sim_types[item->type].make[hr_rng_below(rng, SIM_MAKES)]);
	put_on_shelf(&w->shelf[item->type], number);
}

/* Zipf over a random order, so that popularity and arrival have nothing to do with each other. */
static void init_popularity(struct sim_shelf *s, struct hr_rng *rng)
{
	double sum = 0;

	s->sum = hr_grow(s->sum, &s->sum_cap, s->count, sizeof *s->sum);
	for (size_t i = 0; i < s->count; i++) {
		const size_t at = hr_rng_below(rng, (uint32_t)i + 1);
		s->sum[i] = s->sum[at];
		s->sum[at] = (double)i;
	}
	for (size_t i = 0; i < s->count; i++) {
		sum += pow(s->sum[i] + 2, -ITEM_ZIPF);
		s->sum[i] = sum;
	}
}

static size_t draw(const double *sum, size_t count, struct hr_rng *rng)
{
	const double at = hr_rng_unit(rng) * sum[count - 1];
	size_t low = 0, high = count - 1;

	while (low < high) {
		const size_t middle = (low + high) / 2;
		if (sum[middle] > at)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* What follows an item in style: a few draws from the type, the first of the same style wins. */
static uint32_t draw_twin(const struct sim_world *w, uint8_t type, uint8_t style, struct hr_rng *rng)
{
	const struct sim_shelf *s = &w->shelf[type];
	uint32_t item = 0;

	for (int tries = 0; tries < 8; tries++) {
		item = s->item[draw(s->sum, s->count, rng)];
		if (w->item[item].style == style)
			break;
	}
	return item;
}

static void init_edges(struct sim_world *w, struct hr_rng *rng)
{
	for (uint32_t i = 0; i < w->items; i++) {
		const struct sim_shelf *own = &w->shelf[w->item[i].type];

		for (int k = 0; k < 2 * SIM_TWINS; k++)
			w->item[i].leads_to[k] = draw_twin(w, own->follows[k / SIM_TWINS], w->item[i].style, rng);
	}
}

void sim_world_init(struct sim_world *w, uint64_t seed, uint32_t items)
{
	struct hr_rng rng = hr_rng_stream(seed, PURPOSE_WORLD, 0);
	const uint32_t types = items / ITEMS_PER_TYPE_MIN;

	*w = (struct sim_world){.items = items, .types = types < 1 ? 1 : types > SIM_TYPES ? SIM_TYPES : types};
	w->item = hr_alloc(items, sizeof *w->item);
	w->shelf = hr_alloc(w->types, sizeof *w->shelf);
	w->type_sum = hr_alloc(w->types, sizeof *w->type_sum);
	init_types(w, &rng);
	for (uint32_t i = 0; i < items; i++)
		init_item(w, i, &rng);
	for (uint32_t t = 0; t < w->types; t++)
		init_popularity(&w->shelf[t], &rng);
	init_edges(w, &rng);
}

void sim_world_fini(struct sim_world *w)
{
	for (uint32_t t = 0; t < w->types; t++) {
		hr_free(w->shelf[t].item);
		hr_free(w->shelf[t].sum);
	}
	hr_free(w->shelf);
	hr_free(w->item);
	hr_free(w->type_sum);
	hr_buf_fini(&w->titles);
}

void sim_world_arrive(struct sim_world *w)
{
	HR_ASSERT(w->here < w->items);
	w->shelf[w->item[w->here++].type].here++;
}

uint8_t sim_world_draw_type(const struct sim_world *w, struct hr_rng *rng)
{
	return (uint8_t)draw(w->type_sum, w->types, rng);
}

uint32_t sim_world_draw_item(const struct sim_world *w, uint8_t type, struct hr_rng *rng)
{
	const struct sim_shelf *s = &w->shelf[type];

	return s->item[draw(s->sum, s->here, rng)];
}

const char *sim_world_title(const struct sim_world *w, uint32_t item)
{
	return (const char *)w->titles.p + w->item[item].title;
}

const char *sim_world_category(const struct sim_world *w, uint32_t item)
{
	return sim_departments[sim_types[w->item[item].type].department].name;
}
