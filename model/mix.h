/* model/mix.h - how the score of a recommendation, and of the ranker "mix", is made of the network's logit and of what was
 * counted. One definition, used by the evaluation and by every answer, so that what is measured is what is served.
 *
 *   score = model x logit + rules x log(1 + 10 rules) + popularity x log(popularity + .05)
 *           + again, for an item of the user's history, or last, for the item of its last event
 *
 * The weights begin as chosen on one stream and are learned from every question (model/gate.h). Figures: docs/model.md.
 */
#ifndef HR_MODEL_MIX_H
#define HR_MODEL_MIX_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

enum hr_mix_term { HR_MIX_MODEL, HR_MIX_RULES, HR_MIX_POPULARITY, HR_MIX_AGAIN, HR_MIX_LAST, HR_MIX_TERMS };

struct hr_mix {
	float weight[HR_MIX_TERMS];
};

static inline struct hr_mix hr_mix_start(void) { return (struct hr_mix){{1, 1, .2f, 0, 0}}; }

/** rules as hr_counters_rules gives them, >= 0. Most rows have none, and then it costs nothing. */
static inline float hr_mix_rules(const struct hr_mix *m, float rules)
{
	return rules > 0 ? m->weight[HR_MIX_RULES] * log1pf(10 * rules) : 0;
}

/** log(popularity + .05) is what a snapshot holds. */
static inline float hr_mix_popularity(const struct hr_mix *m, float log_popularity)
{
	return m->weight[HR_MIX_POPULARITY] * log_popularity;
}

/** Which of the last two terms item number i of a history gets; HR_MIX_TERMS: none, because the same item stands behind it. */
static inline enum hr_mix_term hr_mix_own(const uint32_t *item, size_t len, size_t i)
{
	if (i + 1 == len)
		return HR_MIX_LAST;
	for (size_t later = i + 1; later < len; later++)
		if (item[later] == item[i])
			return HR_MIX_TERMS;
	return HR_MIX_AGAIN;
}

#endif
