/* daemon/evaluate.h - the published protocols on a file, run by the daemon's own intake and trainer, without Kafka.
 *
 * Prequential ("successive prequential" of docs/model.md): events in file order; up to the cut they are only learned, after it
 * every event of a user with a history is first ranked against all items seen so far, then learned.
 *   per-event  the daemon's own schedule throughout
 *   per-day    after the cut a day is ranked whole with what was known the evening before, then learned: `steps` steps whose
 *              fresh half is every user of that day; counters learn at the day's end too
 *   frozen     nothing is learned after the cut
 */
#ifndef HR_DAEMON_EVALUATE_H
#define HR_DAEMON_EVALUATE_H

#include "daemon/config.h"
#include "model/model.h"
#include "stream/stream.h"

enum hr_learn { HR_LEARN_PER_EVENT, HR_LEARN_PER_DAY, HR_LEARN_FROZEN };

struct hr_evaluation_config {
	const struct hr_config *config;
	const char *path;
	struct hr_rows_config rows;
	int64_t cut_ms;
	enum hr_learn learn;
	uint32_t day_steps; /* steps at a day's end */
};

struct hr_evaluation {
	uint64_t read, events, questions, steps; /* events read; events, questions and steps after the cut */
	double cpu_s;                      /* of the training steps after the cut, this thread and its workers */
	struct hr_quality quality[HR_RANKERS][HR_SLICES];
};

/** Progress between calls: bytes of the file, events so far. NULL: none. */
typedef void hr_progress_fn(void *ctx, uint64_t done, uint64_t size, uint64_t events);

HR_MUST_USE bool hr_evaluate_prequential(const struct hr_evaluation_config *config, hr_progress_fn *progress, void *ctx,
                                         struct hr_evaluation *ret_result, struct hr_error *err);

#endif
