/* daemon/features.h - what a file says of items, as hashed content features: attribute ids and the words of titles.
 *
 * TSV, plain or .gz, one item a line; columns by role: item attributes title, - skips one. Attributes are separated by commas.
 * A feature is the hash of "a" + attribute, or of "t" + a lower-cased (ASCII) word of the title; commas end words as blanks do.
 */
#ifndef HR_DAEMON_FEATURES_H
#define HR_DAEMON_FEATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct hr_features;

/**
 * @param columns  "item,-,attributes,title"
 * @param header   the first line names columns and is skipped
 */
HR_MUST_USE bool hr_features_read(const char *path, const char *columns, bool header, struct hr_features **ret_features,
                                  struct hr_error *err);
void hr_features_free(struct hr_features *f); /* NULL allowed */

/** Hashes of one item's features, borrowed; *ret_count 0 for an item that the file does not name. */
const uint64_t *hr_features_get(const struct hr_features *f, const void *item, size_t item_len, size_t *ret_count);

#endif
