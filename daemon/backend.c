/* daemon/backend.c - what the HTTP server asks of the pipeline. Server threads; every look is short and under one lock. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "daemon/priv.h"

static struct hr_snapshot *pin(void *ctx) { return hr_pipeline_pin(ctx); }
static struct hr_counters *counters(void *ctx) { return hr_pipeline_counters(ctx); }

static bool user(void *ctx, const void *id, size_t len, struct hr_user_view *ret_user)
{
	struct hr_pipeline *p = ctx;

	hr_intake_lock(p->intake);
	const struct hr_histories *histories = hr_intake_histories(p->intake);
	const uint32_t number = hr_histories_find(histories, id, len);
	const bool known = number != HR_NONE && !hr_histories_forgotten(histories, number);
	if (known) {
		const struct hr_history h = hr_histories_get(histories, number);

		ret_user->len = h.len;
		ret_user->events = h.events;
		for (uint16_t i = 0; i < h.len; i++) {
			ret_user->item[i] = h.past[i].item;
			ret_user->time_ms[i] = h.past[i].time_ms;
			ret_user->kind[i] = h.past[i].kind;
		}
	}
	hr_intake_unlock(p->intake);
	return known;
}

static uint32_t item_row(void *ctx, const void *id, size_t len)
{
	struct hr_pipeline *p = ctx;

	hr_intake_lock(p->intake);
	const uint32_t row = hr_catalogue_find(hr_intake_catalogue(p->intake), id, len);
	hr_intake_unlock(p->intake);
	return row;
}

/* Cuts at a character: never inside a UTF-8 sequence. */
static void copy_title(char to[HR_TITLE_MAX], const char *from)
{
	size_t n = strnlen(from, HR_TITLE_MAX - 1);

	while (n != 0 && ((unsigned char)from[n] & 0xc0) == 0x80)
		n--;
	memcpy(to, from, n);
	to[n] = '\0';
}

static bool item(void *ctx, uint32_t row, struct hr_item_view *ret_item)
{
	struct hr_pipeline *p = ctx;
	struct hr_item described;

	hr_intake_lock(p->intake);
	const bool known = row < hr_catalogue_count(hr_intake_catalogue(p->intake));
	if (known) {
		const struct hr_item found = hr_catalogue_get(hr_intake_catalogue(p->intake), row);

		memcpy(ret_item->id, found.id, found.id_len);
		ret_item->id_len = found.id_len;
		ret_item->events = found.events;
		ret_item->admitted = found.admitted;
		copy_title(ret_item->title,
		           hr_intake_described(p->intake, found.id, found.id_len, &described) ? described.title : "");
	}
	hr_intake_unlock(p->intake);
	return known;
}

static int64_t now_ms(void *ctx)
{
	struct hr_pipeline *p = ctx;
	const int64_t stream_ms = hr_intake_stream_ms(p->intake);

	return stream_ms == INT64_MIN ? 0 : stream_ms;
}

static const char *space(void *ctx)
{
	const struct hr_pipeline *p = ctx;

	return p->manifest.space;
}

static const char *lineage(void *ctx)
{
	const struct hr_pipeline *p = ctx;

	return p->manifest.lineage;
}

static json_t *quality_json(const struct hr_metrics *m, enum hr_slice slice)
{
	json_t *all = json_object();

	for (int r = 0; r < HR_RANKERS; r++) {
		const enum hr_ranker ranker = (enum hr_ranker)r;

		(void)json_object_set_new(all, hr_ranker_name(ranker),
		                          json_pack("{s:f,s:f,s:f,s:f}", "recall@10", hr_metrics_recall(m, ranker, slice, 10),
		                                    "ndcg@10", hr_metrics_ndcg(m, ranker, slice, 10), "recall@20",
		                                    hr_metrics_recall(m, ranker, slice, 20), "ndcg@20",
		                                    hr_metrics_ndcg(m, ranker, slice, 20)));
	}
	return all;
}

/* Every offset of a partition, by what became of it: the parts sum up to offset - begin. */
static json_t *partition_json(const struct hr_partition *a)
{
	json_t *rejected = json_object();

	for (int why = 1; why < HR_REJECT_COUNT; why++) {
		if (a->rejected[why] != 0)
			(void)json_object_set_new(rejected, hr_reject_name((enum hr_reject)why),
			                          json_integer((json_int_t)a->rejected[why]));
	}
	return json_pack("{s:i,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "partition", a->partition, "begin", (json_int_t)a->begin,
	                 "offset", (json_int_t)a->offset, "trained", (json_int_t)a->trained, "duplicate",
	                 (json_int_t)a->duplicate, "late", (json_int_t)a->late, "gap", (json_int_t)a->gap, "forgotten",
	                 (json_int_t)a->forgotten, "rejected", rejected);
}

