#include "tests/test.h"

#include "base/base.h"

static void error_context_goes_in_front(void **state)
{
	struct hr_error err = {0};

	(void)state;
	assert_false(hr_fail(&err, HR_E_FORMAT, "length %d is over %d", 900, 64));
	assert_false(hr_context(&err, "user \"%s\"", "u17"));
	assert_string_equal(err.msg, "user \"u17\": length 900 is over 64");
	assert_int_equal(err.code, HR_E_FORMAT);
}

static void buffer_gives_back_what_was_put(void **state)
{
	struct hr_buf b = {0};

	(void)state;
	hr_buf_u8(&b, 7);
	hr_buf_u16(&b, 0xbeef);
	hr_buf_u32(&b, 0xdeadbeef);
	hr_buf_u64(&b, UINT64_C(0x0123456789abcdef));
	hr_buf_f32(&b, -1.5f);
	hr_buf_varint(&b, 300);
	hr_buf_varint(&b, UINT64_MAX);
	hr_buf_blob(&b, "abc", 3);
	struct hr_cursor c = {.p = b.p, .left = b.len};
	size_t n;
	assert_int_equal(hr_cur_u8(&c), 7);
	assert_int_equal(hr_cur_u16(&c), 0xbeef);
	assert_int_equal(hr_cur_u32(&c), 0xdeadbeef);
	assert_true(hr_cur_u64(&c) == UINT64_C(0x0123456789abcdef));
	assert_true(hr_cur_f32(&c) == -1.5f);
	assert_int_equal(hr_cur_varint(&c), 300);
	assert_true(hr_cur_varint(&c) == UINT64_MAX);
	assert_memory_equal(hr_cur_blob(&c, &n), "abc", 3);
	assert_int_equal(n, 3);
	assert_false(c.failed);
	assert_int_equal(c.left, 0);
	(void)hr_cur_u8(&c);
	assert_true(c.failed);
	hr_buf_fini(&b);
}

static void ids_added_at_once_are_those_added_one_by_one(void **state)
{
	struct hr_idmap *one = hr_idmap_new(), *all = hr_idmap_new();
	uint32_t first = 0, again = 0;
	bool is_new;

	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		const uint32_t id = i * 7;
		assert_int_equal(hr_idmap_append(all, &id, sizeof id), hr_idmap_add(one, &id, sizeof id, &is_new));
	}
	assert_true(hr_idmap_index(all, &first, &again));
	for (uint32_t id = 0; id < 1000; id++)
		assert_int_equal(hr_idmap_find(all, &id, sizeof id), hr_idmap_find(one, &id, sizeof id));
	assert_int_equal(hr_idmap_add(all, "new", 3, &is_new), 100000);
	assert_int_equal(hr_idmap_append(all, "more", 4), 100001);
	assert_int_equal(hr_idmap_append(all, "new", 3), 100002);
	assert_false(hr_idmap_index(all, &first, &again));
	assert_int_equal(first, 100000);
	assert_int_equal(again, 100002);
	hr_idmap_free(one);
	hr_idmap_free(all);
}

static void a_number_is_read_in_its_shortest_form_only(void **state)
{
	static const uint8_t longer[] = {0x80, 0x00}, cut[] = {0x80}, wide[] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 2};
	static const struct hr_cursor refused[] = {{longer, sizeof longer, false}, {cut, sizeof cut, false}, {wide, sizeof wide, false}};

	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct hr_cursor c = refused[i];
		assert_int_equal(hr_cur_varint(&c), 0);
		assert_true(c.failed);
	}
	struct hr_cursor zero = {longer + 1, 1, false};
	assert_int_equal(hr_cur_varint(&zero), 0);
	assert_false(zero.failed);
}

static void a_blob_longer_than_the_record_fails(void **state)
{
	const uint8_t lie[] = {0xff, 0xff, 0xff, 0xff, 'x'};
	struct hr_cursor c = {.p = lie, .left = sizeof lie};
	size_t n = 0;

	(void)state;
	assert_null(hr_cur_blob(&c, &n));
	assert_true(c.failed);
}

static void idmap_numbers_ids_in_order_of_sight(void **state)
{
	struct hr_idmap *m = hr_idmap_new();
	char id[16];
	bool is_new;
	size_t len;

	(void)state;
	for (uint32_t i = 0; i < 10000; i++) {
		const int n = snprintf(id, sizeof id, "item-%u", i);
		assert_int_equal(hr_idmap_add(m, id, (size_t)n, &is_new), i);
		assert_true(is_new);
	}
	assert_int_equal(hr_idmap_add(m, "item-77", 7, &is_new), 77);
	assert_false(is_new);
	assert_int_equal(hr_idmap_find(m, "item-9999", 9), 9999);
	assert_int_equal(hr_idmap_find(m, "item-10000", 10), HR_NONE);
	assert_memory_equal(hr_idmap_id(m, 123, &len), "item-123", 8);
	assert_int_equal(len, 8);
	hr_idmap_free(m);
}

static void ids_with_nul_bytes_are_distinct(void **state)
{
	struct hr_idmap *m = hr_idmap_new();
	bool is_new;

	(void)state;
	assert_int_equal(hr_idmap_add(m, "a\0b", 3, &is_new), 0);
	assert_int_equal(hr_idmap_add(m, "a\0c", 3, &is_new), 1);
	assert_int_equal(hr_idmap_add(m, "a", 1, &is_new), 2);
	hr_idmap_free(m);
}

