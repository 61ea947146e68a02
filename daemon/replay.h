/* daemon/replay.h - a file of events through intake and trainer: what the evaluation protocols share. */
#ifndef HR_DAEMON_REPLAY_H
#define HR_DAEMON_REPLAY_H

#include "daemon/evaluate.h"
#include "daemon/intake.h"

struct hr_replay {
	const struct hr_evaluation_config *c;
	struct hr_rows *rows;
	struct hr_intake *intake;
	struct hr_trainer *trainer;
	struct hr_drift *drift; /* from the first question on */
	struct hr_evaluation result;
	hr_progress_fn *progress;
	void *ctx;
	int64_t offset, day;
	bool cut;      /* questions have begun */
	bool whole;    /* events are ranked together, before any of them is learned */
	uint8_t *mute; /* for each event of the open step */
	size_t muted, mute_cap;
};

HR_MUST_USE bool hr_replay_open(struct hr_replay *r, const struct hr_evaluation_config *config, hr_progress_fn *progress,
                                void *ctx, struct hr_error *err);
void hr_replay_close(struct hr_replay *r); /* also after a failed open */

/** The next event of the file, with progress. */
HR_MUST_USE bool hr_replay_next(struct hr_replay *r, struct hr_event *ret_event, uint32_t *ret_period, bool *ret_end,
                                struct hr_error *err);

/** Into the intake; a step may be due afterwards. @param mute  it is learned, but not asked */
HR_MUST_USE bool hr_replay_take(struct hr_replay *r, const struct hr_event *e, bool mute, struct hr_error *err);

void hr_replay_step(struct hr_replay *r);  /* closes the step: questions, counters, training */
void hr_replay_again(struct hr_replay *r); /* one more training step, without events */
void hr_replay_flush(struct hr_replay *r); /* closes the step if there is anything in it */

/** From here on events are questions. What was read before is the backlog of a start-up, and learned now (train.start_up). */
void hr_replay_cut(struct hr_replay *r);

/** The vectors as they are at the end of the day, for the drift. Not before the cut. */
void hr_replay_end_day(struct hr_replay *r);

/** Figures of all questions so far, into result. */
void hr_replay_tell(struct hr_replay *r);

/** Of the questions asked since before was taken. */
struct hr_quality hr_quality_since(struct hr_quality now, struct hr_quality before);

HR_MUST_USE bool hr_evaluate_prequential(struct hr_replay *r, struct hr_error *err);
HR_MUST_USE bool hr_evaluate_cycles(struct hr_replay *r, struct hr_error *err);
HR_MUST_USE bool hr_evaluate_leave_one_out(struct hr_replay *r, struct hr_error *err);

#endif
