/* bench/ingest_ours.c - our side of bench/ingest: the daemon's own intake and store, without training.
 *
 * ingest_ours DIR              DIR must not exist. Every user gets ten events; then reads commands "warm|cold EVENTS" and answers
 *                              "events cpu_s wall_s bytes_written stall_cpu_ms stall_wall_ms dirty_users". warm: goes on; cold:
 *                              the state is closed, and closing, opening and reading it count too. Each ends with a durable barrier.
 * ingest_ours DIR again        opens what a killed one left: "users barrier cpu_s wall_s"
 * ingest_ours DIR BROKERS TOPIC EVENTS   from Kafka, once: "events cpu_s wall_s".
 */
#include "bench/ingest_log.h"
#include "daemon/intake.h"

enum { BARRIER_S = 5 }; /* the daemon's own default */

struct side {
	const char *dir;
	struct hr_manifest manifest;
	struct hr_store *store;
	struct hr_intake *intake;
	struct hr_decoder *decoder;
	struct hr_barrier row;
	uint64_t number;
	double stall_cpu_ms, stall_wall_ms;
	size_t dirty, refused;
};

static HR_NORETURN void give_up(const struct hr_error *err)
{
	(void)fprintf(stderr, "%s\n", err->msg);
	exit(1);
}

static bool load(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len, struct hr_error *err)
{
	return hr_intake_load(ctx, cls, number, bytes, len, err);
}

static void open_side(struct side *s)
{
	static const struct hr_intake_config config = {.history_length = 50, .min_count = 1, .positions = 50, .window = 512,
	                                               .rehearsal = 1, .future_limit_ms = 600000, .seed = 1};
	char notice[HR_NOTICE_BYTES];
	struct hr_error err;

	s->intake = hr_intake_new(&config);
	if (!hr_store_open(s->dir, &s->manifest, &s->store, &s->row, notice, &err) || !hr_store_load(s->store, load, s->intake, &err))
		give_up(&err);
	if (s->row.number > 0 && !hr_intake_resume(s->intake, &s->row, &err))
		give_up(&err);
	for (int32_t p = 0; p < BENCH_PARTITIONS && s->row.number == 0; p++)
		hr_intake_partition(s->intake, p, 0);
}

static void close_side(struct side *s)
{
	hr_store_settle(s->store);
	hr_store_close(s->store);
	hr_intake_free(s->intake);
	hr_barrier_fini(&s->row);
}

/* What ingest stands still for is the hand-over; the writer thread's part follows here, on the same clock. */
static void barrier(struct side *s)
{
	struct hr_error err;

	hr_work_free(hr_intake_step(s->intake));
	const double cpu = bench_seconds(CLOCK_THREAD_CPUTIME_ID), wall = bench_seconds(CLOCK_MONOTONIC);
	struct hr_work *w = hr_intake_barrier(s->intake, ++s->number, 0);
	s->stall_cpu_ms = 1e3 * (bench_seconds(CLOCK_THREAD_CPUTIME_ID) - cpu);
	s->stall_wall_ms = 1e3 * (bench_seconds(CLOCK_MONOTONIC) - wall);
	s->dirty = w->user_count;
	if (!hr_store_commit(s->store, w->changes, &w->row, &err))
		give_up(&err);
	hr_work_free(w);
}

static void take(struct side *s, const struct hr_record *record, size_t count)
{
	enum hr_reject why;

	for (size_t i = 0; i < count; i++) {
		if (i % HR_FETCH_MAX == 0)
			hr_intake_fetch(s->intake, record + i, count - i < HR_FETCH_MAX ? count - i : HR_FETCH_MAX,
			                s->decoder);
		if (hr_intake_record(s->intake, &record[i], s->decoder, &why) != HR_OUT_TRAINED)
			s->refused++;
	}
}

