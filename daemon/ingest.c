/* daemon/ingest.c - the ingest thread: records in, steps and barriers out. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "daemon/priv.h"
#include "proto/proto.h"

enum {
	POLL_RECORDS = 1024, /* taken from the client library at once */
	GROUP = 64,          /* records under one hold of the lock */
	POLL_WAIT_MS = 100,
	ASK_MS = 10000,      /* for one question to the broker */
	COMMITTED_MS = 3000, /* for the offsets of the group, which are only told */
};

static struct hr_partition *account_of(struct hr_pipeline *p, int32_t partition)
{
	const struct hr_barrier *a = hr_intake_account(p->intake);

	for (size_t i = 0; i < a->partition_count; i++) {
		if (a->partition[i].partition == partition)
			return &a->partition[i];
	}
	HR_ASSERT(false && "a record of a partition that was not assigned");
	return NULL;
}

/* A stored position is proved by the record in front of it: another record there means another log. */
static bool check_continuity(struct hr_pipeline *p, const struct hr_record *r, struct hr_error *err)
{
	const struct hr_barrier *a = hr_intake_account(p->intake);
	const struct hr_partition *at = account_of(p, r->partition);
	bool *checked = &p->checked[at - a->partition];

	if (*checked)
		return true;
	*checked = true;
	if (r->offset != at->offset - 1 || r->failed || hr_record_fingerprint(r) == at->fingerprint)
		return true;
	return hr_fail(err, HR_E_CONFIG,
	               "partition %d: the record at offset %lld is not the one this state was built from: topic %s was "
	               "re-created or truncated; start with an empty state, or restore one that fits",
	               r->partition, (long long)r->offset, p->config->events_topic);
}

void hr_ingest_push(struct hr_pipeline *p, struct hr_work *w)
{
	if (!hr_queue_push(p->steps, w))
		hr_work_free(w); /* closed: the process is on its way out, the state stays at its last barrier */
}

/* A barrier is due: time or records since the last one, and something to write. */
static bool barrier_due(struct hr_pipeline *p)
{
	const struct hr_config *c = p->config;

	return hr_intake_changed(p->intake) &&
	       (hr_mono_us() - p->last_barrier_us >= (int64_t)c->barrier_interval * 1000 ||
	        hr_intake_events_since_barrier(p->intake) >= c->barrier_events);
}

/* Twice the interval without one: too few events make steps, or none do, as in a stream of bad records. */
static bool barrier_overdue(struct hr_pipeline *p)
{
	return hr_mono_us() - p->last_barrier_us >= 2 * (int64_t)p->config->barrier_interval * 1000;
}

/* Ingest's half of the next barrier; under the lock, at a step boundary. */
static struct hr_work *make_barrier(struct hr_pipeline *p)
{
	const int64_t began = hr_mono_us();
	struct hr_work *w = hr_intake_barrier(p->intake, ++p->asked, atomic_load(&p->published));

	p->last_barrier_us = hr_mono_us();
	hr_metric_set(hr_metric_of(p->metrics, HR_M_BARRIER_STALL), (double)(p->last_barrier_us - began) * 1e-6);
	return w;
}

static void take_record(struct hr_pipeline *p, const struct hr_record *r)
{
	enum hr_reject why = HR_ACCEPTED;

	if (r->offset < account_of(p, r->partition)->offset)
		return; /* the record in front of a stored position: read for its fingerprint only */
	const enum hr_outcome outcome = hr_intake_record(p->intake, r, p->decoder, &why);
	hr_metrics_outcome(p->metrics, outcome, why);
}

/* An event is taken by its value, but only records of one key come in the order in which they were sent. */
static void tell_other_keys(struct hr_pipeline *p)
{
	struct hr_metric *told = hr_metric_of(p->metrics, HR_M_OTHER_KEYS);
	const uint64_t before = hr_metric_count(told), now = hr_intake_other_keys(p->intake);

	if (before == 0 && now != 0)
		hr_log(HR_LOG_WARNING,
		       "events come under a key that is not their user: they are taken, but the order of a user's events is not kept",
		       "topic=%s", p->config->events_topic);
	hr_metric_add(told, now - before);
}

