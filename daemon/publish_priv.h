/* daemon/publish_priv.h - the publisher's inside: what a refresh is made of in publish.c, its records in publish_send.c. */
#ifndef HR_DAEMON_PUBLISH_PRIV_H
#define HR_DAEMON_PUBLISH_PRIV_H

#include "daemon/quality_gate.h"
#include "daemon/priv.h"
#include "proto/proto.h"

struct hr_publisher {
	struct hr_sink *sink;
	/* ---- publisher thread only ---- */
	float *sent;    /* (rows, width) item vectors as last sent; a zero row was never sent */
	uint8_t *gone;  /* (rows) 1: expired, and a null value was sent */
	size_t sent_cap, gone_cap;
	struct hr_buf packed;
	struct hr_quality_gate gate;
	bool behind;       /* refreshes were held, or not sent before the last stop: barriers' own lists of users do not do */
	uint64_t vector_bytes; /* of the refresh under way */
	uint64_t items, users, tombstones; /* of the refresh under way */
	int64_t stuck_us;  /* since when the broker takes nothing; 0: it does */
	bool told;         /* that it is stuck */
	bool abandoned;    /* a stop did not wait for the broker; the next start sends the refresh again */
};

/** A vector of length 1 under its id. Waits for room in the client library; @thread publisher, as all below. */
void hr_publish_vector(struct hr_pipeline *p, const struct hr_snapshot *s, Headrace__V1__Entity entity, const void *id,
                       size_t id_len, const float *vector, uint64_t events);
/** A null value: forgotten, or expired. */
void hr_publish_tombstone(struct hr_pipeline *p, Headrace__V1__Entity entity, const void *id, size_t id_len);
/** The record that ends a refresh: counts and digest. */
void hr_publish_marker(struct hr_pipeline *p, const struct hr_snapshot *s, const struct hr_barrier *row);

/** The broker did not take something: says so after a while, gives up when the process stops, dies of what is no passing trouble. */
void hr_publish_wait_out(struct hr_pipeline *p, const struct hr_error *err);
void hr_publish_went_through(struct hr_publisher *pub);

#endif
