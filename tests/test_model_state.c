/* tests/test_model_state.c - item rows, slow weights, refused steps, and records that must not be believed. */
#include "model/priv.h"
#include "tests/test_model.h"

enum { ITEMS = 70, D = 32 };

/* ---- items ---- */

static void a_row_starts_the_same_whenever_it_comes(void **state)
{
	struct hr_items a, b;

	(void)state;
	hr_items_init(&a, D, 5, 1);
	hr_items_init(&b, D, 5, 1);
	hr_items_make(&a, 0, 111);
	hr_items_make(&a, 100, 222);
	hr_items_make(&b, 3, 222);
	hr_items_make(&b, 3, 999); /* it has its value already */
	assert_memory_equal(hr_items_row(&a, 100), hr_items_row(&b, 3), D * sizeof(float));
	assert_true(memcmp(hr_items_row(&a, 0), hr_items_row(&b, 3), D * sizeof(float)) != 0);
	double squares = 0;
	for (size_t c = 0; c < D; c++)
		squares += (double)hr_items_row(&a, 0)[c] * (double)hr_items_row(&a, 0)[c];
	assert_in_range((size_t)(1e6 * sqrt(squares / D)), 10000, 30000); /* .02 */
	hr_items_fini(&a);
	hr_items_fini(&b);
}

static void draws_are_live_and_even(void **state)
{
	struct hr_items t;
	struct hr_rng rng = hr_rng_stream(1, 1, 1);
	size_t drawn[300] = {0};

	(void)state;
	hr_items_init(&t, D, 1, 1);
	for (size_t row = 0; row < 300; row++)
		hr_items_make(&t, row, row);
	for (size_t row = 0; row < 300; row += 3)
		hr_items_admit(&t, row);
	hr_items_admit(&t, 0);
	hr_items_retire(&t, 3);
	hr_items_retire(&t, 3);
	assert_int_equal(t.live_count, 99);
	for (size_t i = 0; i < 99000; i++)
		drawn[hr_items_draw(&t, &rng)]++;
	for (size_t row = 0; row < 300; row++) {
		if (row % 3 == 0 && row != 3)
			assert_in_range(drawn[row], 850, 1150);
		else
			assert_int_equal(drawn[row], 0);
	}
	hr_items_fini(&t);
}

static void content_is_the_scaled_sum_of_its_features(void **state)
{
	struct hr_items t, content;
	const uint64_t features[5] = {7, 9, 7 + HR_CONTENT_ROWS, 8, 9};
	float got[D];

	(void)state;
	hr_items_init(&t, D, 1, 1);
	hr_items_init(&content, D, 1, 2);
	for (size_t row = 0; row < HR_CONTENT_ROWS; row++)
		hr_items_make(&content, row, row);
	hr_items_make(&t, 0, 1);
	hr_items_content(&t, 0, features, 5); /* three different ones */
	hr_items_vector(&t, &content, 0, got);
	for (size_t c = 0; c < D; c++) {
		const double sum = (double)hr_items_row(&content, 7)[c] + (double)hr_items_row(&content, 8)[c] +
		                   (double)hr_items_row(&content, 9)[c];
		assert_close((double)got[c], (double)hr_items_row(&t, 0)[c] + sum / sqrt(3), 1e-6, "vector", c);
	}
	assert_int_equal(t.featured, 1);
	hr_items_content(&t, 0, NULL, 0);
	assert_int_equal(t.featured, 0);
	hr_items_vector(&t, &content, 0, got);
	assert_memory_equal(got, hr_items_row(&t, 0), sizeof got);
	hr_items_fini(&t);
	hr_items_fini(&content);
}

static void content_learns(void **state)
{
	const struct hr_model_config c = small_config();
	struct hr_trainer *t = new_trainer(&c);
	struct hr_batch b = {0};
	const uint64_t feature = 17;
	float before[D];

	(void)state;
	add_items(t, ITEMS);
	for (uint32_t row = 0; row < ITEMS; row += 2)
		hr_trainer_content(t, row, &feature, 1);
	memcpy(before, hr_items_row(&t->content, 17), sizeof before);
	random_batch(&b, 40, 10, ITEMS, 3);
	assert_true(step(t, &b).trained);
	assert_true(memcmp(before, hr_items_row(&t->content, 17), sizeof before) != 0);
	assert_true(t->content.page[0]->moved == UINT64_C(1) << 17);
	/* and an item that took no part moves with it */
	hr_trainer_item(t, ITEMS, 1);
	hr_trainer_content(t, ITEMS, &feature, 1);
	hr_trainer_refresh(t);
	memcpy(before, t->unit + ITEMS * D, sizeof before);
	assert_true(step(t, &b).trained);
	hr_trainer_refresh(t);
	assert_true(memcmp(before, t->unit + ITEMS * D, sizeof before) != 0);
	hr_batch_fini(&b);
	hr_trainer_free(t);
}