/* One group of records under one hold of the lock; what is ready is pushed after it, since a push may wait. */
static void take_group(struct hr_pipeline *p, const struct hr_record *records, size_t count)
{
	struct hr_work *ready[2 * GROUP];
	size_t n = 0;
	bool due = barrier_due(p);

	hr_intake_lock(p->intake);
	hr_intake_fetch(p->intake, records, count, p->decoder);
	for (size_t i = 0; i < count; i++) {
		take_record(p, &records[i]);
		if (!hr_intake_step_due(p->intake))
			continue;
		ready[n++] = hr_intake_step(p->intake);
		if (due)
			ready[n++] = make_barrier(p);
		due = false;
	}
	hr_intake_unlock(p->intake);
	for (size_t i = 0; i < n; i++)
		hr_ingest_push(p, ready[i]);
}

static void take_all(struct hr_pipeline *p, const struct hr_record *records, size_t count)
{
	struct hr_error err;

	for (size_t i = 0; i < count; i++) {
		if (!check_continuity(p, &records[i], &err))
			hr_pipeline_die("the input does not continue the state", &err);
	}
	for (size_t i = 0; i < count; i += GROUP)
		take_group(p, records + i, count - i < GROUP ? count - i : GROUP);
	tell_other_keys(p);
}

/* A barrier that does not wait for a full step: the stream is idle, or ends, or brings too few events. */
void hr_ingest_barrier(struct hr_pipeline *p)
{
	struct hr_work *step = NULL;

	hr_intake_lock(p->intake);
	if (hr_intake_pending(p->intake) != 0)
		step = hr_intake_step(p->intake);
	struct hr_work *barrier = make_barrier(p);
	hr_intake_unlock(p->intake);
	if (step != NULL)
		hr_ingest_push(p, step);
	hr_ingest_push(p, barrier);
}

/* False: it says nothing that can be read. */
static bool describe_item(struct hr_pipeline *p, const struct hr_record *r)
{
	if (r->failed || r->value_len > HR_RECORD_MAX)
		return false;
	if (r->value == NULL) {
		hr_intake_lock(p->intake);
		hr_intake_item_gone(p->intake, r->key, r->key == NULL ? 0 : r->key_len);
		hr_intake_unlock(p->intake);
		return true;
	}
	Headrace__V1__Item *item = headrace__v1__item__unpack(NULL, r->value_len, r->value);
	const bool named = item != NULL && item->id.len >= 1 && item->id.len <= HR_ID_MAX;
	if (named) {
		hr_intake_lock(p->intake);
		hr_intake_item(p->intake, item->id.data, item->id.len, item->title, (const char *const *)item->category,
		               item->n_category, (const char *const *)item->tag, item->n_tag, isfinite(item->price) ? item->price : 0);
		hr_intake_unlock(p->intake);
	}
	headrace__v1__item__free_unpacked(item, NULL);
	return named;
}

/* Some of what waits on the items topic: enough that a catalogue is read in no time, bounded so that events do not wait. */
static void poll_items(struct hr_pipeline *p)
{
	enum { TURNS = 32 };
	struct hr_record records[GROUP];
	struct hr_error err;
	size_t count = 1;

	for (int turn = 0; turn < TURNS && p->items != NULL && count != 0; turn++) {
		if (!hr_source_poll(p->items, records, GROUP, 0, &count, &err))
			hr_pipeline_die("the items topic can not be read", &err);
		for (size_t i = 0; i < count; i++)
			hr_metric_add(hr_metric_of(p->metrics, HR_M_ITEMS_REFUSED), !describe_item(p, &records[i]));
	}
}

