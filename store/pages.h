/* store/pages.h - the two containers behind histories, catalogue and digest: a big array that grows without moving, and
 * the set of numbers changed since the last barrier. Private to store/.
 */
#ifndef HR_STORE_PAGES_H
#define HR_STORE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HR_PAGE_ITEMS 4096u

/** Elements in pages of HR_PAGE_ITEMS, made zeroed at first use: growth copies nothing, so no event waits for it. */
struct hr_pages {
	uint8_t **page;
	size_t page_cap;
	size_t item_bytes; /* set by the owner, before the first use */
	size_t page_count; /* pages that exist */
};

void hr_pages_fini(struct hr_pages *p);
void *hr_pages_reach(struct hr_pages *p, uint32_t number);    /* makes the page if need be */
void *hr_pages_at(const struct hr_pages *p, uint32_t number); /* NULL where there is no page */
size_t hr_pages_memory_bytes(const struct hr_pages *p);

/** A set of numbers: one bit each, so that reading it gives them in ascending order. */
struct hr_dirty {
	uint64_t *word;
	size_t word_cap;
	uint32_t *list; /* the members, ascending, when listed */
	size_t list_cap, count;
	bool listed;
};

void hr_dirty_fini(struct hr_dirty *d);
void hr_dirty_mark(struct hr_dirty *d, uint32_t number);
const uint32_t *hr_dirty_list(struct hr_dirty *d, size_t *ret_count); /* borrowed until the next change */
void hr_dirty_clear(struct hr_dirty *d);

#endif