static json_t *state_json(struct hr_pipeline *p)
{
	json_t *partitions = json_array();
	char digest[33];

	(void)pthread_mutex_lock(&p->lock);
	const struct hr_barrier *row = &p->committed;
	hr_hash128_hex(row->digest, digest);
	for (size_t i = 0; i < row->partition_count; i++)
		(void)json_array_append_new(partitions, partition_json(&row->partition[i]));
	json_t *state = json_pack("{s:I,s:s,s:I,s:I,s:I,s:I,s:o}", "barrier", (json_int_t)row->number, "digest", digest,
	                          "events", (json_int_t)row->events, "steps", (json_int_t)row->steps, "watermark_ms",
	                          (json_int_t)row->watermark_ms, "published", (json_int_t)atomic_load(&p->published),
	                          "partitions", partitions);
	(void)pthread_mutex_unlock(&p->lock);
	return state;
}

/* Weights of the terms of a recommendation, as they are learned: model/mix.h. */
static json_t *mix_json(struct hr_pipeline *p)
{
	static const char *const names[HR_MIX_TERMS] = {"logit", "rules", "popularity", "again", "last"};
	struct hr_snapshot *s = hr_pipeline_pin(p);
	const struct hr_mix mix = s != NULL ? s->mix : hr_mix_start();
	json_t *weights = json_object();

	hr_snapshot_unref(s);
	for (size_t term = 0; term < HR_MIX_TERMS; term++)
		(void)json_object_set_new(weights, names[term], json_real((double)mix.weight[term]));
	return weights;
}

static const char *phase_name(const struct hr_pipeline *p)
{
	static const char *const names[HR_PHASES] = {"live", "backlog", "start-up"};

	return names[hr_intake_phase(p->intake)];
}

static void model_json(void *ctx, struct hr_buf *out)
{
	struct hr_pipeline *p = ctx;
	const struct hr_config *c = p->config;
	json_t *quality = json_object();

	for (int s = 0; s < HR_SLICES; s++)
		(void)json_object_set_new(quality, hr_slice_name((enum hr_slice)s), quality_json(p->metrics, (enum hr_slice)s));
	json_t *all = json_pack("{s:s,s:s,s:s,s:{s:i,s:i,s:i,s:i},s:s,s:o,s:o,s:o}", "lineage", p->manifest.lineage, "space",
	                        p->manifest.space, "kernels", hr_trainer_kernels(p->trainer), "encoder", "width",
	                        (int)c->model_width, "heads", (int)c->model_heads, "blocks", (int)c->model_blocks, "window",
	                        (int)c->history_length, "phase", phase_name(p), "state", state_json(p), "mix",
	                        mix_json(p), "quality", quality);
	char *text = json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(6));
	HR_ASSERT(text != NULL);
	hr_buf_bytes(out, text, strlen(text));
	free(text);
	json_decref(all);
}

static void metrics(void *ctx, struct hr_buf *out)
{
	struct hr_pipeline *p = ctx;

	hr_metrics_write(p->metrics, out);
}

/* Not while the model has seen nothing yet, or is in the middle of learning all it will know. */
static bool ready(void *ctx, char *why, size_t why_bytes)
{
	static const char *const phases[HR_PHASES] = {[HR_PHASE_BACKLOG] = "start-up: the backlog is being read",
	                                              [HR_PHASE_START_UP] = "start-up: the backlog is being learned"};
	const struct hr_pipeline *p = ctx;
	const char *reason = atomic_load(&p->stopping) ? "stopping" : phases[hr_intake_phase(p->intake)];

	if (reason != NULL)
		(void)snprintf(why, why_bytes, "%s", reason);
	return reason == NULL;
}

struct hr_backend hr_pipeline_backend(struct hr_pipeline *p)
{
	return (struct hr_backend){.ctx = p,
	                           .pin = pin,
	                           .counters = counters,
	                           .user = user,
	                           .item_row = item_row,
	                           .item = item,
	                           .now_ms = now_ms,
	                           .lineage = lineage,
	                           .space = space,
	                           .model_json = model_json,
	                           .metrics = metrics,
	                           .ready = ready,
	                           .repeats = p->config->recommend_repeats};
}
