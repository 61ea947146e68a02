#include <inttypes.h>

#include "serve/priv.h"

/* What every answer about vectors stands on. */
struct answer {
	const struct hr_backend *b;
	const struct hr_request *request;
	struct hr_snapshot *snapshot; /* pinned */
	struct hr_problem problem;
	struct hr_json json;
};

static bool pin(struct answer *a)
{
	a->snapshot = a->b->pin(a->b->ctx);
	return a->snapshot != NULL || hr_problem(&a->problem, 503, "there is no model yet; /readyz says why");
}

static void write_id(struct answer *a, const void *id, size_t len)
{
	hr_json_key(&a->json, "id");
	hr_json_text(&a->json, id, len);
}

/* Which model answered, and the newest event it knows. */
static void write_version(struct answer *a)
{
	hr_json_key(&a->json, "version");
	hr_json_open(&a->json, '{');
	hr_json_key(&a->json, "lineage");
	hr_json_string(&a->json, a->b->lineage(a->b->ctx));
	hr_json_key(&a->json, "barrier");
	hr_json_u64(&a->json, a->snapshot->barrier);
	hr_json_close(&a->json, '}');
	hr_json_key(&a->json, "as_of");
	hr_json_time(&a->json, a->snapshot->watermark_ms);
}

static void write_vector(struct answer *a, const float *vector, uint64_t events)
{
	const char *space = a->b->space != NULL ? a->b->space(a->b->ctx) : a->b->lineage(a->b->ctx);

	hr_json_open(&a->json, '{');
	write_id(a, a->request->id, a->request->id_len);
	hr_json_key(&a->json, "status");
	hr_json_string(&a->json, "ok");
	hr_json_key(&a->json, "vector");
	hr_json_open(&a->json, '[');
	for (size_t d = 0; d < a->snapshot->width; d++)
		hr_json_f32(&a->json, vector[d]);
	hr_json_close(&a->json, ']');
	hr_json_key(&a->json, "dimensions");
	hr_json_u64(&a->json, a->snapshot->width);
	hr_json_key(&a->json, "space");
	hr_json_string(&a->json, space);
	hr_json_key(&a->json, "events");
	hr_json_u64(&a->json, events);
	write_version(a);
	hr_json_close(&a->json, '}');
}

/* The item that is asked for, when the model has it. */
static bool find_item(struct answer *a, uint32_t *ret_row, struct hr_item_view *ret_item)
{
	const char *id = (const char *)a->request->id;
	const int len = (int)a->request->id_len;
	const uint32_t row = a->b->item_row(a->b->ctx, id, a->request->id_len);

	if (row == HR_NONE || !a->b->item(a->b->ctx, row, ret_item))
		return hr_problem(&a->problem, 404, "no item has the id \"%.*s\"", len, id);
	if (row >= a->snapshot->rows || a->snapshot->live[row] == 0)
		return hr_problem(&a->problem, 404, "the item \"%.*s\" has %" PRIu64 " events, but is not in the model: %s", len,
		                  id, ret_item->events,
		                  ret_item->admitted ? "it is newer than the model that answers" : "it is not admitted yet");
	*ret_row = row;
	return true;
}

static bool answer_item_embedding(struct answer *a)
{
	struct hr_item_view item;
	uint32_t row;

	if (!pin(a) || !find_item(a, &row, &item))
		return false;
	write_vector(a, a->snapshot->unit + row * a->snapshot->width, item.events);
	return true;
}

static bool find_user(struct answer *a, struct hr_user_view *ret_user)
{
	if (!a->b->user(a->b->ctx, a->request->id, a->request->id_len, ret_user))
		return hr_problem(&a->problem, 404, "no user has the id \"%.*s\"", (int)a->request->id_len,
		                  (const char *)a->request->id);
	hr_history_keep(ret_user, a->snapshot);
	return true;
}

static bool answer_user_embedding(struct answer *a)
{
	struct hr_user_view user;

	if (!pin(a) || !find_user(a, &user))
		return false;
	if (user.len == 0)
		return hr_problem(&a->problem, 404, "the user \"%.*s\" has no event on an item of this model yet",
		                  (int)a->request->id_len, (const char *)a->request->id);
	HR_AUTO(hr_auto_free) float *vector = hr_history_encode(a->snapshot, &user, a->b->now_ms(a->b->ctx));
	write_vector(a, vector, user.events);
	return true;
}

