#include "tests/test_store.h"

static const char *const shelf[] = {"home", "kitchen"};
static const char *const tags[] = {"", "new", "sale"};

static void an_item_is_admitted_once_by_its_nth_event(void **state)
{
	struct hr_catalogue *c = hr_catalogue_new(3);
	const uint32_t row = hr_catalogue_row(c, "mug", 3);

	(void)state;
	assert_int_equal(hr_catalogue_get(c, row).first_ms, INT64_MIN);
	assert_false(hr_catalogue_count_event(c, row, 50));
	assert_false(hr_catalogue_count_event(c, row, 60));
	assert_false(hr_catalogue_get(c, row).admitted);
	assert_true(hr_catalogue_count_event(c, row, 55));
	assert_false(hr_catalogue_count_event(c, row, 56));
	const struct hr_item item = hr_catalogue_get(c, row);
	assert_true(item.admitted);
	assert_int_equal(item.events, 4);
	assert_int_equal(item.first_ms, 50);
	assert_int_equal(item.last_ms, 60);
	hr_catalogue_free(c);
}

static void a_description_is_copied_and_replaced_whole(void **state)
{
	struct hr_catalogue *c = hr_catalogue_new(1);
	const uint32_t row = hr_catalogue_row(c, "mug", 3);
	char title[] = "Mug";

	(void)state;
	assert_string_equal(hr_catalogue_get(c, row).title, "");
	hr_catalogue_describe(c, row, title, shelf, 2, tags, 3, 4.5);
	title[0] = 'X';
	struct hr_item item = hr_catalogue_get(c, row);
	assert_string_equal(item.title, "Mug");
	assert_int_equal(item.category_count, 2);
	assert_string_equal(item.category[1], "kitchen");
	assert_int_equal(item.tag_count, 3);
	assert_string_equal(item.tag[0], "");
	assert_string_equal(item.tag[2], "sale");
	assert_true(item.price == 4.5);
	hr_catalogue_describe(c, row, item.tag[2], item.category, 1, NULL, 0, 0); /* from its own strings */
	item = hr_catalogue_get(c, row);
	assert_string_equal(item.title, "sale");
	assert_int_equal(item.category_count, 1);
	assert_string_equal(item.category[0], "home");
	assert_int_equal(item.tag_count, 0);
	hr_catalogue_free(c);
}

static void an_expired_item_is_admitted_again_by_one_event(void **state)
{
	struct hr_catalogue *c = hr_catalogue_new(3);
	const uint32_t row = hr_catalogue_row(c, "mug", 3);

	(void)state;
	hr_catalogue_describe(c, row, "Mug", NULL, 0, NULL, 0, 0);
	for (int i = 1; i <= 4; i++)
		assert_int_equal(hr_catalogue_count_event(c, row, i), i == 3);
	assert_false(hr_catalogue_get(c, row).expired);
	hr_catalogue_expire(c, row);
	assert_true(hr_catalogue_get(c, row).expired);
	assert_false(hr_catalogue_get(c, row).admitted);
	assert_string_equal(hr_catalogue_get(c, row).title, "Mug");
	assert_true(hr_catalogue_count_event(c, row, 5));
	assert_false(hr_catalogue_get(c, row).expired);
	assert_true(hr_catalogue_get(c, row).admitted);
	assert_false(hr_catalogue_count_event(c, row, 6));
	assert_int_equal(hr_catalogue_get(c, row).events, 6);
	hr_catalogue_free(c);
}

static void what_was_said_of_an_item_can_be_taken_back(void **state)
{
	struct hr_catalogue *c = hr_catalogue_new(1);
	const uint32_t row = hr_catalogue_row(c, "mug", 3);

	(void)state;
	assert_false(hr_catalogue_get(c, row).described);
	hr_catalogue_describe(c, row, "Mug", shelf, 1, tags, 1, 4);
	assert_true(hr_catalogue_get(c, row).described);
	hr_catalogue_undescribe(c, row);
	assert_false(hr_catalogue_get(c, row).described);
	assert_string_equal(hr_catalogue_get(c, row).title, "");
	assert_int_equal(hr_catalogue_get(c, row).category_count, 0);
	hr_catalogue_undescribe(c, row);
	hr_catalogue_free(c);
}

/* Loads each collected row into another catalogue. */
static void load_into(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len)
{
	struct hr_error err = {0};

	assert_int_equal(cls, HR_REC_ITEM);
	if (!hr_catalogue_load(ctx, number, bytes, len, &err))
		fail_msg("%s", err.msg);
}

