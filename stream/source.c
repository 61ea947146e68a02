#include "stream/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "stream/kafka.h"

#define OPEN_TIMEOUT_MS 15000
#define DOUBT_MS 2000         /* that a topic does not exist */
#define CLOSE_TIMEOUT_US 1000000 /* for the last commits to be answered */
#define PREFETCH_KBYTES 65536    /* of all partitions together */
#define SAME_ERRORS_MAX 5        /* a record that can not be read so often in a row is stepped over */

/* One partition that is read. */
struct lane {
	int32_t partition;
	int64_t next;       /* offset of the next record to hand out */
	int64_t opened_end; /* log end when opened */
	int64_t gap;
	int64_t bad;         /* offset at which the library failed, not handed out yet; -1: none */
	unsigned bad_count;  /* how often in a row */
	int64_t given_up;    /* base offset of the batch that was stepped into; its other records are as unreadable; -1: none */
	bool sought;         /* what the batch in hand still has of this partition was fetched before a seek */
};

/* All of it belongs to the thread that polls; callbacks run in its calls. */
struct hr_source {
	struct hr_kafka kafka; /* first: the client's opaque */
	rd_kafka_queue_t *queue;
	char *topic;
	struct lane *lanes;
	size_t lane_count;
	rd_kafka_message_t **batch; /* from the last consume; views handed out point into it */
	size_t batch_cap, batch_count, batch_at;
	uint64_t commit_failures;
	unsigned commits_open;
};

static struct lane *find_lane(struct hr_source *s, int32_t partition)
{
	for (size_t i = 0; i < s->lane_count; i++) {
		if (s->lanes[i].partition == partition)
			return &s->lanes[i];
	}
	return NULL;
}

/* ---- open ---- */

static void count_commit(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *offsets, void *opaque)
{
	struct hr_source *s = (struct hr_source *)hr_kafka_of(opaque);

	(void)rk;
	(void)offsets;
	s->commits_open--;
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		s->commit_failures++;
}

static bool open_client(struct hr_source *s, const struct hr_kafka_config *config, struct hr_error *err)
{
	const size_t share = PREFETCH_KBYTES / s->lane_count;
	char prefetch[16];

	(void)snprintf(prefetch, sizeof prefetch, "%zu", share < 1024 ? (size_t)1024 : share);
	const struct hr_kafka_setting defaults[] = {
		{"check.crcs", "true"},
		{"queued.max.messages.kbytes", prefetch},
		{"fetch.error.backoff.ms", "100"}, /* between tries at a record that can not be read */
		{0},
	};
	const struct hr_kafka_setting owned[] = {
		{"group.id", config->group_id != NULL ? config->group_id : "headrace"},
		{"enable.auto.commit", "false"},
		{"enable.auto.offset.store", "false"},
		{"auto.offset.reset", "error"},
		{"isolation.level", "read_committed"},
		/* Nothing of a group is used but its commits. One that waits for a broker that is gone holds up the client's end
		 * for this long (45 s by default). */
		{"session.timeout.ms", "3000"},
		{0},
	};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	rd_kafka_conf_set_offset_commit_cb(conf, count_commit);
	if (!hr_kafka_open(&s->kafka, RD_KAFKA_CONSUMER, config, defaults, owned, conf, err))
		return false;
	(void)rd_kafka_poll_set_consumer(s->kafka.rk);
	s->queue = rd_kafka_queue_get_consumer(s->kafka.rk);
	return true;
}

/* 1204 as "1,204" */
static const char *with_commas(int64_t n, char out[32])
{
	char digits[24];
	const int len = snprintf(digits, sizeof digits, "%" PRId64, n);
	int at = 0;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}

/* Says in gaps (a list) what lies between a stored offset and the log. */
static void describe_gap(const struct lane *l, int64_t stored, int64_t start, int64_t end, char *gaps, size_t gaps_bytes)
{
	const size_t told = strlen(gaps);
	const char *comma = told > 0 ? "; " : "";
	char count[32];

	if (stored < start)
		(void)snprintf(gaps + told, gaps_bytes - told,
		               "%spartition %" PRId32 ": %s records gone: stored offset %" PRId64 ", log starts at %" PRId64, comma,
		               l->partition, with_commas(start - stored, count), stored, start);
	else
		(void)snprintf(gaps + told, gaps_bytes - told,
		               "%spartition %" PRId32 ": log cut short or made anew: stored offset %" PRId64
		               ", log ends at %" PRId64,
		               comma, l->partition, stored, end);
}

