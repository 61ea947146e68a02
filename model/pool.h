/* model/pool.h - a few threads that take numbered tasks. Who takes which task is left to chance, so a task's result may
 * depend on its number only. */
#ifndef HR_MODEL_POOL_H
#define HR_MODEL_POOL_H

#include <stddef.h>

struct hr_pool;

/** workers - 1 threads; the caller of hr_pool_run is one more. */
struct hr_pool *hr_pool_new(size_t workers);
void hr_pool_free(struct hr_pool *p); /* NULL allowed */
size_t hr_pool_workers(const struct hr_pool *p);

/** worker: 0..workers-1, for memory of its own; task: 0..tasks-1. */
typedef void hr_pool_fn(void *ctx, size_t worker, size_t task);

/** Runs all tasks and returns when the last is done. */
void hr_pool_run(struct hr_pool *p, hr_pool_fn *fn, void *ctx, size_t tasks);

#endif
