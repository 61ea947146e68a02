#include "tests/test.h"

#include <time.h>

#include "base/base.h"
#include "tests/serve_fake.h"

const char *const fake_id[FAKE_ITEMS] = {"apple", "pear/2", "čaj ☕", "gone", "seen once", "lamp", "newborn"};
static const char *const titles[FAKE_ITEMS] = {"Apple", "Pear \"Williams\"", "Tea", "Gone", "", "", "Newborn"};

const float fake_unit[FAKE_ROWS * FAKE_WIDTH] = {
	1,   0,   0,  0, /* apple */
	.8f, .6f, 0,  0, /* pear */
	0,   1,   0,  0, /* tea */
	1,   0,   0,  0, /* gone */
	0,   0,   1,  0, /* seen once */
	-.6f, 0,  .8f, 0, /* lamp */
};
static const uint8_t live[FAKE_ROWS] = {1, 1, 1, 0, 0, 1};
static const float log_popularity[FAKE_ROWS] = {1, 0, 0, 0, 0, 2};

static const struct rule {
	uint32_t from, to;
	float weight;
} rules[] = {{APPLE, PEAR, 3}, {APPLE, LAMP, 1}, {TEA, PEAR, 2}};
enum { RULES = sizeof rules / sizeof *rules };

struct fake fake;

/* ---- model/, called from server threads: a wrong call aborts ---- */

void hr_snapshot_ref(struct hr_snapshot *s) { atomic_fetch_add(&s->references, 1); }

void hr_snapshot_unref(struct hr_snapshot *s)
{
	if (s != NULL)
		atomic_fetch_sub(&s->references, 1);
}

void hr_batch_begin(struct hr_batch *b, int fresh)
{
	(void)fresh;
	b->sequences++;
}

void hr_batch_add(struct hr_batch *b, uint32_t item, int64_t time_ms, uint8_t kind, int64_t ask_ms, uint32_t target,
                  uint8_t target_kind)
{
	HR_ASSERT(item < FAKE_ROWS);
	HR_ASSERT(target == HR_NONE);
	HR_ASSERT(ask_ms >= time_ms);
	HR_ASSERT(kind != 0 && target_kind == 0);
	b->item = hr_grow(b->item, &b->positions_cap, b->positions + 1, sizeof *b->item);
	b->item[b->positions++] = item;
	atomic_store(&fake.asked_ms, ask_ms);
}

void hr_batch_fini(struct hr_batch *b) { hr_free(b->item); }

void hr_snapshot_encode(const struct hr_snapshot *s, const struct hr_batch *batch, float *out)
{
	HR_ASSERT(batch->sequences == 1);
	memcpy(out, s->unit + batch->item[batch->positions - 1] * s->width, s->width * sizeof *out);
}

