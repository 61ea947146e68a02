#include "tests/test.h"

#include "base/base.h"
#include "stream/simulator.h"

enum { EVENTS = 200000 };

static unsigned number_of(const uint8_t *id, size_t len)
{
	unsigned n = 0;

	for (size_t i = 1; i < len; i++)
		n = n * 10 + (unsigned)(id[i] - '0');
	return n;
}

static uint64_t event_hash(const struct hr_event *e)
{
	struct hr_buf b = {0};

	hr_buf_blob(&b, e->user, e->user_len);
	hr_buf_blob(&b, e->item, e->item_len);
	hr_buf_blob(&b, e->id, e->id_len);
	hr_buf_blob(&b, e->session, e->session_len);
	hr_buf_u64(&b, (uint64_t)e->time_ms);
	hr_buf_f32(&b, e->weight);
	hr_buf_u8(&b, e->kind);
	const uint64_t hash = hr_hash(b.p, b.len);
	hr_buf_fini(&b);
	return hash;
}

static uint64_t hash_of_run(struct hr_simulator_config config, unsigned events)
{
	struct hr_simulator *s = hr_simulator_new(&config);
	struct hr_event e;
	uint64_t hash = 0;

	for (unsigned n = 0; n < events; n++) {
		hr_simulator_next(s, &e);
		hash = hash * 31 + event_hash(&e);
	}
	hr_simulator_free(s);
	return hash;
}

static void one_seed_is_one_stream(void **state)
{
	struct hr_simulator_config config = hr_simulator_defaults();

	(void)state;
	const uint64_t hash = hash_of_run(config, 20000);
	assert_true(hash_of_run(config, 20000) == hash);
	config.seed++;
	assert_true(hash_of_run(config, 20000) != hash);
}

static int descending(const void *a, const void *b)
{
	const unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return (x < y) - (x > y);
}

static unsigned long sum(const unsigned *v, size_t n)
{
	unsigned long total = 0;

	for (size_t i = 0; i < n; i++)
		total += v[i];
	return total;
}

static void times_never_fall_and_span_the_days_that_were_asked_for(void **state)
{
	struct hr_simulator_config config = hr_simulator_defaults();
	struct hr_simulator *s = hr_simulator_new(&config);
	struct hr_event e;
	int64_t last = config.start_ms;
	unsigned hours[24] = {0};

	(void)state;
	for (unsigned n = 0; n < EVENTS; n++) {
		hr_simulator_next(s, &e);
		assert_true(e.time_ms >= last);
		last = e.time_ms;
		hours[last / 3600000 % 24]++;
	}
	assert_close((double)(last - config.start_ms) / 86400e3, 10, .05, "days", 0);
	assert_true(hours[20] > 3 * hours[8]); /* evenings are busy */
	hr_simulator_free(s);
}

static void popularity_and_activity_have_heavy_tails(void **state)
{
	struct hr_simulator_config config = hr_simulator_defaults();
	struct hr_simulator *s = hr_simulator_new(&config);
	unsigned *items = hr_alloc(config.items, sizeof *items), *users = hr_alloc(config.users, sizeof *users);
	struct hr_event e;

	(void)state;
	for (unsigned n = 0; n < EVENTS; n++) {
		hr_simulator_next(s, &e);
		items[number_of(e.item, e.item_len)]++;
		users[number_of(e.user, e.user_len)]++;
	}
	qsort(items, config.items, sizeof *items, descending);
	qsort(users, config.users, sizeof *users, descending);
	const double top_items = (double)sum(items, config.items / 100) / EVENTS;
	assert_true(top_items > .1 && top_items < .4);
	/* Zipf with an exponent near 1: ten times the rank, a good deal less than a third of the events. */
	assert_true(items[9] > 2 * items[99] && items[99] > 2 * items[999] && items[999] > 0);
	assert_true(users[99] > 5 * users[config.users / 2]);
	assert_true(users[0] < EVENTS / 50);
	const double mean = (double)EVENTS / config.users;
	assert_true(users[config.users - 1] > 0 && mean > 10 && mean < 20);
	hr_free(items);
	hr_free(users);
	hr_simulator_free(s);
}

