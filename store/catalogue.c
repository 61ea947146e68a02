#include "store/catalogue.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/pages.h"

enum { RECORD_VERSION = 1, FLAG_ADMITTED = 1, FLAG_EXPIRED = 2 };

/* Title, categories and tags in one block: the pointers, then the strings. */
struct detail {
	double price;
	uint16_t category_count, tag_count;
	const char *title;
	const char *name[]; /* categories, then tags */
};

struct row {
	struct detail *detail; /* NULL: nothing is known */
	uint64_t events;
	int64_t first_ms, last_ms;
	uint8_t flags;
};

struct hr_catalogue {
	uint32_t min_count;
	struct hr_idmap *ids;
	struct hr_pages rows; /* struct row */
	struct hr_dirty dirty;
};

struct hr_catalogue *hr_catalogue_new(uint32_t min_count)
{
	struct hr_catalogue *c = hr_alloc(1, sizeof *c);

	HR_ASSERT(min_count >= 1);
	c->min_count = min_count;
	c->ids = hr_idmap_new();
	c->rows.item_bytes = sizeof(struct row);
	return c;
}

static struct row *at(const struct hr_catalogue *c, uint32_t row)
{
	HR_ASSERT(row < hr_idmap_count(c->ids));
	return hr_pages_at(&c->rows, row);
}

void hr_catalogue_free(struct hr_catalogue *c)
{
	if (c == NULL)
		return;
	for (uint32_t row = 0; row < hr_idmap_count(c->ids); row++)
		hr_free(at(c, row)->detail);
	hr_idmap_free(c->ids);
	hr_pages_fini(&c->rows);
	hr_dirty_fini(&c->dirty);
	hr_free(c);
}

static struct row *add(struct hr_catalogue *c, const void *id, size_t len, uint32_t *ret_row, bool *ret_fresh)
{
	*ret_row = hr_idmap_add(c->ids, id, len, ret_fresh);
	struct row *r = hr_pages_reach(&c->rows, *ret_row);
	if (*ret_fresh)
		*r = (struct row){.first_ms = INT64_MIN, .last_ms = INT64_MIN};
	return r;
}

/* A new row is dirty though nothing happened yet: the numbers on disk have no holes. */
uint32_t hr_catalogue_row(struct hr_catalogue *c, const void *id, size_t len)
{
	uint32_t row;
	bool fresh;

	(void)add(c, id, len, &row, &fresh);
	if (fresh)
		hr_dirty_mark(&c->dirty, row);
	return row;
}

uint32_t hr_catalogue_find(const struct hr_catalogue *c, const void *id, size_t len)
{
	return hr_idmap_find(c->ids, id, len);
}

uint32_t hr_catalogue_count(const struct hr_catalogue *c) { return hr_idmap_count(c->ids); }

struct hr_item hr_catalogue_get(const struct hr_catalogue *c, uint32_t row)
{
	const struct row *r = at(c, row);
	const struct detail *d = r->detail;
	struct hr_item item = {.events = r->events,
	                       .first_ms = r->first_ms,
	                       .last_ms = r->last_ms,
	                       .admitted = (r->flags & FLAG_ADMITTED) != 0,
	                       .expired = (r->flags & FLAG_EXPIRED) != 0,
	                       .described = d != NULL,
	                       .title = ""};

	item.id = hr_idmap_id(c->ids, row, &item.id_len);
	if (d == NULL)
		return item;
	item.title = d->title;
	item.category = d->name;
	item.category_count = d->category_count;
	item.tag = d->name + d->category_count;
	item.tag_count = d->tag_count;
	item.price = d->price;
	return item;
}

void hr_catalogue_fetch(const struct hr_catalogue *c, const struct hr_id *id, size_t count)
{
	uint64_t hash[HR_FETCH_MAX];
	uint32_t row[HR_FETCH_MAX];

	hr_idmap_fetch_slots(c->ids, id, count, hash);
	hr_idmap_fetch_guess(c->ids, hash, count, row);
	for (size_t i = 0; i < count; i++)
		if (row[i] != HR_NONE)
			__builtin_prefetch(at(c, row[i]));
	hr_idmap_fetch_ids(c->ids, row, count);
}

bool hr_catalogue_count_event(struct hr_catalogue *c, uint32_t row, int64_t time_ms)
{
	struct row *r = at(c, row);

	r->events++;
	if (r->first_ms == INT64_MIN || time_ms < r->first_ms)
		r->first_ms = time_ms;
	if (time_ms > r->last_ms)
		r->last_ms = time_ms;
	hr_dirty_mark(&c->dirty, row);
	if ((r->flags & FLAG_ADMITTED) != 0 || (r->flags == 0 && r->events < c->min_count))
		return false;
	r->flags = FLAG_ADMITTED;
	return true;
}

