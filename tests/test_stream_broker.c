/* What only a real broker can show: codecs, transactions, deleted and damaged records, topic settings. Skipped without
 * HR_TEST_BROKERS. */
#include "tests/test.h"

#include <librdkafka/rdkafka.h>
#include <unistd.h>

#include "base/base.h"
#include "stream/sink.h"
#include "stream/source.h"

static struct hr_kafka_config config;
static struct hr_error err;
static char topic[64]; /* a new one for each test */

#define ASSERT_OK(call) \
	do { \
		if (!(call)) \
			fail_msg("%s", err.msg); \
	} while (0)

static int name_topic(void **state)
{
	static int serial;

	(void)state;
	config = (struct hr_kafka_config){.brokers = getenv("HR_TEST_BROKERS"), .client_id = "test", .group_id = topic};
	(void)snprintf(topic, sizeof topic, "test-stream-%d-%lld-%d", (int)getpid(), (long long)hr_wall_ms(), serial++);
	return 0;
}

static void create_topic(uint32_t partitions) { ASSERT_OK(hr_topic_create(&config, topic, partitions, false, 20000, &err)); }

/* A client of the library alone, for what headrace never does itself. */
static rd_kafka_t *open_raw(rd_kafka_type_t type, const char *const *properties)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256];

	assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", config.brokers, why, sizeof why), RD_KAFKA_CONF_OK);
	assert_int_equal(rd_kafka_conf_set(conf, "log_level", "3", why, sizeof why), RD_KAFKA_CONF_OK);
	for (; *properties != NULL; properties += 2)
		assert_int_equal(rd_kafka_conf_set(conf, properties[0], properties[1], why, sizeof why), RD_KAFKA_CONF_OK);
	rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
	assert_non_null(rk);
	return rk;
}

static void produce(const char *const *properties, int from, int to, size_t value_len)
{
	static char value[4096];
	struct hr_kafka_config c = config;
	struct hr_sink *s;
	char key[16];

	assert_in_range(value_len, 0, sizeof value);
	c.properties = properties;
	ASSERT_OK(hr_sink_open(&c, &s, &err));
	for (int i = from; i < to; i++) {
		const size_t n = (size_t)snprintf(key, sizeof key, "%d", i);
		ASSERT_OK(hr_sink_send(s, topic, key, n, value, value_len, -1, NULL, 0, &err));
	}
	ASSERT_OK(hr_sink_flush(s, 30000, &err));
	assert_int_equal(hr_sink_delivered(s), to - from);
	hr_sink_close(s, 1000);
}

static struct hr_source *open_at(const struct hr_kafka_config *c, const struct hr_position *positions, size_t count)
{
	struct hr_source *s = NULL;

	ASSERT_OK(hr_source_open_kafka(c, topic, positions, count, false, &s, &err));
	return s;
}

struct tally {
	int64_t next[8];
	int records, failed;
};

/* Reads until every partition's lag is 0. */
static void read_to_end(struct hr_source *s, size_t partitions, struct tally *t)
{
	const int64_t give_up = hr_mono_us() + 60000000;
	struct hr_record records[512];
	size_t n;

	for (bool at_end = false; !at_end;) {
		ASSERT_OK(hr_source_poll(s, records, 512, 200, &n, &err));
		for (size_t i = 0; i < n; i++) {
			int64_t *next = &t->next[records[i].partition];

			assert_true(records[i].offset >= *next);
			*next = records[i].offset + 1;
			t->records++;
			t->failed += records[i].failed;
		}
		at_end = true;
		for (size_t p = 0; p < partitions; p++)
			at_end = at_end && hr_source_lag(s, (int32_t)p, t->next[p]) == 0;
		assert_true(hr_mono_us() < give_up);
	}
}

static void every_codec_is_read_to_its_last_record(void **state)
{
	static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd"};
	const struct hr_position all[] = {{0, HR_START_EARLIEST}, {1, HR_START_EARLIEST}, {2, HR_START_EARLIEST}};
	struct tally t = {0};
	char property[64];

	(void)state;
	create_topic(3);
	for (int i = 0; i < 5; i++) {
		const char *const properties[] = {property, NULL};

		(void)snprintf(property, sizeof property, "compression.type=%s", codecs[i]);
		produce(properties, i * 20000, (i + 1) * 20000, 94);
	}
	struct hr_source *s = open_at(&config, all, 3);
	read_to_end(s, 3, &t);
	assert_int_equal(t.records, 100000);
	assert_int_equal(t.failed, 0);
	assert_int_equal(t.next[0] + t.next[1] + t.next[2], 100000);
	hr_source_close(s);
}

