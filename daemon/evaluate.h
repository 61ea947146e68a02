/* daemon/evaluate.h - the published protocols on a file, run by the daemon's own intake and trainer, without Kafka.
 *
 * Prequential ("successive prequential" of docs/model.md): events in file order; up to the cut they are only learned, as the backlog
 * of a start-up (train.start_up; 0: step by step), after it
 * every event of a user with a history is first ranked against all items seen so far, then learned.
 *   per-event  the daemon's own schedule throughout
 *   per-day    after the cut a day is ranked whole with what was known the evening before, then learned: `day_steps` steps whose
 *              fresh half is every user of that day; counters learn at the day's end too
 *   frozen     no step after the cut; counters go on, and new items compete with the vectors they start with
 *
 * Cycles (ADER: Mi, Lin and Faltings 2020, arXiv:2007.12000): the file has a period column. Period 0 is only learned. In each
 * later one, items never seen before the period are left out of the questions and of the sessions that ask them, what is then
 * first in its session asks nothing, and figures are means over periods. A session goes no further than its period.
 *   per-cycle  a period is ranked whole, with what was known before it, then learned
 *   per-event  the same questions, but learned event by event, so that a session's new items are known to the next question
 *   frozen     no step after period 0
 *
 * Leave one out: the last item of each user is the question, the one before it chooses the epoch and is then part of the input;
 * the rest is learned by epochs. All items compete but those of the user. Histories under 3 items ask nothing.
 */
#ifndef HR_DAEMON_EVALUATE_H
#define HR_DAEMON_EVALUATE_H

#include "daemon/config.h"
#include "daemon/drift.h"
#include "daemon/features.h"
#include "model/model.h"
#include "stream/stream.h"

enum hr_protocol { HR_PREQUENTIAL, HR_CYCLES, HR_LEAVE_ONE_OUT };
enum hr_learn { HR_LEARN_PER_EVENT, HR_LEARN_PER_DAY, HR_LEARN_PER_CYCLE, HR_LEARN_FROZEN };

struct hr_evaluation_config {
	const struct hr_config *config;
	const char *path;
	struct hr_rows_config rows;
	const struct hr_features *features; /* NULL: none */
	enum hr_protocol protocol;
	enum hr_learn learn;
	int64_t cut_ms, until_ms;           /* prequential; events from until_ms on are not read, 0: all are */
	uint32_t day_steps;                 /* at a day's end */
	uint32_t batch;                     /* leave one out: positions of a step */
	uint32_t epochs, patience;          /* leave one out; epochs without progress before the end */
	uint32_t validate_from;             /* first epoch that is asked; asking takes longer than learning */
	bool tell;                          /* leave one out: a line for each epoch */
};

struct hr_evaluation {
	uint64_t read, events, questions, steps; /* events read; events, questions and steps after the cut */
	double cpu_s;                            /* of the training steps after the cut, this thread and its workers */
	uint32_t cycles, epoch;                  /* periods that the figures are means of; epoch that was chosen; 0: not this protocol */
	struct hr_quality quality[HR_RANKERS][HR_SLICES];
	struct hr_drift_result drift;            /* prequential and cycles */
};

/** Progress between calls: bytes of the file, events so far. NULL: none. */
typedef void hr_progress_fn(void *ctx, uint64_t done, uint64_t size, uint64_t events);

HR_MUST_USE bool hr_evaluate(const struct hr_evaluation_config *config, hr_progress_fn *progress, void *ctx,
                             struct hr_evaluation *ret_result, struct hr_error *err);

#endif
