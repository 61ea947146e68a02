#include "tests/test.h"

#include <unistd.h>

#include "base/base.h"
#include "daemon/config.h"
#include "store/store.h"
#include "stream/event.h"

static const char path[] = "test_config.tmp.yaml";

static void write_file(const char *text)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

/* The message that a file of this text gives, "" when it is read. */
static const char *refused(const char *text)
{
	static struct hr_error err;
	struct hr_config c;

	write_file(text);
	hr_config_init(&c);
	err.msg[0] = '\0';
	if (!hr_config_file(&c, path, &err))
		assert_int_equal(err.code, HR_E_CONFIG);
	hr_config_fini(&c);
	return err.msg;
}

static const char *set_refused(const char *assignment)
{
	static struct hr_error err;
	struct hr_config c;

	hr_config_init(&c);
	if (hr_config_assign(&c, assignment, HR_FROM_FLAG, &err))
		err.msg[0] = '\0';
	hr_config_fini(&c);
	return err.msg;
}

static const char *check_refused(const char *assignment)
{
	static struct hr_error err;
	struct hr_config c;

	hr_config_init(&c);
	assert_true(hr_config_assign(&c, "state.dir=/x", HR_FROM_FLAG, &err));
	assert_true(hr_config_assign(&c, assignment, HR_FROM_FLAG, &err));
	if (hr_config_check(&c, &err))
		err.msg[0] = '\0';
	hr_config_fini(&c);
	return err.msg;
}

static void read_into(struct hr_config *c, const char *text)
{
	struct hr_error err;

	write_file(text);
	hr_config_init(c);
	if (!hr_config_file(c, path, &err))
		fail_msg("%s", err.msg);
}

static void a_file_sets_every_type(void **state)
{
	struct hr_config c;

	(void)state;
	read_into(&c, "kafka:\n  brokers: a:1,b:2\n  properties:\n    security.protocol: ssl\n    ssl: {ca.location: /ca}\n"
	              "events: {format: json, start: latest, accept_gap: yes, default_kind: purchase}\n"
	              "state.free_min: 1.5GiB\nbarrier:\n  interval: 500ms\nmodel:\n  width: 128\n  seed: 18446744073709551615\n"
	              "  rate: 1e-3\n  popularity_half_life: 2w\noutput: {min_shift: .25}\n");
	assert_string_equal(c.kafka_brokers, "a:1,b:2");
	assert_int_equal(c.kafka_properties.count, 2);
	assert_string_equal(c.kafka_properties.p[0], "security.protocol=ssl");
	assert_string_equal(c.kafka_properties.p[1], "ssl.ca.location=/ca");
	assert_null(c.kafka_properties.p[2]);
	assert_int_equal(c.events_format, HR_FORMAT_JSON);
	assert_int_equal(c.events_start, HR_EVENTS_LATEST);
	assert_true(c.events_accept_gap);
	assert_int_equal(c.events_default_kind, HR_KIND_PURCHASE);
	assert_int_equal(c.state_free_min, 3ull << 29);
	assert_int_equal(c.barrier_interval, 500);
	assert_int_equal(c.model_width, 128);
	assert_true(c.model_seed == UINT64_MAX);
	assert_close((double)c.model_rate, 1e-3, 1e-9, "rate", 0);
	assert_int_equal(c.model_popularity_half_life, 14 * 86400000);
	assert_close(c.output_min_shift, .25, 0, "min_shift", 0);
	hr_config_fini(&c);
}

static void properties_may_be_a_list_and_a_later_one_of_the_same_name_wins(void **state)
{
	struct hr_config c;
	struct hr_error err;

	(void)state;
	read_into(&c, "kafka:\n  properties: [\"linger.ms=5\", 'debug=a,b']\n");
	assert_true(hr_config_assign(&c, "kafka.properties.linger.ms=9=9", HR_FROM_FLAG, &err));
	assert_int_equal(c.kafka_properties.count, 2);
	assert_string_equal(c.kafka_properties.p[0], "linger.ms=9=9");
	assert_string_equal(c.kafka_properties.p[1], "debug=a,b");
	hr_config_fini(&c);
}

