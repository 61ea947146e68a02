/* model/kernels_attention.h - attention of one head, a few queries at a time so that their logits never leave the
 * first-level cache; only keys up to the tile's last query are touched. Over kernels_tile.h with fp32 units. */
#ifndef HR_MODEL_KERNELS_ATTENTION_H
#define HR_MODEL_KERNELS_ATTENTION_H

/* x' (D, S) of x (T, D), S = T up to a multiple of 16, the missing columns zero. */
static void transpose_rows(float *to, const float *x, size_t ld, size_t T, size_t D)
{
	const size_t S = up_to_16(T);

	for (size_t t = 0; t < T; t += 16)
		for (size_t c = 0; c < D; c += 16)
			transpose16(to + c * S + t, S, x + t * ld + c, ld, min_size(T - t, 16), min_size(D - c, 16));
}

/* x (T, D) as a right side: in place, or copied to room with zeros up to a multiple of 16 columns. */
static struct right padded_rows(float *room, const float *x, size_t ld, size_t T, size_t D)
{
	const size_t step = up_to_16(D);

	if (step == D)
		return (struct right){x, ld};
	for (size_t t = 0; t < T; t++)
		for (size_t c = 0; c < D; c += 16)
			v_store(room + t * step + c, v_load_upto(x + t * ld + c, D - c));
	return (struct right){room, step};
}

/* Keep masks for element c of the row that starts at `at` of the stream; renewed every second vector. */
HR_INLINE m16 row_keep(const struct hr_dropout_keys *keys, uint64_t at, size_t c, m16 masks[2])
{
	if (keys->threshold == 0)
		return m_first(16);
	if (c % 32 == 0)
		m_dropout(keys, at + c, &masks[0], &masks[1]);
	return masks[c / 16 % 2];
}

/* How many of the 16 keys from c on query i sees. */
HR_INLINE m16 seen_keys(size_t i, size_t c) { return m_first(i + 1 > c ? i + 1 - c : 0); }

/* The softmax of a tile's queries i.., stage by stage over all of them: within a query each stage waits for the sum or
 * the largest of the one before, and the other queries fill that time. First: logits scaled, biased and masked; the
 * largest. */
HR_INLINE void mask_logits(float *logits, size_t S, float *largest, size_t width, const struct hr_attention *a,
                           size_t i, size_t rows)
{
	const v16 scale = v_set1(1 / sqrtf((float)a->d)), outside = v_set1(-INFINITY);

	for (size_t r = 0; r < rows; r++) {
		v16 most = outside;
		for (size_t c = 0; c < width; c += 16) {
			const v16 bias = v_load_upto(a->bias + (i + r) * a->T + c, a->T - c);
			const v16 x =
				v_select(seen_keys(i + r, c), v_fma(v_load(logits + r * S + c), scale, bias), outside);
			most = v_max(most, x);
			v_store(logits + r * S + c, x);
		}
		largest[r] = v_largest(most);
	}
}

/* share: 16, of the tile's rows the first ones. */
HR_INLINE void exp_logits(float *logits, size_t S, const float *largest, float *share, size_t width, size_t rows)
{
	for (size_t r = 0; r < rows; r++) {
		v16 sum = v_zero();
		for (size_t c = 0; c < width; c += 16) {
			const v16 e = v_exp(v_sub(v_load(logits + r * S + c), v_set1(largest[r])));
			sum = v_add(sum, e);
			v_store(logits + r * S + c, e);
		}
		share[r] = v_sum(sum);
	}
	v_store(share, v_div(v_set1(1), v_load(share)));
}

/* Probabilities to a->probs if it is there, and after dropout in place. Those of keys not seen are zero. */
HR_INLINE void drop_probs(float *logits, size_t S, const float *share, size_t width, const struct hr_attention *a,
                          const struct hr_dropout_keys *keys, size_t i, size_t rows)
{
	m16 masks[2];

	for (size_t r = 0; r < rows; r++) {
		for (size_t c = 0; c < width; c += 16) {
			const v16 p = v_mul(v_load(logits + r * S + c), v_set1(share[r]));
			const m16 keep = row_keep(keys, a->drop_at + (i + r) * a->T, c, masks);
			if (a->probs != NULL)
				v_store_upto(a->probs + (i + r) * a->T + c, a->T - c, p);
			v_store(logits + r * S + c, v_keep(keep, v_mul(p, v_set1(keys->scale))));
		}
	}
}

static void attention(float *o, const struct hr_attention *a, float *scratch)
{
	const struct hr_dropout_keys keys = hr_dropout_prepare(&a->drop);
	const size_t T = a->T, d = a->d, ld = a->ld, S = up_to_16(T);
	float *keys_across = scratch, *logits = keys_across + d * S;
	float largest[TILE_ROWS], share[16] = {0};
	const struct right across = {keys_across, S}, values = padded_rows(logits + TILE_ROWS * S, a->v, ld, T, d);
	const struct result to_logits = into(logits, S, false);
	const struct left probs = {logits, S, 1};

	transpose_rows(keys_across, a->k, ld, T, d);
	for (size_t i = a->first, rows; i < T; i += rows) {
		rows = next_rows(T - i);
		const size_t width = up_to_16(i + rows);
		const struct left q = {a->q + i * ld, ld, 1};
		const struct result out = into(o + i * a->ld_o, a->ld_o, false);

		multiply_tiles(&to_logits, &q, &across, rows, width, d);
		mask_logits(logits, S, largest, width, a, i, rows);
		exp_logits(logits, S, largest, share, width, rows);
		drop_probs(logits, S, share, width, a, &keys, i, rows);
		multiply_tiles(&out, &probs, &values, rows, d, i + rows);
	}
}

