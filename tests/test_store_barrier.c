#include "tests/test_store.h"

#include "store/crc32c.h"

static void crc32c_is_castagnoli_by_table_and_by_instruction(void **state)
{
	uint8_t bytes[300];

	(void)state;
	assert_int_equal(hr_crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(hr_crc32c_table(0, "123456789", 9), 0xe3069283);
	assert_int_equal(hr_crc32c(hr_crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 3);
	for (size_t from = 0; from < 9; from++)
		for (size_t len = 0; len < 270; len++)
			assert_int_equal(hr_crc32c(0, bytes + from, len), hr_crc32c_table(0, bytes + from, len));
}

/* A row with count partitions, every field different, all balanced. */
static struct hr_barrier make_row(uint32_t count)
{
	struct hr_barrier b = {.number = 12,
	                       .digest = {.lo = 1, .hi = UINT64_C(0xfedcba9876543210)},
	                       .events = 900,
	                       .steps = 31,
	                       .watermark_ms = -5,
	                       .wall_ms = 1790000000000,
	                       .published = 11,
	                       .partition_count = count};

	b.partition = hr_alloc(count, sizeof *b.partition);
	for (uint32_t i = 0; i < count; i++) {
		struct hr_partition *p = &b.partition[i];

		*p = (struct hr_partition){
			.partition = (int32_t)(2 * i), .begin = 100, .fingerprint = 77 + i, .trained = 1000 + i};
		p->duplicate = 2;
		p->late = 3;
		p->gap = 4;
		p->forgotten = 5;
		if (i > 0)
			p->rejected[i % HR_REJECT_SLOTS] = 6;
		p->offset = p->begin + 1014 + (int64_t)i + (i > 0 ? 6 : 0);
	}
	return b;
}

static bool recode_row(const uint8_t *bytes, size_t len, struct hr_buf *again, struct hr_error *err)
{
	HR_AUTO(hr_barrier_fini) struct hr_barrier b = {0};
	const bool ok = hr_barrier_decode(bytes, len, &b, err);

	if (ok)
		hr_barrier_encode(&b, again);
	return ok;
}

static void a_damaged_barrier_row_is_refused_or_means_what_it_says(void **state)
{
	(void)state;
	for (uint32_t count = 0; count < 3; count++) {
		HR_AUTO(hr_barrier_fini) struct hr_barrier b = make_row(count);
		HR_AUTO(hr_buf_fini) struct hr_buf bytes = {0};

		hr_barrier_encode(&b, &bytes);
		assert_survives_damage(recode_row, bytes.p, bytes.len);
	}
}

static void a_copied_row_outlives_the_first(void **state)
{
	HR_AUTO(hr_buf_fini) struct hr_buf before = {0};
	HR_AUTO(hr_buf_fini) struct hr_buf after = {0};
	struct hr_barrier b = make_row(30), copy;

	(void)state;
	hr_barrier_encode(&b, &before);
	hr_barrier_copy(&copy, &b);
	memset(b.partition, 0, b.partition_count * sizeof *b.partition);
	hr_barrier_fini(&b);
	hr_barrier_encode(&copy, &after);
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.p, after.p, before.len);
	hr_barrier_fini(&copy);
}

static void a_partition_with_a_lost_offset_is_refused(void **state)
{
	HR_AUTO(hr_barrier_fini) struct hr_barrier b = make_row(3);
	HR_AUTO(hr_barrier_fini) struct hr_barrier got = {0};
	HR_AUTO(hr_buf_fini) struct hr_buf bytes = {0};
	struct hr_error err = {0};

	(void)state;
	assert_true(hr_partition_balances(&b.partition[1]));
	b.partition[1].offset++;
	assert_false(hr_partition_balances(&b.partition[1]));
	hr_barrier_encode(&b, &bytes);
	assert_false(hr_barrier_decode(bytes.p, bytes.len, &got, &err));
	assert_string_equal(err.msg, "barrier row: partition 2: the counts do not add up to offset 1122 from 100");
}

static void partitions_out_of_order_are_refused(void **state)
{
	HR_AUTO(hr_barrier_fini) struct hr_barrier b = make_row(3);
	HR_AUTO(hr_barrier_fini) struct hr_barrier got = {0};
	HR_AUTO(hr_buf_fini) struct hr_buf bytes = {0};
	struct hr_error err = {0};

	(void)state;
	b.partition[2].partition = 2;
	hr_barrier_encode(&b, &bytes);
	assert_false(hr_barrier_decode(bytes.p, bytes.len, &got, &err));
	assert_string_equal(err.msg, "barrier row: partition 2 at place 2 is out of order");
}

static void reject_counts_have_one_spelling(void **state)
{
	HR_AUTO(hr_barrier_fini) struct hr_barrier b = make_row(1);
	HR_AUTO(hr_barrier_fini) struct hr_barrier got = {0};
	HR_AUTO(hr_buf_fini) struct hr_buf bytes = {0};
	struct hr_error err = {0};

	(void)state;
	hr_barrier_encode(&b, &bytes);
	bytes.p[bytes.len - 1] = 1; /* reject counts, none before */
	hr_buf_u64(&bytes, 0);
	assert_false(hr_barrier_decode(bytes.p, bytes.len, &got, &err));
	assert_string_equal(err.msg, "barrier row: partition 0: the last of 1 reject counts is 0");
	bytes.p[bytes.len - 9] = HR_REJECT_SLOTS + 1;
	assert_false(hr_barrier_decode(bytes.p, bytes.len, &got, &err));
	assert_string_equal(err.msg, "barrier row: partition 0: 25 reject reasons are over 24");
}

static bool recode_manifest(const uint8_t *bytes, size_t len, struct hr_buf *again, struct hr_error *err)
{
	struct hr_manifest m;
	const bool ok = hr_manifest_decode(bytes, len, &m, err);

	if (ok)
		hr_manifest_encode(&m, again);
	return ok;
}

static struct hr_manifest make_manifest(void)
{
	return (struct hr_manifest){.settings = "width=64\nname=\xc3\xa9\n",
	                            .seed = 42,
	                            .partitions = 12,
	                            .lineage = "0123456789abcdef0123456789abcdef",
	                            .space = "fedcba9876543210fedcba9876543210",
	                            .kernels = "avx2-fma"};
}

static void a_damaged_manifest_is_refused_or_means_what_it_says(void **state)
{
	const struct hr_manifest m = make_manifest();
	HR_AUTO(hr_buf_fini) struct hr_buf bytes = {0};

	(void)state;
	hr_manifest_encode(&m, &bytes);
	assert_survives_damage(recode_manifest, bytes.p, bytes.len);
}

static const char *difference(const char *then, const char *now)
{
	static char what[128];
	struct hr_manifest a = {0}, b = {0};

	(void)snprintf(a.settings, sizeof a.settings, "%s", then);
	(void)snprintf(b.settings, sizeof b.settings, "%s", now);
	what[0] = '\0';
	const bool differs = hr_manifest_differs(&a, &b, what, sizeof what);
	assert_int_equal(differs, what[0] != '\0');
	return what;
}

static void the_first_setting_that_differs_is_named_with_both_values(void **state)
{
	(void)state;
	assert_string_equal(difference("a=1\nb=\nab=x y\n", "a=1\nb=\nab=x y\n"), "");
	assert_string_equal(difference("a=1\nb=2\nc=3\n", "a=1\nb=20\nc=4\n"), "b was 2, is 20");
	assert_string_equal(difference("a=1\nb=20\n", "a=1\nb=2\n"), "b was 20, is 2");
	assert_string_equal(difference("a=\n", "a==\n"), "a was , is =");
	assert_string_equal(difference("a=1\nb=2\n", "b=2\na=1\n"), ""); /* their order says nothing */
	assert_string_equal(difference("a=1\nb=2\n", "a=1\n"), "b was a setting, is none");
	assert_string_equal(difference("a=1\n", "a=1\nb=2\n"), "b was no setting, is one");
	assert_string_equal(difference("", "a=1\n"), "");
	assert_string_equal(difference("a=1\n", ""), "");
}

static void another_state_format_is_refused_with_both_numbers(void **state)
{
	struct hr_manifest m = make_manifest();
	HR_AUTO(hr_buf_fini) struct hr_buf bytes = {0};
	struct hr_error err = {0};

	(void)state;
	hr_manifest_encode(&m, &bytes);
	bytes.p[1] = 9;
	assert_false(hr_manifest_decode(bytes.p, bytes.len, &m, &err));
	assert_string_equal(err.msg, "manifest: the state has format 9, this program reads format 2");
}

static void the_order_log_gives_back_what_happened(void **state)
{
	const struct hr_order_entry want[] = {
		{HR_ORDER_EVERY, 0, 64},        {HR_ORDER_RUN, 3, 2},
		{HR_ORDER_RUN, 0, 1},           {HR_ORDER_RUN, 3, 1},
		{HR_ORDER_STEP, 0, 1},          {HR_ORDER_STEP, 0, 1},
		{HR_ORDER_RUN, INT32_MAX, 300}, {HR_ORDER_EVERY, 0, UINT32_MAX},
		{HR_ORDER_THAW, 0, 1},          {HR_ORDER_BACKLOG, 0, 1},
		{HR_ORDER_START_UP, 0, 1},
	};
	struct hr_order o = {0};
	struct hr_order_entry got;

	(void)state;
	hr_order_every(&o, 64);
	hr_order_record(&o, 3);
	hr_order_record(&o, 3);
	hr_order_record(&o, 0);
	hr_order_record(&o, 3);
	hr_order_step(&o);
	hr_order_step(&o);
	for (int i = 0; i < 300; i++)
		hr_order_record(&o, INT32_MAX);
	hr_order_every(&o, UINT32_MAX);
	hr_order_thaw(&o);
	hr_order_backlog(&o);
	hr_order_start_up(&o);
	hr_order_seal(&o);
	struct hr_cursor c = {.p = o.bytes.p, .left = o.bytes.len};
	for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
		assert_true(hr_order_next(&c, &got));
		assert_int_equal(got.kind, want[i].kind);
		assert_int_equal(got.partition, want[i].partition);
		assert_true(got.count == want[i].count);
	}
	assert_false(hr_order_next(&c, &got));
	assert_false(c.failed);
	hr_order_clear(&o);
	hr_order_seal(&o);
	assert_int_equal(o.bytes.len, 0);
	hr_order_fini(&o);
}