/* Turns a wanted position into a real offset within the log, or adds to gaps why it is none. */
static bool place_lane(struct hr_source *s, struct lane *l, int64_t wanted, char *gaps, size_t gaps_bytes,
                       struct hr_error *err)
{
	int64_t start, end;
	const rd_kafka_resp_err_t code =
		rd_kafka_query_watermark_offsets(s->kafka.rk, s->topic, l->partition, &start, &end, OPEN_TIMEOUT_MS);

	if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
		(void)hr_fail(err, HR_E_BROKER, "topic \"%s\" partition %" PRId32 ": could not ask for its ends: %s", s->topic,
		              l->partition, rd_kafka_err2str(code));
		return hr_kafka_blame(&s->kafka, err);
	}
	l->opened_end = end;
	l->next = wanted == HR_START_EARLIEST ? start : wanted == HR_START_LATEST ? end : wanted;
	if (l->next >= start && l->next <= end)
		return true;
	describe_gap(l, wanted, start, end, gaps, gaps_bytes);
	l->gap = wanted < start ? start - wanted : 0;
	l->next = start;
	return true;
}

static bool place_lanes(struct hr_source *s, const struct hr_position *positions, bool accept_gap, struct hr_error *err)
{
	char gaps[400] = "";
	uint32_t partitions;

	if (!hr_kafka_count_partitions(&s->kafka, s->topic, DOUBT_MS, OPEN_TIMEOUT_MS, &partitions, err))
		return false;
	for (size_t i = 0; i < s->lane_count; i++) {
		struct lane *l = &s->lanes[i];

		if (positions[i].partition < 0 || (uint32_t)positions[i].partition >= partitions)
			return hr_fail(err, HR_E_CONFIG, "topic \"%s\" has no partition %" PRId32 ", it has 0..%" PRIu32, s->topic,
			               positions[i].partition, partitions - 1);
		if (find_lane(s, positions[i].partition) != NULL)
			return hr_fail(err, HR_E_CONFIG, "partition %" PRId32 " is listed twice", positions[i].partition);
		*l = (struct lane){.partition = positions[i].partition, .bad = -1, .given_up = -1};
		if (!place_lane(s, l, positions[i].offset, gaps, sizeof gaps, err))
			return false;
	}
	return gaps[0] == '\0' || accept_gap || hr_fail(err, HR_E_CONFIG, "topic \"%s\": %s", s->topic, gaps);
}

static bool assign_lanes(struct hr_source *s, struct hr_error *err)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)s->lane_count);

	for (size_t i = 0; i < s->lane_count; i++)
		rd_kafka_topic_partition_list_add(list, s->topic, s->lanes[i].partition)->offset = s->lanes[i].next;
	const rd_kafka_resp_err_t code = rd_kafka_assign(s->kafka.rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
	       hr_fail(err, HR_E_BROKER, "could not assign partitions: %s", rd_kafka_err2str(code));
}

bool hr_source_open_kafka(const struct hr_kafka_config *config, const char *topic, const struct hr_position *positions,
                          size_t count, bool accept_gap, struct hr_source **ret_source, struct hr_error *err)
{
	struct hr_source *s = hr_alloc(1, sizeof *s);
	const size_t topic_bytes = strlen(topic) + 1;

	HR_ASSERT(count > 0);
	s->topic = hr_alloc(topic_bytes, 1);
	memcpy(s->topic, topic, topic_bytes);
	s->lanes = hr_alloc(count, sizeof *s->lanes);
	for (size_t i = 0; i < count; i++)
		s->lanes[i].partition = -1; /* not placed yet */
	s->lane_count = count;
	if (open_client(s, config, err) && place_lanes(s, positions, accept_gap, err) && assign_lanes(s, err)) {
		*ret_source = s;
		return true;
	}
	hr_source_close(s);
	return false;
}