static void words_line_up_with_the_enums_they_stand_for(void **state)
{
	struct hr_config c;
	struct hr_error err;
	enum hr_format format;

	(void)state;
	hr_config_init(&c);
	for (unsigned k = 1; k < HR_KIND_COUNT; k++) {
		assert_true(hr_config_set(&c, "events.default_kind", hr_kind_name(k), HR_FROM_FLAG, &err));
		assert_int_equal(c.events_default_kind, k);
	}
	static const char *const levels[] = {"error", "warning", "info", "debug"};
	for (size_t i = 0; i < 4; i++) {
		assert_true(hr_config_set(&c, "log.level", levels[i], HR_FROM_FLAG, &err));
		assert_int_equal(c.log_level, i);
	}
	static const char *const formats[] = {"protobuf", "confluent", "json"};
	for (size_t i = 0; i < 3; i++) {
		assert_true(hr_config_set(&c, "events.format", formats[i], HR_FROM_FLAG, &err));
		format = (enum hr_format)c.events_format;
		assert_int_equal(format, i);
	}
	assert_int_equal(HR_LOG_ERROR, 0);
	assert_int_equal(HR_LOG_DEBUG, 3);
	assert_int_equal(HR_FORMAT_PROTOBUF, 0);
	assert_int_equal(HR_FORMAT_CONFLUENT, 1);
	assert_int_equal(HR_FORMAT_JSON, 2);
	hr_config_fini(&c);
}

static void an_unknown_key_is_refused_with_its_place_and_the_nearest_key(void **state)
{
	(void)state;
	assert_string_equal(refused("state:\n  dir: /x\ntrain:\n  evry: 3\n"),
	                    "test_config.tmp.yaml:4:9: train.evry: no such setting; did you mean train.every?");
	assert_string_equal(refused("width: 64\n"), "test_config.tmp.yaml:1:8: width: no such setting; did you mean model.width?");
	assert_string_equal(refused("zzzzzzzzzzzz: 1\n"), "test_config.tmp.yaml:1:15: zzzzzzzzzzzz: no such setting");
	assert_string_equal(refused("model: 3\n"), "test_config.tmp.yaml:1:8: model is a section; its settings stand below it");
}

static void a_value_out_of_bounds_or_of_the_wrong_type_is_refused(void **state)
{
	(void)state;
	assert_string_equal(refused("model: {width: 7}"), "test_config.tmp.yaml:1:16: model.width: 7 is outside 32..256 numbers");
	assert_string_equal(set_refused("model.width=64.5"), "--set: model.width: \"64.5\" is not a whole number");
	assert_string_equal(set_refused("model.width=-64"), "--set: model.width: -64 is outside 32..256 numbers");
	assert_string_equal(set_refused("model.width="), "--set: model.width: \"\" is not a whole number");
	assert_string_equal(set_refused("model.seed=18446744073709551616"),
	                    "--set: model.seed: 18446744073709551616 is outside 0..18446744073709551615");
	assert_string_equal(set_refused("model.dropout=0.9"), "--set: model.dropout: 0.9 is outside 0..0.8 share");
	assert_string_equal(set_refused("model.dropout=nan"), "--set: model.dropout: \"nan\" is not a number");
	assert_string_equal(set_refused("model.dropout=0x0"), "--set: model.dropout: \"0x0\" is not a number");
	assert_string_equal(set_refused("model.dropout= 0.1"), "--set: model.dropout: \" 0.1\" is not a number");
	assert_string_equal(set_refused("barrier.interval=5"),
	                    "--set: barrier.interval: \"5\" is not a duration such as 500ms, 5s, 10m, 2h or 7d");
	assert_string_equal(set_refused("barrier.interval=2h"), "--set: barrier.interval: 2h is outside 100ms..1h");
	assert_string_equal(set_refused("state.free_min=16MB"),
	                    "--set: state.free_min: \"16MB\" is not a size such as 64KiB, 16MiB or 2GiB");
	assert_string_equal(set_refused("http.enabled=1"), "--set: http.enabled: \"1\" is not true or false");
	assert_string_equal(set_refused("events.format=avro"),
	                    "--set: events.format: \"avro\" is not one of: protobuf, confluent, json");
	assert_string_equal(set_refused("events.format=proto"),
	                    "--set: events.format: \"proto\" is not one of: protobuf, confluent, json");
	assert_string_equal(set_refused("events.topic="), "--set: events.topic: a text of 0 characters is outside 1..249");
	assert_string_equal(set_refused("events.topic=a\tb"), "--set: events.topic: the text holds a control character");
	assert_string_equal(set_refused("kafka.properties=x"), "--set: kafka.properties: \"x\" is not name=value");
	assert_string_equal(set_refused("kafka.properties=a b=c"), "--set: kafka.properties: \"a b=c\" is not name=value");
	assert_string_equal(set_refused("nothing"), "--set: \"nothing\" is not key=value");
}

