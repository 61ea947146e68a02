/* bench/ingest_peer.c - the other side of bench/ingest: a Get and a Put for each event on the same RocksDB, and a librdkafka loop
 * that only counts.
 *
 * ingest_peer DIR              as ingest_ours: the last 50 events of a user (12 bytes each) under the user's id. Bloom filter,
 *                              1 GB of cache, 128 MB memtables, lz4, log on, not synced.
 * ingest_peer fill BROKERS TOPIC EVENTS   makes TOPIC with 8 partitions and produces the log of ingest_ours
 * ingest_peer consume BROKERS TOPIC EVENTS   a bare batch-consume loop: "events cpu_s wall_s"
 */
#include <librdkafka/rdkafka.h>
#include <rocksdb/c.h>

#include "bench/ingest_log.h"

enum { KEPT = 50, EVENT_BYTES = 12 };

struct side {
	const char *dir;
	rocksdb_t *db;
	rocksdb_options_t *options;
	rocksdb_readoptions_t *read;
	rocksdb_writeoptions_t *write;
	struct hr_decoder *decoder;
};

static HR_NORETURN void give_up(const char *why)
{
	(void)fprintf(stderr, "%s\n", why);
	exit(1);
}

static void open_side(struct side *s)
{
	rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
	char *why = NULL;

	s->options = rocksdb_options_create();
	rocksdb_options_set_create_if_missing(s->options, 1);
	rocksdb_options_set_compression(s->options, rocksdb_lz4_compression);
	rocksdb_options_set_write_buffer_size(s->options, (size_t)128 << 20);
	rocksdb_options_set_max_background_jobs(s->options, 2);
	rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10));
	rocksdb_block_based_options_set_block_cache(table, rocksdb_cache_create_lru((size_t)1 << 30));
	rocksdb_options_set_block_based_table_factory(s->options, table);
	rocksdb_block_based_options_destroy(table);
	s->read = rocksdb_readoptions_create();
	s->write = rocksdb_writeoptions_create();
	s->db = rocksdb_open(s->options, s->dir, &why);
	if (s->db == NULL)
		give_up(why);
}

static void close_side(struct side *s)
{
	rocksdb_close(s->db);
	rocksdb_readoptions_destroy(s->read);
	rocksdb_writeoptions_destroy(s->write);
	rocksdb_options_destroy(s->options);
}

static void take(struct side *s, const struct hr_record *r)
{
	char value[KEPT * EVENT_BYTES], *why = NULL;
	struct hr_event e;
	size_t len;

	if (hr_decode(s->decoder, r->value, r->value_len, &e) != HR_ACCEPTED)
		give_up("a record does not decode");
	const uint32_t item = (uint32_t)hr_hash(e.item, e.item_len);
	rocksdb_pinnableslice_t *old = rocksdb_get_pinned(s->db, s->read, (const char *)e.user, e.user_len, &why);
	const char *had = old == NULL ? NULL : rocksdb_pinnableslice_value(old, &len);
	size_t keep = had == NULL ? 0 : len;
	const size_t skip = keep == sizeof value ? EVENT_BYTES : 0;
	if (keep > 0)
		memcpy(value, had + skip, keep - skip);
	keep -= skip;
	memcpy(value + keep, &e.time_ms, sizeof e.time_ms);
	memcpy(value + keep + 8, &item, sizeof item);
	if (old != NULL)
		rocksdb_pinnableslice_destroy(old);
	rocksdb_put(s->db, s->write, (const char *)e.user, e.user_len, value, keep + EVENT_BYTES, &why);
	if (why != NULL)
		give_up(why);
}

/* Ten events of each user, in large batches: that is not what is measured. */
static void preload(struct side *s)
{
	enum { BATCH = 10000 };
	char user[16], value[BENCH_HAD * EVENT_BYTES] = {1}, *why = NULL;
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();

	for (uint32_t number = 0; number < BENCH_USERS; number++) {
		const int len = snprintf(user, sizeof user, "u%u", number);
		for (size_t i = 0; i < sizeof value; i += sizeof number) {
			const uint32_t bits = (uint32_t)hr_random_bits(number, i);
			memcpy(value + i, &bits, sizeof bits);
		}
		rocksdb_writebatch_put(batch, user, (size_t)len, value, sizeof value);
		if (number % BATCH != BATCH - 1)
			continue;
		rocksdb_write(s->db, s->write, batch, &why);
		if (why != NULL)
			give_up(why);
		rocksdb_writebatch_clear(batch);
	}
	rocksdb_writebatch_destroy(batch);
}

static void run(struct side *s, struct bench_log *log, bool cold, size_t count)
{
	bench_log_next(log, count);
	const double cpu = bench_seconds(CLOCK_PROCESS_CPUTIME_ID), wall = bench_seconds(CLOCK_MONOTONIC), bytes = bench_written();
	if (cold) {
		close_side(s);
		open_side(s);
	}
	for (size_t i = 0; i < log->count; i++)
		take(s, &log->record[i]);
	printf("%zu %.6f %.6f %.0f 0 0 0\n", log->count, bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu,
	       bench_seconds(CLOCK_MONOTONIC) - wall, bench_written() - bytes);
	(void)fflush(stdout);
}

