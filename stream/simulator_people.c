#include "stream/simulator_people.h"

#include <math.h>

#include "base/mem.h"
#include "stream/simulator_words.h"

/* Part of the truth; docs/simulator.md tells it in words. */
#define ACTIVITY_ALPHA    1.2  /* Pareto tail of how often a user comes */
#define ACTIVITY_MAX      300
#define P_RELATED         0.5  /* an interest of a new user follows the one before it */
#define DRIFT_STEP        0.25 /* largest move of a log interest in one session */
#define DRIFT_KEEP        0.98f
#define P_NEW_INTEREST    0.06 /* per session */
#define P_NEW_STYLE       0.02

enum { PURPOSE_USER = 3 };

void sim_people_init(struct sim_people *p, uint32_t count)
{
	*p = (struct sim_people){.count = count};
	p->user = hr_alloc(count, sizeof *p->user);
	p->activity = hr_alloc((size_t)count + 1, sizeof *p->activity);
}

void sim_people_fini(struct sim_people *p)
{
	hr_free(p->user);
	hr_free(p->activity);
}

/* ---- how often each comes: a Fenwick tree, since the people grow ---- */

static void add_activity(struct sim_people *p, uint32_t user, double weight)
{
	for (uint32_t i = user + 1; i <= p->count; i += i & (~i + 1))
		p->activity[i] += weight;
}

static double total_activity(const struct sim_people *p)
{
	double sum = 0;

	for (uint32_t i = p->here; i != 0; i -= i & (~i + 1))
		sum += p->activity[i];
	return sum;
}

uint32_t sim_people_draw(const struct sim_people *p, struct hr_rng *rng)
{
	double at = hr_rng_unit(rng) * total_activity(p);
	uint32_t i = 0, step = 1;

	while (step <= p->count / 2)
		step *= 2;
	for (; step != 0; step /= 2) {
		if (i + step <= p->count && p->activity[i + step] <= at) {
			i += step;
			at -= p->activity[i];
		}
	}
	return i < p->here ? i : p->here - 1;
}

/* ---- what each likes ---- */

void sim_people_add(struct sim_people *p, const struct sim_world *w, uint64_t seed)
{
	struct hr_rng rng = hr_rng_stream(seed, PURPOSE_USER, p->here);
	struct sim_user *u = &p->user[p->here];

	for (int i = 0; i < SIM_INTERESTS; i++) {
		const bool related = i != 0 && sim_chance(&rng, P_RELATED);
		u->type[i] = related ? w->shelf[u->type[i - 1]].follows[hr_rng_below(&rng, SIM_FOLLOWS)]
		                     : sim_world_draw_type(w, &rng);
		u->log_interest[i] = (float)hr_rng_normal(&rng);
	}
	u->style = (uint8_t)hr_rng_below(&rng, SIM_STYLES);
	u->brand = (uint8_t)hr_rng_below(&rng, SIM_BRANDS);
	u->left_item = SIM_NO_ITEM;
	const double activity = pow(1 - hr_rng_unit(&rng), -1 / ACTIVITY_ALPHA);
	add_activity(p, p->here++, activity < ACTIVITY_MAX ? activity : ACTIVITY_MAX);
}

void sim_people_drift(struct sim_user *u, const struct sim_world *w, struct hr_rng *rng)
{
	for (int i = 0; i < SIM_INTERESTS; i++)
		u->log_interest[i] = DRIFT_KEEP * u->log_interest[i] + (float)(DRIFT_STEP * (2 * hr_rng_unit(rng) - 1));
	if (sim_chance(rng, P_NEW_INTEREST)) {
		const uint32_t i = hr_rng_below(rng, SIM_INTERESTS);
		u->type[i] = w->shelf[u->type[i]].follows[hr_rng_below(rng, SIM_FOLLOWS)];
	}
	if (sim_chance(rng, P_NEW_STYLE))
		u->style = (uint8_t)hr_rng_below(rng, SIM_STYLES);
}

uint8_t sim_people_draw_interest(const struct sim_user *u, struct hr_rng *rng)
{
	float weight[SIM_INTERESTS], sum = 0;

	for (int i = 0; i < SIM_INTERESTS; i++)
		sum += weight[i] = expf(u->log_interest[i]);
	float at = (float)hr_rng_unit(rng) * sum;
	for (int i = 0; i < SIM_INTERESTS - 1; i++) {
		if (at < weight[i])
			return u->type[i];
		at -= weight[i];
	}
	return u->type[SIM_INTERESTS - 1];
}
