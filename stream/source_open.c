#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "stream/source_priv.h"

#define OPEN_TIMEOUT_MS 15000
#define DOUBT_MS 2000         /* that a topic does not exist */
/* When the library fetches no more: all partitions together, as they share the consumer's queue, though what is under way
 * comes on top (128 MB in all with 16 partitions, 178 MB with 64). A full queue is looked at again after a second, so less
 * is slow: a fixed 4096 gave a third of the rate, 1024 a hundredth. */
#define PREFETCH_KBYTES "16384"

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
	static const struct hr_kafka_setting defaults[] = {
		{"check.crcs", "true"},
		{"queued.max.messages.kbytes", PREFETCH_KBYTES},
		{"fetch.error.backoff.ms", "100"}, /* between tries at a batch that can not be read */
		{0},
	};
	const struct hr_kafka_setting owned[] = {
		{"group.id", config->group_id != NULL ? config->group_id : "headrace"},
		{"enable.auto.commit", "false"},
		{"enable.auto.offset.store", "false"},
		{"auto.offset.reset", "error"},
		{"isolation.level", "read_committed"},
		{"enable.partition.eof", "true"}, /* says how far the log is known to hold nothing more */
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

void hr_source_describe_gap(int32_t partition, int64_t offset, int64_t start, int64_t end, char *gaps, size_t gaps_bytes)
{
	const size_t told = strlen(gaps);
	const char *comma = told > 0 ? "; " : "";
	char count[32];

	if (offset < start)
		(void)snprintf(gaps + told, gaps_bytes - told,
		               "%spartition %" PRId32 ": %s records gone: stored offset %" PRId64 ", log starts at %" PRId64, comma,
		               partition, with_commas(start - offset, count), offset, start);
	else
		(void)snprintf(gaps + told, gaps_bytes - told,
		               "%spartition %" PRId32 ": log cut short or made anew: stored offset %" PRId64
		               ", log ends at %" PRId64,
		               comma, partition, offset, end);
}

bool hr_source_ask_ends(struct hr_source *s, int32_t partition, int64_t *ret_start, int64_t *ret_end, struct hr_error *err)
{
	const rd_kafka_resp_err_t code =
		rd_kafka_query_watermark_offsets(s->kafka.rk, s->topic, partition, ret_start, ret_end, OPEN_TIMEOUT_MS);

	if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
		return true;
	(void)hr_fail(err, HR_E_BROKER, "topic \"%s\" partition %" PRId32 ": could not ask for its ends: %s", s->topic,
	              partition, rd_kafka_err2str(code));
	if (err != NULL)
		err->retriable = true;
	return hr_kafka_blame(&s->kafka, err);
}

/* Turns a wanted position into a real offset within the log, or adds to gaps why it is none. What lies behind the log's end
 * is no gap that can be accepted: it is another log, whose records would be taken for some that were read. */
static bool place_lane(struct hr_source *s, struct hr_lane *l, int64_t wanted, char *gaps, size_t gaps_bytes,
                       bool *ret_other_log, struct hr_error *err)
{
	int64_t start, end;

	if (!hr_source_ask_ends(s, l->partition, &start, &end, err))
		return false;
	l->end = end;
	l->next = wanted == HR_START_EARLIEST ? start : wanted == HR_START_LATEST ? end : wanted;
	if (l->next >= start && l->next <= end)
		return true;
	hr_source_describe_gap(l->partition, wanted, start, end, gaps, gaps_bytes);
	*ret_other_log |= wanted > end;
	l->next = start;
	return true;
}

static bool place_lanes(struct hr_source *s, const struct hr_position *positions, bool accept_gap, struct hr_error *err)
{
	char gaps[400] = "";
	bool other_log = false;
	uint32_t partitions;

	if (!hr_kafka_count_partitions(&s->kafka, s->topic, DOUBT_MS, OPEN_TIMEOUT_MS, &partitions, err))
		return false;
	for (size_t i = 0; i < s->lane_count; i++) {
		struct hr_lane *l = &s->lanes[i];

		if (positions[i].partition < 0 || (uint32_t)positions[i].partition >= partitions)
			return hr_fail(err, HR_E_CONFIG, "topic \"%s\" has no partition %" PRId32 ", it has 0..%" PRIu32, s->topic,
			               positions[i].partition, partitions - 1);
		if (hr_source_lane(s, positions[i].partition) != NULL)
			return hr_fail(err, HR_E_CONFIG, "partition %" PRId32 " is listed twice", positions[i].partition);
		hr_lane_init(l, positions[i].partition, positions[i].offset);
		if (!place_lane(s, l, positions[i].offset, gaps, sizeof gaps, &other_log, err))
			return false;
	}
	return gaps[0] == '\0' || (accept_gap && !other_log) || hr_fail(err, HR_E_CONFIG, "topic \"%s\": %s", s->topic, gaps);
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

/* A queue of its own for each partition, split off before the assignment would join them. */
static bool split_lanes(struct hr_source *s, struct hr_error *err)
{
	s->apart = hr_alloc(s->lane_count, sizeof *s->apart);
	for (size_t i = 0; i < s->lane_count; i++) {
		s->apart[i].queue = rd_kafka_queue_get_partition(s->kafka.rk, s->topic, s->lanes[i].partition);
		if (s->apart[i].queue == NULL)
			return hr_fail(err, HR_E_BROKER, "partition %" PRId32 " can not be read by itself", s->lanes[i].partition);
		rd_kafka_queue_forward(s->apart[i].queue, NULL);
	}
	return true;
}

static bool open_source(const struct hr_kafka_config *config, const char *topic, const struct hr_position *positions,
                        size_t count, bool accept_gap, bool apart, struct hr_source **ret_source, struct hr_error *err)
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
	if (open_client(s, config, err) && place_lanes(s, positions, accept_gap, err) && (!apart || split_lanes(s, err)) &&
	    assign_lanes(s, err)) {
		*ret_source = s;
		return true;
	}
	hr_source_close(s);
	return false;
}

bool hr_source_open_kafka(const struct hr_kafka_config *config, const char *topic, const struct hr_position *positions,
                          size_t count, bool accept_gap, struct hr_source **ret_source, struct hr_error *err)
{
	return open_source(config, topic, positions, count, accept_gap, false, ret_source, err);
}

bool hr_source_open_apart(const struct hr_kafka_config *config, const char *topic, const struct hr_position *positions,
                          size_t count, struct hr_source **ret_source, struct hr_error *err)
{
	return open_source(config, topic, positions, count, false, true, ret_source, err);
}

/* ---- questions ---- */

static void free_list(rd_kafka_topic_partition_list_t **list) { rd_kafka_topic_partition_list_destroy(*list); }

static rd_kafka_topic_partition_list_t *make_list(const char *topic, const struct hr_position *at, size_t count)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);

	for (size_t i = 0; i < count; i++)
		rd_kafka_topic_partition_list_add(list, topic, at[i].partition)->offset = at[i].offset;
	return list;
}