struct tail {
	unsigned session, item;
	uint8_t kind;
};

static void a_cart_follows_its_view_and_a_purchase_its_cart(void **state)
{
	struct hr_simulator_config config = hr_simulator_defaults();
	struct hr_simulator *s = hr_simulator_new(&config);
	struct tail *last = hr_alloc(EVENTS, sizeof *last); /* newest event of each session */
	unsigned kinds[HR_KIND_COUNT] = {0};
	struct hr_event e;

	(void)state;
	for (unsigned n = 0; n < EVENTS; n++) {
		hr_simulator_next(s, &e);
		struct tail *t = &last[number_of(e.session, e.session_len)];
		const unsigned item = number_of(e.item, e.item_len);
		kinds[e.kind]++;
		if (e.kind == HR_KIND_CART)
			assert_true(t->kind == HR_KIND_VIEW && t->item == item);
		else if (e.kind == HR_KIND_PURCHASE)
			assert_true(t->kind == HR_KIND_CART && t->item == item);
		else
			assert_int_equal(e.kind, HR_KIND_VIEW);
		*t = (struct tail){.item = item, .kind = e.kind};
	}
	assert_true(kinds[HR_KIND_VIEW] > 5 * kinds[HR_KIND_CART] && kinds[HR_KIND_CART] > 2 * kinds[HR_KIND_PURCHASE]);
	assert_true(kinds[HR_KIND_PURCHASE] > EVENTS / 100);
	hr_free(last);
	hr_simulator_free(s);
}

static void users_and_items_arrive_over_time_and_only_then_occur(void **state)
{
	struct hr_simulator_config config = hr_simulator_defaults();
	struct hr_simulator *s = hr_simulator_new(&config);
	unsigned items_before = hr_simulator_arrived(s), users = 0, half = 0;
	struct hr_event e;

	(void)state;
	assert_true(items_before > config.items / 2 && items_before < config.items * 3 / 4);
	for (unsigned n = 0; n < EVENTS; n++) {
		hr_simulator_next(s, &e);
		assert_true(number_of(e.item, e.item_len) < hr_simulator_arrived(s));
		assert_true(number_of(e.user, e.user_len) <= users);
		if (number_of(e.user, e.user_len) == users)
			users++;
		if (n == EVENTS / 2)
			half = users;
	}
	assert_true(half > config.users / 3 && half < config.users * 2 / 3);
	assert_int_equal(users, config.users);
	assert_int_equal(hr_simulator_arrived(s), config.items);
	hr_simulator_free(s);
}

/* Within a session, what follows a writing desk (by the hidden graph: lamps and chairs) is far above its popularity. */
static void sessions_follow_the_hidden_graph(void **state)
{
	struct hr_simulator_config config = hr_simulator_defaults();
	struct hr_simulator *s = hr_simulator_new(&config);
	bool *desk = hr_alloc(EVENTS, sizeof *desk);
	unsigned after = 0, lamps_after = 0, lamps = 0;
	struct hr_event e;

	(void)state;
	for (unsigned n = 0; n < EVENTS; n++) {
		hr_simulator_next(s, &e);
		const char *title = hr_simulator_title(s, e.item, e.item_len, NULL);
		const unsigned session = number_of(e.session, e.session_len);
		const bool lamp = strstr(title, "desk lamp") != NULL || strstr(title, "office chair") != NULL;

		lamps += lamp;
		after += desk[session];
		lamps_after += desk[session] && lamp;
		desk[session] = strstr(title, "writing desk") != NULL;
	}
	assert_true(after > 100);
	assert_true((double)lamps_after / after > 3 * (double)lamps / EVENTS);
	hr_free(desk);
	hr_simulator_free(s);
}

