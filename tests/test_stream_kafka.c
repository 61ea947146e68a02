#include "tests/test.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <time.h>

#include "base/base.h"
#include "stream/broker.h"
#include "stream/kafka.h"
#include "stream/sink.h"
#include "stream/source.h"

enum { API_PRODUCE = 0, API_FETCH = 1, BROKER_ID = 1, PARTITIONS = 4 };

static struct hr_broker *broker; /* one for each test */
static struct hr_kafka_config config;
static struct hr_error err;

#define ASSERT_OK(call) \
	do { \
		if (!(call)) \
			fail_msg("%s", err.msg); \
	} while (0)
#define ASSERT_FAILS(call, code_wanted, text) \
	do { \
		assert_false(call); \
		assert_int_equal(err.code, code_wanted); \
		if (strstr(err.msg, text) == NULL) \
			fail_msg("\"%s\" does not say \"%s\"", err.msg, text); \
	} while (0)

static int start_broker(void **state)
{
	(void)state;
	if (!hr_broker_start(&broker, &err) || !hr_broker_create_topic(broker, "t", PARTITIONS, &err) ||
	    !hr_broker_create_topic(broker, "one", 1, &err))
		return 1;
	config = (struct hr_kafka_config){.brokers = hr_broker_bootstrap(broker), .client_id = "test", .group_id = "g"};
	return 0;
}

static int stop_broker(void **state)
{
	(void)state;
	hr_broker_stop(broker);
	return 0;
}

static void sleep_ms(long ms)
{
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	(void)nanosleep(&t, NULL);
}

static struct hr_sink *open_sink(const char *const *properties)
{
	struct hr_kafka_config c = config;
	struct hr_sink *s = NULL;

	c.properties = properties;
	ASSERT_OK(hr_sink_open(&c, &s, &err));
	return s;
}

/* Records "0", "1", ... with themselves as their keys. */
static void send_numbers(struct hr_sink *s, const char *topic, int from, int to)
{
	char text[16];

	for (int i = from; i < to; i++) {
		const size_t n = (size_t)snprintf(text, sizeof text, "%d", i);
		ASSERT_OK(hr_sink_send(s, topic, text, n, text, n, -1, NULL, 0, &err));
	}
}

static void produce_numbers(const char *topic, int from, int to)
{
	struct hr_sink *s = open_sink(NULL);

	send_numbers(s, topic, from, to);
	ASSERT_OK(hr_sink_flush(s, 10000, &err));
	assert_int_equal(hr_sink_delivered(s), to - from);
	hr_sink_close(s, 1000);
}

static struct hr_source *open_all(const char *topic, uint32_t partitions, int64_t at)
{
	struct hr_position positions[PARTITIONS];
	struct hr_source *s = NULL;

	for (uint32_t p = 0; p < partitions; p++)
		positions[p] = (struct hr_position){.partition = (int32_t)p, .offset = at};
	ASSERT_OK(hr_source_open_kafka(&config, topic, positions, partitions, false, &s, &err));
	return s;
}

/* What was read so far: every number at most once, every partition without a hole. */
struct tally {
	bool seen[20000];
	int64_t next[PARTITIONS];
	int records, failed;
};

static void tally_record(struct tally *t, const struct hr_record *r)
{
	char text[16];

	assert_in_range(r->partition, 0, PARTITIONS - 1);
	assert_int_equal(r->offset, t->next[r->partition]);
	t->next[r->partition] = r->offset + 1;
	t->records++;
	t->failed += r->failed;
	if (r->failed)
		return;
	assert_in_range(r->value_len, 1, sizeof text - 1);
	assert_int_equal(r->key_len, r->value_len);
	assert_memory_equal(r->key, r->value, r->value_len);
	memcpy(text, r->value, r->value_len);
	text[r->value_len] = '\0';
	const long n = strtol(text, NULL, 10);
	assert_in_range(n, 0, sizeof t->seen - 1);
	assert_false(t->seen[n]);
	t->seen[n] = true;
}

