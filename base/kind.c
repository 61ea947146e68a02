#include "base/kind.h"

#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	uint8_t kind;
} names[] = {
	/* the first of each kind is its own name */
	{"view", HR_KIND_VIEW},         {"click", HR_KIND_CLICK},    {"cart", HR_KIND_CART},
	{"purchase", HR_KIND_PURCHASE}, {"like", HR_KIND_LIKE},      {"rating", HR_KIND_RATING},
	{"play", HR_KIND_PLAY},         {"share", HR_KIND_SHARE},    {"pv", HR_KIND_VIEW},
	{"impression", HR_KIND_VIEW},   {"addtocart", HR_KIND_CART}, {"add_to_cart", HR_KIND_CART},
	{"buy", HR_KIND_PURCHASE},      {"transaction", HR_KIND_PURCHASE}, {"order", HR_KIND_PURCHASE},
	{"fav", HR_KIND_LIKE},          {"favorite", HR_KIND_LIKE},  {"rate", HR_KIND_RATING},
};

const char *hr_kind_name(unsigned kind)
{
	return kind >= 1 && kind < HR_KIND_COUNT ? names[kind - 1].name : NULL;
}

uint8_t hr_kind_parse(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strlen(names[i].name) == len && strncasecmp(names[i].name, name, len) == 0)
			return names[i].kind;
	}
	return 0;
}
