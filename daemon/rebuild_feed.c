/* daemon/rebuild_feed.c - the ingest thread of a replay: records in a given order, steps and barriers out. */
#include <inttypes.h>
#include <string.h>

#include "daemon/rebuild_priv.h"

enum { GROUP = 64, POLL_WAIT_MS = 100 };

static bool give_up(struct hr_pipeline *p)
{
	p->rebuild->failed = true;
	return false;
}

/* "event time 2026-11-24 20:15" behind the bar. */
static void show_progress(struct hr_pipeline *p)
{
	struct hr_rebuild *r = p->rebuild;
	const int64_t stream_ms = hr_intake_stream_ms(p->intake);
	const double share = r->total == 0 ? -1 : (double)r->taken / (double)r->total;

	if (r->options->quiet)
		return;
	hr_progress_note(&r->progress, stream_ms == INT64_MIN ? 0 : stream_ms);
	hr_progress_update(&r->progress, r->taken, share);
}

static void push_step(struct hr_pipeline *p)
{
	hr_intake_lock(p->intake);
	struct hr_work *step = hr_intake_step(p->intake);
	hr_intake_unlock(p->intake);
	hr_ingest_push(p, step);
}

static void push_barrier(struct hr_pipeline *p)
{
	hr_ingest_barrier(p);
	p->rebuild->barrier_events = hr_intake_account(p->intake)->events;
}

/* ---- lanes ---- */

/* Waits for a record of the lane; without one it is done. False: the replay ends. */
static bool fill(struct hr_pipeline *p, struct hr_rebuild_lane *l)
{
	struct hr_rebuild *r = p->rebuild;

	l->at = l->count = 0;
	while (l->count == 0 && !l->done) {
		if (atomic_load(&p->stopping))
			return false;
		if (!hr_source_poll_partition(p->source, l->partition, l->record, HR_REBUILD_READ, POLL_WAIT_MS, &l->count, &r->err))
			return give_up(p);
		l->done = l->count == 0 ? hr_source_reached(p->source, l->partition, l->end) : l->record[0].offset >= l->end;
		show_progress(p);
	}
	if (l->done)
		l->count = 0;
	while (l->count > 0 && l->record[l->count - 1].offset >= l->end)
		l->count--;
	return true;
}

/* The next records of a lane, under one hold of the lock. */
static void take(struct hr_pipeline *p, struct hr_rebuild_lane *l, size_t count)
{
	enum hr_reject why = HR_ACCEPTED;

	hr_intake_lock(p->intake);
	for (size_t i = 0; i < count; i++) {
		const enum hr_outcome outcome = hr_intake_record(p->intake, &l->record[l->at++], p->decoder, &why);
		hr_metrics_outcome(p->metrics, outcome, why);
	}
	hr_intake_unlock(p->intake);
	p->rebuild->taken += count;
}

static struct hr_rebuild_lane *lane_of(struct hr_rebuild *r, int32_t partition)
{
	for (size_t i = 0; i < r->lane_count; i++) {
		if (r->lane[i].partition == partition)
			return &r->lane[i];
	}
	return NULL;
}

/* ---- a recorded order ---- */

static bool take_run(struct hr_pipeline *p, int32_t partition, uint64_t count)
{
	struct hr_rebuild *r = p->rebuild;
	struct hr_rebuild_lane *l = lane_of(r, partition);

	if (l == NULL) {
		(void)hr_fail(&r->err, HR_E_FORMAT, "the order log names partition %" PRId32 ", which the state does not read", partition);
		return give_up(p);
	}
	while (count != 0) {
		if (l->at == l->count && !fill(p, l))
			return false;
		if (l->done) {
			(void)hr_fail(&r->err, HR_E_BROKER,
			              "partition %" PRId32 ": the order log takes %" PRIu64 " records more before offset %" PRId64
			              " than the topic holds",
			              partition, count, l->end);
			return give_up(p);
		}
		size_t now = l->count - l->at < GROUP ? l->count - l->at : GROUP;
		now = now < count ? now : (size_t)count;
		take(p, l, now);
		count -= now;
	}
	return true;
}

/* The mark of a start-up stands where one can begin, or end: what is read from a disk is not believed. */
static bool fits(struct hr_pipeline *p, enum hr_phase phase)
{
	if (hr_intake_phase(p->intake) == phase && hr_intake_pending(p->intake) == 0 && p->config->train_every != 0)
		return true;
	(void)hr_fail(&p->rebuild->err, HR_E_FORMAT, "the order log has a mark of a start-up where none can be");
	return give_up(p);
}

