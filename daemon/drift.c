#include "daemon/drift.h"

#include <string.h>

#include "base/base.h"

enum { FIXED_MAX = 512, HISTORY_MIN = 3, DAYS = 8 };

struct picture {
	int64_t day;
	float *user, *item; /* NULL: not taken yet */
};

struct sum {
	double user, item;
	uint32_t pairs;
	double last_user, last_item; /* 0: the newest day had no partner */
};

struct hr_drift {
	struct hr_batch users;
	uint32_t item[FIXED_MAX];
	size_t items, width;
	struct picture picture[DAYS]; /* that of a day stands at day % DAYS */
	struct sum after1, after7;
};

/* Each position asks for the time of the next event, the last one for now, as a question does. */
static void add_user(struct hr_batch *b, struct hr_history h, int64_t now_ms)
{
	hr_batch_begin(b, /* fresh */ 0);
	for (uint16_t i = 0; i < h.len; i++)
		hr_batch_add(b, h.past[i].item, h.past[i].time_ms, h.past[i].kind, i + 1 < h.len ? h.past[i + 1].time_ms : now_ms,
		             HR_NONE, 0);
}

static uint32_t long_enough(const struct hr_histories *histories)
{
	const uint32_t count = hr_histories_count(histories);
	uint32_t found = 0;

	for (uint32_t u = 0; u < count; u++)
		found += hr_histories_len(histories, u) >= HISTORY_MIN;
	return found;
}

static void choose_users(struct hr_drift *d, const struct hr_histories *histories, int64_t now_ms)
{
	const uint32_t count = hr_histories_count(histories);
	const uint32_t every = long_enough(histories) / FIXED_MAX + 1;
	uint32_t seen = 0;

	for (uint32_t u = 0; u < count; u++) {
		const struct hr_history h = hr_histories_get(histories, u);

		if (h.len >= HISTORY_MIN && seen++ % every == 0)
			add_user(&d->users, h, now_ms);
	}
}

static void choose_items(struct hr_drift *d, const struct hr_catalogue *catalogue, size_t rows)
{
	const uint32_t all = hr_catalogue_count(catalogue), count = all < rows ? all : (uint32_t)rows, every = count / FIXED_MAX + 1;

	for (uint32_t row = 0; row < count && d->items < FIXED_MAX; row += every)
		if (hr_catalogue_get(catalogue, row).admitted)
			d->item[d->items++] = row;
}

struct hr_drift *hr_drift_new(const struct hr_histories *histories, const struct hr_catalogue *catalogue, size_t rows,
                              int64_t now_ms)
{
	struct hr_drift *d = hr_alloc(1, sizeof *d);

	choose_users(d, histories, now_ms);
	choose_items(d, catalogue, rows);
	return d;
}

void hr_drift_free(struct hr_drift *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < DAYS; i++) {
		hr_free(d->picture[i].user);
		hr_free(d->picture[i].item);
	}
	hr_batch_fini(&d->users);
	hr_free(d);
}

bool hr_drift_outgrown(const struct hr_drift *d, const struct hr_histories *histories)
{
	return d->users.sequences < FIXED_MAX / 2 && long_enough(histories) > 2 * d->users.sequences;
}

static struct picture *place_of(struct hr_drift *d, int64_t day) { return &d->picture[(uint64_t)day % DAYS]; }

static void take_picture(struct hr_drift *d, const struct hr_snapshot *s, struct picture *p)
{
	d->width = s->width;
	if (p->user == NULL) {
		p->user = hr_alloc(d->users.sequences + 1, d->width * sizeof(float));
		p->item = hr_alloc(d->items + 1, d->width * sizeof(float));
	}
	if (d->users.sequences > 0)
		hr_snapshot_encode(s, &d->users, p->user);
	for (size_t i = 0; i < d->items; i++)
		memcpy(p->item + i * d->width, s->unit + (size_t)d->item[i] * d->width, d->width * sizeof(float));
}

/* All vectors have length 1. */
static double mean_cosine(const float *a, const float *b, size_t rows, size_t width)
{
	double sum = 0;

	for (size_t i = 0; i < rows * width; i++)
		sum += (double)a[i] * (double)b[i];
	return rows == 0 ? 0 : sum / (double)rows;
}

static void compare(struct hr_drift *d, struct sum *sum, const struct picture *now, int64_t then)
{
	const struct picture *old = place_of(d, then);

	sum->last_user = sum->last_item = 0;
	if (old->user == NULL || old->day != then)
		return;
	sum->last_user = mean_cosine(now->user, old->user, d->users.sequences, d->width);
	sum->last_item = mean_cosine(now->item, old->item, d->items, d->width);
	sum->user += sum->last_user;
	sum->item += sum->last_item;
	sum->pairs++;
}

void hr_drift_day(struct hr_drift *d, const struct hr_snapshot *snapshot, int64_t day)
{
	struct picture *p = place_of(d, day);

	take_picture(d, snapshot, p);
	p->day = day;
	compare(d, &d->after1, p, day - 1);
	compare(d, &d->after7, p, day - 7);
}

struct hr_drift_result hr_drift_tell(const struct hr_drift *d)
{
	const double n1 = d->after1.pairs > 0 ? d->after1.pairs : 1, n7 = d->after7.pairs > 0 ? d->after7.pairs : 1;

	return (struct hr_drift_result){.user1 = d->after1.user / n1,
	                                .item1 = d->after1.item / n1,
	                                .user7 = d->after7.user / n7,
	                                .item7 = d->after7.item / n7,
	                                .pairs1 = d->after1.pairs,
	                                .pairs7 = d->after7.pairs};
}

struct hr_drift_result hr_drift_newest(const struct hr_drift *d)
{
	return (struct hr_drift_result){.user1 = d->after1.last_user,
	                                .item1 = d->after1.last_item,
	                                .user7 = d->after7.last_user,
	                                .item7 = d->after7.last_item,
	                                .pairs1 = d->after1.last_user != 0,
	                                .pairs7 = d->after7.last_user != 0};
}
