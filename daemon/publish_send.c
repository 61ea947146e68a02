/* daemon/publish_send.c - records to the output topics: vectors, tombstones, the marker; and patience with the broker. */
#include <stdio.h>
#include <string.h>

#include "daemon/publish_priv.h"
#include "proto/proto.h"

enum { HEADERS = 3, TELL_AFTER_S = 10, STOP_AFTER_S = 10 };

/* Key of the record that ends a refresh: no id can be it, since ids hold no control characters. */
#define MARKER_KEY "\x01refresh"

/* Transient trouble is waited out, however long: the input's lag tells. Only a stop gives up, after a while. */
void hr_publish_wait_out(struct hr_pipeline *p, const struct hr_error *err)
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

void hr_publish_went_through(struct hr_publisher *pub)
{
	if (pub->told)
		hr_log(HR_LOG_INFO, "the broker takes vectors again", "seconds=%lld",
		       (long long)((hr_mono_us() - pub->stuck_us) / 1000000));
	pub->stuck_us = 0;
	pub->told = false;
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
		hr_publish_wait_out(p, &err);
	if (!p->publisher->abandoned)
		hr_publish_went_through(p->publisher);
}

void hr_publish_tombstone(struct hr_pipeline *p, Headrace__V1__Entity entity, const void *id, size_t id_len)
{
	const bool item = entity == HEADRACE__V1__ENTITY__ITEM;

	send_record(p, item ? p->config->output_items_topic : p->config->output_users_topic, item ? "item:" : "user:", id, id_len, NULL,
	            0, NULL, 0);
	p->publisher->tombstones++;
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
	p->publisher->vector_bytes += bytes;
	send_record(p, topic, prefix, id, id_len, b->p, bytes, headers, HEADERS);
}

void hr_publish_vector(struct hr_pipeline *p, const struct hr_snapshot *s, Headrace__V1__Entity entity, const void *id,
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

void hr_publish_marker(struct hr_pipeline *p, const struct hr_snapshot *s, const struct hr_barrier *row)
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
