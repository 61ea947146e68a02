/* model/score.h - test-then-train: each question is ranked against the whole catalogue before it is learned. */
#ifndef HR_MODEL_SCORE_H
#define HR_MODEL_SCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Who answers. Mix: as in model/mix.h, with the weights of the moment. Counters: log(1 + 10 rules) + .2 log(popularity + .05). */
enum hr_ranker { HR_RANK_MODEL, HR_RANK_RULES, HR_RANK_POPULARITY, HR_RANK_COUNTERS, HR_RANK_MIX, HR_RANKERS };

const char *hr_ranker_name(enum hr_ranker r); /* "model" "covisitation" "popularity" "counters" "mix" */

/** Which questions. Cold: the item was first seen after the cut (evaluation) or has under 5 events (live). */
enum hr_slice { HR_SLICE_ALL, HR_SLICE_COLD, HR_SLICE_WARM, HR_SLICE_SHORT, HR_SLICES }; /* short: history under 5 events */

const char *hr_slice_name(enum hr_slice s); /* "all" "cold" "warm" "short" */

struct hr_quality {
	uint64_t questions;
	double recall5, recall10, recall20, ndcg5, ndcg10, ndcg20, mrr20; /* means; one relevant item, so recall = hit rate */
};

struct hr_score;

/** Over the sliding window of the last evaluate_window questions, or over all questions since the start. */
struct hr_quality hr_score_quality(const struct hr_score *s, enum hr_ranker r, enum hr_slice slice, bool window);

#endif
