/* headrace produce and simulate, against the embedded broker. */
#include "tests/test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "daemon/tool.h"
#include "proto/proto.h"
#include "stream/stream.h"

static struct hr_broker *broker;
static struct hr_error err;

static int start_broker(void **state)
{
	(void)state;
	return !hr_broker_start(&broker, &err) || !hr_broker_create_topic(broker, "events", 2, &err) ||
	       !hr_broker_create_topic(broker, "items", 1, &err);
}

static int stop_broker(void **state)
{
	(void)state;
	hr_broker_stop(broker);
	return 0;
}

typedef void each_fn(const struct hr_record *record, void *ctx);

/* Hands over every record of a topic; gives up when none comes for five seconds. */
static void read_topic(const char *topic, size_t partitions, size_t wanted, each_fn *each, void *ctx)
{
	const struct hr_kafka_config config = {
	        .brokers = hr_broker_bootstrap(broker), .client_id = "test", .group_id = "test"};
	const struct hr_position positions[] = {{0, HR_START_EARLIEST}, {1, HR_START_EARLIEST}};
	struct hr_record records[64];
	struct hr_source *s;
	size_t got = 0, count = 1;

	assert_true(hr_source_open_kafka(&config, topic, positions, partitions, false, &s, &err));
	for (int idle = 0; got < wanted && idle < 10; idle = count == 0 ? idle + 1 : 0) {
		assert_true(hr_source_poll(s, records, 64, 500, &count, &err));
		for (size_t i = 0; i < count; i++)
			each(&records[i], ctx);
		got += count;
	}
	hr_source_close(s);
	assert_int_equal(got, wanted);
}

