/* daemon/nearest.h - what somebody may have meant. */
#ifndef HR_DAEMON_NEAREST_H
#define HR_DAEMON_NEAREST_H

#include <stdbool.h>
#include <stddef.h>

/** The nearest of some candidates so far. Begin with hr_nearest_to(), offer each, read best: NULL when nothing is near. */
struct hr_nearest {
	const char *word, *best;
	size_t distance; /* a candidate must be nearer: a third of the word at first, or 2 */
};

struct hr_nearest hr_nearest_to(const char *word); /* borrowed */
void hr_nearest_offer(struct hr_nearest *n, const char *candidate);

#endif
