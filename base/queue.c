#include "base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/mem.h"

struct hr_queue {
	pthread_mutex_t lock;
	pthread_cond_t not_empty, not_full;
	/* ---- under lock ---- */
	size_t bound, head, depth;
	uint64_t waits;
	bool closed;
	void **ring; /* bound slots */
};

struct hr_queue *hr_queue_new(size_t bound)
{
	struct hr_queue *q = hr_alloc(1, sizeof *q);
	pthread_condattr_t attr;

	HR_ASSERT(bound >= 1);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(&q->lock, NULL);
	(void)pthread_cond_init(&q->not_empty, &attr);
	(void)pthread_cond_init(&q->not_full, &attr);
	(void)pthread_condattr_destroy(&attr);
	q->bound = bound;
	q->ring = hr_alloc(bound, sizeof *q->ring);
	return q;
}

void hr_queue_free(struct hr_queue *q)
{
	if (q == NULL)
		return;
	(void)pthread_cond_destroy(&q->not_empty);
	(void)pthread_cond_destroy(&q->not_full);
	(void)pthread_mutex_destroy(&q->lock);
	hr_free(q->ring);
	hr_free(q);
}

bool hr_queue_push(struct hr_queue *q, void *item)
{
	HR_ASSERT(item != NULL);
	(void)pthread_mutex_lock(&q->lock);
	if (q->depth == q->bound && !q->closed)
		q->waits++;
	while (q->depth == q->bound && !q->closed)
		(void)pthread_cond_wait(&q->not_full, &q->lock);
	const bool open = !q->closed;
	if (open) {
		q->ring[(q->head + q->depth) % q->bound] = item;
		q->depth++;
		(void)pthread_cond_signal(&q->not_empty);
	}
	(void)pthread_mutex_unlock(&q->lock);
	return open;
}

static struct timespec deadline_after(int timeout_ms)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += timeout_ms / 1000;
	t.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

void *hr_queue_pop(struct hr_queue *q, int timeout_ms)
{
	const struct timespec until = deadline_after(timeout_ms < 0 ? 0 : timeout_ms);
	void *item = NULL;
	int rc = 0;

	(void)pthread_mutex_lock(&q->lock);
	while (q->depth == 0 && !q->closed && rc != ETIMEDOUT)
		rc = timeout_ms < 0 ? pthread_cond_wait(&q->not_empty, &q->lock)
		                    : pthread_cond_timedwait(&q->not_empty, &q->lock, &until);
	if (q->depth != 0) {
		item = q->ring[q->head];
		q->head = (q->head + 1) % q->bound;
		q->depth--;
		(void)pthread_cond_signal(&q->not_full);
	}
	(void)pthread_mutex_unlock(&q->lock);
	return item;
}

void hr_queue_close(struct hr_queue *q)
{
	(void)pthread_mutex_lock(&q->lock);
	q->closed = true;
	(void)pthread_cond_broadcast(&q->not_empty);
	(void)pthread_cond_broadcast(&q->not_full);
	(void)pthread_mutex_unlock(&q->lock);
}

size_t hr_queue_depth(struct hr_queue *q)
{
	(void)pthread_mutex_lock(&q->lock);
	const size_t depth = q->depth;
	(void)pthread_mutex_unlock(&q->lock);
	return depth;
}

uint64_t hr_queue_waits(struct hr_queue *q)
{
	(void)pthread_mutex_lock(&q->lock);
	const uint64_t waits = q->waits;
	(void)pthread_mutex_unlock(&q->lock);
	return waits;
}
