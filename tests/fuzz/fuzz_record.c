/* Stored bytes, through every decoder of store: the first byte chooses one. What is accepted must be written as it was. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "base/base.h"
#include "store/store.h"

const char hr_fuzz_corpus[] = "record";

typedef bool recode_fn(const uint8_t *bytes, size_t len, struct hr_buf *again);

static bool recode_user(const uint8_t *bytes, size_t len, struct hr_buf *again)
{
	struct hr_histories *h = hr_histories_new(50);
	const bool ok = hr_histories_load(h, 0, bytes, len, NULL);

	if (ok)
		hr_histories_encode(h, 0, again);
	hr_histories_free(h);
	return ok;
}

static bool recode_item(const uint8_t *bytes, size_t len, struct hr_buf *again)
{
	struct hr_catalogue *c = hr_catalogue_new(1);
	const bool ok = hr_catalogue_load(c, 0, bytes, len, NULL);

	if (ok)
		hr_catalogue_encode(c, 0, again);
	hr_catalogue_free(c);
	return ok;
}

static bool recode_row(const uint8_t *bytes, size_t len, struct hr_buf *again)
{
	HR_AUTO(hr_barrier_fini) struct hr_barrier row = {0};
	const bool ok = hr_barrier_decode(bytes, len, &row, NULL);

	if (ok)
		hr_barrier_encode(&row, again);
	return ok;
}

static bool recode_manifest(const uint8_t *bytes, size_t len, struct hr_buf *again)
{
	struct hr_manifest m;
	const bool ok = hr_manifest_decode(bytes, len, &m, NULL);

	if (ok)
		hr_manifest_encode(&m, again);
	return ok;
}

/* Not compared: a run may be split without a change of meaning. It must end, though. */
static void read_order_log(const uint8_t *bytes, size_t len)
{
	struct hr_cursor c = {.p = bytes, .left = len};
	struct hr_order_entry e;
	size_t entries = 0;

	while (hr_order_next(&c, &e))
		HR_ASSERT(++entries <= len && e.count >= 1 && e.partition >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static recode_fn *const recode[] = {recode_user, recode_item, recode_row, recode_manifest};
	const size_t count = sizeof recode / sizeof recode[0];
	HR_AUTO(hr_buf_fini) struct hr_buf again = {0};

	if (len == 0)
		return 0;
	const size_t which = bytes[0] % (count + 1);
	bytes++;
	len--;
	if (which == count)
		read_order_log(bytes, len);
	else if (recode[which](bytes, len, &again))
		HR_ASSERT(again.len == len && memcmp(again.p, bytes, len) == 0);
	return 0;
}
