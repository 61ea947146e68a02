/* daemon/publish.c - the publisher thread: what moved since the last refresh goes to the output topics.
 *
 * A refresh is one durable barrier: item vectors whose direction moved by more than output.min_shift (1 - cosine) since they
 * were last sent, the vectors of users with new events, tombstones for the forgotten and the expired, then a marker record. Its version is
 * (lineage, barrier). When several barriers wait, the newest model is sent for the users of all of them. Sending again after
 * a crash gives the same bytes for the same version: everything comes from the barrier's snapshot and records.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/crash.h"
#include "daemon/priv.h"
#include "proto/proto.h"

enum { ENCODE_USERS = 256, HEADERS = 3, FLUSH_MS = 1000, SEND_MS = 1000, TELL_AFTER_S = 10, STOP_AFTER_S = 10 };

/* Key of the record that ends a refresh: no id can be it, since ids hold no control characters. */
#define MARKER_KEY "\x01refresh"

struct hr_publisher {
	struct hr_sink *sink;
	/* ---- publisher thread only ---- */
	float *sent;    /* (rows, width) item vectors as last sent; a zero row was never sent */
	uint8_t *gone;  /* (rows) 1: expired, and a null value was sent */
	size_t sent_cap, gone_cap;
	struct hr_buf packed;
	uint64_t items, users, tombstones; /* of the refresh under way */
	int64_t stuck_us;  /* since when the broker takes nothing; 0: it does */
	bool told;         /* that it is stuck */
	bool abandoned;    /* a stop did not wait for the broker; the next start sends the refresh again */
};

/* Transient trouble is waited out, however long: the input's lag tells. Only a stop gives up, after a while. */
static void wait_out(struct hr_pipeline *p, const struct hr_error *err)
{
	struct hr_publisher *pub = p->publisher;

	if (!err->retriable)
		hr_pipeline_die("vectors can not be published; they are sent again after the next start", err);
	if (pub->stuck_us == 0)
		pub->stuck_us = hr_mono_us();
	const int64_t stuck_s = (hr_mono_us() - pub->stuck_us) / 1000000;
	if (stuck_s >= TELL_AFTER_S && !pub->told) {
		hr_log(HR_LOG_WARNING, "the broker does not take vectors; waiting for it", "seconds=%lld", (long long)stuck_s);
		pub->told = true;
	}
	if (atomic_load(&p->stopping) && stuck_s >= STOP_AFTER_S) {
		hr_log(HR_LOG_WARNING, "stopping without the last refresh: the next start sends it again", "published=%llu",
		       (unsigned long long)atomic_load(&p->published));
		pub->abandoned = true;
	}
}

static void went_through(struct hr_publisher *pub)
{
	if (pub->told)
		hr_log(HR_LOG_INFO, "the broker takes vectors again", "seconds=%lld",
		       (long long)((hr_mono_us() - pub->stuck_us) / 1000000));
	pub->stuck_us = 0;
	pub->told = false;
}

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

/* One record to a topic; where both kinds share one, keys carry their kind. */
static void send_record(struct hr_pipeline *p, const char *topic, const char *prefix, const void *id, size_t id_len,
                        const void *value, size_t value_len, const struct hr_header *headers, size_t header_count)
{
	const bool shared = strcmp(p->config->output_items_topic, p->config->output_users_topic) == 0;
	char key[HR_ID_MAX + 8];
	size_t key_len = 0;
	struct hr_error err;

	if (shared) {
		key_len = strlen(prefix);
		memcpy(key, prefix, key_len);
	}
	memcpy(key + key_len, id, id_len);
	key_len += id_len;
	while (!p->publisher->abandoned &&
	       !hr_sink_send(p->publisher->sink, topic, key, key_len, value, value_len, -1, headers, header_count, &err))
		wait_out(p, &err);
	if (!p->publisher->abandoned)
		went_through(p->publisher);
}

static void send_message(struct hr_pipeline *p, const struct hr_snapshot *s, const char *topic, const char *prefix,
                         const void *id, size_t id_len, const ProtobufCMessage *message)
{
	struct hr_buf *b = &p->publisher->packed;
	const size_t bytes = protobuf_c_message_get_packed_size(message);
	char version[HR_LINEAGE_CHARS + 32];
	const int version_len = snprintf(version, sizeof version, "%s/%llu", p->manifest.lineage, (unsigned long long)s->barrier);
	const struct hr_header headers[HEADERS] = {
		{"content-type", "application/x-protobuf", strlen("application/x-protobuf")},
		{"headrace-version", version, (size_t)version_len},
		{"headrace-space", p->manifest.space, strlen(p->manifest.space)},
	};

	hr_buf_clear(b);
	b->p = hr_grow(b->p, &b->cap, bytes, 1);
	(void)protobuf_c_message_pack(message, b->p);
	send_record(p, topic, prefix, id, id_len, b->p, bytes, headers, HEADERS);
}

static void send_vector(struct hr_pipeline *p, const struct hr_snapshot *s, Headrace__V1__Entity entity, const void *id,
                        size_t id_len, const float *vector, uint64_t events)
{
	Headrace__V1__Version version = HEADRACE__V1__VERSION__INIT;
	Headrace__V1__Embedding e = HEADRACE__V1__EMBEDDING__INIT;
	const bool item = entity == HEADRACE__V1__ENTITY__ITEM;
	uint8_t bytes[4 * 256];

	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "vectors are sent as they lie in memory");
	HR_ASSERT(4 * s->width <= sizeof bytes);
	memcpy(bytes, vector, 4 * s->width);
	version.lineage = p->manifest.lineage;
	version.barrier = s->barrier;
	e.entity = entity;
	e.id = (ProtobufCBinaryData){.len = id_len, .data = (uint8_t *)id};
	e.dimensions = (uint32_t)s->width;
	e.encoding = HEADRACE__V1__ENCODING__F32;
	e.vector = (ProtobufCBinaryData){.len = 4 * s->width, .data = bytes};
	e.norm = 1;
	e.space = p->manifest.space;
	e.version = &version;
	e.watermark_ms = s->watermark_ms;
	e.events = events;
	send_message(p, s, item ? p->config->output_items_topic : p->config->output_users_topic, item ? "item:" : "user:", id,
	             id_len, &e.base);
}

