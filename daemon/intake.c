#include "daemon/intake.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/base.h"
#include "daemon/epochs.h"
#include "daemon/schedule.h"

enum { BACKLOG_EVERY = 1024 }; /* events handed to the counters at once while a backlog is read */

/* A record that was decoded before its turn. */
struct hr_ahead {
	const uint8_t *value;
	int64_t offset;
	int32_t partition;
	enum hr_reject why;
	struct hr_event event;
};

struct hr_intake {
	/* ---- set at start, then read-only ---- */
	struct hr_intake_config config;
	const struct hr_idmap *without; /* users whose records are left out; NULL: none */
	/* ---- ingest thread; readers under the lock ---- */
	pthread_mutex_t lock;
	struct hr_histories *histories;
	struct hr_catalogue *catalogue;
	struct hr_catalogue *described; /* metadata by id, read anew from the items topic at each start: not state */
	/* ---- ingest thread only ---- */
	struct hr_schedule *schedule;
	uint32_t every;            /* events between steps now */
	struct hr_epochs *epochs;  /* start-up; otherwise NULL */
	struct hr_epochs_place place; /* of epochs, as loaded */
	int64_t expired_day;       /* of stream time: items were looked through at its first step */
	struct hr_buf window;      /* of the schedule, as loaded: numbers of users that come later */
	bool stepped;              /* a step of start-up since the last barrier */
	struct hr_barrier account; /* positions and counts as of now */
	struct hr_order order;     /* since the last barrier */
	struct hr_work *open;      /* the step being filled */
	size_t pending;            /* events in it */
	uint64_t other_keys;       /* events whose record's key was not their user; told, not state */
	uint64_t since_barrier;    /* records since the last barrier, whatever became of them */
	struct hr_ahead ahead[HR_FETCH_MAX]; /* ahead_count; those from ahead_at on are still to come */
	size_t ahead_at, ahead_count;
	int64_t *arrived_ms;       /* broker timestamps of events since the last barrier */
	size_t arrived_count, arrived_cap;
	/* ---- shared ---- */
	_Atomic int64_t stream_ms;
	_Atomic int phase; /* enum hr_phase */
};

static int64_t day_of(int64_t time_ms) { return time_ms == INT64_MIN ? INT64_MIN : time_ms / INT64_C(86400000); }

struct hr_intake *hr_intake_new(const struct hr_intake_config *config)
{
	struct hr_intake *in = hr_alloc(1, sizeof *in);

	in->config = *config;
	in->expired_day = INT64_MIN;
	(void)pthread_mutex_init(&in->lock, NULL);
	in->histories = hr_histories_new(config->history_length);
	in->catalogue = hr_catalogue_new(config->min_count);
	in->described = hr_catalogue_new(1);
	in->schedule = hr_schedule_new(config->window, config->rehearsal, config->all_positions, config->positions, config->seed);
	in->open = hr_work_new(HR_WORK_STEP);
	in->every = config->every;
	in->account.watermark_ms = INT64_MIN;
	atomic_init(&in->stream_ms, INT64_MIN);
	return in;
}

void hr_intake_free(struct hr_intake *in)
{
	if (in == NULL)
		return;
	hr_histories_free(in->histories);
	hr_catalogue_free(in->catalogue);
	hr_catalogue_free(in->described);
	hr_schedule_free(in->schedule);
	hr_epochs_free(in->epochs);
	hr_buf_fini(&in->window);
	hr_barrier_fini(&in->account);
	hr_order_fini(&in->order);
	hr_work_free(in->open);
	hr_free(in->arrived_ms);
	(void)pthread_mutex_destroy(&in->lock);
	hr_free(in);
}

void hr_intake_lock(struct hr_intake *in) { (void)pthread_mutex_lock(&in->lock); }
void hr_intake_unlock(struct hr_intake *in) { (void)pthread_mutex_unlock(&in->lock); }
struct hr_histories *hr_intake_histories(struct hr_intake *in) { return in->histories; }
struct hr_catalogue *hr_intake_catalogue(struct hr_intake *in) { return in->catalogue; }
const struct hr_barrier *hr_intake_account(const struct hr_intake *in) { return &in->account; }
int64_t hr_intake_stream_ms(const struct hr_intake *in) { return atomic_load(&in->stream_ms); }
size_t hr_intake_pending(const struct hr_intake *in) { return in->pending; }
uint64_t hr_intake_events_since_barrier(const struct hr_intake *in) { return in->since_barrier; }
bool hr_intake_changed(const struct hr_intake *in) { return in->since_barrier != 0 || in->stepped; }
enum hr_phase hr_intake_phase(const struct hr_intake *in) { return (enum hr_phase)atomic_load(&in->phase); }