/* Reads until there are want records, and a little longer to see that there are no more. */
static void read_numbers(struct hr_source *s, struct tally *t, int want, size_t max)
{
	const int64_t end = hr_mono_us() + 30000000;
	struct hr_record records[512];
	size_t n;

	assert_in_range(max, 1, 512);
	for (bool again = true; again;) {
		const bool enough = t->records >= want;

		ASSERT_OK(hr_source_poll(s, records, max, enough ? 200 : 1000, &n, &err));
		for (size_t i = 0; i < n; i++)
			tally_record(t, &records[i]);
		again = !enough || n > 0;
		if (hr_mono_us() > end)
			fail_msg("%d of %d records after 30 s", t->records, want);
	}
	assert_int_equal(t->records, want);
}

/* Polls until one record is there. */
static void read_one(struct hr_source *s, struct hr_record *out)
{
	size_t n = 0;

	for (int tries = 0; n == 0 && tries < 20; tries++)
		ASSERT_OK(hr_source_poll(s, out, 1, 500, &n, &err));
	assert_int_equal(n, 1);
}

static void every_record_comes_once_and_positions_are_exact(void **state)
{
	static struct tally t;
	int64_t ends = 0;

	(void)state;
	t = (struct tally){0};
	produce_numbers("t", 0, 10000);
	struct hr_source *s = open_all("t", PARTITIONS, HR_START_EARLIEST);
	read_numbers(s, &t, 10000, 512);
	for (int p = 0; p < PARTITIONS; p++) {
		assert_int_equal(hr_source_end(s, p), t.next[p]);
		assert_int_equal(hr_source_lag(s, p, t.next[p]), 0);
		assert_int_equal(hr_source_lag(s, p, t.next[p] - 7), 7);
		assert_in_range(t.next[p], 2000, 3000); /* keys spread */
		ends += t.next[p];
	}
	assert_int_equal(ends, 10000);
	assert_int_equal(hr_source_end(s, 99), -1);
	assert_int_equal(hr_source_lag(s, 99, 0), -1);
	hr_source_close(s);
}

static void records_are_handed_out_in_pieces_of_any_size(void **state)
{
	static struct tally t;
	struct hr_record records[8];
	size_t n;

	(void)state;
	t = (struct tally){0};
	produce_numbers("t", 0, 300);
	struct hr_source *s = open_all("t", PARTITIONS, HR_START_EARLIEST);
	for (size_t max = 1; t.records < 250; max = max % 7 + 1) {
		ASSERT_OK(hr_source_poll(s, records, max, 1000, &n, &err));
		assert_in_range(n, 0, max);
		for (size_t i = 0; i < n; i++)
			tally_record(&t, &records[i]);
	}
	read_numbers(s, &t, 300, 1);
	hr_source_close(s);
}

static void a_source_starts_at_the_stored_offsets(void **state)
{
	static struct tally t;
	const struct hr_position positions[] = {{2, 150}, {0, HR_START_LATEST}, {3, HR_START_EARLIEST}};
	struct hr_source *s;

	(void)state;
	t = (struct tally){0};
	produce_numbers("t", 0, 1000);
	ASSERT_OK(hr_source_open_kafka(&config, "t", positions, 3, false, &s, &err));
	assert_true(hr_source_end(s, 0) > 150); /* known before the first record */
	t.next[2] = 150;
	t.next[0] = hr_source_end(s, 0);
	const int64_t all = hr_source_end(s, 2) - 150 + hr_source_end(s, 3);
	read_numbers(s, &t, (int)all, 512);
	produce_numbers("t", 1000, 2000);
	read_numbers(s, &t, (int)(all + hr_source_end(s, 0) - t.next[0] + hr_source_end(s, 2) - t.next[2] +
	                          hr_source_end(s, 3) - t.next[3]), 512);
	hr_source_close(s);
}