static void a_row_does_not_grow_without_end(void **state)
{
	const struct hr_model_config c = small_config();
	struct hr_trainer *t = new_trainer(&c);
	struct hr_batch b = {0};
	double squares = 0;

	(void)state;
	add_items(t, ITEMS);
	float *x = hr_items_row(&t->items, 5);
	for (size_t i = 0; i < D; i++)
		x[i] *= 1000; /* about 110 long */
	random_batch(&b, 40, 10, ITEMS, 3);
	assert_true(step(t, &b).trained);
	for (size_t i = 0; i < D; i++)
		squares += (double)x[i] * (double)x[i];
	assert_close(sqrt(squares), 2, 0.01, "length", 5);
	hr_batch_fini(&b);
	hr_trainer_free(t);
}

/* ---- slow weights ---- */

static void slow_weights_go_their_share_and_young_rows_all_the_way(void **state)
{
	struct hr_model_config c = small_config(), fast = c;
	struct hr_batch b = {0};
	float start[D], young[D];

	(void)state;
	c.slow_every = fast.slow_every = 2;
	c.slow_share = 0.25f;
	fast.slow_share = 1;
	random_batch(&b, 40, 10, ITEMS - 1, 3);
	struct hr_trainer *t = new_trainer(&c), *want = new_trainer(&fast);
	add_items(t, ITEMS);
	add_items(want, ITEMS);
	for (size_t i = 0; i < 2; i++) { /* the first update: every row is young, the weights are not */
		assert_true(step(t, &b).trained);
		assert_true(step(want, &b).trained);
	}
	assert_memory_equal(hr_items_row(&t->items, 5), hr_items_row(&want->items, 5), D * sizeof(float));
	assert_memory_equal(t->w, t->slow, t->encoder.at.floats * sizeof(float));
	memcpy(start, hr_items_row(&t->items, 5), sizeof start);
	hr_trainer_retire(t, 6);
	hr_trainer_admit(t, 6); /* seen for the first time again, as it were */
	assert_true(step(t, &b).trained);
	assert_memory_equal(t->items.page[0]->slow + 5 * D, start, sizeof start);
	struct records r = {0};
	hr_trainer_collect(t, put_record, &r);
	struct hr_model_config off = c;
	off.slow_share = 1;
	struct hr_trainer *u = load_trainer(&off, &r); /* the same step without the slow update */
	assert_true(step(t, &b).trained);
	assert_true(step(u, &b).trained);
	for (size_t i = 0; i < D; i++)
		assert_close((double)hr_items_row(&t->items, 5)[i],
		             (double)start[i] + 0.25 * (double)(hr_items_row(&u->items, 5)[i] - start[i]), 1e-6, "row", i);
	memcpy(young, hr_items_row(&u->items, 6), sizeof young);
	assert_memory_equal(hr_items_row(&t->items, 6), young, sizeof young);
	assert_true(t->items.page[0]->moved == 0 && t->items.page[0]->young == 0);
	records_fini(&r);
	hr_batch_fini(&b);
	hr_trainer_free(t);
	hr_trainer_free(u);
	hr_trainer_free(want);
}

static void start_up_training_takes_full_steps(void **state)
{
	struct hr_model_config half = small_config(), full = half;
	struct records seen[2] = {{0}};
	struct hr_batch b = {0};

	(void)state;
	half.slow_every = full.slow_every = 2;
	full.slow_share = 1;
	random_batch(&b, 40, 10, ITEMS, 3);
	for (size_t i = 0; i < 2; i++) {
		struct hr_trainer *t = new_trainer(i == 0 ? &half : &full);
		add_items(t, ITEMS);
		hr_trainer_rate(t, 2e-3f);
		for (size_t n = 0; n < 5; n++)
			assert_true(step(t, &b).trained);
		hr_trainer_collect(t, put_record, &seen[i]);
		hr_trainer_free(t);
	}
	assert_same_records(&seen[0], &seen[1]);
	records_fini(&seen[0]);
	records_fini(&seen[1]);
	hr_batch_fini(&b);
}

/* ---- refused steps ---- */

