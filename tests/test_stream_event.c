#include "tests/test.h"

#include <dirent.h>

#include "base/base.h"
#include "proto/proto.h"
#include "stream/event.h"
#include "stream/priv.h"
#include "stream/time.h"

#define T INT64_C(1764015336123) /* 2025-11-24T20:15:36.123Z */

static struct hr_event sample(void)
{
	return (struct hr_event){.user = (const uint8_t *)"u17", .user_len = 3, .item = (const uint8_t *)"item-9",
	                         .item_len = 6, .kind = HR_KIND_CLICK, .time_ms = T, .weight = 1};
}

static void assert_text(const uint8_t *got, size_t got_len, const char *want)
{
	assert_int_equal(got_len, strlen(want));
	if (got_len > 0)
		assert_memory_equal(got, want, got_len);
}

static void assert_same_event(const struct hr_event *a, const struct hr_event *b)
{
	assert_int_equal(a->user_len, b->user_len);
	assert_memory_equal(a->user, b->user, a->user_len);
	assert_int_equal(a->item_len, b->item_len);
	assert_memory_equal(a->item, b->item, a->item_len);
	assert_int_equal(a->id_len, b->id_len);
	if (a->id_len > 0)
		assert_memory_equal(a->id, b->id, a->id_len);
	assert_int_equal(a->session_len, b->session_len);
	if (a->session_len > 0)
		assert_memory_equal(a->session, b->session, a->session_len);
	assert_int_equal(a->time_ms, b->time_ms);
	assert_int_equal(a->kind, b->kind);
	assert_memory_equal(&a->weight, &b->weight, sizeof a->weight);
}

/* ---- one decoder per format for the whole program; decoding leaves nothing behind that the next record could see ---- */

static struct hr_decoder *protobuf, *confluent, *json;
static struct hr_event last;

static enum hr_reject decode_json(const char *text) { return hr_decode(json, text, strlen(text), &last); }

static enum hr_reject decode_event(const struct hr_event *e)
{
	static struct hr_buf buf; /* last points into it */

	hr_buf_clear(&buf);
	hr_event_encode(e, &buf);
	return hr_decode(protobuf, buf.p, buf.len, &last);
}

/* The sample with bytes of the caller behind it: of a field that stands twice the last one wins. */
static enum hr_reject decode_with(struct hr_decoder *d, const char *front, size_t front_len, const char *more, size_t more_len)
{
	static struct hr_buf buf;
	const struct hr_event e = sample();

	hr_buf_clear(&buf);
	hr_buf_bytes(&buf, front, front_len);
	hr_event_encode(&e, &buf);
	hr_buf_bytes(&buf, more, more_len);
	return hr_decode(d, buf.p, buf.len, &last);
}
#define DECODE_MORE(more) decode_with(protobuf, "", 0, more, sizeof(more) - 1)
#define DECODE_FRAMED(front) decode_with(confluent, front, sizeof(front) - 1, "", 0)

static void an_encoded_event_decodes_to_itself(void **state)
{
	struct hr_event e = sample();

	(void)state;
	assert_int_equal(decode_event(&e), HR_ACCEPTED);
	assert_same_event(&e, &last);
	e.id = (const uint8_t *)"\0\xff\x01";
	e.id_len = 3;
	e.session = (const uint8_t *)"s";
	e.session_len = 1;
	e.weight = 2.5f;
	e.kind = HR_KIND_SHARE;
	assert_int_equal(decode_event(&e), HR_ACCEPTED);
	assert_same_event(&e, &last);
}

static void random_bytes(struct hr_rng *r, ProtobufCBinaryData *d, uint8_t *at, uint32_t max)
{
	d->data = at;
	d->len = hr_rng_below(r, max);
	for (size_t i = 0; i < d->len; i++)
		at[i] = (uint8_t)hr_rng_u64(r);
}

