/* The server on the real model: what it says is what the model says, also while that goes on learning. */
#include "tests/test_model.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "serve/serve.h"
#include "tests/serve_client.h"

enum { ITEMS = 40, EVENTS = 6, LIMIT = 5 };
#define NOW_MS (10 * DAY_MS)

/* One world: item "7" is row 7, every user has the same history, the newest snapshot under a lock. */
static struct {
	struct hr_trainer *trainer;
	struct hr_batch walks;
	struct hr_server *server;
	pthread_mutex_t lock;
	struct hr_snapshot *newest;
	_Atomic bool done;
} world;

static struct hr_snapshot *pin(void *ctx)
{
	(void)ctx;
	pthread_mutex_lock(&world.lock);
	struct hr_snapshot *s = world.newest;
	hr_snapshot_ref(s);
	pthread_mutex_unlock(&world.lock);
	return s;
}

static void publish(void)
{
	struct hr_snapshot *s = hr_trainer_snapshot(world.trainer);

	s->barrier = s->steps;
	s->watermark_ms = NOW_MS;
	pthread_mutex_lock(&world.lock);
	struct hr_snapshot *old = world.newest;
	world.newest = s;
	pthread_mutex_unlock(&world.lock);
	hr_snapshot_unref(old);
}

static struct hr_counters *counters(void *ctx)
{
	(void)ctx;
	return hr_trainer_counters(world.trainer);
}

static bool user(void *ctx, const void *id, size_t len, struct hr_user_view *ret_user)
{
	(void)ctx;
	(void)id;
	(void)len;
	ret_user->len = EVENTS;
	ret_user->events = EVENTS;
	for (size_t i = 0; i < EVENTS; i++) {
		ret_user->item[i] = (uint32_t)(3 + 7 * i) % ITEMS;
		ret_user->time_ms[i] = NOW_MS - (int64_t)(EVENTS - i) * 3600000;
		ret_user->kind[i] = HR_KIND_CLICK;
	}
	return true;
}

static uint32_t item_row(void *ctx, const void *id, size_t len)
{
	char text[8] = "";

	(void)ctx;
	memcpy(text, id, len < sizeof text ? len : 0);
	const unsigned long row = strtoul(text, NULL, 10);
	return row < ITEMS ? (uint32_t)row : HR_NONE;
}

static bool item(void *ctx, uint32_t row, struct hr_item_view *ret_item)
{
	(void)ctx;
	*ret_item = (struct hr_item_view){.events = 1, .admitted = true};
	ret_item->id_len = (size_t)snprintf((char *)ret_item->id, sizeof ret_item->id, "%u", row);
	return true;
}

static int64_t now_ms(void *ctx)
{
	(void)ctx;
	return NOW_MS;
}

static const char *lineage(void *ctx)
{
	(void)ctx;
	return "real";
}

/* Every walk once through the counters, then one step on all of them. */
static void learn(uint64_t round)
{
	struct hr_batch *b = &world.walks;

	for (size_t s = 0; s < b->sequences; s++) {
		const uint32_t first = b->start[s], last = b->start[s + 1] - 1;
		const struct hr_observation e = {.ordinal = round * b->sequences + s, .item = b->target[last], .kind = HR_KIND_CLICK,
		                                 .time_ms = NOW_MS, .history_len = last + 1 - first,
		                                 .history_item = b->item + first, .history_time_ms = b->time_ms + first,
		                                 .history_kind = b->kind + first};
		hr_trainer_observe(world.trainer, &e, 1);
	}
	HR_ASSERT(step(world.trainer, b).trained); /* not always on the test's thread */
}