static void a_step_that_is_not_finite_changes_no_weight(void **state)
{
	const struct hr_model_config c = small_config();
	struct hr_trainer *t = new_trainer(&c);
	struct records before = {0}, after = {0};
	struct hr_batch b = {0};

	(void)state;
	add_items(t, ITEMS);
	random_batch(&b, 40, 10, ITEMS, 3);
	assert_true(step(t, &b).trained);
	const float keep = t->w[t->encoder.at.norm_g];
	for (size_t i = 0; i < 2; i++) {
		t->w[t->encoder.at.norm_g] = i == 0 ? NAN : INFINITY;
		t->dense_dirty = true;
		hr_trainer_collect(t, put_record, &before);
		const struct hr_step_result r = step(t, &b);
		assert_true(r.refused && !r.trained);
		assert_int_equal(t->refused, 1);
		t->refused = 0;
		t->dense_dirty = t->state_dirty = true;
		for (size_t p = 0; p < t->items.pages; p++)
			t->items.page[p]->dirty = true;
		hr_trainer_collect(t, put_record, &after);
		assert_same_records(&before, &after);
	}
	t->w[t->encoder.at.norm_g] = keep;
	assert_true(step(t, &b).trained);
	assert_int_equal(hr_trainer_steps(t), 2);
	records_fini(&before);
	records_fini(&after);
	hr_batch_fini(&b);
	hr_trainer_free(t);
}

static void three_refusals_in_a_row_freeze_learning_until_a_thaw(void **state)
{
	const struct hr_model_config c = small_config();
	struct hr_trainer *t = new_trainer(&c);
	struct records r = {0};
	struct hr_batch b = {0};

	(void)state;
	add_items(t, ITEMS);
	random_batch(&b, 40, 10, ITEMS, 3);
	const float keep = t->w[t->encoder.at.norm_g];
	for (size_t i = 1; i <= 5; i++) { /* a good step between two and three bad ones: the count begins again */
		t->w[t->encoder.at.norm_g] = i == 3 ? keep : NAN;
		assert_true(step(t, &b).refused == (i != 3));
	}
	assert_false(hr_trainer_frozen(t));
	assert_true(step(t, &b).refused);
	assert_true(hr_trainer_frozen(t));
	t->w[t->encoder.at.norm_g] = keep;
	const struct hr_step_result none = step(t, &b);
	assert_false(none.trained || none.refused);
	assert_int_equal(hr_trainer_steps(t), 1);
	hr_trainer_collect(t, put_record, &r);
	struct hr_trainer *again = load_trainer(&c, &r);
	assert_true(hr_trainer_frozen(again));
	hr_trainer_thaw(again);
	assert_true(step(again, &b).trained);
	records_fini(&r);
	hr_batch_fini(&b);
	hr_trainer_free(t);
	hr_trainer_free(again);
}

/* ---- records ---- */

static void collect_some(const struct hr_model_config *c, struct records *r)
{
	struct hr_trainer *t = new_trainer(c);
	struct hr_batch b = {0};
	const uint64_t features[2] = {1, 2};

	add_items(t, ITEMS);
	hr_trainer_content(t, 3, features, 2);
	random_batch(&b, 40, 10, ITEMS, 3);
	assert_true(step(t, &b).trained);
	hr_trainer_rate(t, 1e-3f);
	hr_trainer_collect(t, put_record, r);
	hr_batch_fini(&b);
	hr_trainer_free(t);
}

static void assert_refused(const struct hr_model_config *c, const struct record *r, size_t len)
{
	struct hr_trainer *t = new_trainer(c);
	struct hr_error err = {0};

	assert_false(hr_trainer_load(t, r->cls, r->number, r->bytes.p, len, &err));
	assert_int_equal(err.code, HR_E_FORMAT);
	hr_trainer_free(t);
}

static void a_record_cut_anywhere_or_too_long_is_refused(void **state)
{
	const struct hr_model_config c = small_config();
	struct records r = {0};

	(void)state;
	collect_some(&c, &r);
	for (size_t i = 0; i < r.count; i++) {
		const size_t len = r.at[i].bytes.len;
		if (r.at[i].number % HR_CONTENT_PAGES != 0)
			continue; /* refused already because it comes before number 0 */
		hr_buf_u8(&r.at[i].bytes, 0);
		for (size_t cut = 0; cut < len; cut += len / 60 + 1)
			assert_refused(&c, &r.at[i], cut);
		assert_refused(&c, &r.at[i], len - 1);
		assert_refused(&c, &r.at[i], len + 1);
	}
	records_fini(&r);
}

static void another_shape_is_refused_with_both(void **state)
{
	struct hr_model_config c = small_config();
	struct records r = {0};
	struct hr_error err = {0};

	(void)state;
	collect_some(&c, &r);
	c.width = 48;
	struct hr_trainer *t = new_trainer(&c);
	for (size_t i = 0; i < r.count; i++) {
		if (r.at[i].cls != HR_REC_PAGE && r.at[i].cls != HR_REC_DENSE)
			continue;
		if (r.at[i].number % HR_CONTENT_PAGES != 0)
			continue;
		assert_false(hr_trainer_load(t, r.at[i].cls, r.at[i].number, r.at[i].bytes.p, r.at[i].bytes.len, &err));
		assert_non_null(strstr(err.msg, "32"));
		assert_non_null(strstr(err.msg, "48"));
	}
	hr_trainer_free(t);
	records_fini(&r);
}

