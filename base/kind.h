/* base/kind.h - what a user did. The numbers are those of headrace.v1.Kind and of stored histories: never renumber. */
#ifndef HR_BASE_KIND_H
#define HR_BASE_KIND_H

#include <stddef.h>
#include <stdint.h>

enum hr_kind {
	HR_KIND_VIEW = 1,
	HR_KIND_CLICK = 2,
	HR_KIND_CART = 3,
	HR_KIND_PURCHASE = 4,
	HR_KIND_LIKE = 5,
	HR_KIND_RATING = 6,
	HR_KIND_PLAY = 7,
	HR_KIND_SHARE = 8,
	HR_KIND_COUNT = 9, /* one more than the largest; 0 is not a kind */
};

/** "view", ...; NULL for no such kind. */
const char *hr_kind_name(unsigned kind);

/** The kind named by len bytes (any case; "addtocart", "add_to_cart", "buy", "pv", "fav" are known too), 0 for none. */
uint8_t hr_kind_parse(const char *name, size_t len);

#endif
