/* model/kernels_coarse.h - upper bounds of scores from byte products, sixteen rows at a time, over kernels_simd_*.h and
 * coarse_dots(): the products of one block. */
#ifndef HR_MODEL_KERNELS_COARSE_H
#define HR_MODEL_KERNELS_COARSE_H

/* Many rows come from far: the processor's own fetching ahead leaves a third of the memory's speed unused. */
#define COARSE_AHEAD ((size_t)4096)

struct coarse_terms {
	v16 step, reach, rest, rounding, bar;
};

/* One block: its products to upper bounds, and which of them reach the bar. */
HR_INLINE uint16_t coarse_bounds(float *upper, const struct coarse_terms *t, v16 dots, const float *scale, const float *rest,
                                 v16 bonus)
{
	const v16 score = v_mul(v_mul(t->step, v_load(scale)), dots);
	const v16 size = v_add(v_max(score, v_sub(v_zero(), score)), v_max(bonus, v_sub(v_zero(), bonus)));
	const v16 margin = v_fma(t->rounding, size, v_fma(t->reach, v_load(rest), t->rest));
	const v16 bound = v_add(v_add(score, bonus), margin);

	v_store(upper, bound);
	return bits_reaching(bound, t->bar);
}

static void coarse(float *upper, uint16_t *over, float bar, const struct hr_coarse_query *q, const uint8_t *code,
                   const float *scale, const float *rest, const float *bonus, size_t blocks, size_t D)
{
	const struct coarse_terms t = {v_set1(q->step), v_set1(q->reach), v_set1(q->rest), v_set1(HR_COARSE_ROUNDING), v_set1(bar)};

	for (size_t b = 0; b < blocks; b++, code += 16 * D, scale += 16, rest += 16, upper += 16) {
		for (size_t i = 0; i < 16 * D; i += 64)
			__builtin_prefetch(code + COARSE_AHEAD + i);
		over[b] = coarse_bounds(upper, &t, coarse_dots(code, q->code, q->zero, D), scale, rest,
		                        bonus != NULL ? v_load(bonus + 16 * b) : v_zero());
	}
}

#endif