/* Fills the one partition of "one" until the broker has dropped its start. Returns where the log starts now. */
static int64_t overflow_one(int64_t *ret_end)
{
	static uint8_t noise[16384];
	struct hr_rng r = hr_rng_stream(1, 1, 1);
	struct hr_sink *s = open_sink(NULL);
	struct hr_position start = {0, HR_START_EARLIEST};
	struct hr_source *source;
	struct hr_record record;

	for (int i = 0; i < 800; i++) {
		for (size_t b = 0; b < sizeof noise; b++)
			noise[b] = (uint8_t)hr_rng_u64(&r);
		ASSERT_OK(hr_sink_send(s, "one", "k", 1, noise, sizeof noise, -1, NULL, 0, &err));
		if (i % 40 == 39)
			ASSERT_OK(hr_sink_flush(s, 10000, &err));
	}
	ASSERT_OK(hr_sink_flush(s, 10000, &err));
	hr_sink_close(s, 1000);
	ASSERT_OK(hr_source_open_kafka(&config, "one", &start, 1, false, &source, &err));
	read_one(source, &record);
	const int64_t low = record.offset;
	*ret_end = hr_source_end(source, 0);
	hr_source_close(source);
	return low;
}

static void a_position_outside_the_log_is_refused_with_the_exact_gap(void **state)
{
	struct hr_position p = {0, 7};
	struct hr_source *s;
	struct hr_record record;
	char want[128];
	int64_t end;

	(void)state;
	const int64_t low = overflow_one(&end);
	assert_in_range(low, 100, 799);
	assert_int_equal(end, 800);
	(void)snprintf(want, sizeof want, "partition 0: %d records gone: stored offset 7, log starts at %d", (int)low - 7, (int)low);
	ASSERT_FAILS(hr_source_open_kafka(&config, "one", &p, 1, false, &s, &err), HR_E_CONFIG, want);
	p.offset = 801;
	ASSERT_FAILS(hr_source_open_kafka(&config, "one", &p, 1, false, &s, &err), HR_E_CONFIG,
	             "partition 0: log cut short or made anew: stored offset 801, log ends at 800");
	ASSERT_FAILS(hr_source_open_kafka(&config, "one", &p, 1, /* accept_gap */ true, &s, &err), HR_E_CONFIG,
	             "log cut short or made anew");
	p.offset = 7;
	ASSERT_OK(hr_source_open_kafka(&config, "one", &p, 1, true, &s, &err));
	read_one(s, &record);
	assert_int_equal(record.offset, low);
	hr_source_close(s);
	p.offset = end; /* the next record, not there yet: no gap */
	ASSERT_OK(hr_source_open_kafka(&config, "one", &p, 1, false, &s, &err));
	hr_source_close(s);
}

static void gaps_of_several_partitions_are_all_told(void **state)
{
	const struct hr_position p[] = {{0, 4000000}, {1, 0}, {3, 5}};
	struct hr_source *s;

	(void)state;
	ASSERT_FAILS(hr_source_open_kafka(&config, "t", p, 3, false, &s, &err), HR_E_CONFIG,
	             "stored offset 4000000, log ends at 0; partition 3: log cut short");
}

static void a_tombstone_is_not_an_empty_value(void **state)
{
	struct hr_sink *sink = open_sink(NULL);
	struct hr_position p = {0, HR_START_EARLIEST};
	struct hr_source *s;
	struct hr_record r;

	(void)state;
	ASSERT_OK(hr_sink_send(sink, "one", "user", 4, NULL, 0, 1764015336123, NULL, 0, &err));
	ASSERT_OK(hr_sink_send(sink, "one", "user", 4, "", 0, -1, NULL, 0, &err));
	ASSERT_OK(hr_sink_send(sink, "one", NULL, 0, "v", 1, -1, NULL, 0, &err));
	ASSERT_OK(hr_sink_flush(sink, 10000, &err));
	hr_sink_close(sink, 1000);
	ASSERT_OK(hr_source_open_kafka(&config, "one", &p, 1, false, &s, &err));
	read_one(s, &r);
	assert_null(r.value);
	assert_int_equal(r.key_len, 4);
	assert_memory_equal(r.key, "user", 4);
	assert_int_equal(r.timestamp_ms, 1764015336123);
	assert_false(r.failed);
	read_one(s, &r);
	assert_non_null(r.value);
	assert_int_equal(r.value_len, 0);
	assert_in_range(r.timestamp_ms, hr_wall_ms() - 60000, hr_wall_ms());
	read_one(s, &r);
	assert_null(r.key);
	assert_memory_equal(r.value, "v", 1);
	hr_source_close(s);
}

