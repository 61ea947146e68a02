#include "tests/test.h"

#include "base/base.h"
#include "stream/lane.h"

/* A log of batches as a broker gives it: a fetch hits the batch that covers the offset, or the next one behind it. Offsets
 * between batches hold no record (compaction, ends of transactions). */
struct batch {
	int64_t first, last;
	int bad; /* refusals left; -1: for ever */
	bool codec; /* refused by the broker, which says the offset fetched, not the batch's first */
};

struct log {
	struct batch batches[64];
	int count;
	int64_t end;
	int fetches;
};

static struct batch *find_batch(struct log *log, int64_t offset)
{
	for (int i = 0; i < log->count; i++) {
		if (log->batches[i].last >= offset)
			return &log->batches[i];
	}
	return NULL;
}

/* Every offset of the log: what became of it. */
enum { UNSEEN = 0, DELIVERED, FAILED };
static uint8_t fate[100000];

static void hand_out_failed(struct hr_lane *l)
{
	for (; l->next < l->fail_to; l->next++) {
		assert_int_equal(fate[l->next], UNSEEN);
		fate[l->next] = FAILED;
	}
}

/* Gives the lane all records of one good batch from an offset on. False: it wants to read elsewhere. */
static bool give_records(struct hr_lane *l, const struct log *log, const struct batch *b, int64_t from)
{
	for (int64_t at = from > b->first ? from : b->first; at <= b->last; at++) {
		const enum hr_lane_action action = hr_lane_take(l, HR_LANE_RECORD, at, log->end);

		if (action == HR_LANE_SEEK)
			return false;
		if (action == HR_LANE_DELIVER) {
			assert_int_equal(fate[at], UNSEEN);
			fate[at] = DELIVERED;
		}
	}
	return true;
}

static void read_log(struct hr_lane *l, struct log *log)
{
	int64_t at = hr_lane_wanted(l);

	memset(fate, 0, sizeof fate);
	for (log->fetches = 0; l->clear_to < log->end; log->fetches++) {
		struct batch *b = find_batch(log, at);

		assert_in_range(log->fetches, 0, 10000);
		if (b == NULL) {
			if (hr_lane_take(l, HR_LANE_END, log->end, log->end) == HR_LANE_SEEK)
				at = hr_lane_wanted(l);
		} else if (b->bad != 0) {
			b->bad -= b->bad > 0;
			const int64_t said = b->codec && at > b->first ? at : b->first;
			assert_int_equal(hr_lane_take(l, HR_LANE_BAD, said, log->end), HR_LANE_SEEK);
			at = hr_lane_wanted(l);
		} else {
			at = give_records(l, log, b, at) ? b->last + 1 : hr_lane_wanted(l);
		}
		hand_out_failed(l);
	}
}

static void assert_fates(const struct log *log, int64_t start)
{
	for (int i = 0; i < log->count; i++) {
		const struct batch *b = &log->batches[i];

		for (int64_t at = b->first > start ? b->first : start; at <= b->last; at++)
			assert_int_equal(fate[at], b->bad < 0 ? FAILED : DELIVERED);
	}
}

static void a_log_without_damage_is_read_once_through(void **state)
{
	struct log log = {.batches = {{0, 9, 0, false}, {10, 10, 0, false}, {15, 99, 0, false}}, .count = 3, .end = 101};
	struct hr_lane l;

	(void)state;
	hr_lane_init(&l, 0, 5);
	read_log(&l, &log);
	assert_fates(&log, 5);
	assert_int_equal(l.next, 100);
	assert_int_equal(l.clear_to, 101);
	assert_int_equal(log.fetches, 4);
}

static void damage_on_the_way_costs_no_record(void **state)
{
	struct log log = {.batches = {{0, 9, HR_LANE_TRIES_MAX - 1, false}, {10, 19, HR_LANE_TRIES_MAX - 1, true}}, .count = 2, .end = 20};
	struct hr_lane l;

	(void)state;
	hr_lane_init(&l, 0, 0);
	read_log(&l, &log);
	assert_fates(&log, 0);
}

