/* base/metric.h - counters and gauges, declared with unit and sentence, written as Prometheus text (format 0.0.4). */
#ifndef HR_BASE_METRIC_H
#define HR_BASE_METRIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum hr_metric_type { HR_COUNTER, HR_GAUGE };

/** Rows of one name stand together in the table; the first carries the help text. */
struct hr_metric {
	const char *name;   /* without the headrace_ prefix, unit last, counters end in _total */
	const char *labels; /* "reason=\"empty\"", or NULL. Never a user or item id. */
	const char *help;   /* the sentence an operator reads */
	enum hr_metric_type type;
	_Atomic uint64_t bits; /* a double's bits for gauges, a count for counters. @thread any */
};

void hr_metric_add(struct hr_metric *m, uint64_t n);   /* counters */
void hr_metric_set(struct hr_metric *m, double v);     /* gauges */
uint64_t hr_metric_count(const struct hr_metric *m);
double hr_metric_value(const struct hr_metric *m);

/** Appends the exposition text of count metrics to out. */
void hr_metric_write(const struct hr_metric *metrics, size_t count, struct hr_buf *out);

#endif
