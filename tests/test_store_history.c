#include "tests/test_store.h"

static struct hr_past event(int64_t time_ms, uint32_t item)
{
	return (struct hr_past){.time_ms = time_ms, .item = item, .kind = HR_KIND_VIEW};
}

/* Appends without an event id. */
static enum hr_append append(struct hr_histories *h, uint32_t user, int64_t time_ms, uint32_t item, uint16_t *ret_place)
{
	const struct hr_past past = event(time_ms, item);

	return hr_histories_append(h, user, &past, NULL, 0, ret_place);
}

static void assert_items(const struct hr_histories *h, uint32_t user, const uint32_t *item, size_t count)
{
	const struct hr_history got = hr_histories_get(h, user);

	assert_int_equal(got.len, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(got.past[i].item, item[i]);
}

static void a_full_history_loses_its_oldest(void **state)
{
	struct hr_histories *h = hr_histories_new(3);
	const uint32_t u = hr_histories_user(h, "ann", 3);
	uint16_t place = 99;

	(void)state;
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(append(h, u, i, 10 + i, &place), HR_APPENDED);
		assert_int_equal(place, i < 3 ? i : 2);
	}
	assert_items(h, u, (uint32_t[]){12, 13, 14}, 3);
	assert_int_equal(hr_histories_get(h, u).events, 5);
	hr_histories_free(h);
}

static void a_late_event_stands_where_its_time_is(void **state)
{
	struct hr_histories *h = hr_histories_new(8);
	const uint32_t u = hr_histories_user(h, "ann", 3);
	uint16_t place;

	(void)state;
	(void)append(h, u, 10, 1, &place);
	(void)append(h, u, 30, 3, &place);
	assert_int_equal(append(h, u, 20, 2, &place), HR_APPENDED);
	assert_int_equal(place, 1);
	assert_int_equal(append(h, u, 5, 0, &place), HR_APPENDED);
	assert_int_equal(place, 0);
	assert_items(h, u, (uint32_t[]){0, 1, 2, 3}, 4);
	hr_histories_free(h);
}

static void events_of_one_time_stay_in_order_of_arrival(void **state)
{
	struct hr_histories *h = hr_histories_new(8);
	const uint32_t u = hr_histories_user(h, "ann", 3);
	uint16_t place;

	(void)state;
	(void)append(h, u, 10, 5, &place);
	(void)append(h, u, 20, 1, &place);
	(void)append(h, u, 10, 4, &place);
	assert_int_equal(place, 1);
	assert_items(h, u, (uint32_t[]){5, 4, 1}, 3);
	hr_histories_free(h);
}

static void a_late_event_in_a_full_history_moves_the_oldest_out(void **state)
{
	struct hr_histories *h = hr_histories_new(3);
	const uint32_t u = hr_histories_user(h, "ann", 3);
	uint16_t place = 99;

	(void)state;
	for (uint32_t i = 1; i <= 3; i++)
		(void)append(h, u, 10 * (int64_t)i, i, &place);
	assert_int_equal(append(h, u, 25, 9, &place), HR_APPENDED);
	assert_int_equal(place, 1);
	assert_items(h, u, (uint32_t[]){2, 9, 3}, 3);
	place = 99;
	assert_int_equal(append(h, u, 19, 8, &place), HR_LATE);
	assert_int_equal(place, 99);
	assert_items(h, u, (uint32_t[]){2, 9, 3}, 3);
	assert_int_equal(hr_histories_get(h, u).events, 5);
	assert_int_equal(append(h, u, 20, 7, &place), HR_APPENDED); /* as old as the oldest is not older */
	assert_int_equal(place, 0);
	assert_items(h, u, (uint32_t[]){7, 9, 3}, 3);
	hr_histories_free(h);
}