/* Tells the broker how far the durable state is, for lag tools; state stays the only truth. */
void hr_ingest_commit(struct hr_pipeline *p)
{
	HR_AUTO(hr_auto_free) struct hr_position *at = NULL;
	size_t count = 0;

	(void)pthread_mutex_lock(&p->lock);
	if (p->commit_due) {
		count = p->committed.partition_count;
		at = hr_alloc(count, sizeof *at);
		for (size_t i = 0; i < count; i++)
			at[i] = (struct hr_position){p->committed.partition[i].partition, p->committed.partition[i].offset};
		p->commit_due = false;
	}
	(void)pthread_mutex_unlock(&p->lock);
	if (count != 0)
		hr_source_commit(p->source, at, count);
}

/* Brings a counter up to the running number that another module keeps. */
static void catch_up(struct hr_metric *counter, uint64_t now) { hr_metric_add(counter, now - hr_metric_count(counter)); }

static void tell_lag(struct hr_pipeline *p)
{
	const struct hr_barrier *a = hr_intake_account(p->intake);
	int64_t lag = 0;

	for (size_t i = 0; i < a->partition_count; i++) {
		const int64_t one = hr_source_lag(p->source, a->partition[i].partition, a->partition[i].offset);
		lag += one > 0 ? one : 0;
	}
	p->lag = lag;
	hr_metric_set(hr_metric_of(p->metrics, HR_M_LAG), (double)lag);
	if (a->watermark_ms != INT64_MIN)
		hr_metric_set(hr_metric_of(p->metrics, HR_M_STREAM_TIME), (double)a->watermark_ms / 1000);
	hr_metric_set(hr_metric_of(p->metrics, HR_M_USERS), (double)hr_histories_count(hr_intake_histories(p->intake)));
	hr_metric_set(hr_metric_of(p->metrics, HR_M_ITEMS), (double)hr_catalogue_count(hr_intake_catalogue(p->intake)));
	hr_metric_set(hr_metric_of(p->metrics, HR_M_QUEUE_DEPTH), (double)hr_queue_depth(p->steps));
	catch_up(hr_metric_of(p->metrics, HR_M_QUEUE_WAITS), hr_queue_waits(p->steps));
	catch_up(hr_metric_of(p->metrics, HR_M_COMMIT_FAILURES), hr_source_commit_failures(p->source));
}

/* Below the floor of free space nothing is taken; what was taken becomes durable. */
static bool hold_for_disk(struct hr_pipeline *p)
{
	const bool was_low = p->disk.low;
	uint64_t free_bytes = UINT64_MAX;
	const bool low = hr_disk_low(&p->disk, hr_mono_us(), &free_bytes);

	if (free_bytes != UINT64_MAX)
		hr_metric_set(hr_metric_of(p->metrics, HR_M_DISK_FREE), (double)free_bytes);
	if (low == was_low)
		return low;
	hr_metric_set(hr_metric_of(p->metrics, HR_M_PAUSED), low);
	hr_log(low ? HR_LOG_ERROR : HR_LOG_INFO,
	       low ? "the state's disk is nearly full: nothing is consumed until there is room" : "there is room again: consuming",
	       "state=%s free_bytes=%llu free_pause=%llu", p->config->state_dir, (unsigned long long)free_bytes,
	       (unsigned long long)p->disk.pause_bytes);
	return low;
}

/* One round of records; true when there were none. */
static bool take_round(struct hr_pipeline *p, struct hr_record *records)
{
	struct hr_error err;
	size_t count;

	if (hold_for_disk(p)) {
		(void)usleep(POLL_WAIT_MS * 1000);
		return true;
	}
	if (!hr_source_poll(p->source, records, POLL_RECORDS, POLL_WAIT_MS, &count, &err))
		hr_pipeline_die("the input can not go on", &err);
	take_all(p, records, count);
	if (count != 0)
		p->record_ms = records[count - 1].timestamp_ms;
	return count == 0;
}

