/* daemon/metrics.h - every number the daemon tells about itself, with its unit and the sentence an operator reads. */
#ifndef HR_DAEMON_METRICS_H
#define HR_DAEMON_METRICS_H

#include "base/histogram.h"
#include "base/metric.h"
#include "daemon/drift.h"
#include "daemon/intake.h"
#include "model/model.h"
#include "stream/stream.h"

#define HR_DAEMON_COUNTERS(X) \
	X(STEPS, "train_steps_total", NULL, "Training steps taken.") \
	X(STEPS_REFUSED, "train_steps_refused_total", NULL, "Training steps refused because a number was not finite.") \
	X(TARGETS, "train_targets_total", NULL, "Positions with a target that were trained on.") \
	X(BARRIERS, "barriers_total", NULL, "Barriers made durable.") \
	X(BARRIER_BYTES, "barrier_bytes_total", NULL, "Bytes of records written by barriers.") \
	X(PUBLISHED_ITEMS, "published_vectors_total", "kind=\"item\"", "Vectors acknowledged by the output topics.") \
	X(PUBLISHED_USERS, "published_vectors_total", "kind=\"user\"", "Vectors acknowledged by the output topics.") \
	X(HELD, "refreshes_held_total", NULL, "Refreshes not sent: during a start-up, or because recall had collapsed.") \
	X(TOMBSTONES, "published_tombstones_total", NULL, "Null values sent for forgotten users and expired items.") \
	X(EXPIRED, "items_expired_total", NULL, "Items that were not seen for admit.expire_after.") \
	X(QUEUE_WAITS, "train_queue_waits_total", NULL, "Times that ingest waited because the trainer's queue was full.") \
	X(OTHER_KEYS, "events_key_mismatch_total", NULL, "Events whose record's key is not their user: their order is not kept.") \
	X(ITEMS_REFUSED, "items_refused_total", NULL, "Records of the items topic that say nothing readable about an item.") \
	X(COMMIT_FAILURES, "kafka_commit_failures_total", NULL, "Offset commits for lag tools that the broker refused.")

#define HR_DAEMON_GAUGES(X) \
	X(LAG, "consumer_lag_records", NULL, "Records between the positions and the ends of the input partitions.") \
	X(STREAM_TIME, "stream_time_seconds", NULL, "Largest event time so far, seconds since 1970.") \
	X(BARRIER, "barrier_number", NULL, "Newest durable barrier.") \
	X(BARRIER_SECONDS, "barrier_write_seconds", NULL, "Time the newest barrier took to become durable.") \
	X(BARRIER_STALL, "barrier_stall_seconds", NULL, "Time ingest stood still for the newest barrier.") \
	X(FRESH_P50, "freshness_seconds", "quantile=\"0.5\"", "Broker timestamp of an event to acknowledged vector, over the newest refresh.") \
	X(FRESH_P99, "freshness_seconds", "quantile=\"0.99\"", "Broker timestamp of an event to acknowledged vector, over the newest refresh.") \
	X(LOSS, "train_loss", NULL, "Loss of the newest step, nats, all objectives with their weights.") \
	X(FROZEN, "train_frozen", NULL, "1: learning has stopped after three refused steps in a row.") \
	X(VISITS, "train_visits", NULL, "Times that an event is trained on; below 1: share of the events that are.") \
	X(PHASE, "start_up_phase", NULL, "0: live. 1: the backlog of a start-up is read. 2: it is learned.") \
	X(DRIFT_USER1, "vector_drift_cosine", "kind=\"user\",days=\"1\"", "Mean cosine between a vector now and so many days of stream time ago, fixed users and items; 0: not known yet.") \
	X(DRIFT_ITEM1, "vector_drift_cosine", "kind=\"item\",days=\"1\"", "Mean cosine between a vector now and so many days of stream time ago, fixed users and items; 0: not known yet.") \
	X(DRIFT_USER7, "vector_drift_cosine", "kind=\"user\",days=\"7\"", "Mean cosine between a vector now and so many days of stream time ago, fixed users and items; 0: not known yet.") \
	X(DRIFT_ITEM7, "vector_drift_cosine", "kind=\"item\",days=\"7\"", "Mean cosine between a vector now and so many days of stream time ago, fixed users and items; 0: not known yet.") \
	X(USERS, "state_users", NULL, "Users ever seen.") \
	X(ITEMS, "state_items", NULL, "Items ever seen.") \
	X(HOLDING, "refresh_held", NULL, "1 while refreshes are held back.") \
	X(PAUSED, "consuming_paused", NULL, "1 while nothing is consumed because the state's disk is nearly full.") \
	X(DISK_FREE, "state_disk_free_bytes", NULL, "Bytes free on the state's disk.") \
	X(QUEUE_DEPTH, "train_queue_steps", NULL, "Steps waiting for the trainer.")

enum hr_metric_id {
#define HR_ROW(id, name, labels, help) HR_M_##id,
	HR_DAEMON_COUNTERS(HR_ROW) HR_DAEMON_GAUGES(HR_ROW)
#undef HR_ROW
	HR_M_FIXED,
	/* then: events by outcome, rejected by reason, quality by ranker, slice and k */
};

/** All metrics of one daemon. @thread any */
struct hr_metrics;

struct hr_metrics *hr_metrics_new(void);
void hr_metrics_free(struct hr_metrics *m);

struct hr_metric *hr_metric_of(struct hr_metrics *m, enum hr_metric_id id);
void hr_metrics_outcome(struct hr_metrics *m, enum hr_outcome outcome, enum hr_reject why);
uint64_t hr_metrics_outcomes(const struct hr_metrics *m, enum hr_outcome outcome);
void hr_metrics_drift(struct hr_metrics *m, struct hr_drift_result drift);
void hr_metrics_quality(struct hr_metrics *m, const struct hr_score *score); /* trainer's thread */
/** Recall@10, NDCG@10 or recall@20 of a ranker over the sliding window, as last told. */
double hr_metrics_recall(const struct hr_metrics *m, enum hr_ranker ranker, enum hr_slice slice, unsigned k);
double hr_metrics_ndcg(const struct hr_metrics *m, enum hr_ranker ranker, enum hr_slice slice, unsigned k);
struct hr_histogram *hr_metrics_freshness(struct hr_metrics *m); /* ms, since the start */

void hr_metrics_write(const struct hr_metrics *m, struct hr_buf *out);

#endif
