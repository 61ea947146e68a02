/* daemon/work.h - what the ingest thread hands to the trainer: one step's worth of events and histories, or a barrier.
 *
 * A barrier is a message in the same queue. It meets the trainer exactly at the step boundary at which ingest wrote it,
 * so nobody waits for anybody: ingest puts its half of the state inside and goes on, the trainer adds its half, the writer
 * makes it durable, the publisher sends what moved.
 */
#ifndef HR_DAEMON_WORK_H
#define HR_DAEMON_WORK_H

#include "model/model.h"
#include "store/store.h"

enum hr_work_kind { HR_WORK_STEP, HR_WORK_BARRIER };

/** One event of a step; the history before it lies in the work's past arrays from past_at. */
struct hr_work_event {
	uint64_t ordinal;
	int64_t time_ms;
	uint32_t item;
	uint32_t past_at, past_len;
	uint8_t kind;
};

/** An item that was admitted by event number `event` of the step: live for the questions after it, not for its own. */
struct hr_work_admission {
	uint32_t row, event;
};

struct hr_work_item {
	uint32_t row;
	uint64_t id_hash;
};

struct hr_work {
	enum hr_work_kind kind;

	/* ---- a step, filled by ingest ---- */
	struct hr_work_item *item; /* rows that are new */
	size_t item_count, item_cap;
	struct hr_work_event *event;
	size_t event_count, event_cap;
	struct hr_work_admission *admission; /* ascending by event */
	size_t admission_count, admission_cap;
	uint32_t *expired; /* rows that are no longer live, after the events */
	size_t expired_count, expired_cap;
	uint32_t *past_item;
	int64_t *past_time_ms;
	uint8_t *past_kind;
	size_t past_count, past_item_cap, past_time_cap, past_kind_cap;
	struct hr_batch batch; /* what the step trains on */
	float rate;            /* of start-up training; 0: as configured */
	bool mute;             /* no event is a question: the model has not learned yet */
	bool thaw;             /* learning that had stopped goes on with this step */

	/* ---- a barrier ---- */
	struct hr_barrier row;      /* ingest; the writer adds the digest */
	bool live;                  /* ingest: not in a start-up */
	struct hr_quality ever, window; /* trainer: of the model, all questions */
	struct hr_changes *changes; /* ingest, then trainer; with the order log since the last barrier */
	uint32_t *user;             /* ingest: users changed since the last barrier, ascending */
	size_t user_count;
	int64_t *arrived_ms;        /* ingest: broker timestamps of the events since the last barrier, for freshness */
	size_t arrived_count;
	struct hr_snapshot *snapshot; /* trainer */
};

struct hr_work *hr_work_new(enum hr_work_kind kind);
void hr_work_free(struct hr_work *w);

/** Appends an event with a copy of the history before it. */
void hr_work_add_event(struct hr_work *w, uint64_t ordinal, uint32_t item, uint8_t kind, int64_t time_ms,
                       struct hr_history before);

/**
 * New rows, then questions and counters event by event, admissions at their places; then rows that expired.
 * @param in_turn  false: all events are ranked before any is learned or admitted
 * @param mute     for each event: 1 = learned, but not asked; NULL: as configured
 */
void hr_work_observe(const struct hr_work *w, struct hr_trainer *trainer, bool in_turn, const uint8_t *mute);

/** Trains on the batch, if there is one; otherwise ret_result says that nothing was trained. */
void hr_work_train(const struct hr_work *w, struct hr_trainer *trainer, struct hr_step_result *ret_result);

#endif
