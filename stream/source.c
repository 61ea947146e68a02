#include "stream/source.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/mem.h"
#include "stream/source_priv.h"

#define CLOSE_TIMEOUT_US 1000000 /* for the last commits to be answered */
#define LOST_MAX 20              /* times that the library may lose its place without a record in between */

struct hr_lane *hr_source_lane(struct hr_source *s, int32_t partition)
{
	if (s->recent != NULL && s->recent->partition == partition)
		return s->recent;
	for (size_t i = 0; i < s->lane_count; i++) {
		if (s->lanes[i].partition == partition)
			return s->recent = &s->lanes[i];
	}
	return NULL;
}

static void drop_batch(struct hr_fetched *b)
{
	for (size_t i = 0; i < b->count; i++)
		rd_kafka_message_destroy(b->message[i]);
	b->count = b->at = 0;
}

/* Waits for one message and takes what is there behind it: asked for a batch, the library waits until it is full. */
static void fetch_batch(rd_kafka_queue_t *queue, struct hr_fetched *b, size_t max, int timeout_ms)
{
	b->message = hr_grow(b->message, &b->cap, max, sizeof *b->message);
	if (rd_kafka_consume_batch_queue(queue, timeout_ms, b->message, 1) != 1)
		return;
	const ssize_t more = max > 1 ? rd_kafka_consume_batch_queue(queue, 0, b->message + 1, max - 1) : 0;
	b->count = 1 + (more > 0 ? (size_t)more : 0);
}

/* What was prefetched from before a seek is discarded by the library, but for the batch in hand. */
static void seek_lane(struct hr_source *s, struct hr_lane *l)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(list, s->topic, l->partition)->offset = hr_lane_wanted(l);
	/* 0: do not wait. Its failure shows as the same error at the next try. */
	rd_kafka_error_t *error = rd_kafka_seek_partitions(s->kafka.rk, list, 0);
	if (error != NULL)
		rd_kafka_error_destroy(error);
	rd_kafka_topic_partition_list_destroy(list);
	l->stale = true;
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

/* Hands out what was given up, for up to max records. */
static size_t take_failed(struct hr_lane *l, struct hr_record *out, size_t max)
{
	size_t n = 0;

	for (; n < max && l->next < l->fail_to; n++)
		out[n] = (struct hr_record){
			.partition = l->partition, .offset = l->next++, .timestamp_ms = -1, .failed = true};
	return n;
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
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR__FATAL: return true;
	default: return false;
	}
}

/* The library asked for an offset that is not there. It may be its own idea of one (lane.h); ours may have gone, too. */
static bool check_place(struct hr_source *s, const struct hr_lane *l, struct hr_error *err)
{
	const int64_t wanted = hr_lane_wanted(l);
	char gap[256] = "";
	int64_t start, end;

	if (!hr_source_ask_ends(s, l->partition, &start, &end, err))
		return false;
	if (wanted < start || wanted > end) {
		hr_source_describe_gap(l->partition, wanted, start, end, gap, sizeof gap);
		return hr_fail(err, HR_E_BROKER, "topic \"%s\": %s", s->topic, gap);
	}
	return l->lost < LOST_MAX ||
	       hr_fail(err, HR_E_BROKER, "topic \"%s\" partition %" PRId32 ": offset %" PRId64 " was asked for %u times in vain",
	               s->topic, l->partition, wanted, l->lost);
}

/* What a message is to its lane. False: the source can not go on. */
static bool classify(struct hr_source *s, const struct hr_lane *l, const rd_kafka_message_t *m,
                     enum hr_lane_input *ret_input, bool *ret_known, struct hr_error *err)
{
	*ret_known = true;
	if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
		*ret_input = HR_LANE_RECORD;
	} else if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		*ret_input = HR_LANE_END;
	} else if (is_record_error(m->err)) {
		*ret_input = HR_LANE_BAD;
	} else if (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
		*ret_input = HR_LANE_LOST;
		return check_place(s, l, err);
	} else {
		*ret_known = false; /* trouble that the library sits out */
	}
	return true;
}

/* The log's end where it matters; asking for it at each record would cost as much as reading one. */
static int64_t end_for(struct hr_source *s, const struct hr_lane *l, enum hr_lane_input input)
{
	return input == HR_LANE_BAD || l->probe >= 0 ? hr_source_end(s, l->partition) : -1;
}

/* Takes the batch's next message. */
static bool take_message(struct hr_source *s, struct hr_fetched *b, struct hr_record *out, bool *ret_filled, struct hr_error *err)
{
	const rd_kafka_message_t *m = b->message[b->at];
	struct hr_lane *l = hr_source_lane(s, m->partition);
	enum hr_lane_input input;
	bool known;

	*ret_filled = false;
	if (is_final_error(m->err))
		return hr_fail(err, HR_E_BROKER, "topic \"%s\" partition %" PRId32 ": %s", s->topic, m->partition,
		               rd_kafka_message_errstr(m));
	if (l != NULL && !l->stale) {
		if (!classify(s, l, m, &input, &known, err))
			return false;
		const enum hr_lane_action action = known ? hr_lane_take(l, input, m->offset, end_for(s, l, input)) : HR_LANE_SKIP;
		*ret_filled = action == HR_LANE_DELIVER;
		if (action == HR_LANE_DELIVER)
			view_record(m, out);
		else if (action == HR_LANE_SEEK)
			seek_lane(s, l);
	}
	b->at++;
	return true;
}

