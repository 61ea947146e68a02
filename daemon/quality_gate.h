/* daemon/quality_gate.h - whether a refresh may go out: a model whose recall has fallen far below its own running mean is held back.
 *
 * Judged by the newest questions of test-then-train, GATE_QUESTIONS at a time. Recall is compared with an exponential mean of
 * those before: below `share` of it, and by more than chance (four standard deviations of a binomial), is a collapse. The mean goes
 * on moving while refreshes are held, so that a stream that has changed for good is not held for ever.
 */
#ifndef HR_DAEMON_QUALITY_GATE_H
#define HR_DAEMON_QUALITY_GATE_H

#include "model/model.h"

/** Zeroed memory is a gate that has seen nothing and is open. @thread one at a time */
struct hr_quality_gate {
	bool held;
	double recall, usual; /* recall@10 of the newest group of questions; the running mean */
	uint32_t groups;
	/* ---- of the questions already judged ---- */
	uint64_t questions;
	double hits;
};

/**
 * Looks at the questions asked since the last call; with too few new ones nothing changes.
 * @param share   0: always open
 * @param ever    of all questions of the lineage so far
 * @param window  of the sliding window: the running mean to begin with, after a start
 * @return may the refresh go out?
 */
bool hr_quality_gate_judge(struct hr_quality_gate *g, double share, const struct hr_quality *ever, const struct hr_quality *window);

#endif