static int start(void **state)
{
	const struct hr_model_config c = small_config();
	const struct hr_server_config config = {.address = "127.0.0.1", .threads = 2, .limit_max = ITEMS};
	const struct hr_backend backend = {.pin = pin, .counters = counters, .user = user, .item_row = item_row, .item = item,
	                                   .now_ms = now_ms, .lineage = lineage};
	uint32_t walk[EVENTS];
	struct hr_error err;

	(void)state;
	memset(&world, 0, sizeof world);
	pthread_mutex_init(&world.lock, NULL);
	world.trainer = new_trainer(&c);
	add_items(world.trainer, ITEMS);
	hr_trainer_retire(world.trainer, 11);
	for (uint32_t n = 0; n < 20; n++) {
		for (uint32_t i = 0; i < EVENTS; i++)
			walk[i] = (n * 5 + i * 7) % ITEMS;
		add_history(&world.walks, walk, EVENTS - 1, 1);
	}
	for (uint64_t round = 0; round < 20; round++)
		learn(round);
	publish();
	if (!hr_server_start(&config, &backend, &world.server, &err))
		fail_msg("%s", err.msg);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	hr_server_stop(world.server);
	assert_int_equal(world.newest->references, 1);
	hr_snapshot_unref(world.newest);
	hr_batch_fini(&world.walks);
	hr_trainer_free(world.trainer);
	pthread_mutex_destroy(&world.lock);
	return 0;
}

static struct answer get(const char *path) { return ask_port(hr_server_port(world.server), "GET", path, NULL); }

static uint32_t row_of(const json_t *list, size_t index)
{
	return (uint32_t)strtoul(json_string_value(json_object_get(json_array_get(list, index), "id")), NULL, 10);
}

static double number_of(const json_t *list, size_t index, const char *key)
{
	return json_number_value(json_object_get(json_array_get(list, index), key));
}

/* The history of every user as the trainer's own questions are built: asked for the next event's time, then for now. */
static void encode_user(float out[32])
{
	struct hr_user_view u;
	struct hr_batch b = {0};

	(void)user(NULL, NULL, 0, &u);
	hr_batch_begin(&b, 0);
	for (size_t i = 0; i < u.len; i++)
		hr_batch_add(&b, u.item[i], u.time_ms[i], u.kind[i], i + 1 < u.len ? u.time_ms[i + 1] : NOW_MS, HR_NONE, 0);
	hr_snapshot_encode(world.newest, &b, out);
	hr_batch_fini(&b);
}

static double cosine(const float *a, const float *b)
{
	double sum = 0;

	for (size_t d = 0; d < 32; d++)
		sum += (double)a[d] * (double)b[d];
	return sum;
}

static void vectors_are_the_models_bit_for_bit(void **state)
{
	float want[32];

	(void)state;
	encode_user(want);
	for (int of_user = 0; of_user < 2; of_user++) {
		struct answer a = get(of_user ? "/v1/users/u/embedding" : "/v1/items/17/embedding");
		const float *vector = of_user ? want : world.newest->unit + 17 * 32;

		assert_int_equal(a.status, 200);
		for (size_t d = 0; d < 32; d++)
			assert_true((float)json_number_value(json_array_get(json_object_get(a.json, "vector"), d)) == vector[d]);
		answer_fini(&a);
	}
}

static void neighbors_are_the_nearest_of_all_live_items(void **state)
{
	const struct hr_snapshot *s = world.newest;
	struct answer a = get("/v1/items/17/neighbors?limit=5");
	bool listed[ITEMS] = {false};
	double worst = 2;

	(void)state;
	const json_t *list = json_object_get(a.json, "neighbors");
	assert_int_equal(json_array_size(list), LIMIT);
	for (size_t i = 0; i < LIMIT; i++) {
		const uint32_t row = row_of(list, i);

		assert_true(row != 17 && row != 11 && !listed[row]);
		listed[row] = true;
		assert_close(number_of(list, i, "score"), cosine(s->unit + row * 32, s->unit + 17 * 32), 1e-5, "score", i);
		assert_true(number_of(list, i, "score") <= worst);
		worst = number_of(list, i, "score");
	}
	for (size_t row = 0; row < ITEMS; row++)
		assert_true(listed[row] || row == 17 || row == 11 || cosine(s->unit + row * 32, s->unit + 17 * 32) <= worst + 1e-5);
	answer_fini(&a);
}