static void what_yaml_offers_beyond_maps_lists_and_scalars_is_refused(void **state)
{
	(void)state;
	assert_string_equal(refused("model:\n  width: 64\n  width: 32\n"), "test_config.tmp.yaml:3:3: model.width is set twice");
	assert_string_equal(refused("model:\n  width: 64\nmodel:\n  heads: 2\n"), "test_config.tmp.yaml:3:1: model is set twice");
	assert_string_equal(refused("model:\n  width: 64\nmodel.width: 32\n"),
	                    "test_config.tmp.yaml:3:1: model.width is set twice");
	assert_string_equal(refused("model: &a {width: 64}\n"),
	                    "test_config.tmp.yaml:1:8: anchors and aliases are not read here");
	assert_string_equal(refused("model: {width: *a}\n"), "test_config.tmp.yaml:1:16: anchors and aliases are not read here");
	assert_string_equal(refused("model: {width: !!str 64}\n"), "test_config.tmp.yaml:1:16: tags are not read here");
	assert_string_equal(refused("model: {width: 64}\n---\nlog: {level: info}\n"),
	                    "test_config.tmp.yaml:2:1: a second document begins");
	assert_string_equal(refused("a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}"),
	                    "test_config.tmp.yaml:1:32: nested more than 8 levels deep");
	assert_string_equal(refused("- 1\n"), "test_config.tmp.yaml:1:1: the file does not take a list");
	assert_string_equal(refused("model: {width: [64]}"), "test_config.tmp.yaml:1:16: model.width does not take a list");
	assert_string_equal(refused("kafka: {properties: [{a: b}]}"),
	                    "test_config.tmp.yaml:1:22: a map or list can not be a key or stand in a list");
	assert_string_equal(refused("? {a: b}\n: 1\n"),
	                    "test_config.tmp.yaml:1:3: a map or list can not be a key or stand in a list");
	assert_string_equal(refused("just words\n"), "test_config.tmp.yaml:1:1: the file is not a map of settings");
	assert_string_equal(refused("events: {topic: \"a\\0b\"}"),
	                    "test_config.tmp.yaml:1:17: a value is too long or holds a NUL");
	assert_non_null(strstr(refused("model: {width: 64\n"), "test_config.tmp.yaml:2:1: "));
	assert_non_null(strstr(refused("model:\n\twidth: 64\n"), "test_config.tmp.yaml:2:1: "));
	assert_non_null(strstr(refused("model: \xff\xfe\n"), "test_config.tmp.yaml: invalid"));
}

static void an_empty_file_and_empty_sections_change_nothing(void **state)
{
	(void)state;
	assert_string_equal(refused(""), "");
	assert_string_equal(refused("# nothing\n"), "");
	assert_string_equal(refused("model:\nkafka:\n  properties:\n"), "");
	assert_string_equal(refused("---\nmodel: {}\n"), "");
}

