#include "model/items.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define BIT(row) (UINT64_C(1) << (row) % HR_PAGE_ROWS)
#define EACH_ROW(r, mask) for (uint64_t r##_left = (mask), r; r##_left != 0 && (r = low_bit(r##_left), true); r##_left &= r##_left - 1)

static uint64_t low_bit(uint64_t mask) { return (uint64_t)__builtin_ctzll(mask); }

static size_t ones(uint64_t mask) { return (size_t)__builtin_popcountll(mask); }

/* ---- memory ---- */

void hr_items_init(struct hr_items *t, size_t D, uint64_t seed, uint64_t purpose)
{
	*t = (struct hr_items){.D = D, .seed = seed, .purpose = purpose};
}

static struct hr_page *new_page(size_t D)
{
	struct hr_page *p = hr_alloc(1, sizeof *p);

	p->row = hr_alloc(2 * HR_PAGE_ROWS * D, sizeof *p->row);
	p->slow = p->row + HR_PAGE_ROWS * D;
	for (size_t r = 0; r < HR_PAGE_ROWS; r++)
		p->acc[r] = 1e-8f;
	p->dirty = true; /* so that pages on disk have no gaps */
	return p;
}

static void free_page(struct hr_page *p)
{
	for (size_t r = 0; r < HR_PAGE_ROWS; r++)
		hr_free(p->feature[r]);
	hr_free(p->row);
	hr_free(p);
}

void hr_items_fini(struct hr_items *t)
{
	for (size_t i = 0; i < t->pages; i++)
		free_page(t->page[i]);
	hr_free(t->page);
	*t = (struct hr_items){0};
}

static void make_pages(struct hr_items *t, size_t pages)
{
	t->page = hr_grow(t->page, &t->pages_cap, pages, sizeof(struct hr_page *));
	while (t->pages < pages)
		t->page[t->pages++] = new_page(t->D);
}

/* ---- rows ---- */

void hr_items_make(struct hr_items *t, size_t row, uint64_t id_hash)
{
	make_pages(t, row / HR_PAGE_ROWS + 1);
	t->rows = row + 1 > t->rows ? row + 1 : t->rows;
	struct hr_page *p = hr_items_page(t, row);
	if (p->known & BIT(row))
		return;
	struct hr_rng rng = hr_rng_stream(t->seed, t->purpose, id_hash);
	float *x = hr_items_row(t, row);
	for (size_t c = 0; c < t->D; c++)
		x[c] = (float)(0.02 * hr_rng_normal(&rng));
	memcpy(p->slow + row % HR_PAGE_ROWS * t->D, x, t->D * sizeof *x);
	p->known |= BIT(row);
	p->young |= BIT(row);
	p->stale |= BIT(row);
	p->dirty = true;
}

void hr_items_admit(struct hr_items *t, size_t row)
{
	HR_ASSERT(row < t->rows);
	struct hr_page *p = hr_items_page(t, row);
	HR_ASSERT(p->known & BIT(row));
	if (p->live & BIT(row))
		return;
	p->live |= BIT(row);
	p->young |= BIT(row);
	p->dirty = true;
	t->live_count++;
}

void hr_items_retire(struct hr_items *t, size_t row)
{
	HR_ASSERT(row < t->rows);
	struct hr_page *p = hr_items_page(t, row);
	if (!(p->live & BIT(row)))
		return;
	p->live &= ~BIT(row);
	p->dirty = true;
	t->live_count--;
}

static int by_number(const void *a, const void *b)
{
	uint16_t x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

void hr_items_content(struct hr_items *t, size_t row, const uint64_t *feature_hash, size_t count)
{
	uint16_t feature[HR_FEATURES_MAX];
	size_t kept = 0;

	HR_ASSERT(row < t->rows);
	count = count < HR_FEATURES_MAX ? count : HR_FEATURES_MAX;
	for (size_t i = 0; i < count; i++)
		feature[i] = (uint16_t)(feature_hash[i] % HR_CONTENT_ROWS);
	qsort(feature, count, sizeof feature[0], by_number);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || feature[kept - 1] != feature[i])
			feature[kept++] = feature[i];

	struct hr_page *p = hr_items_page(t, row);
	const size_t r = row % HR_PAGE_ROWS;
	if (kept == p->features[r] && (kept == 0 || memcmp(feature, p->feature[r], kept * sizeof feature[0]) == 0))
		return;
	t->featured += (kept > 0);
	t->featured -= (p->features[r] > 0);
	hr_free(p->feature[r]);
	p->feature[r] = kept > 0 ? hr_alloc(kept, sizeof feature[0]) : NULL;
	if (kept > 0)
		memcpy(p->feature[r], feature, kept * sizeof feature[0]);
	p->features[r] = (uint8_t)kept;
	p->stale |= BIT(row);
	p->dirty = true;
}

