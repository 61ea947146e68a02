/* tests/test_store_dir.h - a state directory for one test, opened, filled and reopened. */
#ifndef HR_TESTS_TEST_STORE_DIR_H
#define HR_TESTS_TEST_STORE_DIR_H

#include "tests/test_store.h"

#include <dirent.h>
#include <sys/stat.h>

#define WITH_STATE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

struct fixture {
	char dir[256], notice[HR_NOTICE_BYTES];
	struct hr_manifest manifest;
	struct hr_store *store;
	struct hr_barrier row;
	struct hr_error err;
};

static inline struct hr_manifest make_manifest(void)
{
	return (struct hr_manifest){.settings = "width=64\nrate=.1\nname=\n", .seed = 42, .partitions = 2, .kernels = "avx2"};
}

static inline bool count_record(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len,
                                struct hr_error *err)
{
	(void)cls;
	(void)number;
	(void)bytes;
	(void)len;
	(void)err;
	++*(size_t *)ctx;
	return true;
}

static inline bool open_only(struct fixture *f)
{
	f->manifest = make_manifest();
	return hr_store_open(f->dir, &f->manifest, &f->store, &f->row, f->notice, &f->err);
}

/* Opens and loads; returns the number of records. */
static inline size_t open_and_load(struct fixture *f)
{
	size_t records = 0;

	if (!open_only(f) || !hr_store_load(f->store, count_record, &records, &f->err))
		fail_msg("%s", f->err.msg);
	return records;
}

static inline void close_store(struct fixture *f)
{
	hr_store_close(f->store);
	hr_barrier_fini(&f->row);
	f->store = NULL;
}

static inline int set_up(void **state)
{
	struct fixture *f = hr_alloc(1, sizeof *f);

	make_dir_name(f->dir);
	*state = f;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	close_store(f);
	remove_dir(f->dir);
	hr_free(f);
	return 0;
}

static inline bool commit(struct fixture *f, const struct hr_changes *c)
{
	f->row.number++;
	return hr_store_commit(f->store, c, &f->row, &f->err);
}

/* One barrier that puts records records of about len bytes, their text made from the barrier's number. */
static inline void commit_some(struct fixture *f, uint32_t records, size_t len)
{
	struct hr_changes *c = hr_changes_new();
	HR_AUTO(hr_auto_free) uint8_t *bytes = hr_alloc(len, 1);

	for (uint32_t i = 0; i < records; i++) {
		for (size_t k = 0; k < len; k++)
			bytes[k] = (uint8_t)(hr_hash(&(uint64_t[]){f->row.number, i, k}, 24));
		hr_changes_put(c, HR_REC_USER, i, bytes, len);
	}
	if (!commit(f, c))
		fail_msg("%s", f->err.msg);
	hr_changes_free(c);
}

static inline void assert_digest_is_the_disks(struct fixture *f)
{
	struct hr_hash128 disk;

	assert_true(hr_store_digest(f->store, &disk, &f->err));
	assert_true(disk.hi == f->row.digest.hi && disk.lo == f->row.digest.lo);
}

/* The only file in the directory whose name ends so, and its size. */
static inline size_t find_file(const struct fixture *f, const char *ending, char path[600])
{
	DIR *d = opendir(f->dir);
	const struct dirent *e;
	struct stat st;
	size_t size = 0;

	while ((e = readdir(d)) != NULL) {
		const size_t len = strlen(e->d_name), end = strlen(ending);

		if (len < end || strcmp(e->d_name + len - end, ending) != 0)
			continue;
		assert_int_equal(fstatat(dirfd(d), e->d_name, &st, 0), 0);
		if (st.st_size == 0)
			continue;
		assert_int_equal(size, 0);
		(void)snprintf(path, 600, "%s/%s", f->dir, e->d_name);
		size = (size_t)st.st_size;
	}
	(void)closedir(d);
	assert_true(size > 0);
	return size;
}

#endif
