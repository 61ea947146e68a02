#include "daemon/rebuild.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/rebuild_priv.h"

/* ---- open ---- */

static bool open_log(struct hr_rebuild *r, const struct hr_config *config, struct hr_error *err)
{
	struct hr_manifest held, now;
	char what[256];

	if (r->options->order_log == NULL)
		return true;
	if (r->options->from != NULL || r->options->to != NULL)
		return hr_fail(err, HR_E_CONFIG, "--order-log says where a replay begins and ends: --from and --to are for others");
	if (!hr_store_look(r->options->order_log, &held, &r->log, &r->last, err))
		return hr_context(err, "--order-log");
	hr_config_training(config, now.settings, sizeof now.settings);
	if (hr_manifest_differs(&held, &now, what, sizeof what))
		return hr_fail(err, HR_E_CONFIG,
		               "%s since the order log was made: it can only be followed with the settings that it was made with", what);
	(void)snprintf(r->kernels, sizeof r->kernels, "%s", held.kernels);
	return r->last.number != 0 || hr_fail(err, HR_E_CONFIG, "--order-log: %s has no barrier yet", r->options->order_log);
}

/* The ends that a merge goes to: what --to says, but no further than the log goes now. */
static bool place_ends(struct hr_pipeline *p, struct hr_error *err)
{
	struct hr_rebuild *r = p->rebuild;
	HR_AUTO(hr_auto_free) struct hr_position *to = hr_alloc(r->lane_count, sizeof *to);

	for (size_t i = 0; i < r->lane_count; i++)
		to[i].partition = r->lane[i].partition;
	if (r->options->to != NULL && !hr_rebuild_span(p->config, "--to", r->options->to, to, r->lane_count, err))
		return false;
	for (size_t i = 0; i < r->lane_count; i++) {
		const int64_t end = hr_source_end(p->source, r->lane[i].partition);

		r->lane[i].end = r->options->to == NULL || to[i].offset < 0 || to[i].offset > end ? end : to[i].offset;
	}
	return true;
}

/* Partitions and their beginnings, from the order log's state or from the topic. */
static bool place_beginnings(struct hr_pipeline *p, struct hr_position **ret_at, size_t *ret_count, struct hr_error *err)
{
	const struct hr_barrier *last = &p->rebuild->last;
	const char *from = p->rebuild->options->from;

	if (p->rebuild->log == NULL) {
		if (!hr_ingest_partitions(p, err))
			return false;
	} else {
		for (size_t i = 0; i < last->partition_count; i++)
			hr_intake_partition(p->intake, last->partition[i].partition, last->partition[i].begin);
	}
	const struct hr_barrier *a = hr_intake_account(p->intake);
	struct hr_position *at = hr_alloc(a->partition_count, sizeof *at);
	for (size_t i = 0; i < a->partition_count; i++)
		at[i] = (struct hr_position){a->partition[i].partition, a->partition[i].begin};
	*ret_at = at;
	*ret_count = a->partition_count;
	return p->rebuild->log != NULL ||
	       hr_rebuild_span(p->config, "--from", from == NULL ? "earliest" : from, at, a->partition_count, err);
}

/* The log must reach as far as the order log goes. */
static bool check_ends(struct hr_pipeline *p, struct hr_error *err)
{
	const struct hr_rebuild *r = p->rebuild;

	for (size_t i = 0; i < r->lane_count; i++) {
		const int64_t end = hr_source_end(p->source, r->lane[i].partition);

		if (end < r->lane[i].end)
			return hr_fail(err, HR_E_CONFIG,
			               "partition %" PRId32 ": the order log goes to offset %" PRId64 ", topic %s ends at %" PRId64
			               ": it was re-created or truncated",
			               r->lane[i].partition, r->lane[i].end, p->config->events_topic, end);
	}
	return true;
}

static void place_lanes(struct hr_pipeline *p, size_t count)
{
	struct hr_rebuild *r = p->rebuild;

	r->lane = hr_alloc(count, sizeof *r->lane);
	r->lane_count = count;
	for (size_t i = 0; i < count; i++) {
		r->lane[i].partition = hr_intake_account(p->intake)->partition[i].partition;
		if (r->log == NULL)
			hr_intake_begin(p->intake, r->lane[i].partition, hr_source_position(p->source, r->lane[i].partition));
		else
			r->lane[i].end = r->last.partition[i].offset;
	}
}

