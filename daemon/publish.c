/* daemon/publish.c - the publisher thread: what moved since the last refresh goes to the output topics.
 *
 * A refresh is one durable barrier: item vectors whose direction moved by more than output.min_shift (1 - cosine) since they
 * were last sent, the vectors of users with new events, tombstones for the forgotten and the expired, then a marker record. Its version is
 * (lineage, barrier). When several barriers wait, the newest model is sent for the users of all of them. Sending again after
 * a crash gives the same bytes for the same version: everything comes from the barrier's snapshot and records.
 *
 * A refresh is held back during a start-up, when the model has not learned yet, and while the gate is shut (daemon/quality_gate.h). The
 * next one that goes out finds in the store which users have changed since the last that did; so does the first of a start. Null
 * values of forgotten users are not held back.
 */
#include <stdlib.h>
#include <string.h>

#include "base/crash.h"
#include "daemon/publish_priv.h"

enum { ENCODE_USERS = 256, FLUSH_MS = 1000, SEND_MS = 1000 };

bool hr_publisher_open(struct hr_pipeline *p, struct hr_error *err)
{
	const struct hr_config *c = p->config;
	const struct hr_kafka_config kafka = hr_config_kafka(c);

	p->publisher = hr_alloc(1, sizeof *p->publisher);
	if (c->output_create) {
		if (!hr_topic_create(&kafka, c->output_items_topic, c->output_partitions, true, 10000, err) ||
		    !hr_topic_create(&kafka, c->output_users_topic, c->output_partitions, true, 10000, err))
			return hr_context(err, "output");
	}
	if (!hr_sink_open(&kafka, &p->publisher->sink, err))
		return false;
	hr_sink_patience(p->publisher->sink, SEND_MS);
	p->publisher->behind = atomic_load(&p->published) < atomic_load(&p->durable);
	return true;
}

void hr_publisher_close(struct hr_publisher *pub)
{
	if (pub == NULL)
		return;
	if (pub->sink != NULL)
		hr_sink_close(pub->sink, FLUSH_MS);
	hr_free(pub->sent);
	hr_free(pub->gone);
	hr_buf_fini(&pub->packed);
	hr_free(pub);
}

static double shift(const float *a, const float *b, size_t width)
{
	double dot = 0;

	for (size_t i = 0; i < width; i++)
		dot += (double)a[i] * (double)b[i];
	return 1 - dot;
}

struct moved {
	uint32_t row;
	float by; /* 1 - cosine; 1 for what was never sent */
};

static int further_first(const void *a, const void *b)
{
	const struct moved *x = a, *y = b;

	return x->by != y->by ? (x->by > y->by ? -1 : 1) : (x->row > y->row) - (x->row < y->row);
}

/* Live rows that moved enough, in order of rows. Returned. */
static struct moved *find_moved(struct hr_pipeline *p, const struct hr_snapshot *s, size_t *ret_count)
{
	struct hr_publisher *pub = p->publisher;
	struct moved *moved = hr_alloc(s->rows + 1, sizeof *moved);
	size_t count = 0;

	pub->sent = hr_grow(pub->sent, &pub->sent_cap, s->rows * s->width, sizeof *pub->sent);
	for (size_t row = 0; row < s->rows; row++) {
		const float *now = s->unit + row * s->width, *sent = pub->sent + row * s->width;

		if (!s->live[row] || memcmp(now, sent, s->width * sizeof *sent) == 0)
			continue;
		const double by = shift(now, sent, s->width);
		if (by > (double)p->config->output_min_shift || p->config->output_min_shift == 0) /* a tiny one rounds to none */
			moved[count++] = (struct moved){(uint32_t)row, (float)by};
	}
	*ret_count = count;
	return moved;
}

