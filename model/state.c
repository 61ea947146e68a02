/* model/state.c - the trainer as records, and back.
 *
 * HR_REC_DENSE 0, little-endian: u8 version (1) | u8 blocks | u16 width | u16 heads | u16 window | u32 floats
 *   | 4 x floats f32: weights, Adam's first and second moments, slow copy, each in the layout of model/weights.h.
 * HR_REC_TRAINER 0: u8 version (3) | u64 steps | i64 stream_ms (INT64_MIN: no event yet) | f32 rate (0: as configured)
 *   | u32 steps refused in a row | u64 item rows | the mix, as in model/gate.h | the score, as in model/ranks.h.
 * A reader refuses another version or shape, numbers that are not finite, and bytes left over.
 */
#include <inttypes.h>
#include <math.h>

#include "base/mem.h"
#include "model/priv.h"
#include "model/purpose.h"

/* ---- out ---- */

static void encode_dense(const struct hr_trainer *t, struct hr_buf *b)
{
	const struct hr_layout *at = &t->encoder.at;

	hr_buf_clear(b);
	hr_buf_u8(b, 1);
	hr_buf_u8(b, (uint8_t)at->shape.blocks);
	hr_buf_u16(b, (uint16_t)at->shape.D);
	hr_buf_u16(b, (uint16_t)at->shape.H);
	hr_buf_u16(b, (uint16_t)at->shape.L);
	hr_buf_u32(b, (uint32_t)at->floats);
	hr_buf_bytes(b, t->w, at->floats * sizeof(float));
	hr_buf_bytes(b, t->m, at->floats * sizeof(float));
	hr_buf_bytes(b, t->v, at->floats * sizeof(float));
	hr_buf_bytes(b, t->slow, at->floats * sizeof(float));
}

static void encode_trainer(const struct hr_trainer *t, struct hr_buf *b)
{
	hr_buf_clear(b);
	hr_buf_u8(b, 3);
	hr_buf_u64(b, t->steps);
	hr_buf_u64(b, (uint64_t)t->stream_ms);
	hr_buf_f32(b, t->rate);
	hr_buf_u32(b, t->refused);
	hr_buf_u64(b, t->items.rows);
	hr_gate_encode(&t->gate, b);
	hr_score_encode(&t->score, b);
}

void hr_trainer_collect(struct hr_trainer *t, hr_record_put_fn *put, void *ctx)
{
	hr_items_collect(&t->items, 0, &t->bytes, put, ctx);
	hr_items_collect(&t->content, HR_CONTENT_PAGES, &t->bytes, put, ctx);
	hr_counters_collect(t->counters, &t->bytes, put, ctx);
	if (t->dense_dirty) {
		encode_dense(t, &t->bytes);
		put(ctx, HR_REC_DENSE, 0, t->bytes.p, t->bytes.len);
	}
	if (t->state_dirty) {
		encode_trainer(t, &t->bytes);
		put(ctx, HR_REC_TRAINER, 0, t->bytes.p, t->bytes.len);
	}
	t->dense_dirty = t->state_dirty = false;
}

/* ---- in ---- */

static bool finite_all(const float *x, size_t n)
{
	bool finite = true;

	for (size_t i = 0; i < n; i++)
		finite &= isfinite(x[i]) != 0;
	return finite;
}

static bool load_dense(struct hr_trainer *t, struct hr_cursor *in, struct hr_error *err)
{
	const struct hr_layout *at = &t->encoder.at;
	const unsigned version = hr_cur_u8(in), blocks = hr_cur_u8(in), D = hr_cur_u16(in), H = hr_cur_u16(in);
	const unsigned L = hr_cur_u16(in);
	const uint32_t floats = hr_cur_u32(in);

	if (version != 1)
		return hr_fail(err, HR_E_FORMAT, "version %u is not 1", version);
	if (blocks != at->shape.blocks || D != at->shape.D || H != at->shape.H || L != at->shape.L || floats != at->floats)
		return hr_fail(err, HR_E_FORMAT, "%u blocks, width %u, heads %u, window %u is not the configured %zu, %zu, %zu, %zu",
		               blocks, D, H, L, at->shape.blocks, at->shape.D, at->shape.H, at->shape.L);
	hr_cur_copy(in, t->w, floats * sizeof(float));
	hr_cur_copy(in, t->m, floats * sizeof(float));
	hr_cur_copy(in, t->v, floats * sizeof(float));
	hr_cur_copy(in, t->slow, floats * sizeof(float));
	if (!finite_all(t->w, floats) || !finite_all(t->m, 2 * (size_t)floats) || !finite_all(t->slow, floats))
		return hr_fail(err, HR_E_FORMAT, "a weight is not finite");
	hr_encoder_pack(&t->encoder);
	t->dense_dirty = false;
	t->loaded.dense = true;
	return true;
}