static void count_total(struct hr_pipeline *p)
{
	struct hr_rebuild *r = p->rebuild;

	for (size_t i = 0; i < r->lane_count; i++) {
		const int64_t more = r->lane[i].end - hr_source_position(p->source, r->lane[i].partition);

		r->total += more > 0 ? (uint64_t)more : 0;
	}
}

bool hr_rebuild_open(struct hr_pipeline *p, bool new_state, struct hr_error *err)
{
	const struct hr_kafka_config kafka = hr_config_kafka(p->config);
	HR_AUTO(hr_auto_free) struct hr_position *at = NULL;
	struct hr_rebuild *r = p->rebuild;
	size_t count;

	if (!new_state)
		return hr_fail(err, HR_E_CONFIG, "%s holds a state already: a replay begins in an empty directory", p->config->state_dir);
	if (r->log != NULL && strcmp(r->kernels, p->manifest.kernels) != 0)
		hr_log(HR_LOG_WARNING, "the order log was made with other kernels: equal bytes are not to be expected",
		       "then=%s now=%s", r->kernels, p->manifest.kernels);
	if (r->without != NULL)
		hr_intake_without(p->intake, r->without);
	if (!place_beginnings(p, &at, &count, err) ||
	    !hr_source_open_apart(&kafka, p->config->events_topic, at, count, &p->source, err))
		return false;
	place_lanes(p, count);
	if (r->log == NULL ? !place_ends(p, err) : !check_ends(p, err))
		return false;
	count_total(p);
	return true;
}

/* ---- compare ---- */

void hr_rebuild_compare(struct hr_pipeline *p, const struct hr_barrier *row)
{
	struct hr_rebuild *r = p->rebuild;
	HR_AUTO(hr_buf_fini) struct hr_buf log = {0};
	struct hr_order_head head;
	struct hr_error err;

	r->result.barriers = row->number;
	r->result.events = row->events;
	r->result.digest = row->digest;
	if (r->log == NULL || r->result.differs != 0)
		return;
	if (!hr_store_order_log(r->log, row->number, &head, &log, &err))
		hr_pipeline_die("the order log can not be read", &err);
	if (head.digest.hi == row->digest.hi && head.digest.lo == row->digest.lo) {
		r->result.equal++;
		return;
	}
	r->result.differs = row->number;
	r->result.want = head.digest;
	r->result.got = row->digest;
	atomic_store(&p->stopping, true);
}

/* ---- the whole ---- */

static bool run(const struct hr_config *config, struct hr_rebuild *r, struct hr_error *err)
{
	struct hr_pipeline *p;

	if (!hr_pipeline_start_rebuild(config, r, &p, err))
		return false;
	hr_pipeline_join(p);
	hr_pipeline_free(p);
	r->result.records = r->taken;
	if (!r->options->quiet)
		hr_progress_end(&r->progress, r->taken);
	if (r->failed && r->result.differs == 0)
		*err = r->err;
	return !r->failed || r->result.differs != 0;
}

bool hr_rebuild_run(const struct hr_config *config, const struct hr_rebuild_options *options,
                   struct hr_rebuild_result *ret_result, struct hr_error *err)
{
	struct hr_rebuild *r = hr_alloc(1, sizeof *r);

	r->options = options;
	const bool ok = (options->without == NULL || hr_rebuild_users(options->without, &r->without, err)) &&
	                open_log(r, config, err) && run(config, r, err);
	if (ok)
		*ret_result = r->result;
	hr_store_close(r->log);
	hr_barrier_fini(&r->last);
	hr_idmap_free(r->without);
	hr_free(r->lane);
	hr_free(r);
	return ok;
}

void hr_rebuild_print(const char *name, const struct hr_rebuild_result *r, bool compared, FILE *out)
{
	char digest[33], want[33], got[33];

	hr_hash128_hex(r->digest, digest);
	hr_hash128_hex(r->want, want);
	hr_hash128_hex(r->got, got);
	(void)fprintf(out, "%s records=%" PRIu64 " events=%" PRIu64 " barriers=%" PRIu64 " digest=%s", name, r->records, r->events,
	              r->barriers, digest);
	if (compared)
		(void)fprintf(out, " equal=%" PRIu64, r->equal);
	if (r->differs != 0)
		(void)fprintf(out, " differs=%" PRIu64 " stored=%s recomputed=%s", r->differs, want, got);
	(void)fputc('\n', out);
}