void hr_items_vector(const struct hr_items *t, const struct hr_items *content, size_t row, float *out)
{
	const struct hr_page *p = hr_items_page(t, row);
	const size_t r = row % HR_PAGE_ROWS, features = p->features[r];

	memcpy(out, p->row + r * t->D, t->D * sizeof *out);
	if (features == 0)
		return;
	const float share = 1 / sqrtf((float)features);
	for (size_t i = 0; i < features; i++) {
		const float *f = hr_items_row(content, p->feature[r][i]);
		for (size_t c = 0; c < t->D; c++)
			out[c] += share * f[c];
	}
}

uint32_t hr_items_draw(const struct hr_items *t, struct hr_rng *rng)
{
	uint32_t row = 0;

	HR_ASSERT(t->live_count > 0 && t->rows < UINT32_MAX);
	/* Any row, until a live one: needs no list whose order would be part of the state. Few are withdrawn at a time. */
	for (unsigned tries = 0; tries < 4096; tries++) {
		row = hr_rng_below(rng, (uint32_t)t->rows);
		if (hr_items_live(t, row))
			return row;
	}
	while (!hr_items_live(t, row))
		row = (uint32_t)((row + 1) % t->rows);
	return row;
}

void hr_items_touch(struct hr_items *t, size_t row)
{
	struct hr_page *p = hr_items_page(t, row);

	p->moved |= BIT(row) & p->known;
	p->stale |= BIT(row);
	p->dirty = true;
}

/* ---- slow weights ---- */

static void slow_row(float *row, float *slow, size_t D, float share)
{
	for (size_t c = 0; c < D; c++) {
		row[c] = share < 1 ? slow[c] + share * (row[c] - slow[c]) : row[c];
		slow[c] = row[c];
	}
}

void hr_items_slow(struct hr_items *t, float share)
{
	for (size_t i = 0; i < t->pages; i++) {
		struct hr_page *p = t->page[i];
		if ((p->moved | p->young) == 0)
			continue;
		EACH_ROW(r, p->moved)
			slow_row(p->row + r * t->D, p->slow + r * t->D, t->D, p->young >> r & 1 ? 1 : share);
		p->stale |= p->moved;
		p->moved = 0;
		p->young = 0;
		p->dirty = true;
	}
}

void hr_items_content_moved(struct hr_items *t)
{
	for (size_t i = 0; i < t->pages; i++)
		for (size_t r = 0; r < HR_PAGE_ROWS; r++)
			t->page[i]->stale |= t->page[i]->features[r] > 0 ? BIT(r) : 0;
}

/* ---- records ---- */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rows are written as they stand in memory");

static void encode_page(const struct hr_page *p, size_t D, struct hr_buf *b)
{
	hr_buf_clear(b);
	hr_buf_u8(b, 1);
	hr_buf_u8(b, 0);
	hr_buf_u16(b, (uint16_t)D);
	hr_buf_u64(b, p->known);
	hr_buf_u64(b, p->live);
	hr_buf_u64(b, p->moved);
	hr_buf_u64(b, p->young);
	EACH_ROW(r, p->known) {
		hr_buf_f32(b, p->acc[r]);
		hr_buf_bytes(b, p->row + r * D, D * sizeof(float));
	}
	EACH_ROW(r, p->moved)
		hr_buf_bytes(b, p->slow + r * D, D * sizeof(float));
	EACH_ROW(r, p->known) {
		hr_buf_u8(b, p->features[r]);
		for (size_t i = 0; i < p->features[r]; i++)
			hr_buf_u16(b, p->feature[r][i]);
	}
}

