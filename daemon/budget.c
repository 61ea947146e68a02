/* daemon/budget.c - how many events a step is worth while the trainer can not follow the stream.
 *
 * While the events read are older than train.lag_max, the queue in front of the trainer is full, and at the pace of the last second it
 * would take longer than train.lag_max to reach the ends of the log, steps fall half as often; caught up, twice as often, until they
 * fall as configured again. Every event enters histories and counters all the same. A step trains on the newest train.window
 * events, so that beyond one step a window only a part of the events is trained on. The clock decides when; the order log says where.
 */
#include "daemon/priv.h"

#define TURN_US INT64_C(1000000)

enum { WINDOWS_MAX = 16 }; /* between two steps */

static bool queue_full(const struct hr_pipeline *p) { return hr_queue_depth(p->steps) >= p->steps_bound / 2; }

/* Will the ends of the log be reached within the time allowed? */
static bool reaches_soon(const struct hr_pipeline *p, int64_t elapsed_us)
{
	const int64_t gained = p->lag_before - p->lag;

	return gained > 0 && (double)p->lag / (double)gained * (double)elapsed_us <= 1000.0 * (double)p->config->train_lag_max;
}

static uint32_t wanted(const struct hr_pipeline *p, int64_t lag_ms, int64_t elapsed_us)
{
	const struct hr_config *c = p->config;
	const uint32_t windows = c->train_window * WINDOWS_MAX, now = p->every;
	const uint32_t most = windows > c->train_every ? windows : c->train_every;

	if (lag_ms > c->train_lag_max && queue_full(p) && !reaches_soon(p, elapsed_us))
		return now > most / 2 ? most : now * 2;
	if (lag_ms < c->train_lag_max / 2)
		return now / 2 < c->train_every ? c->train_every : now / 2;
	return now;
}

static void tell(struct hr_pipeline *p, uint32_t before, int64_t lag_ms)
{
	const double visits = (double)p->config->train_window / p->every;

	hr_metric_set(hr_metric_of(p->metrics, HR_M_VISITS), visits);
	if (before == p->config->train_every)
		hr_log(HR_LOG_WARNING, "the trainer can not follow the stream: an event is learned from fewer times until it can",
		       "lag_ms=%lld lag_max_ms=%lld visits=%.3g", (long long)lag_ms, (long long)p->config->train_lag_max, visits);
	else if (p->every == p->config->train_every)
		hr_log(HR_LOG_INFO, "the trainer follows the stream again", "visits=%.3g", visits);
}

void hr_budget_turn(struct hr_pipeline *p, bool idle)
{
	const int64_t now_us = hr_mono_us(), elapsed_us = now_us - p->budget_us;
	const uint32_t before = p->every;

	if (p->config->train_every == 0 || p->config->train_lag_max == 0 || elapsed_us < TURN_US ||
	    hr_intake_phase(p->intake) != HR_PHASE_LIVE)
		return;
	const int64_t lag_ms = idle || p->record_ms < 0 ? 0 : hr_wall_ms() - p->record_ms;
	p->every = wanted(p, lag_ms, elapsed_us);
	p->budget_us = now_us;
	p->lag_before = p->lag;
	if (p->every == before)
		return;
	hr_intake_every(p->intake, p->every);
	tell(p, before, lag_ms);
}