static void without_an_id_same_item_kind_and_time_is_a_duplicate(void **state)
{
	struct hr_histories *h = hr_histories_new(4);
	const uint32_t u = hr_histories_user(h, "ann", 3), other = hr_histories_user(h, "bob", 3);
	struct hr_past past = event(10, 1);
	uint16_t place;

	(void)state;
	assert_int_equal(hr_histories_append(h, u, &past, NULL, 0, &place), HR_APPENDED);
	assert_int_equal(hr_histories_append(h, u, &past, NULL, 0, &place), HR_DUPLICATE);
	assert_int_equal(hr_histories_append(h, other, &past, NULL, 0, &place), HR_APPENDED);
	past.kind = HR_KIND_CLICK;
	assert_int_equal(hr_histories_append(h, u, &past, NULL, 0, &place), HR_APPENDED);
	past.time_ms = 11;
	assert_int_equal(hr_histories_append(h, u, &past, NULL, 0, &place), HR_APPENDED);
	past = event(10, 1);
	assert_int_equal(hr_histories_append(h, u, &past, NULL, 0, &place), HR_DUPLICATE);
	assert_int_equal(hr_histories_get(h, u).events, 3);
	hr_histories_free(h);
}

static void the_last_32_event_ids_are_known(void **state)
{
	struct hr_histories *h = hr_histories_new(4);
	const uint32_t u = hr_histories_user(h, "ann", 3);
	const struct hr_past past = event(10, 1);
	uint16_t place;

	(void)state;
	for (uint32_t id = 0; id < HR_SEEN_MAX + 1; id++) /* equal but for the id: no duplicates */
		assert_int_equal(hr_histories_append(h, u, &past, &id, sizeof id, &place), HR_APPENDED);
	for (uint32_t id = 1; id < HR_SEEN_MAX + 1; id++)
		assert_int_equal(hr_histories_append(h, u, &past, &id, sizeof id, &place), HR_DUPLICATE);
	assert_int_equal(hr_histories_append(h, u, &past, &(uint32_t){0}, sizeof(uint32_t), &place), HR_APPENDED);
	hr_histories_free(h);
}

static void a_late_event_repeated_is_a_duplicate(void **state)
{
	struct hr_histories *h = hr_histories_new(1);
	const uint32_t u = hr_histories_user(h, "ann", 3);
	const struct hr_past past = event(10, 1), late = event(5, 1);
	uint16_t place;

	(void)state;
	assert_int_equal(hr_histories_append(h, u, &past, "a", 1, &place), HR_APPENDED);
	assert_int_equal(hr_histories_append(h, u, &late, "b", 1, &place), HR_LATE);
	assert_int_equal(hr_histories_append(h, u, &late, "b", 1, &place), HR_DUPLICATE);
	assert_int_equal(hr_histories_get(h, u).events, 2);
	hr_histories_free(h);
}

static void a_history_is_what_an_array_would_hold(void **state)
{
	enum { LENGTH = 7, EVENTS = 5000 };
	struct hr_histories *h = hr_histories_new(LENGTH);
	const uint32_t u = hr_histories_user(h, "ann", 3);
	struct hr_past plain[LENGTH + 1];
	uint64_t draw = 1;
	size_t len = 0;
	uint16_t place;

	(void)state;
	for (size_t i = 0; i < EVENTS; i++) {
		draw = hr_hash(&draw, sizeof draw);
		const struct hr_past past = {(int64_t)(draw % 3 * i * 1000000) - (int64_t)(draw % 997), (uint32_t)(draw >> 32) >> draw % 31,
		                             (uint8_t)(1 + draw % 8)};
		size_t at = len;

		while (at > 0 && plain[at - 1].time_ms > past.time_ms)
			at--;
		const enum hr_append got = hr_histories_append(h, u, &past, &draw, sizeof draw, &place);
		if (at == 0 && len == LENGTH) {
			assert_int_equal(got, HR_LATE);
			continue;
		}
		memmove(plain + at + 1, plain + at, (len - at) * sizeof *plain);
		plain[at] = past;
		if (++len > LENGTH) {
			memmove(plain, plain + 1, --len * sizeof *plain);
			at--;
		}
		assert_int_equal(got, HR_APPENDED);
		assert_int_equal(place, at);
		const struct hr_history now = hr_histories_get(h, u);
		assert_int_equal(now.len, len);
		assert_int_equal(hr_histories_len(h, u), len);
		for (size_t k = 0; k < len; k++)
			assert_true(now.past[k].time_ms == plain[k].time_ms && now.past[k].item == plain[k].item &&
			            now.past[k].kind == plain[k].kind);
	}
	hr_histories_free(h);
}