static void a_missing_file_is_named(void **state)
{
	struct hr_config c;
	struct hr_error err;

	(void)state;
	hr_config_init(&c);
	assert_false(hr_config_file(&c, "no/such/file", &err));
	assert_int_equal(err.code, HR_E_IO);
	assert_string_equal(err.msg, "could not open no/such/file: No such file or directory");
	hr_config_fini(&c);
}

static void variables_are_expanded_inside_values_only(void **state)
{
	struct hr_config c;

	(void)state;
	assert_int_equal(setenv("HR_TEST_A", "kafka1", 1), 0);
	assert_int_equal(setenv("HR_TEST_EMPTY", "", 1), 0);
	read_into(&c, "kafka:\n  brokers: ${HR_TEST_A}:9092,${HR_TEST_NONE:-b}:1\n  client_id: x${HR_TEST_EMPTY:-y}$z\n"
	              "  group_id: $${HR_TEST_A}\nevents:\n  topic: \"${HR_TEST_A}${HR_TEST_EMPTY}\"\n"
	              "items:\n  topic: ${HR_TEST_NONE:-}\n");
	assert_string_equal(c.kafka_brokers, "kafka1:9092,b:1");
	assert_string_equal(c.kafka_client_id, "xy$z");
	assert_string_equal(c.kafka_group_id, "${HR_TEST_A}");
	assert_string_equal(c.events_topic, "kafka1");
	assert_string_equal(c.items_topic, "");
	hr_config_fini(&c);
	assert_string_equal(refused("kafka: {brokers: \"${HR_TEST_NONE}\"}"),
	                    "test_config.tmp.yaml:1:18: kafka.brokers: environment variable HR_TEST_NONE is not set");
	assert_string_equal(refused("kafka: {brokers: \"${HR_TEST_EMPTY:?name the brokers}\"}"),
	                    "test_config.tmp.yaml:1:18: kafka.brokers: environment variable HR_TEST_EMPTY: name the brokers");
	assert_string_equal(refused("kafka: {brokers: \"${HR_TEST_A\"}"),
	                    "test_config.tmp.yaml:1:18: kafka.brokers: \"${HR_TEST_A\" is not ${VAR}, ${VAR:-default} or ${VAR:?message}");
	assert_string_equal(refused("kafka: {brokers: \"${HR_TEST_A-b}\"}"),
	                    "test_config.tmp.yaml:1:18: kafka.brokers: \"${HR_TEST_A-b}\" is not ${VAR}, ${VAR:-default} or ${VAR:?message}");
	assert_non_null(strstr(refused("\"${HR_TEST_A}\": 1\n"), "${HR_TEST_A}: no such setting"));
}