/* Every row's score from its three terms, with the weights that were learned; only what was seen and what is retired stays out. */
static void recommendations_are_the_best_of_the_mix(void **state)
{
	const struct hr_snapshot *s = world.newest;
	struct answer a = get("/v1/users/u/recommendations?limit=40&parts=1");
	float vector[32], rules[ITEMS] = {0};
	struct hr_user_view u;
	double worst = 1e9;

	(void)state;
	(void)user(NULL, NULL, 0, &u);
	assert_true(s->mix.weight[HR_MIX_RULES] != 1); /* the walk taught it something */
	encode_user(vector);
	hr_counters_rules(hr_trainer_counters(world.trainer), u.item, u.len, rules, ITEMS);
	const json_t *list = json_object_get(a.json, "recommendations");
	assert_int_equal(json_array_size(list), ITEMS - EVENTS - 1);
	for (size_t i = 0; i < ITEMS - EVENTS - 1; i++) {
		const uint32_t row = row_of(list, i);
		const float *w = s->mix.weight;
		const double want = (double)w[HR_MIX_MODEL] * (double)s->scale * cosine(vector, s->unit + row * 32) +
		                    (double)w[HR_MIX_RULES] * log(1 + 10 * (double)rules[row]) +
		                    (double)w[HR_MIX_POPULARITY] * (double)s->log_popularity[row];
		const json_t *hit = json_array_get(list, i), *parts = json_object_get(hit, "parts");

		assert_true(row != 11);
		assert_close(number_of(list, i, "score"), want, 1e-4, "score", i);
		assert_true(number_of(list, i, "score") <= worst);
		worst = number_of(list, i, "score");
		assert_close(json_number_value(json_object_get(parts, "logit")) + json_number_value(json_object_get(parts, "rules")) +
		                     json_number_value(json_object_get(parts, "popularity")), want, 1e-4, "sum", i);
		assert_int_equal(json_array_size(json_object_get(hit, "because")) > 0, rules[row] > 0);
	}
	/* the walk goes on at 3 + 6 * 7 */
	assert_int_equal(row_of(list, 0), (3 + EVENTS * 7) % ITEMS);
	answer_fini(&a);
}

static void *learn_on(void *ctx)
{
	(void)ctx;
	for (uint64_t round = 100; round < 130; round++) {
		learn(round);
		publish();
	}
	atomic_store(&world.done, true);
	return NULL;
}

static void answers_keep_coming_while_the_model_learns(void **state)
{
	json_int_t barrier = 0;
	pthread_t trainer;
	size_t answers = 0;

	(void)state;
	assert_int_equal(pthread_create(&trainer, NULL, learn_on, NULL), 0);
	do {
		struct answer a = get("/v1/users/u/recommendations?parts=1");
		const json_t *version = json_object_get(a.json, "version");

		assert_int_equal(a.status, 200);
		assert_int_equal(json_array_size(json_object_get(a.json, "recommendations")), 10);
		assert_true(json_integer_value(json_object_get(version, "barrier")) >= barrier);
		barrier = json_integer_value(json_object_get(version, "barrier"));
		answer_fini(&a);
		answers++;
	} while (!atomic_load(&world.done) || answers < 10);
	(void)pthread_join(trainer, NULL);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(vectors_are_the_models_bit_for_bit),
		WITH_SERVER(neighbors_are_the_nearest_of_all_live_items),
		WITH_SERVER(recommendations_are_the_best_of_the_mix),
		WITH_SERVER(answers_keep_coming_while_the_model_learns),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	const int failed = cmocka_run_group_tests_name("serve on the model", tests, NULL, NULL);
	curl_global_cleanup();
	return failed;
}