static void send_items(struct hr_pipeline *p, const struct hr_snapshot *s)
{
	struct hr_publisher *pub = p->publisher;
	const uint64_t budget = p->config->output_budget;
	size_t count;
	HR_AUTO(hr_auto_free) struct moved *moved = find_moved(p, s, &count);

	if (budget != 0)
		qsort(moved, count, sizeof *moved, further_first);
	for (size_t i = 0; i < count && (budget == 0 || pub->vector_bytes < budget); i++) {
		const size_t row = moved[i].row;
		const float *now = s->unit + row * s->width;
		uint8_t id[HR_ID_MAX];

		hr_intake_lock(p->intake);
		const struct hr_item item = hr_catalogue_get(hr_intake_catalogue(p->intake), (uint32_t)row);
		memcpy(id, item.id, item.id_len);
		hr_intake_unlock(p->intake);
		hr_publish_vector(p, s, HEADRACE__V1__ENTITY__ITEM, id, item.id_len, now, s->events[row]);
		memcpy(pub->sent + row * s->width, now, s->width * sizeof *now);
		pub->items++;
	}
}

/* A null value for each item that expired, once a run: one that was sent and not acknowledged before a crash is sent again. The
 * catalogue is ahead of the snapshot: an item that is back in it already gets its vector with the next refresh. */
static void send_expired(struct hr_pipeline *p, const struct hr_snapshot *s)
{
	struct hr_publisher *pub = p->publisher;
	uint8_t id[HR_ID_MAX];

	if (p->config->admit_expire_after == 0)
		return;
	pub->gone = hr_grow(pub->gone, &pub->gone_cap, s->rows, 1);
	for (size_t row = 0; row < s->rows; row++) {
		pub->gone[row] &= !s->live[row];
		if (s->live[row] || pub->gone[row])
			continue;
		hr_intake_lock(p->intake);
		const struct hr_item item = hr_catalogue_get(hr_intake_catalogue(p->intake), (uint32_t)row);
		memcpy(id, item.id, item.id_len);
		hr_intake_unlock(p->intake);
		if (!item.expired)
			continue;
		hr_publish_tombstone(p, HEADRACE__V1__ENTITY__ITEM, id, item.id_len);
		memset(pub->sent + row * s->width, 0, s->width * sizeof *pub->sent);
		pub->gone[row] = 1;
	}
}

/* Users of one encoder call: their records are decoded into a batch, ids and counts kept beside it. */
struct user_group {
	struct hr_batch batch;
	struct hr_user_record user[ENCODE_USERS];
	size_t count;
	float *vector; /* (ENCODE_USERS, width) */
};

static void send_group(struct hr_pipeline *p, const struct hr_snapshot *s, struct user_group *g)
{
	if (g->count == 0)
		return;
	hr_snapshot_encode(s, &g->batch, g->vector);
	for (size_t i = 0; i < g->count; i++)
		hr_publish_vector(p, s, HEADRACE__V1__ENTITY__USER, g->user[i].id, g->user[i].id_len, g->vector + i * s->width,
		            g->user[i].events);
	p->publisher->users += g->count;
	g->count = 0;
	hr_batch_clear(&g->batch);
}

/* g->user[g->count] holds a user's record. */
static void add_user(struct hr_pipeline *p, const struct hr_snapshot *s, struct user_group *g)
{
	const struct hr_user_record *u = &g->user[g->count];

	if (u->len == 0) {
		hr_publish_tombstone(p, HEADRACE__V1__ENTITY__USER, u->id, u->id_len);
		return;
	}
	hr_batch_begin(&g->batch, 0);
	for (uint16_t i = 0; i < u->len; i++) {
		const struct hr_past *now = &u->past[i];
		const int64_t next_ms = i + 1u < u->len ? u->past[i + 1].time_ms : s->watermark_ms;

		hr_batch_add(&g->batch, now->item, now->time_ms, now->kind, next_ms, HR_NONE, 0);
	}
	if (++g->count == ENCODE_USERS)
		send_group(p, s, g);
}

static void read_changed(const struct hr_work *w, uint32_t user, struct hr_user_record *ret_record)
{
	struct hr_error err;
	size_t len;
	const uint8_t *bytes = hr_changes_get(w->changes, HR_REC_USER, user, &len);

	HR_ASSERT(bytes != NULL);
	if (!hr_user_record_decode(bytes, len, ret_record, &err))
		hr_pipeline_die("a record just written can not be read", &err);
}