static void a_flag_beats_the_environment_beats_the_file(void **state)
{
	static const char *const sets[] = {"train.every=4"};
	struct hr_config c;
	struct hr_error err;

	(void)state;
	write_file("state: {dir: /x}\ntrain: {every: 2, window: 600}\nmodel.heads: 4\n");
	assert_int_equal(setenv("HEADRACE__TRAIN__EVERY", "3", 1), 0);
	assert_int_equal(setenv("HEADRACE__KAFKA__PROPERTIES__LINGER__MS", "3", 1), 0);
	assert_int_equal(setenv("headrace__events__future_limit", "1m", 1), 0);
	assert_int_equal(setenv("HEADRACE__TRAIN__WINDOW", "700", 1), 0);
	hr_config_init(&c);
	if (!hr_config_load(&c, path, sets, 1, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(c.train_every, 4);
	assert_int_equal(c.origin[HR_SETTING_train_every], HR_FROM_FLAG);
	assert_string_equal(c.where[HR_SETTING_train_every], "--set");
	assert_int_equal(c.train_window, 700);
	assert_int_equal(c.origin[HR_SETTING_train_window], HR_FROM_ENV);
	assert_string_equal(c.where[HR_SETTING_train_window], "environment HEADRACE__TRAIN__WINDOW");
	assert_int_equal(c.events_future_limit, 60000);
	assert_string_equal(c.kafka_properties.p[0], "linger.ms=3");
	assert_string_equal(c.where[HR_SETTING_model_heads], "test_config.tmp.yaml:3:14");
	assert_int_equal(c.origin[HR_SETTING_model_width], HR_FROM_DEFAULT);
	hr_config_fini(&c);
	assert_int_equal(setenv("HEADRACE__TRAIN__WINDOW", "many", 1), 0);
	hr_config_init(&c);
	assert_false(hr_config_env(&c, &err));
	assert_string_equal(err.msg, "environment HEADRACE__TRAIN__WINDOW: train.window: \"many\" is not a whole number");
	hr_config_fini(&c);
	assert_int_equal(unsetenv("HEADRACE__TRAIN__WINDOW"), 0);
	assert_int_equal(unsetenv("HEADRACE__TRAIN__EVERY"), 0);
	assert_int_equal(unsetenv("HEADRACE__KAFKA__PROPERTIES__LINGER__MS"), 0);
	assert_int_equal(unsetenv("headrace__events__future_limit"), 0);
}

static void settings_that_contradict_each_other_are_refused(void **state)
{
	struct hr_config c;
	struct hr_error err;

	(void)state;
	hr_config_init(&c);
	assert_false(hr_config_check(&c, &err));
	assert_string_equal(err.msg, "state.dir: not set; the state needs a directory");
	hr_config_fini(&c);
	assert_string_equal(check_refused("model.width=64"), "");
	assert_string_equal(check_refused("model.width=72"), "model: width 72 is not a multiple of 16");
	assert_string_equal(check_refused("model.heads=3"), "model: heads 3 do not divide width 64");
	assert_string_equal(check_refused("train.every=513"),
	                    "train.window: 512 is below train.every 513: some events would never be trained on");
	assert_string_equal(check_refused("output.users_topic=events"), "topic events is both read and written");
	assert_string_equal(check_refused("items.topic=events"), "events.topic and items.topic are both events");
	assert_string_equal(check_refused("output.users_topic=headrace-items"), "");
	assert_string_equal(check_refused("kafka.properties.group.id=x"),
	                    "kafka.properties: group.id can not be set: the group has its own setting");
	assert_string_equal(check_refused("kafka.properties.isolation.level=x"),
	                    "kafka.properties: isolation.level can not be set: aborted records are never learned");
	assert_string_equal(check_refused("kafka.properties.linger.ms=x"), "");
	assert_non_null(strstr(check_refused("http.address=0.0.0.0"), "http.address: the HTTP address 0.0.0.0 is not loopback"));
	assert_non_null(strstr(check_refused("http.address=kafka1"), "http.address: the HTTP address \"kafka1\" is neither"));
	assert_string_equal(check_refused("http.address=::1"), "");
	assert_string_equal(check_refused("events.partitions=0-"),
	                    "events.partitions: \"0-\" is not all, or numbers and ranges such as 0,4-7");
}

static void partitions_are_listed_in_order(void **state)
{
	static const char *const bad[] = {"1,1", "0,", ",0", "3-1", "a", "0-99999999999", "8", "1 ,2", "All"};
	struct hr_config c;
	struct hr_error err;
	uint32_t *list;
	size_t count;

	(void)state;
	hr_config_init(&c);
	assert_true(hr_config_partitions(&c, 3, &list, &count, &err));
	assert_int_equal(count, 3);
	assert_int_equal(list[2], 2);
	hr_free(list);
	assert_true(hr_config_set(&c, "events.partitions", "7,0,2-4", HR_FROM_FLAG, &err));
	assert_true(hr_config_partitions(&c, 8, &list, &count, &err));
	assert_int_equal(count, 5);
	assert_memory_equal(list, ((uint32_t[]){0, 2, 3, 4, 7}), 5 * sizeof *list);
	hr_free(list);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_true(hr_config_set(&c, "events.partitions", bad[i], HR_FROM_FLAG, &err));
		assert_false(hr_config_partitions(&c, 8, &list, &count, &err));
	}
	hr_config_fini(&c);
}

static char *printed(void (*print)(const struct hr_config *, FILE *), const struct hr_config *c)
{
	char *text = NULL;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);

	assert_non_null(f);
	print(c, f);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void print_plain(const struct hr_config *c, FILE *f) { hr_config_print(c, f, false); }
static void print_origin(const struct hr_config *c, FILE *f) { hr_config_print(c, f, true); }
static void print_sample(const struct hr_config *c, FILE *f)
{
	(void)c;
	hr_config_sample(f);
}

static void what_is_printed_reads_back_as_the_same(void **state)
{
	struct hr_config c, back;
	struct hr_error err;

	(void)state;
	hr_config_init(&c);
	static const char *const sets[] = {
	        "state.dir=/a b/\"c\"\\${HOME}", "model.rate=0.1",           "output.min_shift=0.123456789012345678",
	        "kafka.properties.a.b=x: #y",   "barrier.interval=1500ms", "model.seed=18446744073709551615",
	        "kafka.client_id=- no",         "state.free_min=1025B",    "train.rehearsal=0.333333343",
	};
	for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
		assert_true(hr_config_assign(&c, sets[i], HR_FROM_FLAG, &err));
	char *text = printed(print_origin, &c), *plain = printed(print_plain, &c);
	read_into(&back, text);
	char *again = printed(print_plain, &back);
	assert_string_equal(plain, again);
	assert_string_equal(back.state_dir, "/a b/\"c\"\\${HOME}");
	assert_true(back.model_rate >= c.model_rate && back.model_rate <= c.model_rate);
	assert_non_null(strstr(text, "# --set\nmodel.rate: 0.1\n"));
	free(text);
	free(plain);
	free(again);
	hr_config_fini(&c);
	hr_config_fini(&back);
}

static void secrets_are_not_printed(void **state)
{
	struct hr_config c;
	struct hr_error err;

	(void)state;
	hr_config_init(&c);
	assert_true(hr_config_assign(&c, "kafka.properties.sasl.password=hunter2", HR_FROM_FLAG, &err));
	char *text = printed(print_plain, &c);
	assert_null(strstr(text, "hunter2"));
	assert_non_null(strstr(text, "kafka.properties.sasl.password: [hidden]\n"));
	free(text);
	hr_config_fini(&c);
}

static void print_man(const struct hr_config *c, FILE *f)
{
	(void)c;
	hr_config_man(f);
}

/* A committed file that `headrace config WHAT` prints. */
static void assert_committed(const char *file, const char *what, void (*print)(const struct hr_config *, FILE *))
{
	const char *top = getenv("top_srcdir");
	char name[4096], *text = printed(print, NULL);
	const size_t bytes = strlen(text);
	char *found = calloc(1, bytes + 2);

	(void)snprintf(name, sizeof name, "%s/etc/%s", top != NULL ? top : ".", file);
	FILE *f = fopen(name, "rb");
	assert_non_null(f);
	const size_t got = fread(found, 1, bytes + 1, f);
	(void)fclose(f);
	if (got != bytes || memcmp(found, text, bytes) != 0)
		fail_msg("etc/%s differs from the table: headrace config %s > etc/%s", file, what, file);
	free(found);
	free(text);
}

static void the_committed_sample_and_manual_are_the_tables(void **state)
{
	(void)state;
	assert_committed("headrace.conf", "sample", print_sample);
	assert_committed("headrace.conf.5", "man", print_man);
}

/* Takes the comment sign off every setting of the sample: a config that says every default aloud. */
static void the_sample_reads_as_the_defaults(void **state)
{
	char *text = printed(print_sample, NULL), *from = text, *to = text;
	struct hr_config c, defaults;
	struct hr_error err;

	(void)state;
	for (; *from != '\0'; from++) {
		if (!(*from == '#' && from[1] != ' ' && from[1] != '\n'))
			*to++ = *from;
	}
	*to = '\0';
	read_into(&c, text);
	assert_true(hr_config_check(&c, &err));
	for (size_t i = 0; i < HR_SETTING_COUNT; i++)
		assert_true(i == HR_SETTING_kafka_properties || c.origin[i] == HR_FROM_FILE);
	hr_config_init(&defaults);
	assert_true(hr_config_set(&defaults, "state.dir", c.state_dir, HR_FROM_FLAG, &err));
	char *a = printed(print_plain, &c), *b = printed(print_plain, &defaults);
	assert_string_equal(a, b);
	free(a);
	free(b);
	free(text);
	hr_config_fini(&c);
	hr_config_fini(&defaults);
}

static const char *training(const struct hr_config *c)
{
	static char text[HR_SETTINGS_BYTES];

	hr_config_training(c, text, sizeof text);
	return text;
}

static void the_settings_of_a_state_are_those_of_training_and_nothing_else(void **state)
{
	static const char *const moves[] = {"model.width=32", "train.every=31", "history.length=49", "events.future_limit=1s"};
	static const char *const stays[] = {"train.workers=2", "http.port=1", "kafka.brokers=x", "state.dir=/y",
	                                    "kafka.properties.a=b", "barrier.interval=1s", "log.level=debug"};
	struct hr_config c;
	struct hr_error err;

	(void)state;
	hr_config_init(&c);
	char before[HR_SETTINGS_BYTES];
	(void)snprintf(before, sizeof before, "%s", training(&c));
	assert_non_null(strstr(before, "\nmodel.width=64\n"));
	for (size_t i = 0; i < sizeof stays / sizeof stays[0]; i++) {
		assert_true(hr_config_assign(&c, stays[i], HR_FROM_FLAG, &err));
		assert_string_equal(training(&c), before);
	}
	hr_config_fini(&c);
	for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++) {
		hr_config_init(&c);
		assert_true(hr_config_assign(&c, moves[i], HR_FROM_FLAG, &err));
		assert_string_not_equal(training(&c), before);
		hr_config_fini(&c);
	}
}