static void a_run_costs_a_few_bytes(void **state)
{
	struct hr_order o = {0};

	(void)state;
	for (int i = 0; i < 100000; i++)
		hr_order_record(&o, i / 1000 % 12);
	hr_order_seal(&o);
	assert_int_equal(o.bytes.len, 100 * 3);
	hr_order_fini(&o);
}

static bool reads_to_the_end(const uint8_t *bytes, size_t len)
{
	struct hr_cursor c = {.p = bytes, .left = len};
	struct hr_order_entry e;
	size_t turns = 0;

	while (hr_order_next(&c, &e))
		assert_true(++turns <= len);
	return !c.failed;
}

static void an_order_head_cut_or_of_another_version_is_refused(void **state)
{
	const struct hr_order_head h = {.digest = {.hi = 1, .lo = 2}, .events = 3, .steps = 4, .wall_ms = -5};
	HR_AUTO(hr_buf_fini) struct hr_buf b = {0};
	struct hr_order_head got;
	struct hr_error err;

	(void)state;
	hr_order_head_encode(&h, &b);
	hr_buf_u8(&b, 1); /* the order log begins */
	struct hr_cursor c = {.p = b.p, .left = b.len};
	assert_true(hr_order_head_decode(&c, &got, &err));
	assert_int_equal(c.left, 1);
	assert_true(got.digest.hi == 1 && got.digest.lo == 2 && got.events == 3 && got.steps == 4 && got.wall_ms == -5);
	for (size_t len = 0; len < b.len - 1; len++) {
		c = (struct hr_cursor){.p = b.p, .left = len};
		assert_false(hr_order_head_decode(&c, &got, &err));
	}
	b.p[0] = 2;
	c = (struct hr_cursor){.p = b.p, .left = b.len};
	assert_false(hr_order_head_decode(&c, &got, &err));
}

