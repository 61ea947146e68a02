/* stream/simulator_people.h - the users of the simulated shop: what each likes, how that drifts, how often each comes. */
#ifndef HR_STREAM_SIMULATOR_PEOPLE_H
#define HR_STREAM_SIMULATOR_PEOPLE_H

#include "stream/simulator_world.h"

#define SIM_NO_ITEM UINT32_MAX
enum { SIM_INTERESTS = 4 };

struct sim_user {
	uint8_t type[SIM_INTERESTS];
	float log_interest[SIM_INTERESTS];
	uint8_t style, brand;
	bool busy;          /* has a session open */
	uint32_t left_item; /* looked at last and not bought; or SIM_NO_ITEM */
};

struct sim_people {
	struct sim_user *user;
	uint32_t count, here; /* users 0..here-1 have come */
	double *activity;     /* Fenwick tree */
};

void sim_people_init(struct sim_people *p, uint32_t count);
void sim_people_fini(struct sim_people *p);
/** The next user comes for the first time. */
void sim_people_add(struct sim_people *p, const struct sim_world *w, uint64_t seed);
/** A user who was here before, by activity. */
uint32_t sim_people_draw(const struct sim_people *p, struct hr_rng *rng);
/** One step of a user's random walk. */
void sim_people_drift(struct sim_user *u, const struct sim_world *w, struct hr_rng *rng);
/** A type of goods, by the user's interests. */
uint8_t sim_people_draw_interest(const struct sim_user *u, struct hr_rng *rng);

static inline bool sim_chance(struct hr_rng *rng, double p) { return hr_rng_unit(rng) < p; }

#endif