static bool load_trainer(struct hr_trainer *t, struct hr_cursor *in, struct hr_error *err)
{
	const unsigned version = hr_cur_u8(in);

	if (version != 3)
		return hr_fail(err, HR_E_FORMAT, "version %u is not 3", version);
	t->steps = hr_cur_u64(in);
	t->stream_ms = (int64_t)hr_cur_u64(in);
	t->rate = hr_cur_f32(in);
	t->refused = hr_cur_u32(in);
	t->loaded.rows = hr_cur_u64(in);
	if (!(t->rate >= 0 && t->rate <= 1))
		return hr_fail(err, HR_E_FORMAT, "rate %g is not in 0..1", (double)t->rate);
	if (t->refused > HR_REFUSED_MAX)
		return hr_fail(err, HR_E_FORMAT, "%u refused steps in a row are over %u", t->refused, HR_REFUSED_MAX);
	if (!hr_gate_decode(&t->gate, in, err) || !hr_score_decode(&t->score, in, err))
		return false;
	t->state_dirty = false;
	t->loaded.trainer = true;
	return true;
}

static bool load_page(struct hr_trainer *t, uint32_t number, const void *bytes, size_t len, struct hr_error *err)
{
	if (number < HR_CONTENT_PAGES)
		return hr_items_load(&t->items, number, bytes, len, err);
	if (t->content.pages == 0)
		hr_items_init(&t->content, t->config.width, t->config.seed, HR_PURPOSE_CONTENT);
	return hr_items_load(&t->content, number - HR_CONTENT_PAGES, bytes, len, err) || hr_context(err, "content");
}

static bool load_single(struct hr_trainer *t, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len,
                        struct hr_error *err)
{
	struct hr_cursor in = {.p = bytes, .left = len};
	const char *name = cls == HR_REC_DENSE ? "dense weights" : "trainer";

	if (number != 0)
		return hr_fail(err, HR_E_FORMAT, "%s: number %u is not 0", name, number);
	if (!(cls == HR_REC_DENSE ? load_dense(t, &in, err) : load_trainer(t, &in, err)))
		return hr_context(err, "%s", name);
	return (!in.failed && in.left == 0) || hr_fail(err, HR_E_FORMAT, "%s: %zu bytes of %zu are left over", name, in.left, len);
}

bool hr_trainer_load(struct hr_trainer *t, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len,
                     struct hr_error *err)
{
	switch (cls) {
	case HR_REC_PAGE:
		return load_page(t, number, bytes, len, err);
	case HR_REC_DENSE:
	case HR_REC_TRAINER:
		return load_single(t, cls, number, bytes, len, err);
	case HR_REC_RULES:
	case HR_REC_POPULARITY:
		return hr_counters_load(t->counters, cls, number, bytes, len, err);
	default:
		return hr_fail(err, HR_E_FORMAT, "record class %d is not the model's", (int)cls);
	}
}

bool hr_trainer_loaded(struct hr_trainer *t, struct hr_error *err)
{
	if (!t->loaded.dense && !t->loaded.trainer && t->items.rows == 0)
		return true; /* an empty state */
	if (!t->loaded.dense || !t->loaded.trainer)
		return hr_fail(err, HR_E_FORMAT, "the state has no record of the %s", t->loaded.dense ? "trainer" : "dense weights");
	if (t->items.rows != t->loaded.rows)
		return hr_fail(err, HR_E_FORMAT, "pages hold %zu item rows, the trainer counted %" PRIu64, t->items.rows,
		               t->loaded.rows);
	if (hr_counters_rows(t->counters) > t->items.rows)
		return hr_fail(err, HR_E_FORMAT, "counters name row %zu of %zu", hr_counters_rows(t->counters) - 1, t->items.rows);
	if (t->items.featured > 0 && t->content.rows != HR_CONTENT_ROWS)
		return hr_fail(err, HR_E_FORMAT, "content rows %zu are not %u", t->content.rows, HR_CONTENT_ROWS);
	hr_trainer_rows(t);
	for (size_t row = 0; row < t->items.rows; row++)
		t->live[row] = hr_items_live(&t->items, row);
	return true;
}
