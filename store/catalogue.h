/* store/catalogue.h - every item ever seen: id, row, metadata, counters; in memory and as records of class HR_REC_ITEM.
 *
 * Record of row n, little-endian: u8 version (1) | blob id | u64 events | i64 first_ms | i64 last_ms | u8 flags
 * (bit 0: admitted, bit 1: expired; never both) | blob title | u16 n, n x blob category | u16 n, n x blob tag | f64 price.
 */
#ifndef HR_STORE_CATALOGUE_H
#define HR_STORE_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/idmap.h"
#include "base/record.h"

/** One item. A view, valid until the next change of the catalogue. */
struct hr_item {
	const uint8_t *id;
	size_t id_len;
	uint64_t events;
	int64_t first_ms, last_ms; /* stream time of its first and newest event; INT64_MIN for none */
	bool admitted, expired; /* expired: was admitted, and is again with its next event */
	bool described;
	const char *title;      /* "" for none */
	const char *const *category;
	size_t category_count;
	const char *const *tag;
	size_t tag_count;
	double price;
};

struct hr_catalogue;

/** @param min_count  events after which an item is admitted to the model, 1.. */
struct hr_catalogue *hr_catalogue_new(uint32_t min_count);
void hr_catalogue_free(struct hr_catalogue *c);

/** Row of an item, new ones get the next row and are dirty at once: stored rows have no holes. */
uint32_t hr_catalogue_row(struct hr_catalogue *c, const void *id, size_t len);
uint32_t hr_catalogue_find(const struct hr_catalogue *c, const void *id, size_t len); /* HR_NONE when unknown */
uint32_t hr_catalogue_count(const struct hr_catalogue *c);
struct hr_item hr_catalogue_get(const struct hr_catalogue *c, uint32_t row);

/** Brings what the next look-ups and counts of these items will touch into the cache (hr_idmap_fetch_slots). */
void hr_catalogue_fetch(const struct hr_catalogue *c, const struct hr_id *id, size_t count);

/** Counts one event; true when this one admits the item, for the first time or anew. */
bool hr_catalogue_count_event(struct hr_catalogue *c, uint32_t row, int64_t time_ms);

/**
 * Replaces title, categories, tags and price; strings are copied.
 * @param price  finite
 */
void hr_catalogue_describe(struct hr_catalogue *c, uint32_t row, const char *title, const char *const *category,
                           size_t category_count, const char *const *tag, size_t tag_count, double price);
/** Takes title, categories, tags and price away. */
void hr_catalogue_undescribe(struct hr_catalogue *c, uint32_t row);

/** An admitted item is no longer one, until its next event; its row and what is known of it stay. */
void hr_catalogue_expire(struct hr_catalogue *c, uint32_t row);

void hr_catalogue_collect(struct hr_catalogue *c, hr_record_put_fn *put, void *ctx); /* changed rows, ascending */
/** Appends the record of one row as it stands. */
void hr_catalogue_encode(const struct hr_catalogue *c, uint32_t row, struct hr_buf *out);
/** Takes a record in; rows come in order, 0, 1, 2, ... A refused one leaves nothing behind. */
HR_MUST_USE bool hr_catalogue_load(struct hr_catalogue *c, uint32_t row, const void *bytes, size_t len, struct hr_error *err);

#endif
