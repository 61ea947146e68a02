/* base/queue.h - bounded FIFO of pointers between threads.
 *
 * Full means wait: the producer stops, and that is the back-pressure (ingest stops consuming, so Kafka lag grows).
 * Nothing is ever dropped. Closing lets readers drain what is there, then gives them NULL.
 */
#ifndef HR_BASE_QUEUE_H
#define HR_BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hr_queue;

struct hr_queue *hr_queue_new(size_t bound);
void hr_queue_free(struct hr_queue *q); /* must be drained by its owner; what is still inside is not freed */

/** Waits while full. False when the queue is closed: the item is then still the caller's. item is not NULL. @thread any */
bool hr_queue_push(struct hr_queue *q, void *item);

/** Waits up to timeout_ms (-1: for ever). NULL on timeout, or when closed and empty. @thread any */
void *hr_queue_pop(struct hr_queue *q, int timeout_ms);

/** No more pushes; waiting threads wake. Idempotent. @thread any */
void hr_queue_close(struct hr_queue *q);

size_t hr_queue_depth(struct hr_queue *q);
uint64_t hr_queue_waits(struct hr_queue *q); /* pushes that had to wait: the full counter */

#endif
