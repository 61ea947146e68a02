/* model/ranks.h - the memory of test-then-train: how often the wanted item stood at which rank, by ranker and slice. */
#ifndef HR_MODEL_RANKS_H
#define HR_MODEL_RANKS_H

#include "base/buf.h"
#include "base/error.h"
#include "model/score.h"

#define HR_RANKS 20u /* ranks 0..19 count; HR_RANKS stands for any worse one */

/** One question and every ranker's answer. */
struct hr_answer {
	uint8_t rank[HR_RANKERS]; /* 0 is best */
	uint8_t slices;           /* bit s: belongs to slice s */
};

struct hr_rank_counts {
	uint64_t questions, at[HR_RANKS];
};

struct hr_score {
	struct hr_answer *ring; /* window; the newest evaluate_window answers */
	size_t window, filled, next;
	struct hr_rank_counts recent[HR_RANKERS][HR_SLICES], total[HR_RANKERS][HR_SLICES];
};

void hr_score_init(struct hr_score *s, size_t window);
void hr_score_fini(struct hr_score *s);
void hr_score_add(struct hr_score *s, const struct hr_answer *a);

/** u32 filled | filled x { u8 x HR_RANKERS ranks, u8 slices }, oldest first | totals: HR_RANKERS x HR_SLICES x { u64 questions, 20 x u64 }. */
void hr_score_encode(const struct hr_score *s, struct hr_buf *out);
/** The opposite, into a score without answers; the newest that fit its window. */
HR_MUST_USE bool hr_score_decode(struct hr_score *s, struct hr_cursor *in, struct hr_error *err);

#endif
