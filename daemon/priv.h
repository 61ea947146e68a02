/* daemon/priv.h - the pipeline's inside, shared by the files that each hold one of its threads. */
#ifndef HR_DAEMON_PRIV_H
#define HR_DAEMON_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/base.h"
#include "daemon/disk.h"
#include "daemon/drift.h"
#include "daemon/pipeline.h"
#include "daemon/work.h"
#include "serve/serve.h"

struct hr_publisher;
struct hr_rebuild;

struct hr_pipeline {
	/* ---- set before the threads start, then read-only ---- */
	const struct hr_config *config;
	struct hr_intake *intake;
	struct hr_trainer *trainer;
	struct hr_store *store;
	struct hr_metrics *metrics;
	struct hr_server *server; /* NULL: HTTP is off */
	struct hr_publisher *publisher;
	struct hr_manifest manifest;
	struct hr_disk disk; /* ingest's and writer's parts are told in its header */
	struct hr_rebuild *rebuild;   /* NULL: live. Then there are no items, no publisher and no server */
	uint32_t topic_partitions;  /* of the events topic, at start */
	struct hr_queue *steps;     /* ingest -> trainer: struct hr_work */
	size_t steps_bound;         /* of steps */
	struct hr_queue *barriers;  /* trainer -> writer: barriers with both halves */
	struct hr_queue *refreshes; /* writer -> publisher: durable barriers */
	pthread_t ingest_thread, train_thread, write_thread, publish_thread;
	/* ---- ingest thread only ---- */
	struct hr_source *source, *items; /* items: NULL without an items topic */
	struct hr_decoder *decoder;
	uint64_t asked;            /* newest barrier asked for */
	int64_t last_barrier_us;   /* monotonic clock */
	int64_t *backlog_end;      /* for each partition of the account: offset at which the backlog of a start-up ends */
	int64_t start_up_told_us;
	uint32_t every;            /* events between two steps now */
	int64_t record_ms;         /* broker timestamp of the newest record taken */
	int64_t lag, lag_before;   /* records behind the ends of the log, now and when the budget was last looked at */
	int64_t budget_us;         /* when that was */
	bool *checked;             /* for each partition of the account: the record behind the stored position was compared */
	/* ---- trainer thread only ---- */
	struct hr_drift *drift;    /* NULL: no day has ended yet; not state, a start begins anew */
	int64_t drift_day;
	/* ---- writer thread only ---- */
	int64_t checkpoint_ms;     /* wall clock: of the newest, or of the last try */
	/* ---- shared ---- */
	_Atomic bool stopping;
	_Atomic uint64_t durable, published;
	pthread_mutex_t lock;      /* newest and the rest below; never held over anything slow */
	struct hr_snapshot *newest;
	struct hr_barrier committed; /* newest durable row; positions for lag tools */
	bool commit_due;
};

void *hr_ingest_main(void *pipeline);
void *hr_train_main(void *pipeline);
void *hr_write_main(void *pipeline);
void *hr_publish_main(void *pipeline);

/** Declares the partitions of the configuration, for a new state. ingest.c */
HR_MUST_USE bool hr_ingest_partitions(struct hr_pipeline *p, struct hr_error *err);
/** Hands work to the trainer; waits while its queue is full. @thread ingest */
void hr_ingest_push(struct hr_pipeline *p, struct hr_work *w);
/** A barrier here and now; an open step is closed first. @thread ingest */
void hr_ingest_barrier(struct hr_pipeline *p);

/** Whether a new state begins with a backlog, when sources are open; and how one goes on. start_up.c. @thread start */
void hr_start_up_open(struct hr_pipeline *p, bool new_state);
/** The part of a turn of the ingest thread that start-up takes. True: no record is wanted in this turn. */
bool hr_start_up_turn(struct hr_pipeline *p);
/** The backlog is read: closes the open step. Then some steps of start-up, until the phase is live. For replays. */
void hr_start_up_begin(struct hr_pipeline *p);
void hr_start_up_steps(struct hr_pipeline *p);
void hr_start_up_tell(struct hr_pipeline *p); /* the phase, as a metric */

/** Fewer or more steps, as the trainer falls behind or catches up. budget.c. @param idle  no record waits */
void hr_budget_turn(struct hr_pipeline *p, bool idle);

/** Tells the broker the positions of the newest durable barrier. @thread ingest, or when the threads have ended */
void hr_ingest_commit(struct hr_pipeline *p);

/** Opens sources at the stored positions, or where the configuration says for a new state. ingest.c */
HR_MUST_USE bool hr_ingest_open(struct hr_pipeline *p, bool new_state, struct hr_error *err);

/** publish.c: what was sent last, and the sink. */
HR_MUST_USE bool hr_publisher_open(struct hr_pipeline *p, struct hr_error *err);
void hr_publisher_close(struct hr_publisher *pub);

/** Starts a replay's threads, and waits for their end: ingest stops by itself. pipeline.c */
HR_MUST_USE bool hr_pipeline_start_rebuild(const struct hr_config *config, struct hr_rebuild *rebuild,
                                          struct hr_pipeline **ret_pipeline, struct hr_error *err);
void hr_pipeline_join(struct hr_pipeline *p);

/** rebuild.c: what takes the place of hr_ingest_open, and the look at a barrier just written (writer's thread). */
HR_MUST_USE bool hr_rebuild_open(struct hr_pipeline *p, bool new_state, struct hr_error *err);
void hr_rebuild_compare(struct hr_pipeline *p, const struct hr_barrier *row);

/** Replaces the newest snapshot; s is taken. */
void hr_pipeline_share(struct hr_pipeline *p, struct hr_snapshot *s);

/** backend.c: what the HTTP server asks of the pipeline. */
struct hr_backend hr_pipeline_backend(struct hr_pipeline *p);

/** Kafka client settings of the configuration. */
struct hr_kafka_config hr_config_kafka(const struct hr_config *c);

#endif
