/* serve/serve.h - answers over HTTP (libmicrohttpd, epoll): vectors, neighbours, recommendations, model, metrics, health.
 *
 * The server owns threads and sockets and nothing else: everything it tells comes through struct hr_backend, and every answer
 * is computed on one pinned snapshot.
 *
 *   GET  /v1/items/{id}/embedding              GET /v1/users/{id}/embedding
 *   GET  /v1/items/{id}/neighbors?limit=       GET /v1/users/{id}/recommendations?limit=&parts=
 *   POST /v1/recommendations                   {"items":["a","b"],"limit":10}: an anonymous session
 *   GET  /v1/model   /metrics   /livez   /readyz   /openapi.json
 *
 * Ids in paths are percent-encoded. Errors are RFC 9457 application/problem+json. Each answer names version and as_of.
 */
#ifndef HR_SERVE_SERVE_H
#define HR_SERVE_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "model/model.h"
#include "serve/json.h" /* for model_json */

/** A user's live history, copied out. */
struct hr_user_view {
	size_t len; /* 0..HR_USER_VIEW_MAX */
	uint64_t events;
#define HR_USER_VIEW_MAX 200u
	uint32_t item[HR_USER_VIEW_MAX];
	int64_t time_ms[HR_USER_VIEW_MAX];
	uint8_t kind[HR_USER_VIEW_MAX];
};

#define HR_TITLE_MAX 256u
struct hr_item_view {
	uint8_t id[256];
	size_t id_len;
	char title[HR_TITLE_MAX]; /* "" for none; cut at a character */
	uint64_t events;
	bool admitted;
};

/** What the daemon gives the server. Every function is called from server threads and must be safe there. */
struct hr_backend {
	void *ctx;
	struct hr_snapshot *(*pin)(void *ctx); /* a reference to the newest snapshot, NULL before the first; the caller unrefs */
	struct hr_counters *(*counters)(void *ctx);
	bool (*user)(void *ctx, const void *id, size_t len, struct hr_user_view *ret_user); /* false: unknown or forgotten */
	uint32_t (*item_row)(void *ctx, const void *id, size_t len);                       /* HR_NONE: unknown */
	bool (*item)(void *ctx, uint32_t row, struct hr_item_view *ret_item);
	int64_t (*now_ms)(void *ctx);                      /* stream time */
	const char *(*lineage)(void *ctx);
	const char *(*space)(void *ctx); /* id of the space the vectors are in; NULL function: the lineage */
	void (*model_json)(void *ctx, struct hr_buf *out); /* body of /v1/model */
	void (*metrics)(void *ctx, struct hr_buf *out);    /* body of /metrics; the server adds its own */
	bool (*ready)(void *ctx, char *why, size_t why_bytes); /* false: why */
	bool repeats;                                      /* items of the history may be recommended */
};

struct hr_server_config {
	const char *address; /* "localhost", 127.0.0.0/8 or "::1"; others are HR_E_CONFIG: there is no TLS yet, nor a token */
	uint16_t port;       /* 0: any free one */
	uint32_t threads;    /* 1..16 */
	uint32_t limit_max;  /* largest limit of a query, 1.. */
	uint32_t idle_s_max; /* a connection without a byte for this long is closed; 0: 30 */
};

struct hr_server;

/** Limits of the server, each a refusal with its number in the answer. */
enum {
	HR_URI_MAX = 2048,            /* bytes of path and query; over: 414 */
	HR_BODY_MAX = 1 << 20,        /* bytes; over: 413 */
	HR_LIMIT_DEFAULT = 10,        /* answers when none is asked for */
	HR_CONNECTIONS_MAX = 1024,    /* further ones wait to be accepted */
};

/** Whether a server may listen there; the same check as at its start. */
HR_MUST_USE bool hr_server_address(const char *address, struct hr_error *err);

/** @param backend  copied; what it points to must outlive the server */
HR_MUST_USE bool hr_server_start(const struct hr_server_config *config, const struct hr_backend *backend,
                                 struct hr_server **ret_server, struct hr_error *err);
uint16_t hr_server_port(const struct hr_server *s);
/** Stops listening, lets running answers end (for two seconds at most), frees. NULL allowed. */
void hr_server_stop(struct hr_server *s);

#endif
