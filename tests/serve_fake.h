/* tests/serve_fake.h - a model small enough to be computed in the head, behind the functions of model/ that serve/ calls,
 * and a backend that hands it out.
 *
 * Four dimensions. The user's vector is the unit row of the newest item, so that logit = 2 * cosine. Rules: apple is followed
 * by pear (3) and lamp (1), tea by pear (2). Popularity is 1 (log 0) but for lamp (log e^2 = 2) and apple (log e = 1).
 */
#ifndef HR_TESTS_SERVE_FAKE_H
#define HR_TESTS_SERVE_FAKE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "serve/serve.h"
#include "tests/serve_client.h"

enum { APPLE, PEAR, TEA, GONE, SEEN_ONCE, LAMP, FAKE_ROWS, NEWBORN = FAKE_ROWS, FAKE_ITEMS };
#define FAKE_WIDTH 4
#define FAKE_NOW_MS INT64_C(1795551336123) /* 2026-11-24T20:15:36.123Z */

extern const char *const fake_id[FAKE_ITEMS]; /* "apple" "pear/2" "čaj ☕" "gone" "seen once" "lamp" "newborn" */
extern const float fake_unit[FAKE_ROWS * FAKE_WIDTH];

struct fake {
	struct hr_snapshot snapshot;
	struct hr_backend backend;
	struct hr_server *server;
	_Atomic bool empty;     /* no snapshot yet */
	_Atomic bool ready;
	_Atomic int64_t asked_ms; /* of the newest encode: ask_ms of its last position */
	_Atomic unsigned delay_ms; /* of each pin */
};

/** The one fake there is; users "ann" (apple, tea), "bob" (lamp), "newcomer" (newborn only), "ζ/u" (pear). */
extern struct fake fake;

void fake_start(const struct hr_server_config *config, bool repeats);
void fake_stop(void); /* fails the test unless every pinned snapshot was given back */

struct answer ask(const char *method, const char *path, const char *body); /* of the fake's server */

#endif