static void count_rows(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len)
{
	(void)cls;
	(void)number;
	(void)bytes;
	(void)len;
	++*(size_t *)ctx;
}

static void loaded_rows_are_the_collected_ones(void **state)
{
	struct hr_catalogue *c = hr_catalogue_new(2), *again = hr_catalogue_new(2);
	struct hr_buf first = {0}, second = {0};
	size_t collected = 0;

	(void)state;
	for (uint32_t i = 0; i < 5000; i++) {
		const uint32_t row = hr_catalogue_row(c, &i, sizeof i);

		for (uint32_t n = 0; n < i % 4; n++)
			(void)hr_catalogue_count_event(c, row, i + n);
		if (i % 3 == 0)
			hr_catalogue_describe(c, row, i % 2 ? "t" : "", shelf, i % 5 / 2, tags, i % 4, i % 7);
		if (i % 11 == 0 && hr_catalogue_get(c, row).admitted)
			hr_catalogue_expire(c, row);
	}
	hr_catalogue_collect(c, load_into, again);
	assert_int_equal(hr_catalogue_count(again), 5000);
	for (uint32_t i = 0; i < 5000; i++) {
		assert_int_equal(hr_catalogue_find(again, &i, sizeof i), i);
		hr_catalogue_encode(c, i, &first);
		hr_catalogue_encode(again, i, &second);
	}
	assert_int_equal(first.len, second.len);
	assert_memory_equal(first.p, second.p, first.len);
	hr_catalogue_collect(c, count_rows, &collected);
	hr_catalogue_collect(again, count_rows, &collected);
	assert_int_equal(collected, 0);
	hr_buf_fini(&first);
	hr_buf_fini(&second);
	hr_catalogue_free(c);
	hr_catalogue_free(again);
}

static bool recode_item(const uint8_t *bytes, size_t len, struct hr_buf *again, struct hr_error *err)
{
	struct hr_catalogue *c = hr_catalogue_new(1);
	const bool ok = hr_catalogue_load(c, 0, bytes, len, err);

	assert_int_equal(hr_catalogue_count(c), ok);
	if (ok)
		hr_catalogue_encode(c, 0, again);
	hr_catalogue_free(c);
	return ok;
}

static void a_damaged_row_is_refused_or_means_what_it_says(void **state)
{
	struct hr_catalogue *c = hr_catalogue_new(1);
	struct hr_buf b = {0};

	(void)state;
	(void)hr_catalogue_row(c, "mug", 3);
	hr_catalogue_encode(c, 0, &b);
	assert_survives_damage(recode_item, b.p, b.len);
	(void)hr_catalogue_count_event(c, 0, 5);
	hr_catalogue_describe(c, 0, "Mug, large", shelf, 2, tags, 3, 4.5);
	hr_buf_clear(&b);
	hr_catalogue_encode(c, 0, &b);
	assert_survives_damage(recode_item, b.p, b.len);
	hr_buf_fini(&b);
	hr_catalogue_free(c);
}

static void a_string_with_a_zero_byte_is_refused(void **state)
{
	struct hr_catalogue *c = hr_catalogue_new(1), *again = hr_catalogue_new(1);
	struct hr_error err = {0};
	struct hr_buf b = {0};

	(void)state;
	(void)hr_catalogue_row(c, "mug", 3);
	hr_catalogue_describe(c, 0, "Mug", NULL, 0, NULL, 0, 0);
	hr_catalogue_encode(c, 0, &b);
	uint8_t *title = memmem(b.p, b.len, "Mug", 3);
	title[1] = '\0';
	assert_false(hr_catalogue_load(again, 0, b.p, b.len, &err));
	assert_string_equal(err.msg, "item 0: string 0 of 3 bytes holds a zero byte");
	hr_buf_fini(&b);
	hr_catalogue_free(c);
	hr_catalogue_free(again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_item_is_admitted_once_by_its_nth_event),
		cmocka_unit_test(a_description_is_copied_and_replaced_whole),
		cmocka_unit_test(an_expired_item_is_admitted_again_by_one_event),
		cmocka_unit_test(what_was_said_of_an_item_can_be_taken_back),
		cmocka_unit_test(loaded_rows_are_the_collected_ones),
		cmocka_unit_test(a_damaged_row_is_refused_or_means_what_it_says),
		cmocka_unit_test(a_string_with_a_zero_byte_is_refused),
	};

	return cmocka_run_group_tests_name("store/catalogue", tests, NULL, NULL);
}