/* Users of all barriers of this refresh, each once, from the newest barrier that changed it. */
static void send_changed(struct hr_pipeline *p, const struct hr_snapshot *s, struct user_group *g, struct hr_work *const *works,
                         size_t count)
{
	HR_AUTO(hr_auto_free) uint8_t *done = NULL;
	size_t done_cap = 0;

	for (size_t i = count; i-- > 0;) {
		for (size_t j = 0; j < works[i]->user_count; j++) {
			const uint32_t user = works[i]->user[j];

			done = hr_grow(done, &done_cap, (size_t)user + 1, 1);
			if (!done[user]) {
				read_changed(works[i], user, &g->user[g->count]);
				add_user(p, s, g);
			}
			done[user] = 1;
		}
	}
}

/* A user who asked to be forgotten does not wait for the model. Sent again with the next refresh that goes out. */
static void send_forgotten(struct hr_pipeline *p, struct hr_work *const *works, size_t count)
{
	struct hr_user_record user;

	p->publisher->tombstones = 0;
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < works[i]->user_count; j++) {
			read_changed(works[i], works[i]->user[j], &user);
			if (user.len == 0)
				hr_publish_tombstone(p, HEADRACE__V1__ENTITY__USER, user.id, user.id_len);
		}
	}
	hr_metric_add(hr_metric_of(p->metrics, HR_M_TOMBSTONES), p->publisher->tombstones);
}

struct unsent {
	struct hr_pipeline *p;
	const struct hr_snapshot *s;
	struct user_group *g;
	uint64_t published;
};

static bool add_unsent(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len, struct hr_error *err)
{
	const struct unsent *u = ctx;
	struct hr_user_record *record = &u->g->user[u->g->count];

	(void)cls, (void)number;
	if (!hr_user_record_decode(bytes, len, record, err))
		return false;
	/* The store may be ahead of this barrier already: who changed since is sent with the barrier that changed it. */
	if (record->changed > u->published && record->changed <= u->s->barrier)
		add_user(u->p, u->s, u->g);
	return !u->p->publisher->abandoned || hr_fail(err, HR_E_BROKER, "the stop does not wait");
}

/* Users changed since the last refresh that went out, from the store. */
static void send_unsent(struct hr_pipeline *p, const struct hr_snapshot *s, struct user_group *g)
{
	struct unsent u = {.p = p, .s = s, .g = g, .published = atomic_load(&p->published)};
	struct hr_error err;

	if (!hr_store_each(p->store, HR_REC_USER, add_unsent, &u, &err) && !p->publisher->abandoned)
		hr_pipeline_die("the users whose vectors were not sent can not be read", &err);
}

static void send_users(struct hr_pipeline *p, const struct hr_snapshot *s, struct hr_work *const *works, size_t count)
{
	struct user_group *g = hr_alloc(1, sizeof *g);

	g->vector = hr_alloc(ENCODE_USERS * s->width, sizeof *g->vector);
	if (p->publisher->behind)
		send_unsent(p, s, g);
	else
		send_changed(p, s, g, works, count);
	send_group(p, s, g);
	hr_batch_fini(&g->batch);
	hr_free(g->vector);
	hr_free(g);
}

/* Of this refresh alone in the gauges: a backlog that was read once would stand in an average for ever. */
static void tell_freshness(struct hr_pipeline *p, struct hr_work *const *works, size_t count)
{
	struct hr_histogram here = {0};
	const int64_t now = hr_wall_ms();

	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < works[i]->arrived_count; j++) {
			const int64_t age = now - works[i]->arrived_ms[j];

			if (works[i]->arrived_ms[j] < 0)
				continue;
			hr_histogram_add(&here, age > 0 ? (uint64_t)age : 0);
			hr_histogram_add(hr_metrics_freshness(p->metrics), age > 0 ? (uint64_t)age : 0);
		}
	}
	if (atomic_load(&here.total) == 0)
		return;
	hr_metric_set(hr_metric_of(p->metrics, HR_M_FRESH_P50), (double)hr_histogram_quantile(&here, .5) / 1000);
	hr_metric_set(hr_metric_of(p->metrics, HR_M_FRESH_P99), (double)hr_histogram_quantile(&here, .99) / 1000);
}

