/* model/purpose.h - what random numbers are drawn for: the second key of hr_rng_stream. Part of the format of a state that is
 * continued: never renumber. */
#ifndef HR_MODEL_PURPOSE_H
#define HR_MODEL_PURPOSE_H

enum hr_purpose {
	HR_PURPOSE_WEIGHTS = 1,   /* ordinal: 0 */
	HR_PURPOSE_ITEM = 2,      /* ordinal: hash of the item's id */
	HR_PURPOSE_CONTENT = 3,   /* ordinal: row of the content table */
	HR_PURPOSE_DROPOUT = 4,   /* ordinal: step */
	HR_PURPOSE_NEGATIVES = 5, /* ordinal: step */
	HR_PURPOSE_VIEWS = 6,     /* ordinal: step */
	HR_PURPOSE_QUESTION = 7,  /* ordinal: of the event */
	HR_PURPOSE_MASKED = 8,    /* ordinal: step */
	HR_PURPOSE_TRIPLET = 9,   /* ordinal: step */
};

#endif