/* Some item is hot for hours: twenty times its usual share. */
static void there_are_bursts(void **state)
{
	enum { HOURS = 300 };
	struct hr_simulator_config config = hr_simulator_defaults();
	struct hr_simulator *s = hr_simulator_new(&config);
	unsigned *count = hr_alloc((size_t)HOURS * config.items, sizeof *count), hours[HOURS] = {0}, hot = 0;
	unsigned *whole = hr_alloc(config.items, sizeof *whole);
	struct hr_event e;

	(void)state;
	for (unsigned n = 0; n < EVENTS; n++) {
		hr_simulator_next(s, &e);
		const size_t hour = (size_t)(e.time_ms - config.start_ms) / 3600000, item = number_of(e.item, e.item_len);
		assert_true(hour < HOURS);
		hours[hour]++;
		count[hour * config.items + item]++;
		whole[item]++;
	}
	for (size_t h = 0; h < HOURS; h++) {
		for (size_t i = 0; i < config.items; i++)
			hot += count[h * config.items + i] > hours[h] / 50 &&
			       (double)count[h * config.items + i] / hours[h] > 20 * (double)whole[i] / EVENTS;
	}
	assert_true(hot >= 2);
	hr_free(count);
	hr_free(whole);
	hr_simulator_free(s);
}

static void every_item_has_a_title_and_a_category(void **state)
{
	struct hr_simulator_config config = hr_simulator_defaults();
	struct hr_simulator *s = hr_simulator_new(&config);
	char id[HR_SIMULATOR_ID_MAX];
	const char *category;

	(void)state;
	for (unsigned i = 0; i < config.items; i++) {
		const size_t len = hr_simulator_item_id(i, id);
		const char *title = hr_simulator_title(s, (const uint8_t *)id, len, &category);
		assert_non_null(title);
		assert_true(strlen(title) > 10 && strchr(title, ',') != NULL && strlen(category) > 3);
	}
	assert_null(hr_simulator_title(s, (const uint8_t *)"i04000", 6, &category));
	assert_null(hr_simulator_title(s, (const uint8_t *)"u00000", 6, &category));
	assert_null(hr_simulator_title(s, (const uint8_t *)"i", 1, &category));
	assert_null(hr_simulator_title(s, (const uint8_t *)"i4294967296", 11, &category));
	assert_memory_equal(id, "i03999", 6);
	hr_simulator_free(s);
}

static void a_world_of_one_user_and_one_item_goes_on(void **state)
{
	static const uint32_t sizes[][2] = {{1, 1}, {2, 5}, {3, 7}, {40, 100}, {5, 20000}};
	struct hr_event e;

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct hr_simulator_config config = hr_simulator_defaults();
		config.users = sizes[i][0];
		config.items = sizes[i][1];
		config.days_per_million = i % 2 == 0 ? 0 : 4000;
		struct hr_simulator *s = hr_simulator_new(&config);
		for (unsigned n = 0; n < 5000; n++) {
			hr_simulator_next(s, &e);
			assert_true(number_of(e.item, e.item_len) < config.items);
			assert_true(number_of(e.user, e.user_len) < config.users);
		}
		hr_simulator_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(one_seed_is_one_stream),
	        cmocka_unit_test(times_never_fall_and_span_the_days_that_were_asked_for),
	        cmocka_unit_test(popularity_and_activity_have_heavy_tails),
	        cmocka_unit_test(a_cart_follows_its_view_and_a_purchase_its_cart),
	        cmocka_unit_test(users_and_items_arrive_over_time_and_only_then_occur),
	        cmocka_unit_test(sessions_follow_the_hidden_graph),
	        cmocka_unit_test(there_are_bursts),
	        cmocka_unit_test(every_item_has_a_title_and_a_category),
	        cmocka_unit_test(a_world_of_one_user_and_one_item_goes_on),
	};

	return cmocka_run_group_tests_name("simulator", tests, NULL, NULL);
}
