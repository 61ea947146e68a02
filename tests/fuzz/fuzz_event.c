/* One record, through the decoders of all three formats. What is accepted must survive being written and read again. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "base/base.h"
#include "stream/event.h"

const char hr_fuzz_corpus[] = "event";

static void check_round_trip(struct hr_decoder *protobuf, const struct hr_event *e)
{
	struct hr_buf buf = {0};
	struct hr_event back;

	HR_ASSERT(hr_event_check(e) == HR_ACCEPTED);
	hr_event_encode(e, &buf);
	HR_ASSERT(hr_decode(protobuf, buf.p, buf.len, &back) == HR_ACCEPTED);
	HR_ASSERT(back.user_len == e->user_len && memcmp(back.user, e->user, e->user_len) == 0);
	HR_ASSERT(back.item_len == e->item_len && memcmp(back.item, e->item, e->item_len) == 0);
	HR_ASSERT(back.id_len == e->id_len && back.session_len == e->session_len);
	HR_ASSERT(back.time_ms == e->time_ms && back.kind == e->kind);
	HR_ASSERT(memcmp(&back.weight, &e->weight, sizeof e->weight) == 0);
	hr_buf_fini(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const struct hr_json_fields nested = {.user = "payload.user.id", .item = "payload.item"};
	static struct hr_decoder *decoders[4]; /* live as long as the process */
	struct hr_event e;

	if (decoders[0] == NULL) {
		decoders[0] = hr_decoder_new(HR_FORMAT_PROTOBUF, NULL, 0);
		decoders[1] = hr_decoder_new(HR_FORMAT_CONFLUENT, NULL, 0);
		decoders[2] = hr_decoder_new(HR_FORMAT_JSON, NULL, 0);
		decoders[3] = hr_decoder_new(HR_FORMAT_JSON, &nested, HR_KIND_VIEW);
	}
	for (int i = 0; i < 4; i++) {
		if (hr_decode(decoders[i], bytes, len, &e) == HR_ACCEPTED)
			check_round_trip(decoders[0], &e);
	}
	return 0;
}
