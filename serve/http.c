#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "serve/priv.h"

/*
 * A client that sends too much is told so after its last byte, for an answer in the middle of a body is lost to most
 * clients; past this many bytes the connection is closed instead.
 */
static const uint64_t drain_bytes_max = 16u << 20;

/* Request line and headers must fit; a longer request gets a 431 of libmicrohttpd's own. */
static const size_t connection_bytes_max = 32u << 10;

struct hr_server {
	/* ---- set by start, then read-only ---- */
	struct hr_backend backend;
	struct MHD_Daemon *http;
	uint32_t limit_max;
	uint16_t port;
	int listener;
	/* ---- shared ---- */
	struct hr_meter meter;
	_Atomic unsigned connections;
	pthread_mutex_t lock; /* of running */
	pthread_cond_t idle;
	unsigned running; /* requests between their first line and the last byte of their answer */
};

/* One request, from its first line until it is done. Its connection's thread only. */
struct exchange {
	struct hr_server *server;
	bool too_long; /* the target does not fit */
	bool begun;    /* the headers were seen */
	char target[HR_URI_MAX + 1];
	uint64_t body_seen;
	struct hr_buf body; /* the first HR_BODY_MAX bytes */
};

static void count_running(struct hr_server *s, int change)
{
	pthread_mutex_lock(&s->lock);
	s->running += (unsigned)change;
	if (s->running == 0)
		pthread_cond_signal(&s->idle);
	pthread_mutex_unlock(&s->lock);
}

/* Called with the raw target, before it is taken apart: the only place where %2F is still not a slash. */
static void *begin_exchange(void *cls, const char *target, struct MHD_Connection *connection)
{
	struct exchange *x = hr_alloc(1, sizeof *x);
	const size_t len = strlen(target);

	(void)connection;
	x->server = cls;
	x->too_long = len > HR_URI_MAX;
	memcpy(x->target, target, x->too_long ? 0 : len);
	count_running(x->server, 1);
	return x;
}

static void end_exchange(void *cls, struct MHD_Connection *connection, void **exchange,
                         enum MHD_RequestTerminationCode how)
{
	struct exchange *x = *exchange;

	(void)connection;
	(void)how;
	if (x == NULL)
		return;
	count_running(cls, -1);
	hr_buf_fini(&x->body);
	hr_free(x);
	*exchange = NULL;
}

static void compute(struct exchange *x, const char *method, struct hr_reply *reply, enum hr_route *ret_route)
{
	struct hr_server *s = x->server;
	struct hr_request request = {.route = HR_ROUTE_NONE};
	struct hr_problem problem = {0};

	if (x->too_long)
		(void)hr_problem(&problem, 414, "the path and query are over %d bytes", HR_URI_MAX);
	else if (hr_request_parse(method, x->target, s->limit_max, &request, &problem) && x->body_seen > HR_BODY_MAX)
		(void)hr_problem(&problem, 413, "the body is over %d bytes", HR_BODY_MAX);
	*ret_route = request.route;
	if (problem.status != 0)
		hr_reply_problem(reply, &problem);
	else
		hr_answer(&s->backend, &request, x->body.p, x->body.len, s->limit_max, reply);
	if (request.route == HR_ROUTE_METRICS && reply->status == 200)
		hr_meter_write(&s->meter, atomic_load_explicit(&s->connections, memory_order_relaxed), &reply->body);
}

/* Takes the reply's body. */
static enum MHD_Result send_reply(struct MHD_Connection *connection, struct hr_reply *reply, bool close)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer_with_free_callback(reply->body.len, reply->body.p, hr_free);

	if (r == NULL) {
		hr_buf_fini(&reply->body);
		return MHD_NO;
	}
	(void)MHD_add_response_header(r, "Content-Type", reply->content_type);
	(void)MHD_add_response_header(r, "Cache-Control", "no-store");
	(void)MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	if (reply->allow != NULL)
		(void)MHD_add_response_header(r, "Allow", reply->allow);
	if (reply->status == 503)
		(void)MHD_add_response_header(r, "Retry-After", "1");
	if (close)
		(void)MHD_add_response_header(r, "Connection", "close");
	const enum MHD_Result queued = MHD_queue_response(connection, reply->status, r);
	MHD_destroy_response(r);
	return queued;
}

static enum MHD_Result answer(struct exchange *x, struct MHD_Connection *connection, const char *method, bool close)
{
	const int64_t begun_us = hr_mono_us();
	struct hr_reply reply = {0};
	enum hr_route route;

	compute(x, method, &reply, &route);
	hr_meter_add(&x->server->meter, route, reply.status, hr_mono_us() - begun_us);
	return send_reply(connection, &reply, close);
}

static uint64_t announced_bytes(struct MHD_Connection *connection)
{
	const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");

	return length != NULL ? strtoull(length, NULL, 10) : 0;
}

