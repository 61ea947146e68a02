/* stream/simulator.h - a realistic shop with a known truth: a seeded source of events and item titles.
 *
 * The truth is written down in docs/simulator.md. It is not shaped after the model: latent interests that drift,
 * sessions, view -> cart -> purchase, Zipf popularity, items arriving over time, trending bursts.
 * Event number n of a seed is always the same, whatever the rate.
 */
#ifndef HR_STREAM_SIMULATOR_H
#define HR_STREAM_SIMULATOR_H

#include "stream/event.h"

struct hr_simulator_config {
	uint64_t seed;
	uint32_t users, items; /* sizes of the world at its end; part of the items arrive over time */
	int64_t start_ms;      /* event time of the first event */
	double days_per_million; /* stream days that a million events span */
};

struct hr_simulator_config hr_simulator_defaults(void);

struct hr_simulator;

struct hr_simulator *hr_simulator_new(const struct hr_simulator_config *config);
/** The next event: a view until the next call. Event times never fall. */
void hr_simulator_next(struct hr_simulator *s, struct hr_event *ret_event);

/** A readable title of an item ("Hallden oak writing desk, walnut finish") and its category; borrowed for the simulator's
 *  life. NULL for an id that is not one of its items. ret_category may be NULL. */
const char *hr_simulator_title(const struct hr_simulator *s, const uint8_t *item, size_t item_len,
                               const char **ret_category);

/** Items that have arrived so far: numbers 0..n-1. Only they occur in events. */
uint32_t hr_simulator_arrived(const struct hr_simulator *s);
#define HR_SIMULATOR_ID_MAX 16
/** The id of item number ("i00042"), not NUL-terminated; returns its length. */
size_t hr_simulator_item_id(uint32_t number, char id[HR_SIMULATOR_ID_MAX]);
void hr_simulator_free(struct hr_simulator *s);

#endif
