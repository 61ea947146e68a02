/* daemon/write.c - the writer thread: makes barriers durable, one synced write each, then lets the world see them. */
#include <unistd.h>

#include "base/crash.h"
#include "daemon/priv.h"

/* Until there is room for the barrier. Backpressure stops the input meanwhile; queries go on. */
static void wait_for_room(struct hr_pipeline *p, const struct hr_work *w)
{
	enum { LOOK_AGAIN_US = 200000 };
	const uint64_t bytes = hr_changes_bytes(w->changes);
	const bool had_ballast = p->disk.ballast;
	bool waited = false;
	struct hr_error err;

	for (; !hr_disk_has_room(&p->disk, bytes); waited = true) {
		if (!waited)
			hr_log(HR_LOG_ERROR, "no room on the state's disk for a barrier: waiting for it", "barrier=%llu bytes=%llu",
			       (unsigned long long)w->row.number, (unsigned long long)bytes);
		(void)hr_fail(&err, HR_E_IO, "no room on the state's disk for a barrier of %llu bytes", (unsigned long long)bytes);
		if (atomic_load(&p->stopping))
			hr_pipeline_die("stopping without a last barrier; the next start goes on from the one before", &err);
		(void)usleep(LOOK_AGAIN_US);
	}
	if (had_ballast && !p->disk.ballast)
		hr_log(HR_LOG_WARNING, "gave up the ballast to write a barrier", "barrier=%llu", (unsigned long long)w->row.number);
	if (waited)
		hr_log(HR_LOG_INFO, "there is room for the barrier", "barrier=%llu", (unsigned long long)w->row.number);
	if (hr_disk_settle(&p->disk))
		hr_log(HR_LOG_INFO, "the ballast is back", "bytes=%llu", (unsigned long long)p->disk.ballast_bytes);
}

static void commit(struct hr_pipeline *p, struct hr_work *w)
{
	const int64_t began = hr_mono_us();
	struct hr_error err;
	char digest[33];

	w->row.wall_ms = hr_wall_ms();
	if (!hr_store_commit(p->store, w->changes, &w->row, &err))
		hr_pipeline_die("the state could not be written; the next start goes on from the last barrier", &err);
	atomic_store(&p->durable, w->row.number);
	hr_metric_add(hr_metric_of(p->metrics, HR_M_BARRIERS), 1);
	hr_metric_add(hr_metric_of(p->metrics, HR_M_BARRIER_BYTES), hr_changes_bytes(w->changes));
	hr_metric_set(hr_metric_of(p->metrics, HR_M_BARRIER), (double)w->row.number);
	hr_metric_set(hr_metric_of(p->metrics, HR_M_BARRIER_SECONDS), (double)(hr_mono_us() - began) * 1e-6);
	hr_hash128_hex(w->row.digest, digest);
	hr_log(HR_LOG_DEBUG, "barrier is durable", "barrier=%llu records=%llu events=%llu steps=%llu bytes=%zu digest=%s",
	       (unsigned long long)w->row.number, (unsigned long long)hr_barrier_records(&w->row),
	       (unsigned long long)w->row.events, (unsigned long long)w->row.steps, hr_changes_bytes(w->changes), digest);
}

/* Positions go to the broker only now; queries see the barrier's model from here on. */
static void announce(struct hr_pipeline *p, struct hr_work *w)
{
	hr_snapshot_ref(w->snapshot);
	hr_pipeline_share(p, w->snapshot);
	(void)pthread_mutex_lock(&p->lock);
	hr_barrier_fini(&p->committed);
	hr_barrier_copy(&p->committed, &w->row);
	p->commit_due = true;
	(void)pthread_mutex_unlock(&p->lock);
}

/* Checkpoints by age. One that fails, or for which there is no room, is told and tried again a minute later. */
static void keep_checkpoint(struct hr_pipeline *p)
{
	enum { RETRY_MS = 60000 };
	static const uint64_t room_bytes = UINT64_C(256) << 20; /* the memory tables that a checkpoint writes out, and then some */
	const struct hr_config *c = p->config;
	const int64_t now = hr_wall_ms();
	struct hr_error err;

	if (c->checkpoint_keep == 0 || now - p->checkpoint_ms < c->checkpoint_every)
		return;
	p->checkpoint_ms = now - c->checkpoint_every + RETRY_MS;
	if (hr_disk_free(c->state_dir) < c->state_free_pause + room_bytes) {
		hr_log(HR_LOG_WARNING, "no checkpoint: too little room on the state's disk", "barrier=%llu",
		       (unsigned long long)atomic_load(&p->durable));
	} else if (!hr_checkpoint_make(p->store, &err) || !hr_checkpoints_prune(c->state_dir, c->checkpoint_keep, &err)) {
		char quoted[sizeof err.msg + 64];

		hr_log(HR_LOG_WARNING, "no checkpoint", "cause=%s", hr_log_quote(err.msg, quoted, sizeof quoted));
	} else {
		p->checkpoint_ms = now;
		hr_log(HR_LOG_INFO, "checkpoint", "barrier=%llu kept=%u", (unsigned long long)atomic_load(&p->durable),
		       c->checkpoint_keep);
	}
}

/* When the newest checkpoint was made, 0 for none: a daemon that is restarted often makes some, too. */
static int64_t newest_checkpoint_ms(const struct hr_pipeline *p)
{
	HR_AUTO(hr_auto_free) struct hr_checkpoint *list = NULL;
	struct hr_error err;
	size_t count;

	if (!hr_checkpoints_list(p->config->state_dir, &list, &count, &err) || count == 0)
		return 0;
	return list[count - 1].made_ms;
}

void *hr_write_main(void *pipeline)
{
	struct hr_pipeline *p = pipeline;
	struct hr_work *w;

	hr_log_thread("writer");
	p->checkpoint_ms = newest_checkpoint_ms(p);
	while ((w = hr_queue_pop(p->barriers, -1)) != NULL) {
		wait_for_room(p, w);
		commit(p, w);
		if (p->rebuild != NULL) {
			hr_rebuild_compare(p, &w->row);
			hr_work_free(w);
			continue;
		}
		hr_crash_point("before-announce");
		announce(p, w);
		keep_checkpoint(p);
		if (!hr_queue_push(p->refreshes, w))
			hr_work_free(w);
	}
	hr_store_settle(p->store);
	hr_queue_close(p->refreshes);
	return NULL;
}