static float dot(const float *a, const float *b, size_t n)
{
	float sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

static bool taken(uint32_t row, const uint32_t *skip, size_t skip_count, const struct hr_hit *hits, size_t found)
{
	for (size_t i = 0; i < skip_count; i++) {
		HR_ASSERT(i == 0 || skip[i - 1] < skip[i]);
		if (skip[i] == row)
			return true;
	}
	for (size_t i = 0; i < found; i++) {
		if (hits[i].row == row)
			return true;
	}
	return false;
}

void hr_snapshot_top(const struct hr_snapshot *s, const float *queries, size_t count, float scale, const float *bonus,
                     const uint32_t *skip, size_t skip_count, size_t k, struct hr_hit *hits, size_t *ret_found)
{
	HR_ASSERT(count == 1);
	for (*ret_found = 0; *ret_found < k; ++*ret_found) {
		struct hr_hit best = {HR_NONE, -INFINITY};

		for (uint32_t row = 0; row < s->rows; row++) {
			const float score = scale * dot(queries, s->unit + row * s->width, s->width) + (bonus != NULL ? bonus[row] : 0);

			if (s->live[row] != 0 && score > best.score && !taken(row, skip, skip_count, hits, *ret_found))
				best = (struct hr_hit){row, score};
		}
		if (best.row == HR_NONE)
			return;
		hits[*ret_found] = best;
	}
}

void hr_counters_rules(struct hr_counters *c, const uint32_t *history_item, size_t history_len, float *scores, size_t rows)
{
	float weight = 1;

	HR_ASSERT((void *)c == &fake);
	for (size_t back = 0; back < HR_RULES_BACK && back < history_len; back++, weight *= .7f) {
		for (size_t i = 0; i < RULES; i++) {
			if (rules[i].from == history_item[history_len - 1 - back] && rules[i].to < rows)
				scores[rules[i].to] += weight * rules[i].weight;
		}
	}
}

size_t hr_counters_followers(struct hr_counters *c, uint32_t item, struct hr_follower *out, size_t max)
{
	size_t n = 0;

	HR_ASSERT((void *)c == &fake);
	for (size_t i = 0; i < RULES && n < max; i++) {
		if (rules[i].from == item)
			out[n++] = (struct hr_follower){rules[i].to, rules[i].weight};
	}
	return n;
}

/* ---- backend ---- */

static struct hr_snapshot *pin(void *ctx)
{
	const unsigned delay_ms = atomic_load(&fake.delay_ms);
	const struct timespec delay = {.tv_nsec = (long)delay_ms * 1000000};

	HR_ASSERT(ctx == &fake);
	if (delay_ms > 0)
		(void)nanosleep(&delay, NULL);
	if (atomic_load(&fake.empty))
		return NULL;
	hr_snapshot_ref(&fake.snapshot);
	return &fake.snapshot;
}

static struct hr_counters *counters(void *ctx) { return ctx; }

static bool is(const void *id, size_t len, const char *name) { return len == strlen(name) && memcmp(id, name, len) == 0; }

static void give(struct hr_user_view *user, uint32_t item, int64_t time_ms)
{
	user->item[user->len] = item;
	user->time_ms[user->len] = time_ms;
	user->kind[user->len++] = HR_KIND_CLICK;
}

static bool user(void *ctx, const void *id, size_t len, struct hr_user_view *ret_user)
{
	(void)ctx;
	ret_user->len = 0;
	ret_user->events = 41;
	if (is(id, len, "ann")) {
		give(ret_user, APPLE, FAKE_NOW_MS - 2000);
		give(ret_user, NEWBORN, FAKE_NOW_MS - 1500);
		give(ret_user, TEA, FAKE_NOW_MS - 1000);
	} else if (is(id, len, "bob")) {
		give(ret_user, LAMP, FAKE_NOW_MS - 10);
	} else if (is(id, len, "newcomer")) {
		give(ret_user, NEWBORN, FAKE_NOW_MS);
	} else if (is(id, len, "ζ/u")) {
		give(ret_user, PEAR, FAKE_NOW_MS);
	}
	return ret_user->len > 0;
}

static uint32_t item_row(void *ctx, const void *id, size_t len)
{
	(void)ctx;
	for (uint32_t row = 0; row < FAKE_ITEMS; row++) {
		if (is(id, len, fake_id[row]))
			return row;
	}
	return HR_NONE;
}

static bool item(void *ctx, uint32_t row, struct hr_item_view *ret_item)
{
	(void)ctx;
	if (row >= FAKE_ITEMS)
		return false;
	*ret_item = (struct hr_item_view){.id_len = strlen(fake_id[row]), .events = 100 + row, .admitted = row != SEEN_ONCE};
	memcpy(ret_item->id, fake_id[row], ret_item->id_len);
	memcpy(ret_item->title, titles[row], strlen(titles[row]));
	return true;
}

static int64_t now_ms(void *ctx)
{
	(void)ctx;
	return FAKE_NOW_MS;
}

static const char *lineage(void *ctx)
{
	(void)ctx;
	return "0123456789abcdef";
}

static void model_json(void *ctx, struct hr_buf *out)
{
	struct hr_json j = {.out = out};

	(void)ctx;
	hr_json_open(&j, '{');
	hr_json_key(&j, "quality");
	hr_json_open(&j, '{');
	hr_json_key(&j, "recall10");
	hr_json_f32(&j, .25f);
	hr_json_close(&j, '}');
	hr_json_key(&j, "steps");
	hr_json_u64(&j, 12);
	hr_json_close(&j, '}');
}

static void metrics(void *ctx, struct hr_buf *out)
{
	static const char text[] = "# HELP headrace_events_total Events.\n# TYPE headrace_events_total counter\nheadrace_events_total 7\n";

	(void)ctx;
	hr_buf_bytes(out, text, sizeof text - 1);
}

static bool ready(void *ctx, char *why, size_t why_bytes)
{
	(void)ctx;
	if (!atomic_load(&fake.ready))
		(void)snprintf(why, why_bytes, "822 records to restore");
	return atomic_load(&fake.ready);
}

void fake_start(const struct hr_server_config *config, bool repeats)
{
	struct hr_error err;

	memset(&fake, 0, sizeof fake);
	fake.ready = true;
	fake.snapshot = (struct hr_snapshot){.rows = FAKE_ROWS, .width = FAKE_WIDTH, .unit = fake_unit, .live = live,
	                                     .log_popularity = log_popularity, .scale = 2, .mix = hr_mix_start(), .barrier = 17,
	                                     .watermark_ms = FAKE_NOW_MS, .references = 1};
	fake.backend = (struct hr_backend){.ctx = &fake, .pin = pin, .counters = counters, .user = user, .item_row = item_row,
	                                   .item = item, .now_ms = now_ms, .lineage = lineage, .model_json = model_json,
	                                   .metrics = metrics, .ready = ready, .repeats = repeats};
	if (!hr_server_start(config, &fake.backend, &fake.server, &err))
		fail_msg("%s", err.msg);
}

void fake_stop(void)
{
	hr_server_stop(fake.server);
	fake.server = NULL;
	assert_int_equal(fake.snapshot.references, 1);
}

struct answer ask(const char *method, const char *path, const char *body)
{
	return ask_port(hr_server_port(fake.server), method, path, body);
}
