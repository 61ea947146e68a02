/* daemon/start_up.c - the first minutes of a lineage: a backlog is read whole, then learned by epochs; then the stream is live.
 *
 * Where the backlog ends is what the log's ends were when the daemon started: the broker's word, so the order log records it and
 * a replay does not ask again. A daemon that stops in between goes on where its last barrier was.
 */
#include "daemon/priv.h"

enum { TURN_STEPS = 16, TELL_US = 5000000 };

static uint64_t backlog(const struct hr_pipeline *p)
{
	const struct hr_barrier *a = hr_intake_account(p->intake);
	uint64_t records = 0;

	for (size_t i = 0; i < a->partition_count; i++) {
		const int64_t lag = hr_source_lag(p->source, a->partition[i].partition, a->partition[i].offset);
		records += lag > 0 ? (uint64_t)lag : 0;
	}
	return records;
}

/* As far as the log goes now. */
static void note_ends(struct hr_pipeline *p)
{
	const struct hr_barrier *a = hr_intake_account(p->intake);

	p->backlog_end = hr_alloc(a->partition_count, sizeof *p->backlog_end);
	for (size_t i = 0; i < a->partition_count; i++)
		p->backlog_end[i] = hr_source_end(p->source, a->partition[i].partition);
}

void hr_start_up_open(struct hr_pipeline *p, bool new_state)
{
	const struct hr_config *c = p->config;
	const uint64_t records = backlog(p);

	if (new_state && c->train_every != 0 && c->train_start_up != 0 && records >= c->train_start_up_from)
		hr_intake_backlog(p->intake);
	hr_start_up_tell(p);
	if (hr_intake_phase(p->intake) != HR_PHASE_BACKLOG)
		return;
	note_ends(p);
	hr_log(HR_LOG_INFO, "start-up: the backlog is read first, then learned", "records=%llu epochs=%u",
	       (unsigned long long)records, c->train_start_up);
}

static bool backlog_read(const struct hr_pipeline *p)
{
	const struct hr_barrier *a = hr_intake_account(p->intake);

	for (size_t i = 0; i < a->partition_count; i++) {
		const struct hr_partition *at = &a->partition[i];
		if (at->offset < p->backlog_end[i] && hr_source_lag(p->source, at->partition, at->offset) > 0)
			return false;
	}
	return true;
}

void hr_start_up_begin(struct hr_pipeline *p)
{
	struct hr_work *rest = NULL;
	uint64_t done, planned;

	hr_intake_lock(p->intake);
	if (hr_intake_pending(p->intake) != 0)
		rest = hr_intake_step(p->intake);
	hr_intake_start_up(p->intake);
	hr_intake_unlock(p->intake);
	if (rest != NULL)
		hr_ingest_push(p, rest);
	hr_start_up_tell(p);
	hr_intake_start_up_steps(p->intake, &done, &planned);
	hr_log(HR_LOG_INFO, "start-up: learning the backlog", "events=%llu users=%u steps=%llu",
	       (unsigned long long)hr_intake_account(p->intake)->events, hr_histories_count(hr_intake_histories(p->intake)),
	       (unsigned long long)planned);
}

static void tell_steps(struct hr_pipeline *p)
{
	const int64_t now = hr_mono_us();
	uint64_t done, planned;

	if (hr_intake_phase(p->intake) == HR_PHASE_LIVE) {
		hr_log(HR_LOG_INFO, "start-up: done, the stream is live", "steps=%llu",
		       (unsigned long long)hr_intake_account(p->intake)->steps);
	} else if (now - p->start_up_told_us >= TELL_US) {
		hr_intake_start_up_steps(p->intake, &done, &planned);
		hr_log(HR_LOG_INFO, "start-up: learning", "steps=%llu of=%llu", (unsigned long long)done,
		       (unsigned long long)planned);
		p->start_up_told_us = now;
	}
	hr_start_up_tell(p);
}

void hr_start_up_steps(struct hr_pipeline *p)
{
	for (int i = 0; i < TURN_STEPS && hr_intake_phase(p->intake) == HR_PHASE_START_UP; i++) {
		hr_intake_lock(p->intake);
		struct hr_work *step = hr_intake_step(p->intake);
		hr_intake_unlock(p->intake);
		hr_ingest_push(p, step);
	}
	tell_steps(p);
}

bool hr_start_up_turn(struct hr_pipeline *p)
{
	if (hr_intake_phase(p->intake) == HR_PHASE_BACKLOG && backlog_read(p))
		hr_start_up_begin(p);
	if (hr_intake_phase(p->intake) != HR_PHASE_START_UP)
		return false;
	hr_start_up_steps(p);
	return true;
}

void hr_start_up_tell(struct hr_pipeline *p)
{
	hr_metric_set(hr_metric_of(p->metrics, HR_M_PHASE), (double)hr_intake_phase(p->intake));
}