static double shift(const float *a, const float *b, size_t width)
{
	double dot = 0;

	for (size_t i = 0; i < width; i++)
		dot += (double)a[i] * (double)b[i];
	return 1 - dot;
}

static void send_items(struct hr_pipeline *p, const struct hr_snapshot *s)
{
	struct hr_publisher *pub = p->publisher;

	pub->sent = hr_grow(pub->sent, &pub->sent_cap, s->rows * s->width, sizeof *pub->sent);
	for (size_t row = 0; row < s->rows; row++) {
		const float *now = s->unit + row * s->width;
		float *sent = pub->sent + row * s->width;
		struct hr_item item;
		uint8_t id[HR_ID_MAX];

		if (!s->live[row] || memcmp(now, sent, s->width * sizeof *sent) == 0 ||
		    shift(now, sent, s->width) <= (double)p->config->output_min_shift)
			continue;
		hr_intake_lock(p->intake);
		item = hr_catalogue_get(hr_intake_catalogue(p->intake), (uint32_t)row);
		memcpy(id, item.id, item.id_len);
		hr_intake_unlock(p->intake);
		send_vector(p, s, HEADRACE__V1__ENTITY__ITEM, id, item.id_len, now, s->events[row]);
		memcpy(sent, now, s->width * sizeof *sent);
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
		send_record(p, p->config->output_items_topic, "item:", id, item.id_len, NULL, 0, NULL, 0);
		memset(pub->sent + row * s->width, 0, s->width * sizeof *pub->sent);
		pub->gone[row] = 1;
		pub->tombstones++;
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
		send_vector(p, s, HEADRACE__V1__ENTITY__USER, g->user[i].id, g->user[i].id_len, g->vector + i * s->width,
		            g->user[i].events);
	p->publisher->users += g->count;
	g->count = 0;
	hr_batch_clear(&g->batch);
}

static void add_user(struct hr_pipeline *p, const struct hr_snapshot *s, struct user_group *g, const struct hr_work *w,
                     uint32_t user)
{
	struct hr_user_record *u = &g->user[g->count];
	struct hr_error err;
	size_t len;
	const uint8_t *bytes = hr_changes_get(w->changes, HR_REC_USER, user, &len);

	HR_ASSERT(bytes != NULL);
	if (!hr_user_record_decode(bytes, len, u, &err))
		hr_pipeline_die("a record just written can not be read", &err);
	if (u->len == 0) {
		send_record(p, p->config->output_users_topic, "user:", u->id, u->id_len, NULL, 0, NULL, 0);
		p->publisher->tombstones++;
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

/* Users of all barriers of this refresh, each once, from the newest barrier that changed it. */
static void send_users(struct hr_pipeline *p, const struct hr_snapshot *s, struct hr_work *const *works, size_t count)
{
	struct user_group *g = hr_alloc(1, sizeof *g);
	HR_AUTO(hr_auto_free) uint8_t *done = NULL;
	size_t done_cap = 0;

	g->vector = hr_alloc(ENCODE_USERS * s->width, sizeof *g->vector);
	for (size_t i = count; i-- > 0;) {
		for (size_t j = 0; j < works[i]->user_count; j++) {
			const uint32_t user = works[i]->user[j];

			done = hr_grow(done, &done_cap, (size_t)user + 1, 1);
			if (!done[user])
				add_user(p, s, g, works[i], user);
			done[user] = 1;
		}
	}
	send_group(p, s, g);
	hr_batch_fini(&g->batch);
	hr_free(g->vector);
	hr_free(g);
}

static void send_marker(struct hr_pipeline *p, const struct hr_snapshot *s, const struct hr_barrier *row)
{
	Headrace__V1__Version version = HEADRACE__V1__VERSION__INIT;
	Headrace__V1__Refresh r = HEADRACE__V1__REFRESH__INIT;
	char digest[33];

	hr_hash128_hex(row->digest, digest);
	version.lineage = p->manifest.lineage;
	version.barrier = s->barrier;
	r.version = &version;
	r.space = p->manifest.space;
	r.items = p->publisher->items;
	r.users = p->publisher->users;
	r.watermark_ms = s->watermark_ms;
	r.digest = digest;
	send_message(p, s, p->config->output_items_topic, "", MARKER_KEY, strlen(MARKER_KEY), &r.base);
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

static void refresh(struct hr_pipeline *p, struct hr_work *const *works, size_t count)
{
	struct hr_publisher *pub = p->publisher;
	const struct hr_work *newest = works[count - 1];
	struct hr_error err;

	pub->items = pub->users = pub->tombstones = 0;
	hr_crash_point("before-refresh");
	send_items(p, newest->snapshot);
	send_expired(p, newest->snapshot);
	hr_crash_point("in-refresh");
	send_users(p, newest->snapshot, works, count);
	hr_crash_point("before-marker");
	send_marker(p, newest->snapshot, &newest->row);
	hr_crash_point("before-flush");
	while (!pub->abandoned && !hr_sink_flush(pub->sink, FLUSH_MS, &err))
		wait_out(p, &err);
	if (pub->abandoned)
		return;
	hr_crash_point("after-refresh");
	went_through(pub);
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
