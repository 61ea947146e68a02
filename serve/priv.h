/* serve/priv.h - from the line of a request to the bytes of its answer; only http.c knows sockets. */
#ifndef HR_SERVE_PRIV_H
#define HR_SERVE_PRIV_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/base.h"
#include "serve/serve.h"

/* ---- where to listen ---- */

union hr_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/** Of hr_server_config's address, which must be this machine's own. */
HR_MUST_USE bool hr_address(const char *text, uint16_t port, union hr_address *ret_a, socklen_t *ret_bytes, struct hr_error *err);

/* ---- routes ---- */

enum hr_route {
	HR_ROUTE_ITEM_EMBEDDING,
	HR_ROUTE_USER_EMBEDDING,
	HR_ROUTE_NEIGHBORS,
	HR_ROUTE_USER,
	HR_ROUTE_SESSION,
	HR_ROUTE_MODEL,
	HR_ROUTE_METRICS,
	HR_ROUTE_LIVEZ,
	HR_ROUTE_READYZ,
	HR_ROUTE_OPENAPI,
	HR_ROUTE_NONE, /* no such path */
	HR_ROUTES,
};

/** The path with {id} for what varies: label in metrics, key in the OpenAPI document. "none" for HR_ROUTE_NONE. */
const char *hr_route_name(enum hr_route route);

/** Why there is no answer: RFC 9457. status 0: no problem. */
struct hr_problem {
	unsigned status;
	const char *allow; /* for 405 */
	char detail[768];
};

/** Fills it and returns false. */
bool hr_problem(struct hr_problem *problem, unsigned status, const char *fmt, ...) HR_PRINTF(3, 4);

struct hr_request {
	enum hr_route route; /* known even when the request is refused for another reason */
	size_t id_len;
	uint8_t id[HR_ID_MAX];
	uint32_t limit;
	bool parts;
};

/**
 * Reads method and request target: path, percent-encoded id, query.
 * @param target     as in the request line, "/v1/items/a%2Fb/neighbors?limit=5" or with http://authority in front
 * @param limit_max  bound of limit
 */
bool hr_request_parse(const char *method, const char *target, uint32_t limit_max, struct hr_request *ret_request,
                      struct hr_problem *problem);

/** An anonymous session: POST /v1/recommendations. The ids are borrowed from document. */
struct hr_session {
	void *document; /* json_t; freed by hr_session_fini */
	size_t len;
	struct hr_session_event {
		const char *id;
		size_t id_len;
		int64_t time_ms; /* -1: now */
		uint8_t kind;
	} event[HR_USER_VIEW_MAX]; /* oldest first */
	uint32_t limit;
	bool parts;
};

/** On false there is nothing to free. */
bool hr_session_parse(const void *body, size_t body_len, uint32_t limit_max, struct hr_session *ret_session,
                      struct hr_problem *problem);
void hr_session_fini(struct hr_session *s);

/* ---- ranking ---- */

/** What was found for one history. Fini it. */
struct hr_ranking {
	float *user;  /* width: the user's vector; NULL when no event of the history is in the model */
	float *rules; /* rows: sums of rules, before the logarithm */
	struct hr_hit *hit;
	size_t found;
};

/** Keeps of a history what the snapshot knows. */
void hr_history_keep(struct hr_user_view *history, const struct hr_snapshot *s);

/** The vector of a history of at least one event, asked now. Returns width floats; hr_free them. */
float *hr_history_encode(const struct hr_snapshot *s, const struct hr_user_view *history, int64_t now_ms);

/** The mix of model/mix.h with the snapshot's weights. */
void hr_rank(const struct hr_backend *b, const struct hr_snapshot *s, const struct hr_user_view *history, int64_t now_ms,
             size_t limit, struct hr_ranking *ret_ranking);
void hr_ranking_fini(struct hr_ranking *r);

/** Terms of a score, with their weights: they add up to it. again: for an item of the history itself. */
struct hr_parts {
	float logit, rules, popularity, again;
};
struct hr_parts hr_rank_parts(const struct hr_snapshot *s, const struct hr_ranking *r, const struct hr_user_view *history,
                              uint32_t row);

enum { HR_FOLLOWERS_MAX = 512 }; /* for one item; the lighter ones give no reason */

/** The rules of the newest items of a history, read once for all that is recommended. hr_free it. */
struct hr_reasons {
	size_t len;
	struct {
		uint32_t row;
		float fade; /* weight of its age */
		size_t count;
		struct hr_follower follower[HR_FOLLOWERS_MAX];
	} of[HR_RULES_BACK]; /* newest first */
};
struct hr_reasons *hr_reasons_new(const struct hr_backend *b, const struct hr_user_view *history);

/** Rows of the history whose rules speak for row, the strongest first, each once. Returns how many. */
size_t hr_reasons_for(const struct hr_reasons *r, uint32_t row, uint32_t because[HR_RULES_BACK]);

/* ---- answers ---- */

struct hr_reply {
	unsigned status;
	const char *content_type;
	const char *allow;   /* NULL, or the header's value */
	struct hr_buf body;
};

/** Replies with the problem as application/problem+json. */
void hr_reply_problem(struct hr_reply *reply, const struct hr_problem *problem);

/** Answers a request that was read without a problem. reply is zeroed by the caller; its body is the caller's to free. */
void hr_answer(const struct hr_backend *b, const struct hr_request *request, const void *body, size_t body_len,
               uint32_t limit_max, struct hr_reply *reply);

extern const uint8_t hr_openapi[]; /* built from serve/openapi.json */
extern const size_t hr_openapi_bytes;

/* ---- own metrics ---- */

enum { HR_METER_STATUSES = 9, HR_METER_BOUNDS = 12 };

/** Zeroed memory is an empty meter. @thread any */
struct hr_meter {
	struct {
		_Atomic uint64_t status[HR_METER_STATUSES];
		_Atomic uint64_t within[HR_METER_BOUNDS + 1]; /* not cumulative; the last: over all bounds */
		_Atomic uint64_t sum_us;
	} route[HR_ROUTES];
};

void hr_meter_add(struct hr_meter *m, enum hr_route route, unsigned status, int64_t us);
void hr_meter_write(const struct hr_meter *m, unsigned connections, struct hr_buf *out);

#endif
