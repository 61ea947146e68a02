#include "model/pool.h"

#include <pthread.h>
#include <stdbool.h>

#include "base/mem.h"

struct worker {
	struct hr_pool *pool;
	size_t number;
	pthread_t thread;
};

struct hr_pool {
	/* ---- set before the threads start, then read-only ---- */
	size_t workers;
	struct worker *worker; /* workers; number 0 is the caller and has no thread */
	/* ---- under lock ---- */
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	hr_pool_fn *fn; /* NULL: nothing to do */
	void *ctx;
	size_t tasks, taken, finished;
	bool stop;
};

/* Called and returns with the lock held. */
static void take_tasks(struct hr_pool *p, size_t worker)
{
	while (p->fn != NULL && p->taken < p->tasks) {
		hr_pool_fn *fn = p->fn;
		void *ctx = p->ctx;
		const size_t task = p->taken++;
		(void)pthread_mutex_unlock(&p->lock);
		fn(ctx, worker, task);
		(void)pthread_mutex_lock(&p->lock);
		if (++p->finished == p->tasks)
			(void)pthread_cond_signal(&p->done);
	}
}

static void *work(void *arg)
{
	const struct worker *w = arg;
	struct hr_pool *p = w->pool;

	(void)pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		take_tasks(p, w->number);
		if (!p->stop)
			(void)pthread_cond_wait(&p->work, &p->lock);
	}
	(void)pthread_mutex_unlock(&p->lock);
	return NULL;
}

struct hr_pool *hr_pool_new(size_t workers)
{
	struct hr_pool *p = hr_alloc(1, sizeof *p);

	p->worker = hr_alloc(workers, sizeof *p->worker);
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_cond_init(&p->work, NULL);
	(void)pthread_cond_init(&p->done, NULL);
	/* A thread that can not be had makes training slower, not different. */
	for (p->workers = 1; p->workers < workers; p->workers++) {
		struct worker *w = &p->worker[p->workers];
		*w = (struct worker){.pool = p, .number = p->workers};
		if (pthread_create(&w->thread, NULL, work, w) != 0)
			break;
	}
	return p;
}

void hr_pool_free(struct hr_pool *p)
{
	if (p == NULL)
		return;
	(void)pthread_mutex_lock(&p->lock);
	p->stop = true;
	(void)pthread_cond_broadcast(&p->work);
	(void)pthread_mutex_unlock(&p->lock);
	for (size_t i = 1; i < p->workers; i++)
		(void)pthread_join(p->worker[i].thread, NULL);
	(void)pthread_cond_destroy(&p->work);
	(void)pthread_cond_destroy(&p->done);
	(void)pthread_mutex_destroy(&p->lock);
	hr_free(p->worker);
	hr_free(p);
}

size_t hr_pool_workers(const struct hr_pool *p) { return p->workers; }

void hr_pool_run(struct hr_pool *p, hr_pool_fn *fn, void *ctx, size_t tasks)
{
	(void)pthread_mutex_lock(&p->lock);
	p->fn = fn;
	p->ctx = ctx;
	p->tasks = tasks;
	p->taken = 0;
	p->finished = 0;
	(void)pthread_cond_broadcast(&p->work);
	take_tasks(p, 0);
	while (p->finished < p->tasks)
		(void)pthread_cond_wait(&p->done, &p->lock);
	p->fn = NULL;
	(void)pthread_mutex_unlock(&p->lock);
}
