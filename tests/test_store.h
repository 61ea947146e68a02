/* tests/test_store.h - what the test programs of store share: bent records and throw-away state directories. */
#ifndef HR_TESTS_TEST_STORE_H
#define HR_TESTS_TEST_STORE_H

#include "tests/test.h"

#include <ftw.h>
#include <unistd.h>

#include "base/base.h"
#include "store/store.h"

/** Decodes bytes and, if they are accepted, appends the same thing encoded again. */
typedef bool recode_fn(const uint8_t *bytes, size_t len, struct hr_buf *again, struct hr_error *err);

/** Recodes a copy of bytes that ends where its memory ends, so that a sanitizer sees a read too far. */
static inline bool recode_copy(recode_fn *recode, const uint8_t *bytes, size_t len, struct hr_buf *again)
{
	struct hr_error err = {0};
	uint8_t *copy = malloc(len + (len == 0));

	hr_buf_clear(again);
	if (len != 0)
		memcpy(copy, bytes, len);
	const bool ok = recode(copy, len, again, &err);
	free(copy);
	if (!ok) {
		assert_true(err.code == HR_E_FORMAT);
		assert_true(err.msg[0] != '\0');
	}
	return ok;
}

/** Fails unless every cut record, every record with bytes left over, and every flipped bit is refused or means what it
 * says. */
static inline void assert_survives_damage(recode_fn *recode, const uint8_t *bytes, size_t len)
{
	struct hr_buf again = {0};
	uint8_t *bent = malloc(len + 1);
	size_t refused = 0;

	assert_true(recode_copy(recode, bytes, len, &again));
	assert_int_equal(again.len, len);
	assert_memory_equal(again.p, bytes, len);
	for (size_t cut = 0; cut < len; cut++)
		assert_false(recode_copy(recode, bytes, cut, &again));
	memcpy(bent, bytes, len);
	bent[len] = 0;
	assert_false(recode_copy(recode, bent, len + 1, &again));
	for (size_t bit = 0; bit < 8 * len; bit++) {
		bent[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (!recode_copy(recode, bent, len, &again))
			refused++;
		else if (again.len != len || memcmp(again.p, bent, len) != 0)
			fail_msg("bit %zu flipped was accepted as something else", bit);
		bent[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(refused >= 8); /* the version at least */
	free(bent);
	hr_buf_fini(&again);
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/** A directory name that is free; its parent exists. */
static inline void make_dir_name(char name[256])
{
	const char *tmp = getenv("TMPDIR");
	char parent[200];

	(void)snprintf(parent, sizeof parent, "%s/headrace-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(parent));
	(void)snprintf(name, 256, "%s/state", parent);
}

/** Removes the directory and its parent, as made by make_dir_name. */
static inline void remove_dir(char name[256])
{
	*strrchr(name, '/') = '\0';
	assert_int_equal(nftw(name, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
