#include "model/counters.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"

#define DAY_MS 86400000.0
#define ROWS_MAX (UINT32_C(1) << 28) /* of a record that is read: more rows than that are broken bytes */
#define RESCALE_HALF_LIVES 64.0 /* a page's units are renewed before they lose precision to growth */

/* What followed one item, in no order: two arrays, so that the search reads item numbers only. */
struct rules {
	uint16_t count, cap;
	bool dirty;
	float sum; /* of the weights, as it was added up: part of the record, so that a restart rounds alike */
	uint32_t *item;
	float *weight;
};

struct page {
	bool dirty, used;
	int64_t reference_ms;
	double decayed[HR_POPULARITY_ROWS];
	uint64_t events[HR_POPULARITY_ROWS];
};

struct hr_counters {
	/* ---- set at the start, then read-only ---- */
	uint32_t kept;
	double half_life_ms;
	/* ---- under lock; only the trainer writes ---- */
	pthread_mutex_t lock;
	struct rules *rules;
	size_t rules_count, rules_cap;
	struct page **page;
	size_t pages, pages_cap;
	uint64_t total;
};

struct hr_counters *hr_counters_new(uint32_t rules_kept, double half_life_days)
{
	struct hr_counters *c = hr_alloc(1, sizeof *c);

	HR_ASSERT(rules_kept >= 1 && rules_kept <= UINT16_MAX && half_life_days > 0);
	c->kept = rules_kept;
	c->half_life_ms = half_life_days * DAY_MS;
	(void)pthread_mutex_init(&c->lock, NULL);
	return c;
}

void hr_counters_free(struct hr_counters *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->rules_count; i++) {
		hr_free(c->rules[i].item);
		hr_free(c->rules[i].weight);
	}
	for (size_t i = 0; i < c->pages; i++)
		hr_free(c->page[i]);
	hr_free(c->rules);
	hr_free(c->page);
	(void)pthread_mutex_destroy(&c->lock);
	hr_free(c);
}

/* ---- learning ---- */

static struct rules *rules_of(struct hr_counters *c, uint32_t row)
{
	c->rules = hr_grow(c->rules, &c->rules_cap, (size_t)row + 1, sizeof *c->rules);
	c->rules_count = (size_t)row + 1 > c->rules_count ? (size_t)row + 1 : c->rules_count;
	return &c->rules[row];
}

static struct page *page_of(struct hr_counters *c, uint32_t row)
{
	const size_t number = row / HR_POPULARITY_ROWS;

	c->page = hr_grow(c->page, &c->pages_cap, number + 1, sizeof(struct page *));
	while (c->pages <= number)
		c->page[c->pages++] = hr_alloc(1, sizeof(struct page));
	return c->page[number];
}

static size_t find(const struct rules *r, uint32_t item)
{
	size_t i = 0;

	while (i < r->count && r->item[i] != item)
		i++;
	return i;
}

static size_t lightest(const struct rules *r)
{
	size_t best = 0;

	for (size_t i = 1; i < r->count; i++)
		if (r->weight[i] < r->weight[best])
			best = i;
	return best;
}

static void make_room(struct rules *r, uint32_t kept)
{
	const size_t cap = r->cap == 0 ? 4 : 2 * (size_t)r->cap, wanted = cap < kept ? cap : kept;
	uint32_t *item = hr_alloc(wanted, sizeof *item);
	float *weight = hr_alloc(wanted, sizeof *weight);

	if (r->count > 0) {
		memcpy(item, r->item, r->count * sizeof *item);
		memcpy(weight, r->weight, r->count * sizeof *weight);
	}
	hr_free(r->item);
	hr_free(r->weight);
	r->item = item;
	r->weight = weight;
	r->cap = (uint16_t)wanted;
}

static void halve(struct rules *r)
{
	for (size_t i = 0; i < r->count; i++)
		r->weight[i] /= 2;
	r->sum /= 2;
}