/* A string with its length; what a detail is made from, whether it comes from a caller or from a record. */
struct text {
	const void *p;
	size_t len;
};

static const char *lay(char **room, const struct text *t)
{
	char *at_room = *room;

	if (t->len != 0)
		memcpy(at_room, t->p, t->len);
	at_room[t->len] = '\0';
	*room += t->len + 1;
	return at_room;
}

/* text[0] is the title, then categories, then tags. */
static void set_detail(struct row *r, const struct text *text, uint16_t category_count, uint16_t tag_count,
                       double price)
{
	const size_t names = (size_t)category_count + tag_count;
	size_t bytes = sizeof *r->detail + names * sizeof r->detail->name[0];

	for (size_t i = 0; i <= names; i++)
		bytes += text[i].len + 1;
	struct detail *d = hr_alloc(1, bytes);
	char *room = (char *)(d->name + names);
	d->price = price;
	d->category_count = category_count;
	d->tag_count = tag_count;
	d->title = lay(&room, &text[0]);
	for (size_t i = 0; i < names; i++)
		d->name[i] = lay(&room, &text[i + 1]);
	hr_free(r->detail); /* last: the texts may be its own */
	r->detail = d;
}

void hr_catalogue_describe(struct hr_catalogue *c, uint32_t row, const char *title, const char *const *category,
                           size_t category_count, const char *const *tag, size_t tag_count, double price)
{
	HR_ASSERT(category_count <= UINT16_MAX && tag_count <= UINT16_MAX && isfinite(price));
	HR_AUTO(hr_auto_free) struct text *text = hr_alloc(1 + category_count + tag_count, sizeof *text);
	struct text *to = text;

	*to++ = (struct text){title, strlen(title)};
	for (size_t i = 0; i < category_count; i++)
		*to++ = (struct text){category[i], strlen(category[i])};
	for (size_t i = 0; i < tag_count; i++)
		*to++ = (struct text){tag[i], strlen(tag[i])};
	set_detail(at(c, row), text, (uint16_t)category_count, (uint16_t)tag_count, price);
	hr_dirty_mark(&c->dirty, row);
}

void hr_catalogue_undescribe(struct hr_catalogue *c, uint32_t row)
{
	struct row *r = at(c, row);

	hr_free(r->detail);
	r->detail = NULL;
	hr_dirty_mark(&c->dirty, row);
}

void hr_catalogue_expire(struct hr_catalogue *c, uint32_t row)
{
	HR_ASSERT((at(c, row)->flags & FLAG_ADMITTED) != 0);
	at(c, row)->flags = FLAG_EXPIRED;
	hr_dirty_mark(&c->dirty, row);
}

static void encode_names(struct hr_buf *out, const char *const *name, size_t count)
{
	hr_buf_u16(out, (uint16_t)count);
	for (size_t i = 0; i < count; i++)
		hr_buf_blob(out, name[i], strlen(name[i]));
}

void hr_catalogue_encode(const struct hr_catalogue *c, uint32_t row, struct hr_buf *out)
{
	const struct hr_item item = hr_catalogue_get(c, row);

	hr_buf_u8(out, RECORD_VERSION);
	hr_buf_blob(out, item.id, item.id_len);
	hr_buf_u64(out, item.events);
	hr_buf_u64(out, (uint64_t)item.first_ms);
	hr_buf_u64(out, (uint64_t)item.last_ms);
	hr_buf_u8(out, at(c, row)->flags);
	hr_buf_blob(out, item.title, strlen(item.title));
	encode_names(out, item.category, item.category_count);
	encode_names(out, item.tag, item.tag_count);
	hr_buf_f64(out, item.price);
}

void hr_catalogue_collect(struct hr_catalogue *c, hr_record_put_fn *put, void *ctx)
{
	HR_AUTO(hr_buf_fini) struct hr_buf record = {0};
	size_t n;
	const uint32_t *dirty = hr_dirty_list(&c->dirty, &n);

	for (size_t i = 0; i < n; i++) {
		hr_buf_clear(&record);
		hr_catalogue_encode(c, dirty[i], &record);
		put(ctx, HR_REC_ITEM, dirty[i], record.p, record.len);
	}
	hr_dirty_clear(&c->dirty);
}

/* A record as it lies on disk: looked through before anything is kept of it. */
struct raw {
	struct text id;
	uint64_t events;
	int64_t first_ms, last_ms;
	uint8_t flags;
	struct text *text; /* title, categories, tags; owned */
	size_t text_cap, text_len;
	uint16_t category_count, tag_count;
	double price;
};