static void a_broken_order_log_fails_and_never_loops(void **state)
{
	const uint8_t odd_mark[] = {15}, no_count[] = {0}, empty_run[] = {0, 0}, odd_step[] = {5}, every_0[] = {2},
		      endless[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1},
		      large_partition[] = {0x80, 0x80, 0x80, 0x80, 0x20, 1}; /* 1 << 31 */

	(void)state;
	assert_false(reads_to_the_end(odd_mark, sizeof odd_mark));
	assert_false(reads_to_the_end(no_count, sizeof no_count));
	assert_false(reads_to_the_end(empty_run, sizeof empty_run));
	assert_false(reads_to_the_end(odd_step, sizeof odd_step));
	assert_false(reads_to_the_end(every_0, sizeof every_0));
	assert_false(reads_to_the_end(endless, sizeof endless));
	assert_false(reads_to_the_end(large_partition, sizeof large_partition));
	for (uint32_t seed = 1; seed < 20000; seed++) { /* any bytes at all */
		uint8_t noise[12];
		const uint64_t h = hr_hash(&seed, sizeof seed);

		memcpy(noise, &h, 8);
		memcpy(noise + 8, &seed, 4);
		(void)reads_to_the_end(noise, seed % (sizeof noise + 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32c_is_castagnoli_by_table_and_by_instruction),
		cmocka_unit_test(a_damaged_barrier_row_is_refused_or_means_what_it_says),
		cmocka_unit_test(a_copied_row_outlives_the_first),
		cmocka_unit_test(a_partition_with_a_lost_offset_is_refused),
		cmocka_unit_test(partitions_out_of_order_are_refused),
		cmocka_unit_test(reject_counts_have_one_spelling),
		cmocka_unit_test(a_damaged_manifest_is_refused_or_means_what_it_says),
		cmocka_unit_test(the_first_setting_that_differs_is_named_with_both_values),
		cmocka_unit_test(another_state_format_is_refused_with_both_numbers),
		cmocka_unit_test(the_order_log_gives_back_what_happened),
		cmocka_unit_test(a_run_costs_a_few_bytes),
		cmocka_unit_test(an_order_head_cut_or_of_another_version_is_refused),
		cmocka_unit_test(a_broken_order_log_fails_and_never_loops),
	};

	return cmocka_run_group_tests_name("store/barrier", tests, NULL, NULL);
}