bool hr_intake_step_due(const struct hr_intake *in)
{
	const uint32_t every = hr_intake_phase(in) == HR_PHASE_BACKLOG ? BACKLOG_EVERY : in->every;

	return in->config.every != 0 && in->pending >= every;
}

void hr_intake_every(struct hr_intake *in, uint32_t n)
{
	in->every = n == 0 ? in->config.every : n;
	hr_order_every(&in->order, in->every);
}

static struct hr_partition *find_partition(struct hr_intake *in, int32_t partition)
{
	for (size_t i = 0; i < in->account.partition_count; i++) {
		if (in->account.partition[i].partition == partition)
			return &in->account.partition[i];
	}
	return NULL;
}

void hr_intake_partition(struct hr_intake *in, int32_t partition, int64_t begin)
{
	struct hr_barrier *a = &in->account;

	HR_ASSERT(find_partition(in, partition) == NULL);
	HR_ASSERT(a->partition_count == 0 || a->partition[a->partition_count - 1].partition < partition);
	struct hr_partition *more = hr_alloc(a->partition_count + 1, sizeof *more);
	if (a->partition_count != 0)
		memcpy(more, a->partition, a->partition_count * sizeof *more);
	more[a->partition_count] = (struct hr_partition){.partition = partition, .begin = begin, .offset = begin};
	hr_free(a->partition);
	a->partition = more;
	a->partition_count++;
}

void hr_intake_begin(struct hr_intake *in, int32_t partition, int64_t begin)
{
	struct hr_partition *p = find_partition(in, partition);

	HR_ASSERT(p != NULL && p->offset == p->begin);
	p->begin = p->offset = begin;
}

uint64_t hr_record_fingerprint(const struct hr_record *record)
{
	const uint64_t parts[3] = {
		record->key == NULL ? 0 : hr_hash(record->key, record->key_len),
		record->value == NULL ? 0 : hr_hash(record->value, record->value_len),
		(uint64_t)(record->value == NULL),
	};
	const uint64_t h = hr_hash(parts, sizeof parts);

	return h == 0 ? 1 : h;
}

/* The row of an event's item, told to the trainer when it is new. */
static uint32_t item_row(struct hr_intake *in, const struct hr_event *e)
{
	const uint32_t known = hr_catalogue_count(in->catalogue), row = hr_catalogue_row(in->catalogue, e->item, e->item_len);
	struct hr_work *w = in->open;

	if (row == known) {
		w->item = hr_grow(w->item, &w->item_cap, w->item_count + 1, sizeof *w->item);
		w->item[w->item_count++] = (struct hr_work_item){.row = row, .id_hash = hr_hash(e->item, e->item_len)};
	}
	return row;
}

/* An accepted event joins the open step; its item may be admitted by it. */
static void enter_event(struct hr_intake *in, const struct hr_event *e, uint32_t row, struct hr_history before)
{
	struct hr_work *w = in->open;

	if (in->config.every != 0)
		hr_work_add_event(w, in->account.events, row, e->kind, e->time_ms, before);
	if (hr_catalogue_count_event(in->catalogue, row, e->time_ms)) {
		w->admission = hr_grow(w->admission, &w->admission_cap, w->admission_count + 1, sizeof *w->admission);
		w->admission[w->admission_count++] =
			(struct hr_work_admission){.row = row, .event = w->event_count == 0 ? 0 : (uint32_t)(w->event_count - 1)};
	}
	in->account.events++;
	in->pending++;
	if (e->time_ms > in->account.watermark_ms) {
		in->account.watermark_ms = e->time_ms;
		atomic_store(&in->stream_ms, e->time_ms);
	}
}

/* An event of a user. Its question is asked with the history as it was before the append. */
static enum hr_outcome take_event(struct hr_intake *in, const struct hr_event *e, int64_t timestamp_ms)
{
	const uint32_t user = hr_histories_user(in->histories, e->user, e->user_len), row = item_row(in, e);
	const struct hr_past past = {.time_ms = e->time_ms, .item = row, .kind = e->kind};
	const struct hr_history before = in->config.every != 0 ? hr_histories_get(in->histories, user) : (struct hr_history){0};
	uint16_t place;