/* murmur2 as in org.apache.kafka.common.utils.Utils; the hashes are those of its unit test. */
static void keys_go_where_a_jvm_producer_sends_them(void **state)
{
	const struct {
		const char *key;
		int32_t murmur2;
	} known[] = {{"21", -973932308}, {"foobar", -790332482}, {"a-little-bit-long-string", -985981536},
	             {"a-little-bit-longer-string", -1486304829}, {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
	             {"abc", 479470107}};
	enum { KEYS = sizeof known / sizeof *known };
	struct hr_sink *sink = open_sink(NULL);
	struct hr_record r;

	(void)state;
	for (int i = 0; i < KEYS; i++)
		ASSERT_OK(hr_sink_send(sink, "t", known[i].key, strlen(known[i].key), "", 0, -1, NULL, 0, &err));
	ASSERT_OK(hr_sink_flush(sink, 10000, &err));
	hr_sink_close(sink, 1000);
	struct hr_source *s = open_all("t", PARTITIONS, HR_START_EARLIEST);
	for (int n = 0; n < KEYS; n++) {
		bool found = false;

		read_one(s, &r);
		for (int i = 0; i < KEYS; i++) {
			if (strlen(known[i].key) != r.key_len || memcmp(known[i].key, r.key, r.key_len) != 0)
				continue;
			assert_int_equal(r.partition, (known[i].murmur2 & 0x7fffffff) % PARTITIONS);
			found = true;
		}
		assert_true(found);
	}
	hr_source_close(s);
}

/* The first message of "one", by the library alone. */
static rd_kafka_message_t *read_raw(rd_kafka_t **ret_rk)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256];

	assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", config.brokers, why, sizeof why), RD_KAFKA_CONF_OK);
	assert_int_equal(rd_kafka_conf_set(conf, "group.id", "g", why, sizeof why), RD_KAFKA_CONF_OK);
	rd_kafka_t *rk = *ret_rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
	assert_non_null(rk);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, "one", 0)->offset = 0;
	assert_int_equal(rd_kafka_assign(rk, list), 0);
	rd_kafka_topic_partition_list_destroy(list);
	return rd_kafka_consumer_poll(rk, 10000);
}

static void assert_header(const rd_kafka_headers_t *headers, const char *name, const char *want)
{
	const void *value;
	size_t len;

	assert_int_equal(rd_kafka_header_get_last(headers, name, &value, &len), 0);
	assert_int_equal(len, strlen(want));
	assert_memory_equal(value, want, len);
}