/* Queries i.., each: ds holds the gradient of its dropped probabilities and gets that of its probabilities; dropped
 * gets those dropped probabilities; mean, the probabilities' mean of the gradient. Zero where a key is not seen. */
HR_INLINE void drop_probs_back(float *ds, float *dropped, size_t S, float *mean, size_t width,
                               const struct hr_attention *a, const struct hr_dropout_keys *keys, size_t i, size_t rows)
{
	const v16 grow = v_set1(keys->scale);
	m16 masks[2];

	for (size_t r = 0; r < rows; r++) {
		v16 sum = v_zero();
		for (size_t c = 0; c < width; c += 16) {
			const m16 seen = seen_keys(i + r, c),
				  keep = row_keep(keys, a->drop_at + (i + r) * a->T, c, masks);
			const v16 p = v_keep(seen, v_load_upto(a->probs + (i + r) * a->T + c, a->T - c));
			const v16 up = v_keep(seen, v_keep(keep, v_mul(v_load(ds + r * S + c), grow)));

			sum = v_fma(p, up, sum);
			v_store(dropped + r * S + c, v_keep(keep, v_mul(p, grow)));
			v_store(ds + r * S + c, up);
		}
		mean[r] = v_sum(sum);
	}
}

/* The gradient of the logits: added to dbias, and scaled in place. */
HR_INLINE void softmax_back(float *ds, size_t S, const float *mean, float *dbias, size_t width,
                            const struct hr_attention *a, size_t i, size_t rows)
{
	const v16 scale = v_set1(1 / sqrtf((float)a->d));

	for (size_t r = 0; r < rows; r++) {
		for (size_t c = 0; c < width; c += 16) {
			const v16 p = v_keep(seen_keys(i + r, c), v_load_upto(a->probs + (i + r) * a->T + c, a->T - c));
			const v16 change = v_mul(p, v_sub(v_load(ds + r * S + c), v_set1(mean[r])));

			v_store(ds + r * S + c, v_mul(change, scale));
			if (dbias != NULL && i + r >= c) {
				float *to = dbias + (i + r) * a->T + c;
				v_store_upto(to, i + r + 1 - c, v_add(v_load_upto(to, i + r + 1 - c), change));
			}
		}
	}
}

/* to (T, d) += x' rows: x (T, T) lower triangular, rows S apart. The tiles of keys are those that the queries had: the
 * queries before a tile see none of it, and its own are zero where they do not. */
static void add_transposed(float *to, size_t ld, const float *x, size_t S, const struct right *rows, size_t T, size_t d)
{
	for (size_t j = 0, keys; j < T; j += keys) {
		keys = next_rows(T - j);
		const struct result out = into(to + j * ld, ld, /* add */ true);
		const struct left across = {x + j * S + j, 1, S};
		const struct right from = {rows->at + j * rows->step, rows->step};

		multiply_tiles(&out, &across, &from, keys, d, T - j);
	}
}

static void attention_back(float *dq, float *dk, float *dv, float *dbias, const float *do_,
                           const struct hr_attention *a, float *scratch)
{
	const struct hr_dropout_keys keys = hr_dropout_prepare(&a->drop);
	const size_t T = a->T, d = a->d, ld = a->ld, S = up_to_16(T);
	float *ds = scratch, *dropped = ds + T * S, *values_across = dropped + T * S, *room = values_across + d * S;
	float mean[TILE_ROWS];
	const struct right across = {values_across, S}, k = padded_rows(room, a->k, ld, T, d);

	transpose_rows(values_across, a->v, ld, T, d);
	for (size_t i = 0, rows; i < T; i += rows) {
		rows = next_rows(T - i);
		const size_t width = up_to_16(i + rows);
		const struct left up = {do_ + i * a->ld_o, a->ld_o, 1}, slope = {ds + i * S, S, 1};
		const struct result to_ds = into(ds + i * S, S, false), out = into(dq + i * ld, ld, true);

		multiply_tiles(&to_ds, &up, &across, rows, width, d);
		drop_probs_back(ds + i * S, dropped + i * S, S, mean, width, a, &keys, i, rows);
		softmax_back(ds + i * S, S, mean, dbias, width, a, i, rows);
		multiply_tiles(&out, &slope, &k, rows, d, i + rows);
	}
	const struct right q = padded_rows(room, a->q, ld, T, d);
	add_transposed(dk, ld, ds, S, &q, T, d);
	const struct right up = padded_rows(room, do_, a->ld_o, T, d);
	add_transposed(dv, ld, dropped, S, &up, T, d);
}

#endif