void hr_items_collect(struct hr_items *t, uint32_t first_number, struct hr_buf *work, hr_record_put_fn *put, void *ctx)
{
	for (size_t i = 0; i < t->pages; i++) {
		if (!t->page[i]->dirty)
			continue;
		encode_page(t->page[i], t->D, work);
		put(ctx, HR_REC_PAGE, first_number + (uint32_t)i, work->p, work->len);
		t->page[i]->dirty = false;
	}
}

static bool read_features(struct hr_cursor *in, struct hr_page *p, size_t r, struct hr_error *err)
{
	const uint8_t count = hr_cur_u8(in);

	if (count > HR_FEATURES_MAX)
		return hr_fail(err, HR_E_FORMAT, "%u features are over %u", count, HR_FEATURES_MAX);
	if (count == 0)
		return true;
	p->feature[r] = hr_alloc(count, sizeof(uint16_t));
	p->features[r] = count;
	for (size_t i = 0; i < count; i++) {
		p->feature[r][i] = hr_cur_u16(in);
		if (p->feature[r][i] >= HR_CONTENT_ROWS)
			return hr_fail(err, HR_E_FORMAT, "feature %u is over %u", p->feature[r][i], HR_CONTENT_ROWS - 1);
	}
	return true;
}

static bool finite_rows(const struct hr_page *p, size_t D)
{
	bool finite = true;

	for (size_t i = 0; i < 2 * HR_PAGE_ROWS * D; i++) /* the slow copies stand behind the rows */
		finite &= isfinite(p->row[i]) != 0;
	for (size_t r = 0; r < HR_PAGE_ROWS; r++)
		finite &= isfinite(p->acc[r]) && p->acc[r] > 0;
	return finite;
}

static bool read_page(struct hr_cursor *in, struct hr_page *p, size_t D, struct hr_error *err)
{
	const unsigned version = hr_cur_u8(in), zero = hr_cur_u8(in), width = hr_cur_u16(in);

	if (version != 1 || zero != 0)
		return hr_fail(err, HR_E_FORMAT, "version %u.%u is not 1.0", version, zero);
	if (width != D)
		return hr_fail(err, HR_E_FORMAT, "width %u is not the configured %zu", width, D);
	p->known = hr_cur_u64(in);
	p->live = hr_cur_u64(in);
	p->moved = hr_cur_u64(in);
	p->young = hr_cur_u64(in);
	if (((p->live | p->moved | p->young) & ~p->known) != 0)
		return hr_fail(err, HR_E_FORMAT, "a mask has rows that are not there");
	EACH_ROW(r, p->known) {
		p->acc[r] = hr_cur_f32(in);
		hr_cur_copy(in, p->row + r * D, D * sizeof(float));
		memcpy(p->slow + r * D, p->row + r * D, D * sizeof(float));
	}
	EACH_ROW(r, p->moved)
		hr_cur_copy(in, p->slow + r * D, D * sizeof(float));
	EACH_ROW(r, p->known)
		if (!read_features(in, p, r, err))
			return false;
	p->stale = p->known;
	if (!finite_rows(p, D))
		return hr_fail(err, HR_E_FORMAT, "a row is not finite, or its accumulator not positive");
	return (!in->failed && in->left == 0) || hr_fail(err, HR_E_FORMAT, "the bytes do not end with the last row");
}

bool hr_items_load(struct hr_items *t, uint32_t page, const void *bytes, size_t len, struct hr_error *err)
{
	struct hr_cursor in = {.p = bytes, .left = len};

	if (page != t->pages)
		return hr_fail(err, HR_E_FORMAT, "page %u where page %zu must follow", page, t->pages);
	struct hr_page *p = new_page(t->D);
	if (!read_page(&in, p, t->D, err)) {
		free_page(p);
		return hr_context(err, "page %u", page);
	}
	p->dirty = false;
	t->page = hr_grow(t->page, &t->pages_cap, t->pages + 1, sizeof(struct hr_page *));
	t->page[t->pages++] = p;
	t->live_count += ones(p->live);
	for (size_t r = 0; r < HR_PAGE_ROWS; r++)
		t->featured += p->features[r] > 0;
	if (p->known != 0) {
		const size_t rows = (size_t)page * HR_PAGE_ROWS + HR_PAGE_ROWS - (size_t)__builtin_clzll(p->known);
		t->rows = rows > t->rows ? rows : t->rows;
	}
	return true;
}