static void fini_raw(struct raw *r) { hr_free(r->text); }

static bool read_text(struct hr_cursor *c, struct raw *r, struct hr_error *err)
{
	struct text t = {0};

	t.p = hr_cur_blob(c, &t.len);
	if (c->failed)
		return hr_fail(err, HR_E_FORMAT, "string %zu is cut off", r->text_len);
	if (memchr(t.p, '\0', t.len) != NULL)
		return hr_fail(err, HR_E_FORMAT, "string %zu of %zu bytes holds a zero byte", r->text_len, t.len);
	r->text = hr_grow(r->text, &r->text_cap, r->text_len + 1, sizeof *r->text);
	r->text[r->text_len++] = t;
	return true;
}

static bool read_names(struct hr_cursor *c, struct raw *r, uint16_t *ret_count, struct hr_error *err)
{
	*ret_count = hr_cur_u16(c);
	for (uint16_t i = 0; i < *ret_count; i++)
		if (!read_text(c, r, err))
			return false;
	return true;
}

static bool read_raw(struct hr_cursor *c, struct raw *r, struct hr_error *err)
{
	const size_t len = c->left;
	const uint8_t version = hr_cur_u8(c);

	if (c->failed || version != RECORD_VERSION)
		return hr_fail(err, HR_E_FORMAT, "version %u of %zu bytes is not %d", version, len, RECORD_VERSION);
	r->id.p = hr_cur_blob(c, &r->id.len);
	r->events = hr_cur_u64(c);
	r->first_ms = (int64_t)hr_cur_u64(c);
	r->last_ms = (int64_t)hr_cur_u64(c);
	r->flags = hr_cur_u8(c);
	if (!read_text(c, r, err) || !read_names(c, r, &r->category_count, err) ||
	    !read_names(c, r, &r->tag_count, err))
		return false;
	r->price = hr_cur_f64(c);
	if (c->failed || c->left != 0)
		return hr_fail(err, HR_E_FORMAT, "%zu bytes are too %s", len, c->failed ? "few" : "many");
	return true;
}

static bool check_raw(const struct hr_catalogue *c, const struct raw *r, struct hr_error *err)
{
	if (r->id.len == 0 || r->id.len > HR_ID_MAX)
		return hr_fail(err, HR_E_FORMAT, "an id of %zu bytes is not 1..%u", r->id.len, HR_ID_MAX);
	if (hr_idmap_find(c->ids, r->id.p, r->id.len) != HR_NONE)
		return hr_fail(err, HR_E_FORMAT, "its id belongs to item %" PRIu32 " already",
		               hr_idmap_find(c->ids, r->id.p, r->id.len));
	if (r->flags > FLAG_EXPIRED)
		return hr_fail(err, HR_E_FORMAT, "flags %u are over %d", r->flags, FLAG_EXPIRED);
	if (r->first_ms > r->last_ms || (r->events == 0 && r->last_ms != INT64_MIN))
		return hr_fail(err, HR_E_FORMAT, "%" PRIu64 " events do not run from %" PRId64 " to %" PRId64 " ms",
		               r->events, r->first_ms, r->last_ms);
	if (!isfinite(r->price))
		return hr_fail(err, HR_E_FORMAT, "price %g is not a number", r->price);
	return true;
}

static void keep(struct hr_catalogue *c, const struct raw *r)
{
	uint32_t number;
	bool fresh;
	struct row *row = add(c, r->id.p, r->id.len, &number, &fresh);

	row->events = r->events;
	row->first_ms = r->first_ms;
	row->last_ms = r->last_ms;
	row->flags = r->flags;
	if (r->text_len > 1 || r->text[0].len != 0 || r->price != 0 || signbit(r->price))
		set_detail(row, r->text, r->category_count, r->tag_count, r->price);
}

bool hr_catalogue_load(struct hr_catalogue *c, uint32_t row, const void *bytes, size_t len, struct hr_error *err)
{
	HR_AUTO(fini_raw) struct raw r = {0};
	struct hr_cursor cur = {.p = bytes, .left = len};

	if (row != hr_idmap_count(c->ids))
		return hr_fail(err, HR_E_FORMAT, "item %" PRIu32 " follows %" PRIu32 " items, numbers have no holes",
		               row, hr_idmap_count(c->ids));
	if (!read_raw(&cur, &r, err) || !check_raw(c, &r, err))
		return hr_context(err, "item %" PRIu32, row);
	keep(c, &r);
	return true;
}