static void write_item(struct answer *a, uint32_t row)
{
	struct hr_item_view item;

	if (!a->b->item(a->b->ctx, row, &item))
		item = (struct hr_item_view){0};
	write_id(a, item.id, item.id_len);
	hr_json_key(&a->json, "title");
	hr_json_string(&a->json, item.title);
}

static void write_score(struct answer *a, float score)
{
	hr_json_key(&a->json, "score");
	hr_json_f32(&a->json, score);
}

static bool answer_neighbors(struct answer *a)
{
	struct hr_item_view item;
	uint32_t row;
	size_t found;

	if (!pin(a) || !find_item(a, &row, &item))
		return false;
	const struct hr_snapshot *s = a->snapshot;
	HR_AUTO(hr_auto_free) struct hr_hit *hit = hr_alloc(a->request->limit, sizeof *hit);
	hr_snapshot_top(s, s->unit + row * s->width, 1, 1, NULL, &row, 1, a->request->limit, hit, &found);
	hr_json_open(&a->json, '{');
	write_id(a, a->request->id, a->request->id_len);
	hr_json_key(&a->json, "status");
	hr_json_string(&a->json, "ok");
	hr_json_key(&a->json, "neighbors");
	hr_json_open(&a->json, '[');
	for (size_t i = 0; i < found; i++) {
		hr_json_open(&a->json, '{');
		write_item(a, hit[i].row);
		write_score(a, hit[i].score);
		hr_json_close(&a->json, '}');
	}
	hr_json_close(&a->json, ']');
	write_version(a);
	hr_json_close(&a->json, '}');
	return true;
}

static void write_parts(struct answer *a, const struct hr_ranking *r, const struct hr_user_view *history,
                        const struct hr_reasons *reasons, uint32_t row)
{
	const struct hr_parts parts = hr_rank_parts(a->snapshot, r, history, row);
	uint32_t because[HR_RULES_BACK];
	const size_t count = hr_reasons_for(reasons, row, because);

	hr_json_key(&a->json, "parts");
	hr_json_open(&a->json, '{');
	hr_json_key(&a->json, "logit");
	hr_json_f32(&a->json, parts.logit);
	hr_json_key(&a->json, "rules");
	hr_json_f32(&a->json, parts.rules);
	hr_json_key(&a->json, "popularity");
	hr_json_f32(&a->json, parts.popularity);
	hr_json_key(&a->json, "again");
	hr_json_f32(&a->json, parts.again);
	hr_json_close(&a->json, '}');
	hr_json_key(&a->json, "because");
	hr_json_open(&a->json, '[');
	for (size_t i = 0; i < count; i++) {
		struct hr_item_view item;

		if (a->b->item(a->b->ctx, because[i], &item))
			hr_json_text(&a->json, item.id, item.id_len);
	}
	hr_json_close(&a->json, ']');
}

/* "popular": nothing of the history is in the model, so everybody would get this list. */
static void write_recommendations(struct answer *a, const struct hr_user_view *history, uint32_t limit, bool parts)
{
	HR_AUTO(hr_auto_free) struct hr_reasons *reasons = parts ? hr_reasons_new(a->b, history) : NULL;
	struct hr_ranking r;

	hr_rank(a->b, a->snapshot, history, a->b->now_ms(a->b->ctx), limit, &r);
	hr_json_key(&a->json, "status");
	hr_json_string(&a->json, r.user != NULL ? "ok" : "popular");
	hr_json_key(&a->json, "recommendations");
	hr_json_open(&a->json, '[');
	for (size_t i = 0; i < r.found; i++) {
		hr_json_open(&a->json, '{');
		write_item(a, r.hit[i].row);
		write_score(a, r.hit[i].score);
		if (parts)
			write_parts(a, &r, history, reasons, r.hit[i].row);
		hr_json_close(&a->json, '}');
	}
	hr_json_close(&a->json, ']');
	write_version(a);
	hr_ranking_fini(&r);
}

