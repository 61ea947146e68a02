/* The order log: in which order the partitions' records were taken, and where training steps fell. */
#include "base/mem.h"
#include "store/barrier.h"

enum { HEAD_VERSION = 1 };
enum { TAG_RUN, TAG_STEP, TAG_EVERY, TAG_MARK, TAG_BITS = 2, TAG_MASK = 3 };
enum { MARK_THAW, MARK_BACKLOG, MARK_START_UP, MARKS };

void hr_order_fini(struct hr_order *o)
{
	hr_buf_fini(&o->bytes);
	*o = (struct hr_order){0};
}

void hr_order_clear(struct hr_order *o)
{
	hr_buf_clear(&o->bytes);
	o->run_count = 0;
}

void hr_order_seal(struct hr_order *o)
{
	if (o->run_count == 0)
		return;
	hr_buf_varint(&o->bytes, (uint64_t)o->run_partition << TAG_BITS | TAG_RUN);
	hr_buf_varint(&o->bytes, o->run_count);
	o->run_count = 0;
}

void hr_order_record(struct hr_order *o, int32_t partition)
{
	HR_ASSERT(partition >= 0);
	if (o->run_count != 0 && o->run_partition != partition)
		hr_order_seal(o);
	o->run_partition = partition;
	o->run_count++;
}

void hr_order_step(struct hr_order *o)
{
	hr_order_seal(o);
	hr_buf_varint(&o->bytes, TAG_STEP);
}

void hr_order_every(struct hr_order *o, uint32_t events)
{
	HR_ASSERT(events >= 1);
	hr_order_seal(o);
	hr_buf_varint(&o->bytes, (uint64_t)events << TAG_BITS | TAG_EVERY);
}

static void mark(struct hr_order *o, uint64_t which)
{
	hr_order_seal(o);
	hr_buf_varint(&o->bytes, which << TAG_BITS | TAG_MARK);
}

void hr_order_thaw(struct hr_order *o) { mark(o, MARK_THAW); }
void hr_order_backlog(struct hr_order *o) { mark(o, MARK_BACKLOG); }
void hr_order_start_up(struct hr_order *o) { mark(o, MARK_START_UP); }

void hr_order_head_encode(const struct hr_order_head *h, struct hr_buf *out)
{
	hr_buf_u8(out, HEAD_VERSION);
	hr_buf_u64(out, h->digest.hi);
	hr_buf_u64(out, h->digest.lo);
	hr_buf_u64(out, h->events);
	hr_buf_u64(out, h->steps);
	hr_buf_u64(out, (uint64_t)h->wall_ms);
}

bool hr_order_head_decode(struct hr_cursor *c, struct hr_order_head *ret_head, struct hr_error *err)
{
	const size_t len = c->left;
	const uint8_t version = hr_cur_u8(c);
	struct hr_order_head h;

	if (len == 0 || version != HEAD_VERSION)
		return hr_fail(err, HR_E_FORMAT, "order row: version %u of %zu bytes is not %d", version, len, HEAD_VERSION);
	h.digest.hi = hr_cur_u64(c);
	h.digest.lo = hr_cur_u64(c);
	h.events = hr_cur_u64(c);
	h.steps = hr_cur_u64(c);
	h.wall_ms = (int64_t)hr_cur_u64(c);
	if (c->failed)
		return hr_fail(err, HR_E_FORMAT, "order row: %zu bytes are too few", len);
	*ret_head = h;
	return true;
}

static bool read_entry(struct hr_cursor *c, struct hr_order_entry *e)
{
	static const enum hr_order_kind marks[MARKS] = {HR_ORDER_THAW, HR_ORDER_BACKLOG, HR_ORDER_START_UP};
	const uint64_t word = hr_cur_varint(c), value = word >> TAG_BITS;

	switch (word & TAG_MASK) {
	case TAG_RUN:
		*e = (struct hr_order_entry){HR_ORDER_RUN, (int32_t)value, hr_cur_varint(c)};
		return value <= INT32_MAX && e->count >= 1;
	case TAG_STEP: *e = (struct hr_order_entry){HR_ORDER_STEP, 0, 1}; return value == 0;
	case TAG_EVERY:
		*e = (struct hr_order_entry){HR_ORDER_EVERY, 0, value};
		return value >= 1 && value <= UINT32_MAX;
	default:
		if (value < MARKS)
			*e = (struct hr_order_entry){marks[value], 0, 1};
		return value < MARKS;
	}
}

bool hr_order_next(struct hr_cursor *c, struct hr_order_entry *ret_entry)
{
	struct hr_order_entry e;

	if (c->failed || c->left == 0)
		return false;
	if (!read_entry(c, &e))
		c->failed = true;
	if (!c->failed)
		*ret_entry = e;
	return !c->failed;
}