static void a_large_refused_batch_is_passed_in_a_few_fetches(void **state)
{
	struct log log = {.batches = {{0, 9, 0, false}, {10, 50009, -1, false}, {50010, 50019, 0, false}}, .count = 3, .end = 50020};
	struct hr_lane l;

	(void)state;
	hr_lane_init(&l, 0, 0);
	read_log(&l, &log);
	assert_fates(&log, 0);
	assert_in_range(log.fetches, HR_LANE_TRIES_MAX, 50);
}

static void a_refused_batch_at_the_very_end_is_passed(void **state)
{
	struct log log = {.batches = {{0, 9, 0, false}, {10, 10, -1, false}}, .count = 2, .end = 11};
	struct hr_lane l;

	(void)state;
	hr_lane_init(&l, 0, 0);
	read_log(&l, &log);
	assert_fates(&log, 0);
	log.batches[1].last = log.end = 5000;
	log.end++;
	hr_lane_init(&l, 0, 20); /* from the middle of it */
	read_log(&l, &log);
	assert_fates(&log, 20);
}

static void whatever_is_refused_each_offset_has_one_fate(void **state)
{
	struct hr_rng r = hr_rng_stream(3, 0, 0);

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct log log = {.count = 1 + (int)hr_rng_below(&r, 20)};
		struct hr_lane l;

		for (int i = 0; i < log.count; i++) {
			struct batch *b = &log.batches[i];

			b->first = log.end + (hr_rng_below(&r, 4) == 0 ? hr_rng_below(&r, 5) : 0);
			b->last = b->first + hr_rng_below(&r, hr_rng_below(&r, 8) == 0 ? 2000 : 20);
			b->bad = hr_rng_below(&r, 3) == 0 ? -1 : hr_rng_below(&r, 4) == 0 ? (int)hr_rng_below(&r, HR_LANE_TRIES_MAX) : 0;
			b->codec = hr_rng_below(&r, 2) == 0;
			log.end = b->last + 1;
		}
		log.end += hr_rng_below(&r, 3);
		const int64_t start = hr_rng_below(&r, 2) == 0 ? 0 : hr_rng_below(&r, (uint32_t)log.end);
		hr_lane_init(&l, 0, start);
		read_log(&l, &log);
		for (int i = 0; i < log.count; i++) {
			for (int64_t at = log.batches[i].first; at <= log.batches[i].last; at++) {
				if (at < start)
					assert_int_equal(fate[at], UNSEEN);
				else if (log.batches[i].bad >= 0) /* a damage on the way may still last when a search hits it */
					assert_int_not_equal(fate[at], UNSEEN);
				else
					assert_int_equal(fate[at], FAILED);
			}
		}
	}
}

static void a_library_that_lost_its_place_is_led_back(void **state)
{
	struct hr_lane l;

	(void)state;
	hr_lane_init(&l, 0, 7);
	assert_int_equal(hr_lane_take(&l, HR_LANE_LOST, INT64_C(1297036868777810968), 10), HR_LANE_SEEK);
	assert_int_equal(hr_lane_wanted(&l), 7);
	assert_int_equal(l.lost, 1);
	assert_int_equal(hr_lane_take(&l, HR_LANE_RECORD, 7, 10), HR_LANE_DELIVER);
	assert_int_equal(l.lost, 0);
	assert_int_equal(hr_lane_take(&l, HR_LANE_RECORD, 7, 10), HR_LANE_SKIP); /* twice */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_log_without_damage_is_read_once_through),
		cmocka_unit_test(damage_on_the_way_costs_no_record),
		cmocka_unit_test(a_large_refused_batch_is_passed_in_a_few_fetches),
		cmocka_unit_test(a_refused_batch_at_the_very_end_is_passed),
		cmocka_unit_test(whatever_is_refused_each_offset_has_one_fate),
		cmocka_unit_test(a_library_that_lost_its_place_is_led_back),
	};

	return cmocka_run_group_tests_name("stream/lane", tests, NULL, NULL);
}