static void the_model_gets_its_settings(void **state)
{
	struct hr_model_config m;
	struct hr_config c;
	struct hr_error err;

	(void)state;
	hr_config_init(&c);
	assert_true(hr_config_assign(&c, "history.length=20", HR_FROM_FLAG, &err));
	assert_true(hr_config_assign(&c, "train.workers=0", HR_FROM_FLAG, &err));
	assert_true(hr_config_assign(&c, "recommend.repeats=on", HR_FROM_FLAG, &err));
	hr_config_model(&c, &m);
	assert_int_equal(m.window, 20);
	assert_true(m.workers >= 1);
	assert_true(m.repeats);
	assert_close(m.popularity_half_life_days, 7, 0, "half-life", 0);
	hr_config_fini(&c);
}

static void the_defaults_are_the_recipe(void **state)
{
	const struct hr_model_config recipe = hr_model_defaults();
	struct hr_model_config ours;
	struct hr_config c;

	(void)state;
	hr_config_init(&c);
	hr_config_model(&c, &ours);
#define SAME(field) assert_close((double)ours.field, (double)recipe.field, 0, #field, 0)
	SAME(width);
	SAME(heads);
	SAME(blocks);
	SAME(window);
	SAME(time_gaps);
	SAME(dropout);
	SAME(next_item);
	SAME(before_after);
	SAME(views);
	SAME(masked_item);
	SAME(triplet);
	SAME(negatives);
	SAME(full_softmax_below);
	SAME(view_histories);
	SAME(informed_views);
	SAME(same_target);
	SAME(temperature);
	SAME(triplet_margin);
	SAME(rate);
	SAME(item_rate);
	SAME(weight_decay);
	SAME(clip);
	SAME(slow_share);
	SAME(mix_rate);
	SAME(slow_every);
	SAME(rules_kept);
	SAME(popularity_half_life_days);
	SAME(evaluate_share);
	SAME(evaluate_window);
	SAME(repeats);
	SAME(seed);
	SAME(workers);
#undef SAME
	hr_config_fini(&c);
}

