/* daemon/pipeline.h - the modules wired together: four threads and the queues between them.
 *
 *   ingest ──steps, barriers──► trainer ──barriers──► writer ──durable barriers──► publisher
 *
 *   ingest     source, decoding, histories, catalogue, order log; one lock a group of records
 *   trainer    weights, item rows, counters, test-then-train; at a barrier adds its state and a snapshot
 *   writer     one synced write a barrier
 *   publisher  sends what moved since the last refresh, from durable barriers only
 *
 * Queues are bounded and wait when full, so a slow stage ends as Kafka lag. Shutdown closes them in the order of the flow.
 * A failure that can not be survived (store, broker, a bad state) is logged once and ends the process: the next start goes
 * on from the last barrier.
 */
#ifndef HR_DAEMON_PIPELINE_H
#define HR_DAEMON_PIPELINE_H

#include "daemon/config.h"
#include "daemon/metrics.h"

struct hr_pipeline;

/** Opens everything, loads the state, checks it against the broker, starts the threads. config is borrowed for the life. */
HR_MUST_USE bool hr_pipeline_start(const struct hr_config *config, struct hr_pipeline **ret_pipeline, struct hr_error *err);

/** Drains, writes a last barrier, publishes it, joins the threads. What it counted can still be read. */
void hr_pipeline_stop(struct hr_pipeline *p);
void hr_pipeline_free(struct hr_pipeline *p); /* after stop */

struct hr_metrics *hr_pipeline_metrics(struct hr_pipeline *p); /* borrowed; @thread any */
uint16_t hr_pipeline_port(const struct hr_pipeline *p);        /* 0: HTTP is off */
uint64_t hr_pipeline_durable(const struct hr_pipeline *p);     /* newest durable barrier */
struct hr_intake *hr_pipeline_intake(struct hr_pipeline *p);   /* borrowed, for reads under its lock */
struct hr_snapshot *hr_pipeline_pin(struct hr_pipeline *p);    /* newest snapshot, one reference; never NULL */
struct hr_counters *hr_pipeline_counters(struct hr_pipeline *p);

/** The intake's part of the configuration. */
struct hr_intake_config hr_config_intake(const struct hr_config *c);

/** Logs the error and ends the process with hr_exit_code() of it; the state stays at its last barrier. @thread any */
HR_NORETURN void hr_pipeline_die(const char *what, const struct hr_error *err);

#endif