/* Space-saving: whoever comes into a full row takes the place of the lightest, and its weight as an upper bound. */
static void add_rule(struct rules *r, uint32_t item, float weight, uint32_t kept)
{
	size_t i = find(r, item);

	if (i == r->count && r->count == kept) {
		i = lightest(r);
	} else if (i == r->count) {
		if (r->count == r->cap)
			make_room(r, kept);
		r->weight[r->count++] = 0;
	}
	r->item[i] = item;
	r->weight[i] += weight;
	r->sum += weight;
	if (r->sum > HR_RULES_SUM)
		halve(r);
	r->dirty = true;
}

static void count_event(struct hr_counters *c, uint32_t row, int64_t time_ms)
{
	struct page *p = page_of(c, row);
	const size_t r = row % HR_POPULARITY_ROWS;

	if (!p->used)
		p->reference_ms = time_ms;
	double age = ((double)time_ms - (double)p->reference_ms) / c->half_life_ms;
	if (age > RESCALE_HALF_LIVES) {
		for (size_t i = 0; i < HR_POPULARITY_ROWS; i++)
			p->decayed[i] *= exp2(-age);
		p->reference_ms = time_ms;
		age = 0;
	}
	p->decayed[r] += exp2(age);
	p->events[r]++;
	p->used = true;
	p->dirty = true;
	c->total++;
}

void hr_counters_learn(struct hr_counters *c, const uint32_t *history_item, size_t history_len, uint32_t item,
                       int64_t time_ms)
{
	(void)pthread_mutex_lock(&c->lock);
	for (size_t back = 1; back <= HR_RULES_BACK && back <= history_len; back++)
		add_rule(rules_of(c, history_item[history_len - back]), item, 1 / (float)back, c->kept);
	count_event(c, item, time_ms);
	(void)pthread_mutex_unlock(&c->lock);
}

/* ---- reading ---- */

/* What the weights of a row are multiplied by when they are read. */
static float damping(const struct rules *r) { return 1 / sqrtf(1 + r->sum); }

void hr_counters_rules(struct hr_counters *c, const uint32_t *history_item, size_t history_len, float *scores, size_t rows)
{
	float decay = 1;

	(void)pthread_mutex_lock(&c->lock);
	for (size_t back = 1; back <= HR_RULES_BACK && back <= history_len; back++, decay *= 0.7f) {
		const uint32_t from = history_item[history_len - back];
		if (from >= c->rules_count)
			continue;
		const struct rules *r = &c->rules[from];
		const float share = decay * damping(r);
		for (size_t i = 0; i < r->count; i++)
			if (r->item[i] < rows)
				scores[r->item[i]] += share * r->weight[i];
	}
	(void)pthread_mutex_unlock(&c->lock);
}

/* Keeps out[0..found-1] heaviest first, ties to the lower item. Returns how many it holds. */
static size_t insert(struct hr_follower *out, size_t found, size_t max, struct hr_follower f)
{
	size_t at = found;

	while (at > 0 && (out[at - 1].weight < f.weight || (out[at - 1].weight == f.weight && out[at - 1].item > f.item)))
		at--;
	if (at == max)
		return found;
	found += found < max;
	memmove(out + at + 1, out + at, (found - at - 1) * sizeof *out);
	out[at] = f;
	return found;
}

size_t hr_counters_followers(struct hr_counters *c, uint32_t item, struct hr_follower *out, size_t max)
{
	size_t found = 0;

	(void)pthread_mutex_lock(&c->lock);
	if (item < c->rules_count) {
		const struct rules *r = &c->rules[item];
		const float share = damping(r);
		for (size_t i = 0; i < r->count; i++)
			found = insert(out, found, max, (struct hr_follower){.item = r->item[i], .weight = share * r->weight[i]});
	}
	(void)pthread_mutex_unlock(&c->lock);
	return found;
}

/* What a page's counts are multiplied by at a time. */
static double unit_of(const struct hr_counters *c, const struct page *p, int64_t now_ms)
{
	return exp2(((double)p->reference_ms - (double)now_ms) / c->half_life_ms);
}