static void send_transaction(rd_kafka_t *rk, int count, bool commit)
{
	assert_null(rd_kafka_begin_transaction(rk));
	for (int i = 0; i < count; i++)
		assert_int_equal(rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_VALUE("v", 1),
		                                   RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END), 0);
	assert_int_equal(rd_kafka_flush(rk, 20000), 0);
	assert_null(commit ? rd_kafka_commit_transaction(rk, 20000) : rd_kafka_abort_transaction(rk, 20000));
}

static void aborted_records_are_never_seen_and_do_not_count_as_lag(void **state)
{
	const char *const properties[] = {"transactional.id", topic, NULL};
	const struct hr_position start = {0, HR_START_EARLIEST};
	struct tally t = {0};

	(void)state;
	create_topic(1);
	rd_kafka_t *rk = open_raw(RD_KAFKA_PRODUCER, properties);
	assert_null(rd_kafka_init_transactions(rk, 30000));
	send_transaction(rk, 10, true);
	send_transaction(rk, 20, false);
	send_transaction(rk, 10, true);
	send_transaction(rk, 5, false);
	struct hr_source *s = open_at(&config, &start, 1);
	read_to_end(s, 1, &t);
	assert_int_equal(t.records, 20);
	assert_int_equal(hr_source_end(s, 0), 49);         /* 45 records and the ends of four transactions */
	assert_int_equal(hr_source_lag(s, 0, t.next[0] - 2), 9); /* of an older position: what lies behind it */
	send_transaction(rk, 3, true);
	for (int tries = 0; t.records < 23 && tries < 10; tries++)
		read_to_end(s, 1, &t);
	assert_int_equal(t.records, 23);
	rd_kafka_destroy(rk);
	hr_source_close(s);
}

static void delete_before(int64_t offset)
{
	const char *const none[] = {NULL};
	rd_kafka_t *rk = open_raw(RD_KAFKA_PRODUCER, none);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(list, topic, 0)->offset = offset;
	rd_kafka_DeleteRecords_t *request = rd_kafka_DeleteRecords_new(list);
	rd_kafka_DeleteRecords(rk, &request, 1, NULL, queue);
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 20000);
	assert_non_null(event);
	assert_int_equal(rd_kafka_event_error(event), 0);
	rd_kafka_event_destroy(event);
	rd_kafka_DeleteRecords_destroy(request);
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_queue_destroy(queue);
	rd_kafka_destroy(rk);
}

static void deleted_records_are_a_gap_with_their_count(void **state)
{
	const struct hr_position stored = {0, 100};
	struct hr_source *s;
	struct tally t = {0};

	(void)state;
	create_topic(1);
	produce(NULL, 0, 2000, 10);
	delete_before(1304);
	assert_false(hr_source_open_kafka(&config, topic, &stored, 1, false, &s, &err));
	assert_int_equal(err.code, HR_E_CONFIG);
	assert_non_null(strstr(err.msg, "partition 0: 1,204 records gone: stored offset 100, log starts at 1304"));
	ASSERT_OK(hr_source_open_kafka(&config, topic, &stored, 1, true, &s, &err));
	read_to_end(s, 1, &t);
	assert_int_equal(t.records, 696);
	hr_source_close(s);
}

static void records_deleted_under_a_source_end_it(void **state)
{
	const char *const properties[] = {"queued.max.messages.kbytes=64", "fetch.message.max.bytes=20000", NULL};
	struct hr_kafka_config c = config;
	const struct hr_position start = {0, 0};
	struct hr_record r;
	size_t n;
	bool ok = true;

	(void)state;
	create_topic(1);
	for (int i = 0; i < 40; i++)
		produce(NULL, 0, 50, 400); /* small batches: the source can not have read them all */
	c.properties = properties;
	struct hr_source *s = open_at(&c, &start, 1);
	ASSERT_OK(hr_source_poll(s, &r, 1, 5000, &n, &err));
	delete_before(2000);
	for (int tries = 0; ok && tries < 4000; tries++)
		ok = hr_source_poll(s, &r, 1, 100, &n, &err);
	assert_false(ok);
	assert_int_equal(err.code, HR_E_BROKER);
	assert_non_null(strstr(err.msg, "partition 0"));
	hr_source_close(s);
}

static void a_batch_that_can_not_be_unpacked_costs_its_own_records_only(void **state)
{
	const char *const zstd[] = {"compression.type=zstd", "linger.ms=1000", NULL};
	const char *const small[] = {"receive.message.max.bytes=100512", "fetch.max.bytes=100000", "message.max.bytes=100000", NULL};
	struct hr_kafka_config c = config;
	const struct hr_position start = {0, HR_START_EARLIEST};
	struct tally t = {0};

	(void)state;
	create_topic(1);
	produce(NULL, 0, 10, 10);
	produce(zstd, 0, 3000, 300); /* 900 kB of zeros */
	produce(NULL, 0, 10, 10);
	c.properties = small;
	struct hr_source *s = open_at(&c, &start, 1);
	read_to_end(s, 1, &t);
	assert_int_equal(t.records, 3020);
	assert_int_equal(t.failed, 3000);
	hr_source_close(s);
}