static int run(int (*command)(int, char **), ...)
{
	char *argv[24] = {"x", "--brokers", (char *)(uintptr_t)hr_broker_bootstrap(broker)};
	int argc = 3;
	va_list ap;

	va_start(ap, command);
	for (char *arg; (arg = va_arg(ap, char *)) != NULL;)
		argv[argc++] = arg;
	va_end(ap);
	return command(argc, argv);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

struct told {
	char text[4096];
	size_t len;
	int64_t oldest_ms;
};

static void tell(const struct hr_record *record, void *ctx)
{
	struct told *t = ctx;
	struct hr_decoder *d = hr_decoder_new(HR_FORMAT_PROTOBUF, NULL, 0);
	struct hr_event e;

	assert_int_equal(hr_decode(d, record->value, record->value_len, &e), HR_ACCEPTED);
	assert_int_equal(record->key_len, e.user_len);
	assert_memory_equal(record->key, e.user, e.user_len);
	t->len += (size_t)snprintf(t->text + t->len, sizeof t->text - t->len, "%.*s>%.*s@%lld%s ", (int)e.user_len,
	                           (const char *)e.user, (int)e.item_len, (const char *)e.item, (long long)e.time_ms,
	                           hr_kind_name(e.kind));
	if (t->oldest_ms == 0 || record->timestamp_ms < t->oldest_ms)
		t->oldest_ms = record->timestamp_ms;
	hr_decoder_free(d);
}

static void a_file_becomes_records_keyed_by_user(void **state)
{
	struct told t = {0};
	const int64_t before = hr_wall_ms();

	(void)state;
	write_file("feed.tmp.tsv", "1700000000\tu1\ti1\tbuy\n1700000001\tu1\ti2\tview\n");
	assert_int_equal(run(hr_cmd_produce, "feed.tmp.tsv", "--columns", "time,user,item,kind", NULL), HR_EXIT_OK);
	read_topic("events", 2, 2, tell, &t);
	assert_string_equal(t.text, "u1>i1@1700000000000purchase u1>i2@1700000001000view ");
	assert_true(t.oldest_ms >= before - 1000); /* Kafka keeps records by this, so it is now and not 2023 */
	(void)unlink("feed.tmp.tsv");
}

static void bad_lines_are_left_out_and_make_the_exit_code_1(void **state)
{
	struct told t = {0};

	(void)state;
	write_file("feed.tmp.csv", "u1,i1\n,i2\nu1,i3\n");
	assert_int_equal(run(hr_cmd_produce, "feed.tmp.csv", "--columns", "user,item", "--time-start", "1700000000",
	                     "--time-step", "10", "--kind", "like", NULL),
	                 HR_EXIT_FAILED);
	assert_int_equal(run(hr_cmd_produce, "feed.tmp.csv", "--columns", "user,item", "--skip-bad", "--limit", "1", NULL),
	                 HR_EXIT_OK);
	read_topic("events", 2, 3, tell, &t);
	assert_string_equal(t.text,
	                    "u1>i1@1700000000000like u1>i3@1700000000020like u1>i1@1577836800000view ");
	(void)unlink("feed.tmp.csv");
}

static void mistakes_end_before_a_broker_is_asked(void **state)
{
	(void)state;
	write_file("feed.tmp.csv", "u,i\n");
	assert_int_equal(run(hr_cmd_produce, NULL), HR_EXIT_USAGE);
	assert_int_equal(run(hr_cmd_produce, "a", "b", NULL), HR_EXIT_USAGE);
	assert_int_equal(run(hr_cmd_produce, "feed.tmp.csv", "--kind", "look", NULL), HR_EXIT_USAGE);
	assert_int_equal(run(hr_cmd_produce, "feed.tmp.csv", "--time-start", "soon", NULL), HR_EXIT_USAGE);
	assert_int_equal(run(hr_cmd_produce, "feed.tmp.csv", NULL), HR_EXIT_CONFIG);
	assert_int_equal(run(hr_cmd_produce, "no/such.csv", "--columns", "user,item", NULL), HR_EXIT_IO);
	assert_int_equal(run(hr_cmd_simulate, "--start", "soon", NULL), HR_EXIT_USAGE);
	assert_int_equal(run(hr_cmd_simulate, "word", NULL), HR_EXIT_USAGE);
	assert_int_equal(run(hr_cmd_simulate, "--output", "feed.tmp.out", NULL), HR_EXIT_USAGE);
	assert_int_equal(run(hr_cmd_simulate, "--output", "no/such/file", "--events", "1", NULL), HR_EXIT_IO);
	(void)unlink("feed.tmp.csv");
}

struct shop {
	bool announced[200];
	size_t items, events;
};

static size_t number_of(const uint8_t *id, size_t len)
{
	size_t n = 0;

	for (size_t i = 1; i < len; i++)
		n = n * 10 + (size_t)(id[i] - '0');
	return n;
}

static void take_item(const struct hr_record *record, void *ctx)
{
	struct shop *shop = ctx;
	Headrace__V1__Item *item = headrace__v1__item__unpack(NULL, record->value_len, record->value);

	assert_non_null(item);
	assert_int_equal(item->id.len, record->key_len);
	assert_memory_equal(item->id.data, record->key, record->key_len);
	assert_true(strchr(item->title, ',') != NULL);
	assert_int_equal(item->n_category, 1);
	const size_t number = number_of(record->key, record->key_len);
	assert_true(number < 200 && !shop->announced[number]);
	shop->announced[number] = true;
	headrace__v1__item__free_unpacked(item, NULL);
}

static void take_event(const struct hr_record *record, void *ctx)
{
	struct shop *shop = ctx;
	struct hr_decoder *d = hr_decoder_new(HR_FORMAT_PROTOBUF, NULL, 0);
	struct hr_event e;

	assert_int_equal(hr_decode(d, record->value, record->value_len, &e), HR_ACCEPTED);
	assert_true(shop->announced[number_of(e.item, e.item_len)]);
	assert_true(e.id_len > 0 && e.session_len > 0);
	shop->events++;
	hr_decoder_free(d);
}

static void every_item_of_the_simulated_shop_is_announced(void **state)
{
	struct shop shop = {0};

	(void)state;
	assert_int_equal(run(hr_cmd_simulate, "--events", "2000", "--users", "100", "--items", "200", NULL), HR_EXIT_OK);
	read_topic("items", 1, 200, take_item, &shop);
	read_topic("events", 2, 2000, take_event, &shop);
	assert_int_equal(shop.events, 2000);
}

/* What simulate writes to a file, produce reads: the same events as simulate sends. */
static void a_simulated_file_can_be_produced(void **state)
{
	static const char *const names[] = {"feed.tmp.tsv", "feed.tmp.jsonl"};
	struct told t[2] = {0};

	(void)state;
	for (int i = 0; i < 2; i++) {
		char *name = (char *)(uintptr_t)names[i];
		assert_int_equal(run(hr_cmd_simulate, "--events", "50", "--users", "1", "--output", name, NULL), HR_EXIT_OK);
		if (i == 0)
			assert_int_equal(run(hr_cmd_produce, name, "--columns", "time user item kind session id", NULL), HR_EXIT_OK);
		else
			assert_int_equal(run(hr_cmd_produce, name, "--topic", "items", NULL), HR_EXIT_OK);
		(void)unlink(name);
	}
	read_topic("events", 2, 50, tell, &t[0]);
	read_topic("items", 1, 50, tell, &t[1]);
	assert_string_equal(t[0].text, t[1].text);
	assert_int_equal(strncmp(t[0].text, "u000000>i", 9), 0);
}

static void a_rate_is_held(void **state)
{
	const int64_t start = hr_mono_us();

	(void)state;
	assert_int_equal(run(hr_cmd_simulate, "--events", "101", "--rate", "500", "--items-topic", "", NULL), HR_EXIT_OK);
	assert_true(hr_mono_us() - start >= 195000);
}

/* In a process of its own: the command goes on trying for half a minute. */
static void a_broker_that_does_not_answer_is_told_of_soon(void **state)
{
	char *argv[] = {"x", "--brokers", "127.0.0.1:1", "--columns", "user,item", "--time-start", "1700000000", "feed.tmp.csv", NULL};
	char line[256];
	int ends[2];

	(void)state;
	write_file("feed.tmp.csv", "u,i\n");
	assert_int_equal(pipe(ends), 0);
	const int64_t start = hr_mono_us();
	const pid_t child = fork();
	if (child == 0) {
		(void)dup2(ends[1], STDERR_FILENO);
		_exit(hr_cmd_produce(8, argv));
	}
	(void)close(ends[1]);
	FILE *told = fdopen(ends[0], "r");
	assert_non_null(told);
	assert_non_null(fgets(line, sizeof line, told));
	assert_true(hr_mono_us() - start < 20000000);
	(void)kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_non_null(strstr(line, "no broker answers at 127.0.0.1:1 yet, trying"));
	(void)fclose(told);
	(void)unlink("feed.tmp.csv");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(a_file_becomes_records_keyed_by_user, start_broker, stop_broker),
	        cmocka_unit_test_setup_teardown(bad_lines_are_left_out_and_make_the_exit_code_1, start_broker, stop_broker),
	        cmocka_unit_test_setup_teardown(mistakes_end_before_a_broker_is_asked, start_broker, stop_broker),
	        cmocka_unit_test(a_broker_that_does_not_answer_is_told_of_soon),
	        cmocka_unit_test_setup_teardown(every_item_of_the_simulated_shop_is_announced, start_broker, stop_broker),
	        cmocka_unit_test_setup_teardown(a_simulated_file_can_be_produced, start_broker, stop_broker),
	        cmocka_unit_test_setup_teardown(a_rate_is_held, start_broker, stop_broker),
	};

	return cmocka_run_group_tests_name("feed", tests, NULL, NULL);
}
