#include "stream/sink.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "stream/kafka.h"

#define FULL_WAIT_MS 60000    /* how long a send waits for room, unless told otherwise */
#define RESENDS_MAX 3
#define POLL_EVERY 64         /* sends between two looks at delivery reports */

/* All of it belongs to the thread that sends; delivery reports are served in its calls. */
struct hr_sink {
	struct hr_kafka kafka; /* first: the client's opaque */
	int full_wait_ms;
	uint64_t sent, failed; /* failed: since the last flush */
	char first_failure[256];
	_Atomic uint64_t delivered; /* written by the owner, read by any thread */
};

/* Failures of a whole batch for the sake of one record in it, or of a broker that may be well again by now. The library
 * (before 2.4) does not retry the first kind. */
static bool is_worth_resending(rd_kafka_resp_err_t code)
{
	switch (code) {
	case RD_KAFKA_RESP_ERR_INVALID_MSG: /* CORRUPT_MESSAGE */
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
	case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
	case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
	case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
	case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
	case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR: return true;
	default: return false;
	}
}

/* A record's opaque is its timestamp and, in the low bits, how often it was re-sent: the report of a failed record has
 * no timestamp. */
enum { RESEND_BITS = 2, RESEND_MASK = (1 << RESEND_BITS) - 1 };
_Static_assert(RESENDS_MAX <= RESEND_MASK && sizeof(uintptr_t) >= sizeof(int64_t), "the opaque is too small");

static void *make_opaque(int64_t timestamp_ms) { return (void *)((uintptr_t)timestamp_ms << RESEND_BITS); }

/* Queues a copy of a reported record. */
static bool resend(rd_kafka_t *rk, const rd_kafka_message_t *m)
{
	const uintptr_t opaque = (uintptr_t)m->_private;
	rd_kafka_headers_t *headers = NULL;

	if ((opaque & RESEND_MASK) >= RESENDS_MAX || !is_worth_resending(m->err))
		return false;
	const bool has_headers = rd_kafka_message_detach_headers((rd_kafka_message_t *)(uintptr_t)m, &headers) ==
	                         RD_KAFKA_RESP_ERR_NO_ERROR;
	const rd_kafka_resp_err_t code = rd_kafka_producev(
		rk, RD_KAFKA_V_RKT(m->rkt), RD_KAFKA_V_KEY(m->key, m->key_len), RD_KAFKA_V_VALUE(m->payload, m->len),
		RD_KAFKA_V_TIMESTAMP((int64_t)(opaque >> RESEND_BITS)), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
		RD_KAFKA_V_OPAQUE((void *)(opaque + 1)), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR && has_headers)
		rd_kafka_headers_destroy(headers);
	return code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void take_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	struct hr_sink *s = (struct hr_sink *)hr_kafka_of(opaque);

	if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
		atomic_fetch_add_explicit(&s->delivered, 1, memory_order_relaxed);
		return;
	}
	if (resend(rk, m))
		return;
	if (s->failed++ == 0)
		(void)snprintf(s->first_failure, sizeof s->first_failure, "topic \"%s\" partition %" PRId32 ": %s",
		               rd_kafka_topic_name(m->rkt), m->partition, rd_kafka_err2str(m->err));
}

bool hr_sink_open(const struct hr_kafka_config *config, struct hr_sink **ret_sink, struct hr_error *err)
{
	static const struct hr_kafka_setting defaults[] = {
		{"compression.type", "lz4"},
		{"linger.ms", "20"},                    /* larger batches; a flush does not wait for it */
		{"queue.buffering.max.kbytes", "65536"}, /* the library's own bound is a gigabyte */
		{"message.timeout.ms", "0"},             /* a broker that is away is waited for, however long */
		{0},
	};
	static const struct hr_kafka_setting owned[] = {
		{"enable.idempotence", "true"},
		{"partitioner", "murmur2_random"},
		{0},
	};
	struct hr_sink *s = hr_alloc(1, sizeof *s);
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	s->full_wait_ms = FULL_WAIT_MS;
	rd_kafka_conf_set_dr_msg_cb(conf, take_report);
	if (!hr_kafka_open(&s->kafka, RD_KAFKA_PRODUCER, config, defaults, owned, conf, err)) {
		hr_free(s);
		return false;
	}
	*ret_sink = s;
	return true;
}

void hr_sink_patience(struct hr_sink *s, int full_wait_ms) { s->full_wait_ms = full_wait_ms; }