static void a_sum_of_hashes_does_not_depend_on_order(void **state)
{
	const struct hr_hash128 a = hr_hash128("a", 1, 0), b = hr_hash128("b", 1, 0), c = hr_hash128("c", 1, 0);
	const struct hr_hash128 x = hr_hash128_add(hr_hash128_add(a, b), c), y = hr_hash128_add(c, hr_hash128_add(b, a));

	(void)state;
	assert_memory_equal(&x, &y, sizeof x);
	const struct hr_hash128 back = hr_hash128_sub(hr_hash128_sub(x, c), b);
	assert_memory_equal(&back, &a, sizeof a);
}

static void histogram_quantiles_are_within_a_sixteenth(void **state)
{
	static struct hr_histogram h;

	(void)state;
	for (uint64_t v = 1; v <= 100000; v++)
		hr_histogram_add(&h, v);
	assert_in_range(hr_histogram_quantile(&h, .5), 50000, 50000 * 17 / 16);
	assert_in_range(hr_histogram_quantile(&h, .99), 99000, 100000);
	assert_int_equal(hr_histogram_quantile(&h, 1), 100000);
}

static void a_closed_queue_drains_then_ends(void **state)
{
	struct hr_queue *q = hr_queue_new(4);
	int one = 1, two = 2;

	(void)state;
	assert_true(hr_queue_push(q, &one));
	assert_true(hr_queue_push(q, &two));
	hr_queue_close(q);
	assert_false(hr_queue_push(q, &one));
	assert_ptr_equal(hr_queue_pop(q, -1), &one);
	assert_ptr_equal(hr_queue_pop(q, 0), &two);
	assert_null(hr_queue_pop(q, -1));
	hr_queue_free(q);
}

static void random_numbers_are_a_function_of_key_and_place(void **state)
{
	struct hr_rng a = hr_rng_stream(1, 2, 3), b = hr_rng_stream(1, 2, 3), c = hr_rng_stream(1, 2, 4);
	double sum = 0, squares = 0;

	(void)state;
	assert_true(hr_rng_u64(&a) == hr_rng_u64(&b));
	assert_true(hr_rng_u64(&a) != hr_rng_u64(&c));
	for (int i = 0; i < 100000; i++) {
		const double z = hr_rng_normal(&a);
		sum += z;
		squares += z * z;
		assert_in_range(hr_rng_below(&b, 7), 0, 6);
	}
	assert_close(sum / 100000, 0, .02, "mean", 0);
	assert_close(squares / 100000, 1, .02, "variance", 0);
}

static void kinds_have_one_name_and_known_aliases(void **state)
{
	(void)state;
	for (unsigned k = 1; k < HR_KIND_COUNT; k++)
		assert_int_equal(hr_kind_parse(hr_kind_name(k), strlen(hr_kind_name(k))), k);
	assert_int_equal(hr_kind_parse("AddToCart", 9), HR_KIND_CART);
	assert_int_equal(hr_kind_parse("vie", 3), 0);
	assert_null(hr_kind_name(0));
}

static void metrics_are_prometheus_text(void **state)
{
	struct hr_metric m[] = {
		{.name = "events_rejected_total", .labels = "reason=\"empty\"", .help = "Records refused.", .type = HR_COUNTER},
		{.name = "events_rejected_total", .labels = "reason=\"time\"", .help = "Records refused.", .type = HR_COUNTER},
		{.name = "train_loss", .help = "Loss.", .type = HR_GAUGE},
	};
	struct hr_buf out = {0};

	(void)state;
	hr_metric_add(&m[1], 5);
	hr_metric_set(&m[2], 2.5);
	hr_metric_write(m, 3, &out);
	hr_buf_u8(&out, 0);
	assert_string_equal((const char *)out.p,
	                    "# HELP headrace_events_rejected_total Records refused.\n"
	                    "# TYPE headrace_events_rejected_total counter\n"
	                    "headrace_events_rejected_total{reason=\"empty\"} 0\n"
	                    "headrace_events_rejected_total{reason=\"time\"} 5\n"
	                    "# HELP headrace_train_loss Loss.\n# TYPE headrace_train_loss gauge\nheadrace_train_loss 2.5\n");
	hr_buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_context_goes_in_front),
		cmocka_unit_test(buffer_gives_back_what_was_put),
		cmocka_unit_test(ids_added_at_once_are_those_added_one_by_one),
		cmocka_unit_test(a_number_is_read_in_its_shortest_form_only),
		cmocka_unit_test(a_blob_longer_than_the_record_fails),
		cmocka_unit_test(idmap_numbers_ids_in_order_of_sight),
		cmocka_unit_test(ids_with_nul_bytes_are_distinct),
		cmocka_unit_test(a_sum_of_hashes_does_not_depend_on_order),
		cmocka_unit_test(histogram_quantiles_are_within_a_sixteenth),
		cmocka_unit_test(a_closed_queue_drains_then_ends),
		cmocka_unit_test(random_numbers_are_a_function_of_key_and_place),
		cmocka_unit_test(kinds_have_one_name_and_known_aliases),
		cmocka_unit_test(metrics_are_prometheus_text),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