	switch (hr_histories_append(in->histories, user, &past, e->id, e->id_len, &place)) {
	case HR_DUPLICATE: return HR_OUT_DUPLICATE;
	case HR_LATE: return HR_OUT_LATE;
	case HR_APPENDED: break;
	}
	enter_event(in, e, row, before);
	if (in->config.every != 0)
		hr_schedule_event(in->schedule, user);
	in->arrived_ms = hr_grow(in->arrived_ms, &in->arrived_cap, in->arrived_count + 1, sizeof *in->arrived_ms);
	in->arrived_ms[in->arrived_count++] = timestamp_ms;
	return HR_OUT_TRAINED;
}

/* By the record's own timestamp, never by what other events said: one wrong clock must not move the bound for everybody. */
static bool too_far_ahead(const struct hr_intake *in, int64_t time_ms, int64_t timestamp_ms)
{
	return timestamp_ms >= 0 && time_ms - timestamp_ms > in->config.future_limit_ms;
}

static void account_for(struct hr_intake *in, struct hr_partition *p, int64_t offset, enum hr_outcome outcome,
                        enum hr_reject why)
{
	_Static_assert(HR_REJECT_COUNT <= HR_REJECT_SLOTS, "the barrier row has room for every reason");

	/* Offsets that never reach a reader (transaction markers, compaction) are steps of the log, not lost events. */
	HR_ASSERT(offset >= p->offset);
	p->gap += (uint64_t)(offset - p->offset);
	p->offset = offset + 1;
	in->since_barrier++;
	switch (outcome) {
	case HR_OUT_TRAINED: p->trained++; break;
	case HR_OUT_REJECTED: p->rejected[why]++; break;
	case HR_OUT_DUPLICATE: p->duplicate++; break;
	case HR_OUT_LATE: p->late++; break;
	case HR_OUT_FORGOTTEN: p->forgotten++; break;
	}
}

enum hr_outcome hr_intake_event(struct hr_intake *in, const struct hr_event *event, int32_t partition, int64_t offset,
                                int64_t timestamp_ms, enum hr_reject *ret_why)
{
	struct hr_partition *p = find_partition(in, partition);
	enum hr_outcome outcome = HR_OUT_REJECTED;

	HR_ASSERT(p != NULL);
	hr_order_record(&in->order, partition);
	*ret_why = too_far_ahead(in, event->time_ms, timestamp_ms) ? HR_REJECT_FUTURE : HR_ACCEPTED;
	if (*ret_why == HR_ACCEPTED)
		outcome = take_event(in, event, timestamp_ms);
	account_for(in, p, offset, outcome, *ret_why);
	return outcome;
}

void hr_intake_without(struct hr_intake *in, const struct hr_idmap *users) { in->without = users; }

static bool left_out(const struct hr_intake *in, const struct hr_event *e)
{
	return in->without != NULL && hr_idmap_find(in->without, e->user, e->user_len) != HR_NONE;
}

static enum hr_outcome forget_user(struct hr_intake *in, const struct hr_record *record, enum hr_reject *ret_why)
{
	if (record->key == NULL || record->key_len == 0) {
		*ret_why = HR_REJECT_NO_USER;
		return HR_OUT_REJECTED;
	}
	const uint32_t user = hr_histories_find(in->histories, record->key, record->key_len);
	if (user != HR_NONE)
		(void)hr_histories_forget(in->histories, user);
	*ret_why = HR_ACCEPTED;
	return HR_OUT_FORGOTTEN;
}

static bool is_key(const struct hr_record *r, const struct hr_event *e)
{
	return r->key != NULL && r->key_len == e->user_len && memcmp(r->key, e->user, r->key_len) == 0;
}

uint64_t hr_intake_other_keys(const struct hr_intake *in) { return in->other_keys; }

/* What a record says, which hr_intake_fetch may know already. */
static enum hr_reject decode(struct hr_intake *in, const struct hr_record *r, struct hr_decoder *decoder, struct hr_event *e)
{
	while (in->ahead_at < in->ahead_count) {
		const struct hr_ahead *a = &in->ahead[in->ahead_at++];

		if (a->value == r->value && a->partition == r->partition && a->offset == r->offset) {
			*e = a->event;
			return a->why;
		}
	}
	return hr_decode(decoder, r->value, r->value_len, e);
}