static void assert_same_as_generated(const struct hr_event *e, const Headrace__V1__Event *m)
{
	assert_int_equal(e->user_len, m->user.len);
	assert_int_equal(e->item_len, m->item.len);
	assert_int_equal(e->id_len, m->id.len);
	assert_int_equal(e->session_len, m->session.len);
	assert_true(e->user_len == 0 || memcmp(e->user, m->user.data, e->user_len) == 0);
	assert_true(e->item_len == 0 || memcmp(e->item, m->item.data, e->item_len) == 0);
	assert_true(e->id_len == 0 || memcmp(e->id, m->id.data, e->id_len) == 0);
	assert_true(e->session_len == 0 || memcmp(e->session, m->session.data, e->session_len) == 0);
	assert_int_equal(e->time_ms, m->time_ms);
	assert_int_equal(e->kind, (unsigned)m->kind < HR_KIND_COUNT ? (unsigned)m->kind : 0);
	assert_memory_equal(&e->weight, &m->weight, sizeof e->weight);
}

static void the_generated_writer_and_reader_agree_with_ours(void **state)
{
	struct hr_rng r = hr_rng_stream(7, 0, 0);
	uint8_t bytes[4][300], packed[1400];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		Headrace__V1__Event m = HEADRACE__V1__EVENT__INIT;
		struct hr_event ours = {0};

		random_bytes(&r, &m.user, bytes[0], 300);
		random_bytes(&r, &m.item, bytes[1], 300);
		random_bytes(&r, &m.id, bytes[2], 3);
		random_bytes(&r, &m.session, bytes[3], 3);
		m.kind = (Headrace__V1__Kind)(hr_rng_below(&r, 12) - 1);
		m.time_ms = (int64_t)(hr_rng_u64(&r) >> hr_rng_below(&r, 64));
		m.weight = (float)hr_rng_normal(&r);
		const size_t len = headrace__v1__event__pack(&m, packed);
		assert_int_equal(hr_protobuf_read(packed, len, &ours), HR_ACCEPTED);
		assert_same_as_generated(&ours, &m);
	}
}

static void what_both_readers_take_of_damaged_bytes_is_the_same(void **state)
{
	struct hr_rng r = hr_rng_stream(8, 0, 0);
	struct hr_event e = sample();
	struct hr_buf buf = {0};
	int both = 0;

	(void)state;
	e.session = e.id = (const uint8_t *)"0123456789";
	e.session_len = e.id_len = 10;
	e.weight = 3;
	for (int round = 0; round < 50000; round++) {
		struct hr_event ours = {0};

		hr_buf_clear(&buf);
		hr_event_encode(&e, &buf);
		for (uint32_t n = 1 + hr_rng_below(&r, 3); n > 0; n--)
			buf.p[hr_rng_below(&r, (uint32_t)buf.len)] = (uint8_t)hr_rng_u64(&r);
		const size_t len = hr_rng_below(&r, 4) == 0 ? hr_rng_below(&r, (uint32_t)buf.len) : buf.len;
		Headrace__V1__Event *theirs = headrace__v1__event__unpack(NULL, len, buf.p);
		if (theirs != NULL && hr_protobuf_read(buf.p, len, &ours) == HR_ACCEPTED) {
			assert_same_as_generated(&ours, theirs);
			both++;
		}
		headrace__v1__event__free_unpacked(theirs, NULL);
	}
	assert_in_range(both, 10000, 50000); /* the comparison took place */
	hr_buf_fini(&buf);
}

static void a_cut_record_is_never_read_past_its_end(void **state)
{
	const struct hr_event e = sample();
	struct hr_buf buf = {0};

	(void)state;
	hr_event_encode(&e, &buf);
	for (size_t len = 1; len < buf.len; len++) {
		uint8_t *exact = malloc(len); /* so that the address sanitizer sees one byte too many */
		assert_non_null(exact);
		memcpy(exact, buf.p, len);
		assert_int_not_equal(hr_decode(protobuf, exact, len, &last), HR_ACCEPTED);
		free(exact);
	}
	hr_buf_fini(&buf);
}

static void no_bytes_and_too_many_bytes_are_refused_before_parsing(void **state)
{
	static uint8_t big[HR_RECORD_MAX + 1];

	(void)state;
	assert_int_equal(hr_decode(protobuf, NULL, 0, &last), HR_REJECT_EMPTY);
	assert_int_equal(hr_decode(json, "", 0, &last), HR_REJECT_EMPTY);
	assert_int_equal(hr_decode(json, big, sizeof big, &last), HR_REJECT_OVERSIZED);
	assert_int_equal(hr_decode(protobuf, big, sizeof big, &last), HR_REJECT_OVERSIZED);
	assert_int_equal(hr_decode(protobuf, big, sizeof big - 1, &last), HR_REJECT_MALFORMED);
}