/* Ten events of each user, before the log begins. */
static void preload(struct side *s, struct bench_log *log)
{
	enum hr_reject why;
	char user[16], item[16];

	for (uint32_t n = 0; n < BENCH_HAD * BENCH_USERS; n++) {
		const uint32_t number = n % BENCH_USERS;
		const uint64_t id[2] = {n, ~(uint64_t)n};
		const int32_t partition = (int32_t)(number % BENCH_PARTITIONS);
		const struct hr_event e = {
			.user = (const uint8_t *)user, .user_len = (size_t)snprintf(user, sizeof user, "u%u", number),
			.item = (const uint8_t *)item, .item_len = (size_t)snprintf(item, sizeof item, "i%u", number * 7 % BENCH_ITEMS),
			.id = (const uint8_t *)id, .id_len = sizeof id, .kind = HR_KIND_VIEW, .weight = 1,
			.time_ms = BENCH_START_MS - BENCH_HAD * 1000 + n / BENCH_USERS * 1000,
		};
		(void)hr_intake_event(s->intake, &e, partition, log->offset[partition]++, e.time_ms, &why);
	}
	barrier(s);
}

static void run(struct side *s, struct bench_log *log, bool cold, size_t count)
{
	bench_log_next(log, count);
	const double cpu = bench_seconds(CLOCK_PROCESS_CPUTIME_ID), wall = bench_seconds(CLOCK_MONOTONIC), bytes = bench_written();
	if (cold) {
		close_side(s);
		open_side(s);
	}
	take(s, log->record, log->count);
	barrier(s);
	printf("%zu %.6f %.6f %.0f %.3f %.3f %zu\n", log->count, bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu,
	       bench_seconds(CLOCK_MONOTONIC) - wall, bench_written() - bytes, s->stall_cpu_ms, s->stall_wall_ms, s->dirty);
	(void)fflush(stdout);
}

static void from_kafka(struct side *s, const char *brokers, const char *topic, size_t events)
{
	static struct hr_record record[BENCH_POLL];
	struct hr_position at[BENCH_PARTITIONS];
	const struct hr_kafka_config config = {.brokers = brokers, .client_id = "bench", .group_id = "bench"};
	struct hr_source *source;
	struct hr_error err;
	size_t seen = 0, count;
	double last_barrier;

	for (int32_t p = 0; p < BENCH_PARTITIONS; p++)
		at[p] = (struct hr_position){p, HR_START_EARLIEST};
	const double cpu = bench_seconds(CLOCK_PROCESS_CPUTIME_ID), wall = bench_seconds(CLOCK_MONOTONIC);
	if (!hr_source_open_kafka(&config, topic, at, BENCH_PARTITIONS, false, &source, &err))
		give_up(&err);
	last_barrier = wall;
	while (seen < events) {
		if (bench_seconds(CLOCK_MONOTONIC) - last_barrier >= BARRIER_S) {
			barrier(s);
			last_barrier = bench_seconds(CLOCK_MONOTONIC);
		}
		if (!hr_source_poll(source, record, BENCH_POLL, 1000, &count, &err))
			give_up(&err);
		take(s, record, count);
		seen += count;
	}
	barrier(s);
	printf("%zu %.6f %.6f\n", seen, bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, bench_seconds(CLOCK_MONOTONIC) - wall);
	hr_source_close(source);
}

/* Until events could be taken. */
static void again(struct side *s)
{
	const double cpu = bench_seconds(CLOCK_PROCESS_CPUTIME_ID), wall = bench_seconds(CLOCK_MONOTONIC);

	open_side(s);
	printf("%u %llu %.6f %.6f\n", hr_histories_count(hr_intake_histories(s->intake)), (unsigned long long)s->row.number,
	       bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, bench_seconds(CLOCK_MONOTONIC) - wall);
	close_side(s);
}

int main(int argc, char **argv)
{
	struct side s = {.manifest = {.settings = "bench=1\n", .seed = 1, .kernels = "none", .partitions = BENCH_PARTITIONS}};
	struct bench_log log = {0};
	size_t events;
	char what[8];

	if (argc < 2 || argc > 5 || argc == 4) {
		(void)fprintf(stderr, "usage: ingest_ours DIR [again | BROKERS TOPIC EVENTS]\n");
		return 2;
	}
	s.dir = argv[1];
	s.decoder = hr_decoder_new(HR_FORMAT_PROTOBUF, NULL, 0);
	if (argc == 3) {
		again(&s);
		return 0;
	}
	open_side(&s);
	if (argc == 5)
		from_kafka(&s, argv[2], argv[3], strtoul(argv[4], NULL, 10));
	else
		preload(&s, &log);
	if (argc == 2)
		printf("ready\n"), (void)fflush(stdout);
	while (argc == 2 && scanf("%7s %zu", what, &events) == 2)
		run(&s, &log, strcmp(what, "cold") == 0, events);
	close_side(&s);
	return 0;
}
