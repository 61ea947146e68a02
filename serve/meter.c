#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "serve/priv.h"

/* The last one stands for all others. */
static const unsigned statuses[HR_METER_STATUSES] = {200, 400, 404, 405, 413, 414, 503, 500, 0};
static const uint64_t bound_us[HR_METER_BOUNDS] = {100,   250,    500,    1000,   2500,    5000,
                                                   10000, 25000, 50000, 100000, 250000, 1000000};

void hr_meter_add(struct hr_meter *m, enum hr_route route, unsigned status, int64_t us)
{
	const uint64_t took = us > 0 ? (uint64_t)us : 0;
	size_t s = 0, bound = 0;

	while (s < HR_METER_STATUSES - 1 && statuses[s] != status)
		s++;
	while (bound < HR_METER_BOUNDS && took > bound_us[bound])
		bound++;
	atomic_fetch_add_explicit(&m->route[route].status[s], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&m->route[route].within[bound], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&m->route[route].sum_us, took, memory_order_relaxed);
}

static void HR_PRINTF(2, 3) put(struct hr_buf *out, const char *fmt, ...)
{
	char line[512];
	va_list args;

	va_start(args, fmt);
	hr_buf_bytes(out, line, (size_t)vsnprintf(line, sizeof line, fmt, args));
	va_end(args);
}

static uint64_t get(const _Atomic uint64_t *count) { return atomic_load_explicit(count, memory_order_relaxed); }

/* Every route has its 200 from the start, so that a rate is right from the first request on. */
static void write_requests(const struct hr_meter *m, struct hr_buf *out)
{
	put(out, "# HELP headrace_http_requests_total Answers given over HTTP, by route and status.\n"
	         "# TYPE headrace_http_requests_total counter\n");
	for (enum hr_route route = 0; route < HR_ROUTES; route++) {
		for (size_t s = 0; s < HR_METER_STATUSES; s++) {
			const uint64_t count = get(&m->route[route].status[s]);
			char code[16] = "other";

			if (count == 0 && (s > 0 || route == HR_ROUTE_NONE))
				continue;
			if (statuses[s] != 0)
				(void)snprintf(code, sizeof code, "%u", statuses[s]);
			put(out, "headrace_http_requests_total{route=\"%s\",code=\"%s\"} %" PRIu64 "\n", hr_route_name(route),
			    code, count);
		}
	}
}

static void write_seconds(const struct hr_meter *m, enum hr_route route, struct hr_buf *out)
{
	const char *name = hr_route_name(route);
	uint64_t count = 0;

	for (size_t i = 0; i < HR_METER_BOUNDS; i++) {
		count += get(&m->route[route].within[i]);
		put(out, "headrace_http_request_seconds_bucket{route=\"%s\",le=\"%g\"} %" PRIu64 "\n", name,
		    (double)bound_us[i] * 1e-6, count);
	}
	count += get(&m->route[route].within[HR_METER_BOUNDS]);
	put(out, "headrace_http_request_seconds_bucket{route=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, count);
	put(out, "headrace_http_request_seconds_sum{route=\"%s\"} %.9g\n", name,
	    (double)get(&m->route[route].sum_us) * 1e-6);
	put(out, "headrace_http_request_seconds_count{route=\"%s\"} %" PRIu64 "\n", name, count);
}

void hr_meter_write(const struct hr_meter *m, unsigned connections, struct hr_buf *out)
{
	put(out, "# HELP headrace_http_connections Open connections of HTTP clients.\n"
	         "# TYPE headrace_http_connections gauge\nheadrace_http_connections %u\n", connections);
	write_requests(m, out);
	put(out, "# HELP headrace_http_request_seconds Time to compute an answer, without its way over the network.\n"
	         "# TYPE headrace_http_request_seconds histogram\n");
	for (enum hr_route route = 0; route < HR_ROUTES; route++)
		write_seconds(m, route, out);
}
