#include "model/snapshot.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "model/snapshot_weights.h"

struct hr_snapshot *hr_snapshot_new(const struct hr_encoder *e, size_t rows)
{
	struct hr_snapshot *s = hr_alloc(1, sizeof *s);
	struct hr_snapshot_weights *w = hr_alloc(1, sizeof *w);
	const size_t D = e->at.shape.D;

	w->w = hr_alloc(e->at.floats, sizeof *w->w);
	memcpy(w->w, e->w, e->at.floats * sizeof *w->w);
	hr_encoder_init(&w->encoder, e->k, &e->at, w->w);
	w->unit = hr_alloc(rows * D, sizeof *w->unit);
	w->log_popularity = hr_alloc(rows, sizeof *w->log_popularity);
	w->events = hr_alloc(rows, sizeof *w->events);
	w->live = hr_alloc(rows, sizeof *w->live);
	s->rows = rows;
	s->width = D;
	s->unit = w->unit;
	s->live = w->live;
	s->log_popularity = w->log_popularity;
	s->events = w->events;
	s->weights = w;
	atomic_init(&s->references, 1);
	return s;
}

void hr_snapshot_ready(struct hr_snapshot *s) { hr_coarse_init(&s->weights->coarse, s->unit, s->rows, s->width); }

void hr_snapshot_ref(struct hr_snapshot *s) { (void)atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed); }

void hr_snapshot_unref(struct hr_snapshot *s)
{
	if (s == NULL || atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) > 1)
		return;
	hr_encoder_fini(&s->weights->encoder);
	hr_free(s->weights->w);
	hr_free(s->weights->unit);
	hr_free(s->weights->log_popularity);
	hr_free(s->weights->events);
	hr_free(s->weights->live);
	hr_coarse_fini(&s->weights->coarse);
	hr_free(s->weights);
	hr_free(s);
}

/* ---- memory ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static void free_memory(void *memory)
{
	struct hr_snapshot_memory *m = memory;

	hr_encode_memory_fini(&m->encode);
	hr_free(m->sure);
	hr_free(m->may);
	hr_free(m->row);
	hr_free(m);
}

static void make_key(void)
{
	const int failed = pthread_key_create(&key, free_memory);

	HR_ASSERT(!failed);
}

struct hr_snapshot_memory *hr_snapshot_memory(void)
{
	(void)pthread_once(&once, make_key);
	struct hr_snapshot_memory *m = pthread_getspecific(key);
	if (m == NULL) {
		m = hr_alloc(1, sizeof *m);
		const int failed = pthread_setspecific(key, m);
		HR_ASSERT(!failed);
	}
	return m;
}

void hr_snapshot_encode(const struct hr_snapshot *s, const struct hr_batch *batch, float *out)
{
	hr_encode(&s->weights->encoder, batch, s->unit, s->rows, out, &hr_snapshot_memory()->encode);
}
