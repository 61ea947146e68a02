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

void hr_augment(struct hr_batch *out, const struct hr_batch *b, size_t from, size_t count, struct hr_rng *rng)
{
	HR_ASSERT(count >= HR_VIEW_MIN);
	hr_batch_begin(out, /* fresh */ 0);
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
