/* model/kernels_attention.h - attention of one head, a few queries at a time so that their logits never leave the first-level
 * cache; only keys up to the tile's last query are touched. Over kernels_tile.h with fp32 units. */
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

/* Query i: its logits in row become probabilities in a->probs, and after dropout in row; zero from i + 1 to width. */
static void softmax_query(float *row, size_t width, const struct hr_attention *a, const struct hr_dropout_keys *keys, size_t i)
{
	const float *bias = a->bias + i * a->T;
	float *probs = a->probs + i * a->T;
	const v16 scale = v_set1(1 / sqrtf((float)a->d)), outside = v_set1(-INFINITY);
	v16 largest = outside, sum = v_zero();
	m16 masks[2];

	for (size_t c = 0; c < width; c += 16) {
		const v16 x = v_fma(v_load(row + c), scale, v_load_upto(bias + c, a->T - c));
		const v16 inside = v_select(m_first(i + 1 > c ? i + 1 - c : 0), x, outside);
		largest = v_max(largest, inside);
		v_store(row + c, inside);
	}
	largest = v_set1(v_largest(largest));
	for (size_t c = 0; c < width; c += 16) {
		const v16 e = v_exp(v_sub(v_load(row + c), largest));
		sum = v_add(sum, e);
		v_store(row + c, e);
	}
	const v16 share = v_set1(1 / v_sum(sum)), grow = v_set1(keys->scale);
	for (size_t c = 0; c < width; c += 16) {
		const v16 p = v_mul(v_load(row + c), share);
		v_store_upto(probs + c, a->T - c, p);
		v_store(row + c, v_keep(row_keep(keys, a->drop_at + i * a->T, c, masks), v_mul(p, grow)));
	}
}

static void attention(float *o, const struct hr_attention *a, float *scratch)
{
	const struct hr_dropout_keys keys = hr_dropout_prepare(&a->drop);
	const size_t T = a->T, d = a->d, ld = a->ld, S = up_to_16(T);
	float *keys_across = scratch, *logits = keys_across + d * S;
	const struct right values = padded_rows(logits + TILE_ROWS * S, a->v, ld, T, d);

	transpose_rows(keys_across, a->k, ld, T, d);
	for (size_t i = 0, rows; i < T; i += rows) {
		rows = next_rows(T - i);
		const size_t width = up_to_16(i + rows);
		multiply_tiles(into(logits, S, false), (struct left){a->q + i * ld, ld, 1}, (struct right){keys_across, S}, rows, width,
		               d);
		for (size_t r = 0; r < rows; r++)
			softmax_query(logits + r * S, width, a, &keys, i + r);
		multiply_tiles(into(o + i * ld, ld, false), (struct left){logits, S, 1}, values, rows, d, i + rows);
	}
}

/* Query i: ds holds the gradient of its dropped probabilities and gets that of its unscaled logits; dropped gets those
 * probabilities themselves. Zero from i + 1 to width. */
static void softmax_query_back(float *ds, float *dropped, float *dbias, size_t width, const struct hr_attention *a,
                               const struct hr_dropout_keys *keys, size_t i)
{
	const float *probs = a->probs + i * a->T;
	const v16 scale = v_set1(1 / sqrtf((float)a->d)), grow = v_set1(keys->scale);
	v16 sum = v_zero();
	m16 masks[2];

	for (size_t c = 0; c < width; c += 16) {
		const m16 inside = m_first(i + 1 > c ? i + 1 - c : 0), keep = row_keep(keys, a->drop_at + i * a->T, c, masks);
		const v16 p = v_keep(inside, v_load_upto(probs + c, a->T - c));
		const v16 up = v_keep(inside, v_keep(keep, v_mul(v_load(ds + c), grow)));

		sum = v_fma(p, up, sum);
		v_store(dropped + c, v_keep(keep, v_mul(p, grow)));
		v_store(ds + c, up);
	}
	const v16 mean = v_set1(v_sum(sum));
	for (size_t c = 0; c < width; c += 16) {
		const size_t some = i + 1 > c ? i + 1 - c : 0;
		const v16 p = v_keep(m_first(some), v_load_upto(probs + c, a->T - c));
		const v16 change = v_mul(p, v_sub(v_load(ds + c), mean));

		if (dbias != NULL && some > 0)
			v_store_upto(dbias + i * a->T + c, some, v_add(v_load_upto(dbias + i * a->T + c, some), change));
		v_store(ds + c, v_mul(change, scale));
	}
}

static void attention_back(float *dq, float *dk, float *dv, float *dbias, const float *do_, const struct hr_attention *a,
                           float *scratch)
{
	const struct hr_dropout_keys keys = hr_dropout_prepare(&a->drop);
	const size_t T = a->T, d = a->d, ld = a->ld, S = up_to_16(T);
	float *ds = scratch, *dropped = ds + T * S, *values_across = dropped + T * S, *room = values_across + d * S;
	const struct right k = padded_rows(room, a->k, ld, T, d);

	transpose_rows(values_across, a->v, ld, T, d);
	for (size_t i = 0, rows; i < T; i += rows) {
		rows = next_rows(T - i);
		const size_t width = up_to_16(i + rows);
		multiply_tiles(into(ds + i * S, S, false), (struct left){do_ + i * ld, ld, 1}, (struct right){values_across, S}, rows,
		               width, d);
		for (size_t r = i; r < i + rows; r++)
			softmax_query_back(ds + r * S, dropped + r * S, dbias, width, a, &keys, r);
		multiply_tiles(into(dq + i * ld, ld, true), (struct left){ds + i * S, S, 1}, k, rows, d, i + rows);
	}
	/* the same tiles, now of keys: queries before a tile see none of it, its own are zero where they do not */
	const struct right q = padded_rows(room, a->q, ld, T, d);
	for (size_t j = 0, rows; j < T; j += rows) {
		rows = next_rows(T - j);
		multiply_tiles(into(dk + j * ld, ld, true), (struct left){ds + j * S + j, 1, S},
		               (struct right){q.at + j * q.step, q.step}, rows, d, T - j);
	}
	const struct right up = padded_rows(room, do_, ld, T, d);
	for (size_t j = 0, rows; j < T; j += rows) {
		rows = next_rows(T - j);
		multiply_tiles(into(dv + j * ld, ld, true), (struct left){dropped + j * S + j, 1, S},
		               (struct right){up.at + j * up.step, up.step}, rows, d, T - j);
	}
}

#endif
