/* model/kernels_coarse.h - upper bounds of scores from byte products, sixteen rows at a time, over kernels_simd_*.h and
 * coarse_dots(): the products of one block. */
#ifndef HR_MODEL_KERNELS_COARSE_H
#define HR_MODEL_KERNELS_COARSE_H

static void coarse(float *upper, float *most, const struct hr_coarse_query *q, const uint8_t *code, const float *scale,
                   const float *rest, const float *bonus, size_t blocks, size_t D)
{
	const v16 step = v_set1(q->step), reach = v_set1(q->reach), least = v_set1(q->rest);
	const v16 rounding = v_set1(HR_COARSE_ROUNDING);

	for (size_t b = 0; b < blocks; b++, code += 16 * D, scale += 16, rest += 16, upper += 16) {
		const v16 score = v_mul(v_mul(step, v_load(scale)), coarse_dots(code, q->code, q->zero, D));
		const v16 more = bonus != NULL ? v_load(bonus + 16 * b) : v_zero();
		const v16 size = v_add(v_max(score, v_sub(v_zero(), score)), v_max(more, v_sub(v_zero(), more)));
		const v16 margin = v_fma(rounding, size, v_fma(reach, v_load(rest), least));
		const v16 most_of_each = v_add(v_add(score, more), margin);

		v_store(upper, most_of_each);
		most[b] = v_largest(most_of_each);
	}
}

#endif
