/* model/items.h - the tables of learned rows: items, and the small table of content features that items share.
 *
 * Rows stand in pages of 64 that never move. The vector of an item is its row plus the sum of the rows of its features,
 * divided by the square root of their number.
 *
 * HR_REC_PAGE, little-endian: 0 u8 version (1) | 1 u8 zero | 2 u16 width D | 4 u64 known | u64 live | u64 moved | u64 young
 *   | for each known row, in order: f32 Adagrad accumulator, f32 x D row
 *   | for each moved row: f32 x D, the row at the last slow update (every other row's is the row itself)
 *   | for each known row: u8 count, count x u16 feature rows, ascending.
 * Masks have bit r for row 64 * page + r; live, moved and young lie within known. Numbers from HR_CONTENT_PAGES on are pages of
 * the content table. A reader refuses another version, another width, masks out of place and bytes left over.
 */
#ifndef HR_MODEL_ITEMS_H
#define HR_MODEL_ITEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/record.h"
#include "base/rng.h"

#define HR_PAGE_ROWS 64u
#define HR_CONTENT_ROWS 4096u
#define HR_CONTENT_PAGES UINT32_C(0x80000000) /* record number of the content table's page 0 */
#define HR_FEATURES_MAX 64u                   /* of one item; the rest is left out */

struct hr_page {
	uint64_t known; /* rows that were given their start value */
	uint64_t live;  /* may be predicted, drawn, ranked, recommended */
	uint64_t moved; /* differ from their slow copy */
	uint64_t young; /* first seen since the last slow update: they take the full step */
	uint64_t stale; /* unit vector has to be made anew */
	bool dirty;     /* changed since the last collect */
	float acc[HR_PAGE_ROWS];
	uint8_t features[HR_PAGE_ROWS];
	uint16_t *feature[HR_PAGE_ROWS]; /* ascending, no two the same */
	float *row, *slow;               /* (64, D) */
};

struct hr_items {
	size_t D;
	uint64_t seed, purpose;
	size_t rows, live_count, featured; /* featured: rows with content */
	struct hr_page **page;
	size_t pages, pages_cap;
};

void hr_items_init(struct hr_items *t, size_t D, uint64_t seed, uint64_t purpose);
void hr_items_fini(struct hr_items *t);

/** Rows up to and including row exist; row gets its start value, normal .02 from a hash of (seed, id_hash), unless it has one. */
void hr_items_make(struct hr_items *t, size_t row, uint64_t id_hash);
void hr_items_admit(struct hr_items *t, size_t row);
void hr_items_retire(struct hr_items *t, size_t row);
void hr_items_content(struct hr_items *t, size_t row, const uint64_t *feature_hash, size_t count);

static inline struct hr_page *hr_items_page(const struct hr_items *t, size_t row) { return t->page[row / HR_PAGE_ROWS]; }
static inline float *hr_items_row(const struct hr_items *t, size_t row)
{
	return hr_items_page(t, row)->row + row % HR_PAGE_ROWS * t->D;
}
static inline bool hr_items_live(const struct hr_items *t, size_t row)
{
	return row < t->rows && (hr_items_page(t, row)->live >> row % HR_PAGE_ROWS & 1) != 0;
}

/** out (D) = row + content. */
void hr_items_vector(const struct hr_items *t, const struct hr_items *content, size_t row, float *out);

/** A live row, uniformly. There must be one. */
uint32_t hr_items_draw(const struct hr_items *t, struct hr_rng *rng);

/** The row was changed by the optimiser. */
void hr_items_touch(struct hr_items *t, size_t row);

/** Lookahead (Zhang et al. 2019): moved rows = slow + share (row - slow), young ones stay; both become the new slow copy. */
void hr_items_slow(struct hr_items *t, float share);

/** Every vector that contains content is stale. */
void hr_items_content_moved(struct hr_items *t);

/** Puts the dirty pages; the record's number is that of the page plus first_number. */
void hr_items_collect(struct hr_items *t, uint32_t first_number, struct hr_buf *work, hr_record_put_fn *put, void *ctx);
HR_MUST_USE bool hr_items_load(struct hr_items *t, uint32_t page, const void *bytes, size_t len, struct hr_error *err);

#endif