void hr_counters_popularity(struct hr_counters *c, int64_t now_ms, float *out, size_t rows)
{
	(void)pthread_mutex_lock(&c->lock);
	for (size_t first = 0; first < rows; first += HR_POPULARITY_ROWS) {
		const size_t number = first / HR_POPULARITY_ROWS;
		const size_t count = rows - first < HR_POPULARITY_ROWS ? rows - first : HR_POPULARITY_ROWS;
		const struct page *p = number < c->pages ? c->page[number] : NULL;
		const double unit = p != NULL ? unit_of(c, p, now_ms) : 0;
		for (size_t i = 0; i < count; i++)
			out[first + i] = p != NULL ? (float)(p->decayed[i] * unit) : 0;
	}
	(void)pthread_mutex_unlock(&c->lock);
}

void hr_counters_recent(struct hr_counters *c, int64_t now_ms, const uint32_t *row, size_t count, float *share)
{
	double total = 0;

	(void)pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->pages; i++) {
		const struct page *p = c->page[i];
		double sum = 0;
		for (size_t r = 0; r < HR_POPULARITY_ROWS; r++)
			sum += p->decayed[r];
		total += sum * unit_of(c, p, now_ms);
	}
	for (size_t i = 0; i < count; i++) {
		const size_t number = row[i] / HR_POPULARITY_ROWS;
		const struct page *p = number < c->pages ? c->page[number] : NULL;
		const double count_now = p != NULL ? p->decayed[row[i] % HR_POPULARITY_ROWS] * unit_of(c, p, now_ms) : 0;
		share[i] = total > 0 ? (float)(count_now / total) : 0;
	}
	(void)pthread_mutex_unlock(&c->lock);
}

uint64_t hr_counters_events(struct hr_counters *c, uint32_t row)
{
	(void)pthread_mutex_lock(&c->lock);
	const size_t number = row / HR_POPULARITY_ROWS;
	const uint64_t events = number < c->pages ? c->page[number]->events[row % HR_POPULARITY_ROWS] : 0;
	(void)pthread_mutex_unlock(&c->lock);
	return events;
}

uint64_t hr_counters_total(struct hr_counters *c)
{
	(void)pthread_mutex_lock(&c->lock);
	const uint64_t total = c->total;
	(void)pthread_mutex_unlock(&c->lock);
	return total;
}

size_t hr_counters_rows(struct hr_counters *c)
{
	(void)pthread_mutex_lock(&c->lock);
	size_t rows = c->rules_count;
	for (size_t i = 0; i < c->rules_count; i++)
		for (size_t f = 0; f < c->rules[i].count; f++)
			rows = c->rules[i].item[f] >= rows ? (size_t)c->rules[i].item[f] + 1 : rows;
	for (size_t r = c->pages * HR_POPULARITY_ROWS; r-- > rows;)
		if (c->page[r / HR_POPULARITY_ROWS]->events[r % HR_POPULARITY_ROWS] > 0)
			rows = r + 1;
	(void)pthread_mutex_unlock(&c->lock);
	return rows;
}

/* ---- records ---- */

static void encode_rules(const struct rules *r, struct hr_buf *b)
{
	hr_buf_clear(b);
	hr_buf_u8(b, 2);
	hr_buf_u16(b, r->count);
	hr_buf_f32(b, r->sum);
	for (size_t i = 0; i < r->count; i++) {
		hr_buf_u32(b, r->item[i]);
		hr_buf_f32(b, r->weight[i]);
	}
}

static void encode_page(const struct page *p, struct hr_buf *b)
{
	uint16_t count = HR_POPULARITY_ROWS;

	while (count > 0 && p->events[count - 1] == 0)
		count--;
	hr_buf_clear(b);
	hr_buf_u8(b, 1);
	hr_buf_u16(b, count);
	hr_buf_u64(b, (uint64_t)p->reference_ms);
	for (size_t i = 0; i < count; i++) {
		hr_buf_f64(b, p->decayed[i]);
		hr_buf_u64(b, p->events[i]);
	}
}