static bool answer_user(struct answer *a)
{
	struct hr_user_view user;

	if (!pin(a) || !find_user(a, &user))
		return false;
	hr_json_open(&a->json, '{');
	write_id(a, a->request->id, a->request->id_len);
	write_recommendations(a, &user, a->request->limit, a->request->parts);
	hr_json_close(&a->json, '}');
	return true;
}

/* Splits a session into a history of known items and the list of the others, which it writes. */
static void read_history(struct answer *a, const struct hr_session *session, struct hr_user_view *ret_history)
{
	const int64_t now_ms = a->b->now_ms(a->b->ctx);
	struct hr_user_view *h = ret_history;

	*h = (struct hr_user_view){0};
	hr_json_key(&a->json, "ignored");
	hr_json_open(&a->json, '[');
	for (size_t i = 0; i < session->len; i++) {
		const struct hr_session_event *event = &session->event[i];
		const uint32_t row = a->b->item_row(a->b->ctx, event->id, event->id_len);

		if (row == HR_NONE || row >= a->snapshot->rows) {
			hr_json_text(&a->json, event->id, event->id_len);
			continue;
		}
		/* Events without a time come last; they must not lie before those with one. */
		const int64_t before = h->len > 0 ? h->time_ms[h->len - 1] : INT64_MIN;
		const int64_t time_ms = event->time_ms >= 0 ? event->time_ms : now_ms;
		h->item[h->len] = row;
		h->time_ms[h->len] = time_ms > before ? time_ms : before;
		h->kind[h->len++] = event->kind;
	}
	hr_json_close(&a->json, ']');
}

static bool answer_session(struct answer *a, const void *body, size_t body_len, uint32_t limit_max)
{
	struct hr_user_view history;
	struct hr_session session;

	if (!hr_session_parse(body, body_len, limit_max, &session, &a->problem))
		return false;
	const bool good = pin(a);
	if (good) {
		hr_json_open(&a->json, '{');
		read_history(a, &session, &history);
		write_recommendations(a, &history, session.limit, session.parts);
		hr_json_close(&a->json, '}');
	}
	hr_session_fini(&session);
	return good;
}

static bool answer_health(struct answer *a, const char *good)
{
	char why[256] = "";

	if (a->request->route == HR_ROUTE_READYZ && !a->b->ready(a->b->ctx, why, sizeof why))
		return hr_problem(&a->problem, 503, "not ready: %s", why);
	hr_json_open(&a->json, '{');
	hr_json_key(&a->json, "status");
	hr_json_string(&a->json, good);
	hr_json_close(&a->json, '}');
	return true;
}

static bool answer(struct answer *a, const void *body, size_t body_len, uint32_t limit_max, struct hr_reply *reply)
{
	HR_ASSERT(a->request->route < HR_ROUTE_NONE);
	switch (a->request->route) {
	case HR_ROUTE_ITEM_EMBEDDING: return answer_item_embedding(a);
	case HR_ROUTE_USER_EMBEDDING: return answer_user_embedding(a);
	case HR_ROUTE_NEIGHBORS: return answer_neighbors(a);
	case HR_ROUTE_USER: return answer_user(a);
	case HR_ROUTE_SESSION: return answer_session(a, body, body_len, limit_max);
	case HR_ROUTE_MODEL: a->b->model_json(a->b->ctx, &reply->body); return true;
	case HR_ROUTE_METRICS:
		reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
		a->b->metrics(a->b->ctx, &reply->body);
		return true;
	case HR_ROUTE_LIVEZ: return answer_health(a, "alive");
	case HR_ROUTE_READYZ: return answer_health(a, "ready");
	case HR_ROUTE_OPENAPI: hr_buf_bytes(&reply->body, hr_openapi, hr_openapi_bytes); return true;
	case HR_ROUTE_NONE:
	case HR_ROUTES: break;
	}
	return false;
}

void hr_answer(const struct hr_backend *b, const struct hr_request *request, const void *body, size_t body_len,
               uint32_t limit_max, struct hr_reply *reply)
{
	struct answer a = {.b = b, .request = request, .json = {.out = &reply->body}};

	reply->status = 200;
	reply->content_type = "application/json";
	if (!answer(&a, body, body_len, limit_max, reply))
		hr_reply_problem(reply, &a.problem);
	hr_snapshot_unref(a.snapshot);
}
