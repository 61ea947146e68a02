#include "daemon/metrics.h"

#include <stdio.h>

#include "base/base.h"

enum { CUTS = 3, LABEL_BYTES = 64 };
static const unsigned cuts[CUTS] = {5, 10, 20};

/* Rows after the fixed ones, in the order in which they are laid out. */
enum {
	OUTCOMES = HR_M_FIXED,
	OUTCOME_COUNT = HR_OUT_FORGOTTEN + 1,
	REJECTS = OUTCOMES + OUTCOME_COUNT,
	QUALITY_ROWS = HR_RANKERS * HR_SLICES * CUTS,
	RECALLS = REJECTS + HR_REJECT_COUNT - 1,
	NDCGS = RECALLS + QUALITY_ROWS,
	QUESTIONS = NDCGS + QUALITY_ROWS,
	METRIC_COUNT = QUESTIONS + HR_SLICES,
};

struct hr_metrics {
	struct hr_metric row[METRIC_COUNT];
	char label[METRIC_COUNT][LABEL_BYTES];
	struct hr_histogram freshness_ms;
};

static const struct {
	const char *name, *labels, *help;
	enum hr_metric_type type;
} fixed[HR_M_FIXED] = {
#define HR_ROW(id, name, labels, help) {name, labels, help, HR_COUNTER},
	HR_DAEMON_COUNTERS(HR_ROW)
#undef HR_ROW
#define HR_ROW(id, name, labels, help) {name, labels, help, HR_GAUGE},
	HR_DAEMON_GAUGES(HR_ROW)
#undef HR_ROW
};

static const char *const outcome_names[OUTCOME_COUNT] = {"trained", "rejected", "duplicate", "late", "forgotten"};

static void name_row(struct hr_metrics *m, int at, const char *name, const char *help, enum hr_metric_type type)
{
	m->row[at].name = name;
	m->row[at].labels = m->label[at];
	m->row[at].help = help;
	m->row[at].type = type;
}

static int quality_row(enum hr_ranker r, enum hr_slice s, int cut) { return ((int)r * HR_SLICES + (int)s) * CUTS + cut; }

static void name_quality(struct hr_metrics *m)
{
	for (int r = 0; r < HR_RANKERS; r++) {
		for (int s = 0; s < HR_SLICES; s++) {
			for (int c = 0; c < CUTS; c++) {
				const int at = quality_row((enum hr_ranker)r, (enum hr_slice)s, c);

				name_row(m, RECALLS + at, "eval_recall_ratio",
				         "Test-then-train recall over the sliding window, whole catalogue.", HR_GAUGE);
				name_row(m, NDCGS + at, "eval_ndcg_ratio",
				         "Test-then-train NDCG over the sliding window, whole catalogue.", HR_GAUGE);
				(void)snprintf(m->label[RECALLS + at], LABEL_BYTES, "ranker=\"%s\",slice=\"%s\",k=\"%u\"",
				               hr_ranker_name((enum hr_ranker)r), hr_slice_name((enum hr_slice)s), cuts[c]);
				(void)snprintf(m->label[NDCGS + at], LABEL_BYTES, "%s", m->label[RECALLS + at]);
			}
		}
	}
}

struct hr_metrics *hr_metrics_new(void)
{
	struct hr_metrics *m = hr_alloc(1, sizeof *m);