/* Decoded ahead when the event stays where it is; else its user is most likely the key. */
static bool look_ahead(const struct hr_record *r, struct hr_decoder *decoder, struct hr_ahead *a, struct hr_id *user,
                       struct hr_id *item)
{
	*user = (struct hr_id){r->key, r->key == NULL ? 0 : r->key_len};
	*item = (struct hr_id){0};
	if (r->failed || r->value == NULL || !hr_decoder_borrows(decoder))
		return false;
	*a = (struct hr_ahead){.value = r->value, .partition = r->partition, .offset = r->offset};
	a->why = hr_decode(decoder, r->value, r->value_len, &a->event);
	if (a->why == HR_ACCEPTED) {
		*user = (struct hr_id){a->event.user, a->event.user_len};
		*item = (struct hr_id){a->event.item, a->event.item_len};
	}
	return true;
}

void hr_intake_fetch(struct hr_intake *in, const struct hr_record *records, size_t count, struct hr_decoder *decoder)
{
	struct hr_id user[HR_FETCH_MAX], item[HR_FETCH_MAX];

	HR_ASSERT(count <= HR_FETCH_MAX);
	in->ahead_at = in->ahead_count = 0;
	for (size_t i = 0; i < count; i++)
		__builtin_prefetch(records[i].value);
	for (size_t i = 0; i < count; i++)
		in->ahead_count += look_ahead(&records[i], decoder, &in->ahead[in->ahead_count], &user[i], &item[i]);
	hr_histories_fetch(in->histories, user, count);
	hr_catalogue_fetch(in->catalogue, item, count);
}

enum hr_outcome hr_intake_record(struct hr_intake *in, const struct hr_record *record, struct hr_decoder *decoder,
                                 enum hr_reject *ret_why)
{
	struct hr_partition *p = find_partition(in, record->partition);
	enum hr_outcome outcome = HR_OUT_REJECTED;
	struct hr_event event;

	HR_ASSERT(p != NULL);
	p->fingerprint = record->failed ? 0 : hr_record_fingerprint(record);
	if (!record->failed && record->value != NULL) {
		*ret_why = decode(in, record, decoder, &event);
		in->other_keys += *ret_why == HR_ACCEPTED && !is_key(record, &event);
		if (*ret_why == HR_ACCEPTED && left_out(in, &event))
			outcome = HR_OUT_FORGOTTEN;
		else if (*ret_why == HR_ACCEPTED)
			return hr_intake_event(in, &event, record->partition, record->offset, record->timestamp_ms, ret_why);
	} else if (record->failed) {
		*ret_why = HR_REJECT_SOURCE;
	} else {
		outcome = forget_user(in, record, ret_why);
	}
	hr_order_record(&in->order, record->partition);
	account_for(in, p, record->offset, outcome, *ret_why);
	return outcome;
}

void hr_intake_item(struct hr_intake *in, const void *id, size_t id_len, const char *title, const char *const *category,
                    size_t category_count, const char *const *tag, size_t tag_count, double price)
{
	const uint32_t row = hr_catalogue_row(in->described, id, id_len);

	hr_catalogue_describe(in->described, row, title, category, category_count, tag, tag_count, price);
}

void hr_intake_item_gone(struct hr_intake *in, const void *id, size_t id_len)
{
	const uint32_t row = hr_catalogue_find(in->described, id, id_len);

	if (row != HR_NONE)
		hr_catalogue_undescribe(in->described, row);
}

bool hr_intake_described(struct hr_intake *in, const void *id, size_t id_len, struct hr_item *ret_item)
{
	const uint32_t row = hr_catalogue_find(in->described, id, id_len);

	if (row != HR_NONE)
		*ret_item = hr_catalogue_get(in->described, row);
	return row != HR_NONE && ret_item->described;
}

/* ---- start-up ---- */

static struct hr_history history_of(const void *histories, uint32_t user) { return hr_histories_get(histories, user); }

static void open_epochs(struct hr_intake *in)
{
	const struct hr_epochs_config c = {.epochs = in->config.start_up,
	                                   .batch = in->config.start_up_batch,
	                                   .positions = in->config.positions,
	                                   .rate = in->config.rate,
	                                   .seed = in->config.seed};

	in->epochs = hr_epochs_new(&c, history_of, in->histories, hr_histories_count(in->histories));
}