void hr_counters_collect(struct hr_counters *c, struct hr_buf *work, hr_record_put_fn *put, void *ctx)
{
	(void)pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->rules_count; i++) {
		if (!c->rules[i].dirty)
			continue;
		encode_rules(&c->rules[i], work);
		put(ctx, HR_REC_RULES, (uint32_t)i, work->p, work->len);
		c->rules[i].dirty = false;
	}
	for (size_t i = 0; i < c->pages; i++) {
		if (!c->page[i]->dirty)
			continue;
		encode_page(c->page[i], work);
		put(ctx, HR_REC_POPULARITY, (uint32_t)i, work->p, work->len);
		c->page[i]->dirty = false;
	}
	(void)pthread_mutex_unlock(&c->lock);
}

static bool load_rules(struct hr_counters *c, uint32_t row, struct hr_cursor *in, struct hr_error *err)
{
	const unsigned count = hr_cur_u16(in);
	const float sum = hr_cur_f32(in);

	if (row >= ROWS_MAX)
		return hr_fail(err, HR_E_FORMAT, "row %u is over %u", row, ROWS_MAX - 1);
	if (count > c->kept)
		return hr_fail(err, HR_E_FORMAT, "%u followers are over rules_kept %u", count, c->kept);
	if (in->left != (size_t)count * 8)
		return hr_fail(err, HR_E_FORMAT, "%zu bytes are not %u followers", in->left, count);
	if (!(sum >= 0) || !isfinite(sum))
		return hr_fail(err, HR_E_FORMAT, "sum %g is not one", (double)sum);
	struct rules *r = rules_of(c, row);
	r->sum = sum;
	while (r->cap < count)
		make_room(r, c->kept);
	for (r->count = 0; r->count < count; r->count++) {
		r->item[r->count] = hr_cur_u32(in);
		r->weight[r->count] = hr_cur_f32(in);
		if (!(r->weight[r->count] >= 0) || !isfinite(r->weight[r->count]))
			return hr_fail(err, HR_E_FORMAT, "weight %g is not one", (double)r->weight[r->count]);
	}
	return true;
}

static bool load_page(struct hr_counters *c, uint32_t number, struct hr_cursor *in, struct hr_error *err)
{
	const unsigned count = hr_cur_u16(in);
	const int64_t reference_ms = (int64_t)hr_cur_u64(in);

	if (count > HR_POPULARITY_ROWS || in->left != (size_t)count * 16)
		return hr_fail(err, HR_E_FORMAT, "%zu bytes are not %u counts of at most %u", in->left, count, HR_POPULARITY_ROWS);
	if (number >= ROWS_MAX / HR_POPULARITY_ROWS)
		return hr_fail(err, HR_E_FORMAT, "page %u is over %u", number, ROWS_MAX / HR_POPULARITY_ROWS - 1);
	struct page *p = page_of(c, number * HR_POPULARITY_ROWS);
	p->used = true;
	p->reference_ms = reference_ms;
	for (size_t i = 0; i < count; i++) {
		p->decayed[i] = hr_cur_f64(in);
		p->events[i] = hr_cur_u64(in);
		if (!(p->decayed[i] >= 0) || !isfinite(p->decayed[i]))
			return hr_fail(err, HR_E_FORMAT, "count %g is not one", p->decayed[i]);
		c->total += p->events[i];
	}
	return true;
}

bool hr_counters_load(struct hr_counters *c, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len,
                      struct hr_error *err)
{
	struct hr_cursor in = {.p = bytes, .left = len};
	const unsigned version = hr_cur_u8(&in), wanted = cls == HR_REC_RULES ? 2 : 1;
	bool ok;

	HR_ASSERT(cls == HR_REC_RULES || cls == HR_REC_POPULARITY);
	(void)pthread_mutex_lock(&c->lock);
	if (version != wanted)
		ok = hr_fail(err, HR_E_FORMAT, "version %u is not %u", version, wanted);
	else
		ok = cls == HR_REC_RULES ? load_rules(c, number, &in, err) : load_page(c, number, &in, err);
	(void)pthread_mutex_unlock(&c->lock);
	return ok || hr_context(err, "%s %u", cls == HR_REC_RULES ? "rules of row" : "popularity page", number);
}
