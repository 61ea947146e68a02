/* model/config.h - every number that training depends on. A plain value. */
#ifndef HR_MODEL_CONFIG_H
#define HR_MODEL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct hr_model_config {
	/* encoder */
	uint32_t width;   /* D: 32..256, a multiple of 16 */
	uint32_t heads;   /* H: divides D */
	uint32_t blocks;  /* 1..8 */
	uint32_t window;  /* L: positions the encoder sees, 2..200 */
	bool time_gaps;   /* the time from each event to the question is an input */
	float dropout;    /* 0..0.8: embedding, attention, residual branches */
	/* objectives: weight 0 switches one off */
	float next_item;      /* sampled softmax over in-batch targets and uniform negatives */
	float before_after;   /* InfoNCE between a user's state before and after the newest events */
	float views;          /* InfoNCE between two augmented views */
	float masked_item;    /* Cloze */
	float triplet;        /* margin loss against a random other user's target */
	uint32_t negatives;   /* uniform negatives shared by a batch */
	uint32_t full_softmax_below; /* catalogues smaller than this get the full softmax */
	uint32_t view_histories; /* fresh histories that get views in one step */
	float informed_views; /* share of views with items substituted and inserted by co-visitation */
	bool same_target;     /* views of histories that lead to the same item are each other's positives */
	float temperature;    /* of both InfoNCE losses */
	float triplet_margin;
	/* optimiser */
	float rate;           /* dense weights: AdamW */
	float item_rate;      /* item rows: row-wise Adagrad */
	float weight_decay;
	float clip;           /* largest change of one item row in one step, as a share of its norm; 0: off */
	float slow_share;     /* Lookahead: share of the way that is kept, 0..1; 1: off */
	uint32_t slow_every;  /* steps */
	/* counters */
	uint32_t rules_kept;  /* followers kept for each item */
	double popularity_half_life_days;
	/* test-then-train */
	float evaluate_share; /* share of events that are ranked before they are learned, 0..1 */
	uint32_t evaluate_window; /* questions in the sliding window */
	float mix_rate;       /* of the weights of the mix, learned from every question; 0: they stay */
	bool repeats;         /* items of the user's own history may be asked for and recommended */
	/* run */
	uint64_t seed;
	uint32_t workers;     /* threads; does not change a bit of the result */
};

/** The recipe of docs/model.md. */
struct hr_model_config hr_model_defaults(void);

/** HR_E_CONFIG with the setting, its value and its bound. */
HR_MUST_USE bool hr_model_config_check(const struct hr_model_config *c, struct hr_error *err);

#endif