/* ---- records ---- */

/* What a barrier writes for a user: ten events of ordinary gaps, items below 16,384, with event ids. */
static void an_event_costs_few_bytes(void **state)
{
	struct hr_histories *h = hr_histories_new(50);
	const uint32_t u = hr_histories_user(h, "ann", 3);
	struct hr_buf b = {0};
	uint16_t place;

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		(void)hr_histories_append(h, u, &(struct hr_past){1790000000000 + i * 60000, 16000 + i, HR_KIND_VIEW}, &i, sizeof i, &place);
	hr_histories_encode(h, u, &b);
	assert_int_equal(b.len, 1 + 1 + 1 + 3 + 1 + 1 + 1 /* head */ + 6 + 3 /* first */ + 9 * (3 + 3) + 10 * HR_SEEN_BYTES + 1);
	hr_buf_fini(&b);
	hr_histories_free(h);
}

static void append_to_buf(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len)
{
	struct hr_buf *b = ctx;

	assert_int_equal(cls, HR_REC_USER);
	hr_buf_u32(b, number);
	hr_buf_blob(b, bytes, len);
}

/* Loads everything that append_to_buf wrote. */
static void load_all(struct hr_histories *h, const struct hr_buf *b)
{
	struct hr_cursor c = {.p = b->p, .left = b->len};
	struct hr_error err = {0};

	while (c.left != 0) {
		size_t len;
		const uint32_t number = hr_cur_u32(&c);
		const uint8_t *bytes = hr_cur_blob(&c, &len);

		if (!hr_histories_load(h, number, bytes, len, &err))
			fail_msg("%s", err.msg);
	}
	assert_true(hr_histories_loaded(h, &err));
}

static void forgetting_leaves_the_number_and_the_id_only(void **state)
{
	struct hr_histories *h = hr_histories_new(4), *again = hr_histories_new(4);
	const uint32_t u = hr_histories_user(h, "ann", 3);
	const struct hr_past past = event(10, 1);
	struct hr_buf b = {0};
	uint16_t place;
	size_t len;

	(void)state;
	(void)hr_histories_append(h, u, &past, "a", 1, &place);
	assert_false(hr_histories_forgotten(h, u));
	assert_false(hr_histories_forget(h, u + 1));
	assert_true(hr_histories_forget(h, u));
	assert_true(hr_histories_forgotten(h, u));
	assert_int_equal(hr_histories_get(h, u).len, 0);
	assert_int_equal(hr_histories_get(h, u).events, 0);
	assert_int_equal(hr_histories_user(h, "ann", 3), u);
	hr_histories_collect(h, 7, append_to_buf, &b);
	load_all(again, &b);
	assert_true(hr_histories_forgotten(again, u));
	assert_memory_equal(hr_histories_id(again, u, &len), "ann", 3);
	assert_int_equal(hr_histories_append(h, u, &past, "a", 1, &place),
	                 HR_APPENDED); /* a new life: no id is known */
	assert_false(hr_histories_forgotten(h, u));
	hr_buf_fini(&b);
	hr_histories_free(h);
	hr_histories_free(again);
}

static void collect_gives_changed_users_once_ascending(void **state)
{
	struct hr_histories *h = hr_histories_new(4);
	struct hr_buf b = {0};
	uint16_t place;
	size_t n;

	(void)state;
	for (uint32_t u = 0; u < 1000; u++)
		(void)hr_histories_user(h, &u, sizeof u);
	hr_histories_collect(h, 1, append_to_buf, &b);
	assert_int_equal(hr_histories_changed(h, 999), 1);
	(void)hr_histories_dirty(h, &n);
	assert_int_equal(n, 0);
	(void)append(h, 900, 1, 1, &place);
	(void)append(h, 63, 1, 1, &place);
	(void)append(h, 64, 1, 1, &place);
	(void)append(h, 900, 2, 1, &place);
	(void)append(h, 900, 2, 1, &place); /* a duplicate changes nothing */
	(void)append(h, 0, 1, 1, &place);
	const uint32_t *dirty = hr_histories_dirty(h, &n);
	assert_int_equal(n, 4);
	assert_memory_equal(dirty, ((uint32_t[]){0, 63, 64, 900}), 4 * sizeof *dirty);
	hr_buf_clear(&b);
	hr_histories_collect(h, 2, append_to_buf, &b);
	assert_int_equal(hr_histories_changed(h, 900), 2);
	assert_int_equal(hr_histories_changed(h, 1), 1);
	struct hr_cursor c = {.p = b.p, .left = b.len};
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(hr_cur_u32(&c), ((uint32_t[]){0, 63, 64, 900})[i]);
		(void)hr_cur_blob(&c, &n);
	}
	assert_int_equal(c.left, 0);
	hr_buf_fini(&b);
	hr_histories_free(h);
}