static bool follow_entry(struct hr_pipeline *p, const struct hr_order_entry *e)
{
	if ((e->kind == HR_ORDER_BACKLOG && !fits(p, HR_PHASE_LIVE)) || (e->kind == HR_ORDER_START_UP && !fits(p, HR_PHASE_BACKLOG)))
		return false;
	switch (e->kind) {
	case HR_ORDER_RUN: return take_run(p, e->partition, e->count);
	case HR_ORDER_STEP: push_step(p); break;
	case HR_ORDER_THAW: hr_intake_thaw(p->intake); break;
	case HR_ORDER_BACKLOG: hr_intake_backlog(p->intake); break;
	case HR_ORDER_START_UP: hr_start_up_begin(p); break;
	case HR_ORDER_EVERY: hr_intake_every(p->intake, (uint32_t)e->count); break; /* said again: where steps fall, they say */
	}
	return true;
}

static bool follow_barrier(struct hr_pipeline *p, uint64_t number)
{
	struct hr_rebuild *r = p->rebuild;
	HR_AUTO(hr_buf_fini) struct hr_buf log = {0};
	struct hr_order_head head;
	struct hr_order_entry e;

	if (!hr_store_order_log(r->log, number, &head, &log, &r->err))
		return give_up(p);
	struct hr_cursor c = {.p = log.p, .left = log.len};
	while (hr_order_next(&c, &e)) {
		if (!follow_entry(p, &e))
			return false;
	}
	if (c.failed || hr_intake_pending(p->intake) != 0) {
		(void)hr_fail(&r->err, HR_E_FORMAT, "barrier %" PRIu64 ": its order log %s", number,
		              c.failed ? "can not be read" : "does not end with a step");
		return give_up(p);
	}
	push_barrier(p);
	return true;
}

static void follow(struct hr_pipeline *p)
{
	for (uint64_t number = 1; number <= p->rebuild->last.number && !atomic_load(&p->stopping); number++) {
		if (!follow_barrier(p, number))
			return;
	}
}

/* ---- a merge ---- */

/* Does the record in hand of a come before that of b? Lanes ascend by partition, so an equal time is settled by place. */
static bool before(const struct hr_rebuild_lane *a, const struct hr_rebuild_lane *b)
{
	const int64_t x = a->record[a->at].timestamp_ms, y = b->record[b->at].timestamp_ms;

	return x != y ? x < y : a < b;
}

/* The lane whose turn it is, and the one after it. False: the replay ends. */
static bool choose(struct hr_pipeline *p, struct hr_rebuild_lane **ret_first, struct hr_rebuild_lane **ret_second)
{
	struct hr_rebuild *r = p->rebuild;

	*ret_first = *ret_second = NULL;
	for (size_t i = 0; i < r->lane_count; i++) {
		struct hr_rebuild_lane *l = &r->lane[i];

		if (l->at == l->count && !l->done && !fill(p, l))
			return false;
		if (l->done)
			continue;
		if (*ret_first == NULL || before(l, *ret_first)) {
			*ret_second = *ret_first;
			*ret_first = l;
		} else if (*ret_second == NULL || before(l, *ret_second)) {
			*ret_second = l;
		}
	}
	return true;
}

/* After every record: its place in the stream decides where steps and barriers fall, and nothing else does. */
static void close_step(struct hr_pipeline *p)
{
	const uint64_t since = hr_intake_account(p->intake)->events - p->rebuild->barrier_events;
	const bool due = since >= p->config->barrier_events;

	if (!hr_intake_step_due(p->intake))
		return;
	push_step(p);
	if (due)
		push_barrier(p);
}

/* What a merge reads is a backlog, if it is worth it: read whole, then learned by epochs. */
static void begin_backlog(struct hr_pipeline *p)
{
	const struct hr_config *c = p->config;

	if (c->train_every != 0 && c->train_start_up != 0 && p->rebuild->total >= c->train_start_up_from)
		hr_intake_backlog(p->intake);
}

static void learn_backlog(struct hr_pipeline *p)
{
	if (hr_intake_phase(p->intake) == HR_PHASE_BACKLOG)
		hr_start_up_begin(p);
	while (hr_intake_phase(p->intake) == HR_PHASE_START_UP && !atomic_load(&p->stopping))
		hr_start_up_steps(p);
}

static void merge(struct hr_pipeline *p)
{
	struct hr_rebuild_lane *first, *second;

	begin_backlog(p);
	while (choose(p, &first, &second) && first != NULL && !atomic_load(&p->stopping)) {
		do {
			take(p, first, 1);
			close_step(p);
		} while (first->at < first->count && (second == NULL || before(first, second)));
		show_progress(p);
	}
	if (!p->rebuild->failed)
		learn_backlog(p);
	if (!p->rebuild->failed && hr_intake_changed(p->intake))
		push_barrier(p);
}

void *hr_rebuild_main(void *pipeline)
{
	struct hr_pipeline *p = pipeline;
	struct hr_rebuild *r = p->rebuild;

	hr_log_thread("ingest");
	hr_progress_begin(&r->progress, "records");
	if (r->log != NULL)
		follow(p);
	else
		merge(p);
	hr_queue_close(p->steps);
	return NULL;
}
