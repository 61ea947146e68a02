/* bench/store.c - what a barrier, a restart and a user cost: microseconds a record, seconds, bytes of memory.
 *
 * store DIR [USERS [EVENTS]]   DIR must not exist; USERS (1,000,000) users with EVENTS (12) events each. The first
 * barrier writes all of them, the five after it each what 1.2 events a user among 200,000 draws change. Then the state
 * is closed, opened (which replays the log) and loaded. Each time is given as wall/processor: the processor's is what a
 * busy machine leaves comparable, and holds RocksDB's background work too. The page cache is warm.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/base.h"
#include "store/store.h"

enum { LENGTH = 50, BARRIERS = 5, DRAWS = 240000, ITEMS = 100000 };

struct bench {
	const char *dir;
	uint32_t users, events;
	struct hr_manifest manifest;
	struct hr_store *store;
	struct hr_barrier row;
	struct hr_histories *histories;
	uint64_t draw;   /* the last random number */
	int64_t time_ms; /* of the last event */
};

struct times {
	double wall_s, cpu_s;
};

static double read_clock(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static struct times now(void)
{
	return (struct times){read_clock(CLOCK_MONOTONIC), read_clock(CLOCK_PROCESS_CPUTIME_ID)};
}

/* Prints what a step cost since start, in unit seconds, for each of count things. */
static struct times print_step(const char *step, struct times start, double count, double unit, const char *unit_name)
{
	const struct times end = now();

	(void)printf(" %s %.2f/%.2f %s", step, (end.wall_s - start.wall_s) / (count * unit),
	             (end.cpu_s - start.cpu_s) / (count * unit), unit_name);
	return end;
}

static HR_NORETURN void give_up(const struct hr_error *err)
{
	(void)fprintf(stderr, "%s: %s\n", hr_code_name(err->code), err->msg);
	exit(1);
}

static bool load_user(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len,
                      struct hr_error *err)
{
	return cls == HR_REC_USER && hr_histories_load(ctx, number, bytes, len, err);
}

static void open_state(struct bench *b)
{
	char notice[HR_NOTICE_BYTES];
	struct hr_error err = {0};
	struct times start = now();

	(void)printf("start:");
	if (!hr_store_open(b->dir, &b->manifest, &b->store, &b->row, notice, &err))
		give_up(&err);
	start = print_step("open", start, 1, 1, "s,");
	b->histories = hr_histories_new(LENGTH);
	if (!hr_store_load(b->store, load_user, b->histories, &err) || !hr_histories_loaded(b->histories, &err))
		give_up(&err);
	(void)print_step("load", start, 1, 1, "s");
	(void)printf(" of %" PRIu32 " users\n", hr_histories_count(b->histories));
}

static void close_state(struct bench *b)
{
	hr_store_close(b->store);
	hr_barrier_fini(&b->row);
	hr_histories_free(b->histories);
}

static void append_one(struct bench *b, uint32_t user)
{
	const struct hr_past past = {b->time_ms, (uint32_t)(b->draw >> 40) % ITEMS, HR_KIND_VIEW};
	uint16_t place;

	(void)hr_histories_append(b->histories, user, &past, NULL, 0, &place);
	b->draw = hr_hash(&b->draw, sizeof b->draw);
	b->time_ms += (int64_t)(b->draw % 50);
}

static void append_all(struct bench *b)
{
	const struct times start = now();
	char id[16];

	for (uint32_t u = 0; u < b->users; u++) {
		const int len = snprintf(id, sizeof id, "user%" PRIu32, u);
		const uint32_t user = hr_histories_user(b->histories, id, (size_t)len);

		for (uint32_t i = 0; i < b->events; i++)
			append_one(b, user);
	}
	(void)print_step("append", start, (double)b->users * b->events, 1e-9, "ns an event,");
	(void)printf(" memory %.0f bytes a user\n", (double)hr_histories_memory_bytes(b->histories) / b->users);
}

static void write_barrier(struct bench *b)
{
	struct hr_changes *changes = hr_changes_new();
	struct hr_error err = {0};
	struct times start = now();

	b->row.number++;
	(void)printf("barrier %" PRIu64 ":", b->row.number);
	hr_histories_collect(b->histories, b->row.number, hr_changes_put, changes);
	const double count = (double)hr_changes_count(changes);
	start = print_step("collect", start, count, 1e-6, "us,");
	if (!hr_store_commit(b->store, changes, &b->row, &err))
		give_up(&err);
	(void)print_step("commit", start, count, 1e-6, "us a record,");
	(void)printf(" %.0f records of %.0f bytes\n", count, (double)hr_changes_bytes(changes) / count);
	hr_changes_free(changes);
}

int main(int argc, char **argv)
{
	struct bench b = {.users = 1000000,
	                  .events = 12,
	                  .draw = 1,
	                  .time_ms = 1790000000000,
	                  .manifest = {.settings = "bench=1\n", .kernels = "none"}};

	if (argc < 2) {
		(void)fprintf(stderr, "usage: store DIR [USERS [EVENTS]]\n");
		return 2;
	}
	b.dir = argv[1];
	b.users = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : b.users;
	b.events = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : b.events;
	open_state(&b);
	append_all(&b);
	write_barrier(&b);
	for (int i = 0; i < BARRIERS; i++) {
		for (int n = 0; n < DRAWS; n++)
			append_one(&b, (uint32_t)(b.draw % b.users));
		write_barrier(&b);
	}
	(void)printf("disk: %.0f MB\n", (double)hr_store_disk_bytes(b.store) / 1e6);
	close_state(&b);
	open_state(&b);
	close_state(&b);
	return 0;
}
