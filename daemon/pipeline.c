#include "daemon/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/exit.h"
#include "daemon/priv.h"
#include "daemon/rebuild_priv.h"

/* Steps that may wait for the trainer: enough to hide a barrier, few enough that lag shows early. */
enum { STEPS_BOUND = 64, BARRIERS_BOUND = 2 };
/* Durable barriers that wait for the broker. Each holds a picture of all item vectors and every page that moved, tens of
 * megabytes with a large catalogue, and the publisher has as many again in hand. */
enum { REFRESHES_BOUND = 8 };
enum { ASK_MS = 10000 }; /* for one question to the broker */

void hr_pipeline_die(const char *what, const struct hr_error *err)
{
	char quoted[sizeof err->msg + 64];

	hr_log(HR_LOG_ERROR, what, "code=%s cause=%s", hr_code_name(err->code), hr_log_quote(err->msg, quoted, sizeof quoted));
	_exit(hr_exit_code(err->code));
}

struct hr_metrics *hr_pipeline_metrics(struct hr_pipeline *p) { return p->metrics; }
uint16_t hr_pipeline_port(const struct hr_pipeline *p) { return p->server == NULL ? 0 : hr_server_port(p->server); }
uint64_t hr_pipeline_durable(const struct hr_pipeline *p) { return atomic_load(&p->durable); }
struct hr_intake *hr_pipeline_intake(struct hr_pipeline *p) { return p->intake; }
struct hr_counters *hr_pipeline_counters(struct hr_pipeline *p) { return hr_trainer_counters(p->trainer); }

struct hr_snapshot *hr_pipeline_pin(struct hr_pipeline *p)
{
	(void)pthread_mutex_lock(&p->lock);
	struct hr_snapshot *s = p->newest;
	hr_snapshot_ref(s);
	(void)pthread_mutex_unlock(&p->lock);
	return s;
}

void hr_pipeline_share(struct hr_pipeline *p, struct hr_snapshot *s)
{
	(void)pthread_mutex_lock(&p->lock);
	struct hr_snapshot *old = p->newest;
	p->newest = s;
	(void)pthread_mutex_unlock(&p->lock);
	hr_snapshot_unref(old);
}

struct hr_kafka_config hr_config_kafka(const struct hr_config *c)
{
	return (struct hr_kafka_config){.brokers = c->kafka_brokers,
	                                .client_id = c->kafka_client_id,
	                                .group_id = c->kafka_group_id,
	                                .properties = (const char *const *)c->kafka_properties.p};
}

struct hr_intake_config hr_config_intake(const struct hr_config *c)
{
	return (struct hr_intake_config){.history_length = (uint16_t)c->history_length,
	                                 .min_count = c->admit_min_count,
	                                 .expire_ms = (int64_t)c->admit_expire_after,
	                                 .positions = c->history_length,
	                                 .every = c->train_every,
	                                 .window = c->train_window,
	                                 .rehearsal = c->train_rehearsal,
	                                 .all_positions = c->train_all_positions,
	                                 .start_up = c->train_start_up,
	                                 .start_up_batch = c->train_start_up_batch,
	                                 .rate = c->train_start_up_rate,
	                                 .future_limit_ms = (int64_t)c->events_future_limit,
	                                 .seed = c->model_seed};
}

static struct hr_decoder *new_decoder(const struct hr_config *c)
{
	const struct hr_json_fields fields = {.user = c->events_json_user,
	                                      .item = c->events_json_item,
	                                      .kind = c->events_json_kind,
	                                      .time = c->events_json_time,
	                                      .id = c->events_json_id,
	                                      .weight = c->events_json_weight,
	                                      .session = c->events_json_session};

	return hr_decoder_new((enum hr_format)c->events_format, &fields, (uint8_t)c->events_default_kind);
}

static bool load_record(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len,
                        struct hr_error *err)
{
	struct hr_pipeline *p = ctx;

	switch (cls) {
	case HR_REC_USER:
	case HR_REC_ITEM:
	case HR_REC_SCHEDULE: return hr_intake_load(p->intake, cls, number, bytes, len, err);
	default: return hr_trainer_load(p->trainer, cls, number, bytes, len, err);
	}
}

/* A refresh of what was not sent before the last stop: the publisher finds in the store which users that are. */
static struct hr_work *unsent_refresh(struct hr_pipeline *p, const struct hr_barrier *row)
{
	struct hr_work *w = hr_work_new(HR_WORK_BARRIER);

	hr_barrier_copy(&w->row, row);
	w->live = hr_intake_phase(p->intake) == HR_PHASE_LIVE;
	w->ever = hr_score_quality(hr_trainer_score(p->trainer), HR_RANK_MODEL, HR_SLICE_ALL, false);
	w->window = hr_score_quality(hr_trainer_score(p->trainer), HR_RANK_MODEL, HR_SLICE_ALL, true);
	hr_snapshot_ref(p->newest);
	w->snapshot = p->newest;
	return w;
}

