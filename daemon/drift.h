/* daemon/drift.h - how far the vectors of fixed users and items wander: mean cosine after one and after seven days of stream
 * time. Users keep the history, and the question's time, that they had when it began: what moves is the model alone.
 */
#ifndef HR_DAEMON_DRIFT_H
#define HR_DAEMON_DRIFT_H

#include "model/model.h"
#include "store/store.h"

struct hr_drift_result {
	double user1, item1, user7, item7; /* mean cosine; 0 where pairs is */
	uint32_t pairs1, pairs7;           /* pairs of days */
};

struct hr_drift;

/** Chooses up to 512 users with 3 events or more and up to 512 admitted items below row `rows`, evenly over all. */
struct hr_drift *hr_drift_new(const struct hr_histories *histories, const struct hr_catalogue *catalogue, size_t rows,
                              int64_t now_ms);
void hr_drift_free(struct hr_drift *d); /* NULL allowed */

/** Fewer than half of the users that there are now, and room for them: another choice would measure better. */
bool hr_drift_outgrown(const struct hr_drift *d, const struct hr_histories *histories);

/** The model as it is at the end of a day. Days ascend; what is missing has no pair. */
void hr_drift_day(struct hr_drift *d, const struct hr_snapshot *snapshot, int64_t day);

struct hr_drift_result hr_drift_tell(const struct hr_drift *d);   /* means over all pairs of days */
struct hr_drift_result hr_drift_newest(const struct hr_drift *d); /* of the newest day; pairs 1 or 0 */

#endif
