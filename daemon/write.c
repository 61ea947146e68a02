/* daemon/write.c - the writer thread: makes barriers durable, one synced write each, then lets the world see them. */
#include "base/crash.h"
#include "daemon/priv.h"

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

void *hr_write_main(void *pipeline)
{
	struct hr_pipeline *p = pipeline;
	struct hr_work *w;

	hr_log_thread("writer");
	while ((w = hr_queue_pop(p->barriers, -1)) != NULL) {
		commit(p, w);
		hr_crash_point("before-announce");
		announce(p, w);
		if (!hr_queue_push(p->refreshes, w))
			hr_work_free(w);
	}
	hr_queue_close(p->refreshes);
	return NULL;
}