	for (int i = 0; i < HR_M_FIXED; i++) {
		m->row[i].name = fixed[i].name;
		m->row[i].labels = fixed[i].labels;
		m->row[i].help = fixed[i].help;
		m->row[i].type = fixed[i].type;
	}
	for (int o = 0; o < OUTCOME_COUNT; o++) {
		name_row(m, OUTCOMES + o, "events_total", "Input records by what became of them.", HR_COUNTER);
		(void)snprintf(m->label[OUTCOMES + o], LABEL_BYTES, "result=\"%s\"", outcome_names[o]);
	}
	for (int why = 1; why < HR_REJECT_COUNT; why++) {
		name_row(m, REJECTS + why - 1, "events_rejected_total", "Input records refused, by reason.", HR_COUNTER);
		(void)snprintf(m->label[REJECTS + why - 1], LABEL_BYTES, "reason=\"%s\"",
		               hr_reject_name((enum hr_reject)why));
	}
	name_quality(m);
	for (int s = 0; s < HR_SLICES; s++) {
		name_row(m, QUESTIONS + s, "eval_questions", "Questions in the sliding window.", HR_GAUGE);
		(void)snprintf(m->label[QUESTIONS + s], LABEL_BYTES, "slice=\"%s\"", hr_slice_name((enum hr_slice)s));
	}
	return m;
}

void hr_metrics_free(struct hr_metrics *m) { hr_free(m); }

struct hr_metric *hr_metric_of(struct hr_metrics *m, enum hr_metric_id id) { return &m->row[id]; }

void hr_metrics_outcome(struct hr_metrics *m, enum hr_outcome outcome, enum hr_reject why)
{
	hr_metric_add(&m->row[OUTCOMES + (int)outcome], 1);
	if (outcome == HR_OUT_REJECTED)
		hr_metric_add(&m->row[REJECTS + (int)why - 1], 1);
}

uint64_t hr_metrics_outcomes(const struct hr_metrics *m, enum hr_outcome outcome)
{
	return hr_metric_count(&m->row[OUTCOMES + (int)outcome]);
}

void hr_metrics_quality(struct hr_metrics *m, const struct hr_score *score)
{
	for (int s = 0; s < HR_SLICES; s++) {
		for (int r = 0; r < HR_RANKERS; r++) {
			const struct hr_quality q = hr_score_quality(score, (enum hr_ranker)r, (enum hr_slice)s, true);
			const double recall[CUTS] = {q.recall5, q.recall10, q.recall20}, ndcg[CUTS] = {q.ndcg5, q.ndcg10, q.ndcg20};

			for (int c = 0; c < CUTS; c++) {
				const int at = quality_row((enum hr_ranker)r, (enum hr_slice)s, c);

				hr_metric_set(&m->row[RECALLS + at], recall[c]);
				hr_metric_set(&m->row[NDCGS + at], ndcg[c]);
			}
			hr_metric_set(&m->row[QUESTIONS + s], (double)q.questions);
		}
	}
}

void hr_metrics_drift(struct hr_metrics *m, struct hr_drift_result drift)
{
	hr_metric_set(&m->row[HR_M_DRIFT_USER1], drift.user1);
	hr_metric_set(&m->row[HR_M_DRIFT_ITEM1], drift.item1);
	hr_metric_set(&m->row[HR_M_DRIFT_USER7], drift.user7);
	hr_metric_set(&m->row[HR_M_DRIFT_ITEM7], drift.item7);
}

static int cut_of(unsigned k)
{
	for (int c = 0; c < CUTS; c++) {
		if (cuts[c] == k)
			return c;
	}
	HR_ASSERT(false && "recall is kept at 5, 10 and 20");
	return 0;
}

double hr_metrics_recall(const struct hr_metrics *m, enum hr_ranker ranker, enum hr_slice slice, unsigned k)
{
	return hr_metric_value(&m->row[RECALLS + quality_row(ranker, slice, cut_of(k))]);
}

double hr_metrics_ndcg(const struct hr_metrics *m, enum hr_ranker ranker, enum hr_slice slice, unsigned k)
{
	return hr_metric_value(&m->row[NDCGS + quality_row(ranker, slice, cut_of(k))]);
}

struct hr_histogram *hr_metrics_freshness(struct hr_metrics *m) { return &m->freshness_ms; }

void hr_metrics_write(const struct hr_metrics *m, struct hr_buf *out)
{
	hr_metric_write(m->row, METRIC_COUNT, out);
}