static void assert_not_loaded(const struct hr_model_config *c, const struct records *r, size_t leave_out, const char *why)
{
	struct hr_trainer *t = new_trainer(c);
	struct hr_error err = {0};
	bool ok = true;

	for (size_t i = 0; i < r->count && ok; i++)
		if (i != leave_out)
			ok = hr_trainer_load(t, r->at[i].cls, r->at[i].number, r->at[i].bytes.p, r->at[i].bytes.len, &err);
	assert_false(ok && hr_trainer_loaded(t, &err));
	if (strstr(err.msg, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.msg, why);
	hr_trainer_free(t);
}

static void a_missing_record_is_noticed(void **state)
{
	const struct hr_model_config c = small_config();
	struct records r = {0};

	(void)state;
	collect_some(&c, &r);
	for (size_t i = 0; i < r.count; i++) {
		if (r.at[i].cls == HR_REC_DENSE)
			assert_not_loaded(&c, &r, i, "no record of the dense weights");
		else if (r.at[i].cls == HR_REC_TRAINER)
			assert_not_loaded(&c, &r, i, "no record of the trainer");
		else if (r.at[i].cls == HR_REC_PAGE && r.at[i].number == 0)
			assert_not_loaded(&c, &r, i, "page 1 where page 0 must follow");
		else if (r.at[i].cls == HR_REC_PAGE && r.at[i].number == 1)
			assert_not_loaded(&c, &r, i, "64 item rows");
		else if (r.at[i].cls == HR_REC_PAGE && r.at[i].number == HR_CONTENT_PAGES + 63)
			assert_not_loaded(&c, &r, i, "content rows 4032");
	}
	records_fini(&r);
}

static void weights_that_are_not_finite_are_refused(void **state)
{
	const struct hr_model_config c = small_config();
	struct records r = {0};
	struct hr_error err = {0};
	const float bad = NAN;

	(void)state;
	collect_some(&c, &r);
	for (size_t i = 0; i < r.count; i++) {
		struct hr_trainer *t = new_trainer(&c);
		if (r.at[i].cls == HR_REC_DENSE || (r.at[i].cls == HR_REC_PAGE && r.at[i].number == 0)) {
			memcpy(r.at[i].bytes.p + 60, &bad, sizeof bad);
			assert_false(hr_trainer_load(t, r.at[i].cls, r.at[i].number, r.at[i].bytes.p, r.at[i].bytes.len, &err));
			assert_non_null(strstr(err.msg, "not finite"));
		}
		hr_trainer_free(t);
	}
	records_fini(&r);
}

static void an_empty_state_is_one(void **state)
{
	const struct hr_model_config c = small_config();
	struct hr_trainer *t = new_trainer(&c);
	struct hr_error err;

	(void)state;
	assert_true(hr_trainer_loaded(t, &err));
	hr_trainer_free(t);
}

/* ---- settings ---- */

static void settings_out_of_bounds_are_refused_with_the_bound(void **state)
{
	struct hr_error err;
	struct hr_model_config c = hr_model_defaults();

	(void)state;
	assert_true(hr_model_config_check(&c, &err));
	c.width = 40;
	assert_false(hr_model_config_check(&c, &err));
	assert_string_equal(err.msg, "width 40 is not a multiple of 16");
	c.width = 64;
	c.heads = 3;
	assert_false(hr_model_config_check(&c, &err));
	assert_string_equal(err.msg, "heads 3 do not divide width 64");
	c.heads = 2;
	c.dropout = NAN;
	assert_false(hr_model_config_check(&c, &err));
	assert_int_equal(err.code, HR_E_CONFIG);
	c.dropout = 0.9f;
	assert_false(hr_model_config_check(&c, &err));
	assert_string_equal(err.msg, "dropout 0.9 is not in 0..0.8");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_starts_the_same_whenever_it_comes),
		cmocka_unit_test(draws_are_live_and_even),
		cmocka_unit_test(content_is_the_scaled_sum_of_its_features),
		cmocka_unit_test(content_learns),
		cmocka_unit_test(a_row_does_not_grow_without_end),
		cmocka_unit_test(slow_weights_go_their_share_and_young_rows_all_the_way),
		cmocka_unit_test(start_up_training_takes_full_steps),
		cmocka_unit_test(a_step_that_is_not_finite_changes_no_weight),
		cmocka_unit_test(three_refusals_in_a_row_freeze_learning_until_a_thaw),
		cmocka_unit_test(a_record_cut_anywhere_or_too_long_is_refused),
		cmocka_unit_test(another_shape_is_refused_with_both),
		cmocka_unit_test(a_missing_record_is_noticed),
		cmocka_unit_test(weights_that_are_not_finite_are_refused),
		cmocka_unit_test(an_empty_state_is_one),
		cmocka_unit_test(settings_out_of_bounds_are_refused_with_the_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