/* The library may sort the list: by partition, not by place. */
static bool read_list(const rd_kafka_topic_partition_list_t *list, const char *topic, struct hr_position *at, size_t count,
                      struct hr_error *err)
{
	for (size_t i = 0; i < count; i++) {
		const rd_kafka_topic_partition_t *found = rd_kafka_topic_partition_list_find(
			(rd_kafka_topic_partition_list_t *)list, topic, at[i].partition);

		HR_ASSERT(found != NULL);
		if (found->err != RD_KAFKA_RESP_ERR_NO_ERROR)
			return hr_fail(err, HR_E_BROKER, "topic \"%s\" partition %" PRId32 ": %s", topic, at[i].partition,
			               rd_kafka_err2str(found->err));
		at[i].offset = found->offset;
	}
	return true;
}

bool hr_source_committed(struct hr_source *s, struct hr_position *at, size_t count, int timeout_ms, struct hr_error *err)
{
	HR_AUTO(free_list) rd_kafka_topic_partition_list_t *list = make_list(s->topic, at, count);
	const rd_kafka_resp_err_t code = rd_kafka_committed(s->kafka.rk, list, timeout_ms);

	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		return hr_fail(err, HR_E_BROKER, "could not ask for the group's offsets: %s", rd_kafka_err2str(code));
	if (!read_list(list, s->topic, at, count, err))
		return false;
	for (size_t i = 0; i < count; i++)
		at[i].offset = at[i].offset < 0 ? -1 : at[i].offset;
	return true;
}

static bool ask_times(struct hr_kafka *k, const char *topic, struct hr_position *at, size_t count, int timeout_ms,
                      struct hr_error *err)
{
	HR_AUTO(free_list) rd_kafka_topic_partition_list_t *list = make_list(topic, at, count);
	uint32_t partitions;

	if (!hr_kafka_count_partitions(k, topic, DOUBT_MS, timeout_ms, &partitions, err))
		return false;
	const rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(k->rk, list, timeout_ms);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
		(void)hr_fail(err, HR_E_BROKER, "topic \"%s\": could not ask for offsets by time: %s", topic, rd_kafka_err2str(code));
		return hr_kafka_blame(k, err);
	}
	if (!read_list(list, topic, at, count, err))
		return false;
	for (size_t i = 0; i < count; i++)
		at[i].offset = at[i].offset < 0 ? HR_START_LATEST : at[i].offset;
	return true;
}

bool hr_kafka_offsets_at(const struct hr_kafka_config *config, const char *topic, int64_t time_ms, struct hr_position *at,
                         size_t count, int timeout_ms, struct hr_error *err)
{
	static const struct hr_kafka_setting none[] = {{0}};
	struct hr_kafka k = {0};

	for (size_t i = 0; i < count; i++)
		at[i].offset = time_ms;
	if (!hr_kafka_open(&k, RD_KAFKA_CONSUMER, config, none, none, rd_kafka_conf_new(), err))
		return false;
	const bool ok = ask_times(&k, topic, at, count, timeout_ms, err);
	hr_kafka_close(&k);
	return ok;
}
