#include "model/augment.h"

#include "base/error.h"

/* What is read is handed on by value, so that out may be b and move. */
static void take(struct hr_batch *out, const struct hr_batch *b, size_t p)
{
	hr_batch_add(out, b->item[p], b->time_ms[p], b->kind[p], b->ask_ms[p], HR_NONE, 0);
}

/* How long a stretch of the given share is, and where it begins. */
static size_t stretch(size_t count, double share, struct hr_rng *rng, size_t *ret_begin)
{
	const size_t want = (size_t)(share * (double)count), length = want < 2 ? 2 : want;

	*ret_begin = hr_rng_below(rng, (uint32_t)(count - length + 1));
	return length;
}

static void crop(struct hr_batch *out, const struct hr_batch *b, size_t from, size_t count, struct hr_rng *rng)
{
	size_t begin;
	const size_t length = stretch(count, 0.6, rng, &begin);

	for (size_t i = 0; i < length; i++)
		take(out, b, from + begin + i);
}

static void leave_out(struct hr_batch *out, const struct hr_batch *b, size_t from, size_t count, struct hr_rng *rng)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		const bool keep = hr_rng_unit(rng) >= 0.3;
		if (keep || (i + 1 == count && kept == 0))
			take(out, b, from + i);
		kept += keep;
	}
}

/* Items change places, times and questions stay (Fisher and Yates). */
static void reorder(struct hr_batch *out, const struct hr_batch *b, size_t from, size_t count, struct hr_rng *rng)
{
	const size_t at = out->positions;
	size_t begin;
	const size_t length = stretch(count, 0.5, rng, &begin);

	for (size_t i = 0; i < count; i++)
		take(out, b, from + i);
	uint32_t *item = out->item + at + begin;
	for (size_t i = length; i-- > 1;) {
		const uint32_t j = hr_rng_below(rng, (uint32_t)i + 1), was = item[i];
		item[i] = item[j];
		item[j] = was;
	}
}

#define INFORMED_SHARE 0.3 /* of the positions */
#define FOLLOWERS 3u       /* one of the heaviest few */

/* HR_NONE: nothing followed it. */
static uint32_t follower_of(const struct hr_augmenting *how, uint32_t item, struct hr_rng *rng)
{
	struct hr_follower follower[FOLLOWERS];
	const size_t found = hr_counters_followers(how->counters, item, follower, FOLLOWERS);

	return found == 0 ? HR_NONE : follower[hr_rng_below(rng, (uint32_t)found)].item;
}

static void substitute(struct hr_batch *out, const struct hr_batch *b, size_t from, size_t count,
                       const struct hr_augmenting *how, struct hr_rng *rng)
{
	for (size_t i = from; i < from + count; i++) {
		const bool change = hr_rng_unit(rng) < INFORMED_SHARE;
		const uint32_t other = change ? follower_of(how, b->item[i], rng) : HR_NONE;
		hr_batch_add(out, other != HR_NONE ? other : b->item[i], b->time_ms[i], b->kind[i], b->ask_ms[i], HR_NONE, 0);
	}
}

/* What is put in happens at the time of the item before it, and of the same kind. */
static void insert(struct hr_batch *out, const struct hr_batch *b, size_t from, size_t count,
                   const struct hr_augmenting *how, struct hr_rng *rng)
{
	size_t room = how->longest > count ? how->longest - count : 0;

	for (size_t i = from; i < from + count; i++) {
		const uint32_t item = b->item[i];
		const uint32_t other = room > 0 && hr_rng_unit(rng) < INFORMED_SHARE ? follower_of(how, item, rng) : HR_NONE;
		if (other == HR_NONE) {
			take(out, b, i);
			continue;
		}
		hr_batch_add(out, item, b->time_ms[i], b->kind[i], b->time_ms[i], HR_NONE, 0);
		hr_batch_add(out, other, b->time_ms[i], b->kind[i], b->ask_ms[i], HR_NONE, 0);
		room--;
	}
}

void hr_augment(struct hr_batch *out, const struct hr_batch *b, size_t from, size_t count, const struct hr_augmenting *how,
                struct hr_rng *rng)
{
	HR_ASSERT(count >= HR_VIEW_MIN);
	hr_batch_begin(out, /* fresh */ 0);
	if (how->informed > 0 && hr_rng_unit(rng) < (double)how->informed) {
		(hr_rng_below(rng, 2) == 0 ? substitute : insert)(out, b, from, count, how, rng);
		return;
	}
	switch (hr_rng_below(rng, 3)) {
	case 0:
		crop(out, b, from, count, rng);
		break;
	case 1:
		leave_out(out, b, from, count, rng);
		break;
	default:
		reorder(out, b, from, count, rng);
	}
}
