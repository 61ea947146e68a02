/* model/coarse.h - item vectors in seven bits a value, a quarter of the memory: a search reads these, and then only the few
 * rows whose exact score may be among the best.
 *
 * A row r is scale * v + rest, v whole numbers in -63..63. By Cauchy and Schwarz q . r differs from q' . (scale * v), q' the
 * query in eight bits, by at most |q| |rest| + |q - q'| |scale * v|. Codes are v + 64, so that products of an unsigned and a
 * signed byte add up in pairs within 16 bits (AVX2's multiply-add saturates there).
 */
#ifndef HR_MODEL_COARSE_H
#define HR_MODEL_COARSE_H

#include <stddef.h>
#include <stdint.h>

#include "model/kernels.h"

#define HR_COARSE_ROWS 16u /* of a block */
#define HR_COARSE_ZERO 64

struct hr_coarse {
	size_t rows, D;   /* D: a multiple of 16 */
	uint8_t *code;    /* blocks x (D / 4, HR_COARSE_ROWS, 4); rows of the last block that are not there are zero vectors */
	float *scale;     /* (blocks, HR_COARSE_ROWS) */
	float *rest;      /* the same: length of the rest, and room for the rounding of an exact fp32 product with a unit vector */
	float longest;    /* no scale * v is longer */
};

/** Of rows (rows, D). */
void hr_coarse_init(struct hr_coarse *c, const float *row, size_t rows, size_t D);
void hr_coarse_fini(struct hr_coarse *c);

/** The query in eight bits, with what the kernel needs. code holds 256 values. */
struct hr_coarse_query hr_coarse_query(const struct hr_coarse *c, const float *q, float scale, int8_t *code);

#endif