/* Says when refreshes begin to be held back, and when they go out again. */
static void tell_held(struct hr_pipeline *p, const struct hr_work *w, bool held)
{
	const struct hr_quality_gate *g = &p->publisher->gate;
	struct hr_metric *holding = hr_metric_of(p->metrics, HR_M_HOLDING);
	const bool before = hr_metric_value(holding) != 0;

	hr_metric_add(hr_metric_of(p->metrics, HR_M_HELD), held);
	hr_metric_set(holding, held);
	if (held == before || !w->live)
		return;
	hr_log(held ? HR_LOG_ERROR : HR_LOG_INFO,
	       held ? "refreshes are held back: recall has collapsed" : "refreshes go out again", "recall_at_10=%.4f usual=%.4f gate=%.2g",
	       g->recall, g->usual, (double)p->config->output_gate);
}

/* May it go out? What is held is sent with the next that may. */
static bool may_go(struct hr_pipeline *p, const struct hr_work *w)
{
	struct hr_publisher *pub = p->publisher;
	const bool open = hr_quality_gate_judge(&pub->gate, (double)p->config->output_gate, &w->ever, &w->window) && w->live;

	tell_held(p, w, !open);
	pub->behind |= !open;
	return open;
}

static void refresh(struct hr_pipeline *p, struct hr_work *const *works, size_t count)
{
	struct hr_publisher *pub = p->publisher;
	const struct hr_work *newest = works[count - 1];
	struct hr_error err;

	if (!may_go(p, newest)) {
		send_forgotten(p, works, count);
		return;
	}
	pub->items = pub->users = pub->tombstones = pub->vector_bytes = 0;
	hr_crash_point("before-refresh");
	send_items(p, newest->snapshot);
	send_expired(p, newest->snapshot);
	hr_crash_point("in-refresh");
	send_users(p, newest->snapshot, works, count);
	hr_crash_point("before-marker");
	hr_publish_marker(p, newest->snapshot, &newest->row);
	hr_crash_point("before-flush");
	while (!pub->abandoned && !hr_sink_flush(pub->sink, FLUSH_MS, &err))
		hr_publish_wait_out(p, &err);
	if (pub->abandoned)
		return;
	hr_crash_point("after-refresh");
	hr_publish_went_through(pub);
	pub->behind = false;
	atomic_store(&p->published, newest->row.number);
	tell_freshness(p, works, count);
	hr_metric_add(hr_metric_of(p->metrics, HR_M_PUBLISHED_ITEMS), pub->items);
	hr_metric_add(hr_metric_of(p->metrics, HR_M_PUBLISHED_USERS), pub->users);
	hr_metric_add(hr_metric_of(p->metrics, HR_M_TOMBSTONES), pub->tombstones);
	hr_log(HR_LOG_DEBUG, "refresh is complete", "barrier=%llu items=%llu users=%llu tombstones=%llu",
	       (unsigned long long)newest->row.number, (unsigned long long)pub->items, (unsigned long long)pub->users,
	       (unsigned long long)pub->tombstones);
}

void *hr_publish_main(void *pipeline)
{
	enum { TOGETHER = 8 };
	struct hr_pipeline *p = pipeline;
	struct hr_work *works[TOGETHER];

	hr_log_thread("publisher");
	while ((works[0] = hr_queue_pop(p->refreshes, -1)) != NULL) {
		size_t count = 1;

		while (count < TOGETHER && (works[count] = hr_queue_pop(p->refreshes, 0)) != NULL)
			count++;
		refresh(p, works, count);
		for (size_t i = 0; i < count; i++)
			hr_work_free(works[i]);
	}
	return NULL;
}