static bool load_state(struct hr_pipeline *p, struct hr_barrier *row, struct hr_error *err)
{
	char notice[HR_NOTICE_BYTES];
	const char *kernels = hr_trainer_kernels(p->trainer);

	p->manifest = (struct hr_manifest){.seed = p->config->model_seed, .partitions = p->topic_partitions};
	hr_config_training(p->config, p->manifest.settings, sizeof p->manifest.settings);
	(void)snprintf(p->manifest.kernels, sizeof p->manifest.kernels, "%s", kernels);
	hr_disk_init(&p->disk, p->config->state_dir, p->config->state_free_pause, p->config->state_ballast);
	if (!hr_disk_clear_for_open(&p->disk, hr_store_open_bytes(p->config->state_dir), err) ||
	    !hr_store_open(p->config->state_dir, &p->manifest, &p->store, row, notice, err))
		return false;
	hr_store_keep_order(p->store, p->config->state_order_keep);
	(void)hr_disk_settle(&p->disk);
	if (notice[0] != '\0')
		hr_log(HR_LOG_WARNING, notice, "state=%s", p->config->state_dir);
	if (strcmp(p->manifest.kernels, kernels) != 0)
		hr_log(HR_LOG_WARNING, "this state was trained with other kernels: a replay will not give the same bytes",
		       "stored=%s now=%s", p->manifest.kernels, kernels);
	if (!hr_store_load(p->store, load_record, p, err))
		return false;
	return row->number == 0 || hr_trainer_loaded(p->trainer, err);
}

/* Learning that stopped in an earlier run stays so, unless a person says otherwise. */
static void settle_frozen(struct hr_pipeline *p)
{
	if (!hr_trainer_frozen(p->trainer))
		return;
	if (p->config->train_thaw)
		hr_intake_thaw(p->intake);
	hr_metric_set(hr_metric_of(p->metrics, HR_M_FROZEN), !p->config->train_thaw);
	hr_log(p->config->train_thaw ? HR_LOG_INFO : HR_LOG_ERROR,
	       p->config->train_thaw ? "learning goes on where it was frozen"
	                             : "learning is frozen since an earlier run: restore a checkpoint, or start with train.thaw",
	       "steps=%llu", (unsigned long long)hr_trainer_steps(p->trainer));
}

/* What was true at the barrier is told from the start: a gauge at 0 until the next one would look like a collapse. */
static void first_metrics(struct hr_pipeline *p, const struct hr_barrier *row)
{
	hr_metrics_quality(p->metrics, hr_trainer_score(p->trainer));
	hr_metric_set(hr_metric_of(p->metrics, HR_M_BARRIER), (double)row->number);
	if (p->config->train_every != 0)
		hr_metric_set(hr_metric_of(p->metrics, HR_M_VISITS), (double)p->config->train_window / p->config->train_every);
}

static bool first_snapshot(struct hr_pipeline *p, const struct hr_barrier *row, struct hr_error *err)
{
	if (row->number != 0 && !hr_intake_resume(p->intake, row, err))
		return false;
	p->newest = hr_trainer_snapshot(p->trainer);
	p->newest->barrier = row->number;
	p->newest->watermark_ms = row->watermark_ms;
	p->asked = row->number;
	atomic_store(&p->durable, row->number);
	atomic_store(&p->published, row->published);
	hr_barrier_copy(&p->committed, row);
	settle_frozen(p);
	if (row->published < row->number && p->rebuild == NULL)
		(void)hr_queue_push(p->refreshes, unsent_refresh(p, row));
	return true;
}

static bool open_server(struct hr_pipeline *p, struct hr_error *err)
{
	const struct hr_config *c = p->config;
	const struct hr_server_config server = {.address = c->http_address,
	                                        .port = (uint16_t)c->http_port,
	                                        .threads = c->http_threads,
	                                        .limit_max = c->http_limit_max};
	const struct hr_backend backend = hr_pipeline_backend(p);

	return !c->http_enabled || hr_server_start(&server, &backend, &p->server, err);
}