void *hr_ingest_main(void *pipeline)
{
	struct hr_pipeline *p = pipeline;
	HR_AUTO(hr_auto_free) struct hr_record *records = hr_alloc(POLL_RECORDS, sizeof *records);

	hr_log_thread("ingest");
	p->last_barrier_us = hr_mono_us();
	while (!atomic_load(&p->stopping)) {
		const bool idle = hr_start_up_turn(p) || take_round(p, records);
		poll_items(p);
		hr_budget_turn(p, idle);
		if (barrier_due(p) && (idle || barrier_overdue(p)))
			hr_ingest_barrier(p);
		hr_ingest_commit(p);
		tell_lag(p);
	}
	if (hr_intake_changed(p->intake))
		hr_ingest_barrier(p);
	hr_queue_close(p->steps);
	return NULL;
}

bool hr_ingest_partitions(struct hr_pipeline *p, struct hr_error *err)
{
	HR_AUTO(hr_auto_free) uint32_t *list = NULL;
	size_t count;

	if (!hr_config_partitions(p->config, p->topic_partitions, &list, &count, err))
		return hr_context(err, "events.topic %s", p->config->events_topic);
	for (size_t i = 0; i < count; i++)
		hr_intake_partition(p->intake, (int32_t)list[i], 0);
	return true;
}

static bool refuse_partitions(struct hr_pipeline *p, size_t now, size_t known, struct hr_error *err)
{
	if (p->manifest.partitions != 0 && p->manifest.partitions != p->topic_partitions)
		return hr_fail(err, HR_E_CONFIG,
		               "topic %s has %u partitions, it had %u when this state was made, and users may have moved between them: "
		               "make a new state from the log (headraced replay), or go on with events.accept_partitions",
		               p->config->events_topic, p->topic_partitions, p->manifest.partitions);
	return hr_fail(err, HR_E_CONFIG,
	               "events.partitions means %zu partitions of topic %s, this state reads %zu others: set it as it was, or go on "
	               "with events.accept_partitions",
	               now, p->config->events_topic, known);
}

/* Are the partitions those of the state? New ones, where they are accepted, go behind the known. */
static bool check_partitions(struct hr_pipeline *p, struct hr_error *err)
{
	HR_AUTO(hr_auto_free) uint32_t *list = NULL;
	const size_t known = hr_intake_account(p->intake)->partition_count;
	bool same = p->manifest.partitions == 0 || p->manifest.partitions == p->topic_partitions;
	size_t count;

	if (!hr_config_partitions(p->config, p->topic_partitions, &list, &count, err))
		return hr_context(err, "events.topic %s", p->config->events_topic);
	bool grown = count >= known;
	for (size_t i = 0; i < known && grown; i++)
		grown = (int32_t)list[i] == hr_intake_account(p->intake)->partition[i].partition;
	same = same && grown && count == known;
	if (!same && (!grown || !p->config->events_accept_partitions))
		return refuse_partitions(p, count, known, err);
	for (size_t i = known; i < count; i++)
		hr_intake_partition(p->intake, (int32_t)list[i], 0);
	if (same)
		return true;
	hr_log(HR_LOG_WARNING, "the topic has other partitions than when this state was made, which is accepted",
	       "then=%u now=%u new=%zu", p->manifest.partitions, p->topic_partitions, count - known);
	p->manifest.partitions = p->topic_partitions;
	return hr_store_manifest(p->store, &p->manifest, err);
}

/* The group's offsets are for lag tools only, but they tell of a state that was taken back. */
static void tell_rewound(struct hr_pipeline *p, struct hr_position *at, size_t count)
{
	const struct hr_barrier *a = hr_intake_account(p->intake);
	long long records = 0;
	struct hr_error err;

	if (!hr_source_committed(p->source, at, count, COMMITTED_MS, &err)) {
		hr_log(HR_LOG_INFO, "the offsets of the group are not known", "group=%s", p->config->kafka_group_id);
		return;
	}
	for (size_t i = 0; i < count; i++)
		records += at[i].offset > a->partition[i].offset ? at[i].offset - a->partition[i].offset : 0;
	if (records != 0)
		hr_log(HR_LOG_WARNING, "the state was rewound: the group has committed further, and these records are read again",
		       "records=%lld group=%s", records, p->config->kafka_group_id);
}