/* A crowd of users with and without ids, with late events, of every history length. */
static struct hr_histories *make_crowd(uint16_t length)
{
	struct hr_histories *h = hr_histories_new(length);
	uint32_t seed = 1;
	uint16_t place;

	for (uint32_t i = 0; i < 20000; i++) {
		seed = seed * 1664525 + 1013904223;
		const uint32_t name = (seed >> 8) % (1 + (seed >> 20) % 300), id = seed >> 4;
		const struct hr_past past = {(int64_t)i - seed % 50, (seed >> 12) % 1000, (uint8_t)(1 + seed % 8)};
		const uint32_t u = hr_histories_user(h, &name, sizeof name);

		(void)hr_histories_append(h, u, &past, &id, name % 2 * sizeof id, &place);
		if (seed % 997 == 0)
			(void)hr_histories_forget(h, u);
	}
	return h;
}

static void loaded_records_are_the_collected_ones(void **state)
{
	(void)state;
	for (uint16_t length = 1; length <= HR_HISTORY_MAX; length = (uint16_t)(2 * length + 5)) {
		struct hr_histories *h = make_crowd(length), *again = hr_histories_new(length);
		struct hr_buf first = {0}, second = {0};
		const struct hr_past past = event(1, 1);
		uint16_t place;
		size_t n;

		hr_histories_collect(h, 5, append_to_buf, &first);
		load_all(again, &first);
		(void)hr_histories_dirty(again, &n);
		assert_int_equal(n, 0); /* loading changes nobody */
		assert_int_equal(hr_histories_count(again), hr_histories_count(h));
		for (uint32_t u = 0; u < hr_histories_count(h); u++) /* every fact must lead to the same answer */
			assert_int_equal(hr_histories_append(h, u, &past, &u, u % 2 * sizeof u, &place),
			                 hr_histories_append(again, u, &past, &u, u % 2 * sizeof u, &place));
		hr_buf_clear(&first);
		for (uint32_t u = 0; u < hr_histories_count(h); u++) {
			hr_histories_encode(h, u, &first);
			hr_histories_encode(again, u, &second);
		}
		assert_int_equal(first.len, second.len);
		assert_memory_equal(first.p, second.p, first.len);
		hr_buf_fini(&first);
		hr_buf_fini(&second);
		hr_histories_free(h);
		hr_histories_free(again);
	}
}

static bool recode_user(const uint8_t *bytes, size_t len, struct hr_buf *again, struct hr_error *err)
{
	struct hr_histories *h = hr_histories_new(4);
	const bool ok = hr_histories_load(h, 0, bytes, len, err);

	assert_int_equal(hr_histories_count(h), ok); /* a refused record leaves nothing behind */
	if (ok)
		hr_histories_encode(h, 0, again);
	hr_histories_free(h);
	return ok;
}

static void a_damaged_record_is_refused_or_means_what_it_says(void **state)
{
	struct hr_histories *h = hr_histories_new(4);
	const uint32_t u = hr_histories_user(h, "ann", 3), gone = hr_histories_user(h, "bob", 3);
	struct hr_buf b = {0};
	uint16_t place;

	(void)state;
	for (uint32_t i = 0; i < 6; i++) {
		const struct hr_past past = event(i / 2, i);

		(void)hr_histories_append(h, u, &past, &i, i % 3 * 2, &place);
	}
	(void)hr_histories_forget(h, gone);
	hr_histories_encode(h, u, &b);
	assert_survives_damage(recode_user, b.p, b.len);
	hr_buf_clear(&b);
	hr_histories_encode(h, gone, &b);
	assert_survives_damage(recode_user, b.p, b.len);
	hr_buf_fini(&b);
	hr_histories_free(h);
}