static bool open_all(struct hr_pipeline *p, struct hr_error *err)
{
	struct hr_model_config model;
	const struct hr_intake_config intake = hr_config_intake(p->config);
	const struct hr_kafka_config kafka = hr_config_kafka(p->config);
	struct hr_barrier row = {0};

	if (!hr_kafka_partitions(&kafka, p->config->events_topic, ASK_MS, &p->topic_partitions, err))
		return hr_context(err, "events.topic");
	hr_config_model(p->config, &model);
	if (!hr_trainer_new(&model, &p->trainer, err))
		return false;
	p->intake = hr_intake_new(&intake);
	p->decoder = new_decoder(p->config);
	if (p->decoder == NULL)
		return hr_fail(err, HR_E_CONFIG, "events.json: a path is empty, has more than 8 parts, or goes on below another");
	const bool loaded = load_state(p, &row, err) && first_snapshot(p, &row, err);
	if (loaded)
		first_metrics(p, &row);
	const bool fresh = row.number == 0;
	hr_barrier_fini(&row);
	if (!loaded || !(p->rebuild != NULL ? hr_rebuild_open(p, fresh, err) : hr_ingest_open(p, fresh, err)))
		return false;
	if (p->rebuild != NULL)
		return true;
	hr_start_up_open(p, fresh);
	return hr_publisher_open(p, err) && open_server(p, err);
}

void hr_pipeline_free(struct hr_pipeline *p)
{
	if (p == NULL)
		return;
	hr_server_stop(p->server);
	hr_source_close(p->source);
	hr_source_close(p->items);
	hr_publisher_close(p->publisher);
	hr_store_close(p->store);
	hr_decoder_free(p->decoder);
	hr_intake_free(p->intake);
	hr_snapshot_unref(p->newest);
	hr_trainer_free(p->trainer);
	hr_barrier_fini(&p->committed);
	hr_metrics_free(p->metrics);
	hr_queue_close(p->refreshes);
	for (struct hr_work *w; (w = hr_queue_pop(p->refreshes, 0)) != NULL;)
		hr_work_free(w); /* of a start that was refused: its publisher never ran */
	hr_queue_free(p->steps);
	hr_queue_free(p->barriers);
	hr_queue_free(p->refreshes);
	hr_free(p->checked);
	hr_drift_free(p->drift);
	hr_free(p->backlog_end);
	(void)pthread_mutex_destroy(&p->lock);
	hr_free(p);
}

static void start_thread(pthread_t *thread, void *(*body)(void *), struct hr_pipeline *p)
{
	HR_ASSERT(pthread_create(thread, NULL, body, p) == 0);
}

static bool start(const struct hr_config *config, struct hr_rebuild *rebuild, struct hr_pipeline **ret_pipeline,
                  struct hr_error *err)
{
	struct hr_pipeline *p = hr_alloc(1, sizeof *p);

	p->config = config;
	p->rebuild = rebuild;
	p->metrics = hr_metrics_new();
	(void)pthread_mutex_init(&p->lock, NULL);
	p->steps_bound = STEPS_BOUND;
	p->steps = hr_queue_new(p->steps_bound);
	p->every = config->train_every;
	p->record_ms = -1;
	p->barriers = hr_queue_new(BARRIERS_BOUND);
	p->refreshes = hr_queue_new(REFRESHES_BOUND);
	if (!open_all(p, err)) {
		hr_pipeline_free(p);
		return false;
	}
	const uint64_t records = hr_barrier_records(hr_intake_account(p->intake)); /* nobody else has it yet */
	start_thread(&p->publish_thread, hr_publish_main, p);
	start_thread(&p->write_thread, hr_write_main, p);
	start_thread(&p->train_thread, hr_train_main, p);
	start_thread(&p->ingest_thread, rebuild != NULL ? hr_rebuild_main : hr_ingest_main, p);
	hr_log(HR_LOG_INFO, rebuild != NULL ? "replaying" : "running",
	       "state=%s lineage=%s barrier=%llu records=%llu kernels=%s http_port=%u", config->state_dir, p->manifest.lineage,
	       (unsigned long long)hr_pipeline_durable(p), (unsigned long long)records, hr_trainer_kernels(p->trainer),
	       hr_pipeline_port(p));
	*ret_pipeline = p;
	return true;
}

bool hr_pipeline_start_rebuild(const struct hr_config *config, struct hr_rebuild *rebuild, struct hr_pipeline **ret_pipeline,
                              struct hr_error *err)
{
	return start(config, rebuild, ret_pipeline, err);
}

bool hr_pipeline_start(const struct hr_config *config, struct hr_pipeline **ret_pipeline, struct hr_error *err)
{
	return start(config, NULL, ret_pipeline, err);
}

void hr_pipeline_join(struct hr_pipeline *p)
{
	(void)pthread_join(p->ingest_thread, NULL);
	(void)pthread_join(p->train_thread, NULL);
	(void)pthread_join(p->write_thread, NULL);
	(void)pthread_join(p->publish_thread, NULL);
}

void hr_pipeline_stop(struct hr_pipeline *p)
{
	atomic_store(&p->stopping, true);
	hr_pipeline_join(p);
	hr_ingest_commit(p); /* the last barrier became durable after ingest's end */
	hr_log(HR_LOG_INFO, "stopped", "barrier=%llu published=%llu", (unsigned long long)hr_pipeline_durable(p),
	       (unsigned long long)atomic_load(&p->published));
}
