/* bench/ingest_log.h - the input of both sides of bench/ingest: events of about 100 bytes as records of 8 partitions, users by
 * Zipf 1.0 over a million, items by Zipf 1.0 over 50,000, the same for the same seed; and the clocks that both report. */
#ifndef BENCH_INGEST_LOG_H
#define BENCH_INGEST_LOG_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "stream/stream.h"

enum { BENCH_PARTITIONS = 8, BENCH_USERS = 1000000, BENCH_ITEMS = 50000, BENCH_POLL = 1024, BENCH_HAD = 10 /* events of each user at the start */ };

struct bench_log {
	struct hr_record *record;
	size_t count;
	struct hr_buf bytes;
	struct hr_rng rng;
	int64_t offset[BENCH_PARTITIONS], time_ms;
};

/* Rank 0..n-1 by Zipf 1.0, scattered over the numbers. */
static inline uint32_t bench_zipf(struct hr_rng *rng, uint32_t n)
{
	const uint64_t rank = (uint64_t)exp(hr_rng_unit(rng) * log((double)n + 1)) - 1;

	return (uint32_t)((rank < n ? rank : n - 1) * UINT64_C(2654435761) % n);
}

static inline void bench_event(struct bench_log *log, uint32_t number, uint32_t user_number)
{
	char user[16], item[16], id[40], session[24];
	const uint64_t a = hr_rng_u64(&log->rng), b = hr_rng_u64(&log->rng);
	struct hr_event e = {.kind = HR_KIND_VIEW, .weight = 1, .time_ms = log->time_ms + number / 100};

	e.user_len = (size_t)snprintf(user, sizeof user, "u%u", user_number);
	e.item_len = (size_t)snprintf(item, sizeof item, "i%u", bench_zipf(&log->rng, BENCH_ITEMS));
	e.id_len = (size_t)snprintf(id, sizeof id, "%016llx%016llx", (unsigned long long)a, (unsigned long long)b);
	e.session_len = (size_t)snprintf(session, sizeof session, "s%llx", (unsigned long long)(a >> 24));
	e.user = (const uint8_t *)user, e.item = (const uint8_t *)item;
	e.id = (const uint8_t *)id, e.session = (const uint8_t *)session;
	const size_t at = log->bytes.len;
	hr_buf_bytes(&log->bytes, user, e.user_len);
	hr_event_encode(&e, &log->bytes);
	log->record[number] = (struct hr_record){
		.key_len = e.user_len,
		.value_len = log->bytes.len - at - e.user_len,
		.offset = (int64_t)at, /* of its bytes, until those stay where they are */
		.timestamp_ms = e.time_ms,
		.partition = (int32_t)(user_number % BENCH_PARTITIONS),
	};
}

static inline int bench_by_partition(const void *a, const void *b)
{
	const struct hr_record *x = a, *y = b;

	if (x->partition != y->partition)
		return x->partition < y->partition ? -1 : 1;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

#define BENCH_START_MS INT64_C(1790000000000)

/** The next count records, in runs of one partition as a poll gives them. */
static inline void bench_log_next(struct bench_log *log, size_t count)
{
	if (log->time_ms == 0) {
		log->time_ms = BENCH_START_MS;
		log->rng = hr_rng_stream(1, 1, 1);
	}
	hr_free(log->record);
	hr_buf_clear(&log->bytes);
	log->record = hr_alloc(count, sizeof *log->record);
	log->count = count;
	for (uint32_t i = 0; i < count; i++)
		bench_event(log, i, bench_zipf(&log->rng, BENCH_USERS));
	for (size_t i = 0; i < count; i += BENCH_POLL)
		qsort(log->record + i, count - i < BENCH_POLL ? count - i : BENCH_POLL, sizeof *log->record, bench_by_partition);
	for (size_t i = 0; i < count; i++) {
		struct hr_record *r = &log->record[i];
		r->key = log->bytes.p + r->offset;
		r->value = r->key + r->key_len;
		r->offset = log->offset[r->partition]++;
	}
	log->time_ms += (int64_t)count / 100;
}

static inline double bench_seconds(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/** Bytes that this process has given to write() and its kin: logs, tables, compaction. */
static inline double bench_written(void)
{
	FILE *file = fopen("/proc/self/io", "r");
	unsigned long long wchar = 0;

	if (file == NULL || fscanf(file, "rchar: %*u wchar: %llu", &wchar) != 1)
		wchar = 0;
	if (file != NULL)
		(void)fclose(file);
	return (double)wchar;
}

#endif