static void of_a_field_that_stands_twice_the_last_wins(void **state)
{
	(void)state;
	assert_int_equal(DECODE_MORE("\x0a\x02" "u2" "\x18\x04"), HR_ACCEPTED);
	assert_text(last.user, last.user_len, "u2");
	assert_int_equal(last.kind, HR_KIND_PURCHASE);
	assert_int_equal(DECODE_MORE("\x0a\x00"), HR_REJECT_NO_USER);
}

static void unknown_fields_are_skipped_up_to_a_bound(void **state)
{
	char many[2 * 65];

	(void)state;
	assert_int_equal(DECODE_MORE("\x40\x07" "\x49" "12345678" "\x52\x03" "abc" "\x5d" "1234" "\xfa\xff\xff\xff\x0f\x01x"),
	                 HR_ACCEPTED);
	for (size_t i = 0; i < sizeof many; i += 2)
		memcpy(many + i, "\x40\x01", 2);
	assert_int_equal(decode_with(protobuf, "", 0, many, 2 * 64), HR_ACCEPTED);
	assert_int_equal(decode_with(protobuf, "", 0, many, 2 * 65), HR_REJECT_MALFORMED);
}

static void what_is_not_the_wire_format_is_malformed(void **state)
{
	(void)state;
	assert_int_equal(DECODE_MORE("\x43\x44"), HR_REJECT_MALFORMED);         /* a group */
	assert_int_equal(DECODE_MORE("\x46"), HR_REJECT_MALFORMED);             /* wire type 6 */
	assert_int_equal(DECODE_MORE("\x02\x00"), HR_REJECT_MALFORMED);         /* field 0 */
	assert_int_equal(DECODE_MORE("\x08\x01"), HR_REJECT_MALFORMED);         /* user as a number */
	assert_int_equal(DECODE_MORE("\x52\x04" "abc"), HR_REJECT_MALFORMED);   /* length past the end */
	assert_int_equal(DECODE_MORE("\x52\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), HR_REJECT_MALFORMED);
	assert_int_equal(DECODE_MORE("\x5d" "123"), HR_REJECT_MALFORMED);       /* three of four bytes */
	assert_int_equal(DECODE_MORE("\x35" "123"), HR_REJECT_MALFORMED);
	assert_int_equal(DECODE_MORE("\x80\x80\x80\x80\x80\x01\x00"), HR_REJECT_MALFORMED); /* tag over 32 bits */
	/* varints: all 64 bits are a time (here -1), 65 bits are not, nor is one without an end */
	assert_int_equal(DECODE_MORE("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), HR_REJECT_TIME);
	assert_int_equal(DECODE_MORE("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), HR_REJECT_MALFORMED);
	assert_int_equal(DECODE_MORE("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), HR_REJECT_MALFORMED);
	assert_int_equal(DECODE_MORE("\x20\xff"), HR_REJECT_MALFORMED);
}

static void framing_is_taken_in_its_long_and_its_short_form(void **state)
{
	const struct hr_event e = sample();

	(void)state;
	assert_int_equal(DECODE_FRAMED("\0\0\0\0\x2a\0"), HR_ACCEPTED);
	assert_same_event(&last, &e);
	assert_int_equal(DECODE_FRAMED("\0\xff\xff\xff\xff\x02\0"), HR_ACCEPTED); /* count 1, index 0 */
	assert_same_event(&last, &e);
}

static void framing_that_is_absent_or_names_another_message_is_refused(void **state)
{
	(void)state;
	assert_int_equal(DECODE_FRAMED(""), HR_REJECT_FRAMING);
	assert_int_equal(DECODE_FRAMED("\x01\0\0\0\x2a\0"), HR_REJECT_FRAMING);   /* magic */
	assert_int_equal(DECODE_FRAMED("\0\0\0\0\x2a\x02\x02"), HR_REJECT_FRAMING); /* the second message */
	assert_int_equal(DECODE_FRAMED("\0\0\0\0\x2a\x04\0\0"), HR_REJECT_FRAMING); /* a nested message */
	assert_int_equal(DECODE_FRAMED("\0\0\0\0\x2a\x01"), HR_REJECT_FRAMING);   /* count -1 */
	assert_int_equal(hr_decode(confluent, "\0\0\0\0\x2a", 5, &last), HR_REJECT_FRAMING);
	assert_int_equal(hr_decode(confluent, "\0\0\0\0\x2a\x02", 6, &last), HR_REJECT_FRAMING);
	assert_int_equal(hr_decode(confluent, "\0\0\0\0\x2a\xff\xff\xff\xff\xff\xff\x01", 12, &last), HR_REJECT_FRAMING);
	assert_int_equal(hr_decode(confluent, "\0\0\0\0\x2a\0", 6, &last), HR_REJECT_NO_USER); /* no payload: all defaults */
}

static enum hr_reject check_user(const char *user, size_t len)
{
	struct hr_event e = sample();

	e.user = (const uint8_t *)user;
	e.user_len = len;
	return decode_event(&e);
}
#define CHECK_USER(s) check_user(s, sizeof(s) - 1)

static void ids_are_utf8_without_control_characters(void **state)
{
	(void)state;
	assert_int_equal(CHECK_USER("a"), HR_ACCEPTED);
	assert_int_equal(CHECK_USER("K\xc3\xb6nig \xe2\x82\xac \xf0\x9f\x9b\x92 and some more"), HR_ACCEPTED);
	assert_int_equal(CHECK_USER("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\xef\xbf\xbf"), HR_ACCEPTED);
	assert_int_equal(CHECK_USER("12345678\x7f"), HR_REJECT_ID_ENCODING);
	assert_int_equal(CHECK_USER("123\x7f" "45678"), HR_REJECT_ID_ENCODING);
	assert_int_equal(CHECK_USER("a\0b"), HR_REJECT_ID_ENCODING);
	assert_int_equal(CHECK_USER("12345678" "a\nbcdefgh"), HR_REJECT_ID_ENCODING);
	assert_int_equal(CHECK_USER("\x80"), HR_REJECT_ID_ENCODING);             /* a tail alone */
	assert_int_equal(CHECK_USER("\xc0\xaf"), HR_REJECT_ID_ENCODING);         /* overlong */
	assert_int_equal(CHECK_USER("\xe0\x9f\xbf"), HR_REJECT_ID_ENCODING);     /* overlong */
	assert_int_equal(CHECK_USER("\xf0\x8f\xbf\xbf"), HR_REJECT_ID_ENCODING); /* overlong */
	assert_int_equal(CHECK_USER("\xed\xa0\x80"), HR_REJECT_ID_ENCODING);     /* surrogate */
	assert_int_equal(CHECK_USER("\xf4\x90\x80\x80"), HR_REJECT_ID_ENCODING); /* past the last character */
	assert_int_equal(CHECK_USER("\xf5\x80\x80\x80"), HR_REJECT_ID_ENCODING);
	assert_int_equal(CHECK_USER("ab\xe2\x82"), HR_REJECT_ID_ENCODING); /* cut */
	assert_int_equal(CHECK_USER("\xe2\x82z"), HR_REJECT_ID_ENCODING);
	assert_int_equal(CHECK_USER("\xc3("), HR_REJECT_ID_ENCODING);
}

static void every_byte_is_judged_the_same_in_the_fast_and_the_slow_path(void **state)
{
	char id[9] = "abcdefgh";

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		const bool plain = c >= 0x20 && c < 0x7f;

		for (unsigned at = 0; at < 8; at++) {
			memcpy(id, "abcdefgh", 8);
			id[at] = (char)c;
			assert_int_equal(check_user(id, 8), plain ? HR_ACCEPTED : HR_REJECT_ID_ENCODING);
		}
		assert_int_equal(check_user(id + 7, 1), plain ? HR_ACCEPTED : HR_REJECT_ID_ENCODING);
	}
}

static void id_lengths_have_bounds(void **state)
{
	char id[HR_ID_MAX + 1];
	struct hr_event e = sample();

	(void)state;
	memset(id, 'x', sizeof id);
	assert_int_equal(check_user(id, HR_ID_MAX), HR_ACCEPTED);
	assert_int_equal(check_user(id, HR_ID_MAX + 1), HR_REJECT_ID_LENGTH);
	assert_int_equal(check_user(id, 0), HR_REJECT_NO_USER);
	e.item_len = 0;
	assert_int_equal(decode_event(&e), HR_REJECT_NO_ITEM);
	e = sample();
	e.id = (const uint8_t *)id;
	e.id_len = HR_ID_MAX + 1;
	assert_int_equal(decode_event(&e), HR_REJECT_ID_LENGTH);
	e = sample();
	e.session = (const uint8_t *)id;
	e.session_len = HR_ID_MAX + 1;
	assert_int_equal(decode_event(&e), HR_REJECT_ID_LENGTH);
}

static void times_have_bounds_and_seconds_fall_outside(void **state)
{
	const struct {
		int64_t ms;
		enum hr_reject want;
	} cases[] = {{HR_TIME_MIN_MS, HR_ACCEPTED}, {HR_TIME_MIN_MS - 1, HR_REJECT_TIME}, {HR_TIME_MAX_MS, HR_ACCEPTED},
	             {HR_TIME_MAX_MS + 1, HR_REJECT_TIME}, {T / 1000, HR_REJECT_TIME}, {0, HR_REJECT_TIME},
	             {-T, HR_REJECT_TIME}, {INT64_MIN, HR_REJECT_TIME}, {INT64_MAX, HR_REJECT_TIME}};
	struct hr_event e = sample();

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		e.time_ms = cases[i].ms;
		assert_int_equal(decode_event(&e), cases[i].want);
	}
}

static void kinds_and_weights_have_bounds(void **state)
{
	struct hr_event e = sample();

	(void)state;
	e.kind = 0;
	assert_int_equal(decode_event(&e), HR_REJECT_KIND);
	e.kind = HR_KIND_COUNT;
	assert_int_equal(decode_event(&e), HR_REJECT_KIND);
	assert_int_equal(DECODE_MORE("\x18\x81\x02"), HR_REJECT_KIND); /* 257: not 1 in eight bits */
	assert_int_equal(DECODE_MORE("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), HR_REJECT_KIND); /* -1 */
	e = sample();
	e.weight = 0;
	assert_int_equal(decode_event(&e), HR_ACCEPTED);
	assert_true(last.weight == 1);
	e.weight = -1;
	assert_int_equal(decode_event(&e), HR_REJECT_WEIGHT);
	assert_int_equal(DECODE_MORE("\x35\0\0\xc0\x7f"), HR_REJECT_WEIGHT); /* NaN */
	assert_int_equal(DECODE_MORE("\x35\0\0\x80\x7f"), HR_REJECT_WEIGHT); /* infinity */
}

static void json_gives_the_same_event_as_protobuf(void **state)
{
	const struct hr_event e = sample();

	(void)state;
	assert_int_equal(decode_json("{\"user\":\"u17\",\"item\":\"item-9\",\"kind\":\"click\",\"time\":1764015336123,"
	                             "\"extra\":[{\"user\":1}]}"),
	                 HR_ACCEPTED);
	assert_same_event(&last, &e);
	assert_int_equal(decode_json(" { \"time\" : \"2025-11-24T21:15:36.1239+01:00\", \"kind\" : 2, \"item\" : \"item\\u002d9\","
	                             " \"user\" : \"u17\", \"weight\" : 0.0, \"id\" : null } "),
	                 HR_ACCEPTED);
	assert_same_event(&last, &e);
}

#define JSON_EVENT(user, item, kind, time, more) \
	"{\"user\":" user ",\"item\":" item ",\"kind\":" kind ",\"time\":" time more "}"

static void json_integers_are_ids_as_decimal_text(void **state)
{
	(void)state;
	assert_int_equal(decode_json(JSON_EVENT("17", "18446744073709551615", "1", "1764015336123", ",\"id\":-5,\"session\":0")),
	                 HR_ACCEPTED);
	assert_text(last.user, last.user_len, "17");
	assert_text(last.item, last.item_len, "18446744073709551615");
	assert_text(last.id, last.id_len, "-5");
	assert_text(last.session, last.session_len, "0");
	assert_int_equal(decode_json(JSON_EVENT("17.0", "1", "1", "1764015336123", "")), HR_REJECT_TYPE);
	assert_int_equal(decode_json(JSON_EVENT("true", "1", "1", "1764015336123", "")), HR_REJECT_TYPE);
}

static void json_of_a_wrong_type_is_told_from_a_wrong_value(void **state)
{
	(void)state;
	assert_int_equal(decode_json(JSON_EVENT("[1]", "1", "1", "1764015336123", "")), HR_REJECT_TYPE);
	assert_int_equal(decode_json(JSON_EVENT("1", "{}", "1", "1764015336123", "")), HR_REJECT_TYPE);
	assert_int_equal(decode_json(JSON_EVENT("1", "1", "1.5", "1764015336123", "")), HR_REJECT_TYPE);
	assert_int_equal(decode_json(JSON_EVENT("1", "1", "1", "1764015336123.5", "")), HR_REJECT_TYPE);
	assert_int_equal(decode_json(JSON_EVENT("1", "1", "1", "1764015336123", ",\"weight\":\"2\"")), HR_REJECT_TYPE);
	assert_int_equal(decode_json(JSON_EVENT("1", "1", "1", "1764015336123", ",\"session\":false")), HR_REJECT_TYPE);
	assert_int_equal(decode_json(JSON_EVENT("null", "1", "1", "1764015336123", "")), HR_REJECT_NO_USER);
	assert_int_equal(decode_json(JSON_EVENT("1", "\"\"", "1", "1764015336123", "")), HR_REJECT_NO_ITEM);
	assert_int_equal(decode_json(JSON_EVENT("1", "1", "\"wink\"", "1764015336123", "")), HR_REJECT_KIND);
	assert_int_equal(decode_json(JSON_EVENT("1", "1", "\"view\\u0000 and far past its end\"", "1764015336123", "")),
	                 HR_REJECT_KIND);
	assert_int_equal(decode_json(JSON_EVENT("1", "1", "0", "1764015336123", "")), HR_REJECT_KIND);
	assert_int_equal(decode_json(JSON_EVENT("1", "1", "9", "1764015336123", "")), HR_REJECT_KIND);
	assert_int_equal(decode_json(JSON_EVENT("1", "1", "257", "1764015336123", "")), HR_REJECT_KIND);
	assert_int_equal(decode_json(JSON_EVENT("1", "1", "1", "\"yesterday\"", "")), HR_REJECT_TIME);
	assert_int_equal(decode_json(JSON_EVENT("1", "1", "1", "1764015336", "")), HR_REJECT_TIME);
	assert_int_equal(decode_json(JSON_EVENT("1", "1", "1", "null", "")), HR_REJECT_TIME);
	assert_int_equal(decode_json(JSON_EVENT("1", "1", "1", "1764015336123", ",\"weight\":-2")), HR_REJECT_WEIGHT);
	assert_int_equal(decode_json(JSON_EVENT("1", "1", "1", "1764015336123", ",\"weight\":1e300")), HR_REJECT_WEIGHT);
	assert_int_equal(decode_json(JSON_EVENT("\"a\\nb\"", "1", "1", "1764015336123", "")), HR_REJECT_ID_ENCODING);
}

static void what_is_not_json_is_malformed(void **state)
{
	const char *const bad[] = {
		"{", "[]", "17", "\"user\"", "null", "{} {}", "{\"user\":}", "\xef\xbb\xbf{}", "{\"a\":NaN}", "{\"a\":1e400}",
		"{\"a\":123456789012345678901234567890}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\n\"}", "{\"a\":01}",
		JSON_EVENT("1", "1", "1", "1764015336123", ",\"user\":1"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(decode_json(bad[i]), HR_REJECT_MALFORMED);
	assert_int_equal(decode_json("{}"), HR_REJECT_NO_USER);
}

static void json_nests_to_32_levels_and_no_further(void **state)
{
	char text[256];

	(void)state;
	for (unsigned arrays = 30; arrays <= 32; arrays++) {
		const int n = snprintf(text, sizeof text, JSON_EVENT("1", "1", "1", "1764015336123", ",\"x\":%.*s1%.*s"),
		                       (int)arrays, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", (int)arrays, "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
		assert_in_range(n, 1, sizeof text - 1);
		assert_int_equal(decode_json(text), 1 + arrays <= 32 ? HR_ACCEPTED : HR_REJECT_MALFORMED);
	}
}

static void a_field_map_reaches_into_objects(void **state)
{
	const struct hr_json_fields fields = {.user = "payload.user.id", .item = "payload.item", .time = "at", .id = "payload.n",
	                                      .session = "payload.n"};
	struct hr_decoder *d = hr_decoder_new(HR_FORMAT_JSON, &fields, HR_KIND_VIEW);
	const char *good = "{\"at\":1764015336123,\"user\":[],\"payload\":{\"n\":5,\"item\":\"i\",\"user\":{\"name\":1,\"id\":\"u\"}}}";
	const char *scalar = "{\"at\":1764015336123,\"payload\":{\"item\":\"i\",\"user\":\"u\"}}";
	const char *absent = "{\"at\":1764015336123,\"payload\":{\"item\":\"i\",\"user\":null}}";
	const char *twice = "{\"at\":1764015336123,\"payload\":{\"item\":\"i\",\"user\":{\"id\":1}},\"payload\":{}}";

	(void)state;
	assert_int_equal(hr_decode(d, good, strlen(good), &last), HR_ACCEPTED);
	assert_text(last.user, last.user_len, "u");
	assert_text(last.item, last.item_len, "i");
	assert_text(last.id, last.id_len, "5");
	assert_text(last.session, last.session_len, "5");
	assert_int_equal(last.kind, HR_KIND_VIEW);
	assert_int_equal(hr_decode(d, scalar, strlen(scalar), &last), HR_REJECT_TYPE);
	assert_int_equal(hr_decode(d, absent, strlen(absent), &last), HR_REJECT_NO_USER);
	assert_int_equal(hr_decode(d, twice, strlen(twice), &last), HR_REJECT_MALFORMED);
	hr_decoder_free(d);
}

static void a_field_map_that_clashes_is_refused(void **state)
{
	const struct hr_json_fields bad[] = {{.user = "a", .item = "a.b"}, {.user = "a.b", .item = "a"}, {.user = ""},
	                                     {.user = "a..b"}, {.user = "a."}, {.user = ".a"}, {.user = "a.b.c.d.e.f.g.h.i"}};
	const struct hr_json_fields deep = {.user = "a.b.c.d.e.f.g.h"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_null(hr_decoder_new(HR_FORMAT_JSON, &bad[i], 0));
	struct hr_decoder *d = hr_decoder_new(HR_FORMAT_JSON, &deep, 0);
	assert_non_null(d);
	hr_decoder_free(d);
}

static void rfc3339_times_are_read_exactly(void **state)
{
	const struct {
		const char *text;
		int64_t ms;
	} good[] = {
		{"1970-01-01T00:00:00Z", 0}, {"1990-01-01t00:00:00z", HR_TIME_MIN_MS}, {"2100-01-01 00:00:00.000+00:00", HR_TIME_MAX_MS},
		{"2000-02-29T12:34:56.7Z", INT64_C(951827696700)}, {"1969-12-31T23:59:59.999Z", -1},
		{"2025-11-24T20:15:36.1239999999999999999999Z", T}, {"2025-11-25T01:45:36.123+05:30", T},
		{"2025-11-24T12:15:36.123-08:00", T}, {"2016-12-31T23:59:60Z", INT64_C(1483228800000)},
		{"0001-01-01T00:00:00Z", INT64_C(-62135596800000)}, {"9999-12-31T23:59:59Z", INT64_C(253402300799000)},
	};
	const char *const bad[] = {"", "2025", "2025-11-24", "2025-11-24T20:15:36", "2025-13-01T00:00:00Z", "2025-00-01T00:00:00Z",
	                           "2025-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2025-04-31T00:00:00Z", "2025-11-24T24:00:00Z",
	                           "2025-11-24T20:60:00Z", "2025-11-24T20:15:61Z", "2025-11-24T20:15:36.Z", "2025-11-24T20:15:36+0100",
	                           "2025-11-24T20:15:36+24:00", "2025-11-24T20:15:36Zx", "+025-11-24T20:15:36Z", "2025-11-24T20:15:36+1:00",
	                           "2025-11-24X20:15:36Z", "0000-01-01T00:00:00Z", "2025-11-24T20:15:36+", "1764015336123"};
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_true(hr_time_rfc3339(good[i].text, strlen(good[i].text), &ms));
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (hr_time_rfc3339(bad[i], strlen(bad[i]), &ms))
			fail_msg("\"%s\" was taken as %lld", bad[i], (long long)ms);
	}
}

static void every_reason_has_a_name_and_a_sentence(void **state)
{
	(void)state;
	for (int why = 0; why < HR_REJECT_COUNT; why++) {
		assert_true(strlen(hr_reject_name((enum hr_reject)why)) > 0);
		assert_true(strlen(hr_reject_text((enum hr_reject)why)) > 0);
	}
	assert_string_equal(hr_reject_name(HR_REJECT_ID_LENGTH), "id_length");
	assert_string_equal(hr_reject_name(HR_REJECT_SOURCE), "source");
}

/* Files are named FORMAT.REASON.WHAT: json.no_user.null */
static void check_corpus_file(const char *folder, const char *name)
{
	static uint8_t bytes[HR_RECORD_MAX + 2];
	char path[1024], want[64] = "";
	char format[16] = "";

	assert_int_equal(sscanf(name, "%15[a-z].%63[a-z_].", format, want), 2);
	assert_in_range(snprintf(path, sizeof path, "%s/%s", folder, name), 1, sizeof path - 1);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	const size_t len = fread(bytes, 1, sizeof bytes, f);
	(void)fclose(f);
	const enum hr_reject why = hr_decode(strcmp(format, "json") == 0 ? json : strcmp(format, "confluent") == 0 ? confluent : protobuf,
	                                     bytes, len, &last);
	if (strcmp(hr_reject_name(why), want) != 0)
		fail_msg("%s: got %s", name, hr_reject_name(why));
}

static void each_file_of_the_corpus_ends_as_its_name_says(void **state)
{
	const char *top = getenv("top_srcdir");
	char folder[512];
	int files = 0;

	(void)state;
	assert_in_range(snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/event", top != NULL ? top : "."), 1, sizeof folder - 1);
	DIR *d = opendir(folder);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		check_corpus_file(folder, e->d_name);
		files++;
	}
	(void)closedir(d);
	assert_in_range(files, 20, 1000);
}

static int open_decoders(void **state)
{
	(void)state;
	protobuf = hr_decoder_new(HR_FORMAT_PROTOBUF, NULL, 0);
	confluent = hr_decoder_new(HR_FORMAT_CONFLUENT, NULL, 0);
	json = hr_decoder_new(HR_FORMAT_JSON, NULL, 0);
	return json == NULL;
}

static int close_decoders(void **state)
{
	(void)state;
	hr_decoder_free(protobuf);
	hr_decoder_free(confluent);
	hr_decoder_free(json);
	hr_decoder_free(NULL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_encoded_event_decodes_to_itself),
		cmocka_unit_test(the_generated_writer_and_reader_agree_with_ours),
		cmocka_unit_test(what_both_readers_take_of_damaged_bytes_is_the_same),
		cmocka_unit_test(a_cut_record_is_never_read_past_its_end),
		cmocka_unit_test(no_bytes_and_too_many_bytes_are_refused_before_parsing),
		cmocka_unit_test(of_a_field_that_stands_twice_the_last_wins),
		cmocka_unit_test(unknown_fields_are_skipped_up_to_a_bound),
		cmocka_unit_test(what_is_not_the_wire_format_is_malformed),
		cmocka_unit_test(framing_is_taken_in_its_long_and_its_short_form),
		cmocka_unit_test(framing_that_is_absent_or_names_another_message_is_refused),
		cmocka_unit_test(ids_are_utf8_without_control_characters),
		cmocka_unit_test(every_byte_is_judged_the_same_in_the_fast_and_the_slow_path),
		cmocka_unit_test(id_lengths_have_bounds),
		cmocka_unit_test(times_have_bounds_and_seconds_fall_outside),
		cmocka_unit_test(kinds_and_weights_have_bounds),
		cmocka_unit_test(json_gives_the_same_event_as_protobuf),
		cmocka_unit_test(json_integers_are_ids_as_decimal_text),
		cmocka_unit_test(json_of_a_wrong_type_is_told_from_a_wrong_value),
		cmocka_unit_test(what_is_not_json_is_malformed),
		cmocka_unit_test(json_nests_to_32_levels_and_no_further),
		cmocka_unit_test(a_field_map_reaches_into_objects),
		cmocka_unit_test(a_field_map_that_clashes_is_refused),
		cmocka_unit_test(rfc3339_times_are_read_exactly),
		cmocka_unit_test(every_reason_has_a_name_and_a_sentence),
		cmocka_unit_test(each_file_of_the_corpus_ends_as_its_name_says),
	};

	return cmocka_run_group_tests_name("stream/event", tests, open_decoders, close_decoders);
}