/* Flips one bit of the topic's log, in the middle, under the broker: it does not look. */
static void damage_log(void)
{
	const char *folder = getenv("HEADRACE_KAFKA_DIR"); /* as tests/kafka/broker has it */
	char path[512];

	(void)snprintf(path, sizeof path, "%s/data/%s-0/00000000000000000000.log", folder, topic);
	FILE *f = fopen(path, "r+b");
	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	const long middle = ftell(f) / 2;
	assert_int_equal(fseek(f, middle, SEEK_SET), 0);
	const int byte = fgetc(f);
	assert_int_equal(fseek(f, middle, SEEK_SET), 0);
	assert_int_not_equal(fputc(byte ^ 0x10, f), EOF);
	assert_int_equal(fclose(f), 0);
}

static void a_flipped_bit_in_the_log_costs_its_own_batch_only(void **state)
{
	const struct hr_position start = {0, HR_START_EARLIEST};
	struct tally t = {0};

	(void)state;
	create_topic(1);
	for (int batch = 0; batch < 5; batch++)
		produce(NULL, 0, 20, 100);
	damage_log();
	struct hr_source *s = open_at(&config, &start, 1);
	read_to_end(s, 1, &t);
	assert_int_equal(t.records, 100);
	assert_int_equal(t.failed, 20);
	assert_int_equal(t.next[0], 100);
	hr_source_close(s);
}

static void assert_topic_setting(const char *name, const char *want)
{
	const char *const none[] = {NULL};
	rd_kafka_t *rk = open_raw(RD_KAFKA_PRODUCER, none);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
	size_t count;
	bool found = false;

	rd_kafka_DescribeConfigs(rk, &resource, 1, NULL, queue);
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 20000);
	assert_non_null(event);
	const rd_kafka_ConfigResource_t **answer =
		rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &count);
	assert_int_equal(count, 1);
	const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(answer[0], &count);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) != 0)
			continue;
		assert_string_equal(rd_kafka_ConfigEntry_value(entries[i]), want);
		found = true;
	}
	assert_true(found);
	rd_kafka_event_destroy(event);
	rd_kafka_ConfigResource_destroy(resource);
	rd_kafka_queue_destroy(queue);
	rd_kafka_destroy(rk);
}

static void a_topic_is_made_once_with_its_partitions_and_policy(void **state)
{
	uint32_t count = 0;

	(void)state;
	ASSERT_OK(hr_topic_create(&config, topic, 3, true, 20000, &err));
	ASSERT_OK(hr_topic_create(&config, topic, 5, false, 20000, &err));
	ASSERT_OK(hr_kafka_partitions(&config, topic, 5000, &count, &err));
	assert_int_equal(count, 3);
	assert_topic_setting("cleanup.policy", "compact");
}

static void asking_for_a_topic_does_not_make_it(void **state)
{
	uint32_t count;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_false(hr_kafka_partitions(&config, topic, 5000, &count, &err));
		assert_int_equal(err.code, HR_E_BROKER);
		assert_non_null(strstr(err.msg, "does not exist"));
	}
}

#define WITH_TOPIC(test) cmocka_unit_test_setup(test, name_topic)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TOPIC(every_codec_is_read_to_its_last_record),
		WITH_TOPIC(aborted_records_are_never_seen_and_do_not_count_as_lag),
		WITH_TOPIC(deleted_records_are_a_gap_with_their_count),
		WITH_TOPIC(records_deleted_under_a_source_end_it),
		WITH_TOPIC(a_batch_that_can_not_be_unpacked_costs_its_own_records_only),
		WITH_TOPIC(a_topic_is_made_once_with_its_partitions_and_policy),
		WITH_TOPIC(asking_for_a_topic_does_not_make_it),
		WITH_TOPIC(a_flipped_bit_in_the_log_costs_its_own_batch_only), /* last: it needs the broker's files, too */
	};
	const size_t count = sizeof tests / sizeof *tests - (getenv("HEADRACE_KAFKA_DIR") == NULL);

	if (getenv("HR_TEST_BROKERS") == NULL) {
		(void)printf("1..0 # SKIP HR_TEST_BROKERS names no broker\n");
		return 0;
	}
	return _cmocka_run_group_tests("stream/broker", tests, count, NULL, NULL);
}
