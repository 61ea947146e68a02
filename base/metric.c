#include "base/metric.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

void hr_metric_add(struct hr_metric *m, uint64_t n)
{
	HR_ASSERT(m->type == HR_COUNTER);
	atomic_fetch_add_explicit(&m->bits, n, memory_order_relaxed);
}

void hr_metric_set(struct hr_metric *m, double v)
{
	uint64_t bits;

	HR_ASSERT(m->type == HR_GAUGE);
	memcpy(&bits, &v, sizeof bits);
	atomic_store_explicit(&m->bits, bits, memory_order_relaxed);
}

uint64_t hr_metric_count(const struct hr_metric *m) { return atomic_load_explicit(&m->bits, memory_order_relaxed); }

double hr_metric_value(const struct hr_metric *m)
{
	const uint64_t bits = atomic_load_explicit(&m->bits, memory_order_relaxed);
	double v;

	memcpy(&v, &bits, sizeof v);
	return m->type == HR_COUNTER ? (double)bits : v;
}

void hr_metric_write(const struct hr_metric *metrics, size_t count, struct hr_buf *out)
{
	const char *last = "";
	char line[512];

	for (size_t i = 0; i < count; i++) {
		const struct hr_metric *m = &metrics[i];
		const char *open = m->labels != NULL ? "{" : "", *labels = m->labels != NULL ? m->labels : "",
		           *close = m->labels != NULL ? "}" : "";
		int n = 0;

		if (strcmp(last, m->name) != 0)
			n = snprintf(line, sizeof line, "# HELP headrace_%s %s\n# TYPE headrace_%s %s\n", m->name, m->help,
			             m->name, m->type == HR_COUNTER ? "counter" : "gauge");
		hr_buf_bytes(out, line, (size_t)n);
		if (m->type == HR_COUNTER)
			n = snprintf(line, sizeof line, "headrace_%s%s%s%s %" PRIu64 "\n", m->name, open, labels, close,
			             hr_metric_count(m));
		else
			n = snprintf(line, sizeof line, "headrace_%s%s%s%s %.9g\n", m->name, open, labels, close,
			             hr_metric_value(m));
		hr_buf_bytes(out, line, (size_t)n);
		last = m->name;
	}
}
