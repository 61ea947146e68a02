#include "stream/lane.h"

#include "base/error.h"

void hr_lane_init(struct hr_lane *l, int32_t partition, int64_t next)
{
	*l = (struct hr_lane){.partition = partition, .next = next, .fail_to = -1, .clear_to = -1, .probe = -1};
}

int64_t hr_lane_wanted(const struct hr_lane *l)
{
	if (l->probe >= 0)
		return l->probe;
	return l->fail_to > l->next ? l->fail_to : l->next;
}

/* Chooses the next offset to try, or ends the search. */
static enum hr_lane_action probe_on(struct hr_lane *l, int64_t log_end)
{
	if (l->outside < 0) {
		l->probe = l->inside + l->step;
		l->step *= 2;
		if (l->probe < log_end)
			return HR_LANE_SEEK;
		l->outside = log_end > l->inside ? log_end : l->inside + 1;
	}
	if (l->outside - l->inside > 1) {
		l->probe = l->inside + (l->outside - l->inside) / 2;
	} else {
		l->probe = -1;
		l->fail_to = l->outside;
	}
	return HR_LANE_SEEK;
}

/* The fetch at probe hit the batch again, or did not. */
static enum hr_lane_action take_probe(struct hr_lane *l, enum hr_lane_input input, int64_t offset, int64_t log_end)
{
	if (input == HR_LANE_BAD && (offset == l->base || offset == l->probe))
		l->inside = l->probe;
	else
		l->outside = l->probe;
	return probe_on(l, log_end);
}

static enum hr_lane_action take_bad(struct hr_lane *l, int64_t offset, int64_t log_end)
{
	if (++l->tries < HR_LANE_TRIES_MAX)
		return HR_LANE_SEEK;
	if (offset > l->next && offset < log_end)
		l->next = offset; /* what lies before the batch is no record */
	l->tries = 0;
	l->base = offset;
	l->inside = l->next;
	l->outside = -1;
	l->step = 1;
	return probe_on(l, log_end);
}

enum hr_lane_action hr_lane_take(struct hr_lane *l, enum hr_lane_input input, int64_t offset, int64_t log_end)
{
	HR_ASSERT(l->fail_to <= l->next); /* those are handed out first */
	if (input == HR_LANE_LOST) {
		l->lost++;
		return HR_LANE_SEEK;
	}
	l->lost = 0;
	if (l->probe >= 0)
		return take_probe(l, input, offset, log_end);
	if (input == HR_LANE_BAD)
		return take_bad(l, offset, log_end);
	l->tries = 0;
	if (input == HR_LANE_END)
		l->clear_to = offset;
	if (input == HR_LANE_END || offset < l->next)
		return HR_LANE_SKIP;
	l->next = offset + 1;
	return HR_LANE_DELIVER;
}
