#include "tests/test_store_dir.h"

#include <fcntl.h>

#include "store/priv.h"

/* ---- changes ---- */

static void a_later_put_wins(void **state)
{
	struct hr_changes *c = hr_changes_new();
	size_t len;

	(void)state;
	for (uint32_t i = 0; i < 5000; i++)
		hr_changes_put(c, HR_REC_USER, i, "old", 3);
	const uint8_t *lent = hr_changes_get(c, HR_REC_USER, 77, &len);
	for (uint32_t i = 0; i < 5000; i += 2)
		hr_changes_put(c, HR_REC_USER, i, "newer", 5);
	hr_changes_put(c, HR_REC_ITEM, 77, "item", 4);
	hr_changes_put(c, HR_REC_USER, 78, NULL, 0);
	hr_changes_put(c, HR_REC_USER, 80, "", 0);
	assert_int_equal(hr_changes_count(c), 5001);
	assert_int_equal(hr_changes_bytes(c), 5001 * 5 + 2500 * (4 + 3) + 2498 * (4 + 5) + (4 + 4) + 0 + 4);
	assert_memory_equal(hr_changes_get(c, HR_REC_USER, 76, &len), "newer", 5);
	assert_memory_equal(hr_changes_get(c, HR_REC_USER, 77, &len), "old", 3);
	assert_ptr_equal(hr_changes_get(c, HR_REC_USER, 77, &len), lent);
	assert_int_equal(len, 3);
	assert_null(hr_changes_get(c, HR_REC_USER, 78, &len));
	assert_non_null(hr_changes_get(c, HR_REC_USER, 80, &len));
	assert_int_equal(len, 0);
	assert_null(hr_changes_get(c, HR_REC_PAGE, 77, &len));
	hr_changes_free(c);
}

static void comes_behind(void *ctx, const struct hr_change *change)
{
	uint64_t *last = ctx;
	const uint64_t name = (uint64_t)change->cls << 32 | change->number;

	assert_true(name > *last);
	*last = name;
}

static void changes_are_sorted_by_class_and_number(void **state)
{
	struct hr_changes *c = hr_changes_new();
	uint64_t last = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		hr_changes_put(c, i % 3 ? HR_REC_USER : HR_REC_PAGE, i * 2654435761u, "x", i % 2);
	hr_changes_sealed(c, comes_behind, &last);
	assert_true(last != 0);
	hr_changes_free(c);
}

static void nothing_of_an_earlier_barrier_is_left(void **state)
{
	static uint8_t big[9 << 20];
	size_t len;

	(void)state;
	for (int turn = 0; turn < 5; turn++) { /* of whom the memory is used again */
		struct hr_changes *c = hr_changes_new();
		uint64_t last = 0;

		assert_int_equal(hr_changes_count(c), 0);
		assert_int_equal(hr_changes_bytes(c), 0);
		(void)hr_changes_order_log(c, &len);
		assert_int_equal(len, 0);
		assert_null(hr_changes_get(c, HR_REC_USER, 5, &len));
		hr_changes_sealed(c, comes_behind, &last);
		assert_true(last == 0);
		for (uint32_t i = 0; i < 20; i++)
			hr_changes_put(c, HR_REC_USER, 7 * i % 20, big, i % 4 == 0 ? sizeof big : i);
		hr_changes_order(c, "log", 3);
		(void)hr_changes_get(c, HR_REC_USER, 5, &len);
		hr_changes_free(c);
	}
}

/* ---- open ---- */