/* Behind the n records that out has already. */
static bool take_messages(struct hr_source *s, struct hr_fetched *b, struct hr_record *out, size_t max, size_t n,
                          size_t *ret_count, struct hr_error *err)
{
	bool filled;

	while (n < max && b->at < b->count) {
		if (!take_message(s, b, &out[n], &filled, err))
			return false;
		n += filled;
	}
	*ret_count = n;
	return true;
}

bool hr_source_poll(struct hr_source *s, struct hr_record *out, size_t max, int timeout_ms, size_t *ret_count,
                    struct hr_error *err)
{
	struct hr_fetched *b = &s->batch;
	size_t n = 0;

	HR_ASSERT(max > 0 && s->apart == NULL);
	for (size_t i = 0; i < s->lane_count; i++)
		n += take_failed(&s->lanes[i], out + n, max - n);
	if (b->at == b->count && n < max) {
		drop_batch(b);
		for (size_t i = 0; i < s->lane_count; i++)
			s->lanes[i].stale = false;
		fetch_batch(s->queue, b, max - n, n > 0 ? 0 : timeout_ms);
	}
	return take_messages(s, b, out, max, n, ret_count, err);
}

/* What is not of one partition: the client's callbacks and its own troubles. */
static bool serve_client(struct hr_source *s, struct hr_error *err)
{
	enum { SERVED_MAX = 16 };
	struct hr_fetched *b = &s->batch;
	struct hr_record none[SERVED_MAX];
	size_t count;

	drop_batch(b);
	fetch_batch(s->queue, b, SERVED_MAX, 0);
	const bool ok = take_messages(s, b, none, SERVED_MAX, 0, &count, err);
	HR_ASSERT(!ok || count == 0);
	return ok;
}

bool hr_source_poll_partition(struct hr_source *s, int32_t partition, struct hr_record *out, size_t max, int timeout_ms,
                              size_t *ret_count, struct hr_error *err)
{
	struct hr_lane *l = hr_source_lane(s, partition);
	HR_ASSERT(max > 0 && s->apart != NULL && l != NULL);
	struct hr_apart *a = &s->apart[l - s->lanes];
	const size_t n = take_failed(l, out, max);

	if (!serve_client(s, err))
		return false;
	if (a->batch.at == a->batch.count && n < max) {
		drop_batch(&a->batch);
		l->stale = false;
		fetch_batch(a->queue, &a->batch, max - n, n > 0 ? 0 : timeout_ms);
	}
	return take_messages(s, &a->batch, out, max, n, ret_count, err);
}

bool hr_source_reached(struct hr_source *s, int32_t partition, int64_t end)
{
	const struct hr_lane *l = hr_source_lane(s, partition);

	HR_ASSERT(l != NULL);
	return l->next >= end || l->clear_to >= end;
}

int64_t hr_source_end(struct hr_source *s, int32_t partition)
{
	const struct hr_lane *l = hr_source_lane(s, partition);
	int64_t start, end;

	if (l == NULL)
		return -1;
	if (rd_kafka_get_watermark_offsets(s->kafka.rk, s->topic, partition, &start, &end) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return l->end;
	return end > l->end ? end : l->end; /* nothing fetched yet: end is negative */
}

int64_t hr_source_position(struct hr_source *s, int32_t partition)
{
	const struct hr_lane *l = hr_source_lane(s, partition);

	HR_ASSERT(l != NULL);
	return l->next;
}

int64_t hr_source_lag(struct hr_source *s, int32_t partition, int64_t position)
{
	const struct hr_lane *l = hr_source_lane(s, partition);
	const int64_t end = hr_source_end(s, partition);

	if (end < 0)
		return -1;
	const int64_t from = position >= l->next && position < l->clear_to ? l->clear_to : position;
	return end > from ? end - from : 0;
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
		fetch_batch(s->queue, &s->batch, 64, 50);
		drop_batch(&s->batch);
	}
}

static void close_apart(struct hr_source *s)
{
	for (size_t i = 0; s->apart != NULL && i < s->lane_count; i++) {
		drop_batch(&s->apart[i].batch);
		hr_free(s->apart[i].batch.message);
		if (s->apart[i].queue != NULL)
			rd_kafka_queue_destroy(s->apart[i].queue);
	}
	hr_free(s->apart);
}

void hr_source_close(struct hr_source *s)
{
	if (s == NULL)
		return;
	drop_batch(&s->batch);
	close_apart(s);
	if (s->queue != NULL) {
		await_commits(s);
		rd_kafka_queue_destroy(s->queue);
	}
	hr_kafka_close(&s->kafka);
	hr_free(s->batch.message);
	hr_free(s->lanes);
	hr_free(s->topic);
	hr_free(s);
}