/* ---- poll ---- */

static void drop_batch(struct hr_source *s)
{
	for (size_t i = 0; i < s->batch_count; i++)
		rd_kafka_message_destroy(s->batch[i]);
	s->batch_count = s->batch_at = 0;
}

/* Waits for one message and takes what is there behind it: asked for a batch, the library waits until it is full. */
static void fetch_batch(struct hr_source *s, size_t max, int timeout_ms)
{
	s->batch = hr_grow(s->batch, &s->batch_cap, max, sizeof *s->batch);
	for (size_t i = 0; i < s->lane_count; i++)
		s->lanes[i].sought = false;
	if (rd_kafka_consume_batch_queue(s->queue, timeout_ms, s->batch, 1) != 1)
		return;
	const ssize_t more = max > 1 ? rd_kafka_consume_batch_queue(s->queue, 0, s->batch + 1, max - 1) : 0;
	s->batch_count = 1 + (more > 0 ? (size_t)more : 0);
}

/* Reads on at an offset of our choice. What is prefetched from before it is discarded by the library. */
static void seek_lane(struct hr_source *s, struct lane *l)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	l->sought = true;
	rd_kafka_topic_partition_list_add(list, s->topic, l->partition)->offset = l->next;
	/* 0: do not wait. Its failure shows as the same error at the next try. */
	rd_kafka_error_t *error = rd_kafka_seek_partitions(s->kafka.rk, list, 0);
	if (error != NULL)
		rd_kafka_error_destroy(error);
	rd_kafka_topic_partition_list_destroy(list);
}

/* Hands out the record that could not be read, so that its offset is accounted for. */
static void give_up_record(struct lane *l, int64_t offset, struct hr_record *out)
{
	*out = (struct hr_record){.partition = l->partition, .offset = offset, .timestamp_ms = -1, .failed = true};
	l->next = offset + 1;
	l->bad = -1;
	l->bad_count = 0;
}

static void view_record(const rd_kafka_message_t *m, struct hr_record *out)
{
	*out = (struct hr_record){
		.key = m->key,
		.key_len = m->key_len,
		.value = m->payload,
		.value_len = m->len,
		.offset = m->offset,
		.timestamp_ms = rd_kafka_message_timestamp(m, NULL),
		.partition = m->partition,
	};
}

/* Errors that come from the bytes of the log: the same bytes will give the same error. */
static bool is_record_error(rd_kafka_resp_err_t code)
{
	switch (code) {
	case RD_KAFKA_RESP_ERR__BAD_MSG:
	case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
	case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED: /* an unknown codec or message version */
	case RD_KAFKA_RESP_ERR_INVALID_MSG: /* CORRUPT_MESSAGE */
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE: return true;
	default: return false;
	}
}

/* Errors after which this source reads nothing more. */
static bool is_final_error(rd_kafka_resp_err_t code)
{
	switch (code) {
	case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
	case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR__FATAL: return true;
	default: return false;
	}
}

/* The library refused a batch: it gives the batch's first offset, which may lie before ours. Its bytes may have been
 * damaged on the way, so it is tried again; then it is stepped through, one record a try, because where it ends is
 * not known. True when out was filled. */
static bool take_bad(struct hr_source *s, struct lane *l, const rd_kafka_message_t *m, struct hr_record *out)
{
	const int64_t at = m->offset > l->next ? m->offset : l->next;

	l->bad_count = at == l->bad ? l->bad_count + 1 : 1;
	l->bad = at;
	if (l->bad_count < SAME_ERRORS_MAX && m->offset != l->given_up)
		return false;
	l->given_up = m->offset;
	give_up_record(l, at, out);
	seek_lane(s, l);
	return true;
}

/* A record behind one that failed: the library went on by itself, so the failed one comes first. False: m stays. */
static bool take_good(struct lane *l, const rd_kafka_message_t *m, struct hr_record *out, bool *ret_filled)
{
	*ret_filled = m->offset >= l->next; /* else it was read before a seek */
	if (!*ret_filled)
		return true;
	if (l->bad >= 0 && l->bad < m->offset) {
		give_up_record(l, l->bad, out);
		return false;
	}
	l->bad = -1;
	l->bad_count = 0;
	l->next = m->offset + 1;
	view_record(m, out);
	return true;
}