/* ---- Kafka ---- */

static rd_kafka_t *client(rd_kafka_type_t type, const char *brokers)
{
	static const char *const settings[2][6] = {[RD_KAFKA_PRODUCER] = {"compression.codec", "lz4", "linger.ms", "20",
	                                                                 "queue.buffering.max.messages", "200000"},
	                                           [RD_KAFKA_CONSUMER] = {"group.id", "bench"}};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256];

	if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof why) != RD_KAFKA_CONF_OK)
		give_up(why);
	for (size_t i = 0; i < 6 && settings[type][i] != NULL; i += 2)
		if (rd_kafka_conf_set(conf, settings[type][i], settings[type][i + 1], why, sizeof why) != RD_KAFKA_CONF_OK)
			give_up(why);
	rd_kafka_t *k = rd_kafka_new(type, conf, why, sizeof why);
	if (k == NULL)
		give_up(why);
	return k;
}

static void make_topic(rd_kafka_t *k, const char *name)
{
	char why[256];
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, BENCH_PARTITIONS, 1, why, sizeof why);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(k);

	rd_kafka_CreateTopics(k, &topic, 1, NULL, queue);
	rd_kafka_event_t *answer = rd_kafka_queue_poll(queue, 30000);
	if (answer == NULL || rd_kafka_event_error(answer) != RD_KAFKA_RESP_ERR_NO_ERROR)
		give_up("the topic could not be made");
	rd_kafka_event_destroy(answer);
	rd_kafka_queue_destroy(queue);
	rd_kafka_NewTopic_destroy(topic);
}

static void fill(const char *brokers, const char *name, size_t events)
{
	rd_kafka_t *k = client(RD_KAFKA_PRODUCER, brokers);
	struct bench_log log = {0};

	make_topic(k, name);
	rd_kafka_topic_t *topic = rd_kafka_topic_new(k, name, NULL);
	bench_log_next(&log, events);
	for (size_t i = 0; i < log.count; i++) {
		const struct hr_record *r = &log.record[i];
		while (rd_kafka_produce(topic, r->partition, RD_KAFKA_MSG_F_COPY, (void *)(uintptr_t)r->value, r->value_len, r->key,
		                        r->key_len, NULL) != 0)
			(void)rd_kafka_poll(k, 100);
		(void)rd_kafka_poll(k, 0);
	}
	if (rd_kafka_flush(k, 120000) != RD_KAFKA_RESP_ERR_NO_ERROR)
		give_up("the log could not be produced");
	rd_kafka_topic_destroy(topic);
	rd_kafka_destroy(k);
	printf("%zu\n", log.count);
}

static void consume(const char *brokers, const char *name, size_t events)
{
	static rd_kafka_message_t *message[BENCH_POLL];
	rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(BENCH_PARTITIONS);
	const double cpu = bench_seconds(CLOCK_PROCESS_CPUTIME_ID), wall = bench_seconds(CLOCK_MONOTONIC);
	rd_kafka_t *k = client(RD_KAFKA_CONSUMER, brokers);
	rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(k);
	size_t seen = 0;

	for (int32_t p = 0; p < BENCH_PARTITIONS; p++)
		rd_kafka_topic_partition_list_add(all, name, p)->offset = RD_KAFKA_OFFSET_BEGINNING;
	if (rd_kafka_assign(k, all) != RD_KAFKA_RESP_ERR_NO_ERROR)
		give_up("the partitions could not be assigned");
	while (seen < events) {
		const ssize_t count = rd_kafka_consume_batch_queue(queue, 1000, message, BENCH_POLL);
		for (ssize_t i = 0; i < count; i++) {
			seen += message[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR;
			rd_kafka_message_destroy(message[i]);
		}
	}
	printf("%zu %.6f %.6f\n", seen, bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, bench_seconds(CLOCK_MONOTONIC) - wall);
	rd_kafka_topic_partition_list_destroy(all);
	rd_kafka_queue_destroy(queue);
	(void)rd_kafka_consumer_close(k);
	rd_kafka_destroy(k);
}

int main(int argc, char **argv)
{
	struct side s = {0};
	struct bench_log log = {0};
	size_t events;
	char what[8];

	if (argc == 5) {
		(strcmp(argv[1], "fill") == 0 ? fill : consume)(argv[2], argv[3], strtoul(argv[4], NULL, 10));
		return 0;
	}
	if (argc != 2) {
		(void)fprintf(stderr, "usage: ingest_peer DIR | fill|consume BROKERS TOPIC EVENTS\n");
		return 2;
	}
	s.dir = argv[1];
	s.decoder = hr_decoder_new(HR_FORMAT_PROTOBUF, NULL, 0);
	open_side(&s);
	preload(&s);
	printf("ready\n");
	(void)fflush(stdout);
	while (scanf("%7s %zu", what, &events) == 2)
		run(&s, &log, strcmp(what, "cold") == 0, events);
	close_side(&s);
	return 0;
}