static void a_new_state_is_empty_private_and_has_a_lineage(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(open_and_load(f), 0);
	assert_int_equal(f->row.number, 0);
	assert_int_equal(f->row.watermark_ms, INT64_MIN);
	assert_string_equal(f->notice, "");
	assert_int_equal(strspn(f->manifest.lineage, "0123456789abcdef"), HR_LINEAGE_CHARS);
	assert_int_equal(stat(f->dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void the_manifest_on_disk_is_what_a_reopen_gives(void **state)
{
	struct fixture *f = *state;
	char lineage[HR_LINEAGE_CHARS + 1];

	(void)open_and_load(f);
	memcpy(lineage, f->manifest.lineage, sizeof lineage);
	close_store(f);
	f->manifest = make_manifest();
	memcpy(f->manifest.kernels, "sse2", 5);
	f->manifest.seed = 43;
	assert_true(hr_store_open(f->dir, &f->manifest, &f->store, &f->row, f->notice, &f->err));
	assert_string_equal(f->manifest.lineage, lineage);
	assert_string_equal(f->manifest.kernels, "avx2");
	assert_int_equal(f->manifest.seed, 42);
}

static void a_manifest_written_again_is_what_a_reopen_gives(void **state)
{
	struct fixture *f = *state;

	(void)open_and_load(f);
	f->manifest.partitions = 9;
	assert_true(hr_store_manifest(f->store, &f->manifest, &f->err));
	close_store(f);
	(void)open_and_load(f);
	assert_int_equal(f->manifest.partitions, 9);
}

static void other_settings_are_refused_with_both_values(void **state)
{
	struct fixture *f = *state;

	(void)open_and_load(f);
	close_store(f);
	f->manifest = make_manifest();
	memcpy(f->manifest.settings, "width=32", 8);
	assert_false(hr_store_open(f->dir, &f->manifest, &f->store, &f->row, f->notice, &f->err));
	assert_int_equal(f->err.code, HR_E_CONFIG);
	assert_non_null(strstr(f->err.msg, ": width was 64, is 32 since the state was made"));
	(void)open_and_load(f); /* the refusal left nothing locked */
}

static void a_second_open_is_refused(void **state)
{
	struct fixture *f = *state;
	struct hr_manifest m = make_manifest();
	struct hr_store *second = NULL;
	struct hr_barrier row = {0};

	(void)open_and_load(f);
	assert_false(hr_store_open(f->dir, &m, &second, &row, f->notice, &f->err));
	assert_int_equal(f->err.code, HR_E_BUSY);
	assert_non_null(strstr(f->err.msg, "another process"));
}

static void a_directory_open_to_others_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdir(f->dir, 0700), 0);
	assert_int_equal(chmod(f->dir, 0750), 0);
	assert_false(open_only(f));
	assert_int_equal(f->err.code, HR_E_CONFIG);
	assert_non_null(strstr(f->err.msg, "0750"));
	assert_int_equal(chmod(f->dir, 0700), 0);
	assert_int_equal(open_and_load(f), 0);
}

static void a_file_in_place_of_the_directory_is_refused(void **state)
{
	struct fixture *f = *state;
	const int fd = open(f->dir, O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	(void)close(fd);
	assert_false(open_only(f));
	assert_int_equal(f->err.code, HR_E_CONFIG);
}

/* ---- commit ---- */

struct model {
	struct hr_buf record[3][200]; /* by class and number; len 0: none */
	size_t seen;
};

static const enum hr_record_class classes[] = {HR_REC_ITEM, HR_REC_USER, HR_REC_DENSE};

static bool is_in_model(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len,
                        struct hr_error *err)
{
	struct model *m = ctx;
	size_t k = 0;

	(void)err;
	while (classes[k] != cls)
		assert_true(++k < 3);
	assert_in_range(number, 0, 199);
	assert_int_equal(m->record[k][number].len, len);
	assert_memory_equal(m->record[k][number].p, bytes, len);
	m->seen++;
	return true;
}

static size_t model_count(const struct model *m)
{
	size_t n = 0;

	for (size_t k = 0; k < 3; k++)
		for (size_t i = 0; i < 200; i++)
			n += m->record[k][i].len != 0;
	return n;
}

/* Puts, overwrites or deletes one record, in both. */
static void change_one(struct model *m, struct hr_changes *c, uint64_t draw)
{
	const size_t k = draw % 3, number = draw / 3 % 200, len = draw / 600 % 4 == 0 ? 0 : 1 + draw / 2400 % 900;
	struct hr_buf *b = &m->record[k][number];

	hr_buf_clear(b);
	for (size_t i = 0; i < len; i++)
		hr_buf_u8(b, (uint8_t)(draw >> i % 40));
	hr_changes_put(c, classes[k], (uint32_t)number, len != 0 ? b->p : NULL, len);
}

static void random_barriers_keep_records_and_digest(void **state)
{
	struct fixture *f = *state;
	struct model *m = hr_alloc(1, sizeof *m);
	uint64_t draw = 1;

	(void)open_and_load(f);
	for (int barrier = 0; barrier < 60; barrier++) {
		struct hr_changes *c = hr_changes_new();

		for (int i = 0; i < barrier; i++)
			change_one(m, c, draw = hr_hash(&draw, sizeof draw));
		assert_true(commit(f, c));
		hr_changes_free(c);
		assert_digest_is_the_disks(f);
		if (barrier % 13 == 12) {
			close_store(f);
			assert_true(open_only(f));
			m->seen = 0;
			if (!hr_store_load(f->store, is_in_model, m, &f->err))
				fail_msg("%s", f->err.msg);
			assert_int_equal(m->seen, model_count(m));
			assert_int_equal(f->row.number, barrier + 1);
		}
	}
	for (size_t k = 0; k < 3; k++)
		for (size_t i = 0; i < 200; i++)
			hr_buf_fini(&m->record[k][i]);
	hr_free(m);
}

static bool comes_after(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len,
                        struct hr_error *err)
{
	uint64_t *last = ctx;
	const uint64_t name = (uint64_t)cls << 32 | number;

	(void)bytes;
	(void)len;
	(void)err;
	assert_true(name > *last);
	*last = name;
	return true;
}

static void records_come_back_by_class_and_number(void **state)
{
	struct fixture *f = *state;
	struct hr_changes *c = hr_changes_new();
	uint64_t last = 0;

	(void)open_and_load(f);
	for (uint32_t i = 0; i < 300; i++)
		hr_changes_put(c, i % 2 ? HR_REC_USER : HR_REC_DENSE, (i * 7919u) << 12, "x", 1);
	assert_true(commit(f, c));
	hr_changes_free(c);
	close_store(f);
	assert_true(open_only(f));
	assert_true(hr_store_load(f->store, comes_after, &last, &f->err));
	assert_true(last >> 32 == HR_REC_DENSE);
}

static void the_digest_is_the_sum_the_header_says(void **state)
{
	struct fixture *f = *state;
	struct hr_changes *c = hr_changes_new();

	(void)open_and_load(f);
	hr_changes_put(c, HR_REC_USER, 0x01020304, "abc", 3);
	hr_changes_put(c, HR_REC_ITEM, 5, "", 0);
	assert_true(commit(f, c));
	hr_changes_free(c);
	const struct hr_hash128 want = hr_hash128_add(hr_hash128("u\4\3\2\1abc", 8, 2), hr_hash128("i\5\0\0\0", 5, 2));
	assert_true(f->row.digest.hi == want.hi && f->row.digest.lo == want.lo);
}

static void a_reopened_state_goes_on_at_its_barrier(void **state)
{
	struct fixture *f = *state;

	(void)open_and_load(f);
	f->row.partition = hr_alloc(1, sizeof *f->row.partition);
	f->row.partition_count = 1;
	f->row.partition[0] = (struct hr_partition){.partition = 3, .begin = 10, .offset = 15, .trained = 5};
	f->row.watermark_ms = 99;
	commit_some(f, 10, 20);
	commit_some(f, 4, 20);
	const struct hr_hash128 digest = f->row.digest;
	close_store(f);
	assert_int_equal(open_and_load(f), 10);
	assert_string_equal(f->notice, "");
	assert_int_equal(f->row.number, 2);
	assert_int_equal(f->row.watermark_ms, 99);
	assert_int_equal(f->row.partition[0].offset, 15);
	assert_true(f->row.digest.lo == digest.lo && f->row.digest.hi == digest.hi);
	commit_some(f, 1, 1);
	assert_digest_is_the_disks(f);
}

static void a_settled_state_has_no_log_to_read(void **state)
{
	struct fixture *f = *state;

	(void)open_and_load(f);
	commit_some(f, 10, 20);
	commit_some(f, 4, 20);
	const struct hr_hash128 digest = f->row.digest;
	close_store(f);
	assert_true(hr_store_open_bytes(f->dir) > 0);
	(void)open_and_load(f);
	hr_store_settle(f->store);
	close_store(f);
	assert_int_equal(hr_store_open_bytes(f->dir), 0);
	assert_int_equal(open_and_load(f), 10);
	assert_int_equal(f->row.number, 2);
	assert_true(f->row.digest.hi == digest.hi && f->row.digest.lo == digest.lo);
}

static void the_order_log_of_each_barrier_is_kept(void **state)
{
	struct fixture *f = *state;
	struct hr_buf log = {0};
	struct hr_hash128 digest[4];
	struct hr_order_head head;

	(void)open_and_load(f);
	for (unsigned i = 1; i <= 3; i++) {
		struct hr_changes *c = hr_changes_new();
		const char text[] = {'l', 'o', 'g', (char)('0' + i)};

		hr_changes_order(c, "not this", 8);
		hr_changes_order(c, text, i < 3 ? sizeof text : 0);
		hr_changes_put(c, HR_REC_USER, 0, text, sizeof text);
		f->row.events = 100 * i;
		assert_true(commit(f, c));
		digest[i] = f->row.digest;
		hr_changes_free(c);
	}
	for (uint64_t i = 1; i <= 3; i++) {
		assert_true(hr_store_order_log(f->store, i, &head, &log, &f->err));
		assert_true(head.digest.hi == digest[i].hi && head.digest.lo == digest[i].lo);
		assert_int_equal(head.events, 100 * i);
	}
	assert_int_equal(log.len, 8);
	assert_memory_equal(log.p, "log1log2", 8);
	assert_false(hr_store_order_log(f->store, 4, &head, &log, &f->err));
	assert_int_equal(f->err.code, HR_E_STORE);
	assert_string_equal(f->err.msg, "barrier 4 has no order log: there is no such barrier, or it is older than state.order_keep");
	hr_buf_fini(&log);
}

static void order_rows_go_when_they_are_older_than_they_are_kept(void **state)
{
	struct fixture *f = *state;
	struct hr_buf log = {0};
	struct hr_order_head head;

	(void)open_and_load(f);
	assert_int_equal(hr_store_first_order(f->store), 1);
	for (int64_t day = 1; day <= 9; day++) {
		struct hr_changes *c = hr_changes_new();

		if (day == 8) /* four rows at once, then the rest */
			hr_store_keep_order(f->store, 2);
		f->row.wall_ms = day;
		assert_true(commit(f, c));
		hr_changes_free(c);
		assert_int_equal(hr_store_first_order(f->store), day == 9 ? 7 : day == 8 ? 5 : 1);
	}
	assert_false(hr_store_order_log(f->store, 6, &head, &log, &f->err));
	assert_true(hr_store_order_log(f->store, 7, &head, &log, &f->err));
	close_store(f);
	(void)open_and_load(f);
	assert_int_equal(hr_store_first_order(f->store), 7);
	hr_buf_fini(&log);
}

static bool refuse(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len,
                   struct hr_error *err)
{
	(void)ctx;
	(void)bytes;
	(void)len;
	return number < 3 || hr_fail(err, HR_E_FORMAT, "%c/%u is odd", cls, number);
}

static void a_record_its_owner_refuses_stops_the_load(void **state)
{
	struct fixture *f = *state;

	(void)open_and_load(f);
	commit_some(f, 10, 20);
	close_store(f);
	assert_true(open_only(f));
	assert_false(hr_store_load(f->store, refuse, NULL, &f->err));
	assert_int_equal(f->err.code, HR_E_FORMAT);
	assert_non_null(strstr(f->err.msg, ": u/3 is odd"));
}

static void a_checkpoint_is_a_state_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct fixture copy = {0};

	(void)open_and_load(f);
	commit_some(f, 10, 20);
	(void)snprintf(copy.dir, sizeof copy.dir, "%.240s-copy", f->dir);
	assert_true(hr_store_checkpoint(f->store, copy.dir, &f->err));
	assert_false(hr_store_checkpoint(f->store, copy.dir, &f->err));
	commit_some(f, 20, 20);
	assert_int_equal(open_and_load(&copy), 10);
	assert_int_equal(copy.row.number, 1);
	assert_string_equal(copy.manifest.lineage, f->manifest.lineage);
	commit_some(&copy, 5, 5);
	close_store(&copy);
	assert_digest_is_the_disks(f);
	assert_true(hr_store_disk_bytes(f->store) > 500);
}

static void a_look_sees_the_state_beside_its_writer(void **state)
{
	struct fixture *f = *state;
	struct hr_manifest manifest;
	struct hr_barrier row = {0};
	struct hr_store *look = NULL;
	size_t records = 0;

	assert_false(hr_store_look(f->dir, &manifest, &look, &row, &f->err));
	assert_int_equal(f->err.code, HR_E_IO);
	(void)open_and_load(f);
	commit_some(f, 10, 20);
	assert_true(hr_store_look(f->dir, &manifest, &look, &row, &f->err));
	commit_some(f, 12, 20);
	assert_int_equal(row.number, 1);
	assert_string_equal(manifest.lineage, f->manifest.lineage);
	assert_true(hr_store_load(look, count_record, &records, &f->err));
	assert_int_equal(records, 10);
	hr_store_close(look);
	hr_barrier_fini(&row);
	commit_some(f, 12, 20);
	assert_digest_is_the_disks(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_later_put_wins),
		cmocka_unit_test(changes_are_sorted_by_class_and_number),
		cmocka_unit_test(nothing_of_an_earlier_barrier_is_left),
		WITH_STATE(a_new_state_is_empty_private_and_has_a_lineage),
		WITH_STATE(the_manifest_on_disk_is_what_a_reopen_gives),
		WITH_STATE(a_manifest_written_again_is_what_a_reopen_gives),
		WITH_STATE(other_settings_are_refused_with_both_values),
		WITH_STATE(a_second_open_is_refused),
		WITH_STATE(a_directory_open_to_others_is_refused),
		WITH_STATE(a_file_in_place_of_the_directory_is_refused),
		WITH_STATE(random_barriers_keep_records_and_digest),
		WITH_STATE(records_come_back_by_class_and_number),
		WITH_STATE(the_digest_is_the_sum_the_header_says),
		WITH_STATE(a_reopened_state_goes_on_at_its_barrier),
		WITH_STATE(a_settled_state_has_no_log_to_read),
		WITH_STATE(the_order_log_of_each_barrier_is_kept),
		WITH_STATE(order_rows_go_when_they_are_older_than_they_are_kept),
		WITH_STATE(a_record_its_owner_refuses_stops_the_load),
		WITH_STATE(a_checkpoint_is_a_state_of_its_own),
		WITH_STATE(a_look_sees_the_state_beside_its_writer),
	};

	return cmocka_run_group_tests_name("store/state", tests, NULL, NULL);
}
