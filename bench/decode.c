/* bench/decode.c - nanoseconds to turn the value of a record into a checked event, one core.
 *
 * decode   median [lowest..highest] of five rounds, the ways by turns, so that a busy minute of a shared machine falls on all.
 * The generated reader (protobuf-c, malloc as it comes) is timed without any check of the values; ours includes them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "proto/proto.h"
#include "stream/event.h"

enum { EVENTS = 4096, ROUNDS = 5, PASSES = 50 };

struct records {
	struct hr_buf bytes;
	size_t start[EVENTS + 1];
};

/* What the timed loops find, so that none of them can be left out: the sum of the times, in ms. */
typedef int64_t read_all(const struct records *r, struct hr_decoder *d);

static int64_t run_decoder(const struct records *r, struct hr_decoder *d)
{
	struct hr_event e;
	int64_t sum = 0;

	for (size_t i = 0; i < EVENTS; i++) {
		if (hr_decode(d, r->bytes.p + r->start[i], r->start[i + 1] - r->start[i], &e) == HR_ACCEPTED)
			sum += e.time_ms;
	}
	return sum;
}

static int64_t run_generated(const struct records *r, struct hr_decoder *d)
{
	int64_t sum = 0;

	(void)d;
	for (size_t i = 0; i < EVENTS; i++) {
		Headrace__V1__Event *e =
			headrace__v1__event__unpack(NULL, r->start[i + 1] - r->start[i], r->bytes.p + r->start[i]);
		if (e != NULL)
			sum += e->time_ms;
		headrace__v1__event__free_unpacked(e, NULL);
	}
	return sum;
}

struct way {
	const char *name;
	read_all *run;
	const struct records *records;
	struct hr_decoder *decoder;
	double ns[ROUNDS];
};

static void write_json(const struct hr_event *e, struct hr_buf *out)
{
	char text[256];
	const int n = snprintf(text, sizeof text, "{\"user\":\"%.*s\",\"item\":\"%.*s\",\"kind\":\"%s\",\"time\":%lld,\"id\":\"%.*s\"}",
	                       (int)e->user_len, (const char *)e->user, (int)e->item_len, (const char *)e->item,
	                       hr_kind_name(e->kind), (long long)e->time_ms, (int)e->id_len, (const char *)e->id);

	hr_buf_bytes(out, text, (size_t)n);
}

/* Ids of 8 to 12 and of 6 to 9 bytes, an event id of 16. */
static int64_t write_records(struct records *protobuf, struct records *confluent, struct records *json)
{
	static const uint8_t framing[] = {0, 0, 0, 0, 42, 0};
	struct hr_rng r = hr_rng_stream(1, 0, 0);
	char user[32], item[32], id[32];
	int64_t sum = 0;

	for (size_t i = 0; i < EVENTS; i++) {
		const struct hr_event e = {
			.user = (const uint8_t *)user,
			.user_len = (size_t)snprintf(user, sizeof user, "user-%u", hr_rng_below(&r, 10000000)),
			.item = (const uint8_t *)item,
			.item_len = (size_t)snprintf(item, sizeof item, "sku-%u", hr_rng_below(&r, 100000)),
			.id = (const uint8_t *)id,
			.id_len = (size_t)snprintf(id, sizeof id, "%016llx", (unsigned long long)hr_rng_u64(&r)),
			.kind = (uint8_t)(1 + hr_rng_below(&r, 4)),
			.time_ms = INT64_C(1764015336123) + hr_rng_below(&r, 1000000000),
			.weight = 1,
		};
		sum += e.time_ms;
		hr_event_encode(&e, &protobuf->bytes);
		protobuf->start[i + 1] = protobuf->bytes.len;
		hr_buf_bytes(&confluent->bytes, framing, sizeof framing);
		hr_event_encode(&e, &confluent->bytes);
		confluent->start[i + 1] = confluent->bytes.len;
		write_json(&e, &json->bytes);
		json->start[i + 1] = json->bytes.len;
	}
	return sum;
}

static double time_way(const struct way *w, int64_t want)
{
	const int64_t start = hr_thread_cpu_us();

	for (int pass = 0; pass < PASSES; pass++) {
		if (w->run(w->records, w->decoder) != want) {
			(void)fprintf(stderr, "%s: not every record was read\n", w->name);
			exit(1);
		}
	}
	return (double)(hr_thread_cpu_us() - start) * 1e3 / (EVENTS * PASSES);
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(void)
{
	static struct records protobuf, confluent, json;
	const int64_t want = write_records(&protobuf, &confluent, &json);
	struct way ways[] = {
		{"protobuf", run_decoder, &protobuf, hr_decoder_new(HR_FORMAT_PROTOBUF, NULL, 0), {0}},
		{"protobuf-c", run_generated, &protobuf, NULL, {0}},
		{"confluent", run_decoder, &confluent, hr_decoder_new(HR_FORMAT_CONFLUENT, NULL, 0), {0}},
		{"json", run_decoder, &json, hr_decoder_new(HR_FORMAT_JSON, NULL, 0), {0}},
	};
	enum { WAYS = sizeof ways / sizeof *ways };

	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < WAYS; i++)
			ways[i].ns[round] = time_way(&ways[i], want);
	}
	(void)printf("%-12s %8s %24s %10s\n", "format", "bytes", "ns per event", "M/s");
	for (int i = 0; i < WAYS; i++) {
		double *ns = ways[i].ns;

		qsort(ns, ROUNDS, sizeof *ns, compare);
		(void)printf("%-12s %8.1f %8.1f [%.1f..%.1f] %10.1f\n", ways[i].name, (double)ways[i].records->bytes.len / EVENTS,
		             ns[ROUNDS / 2], ns[0], ns[ROUNDS - 1], 1e3 / ns[ROUNDS / 2]);
		hr_decoder_free(ways[i].decoder);
	}
	hr_buf_fini(&protobuf.bytes);
	hr_buf_fini(&confluent.bytes);
	hr_buf_fini(&json.bytes);
	return 0;
}