static void close_epochs(struct hr_intake *in)
{
	hr_epochs_free(in->epochs);
	in->epochs = NULL;
	atomic_store(&in->phase, HR_PHASE_LIVE);
}

void hr_intake_backlog(struct hr_intake *in)
{
	HR_ASSERT(in->pending == 0 && in->config.every != 0 && hr_intake_phase(in) == HR_PHASE_LIVE);
	hr_order_backlog(&in->order);
	atomic_store(&in->phase, HR_PHASE_BACKLOG);
}

void hr_intake_start_up(struct hr_intake *in)
{
	HR_ASSERT(in->pending == 0 && hr_intake_phase(in) == HR_PHASE_BACKLOG);
	hr_order_start_up(&in->order);
	in->stepped = true;
	atomic_store(&in->phase, HR_PHASE_START_UP);
	open_epochs(in);
	if (in->config.start_up == 0 || hr_epochs_positions(in->epochs) == 0)
		close_epochs(in);
}

void hr_intake_start_up_steps(const struct hr_intake *in, uint64_t *ret_done, uint64_t *ret_planned)
{
	*ret_done = in->epochs == NULL ? 0 : hr_epochs_place(in->epochs).steps;
	*ret_planned = in->epochs == NULL ? 0 : hr_epochs_planned(in->epochs);
}

static void start_up_step(struct hr_intake *in, struct hr_work *w)
{
	HR_ASSERT(in->pending == 0);
	hr_epochs_batch(in->epochs, in->catalogue, &w->batch, &w->rate);
	in->stepped = true;
	if (hr_epochs_place(in->epochs).epoch == in->config.start_up)
		close_epochs(in);
}

/* ---- steps ---- */

/* At the first step of each day of stream time: a step is at the same place in every replay. */
static void expire_items(struct hr_intake *in, struct hr_work *w)
{
	const int64_t now_ms = in->account.watermark_ms;

	if (in->config.expire_ms == 0 || day_of(now_ms) == in->expired_day)
		return;
	in->expired_day = day_of(now_ms);
	for (uint32_t row = 0; row < hr_catalogue_count(in->catalogue); row++) {
		const struct hr_item item = hr_catalogue_get(in->catalogue, row);
		if (!item.admitted || now_ms - item.last_ms < in->config.expire_ms)
			continue;
		hr_catalogue_expire(in->catalogue, row);
		w->expired = hr_grow(w->expired, &w->expired_cap, w->expired_count + 1, sizeof *w->expired);
		w->expired[w->expired_count++] = row;
	}
}

struct hr_work *hr_intake_step(struct hr_intake *in)
{
	struct hr_work *w = in->open;

	expire_items(in, w);
	switch (hr_intake_phase(in)) {
	case HR_PHASE_BACKLOG: w->mute = true; break;
	case HR_PHASE_START_UP: start_up_step(in, w); break;
	default:
		if (in->config.every != 0)
			hr_schedule_batch(in->schedule, in->account.steps, in->account.watermark_ms, in->histories, in->catalogue,
			                  &w->batch);
	}
	hr_order_step(&in->order);
	in->account.steps++;
	in->pending = 0;
	in->open = hr_work_new(HR_WORK_STEP);
	return w;
}

void hr_intake_thaw(struct hr_intake *in)
{
	hr_order_thaw(&in->order);
	in->open->thaw = true;
}

void hr_intake_window(struct hr_intake *in, uint32_t n) { hr_schedule_window(in->schedule, n); }

enum { SCHEDULE_VERSION = 2 };

static void put_schedule(struct hr_intake *in, struct hr_changes *changes)
{
	const struct hr_epochs_place at = in->epochs == NULL ? (struct hr_epochs_place){0} : hr_epochs_place(in->epochs);
	struct hr_buf b = {0};

	hr_buf_u8(&b, SCHEDULE_VERSION);
	hr_buf_u64(&b, in->account.events);
	hr_buf_u64(&b, in->account.steps);
	hr_buf_u64(&b, (uint64_t)in->account.watermark_ms);
	hr_buf_u8(&b, (uint8_t)hr_intake_phase(in));
	hr_buf_u32(&b, at.epoch);
	hr_buf_u64(&b, at.window);
	hr_buf_u64(&b, at.steps);
	hr_schedule_write(in->schedule, &b);
	hr_changes_put(changes, HR_REC_SCHEDULE, 0, b.p, b.len);
	hr_buf_fini(&b);
}