/* A value at the end of its bounds here is accepted there too. */
static void the_models_own_check_accepts_every_bound(void **state)
{
	static const char *const ends[] = {
	        "model.width=32",          "model.width=256",         "model.heads=1",        "model.heads=16",
	        "model.blocks=8",          "model.dropout=0.8",       "model.next_item=100",  "model.before_after=100",
	        "model.views=100",         "model.masked_item=100",   "model.triplet=100",    "model.negatives=1",
	        "model.negatives=65536",   "model.full_softmax_below=1000000", "model.view_histories=4096",
	        "model.temperature=0.01",  "model.temperature=10",    "model.triplet_margin=2", "model.rate=1",
	        "model.item_rate=10",      "model.weight_decay=1",    "model.clip=1000",      "model.slow_share=0",
	        "model.slow_every=1000000", "model.rules_kept=4096",  "model.rules_kept=1",   "model.popularity_half_life=2m",
	        "model.popularity_half_life=36500d", "evaluate.share=1", "evaluate.window=10000000", "history.length=200",
	        "history.length=2",        "train.workers=256",       "train.workers=0",
	};

	(void)state;
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		assert_string_equal(check_refused(ends[i]), "");
}

static void a_full_disk_is_refused_also_before_the_directory_is_there(void **state)
{
	struct hr_config c;
	struct hr_error err;

	(void)state;
	hr_config_init(&c);
	assert_true(hr_config_assign(&c, "state.dir=./no/such/place", HR_FROM_FLAG, &err));
	assert_true(hr_config_assign(&c, "state.free_min=0", HR_FROM_FLAG, &err));
	assert_true(hr_config_disk(&c, &err));
	assert_true(hr_config_assign(&c, "state.free_min=1024TiB", HR_FROM_FLAG, &err));
	assert_false(hr_config_disk(&c, &err));
	assert_int_equal(err.code, HR_E_IO);
	assert_non_null(strstr(err.msg, "MiB free at ./no/such/place, state.free_min is 1073741824 MiB"));
	hr_config_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_file_sets_every_type),
	        cmocka_unit_test(properties_may_be_a_list_and_a_later_one_of_the_same_name_wins),
	        cmocka_unit_test(words_line_up_with_the_enums_they_stand_for),
	        cmocka_unit_test(an_unknown_key_is_refused_with_its_place_and_the_nearest_key),
	        cmocka_unit_test(a_value_out_of_bounds_or_of_the_wrong_type_is_refused),
	        cmocka_unit_test(what_yaml_offers_beyond_maps_lists_and_scalars_is_refused),
	        cmocka_unit_test(an_empty_file_and_empty_sections_change_nothing),
	        cmocka_unit_test(a_missing_file_is_named),
	        cmocka_unit_test(variables_are_expanded_inside_values_only),
	        cmocka_unit_test(a_flag_beats_the_environment_beats_the_file),
	        cmocka_unit_test(settings_that_contradict_each_other_are_refused),
	        cmocka_unit_test(partitions_are_listed_in_order),
	        cmocka_unit_test(what_is_printed_reads_back_as_the_same),
	        cmocka_unit_test(secrets_are_not_printed),
	        cmocka_unit_test(the_committed_sample_and_manual_are_the_tables),
	        cmocka_unit_test(the_sample_reads_as_the_defaults),
	        cmocka_unit_test(the_settings_of_a_state_are_those_of_training_and_nothing_else),
	        cmocka_unit_test(the_model_gets_its_settings),
	        cmocka_unit_test(the_defaults_are_the_recipe),
	        cmocka_unit_test(the_models_own_check_accepts_every_bound),
	        cmocka_unit_test(a_full_disk_is_refused_also_before_the_directory_is_there),
	};
	const int failed = cmocka_run_group_tests_name("config", tests, NULL, NULL);

	(void)unlink(path);
	return failed;
}
