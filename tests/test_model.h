/* tests/test_model.h - small trainers with made-up histories, and their records. */
#ifndef HR_TESTS_TEST_MODEL_H
#define HR_TESTS_TEST_MODEL_H

#include "base/base.h"
#include "model/model.h"
#include "tests/test.h"

#define DAY_MS INT64_C(86400000)

/** Width 32, one block, no dropout, full softmax up to 64 items. */
static inline struct hr_model_config small_config(void)
{
	struct hr_model_config c = hr_model_defaults();

	c.width = 32;
	c.window = 20;
	c.dropout = 0;
	c.full_softmax_below = 64;
	c.negatives = 16;
	c.evaluate_share = 1;
	c.evaluate_window = 100;
	return c;
}

static inline struct hr_trainer *new_trainer(const struct hr_model_config *c)
{
	struct hr_trainer *t = NULL;
	struct hr_error err = {0};

	if (!hr_trainer_new(c, &t, &err))
		fail_msg("%s", err.msg);
	return t;
}

/** Rows 0..n-1, live. */
static inline void add_items(struct hr_trainer *t, uint32_t n)
{
	for (uint32_t row = 0; row < n; row++) {
		hr_trainer_item(t, row, hr_hash(&row, sizeof row));
		hr_trainer_admit(t, row);
	}
}

/** A history of length + 1 events on items item[0..length], an hour apart: every position has a target. */
static inline void add_history(struct hr_batch *b, const uint32_t *item, size_t length, int fresh)
{
	hr_batch_begin(b, fresh);
	for (size_t i = 0; i < length; i++) {
		const int64_t time_ms = (int64_t)i * 3600000;
		hr_batch_add(b, item[i], time_ms, HR_KIND_CLICK, time_ms + 3600000, item[i + 1], HR_KIND_CLICK);
	}
}

/** count histories of random lengths 1..longest over items rows; the last position of every other fresh one has no target. */
static inline void random_batch(struct hr_batch *b, size_t count, size_t longest, uint32_t items, uint64_t seed)
{
	struct hr_rng rng = hr_rng_stream(seed, 77, 0);

	hr_batch_clear(b);
	for (size_t s = 0; s < count; s++) {
		const size_t length = 1 + hr_rng_below(&rng, (uint32_t)longest);
		int64_t time_ms = (int64_t)hr_rng_below(&rng, 1000) * 60000;
		hr_batch_begin(b, s % 3 != 0);
		for (size_t i = 0; i < length; i++) {
			const int64_t ask_ms = time_ms + (int64_t)hr_rng_below(&rng, 500000000);
			const bool none = s % 2 == 1 && i + 1 == length;
			hr_batch_add(b, hr_rng_below(&rng, items), time_ms, (uint8_t)(1 + hr_rng_below(&rng, 4)), ask_ms,
			             none ? HR_NONE : hr_rng_below(&rng, items), HR_KIND_CLICK);
			time_ms = ask_ms;
		}
	}
}

static inline struct hr_step_result step(struct hr_trainer *t, const struct hr_batch *b)
{
	struct hr_step_result r;

	hr_trainer_step(t, b, &r);
	return r;
}

/* ---- records: every collected one, in the order of (class, number), newest bytes ---- */

struct records {
	struct record {
		enum hr_record_class cls;
		uint32_t number;
		struct hr_buf bytes;
	} *at;
	size_t count, cap;
};

static inline void put_record(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len)
{
	struct records *r = ctx;
	size_t i = 0;

	while (i < r->count && (r->at[i].cls < cls || (r->at[i].cls == cls && r->at[i].number < number)))
		i++;
	if (i == r->count || r->at[i].cls != cls || r->at[i].number != number) {
		r->at = hr_grow(r->at, &r->cap, r->count + 1, sizeof *r->at);
		memmove(r->at + i + 1, r->at + i, (r->count++ - i) * sizeof *r->at);
		r->at[i] = (struct record){.cls = cls, .number = number};
	}
	hr_buf_clear(&r->at[i].bytes);
	hr_buf_bytes(&r->at[i].bytes, bytes, len);
}

static inline void records_fini(struct records *r)
{
	for (size_t i = 0; i < r->count; i++)
		hr_buf_fini(&r->at[i].bytes);
	hr_free(r->at);
}

static inline void assert_same_records(const struct records *a, const struct records *b)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert_int_equal(a->at[i].cls, b->at[i].cls);
		assert_int_equal(a->at[i].number, b->at[i].number);
		assert_int_equal(a->at[i].bytes.len, b->at[i].bytes.len);
		if (memcmp(a->at[i].bytes.p, b->at[i].bytes.p, a->at[i].bytes.len) != 0)
			fail_msg("record %c %u differs", (char)a->at[i].cls, a->at[i].number);
	}
}

static inline struct hr_trainer *load_trainer(const struct hr_model_config *c, const struct records *r)
{
	struct hr_trainer *t = new_trainer(c);
	struct hr_error err = {0};

	for (size_t i = 0; i < r->count; i++)
		if (!hr_trainer_load(t, r->at[i].cls, r->at[i].number, r->at[i].bytes.p, r->at[i].bytes.len, &err))
			fail_msg("%s", err.msg);
	if (!hr_trainer_loaded(t, &err))
		fail_msg("%s", err.msg);
	return t;
}

#endif