static rd_kafka_headers_t *copy_headers(const struct hr_header *headers, size_t count)
{
	rd_kafka_headers_t *copy = count > 0 ? rd_kafka_headers_new(count) : NULL;

	for (size_t i = 0; i < count; i++)
		(void)rd_kafka_header_add(copy, headers[i].name, -1, headers[i].value, (ssize_t)headers[i].value_len);
	return copy;
}

static bool fail_send(struct hr_sink *s, const char *topic, rd_kafka_resp_err_t code, struct hr_error *err)
{
	char why[256];

	if (code == RD_KAFKA_RESP_ERR__FATAL) {
		const rd_kafka_resp_err_t cause = rd_kafka_fatal_error(s->kafka.rk, why, sizeof why);
		return hr_fail(err, HR_E_BROKER, "the producer can not go on: %s: %s", rd_kafka_err2name(cause), why);
	}
	if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
		return hr_fail(err, HR_E_BROKER, "topic \"%s\": could not send: %s", topic, rd_kafka_err2str(code));
	(void)hr_fail(err, HR_E_BROKER, "topic \"%s\": %d records wait and none was taken for %d ms", topic,
	              rd_kafka_outq_len(s->kafka.rk), s->full_wait_ms);
	if (err != NULL)
		err->retriable = true;
	return hr_kafka_blame(&s->kafka, err);
}

bool hr_sink_send(struct hr_sink *s, const char *topic, const void *key, size_t key_len, const void *value,
                  size_t value_len, int64_t timestamp_ms, const struct hr_header *headers, size_t header_count,
                  struct hr_error *err)
{
	const int64_t end = hr_mono_us() + (int64_t)s->full_wait_ms * 1000;
	const int64_t timestamp = timestamp_ms < 0 ? 0 : timestamp_ms; /* 0: now */
	rd_kafka_headers_t *copy = copy_headers(headers, header_count);
	rd_kafka_resp_err_t code;

	if (s->sent++ % POLL_EVERY == 0)
		(void)rd_kafka_poll(s->kafka.rk, 0);
	for (;;) {
		code = rd_kafka_producev(s->kafka.rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key, key_len),
		                         RD_KAFKA_V_VALUE((void *)(uintptr_t)value, value_len),
		                         RD_KAFKA_V_TIMESTAMP(timestamp), RD_KAFKA_V_OPAQUE(make_opaque(timestamp)),
		                         RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(copy), RD_KAFKA_V_END);
		if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL || hr_mono_us() >= end)
			break;
		(void)rd_kafka_poll(s->kafka.rk, 100);
	}
	if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
		return true; /* the headers are the library's now */
	if (copy != NULL)
		rd_kafka_headers_destroy(copy);
	return fail_send(s, topic, code, err);
}

bool hr_sink_flush(struct hr_sink *s, int timeout_ms, struct hr_error *err)
{
	char why[256];

	(void)rd_kafka_flush(s->kafka.rk, timeout_ms);
	const int left = rd_kafka_outq_len(s->kafka.rk);
	const rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(s->kafka.rk, why, sizeof why);
	const uint64_t failed = s->failed;
	s->failed = 0;
	if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR)
		return hr_fail(err, HR_E_BROKER, "the producer can not go on: %s: %s", rd_kafka_err2name(fatal), why);
	if (failed > 0)
		return hr_fail(err, HR_E_BROKER, "%" PRIu64 " records were not taken, the first: %s", failed, s->first_failure);
	if (left == 0)
		return true;
	(void)hr_fail(err, HR_E_BROKER, "%d records not acknowledged within %d ms", left, timeout_ms);
	if (err != NULL)
		err->retriable = true;
	return hr_kafka_blame(&s->kafka, err);
}

uint64_t hr_sink_delivered(const struct hr_sink *s) { return atomic_load_explicit(&s->delivered, memory_order_relaxed); }

void hr_sink_close(struct hr_sink *s, int timeout_ms)
{
	if (s == NULL)
		return;
	if (rd_kafka_flush(s->kafka.rk, timeout_ms) != RD_KAFKA_RESP_ERR_NO_ERROR) {
		(void)rd_kafka_purge(s->kafka.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
		(void)rd_kafka_flush(s->kafka.rk, 100); /* takes the reports of what was purged */
	}
	hr_kafka_close(&s->kafka);
	hr_free(s);
}
