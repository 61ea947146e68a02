#include "daemon/nearest.h"

#include <stdint.h>
#include <string.h>

enum { WORD_MAX = 64 };

/* Levenshtein with a swap of neighbours as one edit (optimal string alignment); both at most WORD_MAX long. */
static size_t edit_distance(const char *a, const char *b)
{
	const size_t a_len = strlen(a), b_len = strlen(b);
	size_t row[WORD_MAX + 1][WORD_MAX + 1];

	for (size_t i = 0; i <= a_len; i++) {
		for (size_t j = 0; j <= b_len; j++) {
			if (i == 0 || j == 0) {
				row[i][j] = i + j;
				continue;
			}
			size_t best = row[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			best = row[i - 1][j] + 1 < best ? row[i - 1][j] + 1 : best;
			best = row[i][j - 1] + 1 < best ? row[i][j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && row[i - 2][j - 2] + 1 < best)
				best = row[i - 2][j - 2] + 1;
			row[i][j] = best;
		}
	}
	return row[a_len][b_len];
}

struct hr_nearest hr_nearest_to(const char *word)
{
	const size_t third = strlen(word) / 3;

	return (struct hr_nearest){.word = word, .distance = (third < 1 ? 1 : third) + 1};
}

void hr_nearest_offer(struct hr_nearest *n, const char *candidate)
{
	if (strlen(n->word) > WORD_MAX || strlen(candidate) > WORD_MAX)
		return;
	const size_t distance = edit_distance(n->word, candidate);
	if (distance < n->distance) {
		n->distance = distance;
		n->best = candidate;
	}
}
