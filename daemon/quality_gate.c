#include "daemon/quality_gate.h"

#include <math.h>

enum { GATE_QUESTIONS = 200, GROUPS_MIN = 16, MEMORY = 64 }; /* questions of a group; groups before a judgement; groups in the mean */

#define DEVIATIONS 4.0

/* A daemon that starts again takes the mean from the window that its state holds. */
static void begin(struct hr_quality_gate *g, const struct hr_quality *ever, const struct hr_quality *window)
{
	g->questions = ever->questions;
	g->hits = ever->recall10 * (double)ever->questions;
	g->usual = window->recall10;
	g->groups = (uint32_t)(window->questions / GATE_QUESTIONS);
}

static bool collapsed(const struct hr_quality_gate *g, double share, double questions)
{
	const double missing = (g->usual - g->recall) * questions;

	return g->groups >= GROUPS_MIN && g->recall < share * g->usual &&
	       missing > DEVIATIONS * sqrt(questions * g->usual * (1 - g->usual));
}

bool hr_quality_gate_judge(struct hr_quality_gate *g, double share, const struct hr_quality *ever, const struct hr_quality *window)
{
	if (g->questions == 0 || ever->questions < g->questions)
		begin(g, ever, window);
	const double questions = (double)(ever->questions - g->questions);
	if (questions >= GATE_QUESTIONS) {
		const double hits = ever->recall10 * (double)ever->questions;

		g->recall = (hits - g->hits) / questions;
		g->held = collapsed(g, share, questions);
		g->groups++;
		g->usual += (g->recall - g->usual) / (g->groups < MEMORY ? g->groups : MEMORY);
		g->questions = ever->questions;
		g->hits = hits;
	}
	return !g->held || share <= 0;
}
