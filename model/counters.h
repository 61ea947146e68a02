/* model/counters.h - what can be counted on the stream without a network: the baseline to beat, and a term of the score.
 *
 * Rules ("followed by"): when a user's event on item j follows items i1 (the newest before), i2, ... up to 10 back, the row
 * of ik gains 1/k for j. Ludewig and Jannach 2018 ("sequential rules"). A row keeps its rules_kept heaviest followers; when
 * full, the lightest is replaced and its weight inherited (space-saving, Metwally et al. 2005). What is read from a row is
 * its weights / sqrt(1 + their sum): what followed an item that everybody meets says less, and counts of any size stay small.
 * On the stream of docs/model.md: HR@10/NDCG@10 of the counters .1469/.0924 -> .1532/.0969. A row that comes to more than
 * HR_RULES_SUM in all is halved: so an endless stream is forgotten by as much as it is added to, whatever the item's pace.
 * Popularity: one count an event, halving every popularity_half_life_days of stream time.
 *
 * Records, little-endian. HR_REC_RULES of row n: u8 version (2) | u16 count | f32 sum of the weights | count x { u32 item, f32 weight }.
 * HR_REC_POPULARITY page p (rows 1024 p ..): u8 version (1) | u16 count | i64 reference_ms | count x { f64 decayed count in
 *   units of the reference time (an event at t adds 2^((t - reference) / half-life)), u64 events }.
 */
#ifndef HR_MODEL_COUNTERS_H
#define HR_MODEL_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/record.h"

#define HR_RULES_BACK 10u
#define HR_RULES_SUM 8192.0f
#define HR_POPULARITY_ROWS 1024u /* of one record */

struct hr_counters;

struct hr_counters *hr_counters_new(uint32_t rules_kept, double half_life_days);
void hr_counters_free(struct hr_counters *c); /* NULL allowed */

/** One learned event; the trainer calls it. history oldest first. @thread trainer */
void hr_counters_learn(struct hr_counters *c, const uint32_t *history_item, size_t history_len, uint32_t item,
                       int64_t time_ms);

/**
 * Adds to scores[row]: sum over the last 10 items of history, newest first, of 1, .7, .49, ... x what is read of (item, row).
 * @param scores  rows floats, the caller's, zeroed by it
 * @thread any: takes the counters' lock for the time of the reads
 */
void hr_counters_rules(struct hr_counters *c, const uint32_t *history_item, size_t history_len, float *scores, size_t rows);

struct hr_follower {
	uint32_t item;
	float weight;
};
/** The heaviest followers of one item, heaviest first, as they are read. Returns how many were written. @thread any */
size_t hr_counters_followers(struct hr_counters *c, uint32_t item, struct hr_follower *out, size_t max);

/** Decayed counts at stream time now_ms for rows 0..rows-1. @thread any */
void hr_counters_popularity(struct hr_counters *c, int64_t now_ms, float *out, size_t rows);
/** The share of all decayed counts that stands on each of some rows. @thread any */
void hr_counters_recent(struct hr_counters *c, int64_t now_ms, const uint32_t *row, size_t count, float *share);
uint64_t hr_counters_events(struct hr_counters *c, uint32_t row); /* ever */
uint64_t hr_counters_total(struct hr_counters *c);                /* events on all rows */

/** Puts what changed since the last call; and the opposite, record by record. @thread trainer */
void hr_counters_collect(struct hr_counters *c, struct hr_buf *work, hr_record_put_fn *put, void *ctx);
HR_MUST_USE bool hr_counters_load(struct hr_counters *c, enum hr_record_class cls, uint32_t number, const void *bytes,
                                  size_t len, struct hr_error *err);
/** Rows that anything is known of. */
size_t hr_counters_rows(struct hr_counters *c);

#endif
