/* model/mix.h - what counters add to a logit: the score of recommendations and of the ranker "mix". One definition, used by
 * the evaluation and by every answer, so that what is measured is what is served. Figures: docs/model.md. */
#ifndef HR_MODEL_MIX_H
#define HR_MODEL_MIX_H

#include <math.h>

/** log(1 + 10 rules): rules as hr_counters_rules gives them, >= 0. Most rows have none, and then it costs nothing. */
static inline float hr_mix_rules(float rules) { return rules > 0 ? log1pf(10 * rules) : 0; }

/** .2 log(popularity + .05), the logarithm already taken. */
static inline float hr_mix_popularity(float log_popularity) { return .2f * log_popularity; }

#endif