static void take_piece(struct exchange *x, const char *piece, size_t bytes)
{
	const size_t room = HR_BODY_MAX - x->body.len;

	hr_buf_bytes(&x->body, piece, bytes < room ? bytes : room);
	x->body_seen += bytes;
}

/* Called with the headers, then for each piece of the body, then once more at its end. */
static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *piece, size_t *piece_bytes, void **exchange)
{
	struct exchange *x = *exchange;

	(void)cls;
	(void)url;
	(void)version;
	if (!x->begun) {
		x->begun = true;
		if (announced_bytes(connection) <= drain_bytes_max)
			return MHD_YES;
		x->body_seen = drain_bytes_max;
		return answer(x, connection, method, true);
	}
	if (*piece_bytes == 0)
		return answer(x, connection, method, false);
	take_piece(x, piece, *piece_bytes);
	*piece_bytes = 0;
	return x->body_seen <= drain_bytes_max ? MHD_YES : MHD_NO;
}

static void count_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                             enum MHD_ConnectionNotificationCode code)
{
	struct hr_server *s = cls;

	(void)connection;
	(void)socket_context;
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		atomic_fetch_add_explicit(&s->connections, 1, memory_order_relaxed);
	else
		atomic_fetch_sub_explicit(&s->connections, 1, memory_order_relaxed);
}

static bool listen_on(struct hr_server *s, const struct hr_server_config *config, struct hr_error *err)
{
	const int on = 1;
	union hr_address a;
	socklen_t bytes;

	if (!hr_address(config->address, config->port, &a, &bytes, err))
		return false;
	s->listener = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listener < 0 || setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    bind(s->listener, &a.any, bytes) != 0 || listen(s->listener, SOMAXCONN) != 0 ||
	    getsockname(s->listener, &a.any, &bytes) != 0)
		return hr_fail(err, errno == EADDRINUSE ? HR_E_BUSY : errno == EACCES ? HR_E_CONFIG : HR_E_IO,
		               "could not listen on %s port %u: %s", config->address, config->port, strerror(errno));
	s->port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
	return true;
}

static bool run(struct hr_server *s, const struct hr_server_config *config, struct hr_error *err)
{
	const unsigned pool = config->threads > 1 ? config->threads : 0; /* 0: MHD's one thread */

	s->http = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, handle, s,
	                           MHD_OPTION_LISTEN_SOCKET, s->listener,
	                           MHD_OPTION_THREAD_POOL_SIZE, pool,
	                           MHD_OPTION_CONNECTION_LIMIT, (unsigned)HR_CONNECTIONS_MAX,
	                           MHD_OPTION_CONNECTION_MEMORY_LIMIT, connection_bytes_max,
	                           MHD_OPTION_CONNECTION_TIMEOUT, config->idle_s_max > 0 ? config->idle_s_max : 30u,
	                           MHD_OPTION_URI_LOG_CALLBACK, begin_exchange, s,
	                           MHD_OPTION_NOTIFY_COMPLETED, end_exchange, s,
	                           MHD_OPTION_NOTIFY_CONNECTION, count_connection, s, MHD_OPTION_END);
	return s->http != NULL ||
	       hr_fail(err, HR_E_IO, "could not start %u threads for HTTP: %s", config->threads, strerror(errno));
}

bool hr_server_start(const struct hr_server_config *config, const struct hr_backend *backend,
                     struct hr_server **ret_server, struct hr_error *err)
{
	if (config->threads < 1 || config->threads > 16)
		return hr_fail(err, HR_E_CONFIG, "%u threads for HTTP; allowed are 1 to 16", config->threads);
	if (config->limit_max < 1)
		return hr_fail(err, HR_E_CONFIG, "the largest limit of a query is 0; allowed are 1 and more");
	struct hr_server *s = hr_alloc(1, sizeof *s);
	pthread_condattr_t monotonic;

	s->backend = *backend;
	s->limit_max = config->limit_max;
	s->listener = -1;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->idle, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (!listen_on(s, config, err) || !run(s, config, err)) {
		hr_server_stop(s);
		return false;
	}
	*ret_server = s;
	return true;
}

uint16_t hr_server_port(const struct hr_server *s) { return s->port; }

static void wait_until_idle(struct hr_server *s)
{
	struct timespec end;

	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += 2;
	pthread_mutex_lock(&s->lock);
	while (s->running > 0 && pthread_cond_timedwait(&s->idle, &s->lock, &end) == 0)
		;
	pthread_mutex_unlock(&s->lock);
}

void hr_server_stop(struct hr_server *s)
{
	if (s == NULL)
		return;
	if (s->http != NULL) {
		(void)MHD_quiesce_daemon(s->http);
		wait_until_idle(s);
		MHD_stop_daemon(s->http);
	}
	if (s->listener >= 0)
		(void)close(s->listener);
	pthread_cond_destroy(&s->idle);
	pthread_mutex_destroy(&s->lock);
	hr_free(s);
}