/* Takes the batch's next message, or a part of what it says. */
static bool take_message(struct hr_source *s, struct hr_record *out, bool *ret_filled, struct hr_error *err)
{
	const rd_kafka_message_t *m = s->batch[s->batch_at];
	struct lane *l = find_lane(s, m->partition);

	*ret_filled = false;
	if (is_final_error(m->err))
		return hr_fail(err, HR_E_BROKER, "topic \"%s\" partition %" PRId32 ": %s", s->topic, m->partition,
		               rd_kafka_message_errstr(m));
	if (l == NULL || l->sought) {
		/* nobody's, or to be fetched again */
	} else if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
		if (!take_good(l, m, out, ret_filled))
			return true;
	} else if (is_record_error(m->err)) {
		*ret_filled = take_bad(s, l, m, out);
	} /* else: trouble that the library sits out */
	s->batch_at++;
	return true;
}

bool hr_source_poll(struct hr_source *s, struct hr_record *out, size_t max, int timeout_ms, size_t *ret_count,
                    struct hr_error *err)
{
	size_t n = 0;
	bool filled;

	HR_ASSERT(max > 0);
	if (s->batch_at == s->batch_count) {
		drop_batch(s);
		fetch_batch(s, max, timeout_ms);
	}
	while (n < max && s->batch_at < s->batch_count) {
		if (!take_message(s, &out[n], &filled, err))
			return false;
		n += filled;
	}
	*ret_count = n;
	return true;
}

/* ---- the rest ---- */

int64_t hr_source_end(struct hr_source *s, int32_t partition)
{
	const struct lane *l = find_lane(s, partition);
	int64_t start, end;

	if (l == NULL)
		return -1;
	if (rd_kafka_get_watermark_offsets(s->kafka.rk, s->topic, partition, &start, &end) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return l->opened_end;
	return end > l->opened_end ? end : l->opened_end; /* nothing fetched yet: end is negative */
}

int64_t hr_source_position(struct hr_source *s, int32_t partition)
{
	const struct lane *l = find_lane(s, partition);

	HR_ASSERT(l != NULL);
	return l->next;
}

int64_t hr_source_lag(struct hr_source *s, int32_t partition, int64_t position)
{
	const int64_t end = hr_source_end(s, partition);

	return end < 0 ? -1 : end > position ? end - position : 0;
}

int64_t hr_source_gap(struct hr_source *s, int32_t partition)
{
	const struct lane *l = find_lane(s, partition);

	return l != NULL ? l->gap : 0;
}

void hr_source_commit(struct hr_source *s, const struct hr_position *positions, size_t count)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);

	for (size_t i = 0; i < count; i++)
		rd_kafka_topic_partition_list_add(list, s->topic, positions[i].partition)->offset = positions[i].offset;
	if (rd_kafka_commit(s->kafka.rk, list, /* async */ 1) == RD_KAFKA_RESP_ERR_NO_ERROR)
		s->commits_open++;
	else
		s->commit_failures++;
	rd_kafka_topic_partition_list_destroy(list);
}

uint64_t hr_source_commit_failures(const struct hr_source *s) { return s->commit_failures; }

/* Serves callbacks, dropping records, until the last commits are answered or the time is over. */
static void await_commits(struct hr_source *s)
{
	const int64_t end = hr_mono_us() + CLOSE_TIMEOUT_US;

	while (s->commits_open > 0 && hr_mono_us() < end) {
		fetch_batch(s, 64, 50);
		drop_batch(s);
	}
}

void hr_source_close(struct hr_source *s)
{
	if (s == NULL)
		return;
	drop_batch(s);
	if (s->queue != NULL) {
		await_commits(s);
		rd_kafka_queue_destroy(s->queue);
	}
	hr_kafka_close(&s->kafka);
	hr_free(s->batch);
	hr_free(s->lanes);
	hr_free(s->topic);
	hr_free(s);
}