struct hr_work *hr_intake_barrier(struct hr_intake *in, uint64_t number, uint64_t published)
{
	struct hr_work *w = hr_work_new(HR_WORK_BARRIER);
	size_t users;
	const uint32_t *dirty = hr_histories_dirty(in->histories, &users);

	HR_ASSERT(in->pending == 0);
	w->live = hr_intake_phase(in) == HR_PHASE_LIVE;
	w->user = hr_alloc(users, sizeof *w->user);
	w->user_count = users;
	if (users != 0)
		memcpy(w->user, dirty, users * sizeof *w->user);
	hr_changes_reserve(w->changes, users);
	hr_histories_collect(in->histories, number, hr_changes_put, w->changes);
	hr_catalogue_collect(in->catalogue, hr_changes_put, w->changes);
	put_schedule(in, w->changes);
	in->account.number = number;
	in->account.published = published;
	hr_barrier_copy(&w->row, &in->account);
	hr_order_seal(&in->order);
	hr_changes_order(w->changes, in->order.bytes.p, in->order.bytes.len);
	hr_order_clear(&in->order);
	w->arrived_ms = in->arrived_ms;
	w->arrived_count = in->arrived_count;
	in->arrived_ms = NULL;
	in->arrived_count = in->arrived_cap = 0;
	in->since_barrier = 0;
	in->stepped = false;
	return w;
}

static bool load_schedule(struct hr_intake *in, const void *bytes, size_t len, struct hr_error *err)
{
	struct hr_cursor c = {.p = bytes, .left = len};

	if (hr_cur_u8(&c) != SCHEDULE_VERSION)
		return hr_fail(err, HR_E_FORMAT, "schedule record: unknown version");
	in->account.events = hr_cur_u64(&c);
	in->account.steps = hr_cur_u64(&c);
	in->account.watermark_ms = (int64_t)hr_cur_u64(&c);
	atomic_store(&in->stream_ms, in->account.watermark_ms);
	const uint8_t phase = hr_cur_u8(&c);
	if (phase >= HR_PHASES)
		return hr_fail(err, HR_E_FORMAT, "schedule record: phase %u is not below %d", phase, HR_PHASES);
	atomic_store(&in->phase, phase);
	in->place.epoch = hr_cur_u32(&c);
	in->place.window = hr_cur_u64(&c);
	in->place.steps = hr_cur_u64(&c);
	if (c.failed)
		return hr_fail(err, HR_E_FORMAT, "schedule record: too short");
	hr_buf_clear(&in->window);
	hr_buf_bytes(&in->window, c.p, c.left);
	return true;
}

bool hr_intake_load(struct hr_intake *in, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len,
                    struct hr_error *err)
{
	switch ((int)cls) {
	case HR_REC_USER: return hr_histories_load(in->histories, number, bytes, len, err);
	case HR_REC_ITEM: return hr_catalogue_load(in->catalogue, number, bytes, len, err);
	case HR_REC_SCHEDULE: return load_schedule(in, bytes, len, err);
	default: return hr_fail(err, HR_E_FORMAT, "record class '%c' does not belong to the intake", (char)cls);
	}
}

bool hr_intake_resume(struct hr_intake *in, const struct hr_barrier *row, struct hr_error *err)
{
	if (!hr_histories_loaded(in->histories, err))
		return false;
	hr_barrier_fini(&in->account);
	hr_barrier_copy(&in->account, row);
	atomic_store(&in->stream_ms, row->watermark_ms);
	in->expired_day = day_of(row->watermark_ms);
	struct hr_cursor c = {.p = in->window.p, .left = in->window.len};
	if (!hr_schedule_read(in->schedule, &c, hr_histories_count(in->histories), err))
		return false;
	hr_buf_fini(&in->window);
	if (hr_intake_phase(in) != HR_PHASE_START_UP)
		return true;
	open_epochs(in);
	return hr_epochs_go(in->epochs, in->place) ||
	       hr_fail(err, HR_E_FORMAT, "schedule record: start-up is at window %llu of epoch %u, which there is not",
	               (unsigned long long)in->place.window, in->place.epoch);
}