static void headers_go_with_the_record_also_when_it_is_sent_again(void **state)
{
	const struct hr_header headers[] = {{"content-type", "application/x-protobuf", 22}, {"version", "7", 1}};
	struct hr_sink *sink = open_sink(NULL);
	rd_kafka_headers_t *got;
	rd_kafka_t *rk;

	(void)state;
	rd_kafka_mock_push_request_errors(hr_broker_cluster(broker), API_PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
	ASSERT_OK(hr_sink_send(sink, "one", "k", 1, "v", 1, 1764015336123, headers, 2, &err));
	ASSERT_OK(hr_sink_flush(sink, 10000, &err));
	hr_sink_close(sink, 1000);
	rd_kafka_message_t *m = read_raw(&rk);
	assert_non_null(m);
	assert_int_equal(m->err, 0);
	assert_int_equal(rd_kafka_message_headers(m, &got), 0);
	assert_int_equal(rd_kafka_header_cnt(got), 2);
	assert_header(got, "content-type", "application/x-protobuf");
	assert_header(got, "version", "7");
	assert_int_equal(rd_kafka_message_timestamp(m, NULL), 1764015336123);
	rd_kafka_message_destroy(m);
	rd_kafka_destroy(rk);
}

static void commits_are_seen_by_the_group_and_survive_an_early_close(void **state)
{
	const struct hr_position at[] = {{0, 3}, {1, 4}};
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(2);
	rd_kafka_t *rk;

	(void)state;
	produce_numbers("t", 0, 100);
	produce_numbers("one", 0, 1);
	struct hr_source *s = open_all("t", PARTITIONS, 0);
	hr_source_commit(s, at, 2);
	hr_source_close(s);
	rd_kafka_message_destroy(read_raw(&rk));
	rd_kafka_topic_partition_list_add(list, "t", 0);
	rd_kafka_topic_partition_list_add(list, "t", 1);
	assert_int_equal(rd_kafka_committed(rk, list, 10000), 0);
	assert_int_equal(list->elems[0].offset, 3);
	assert_int_equal(list->elems[1].offset, 4);
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_destroy(rk);
}

static void a_commit_that_fails_is_only_counted(void **state)
{
	enum { API_OFFSET_COMMIT = 8 };
	const struct hr_position at[] = {{0, 3}};
	struct hr_record r;
	size_t n;

	(void)state;
	struct hr_source *s = open_all("t", PARTITIONS, 0);
	rd_kafka_mock_push_request_errors(hr_broker_cluster(broker), API_OFFSET_COMMIT, 1,
	                                  RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE);
	hr_source_commit(s, at, 1);
	for (int tries = 0; hr_source_commit_failures(s) == 0 && tries < 50; tries++)
		ASSERT_OK(hr_source_poll(s, &r, 1, 100, &n, &err));
	assert_int_equal(hr_source_commit_failures(s), 1);
	hr_source_close(s);
}

static void a_broker_that_is_away_for_a_second_loses_nothing(void **state)
{
	static struct tally t;
	struct hr_sink *sink = open_sink(NULL);

	(void)state;
	t = (struct tally){0};
	struct hr_source *s = open_all("t", PARTITIONS, HR_START_EARLIEST);
	send_numbers(sink, "t", 0, 1000);
	ASSERT_OK(hr_sink_flush(sink, 10000, &err));
	read_numbers(s, &t, 1000, 100);
	rd_kafka_mock_broker_set_down(hr_broker_cluster(broker), BROKER_ID);
	send_numbers(sink, "t", 1000, 2000);
	ASSERT_FAILS(hr_sink_flush(sink, 300, &err), HR_E_BROKER, "1000 records not acknowledged within 300 ms");
	assert_true(err.retriable);
	sleep_ms(700);
	rd_kafka_mock_broker_set_up(hr_broker_cluster(broker), BROKER_ID);
	send_numbers(sink, "t", 2000, 3000);
	ASSERT_OK(hr_sink_flush(sink, 20000, &err));
	read_numbers(s, &t, 3000, 100);
	assert_int_equal(t.failed, 0);
	hr_source_close(s);
	hr_sink_close(sink, 1000);
}

static void refused_batches_are_sent_again_and_arrive_once(void **state)
{
	static struct tally t;
	struct hr_sink *sink = open_sink(NULL);

	(void)state;
	t = (struct tally){0};
	rd_kafka_mock_push_request_errors(
		hr_broker_cluster(broker), API_PRODUCE, 6, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
		RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_INVALID_MSG, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
		RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
	send_numbers(sink, "t", 0, 1000);
	ASSERT_OK(hr_sink_flush(sink, 20000, &err));
	assert_int_equal(hr_sink_delivered(sink), 1000);
	struct hr_source *s = open_all("t", PARTITIONS, HR_START_EARLIEST);
	read_numbers(s, &t, 1000, 100);
	hr_source_close(s);
	hr_sink_close(sink, 1000);
}

static void a_record_refused_for_good_is_told_by_one_flush(void **state)
{
	const rd_kafka_resp_err_t too_large[] = {
		RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
		RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE};
	struct hr_sink *sink = open_sink(NULL);

	(void)state;
	rd_kafka_mock_push_request_errors_array(hr_broker_cluster(broker), API_PRODUCE, 4, too_large);
	send_numbers(sink, "one", 0, 1);
	ASSERT_FAILS(hr_sink_flush(sink, 20000, &err), HR_E_BROKER, "1 records were not taken, the first: topic \"one\" partition 0");
	send_numbers(sink, "one", 1, 2);
	ASSERT_OK(hr_sink_flush(sink, 20000, &err));
	assert_int_equal(hr_sink_delivered(sink), 1);
	rd_kafka_mock_push_request_errors(hr_broker_cluster(broker), API_PRODUCE, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
	send_numbers(sink, "one", 2, 3);
	ASSERT_FAILS(hr_sink_flush(sink, 20000, &err), HR_E_BROKER, "uthorization");
	hr_sink_close(sink, 1000);
}

static void a_sequence_that_broke_ends_the_producer(void **state)
{
	struct hr_sink *sink = open_sink(NULL);

	(void)state;
	send_numbers(sink, "one", 0, 10);
	ASSERT_OK(hr_sink_flush(sink, 10000, &err));
	rd_kafka_mock_push_request_errors(hr_broker_cluster(broker), API_PRODUCE, 1,
	                                  RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
	send_numbers(sink, "one", 10, 20);
	ASSERT_FAILS(hr_sink_flush(sink, 10000, &err), HR_E_BROKER, "the producer can not go on");
	ASSERT_FAILS(hr_sink_send(sink, "one", "k", 1, "v", 1, -1, NULL, 0, &err), HR_E_BROKER, "the producer can not go on");
	hr_sink_close(sink, 1000);
}

static void a_fetch_that_is_damaged_once_is_fetched_again(void **state)
{
	static struct tally t;

	(void)state;
	t = (struct tally){0};
	produce_numbers("t", 0, 100);
	rd_kafka_mock_push_request_errors(hr_broker_cluster(broker), API_FETCH, 2, RD_KAFKA_RESP_ERR_INVALID_MSG,
	                                  RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR);
	struct hr_source *s = open_all("t", PARTITIONS, HR_START_EARLIEST);
	read_numbers(s, &t, 100, 64);
	assert_int_equal(t.failed, 0);
	hr_source_close(s);
}

static void a_batch_that_can_not_be_unpacked_is_stepped_over_and_counted(void **state)
{
	static struct tally t;
	static char zeros[60000];
	/* a megabyte of zeros is a small batch, but more than this consumer may unpack */
	const char *const zstd[] = {"compression.type=zstd", "linger.ms=1000", NULL};
	const char *const small[] = {"receive.message.max.bytes=100512", "fetch.max.bytes=100000", "message.max.bytes=100000", NULL};
	struct hr_sink *sink = open_sink(zstd);
	struct hr_kafka_config c = config;
	struct hr_position p = {0, HR_START_EARLIEST};
	struct hr_source *s;

	(void)state;
	t = (struct tally){0};
	produce_numbers("one", 0, 10);
	for (int i = 0; i < 12; i++)
		ASSERT_OK(hr_sink_send(sink, "one", "k", 1, zeros, sizeof zeros, -1, NULL, 0, &err));
	ASSERT_OK(hr_sink_flush(sink, 10000, &err));
	hr_sink_close(sink, 1000);
	produce_numbers("one", 10, 20);
	c.properties = small;
	ASSERT_OK(hr_source_open_kafka(&c, "one", &p, 1, false, &s, &err));
	read_numbers(s, &t, 32, 64);
	assert_int_equal(t.failed, 12);
	hr_source_close(s);
}

static void a_topic_that_may_not_be_read_ends_the_source(void **state)
{
	struct hr_record r;
	size_t n;
	bool ok = true;

	(void)state;
	produce_numbers("t", 0, 100);
	rd_kafka_mock_push_request_errors(hr_broker_cluster(broker), API_FETCH, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
	struct hr_source *s = open_all("t", PARTITIONS, HR_START_EARLIEST);
	for (int tries = 0; ok && tries < 200; tries++)
		ok = hr_source_poll(s, &r, 1, 100, &n, &err);
	ASSERT_FAILS(ok, HR_E_BROKER, "uthorization");
	hr_source_close(s);
}

static void closing_with_the_broker_gone_is_bounded(void **state)
{
	const struct hr_position at[] = {{0, 1}};
	struct hr_sink *sink = open_sink(NULL);
	static struct tally t;

	(void)state;
	t = (struct tally){0};
	produce_numbers("t", 0, 100);
	struct hr_source *s = open_all("t", PARTITIONS, HR_START_EARLIEST);
	read_numbers(s, &t, 100, 64);
	rd_kafka_mock_broker_set_down(hr_broker_cluster(broker), BROKER_ID);
	sleep_ms(200);
	send_numbers(sink, "t", 0, 1000);
	hr_source_commit(s, at, 1);
	int64_t start = hr_mono_us();
	hr_source_close(s);
	assert_in_range(hr_mono_us() - start, 0, 5000000);
	start = hr_mono_us();
	hr_sink_close(sink, 500);
	assert_in_range(hr_mono_us() - start, 0, 5000000);
}

static void opening_without_a_broker_says_what_was_tried(void **state)
{
	uint32_t count;

	(void)state;
	config.brokers = "127.0.0.1:1";
	ASSERT_FAILS(hr_kafka_partitions(&config, "t", 1500, &count, &err), HR_E_BROKER, "no answer within 1500 ms");
	assert_true(err.retriable);
	assert_non_null(strstr(err.msg, "127.0.0.1:1")); /* the library's own words */
}

static void partitions_are_counted_and_missing_topics_told(void **state)
{
	const struct hr_position twice[] = {{0, 0}, {0, 0}}, far[] = {{4, 0}}, negative[] = {{-1, 0}};
	struct hr_source *s;
	uint32_t count = 0;

	(void)state;
	ASSERT_OK(hr_kafka_partitions(&config, "t", 5000, &count, &err));
	assert_int_equal(count, PARTITIONS);
	rd_kafka_mock_topic_set_error(hr_broker_cluster(broker), "nowhere", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	ASSERT_FAILS(hr_kafka_partitions(&config, "nowhere", 5000, &count, &err), HR_E_BROKER, "topic \"nowhere\" does not exist");
	ASSERT_FAILS(hr_source_open_kafka(&config, "t", twice, 2, false, &s, &err), HR_E_CONFIG, "partition 0 is listed twice");
	ASSERT_FAILS(hr_source_open_kafka(&config, "t", far, 1, false, &s, &err), HR_E_CONFIG, "has no partition 4, it has 0..3");
	ASSERT_FAILS(hr_source_open_kafka(&config, "t", negative, 1, false, &s, &err), HR_E_CONFIG, "has no partition -1");
}

static void a_topic_is_made_once(void **state)
{
	uint32_t count;

	(void)state;
	ASSERT_OK(hr_topic_create(&config, "vectors", 1, true, 5000, &err));
	ASSERT_OK(hr_topic_create(&config, "vectors", 1, true, 5000, &err));
	ASSERT_OK(hr_topic_create(&config, "t", 99, false, 5000, &err));
	ASSERT_OK(hr_kafka_partitions(&config, "t", 5000, &count, &err));
	assert_int_equal(count, PARTITIONS);
}

static void refuse_property(const char *property, const char *text)
{
	const char *const properties[] = {"statistics.interval.ms=0", property, NULL};
	const struct hr_position p = {0, 0};
	struct hr_kafka_config c = config;
	struct hr_source *source;
	struct hr_sink *sink;

	c.properties = properties;
	ASSERT_FAILS(hr_source_open_kafka(&c, "one", &p, 1, false, &source, &err), HR_E_CONFIG, text);
	ASSERT_FAILS(hr_sink_open(&c, &sink, &err), HR_E_CONFIG, text);
}

static void properties_that_headrace_owns_are_refused_with_the_reason(void **state)
{
	(void)state;
	refuse_property("enable.auto.commit=true", "enable.auto.commit can not be set: positions are kept with the state");
	refuse_property("auto.offset.reset=latest", "a position is given, never guessed");
	refuse_property("group.protocol=consumer", "partitions are assigned");
	refuse_property("transactional.id=x", "headrace does not write in transactions");
	refuse_property("partitioner=random", "keys go where a JVM producer would send them");
	refuse_property("no.such.property=1", "No such configuration property");
	refuse_property("fetch.wait.max.ms=abc", "fetch.wait.max.ms");
	refuse_property("sasl.password", "name=value");
	refuse_property("=secret", "name=value");
	assert_null(strstr(err.msg, "secret"));
}

static void a_send_into_a_full_queue_fails_when_its_patience_is_over(void **state)
{
	const char *const properties[] = {"queue.buffering.max.messages=1", NULL};
	const struct hr_kafka_config away = {.brokers = "127.0.0.1:1", .properties = properties};
	struct hr_sink *s = NULL;

	(void)state;
	ASSERT_OK(hr_sink_open(&away, &s, &err));
	hr_sink_patience(s, 200);
	const int64_t began = hr_mono_us();
	ASSERT_OK(hr_sink_send(s, "one", "a", 1, "a", 1, -1, NULL, 0, &err));
	ASSERT_FAILS(hr_sink_send(s, "one", "b", 1, "b", 1, -1, NULL, 0, &err), HR_E_BROKER, "1 records wait and none was taken for 200 ms");
	assert_true(err.retriable);
	assert_true(hr_mono_us() - began < 20000000);
	hr_sink_close(s, 0);
}

#define WITH_BROKER(test) cmocka_unit_test_setup_teardown(test, start_broker, stop_broker)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_send_into_a_full_queue_fails_when_its_patience_is_over),
		WITH_BROKER(every_record_comes_once_and_positions_are_exact),
		WITH_BROKER(records_are_handed_out_in_pieces_of_any_size),
		WITH_BROKER(a_source_starts_at_the_stored_offsets),
		WITH_BROKER(a_position_outside_the_log_is_refused_with_the_exact_gap),
		WITH_BROKER(gaps_of_several_partitions_are_all_told),
		WITH_BROKER(a_tombstone_is_not_an_empty_value),
		WITH_BROKER(keys_go_where_a_jvm_producer_sends_them),
		WITH_BROKER(headers_go_with_the_record_also_when_it_is_sent_again),
		WITH_BROKER(commits_are_seen_by_the_group_and_survive_an_early_close),
		WITH_BROKER(a_commit_that_fails_is_only_counted),
		WITH_BROKER(a_broker_that_is_away_for_a_second_loses_nothing),
		WITH_BROKER(refused_batches_are_sent_again_and_arrive_once),
		WITH_BROKER(a_record_refused_for_good_is_told_by_one_flush),
		WITH_BROKER(a_sequence_that_broke_ends_the_producer),
		WITH_BROKER(a_fetch_that_is_damaged_once_is_fetched_again),
		WITH_BROKER(a_batch_that_can_not_be_unpacked_is_stepped_over_and_counted),
		WITH_BROKER(a_topic_that_may_not_be_read_ends_the_source),
		WITH_BROKER(closing_with_the_broker_gone_is_bounded),
		WITH_BROKER(opening_without_a_broker_says_what_was_tried),
		WITH_BROKER(partitions_are_counted_and_missing_topics_told),
		WITH_BROKER(a_topic_is_made_once),
		WITH_BROKER(properties_that_headrace_owns_are_refused_with_the_reason),
	};

	return cmocka_run_group_tests_name("stream/kafka", tests, NULL, NULL);
}