/* Stored positions are opened one record early, to compare that record with its fingerprint. */
static bool open_stored(struct hr_pipeline *p, const struct hr_kafka_config *kafka, size_t known, struct hr_position *at,
                        size_t count, struct hr_error *err)
{
	const struct hr_barrier *a = hr_intake_account(p->intake);
	const char *topic = p->config->events_topic;

	for (size_t i = 0; i < count; i++) {
		const bool early = a->partition[i].fingerprint != 0 && a->partition[i].offset > 0;
		at[i] = (struct hr_position){a->partition[i].partition, i < known ? a->partition[i].offset - early : HR_START_EARLIEST};
	}
	bool ok = hr_source_open_kafka(kafka, topic, at, count, false, &p->source, err);
	for (size_t i = 0; i < known; i++)
		at[i].offset = a->partition[i].offset;
	if (!ok && err->code == HR_E_CONFIG) { /* the record in front may be what is gone: from the position itself then */
		ok = hr_source_open_kafka(kafka, topic, at, count, p->config->events_accept_gap, &p->source, err);
		if (ok)
			hr_log(HR_LOG_WARNING, "the record in front of a stored position is gone: that the log is the same was not checked",
			       "topic=%s", topic);
	}
	if (!ok)
		return false;
	for (size_t i = known; i < count; i++)
		hr_intake_begin(p->intake, a->partition[i].partition, hr_source_position(p->source, a->partition[i].partition));
	tell_rewound(p, at, count);
	return true;
}

static bool open_new(struct hr_pipeline *p, const struct hr_kafka_config *kafka, struct hr_position *at, size_t count,
                     struct hr_error *err)
{
	const struct hr_barrier *a = hr_intake_account(p->intake);
	const int64_t start = p->config->events_start == HR_EVENTS_LATEST ? HR_START_LATEST : HR_START_EARLIEST;

	for (size_t i = 0; i < count; i++)
		at[i] = (struct hr_position){a->partition[i].partition, start};
	if (!hr_source_open_kafka(kafka, p->config->events_topic, at, count, false, &p->source, err))
		return false;
	for (size_t i = 0; i < count; i++)
		hr_intake_begin(p->intake, a->partition[i].partition, hr_source_position(p->source, a->partition[i].partition));
	return true;
}

static bool open_items(struct hr_pipeline *p, const struct hr_kafka_config *kafka, struct hr_error *err)
{
	uint32_t count;

	if (p->config->items_topic[0] == '\0')
		return true;
	if (!hr_kafka_partitions(kafka, p->config->items_topic, ASK_MS, &count, err))
		return hr_context(err, "items.topic");
	HR_AUTO(hr_auto_free) struct hr_position *at = hr_alloc(count, sizeof *at);
	for (uint32_t i = 0; i < count; i++)
		at[i] = (struct hr_position){(int32_t)i, HR_START_EARLIEST};
	return hr_source_open_kafka(kafka, p->config->items_topic, at, count, false, &p->items, err);
}

bool hr_ingest_open(struct hr_pipeline *p, bool new_state, struct hr_error *err)
{
	const struct hr_kafka_config kafka = hr_config_kafka(p->config);

	const size_t known = hr_intake_account(p->intake)->partition_count;
	if (new_state ? !hr_ingest_partitions(p, err) : !check_partitions(p, err))
		return false;
	const size_t count = hr_intake_account(p->intake)->partition_count;
	HR_AUTO(hr_auto_free) struct hr_position *at = hr_alloc(count, sizeof *at);
	p->checked = hr_alloc(count, sizeof *p->checked);
	if (new_state ? !open_new(p, &kafka, at, count, err) : !open_stored(p, &kafka, known, at, count, err))
		return false;
	return open_items(p, &kafka, err);
}