static void assert_refused(struct hr_histories *h, uint32_t user, const struct hr_buf *b, const char *why)
{
	struct hr_error err = {0};

	assert_false(hr_histories_load(h, user, b->p, b->len, &err));
	assert_int_equal(err.code, HR_E_FORMAT);
	assert_string_equal(err.msg, why);
}

static void a_record_over_a_bound_is_refused_with_the_bound(void **state)
{
	struct hr_histories *h = hr_histories_new(4), *shorter = hr_histories_new(2);
	struct hr_error err = {0};
	struct hr_buf b = {0};
	uint16_t place;

	(void)state;
	(void)hr_histories_user(h, "ann", 3);
	for (uint32_t i = 0; i < 3; i++)
		(void)append(h, 0, i, i, &place);
	hr_histories_encode(h, 0, &b);
	assert_refused(shorter, 0, &b, "user 0: a history of 3 events is over 2");
	assert_refused(shorter, 1, &b, "user 1 follows 0 users, numbers have no holes");
	struct hr_histories *twice = hr_histories_new(4);
	assert_true(hr_histories_load(twice, 0, b.p, b.len, &err) && hr_histories_load(twice, 1, b.p, b.len, &err));
	assert_false(hr_histories_loaded(twice, &err));
	assert_string_equal(err.msg, "user 1: its id belongs to user 0 already");
	hr_histories_free(twice);
	struct hr_histories *roomy = hr_histories_new(4);
	assert_true(hr_histories_load(roomy, 0, b.p, b.len, &err));
	b.p[b.len - 2] = 2 << 4 | HR_KIND_COUNT; /* item and kind of the last event, before the count of ids */
	hr_histories_free(roomy);
	roomy = hr_histories_new(4);
	assert_refused(roomy, 0, &b, "user 0: event 2: item 2 or kind 9 does not exist");
	hr_histories_free(roomy);
	hr_buf_fini(&b);
	hr_histories_free(h);
	hr_histories_free(shorter);
}

static void memory_is_counted(void **state)
{
	struct hr_histories *h = hr_histories_new(50);
	const size_t before = hr_histories_memory_bytes(h);
	uint16_t place;

	(void)state;
	for (uint32_t u = 0; u < 10000; u++)
		for (uint32_t i = 0; i < 50; i++)
			(void)append(h, hr_histories_user(h, &u, sizeof u), i, i, &place);
	assert_in_range(hr_histories_memory_bytes(h) - before, 10000 * 50 * 3, 2 * 10000 * 50 * 3 + (3 << 20));
	hr_histories_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_history_loses_its_oldest),
		cmocka_unit_test(a_late_event_stands_where_its_time_is),
		cmocka_unit_test(events_of_one_time_stay_in_order_of_arrival),
		cmocka_unit_test(a_late_event_in_a_full_history_moves_the_oldest_out),
		cmocka_unit_test(without_an_id_same_item_kind_and_time_is_a_duplicate),
		cmocka_unit_test(the_last_32_event_ids_are_known),
		cmocka_unit_test(a_late_event_repeated_is_a_duplicate),
		cmocka_unit_test(a_history_is_what_an_array_would_hold),
		cmocka_unit_test(an_event_costs_few_bytes),
		cmocka_unit_test(forgetting_leaves_the_number_and_the_id_only),
		cmocka_unit_test(collect_gives_changed_users_once_ascending),
		cmocka_unit_test(loaded_records_are_the_collected_ones),
		cmocka_unit_test(a_damaged_record_is_refused_or_means_what_it_says),
		cmocka_unit_test(a_record_over_a_bound_is_refused_with_the_bound),
		cmocka_unit_test(memory_is_counted),
	};

	return cmocka_run_group_tests_name("store/history", tests, NULL, NULL);
}
