/* model/kernels_amx.c - the set "amx": products of bf16 pairs in AMX tiles, all else as in "avx512".
 *
 * A tile is 16 rows of 64 bytes. C is worked on 32 x 32 at a time: four tiles of sums, two of the left side, two of the
 * right. The left side lies row-major in pairs, the panels as for vdpbf16ps, both with K up to a multiple of 32. */
#include "model/kernels_sets.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __clang__
#pragma clang attribute push( \
	__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,amx-tile,amx-bf16"))), \
	apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,amx-tile,amx-bf16")
#endif

#include "model/kernels_simd_avx512.h"

#include "model/kernels_math.h"

#include "model/kernels_pairs.h"

#include "model/kernels_panel.h"

/* Rows that are converted together and then meet every panel; a multiple of 32. */
#define ROWS_BLOCK ((size_t)96)

static size_t panel_steps(size_t K) { return up_to_16((K + 1) / 2); }

/* By columns the pairs come out across the rows, 16 x 16 at a time, and are turned. */
static struct left left_block(const struct left_source *a, size_t m, size_t rows, size_t K, unit *work)
{
	const size_t steps = panel_steps(K);
	__m512i r[16];

	if (!a->by_columns)
		pack_along(work, steps, a->A + m * a->lda, a->lda, rows, K, steps);
	for (size_t c = 0; c < rows && a->by_columns; c += 16) {
		for (size_t s = 0; s < steps; s += 16) {
			HR_EACH_16(i, r[i] = column_pairs(a->A + m, a->lda, s + i, K, c, rows);)
			transpose_words(r);
			HR_EACH_16(i, _mm512_storeu_si512(work + (c + i) * steps + s, r[i]);)
		}
	}
	return (struct left){work, steps, 1};
}

static void panel_from_rows(unit *panel, const float *B, size_t ldb, size_t N, size_t K)
{
	pack_across(panel, PANEL, B, ldb, N, K, panel_steps(K));
}

static void panel_from_columns(unit *panel, const float *B, size_t ldb, size_t N, size_t K)
{
	pack_along_transposed(panel, PANEL, B, ldb, N, K, panel_steps(K));
}

/* Tile registers belong to the thread: eight tiles of 16 x 64 bytes, set once. */
static void configure_thread(void)
{
	static _Thread_local bool done;
	struct {
		uint8_t palette, start_row, reserved[14];
		uint16_t bytes[16];
		uint8_t rows[16];
	} config = {.palette = 1};

	_Static_assert(sizeof config == 64, "the layout that LDTILECFG reads");
	if (done)
		return;
	for (int i = 0; i < 8; i++)
		config.bytes[i] = 64, config.rows[i] = 16;
	_tile_loadconfig(&config);
	done = true;
}

/* Tiles 0..3 are the sums (0 1 over 2 3), 4 5 the left side, 6 7 the right one. low, right: whether the block has more
 * than 16 rows, columns. A bias is a start whose rows are 0 bytes apart. */
HR_INLINE void start_sums(const struct result *c, bool low, bool right)
{
	const float *start = c->start;
	const size_t bytes = c->start_ld * sizeof *start;

	if (start == NULL) {
		_tile_zero(0);
		_tile_zero(1);
		_tile_zero(2);
		_tile_zero(3);
		return;
	}
	_tile_loadd(0, start, bytes);
	if (right)
		_tile_loadd(1, start + 16, bytes);
	if (low)
		_tile_loadd(2, start + 16 * c->start_ld, bytes);
	if (low && right)
		_tile_loadd(3, start + 16 * c->start_ld + 16, bytes);
}

HR_INLINE void store_sums(const struct result *c, bool low, bool right)
{
	const size_t bytes = c->ldc * sizeof *c->C;

	_tile_stored(0, c->C, bytes);
	if (right)
		_tile_stored(1, c->C + 16, bytes);
	if (low)
		_tile_stored(2, c->C + 16 * c->ldc, bytes);
	if (low && right)
		_tile_stored(3, c->C + 16 * c->ldc + 16, bytes);
}

static void multiply_32x32(const struct result *c, const unit *a, size_t a_row, const unit *b, size_t steps, bool low,
                           bool right)
{
	const size_t a_bytes = a_row * sizeof *a, b_bytes = PANEL * sizeof *b;

	start_sums(c, low, right);
	for (size_t s = 0; s < steps; s += 16) {
		_tile_loadd(4, a + s, a_bytes);
		_tile_loadd(6, b + s * PANEL, b_bytes);
		_tile_dpbf16ps(0, 4, 6);
		if (right) {
			_tile_loadd(7, b + s * PANEL + 16, b_bytes);
			_tile_dpbf16ps(1, 4, 7);
		}
		if (low) {
			_tile_loadd(5, a + 16 * a_row + s, a_bytes);
			_tile_dpbf16ps(2, 5, 6);
		}
		if (low && right)
			_tile_dpbf16ps(3, 5, 7);
	}
	store_sums(c, low, right);
}

static void copy_block(float *to, size_t to_ld, const float *from, size_t from_ld, size_t rows, size_t cols)
{
	for (size_t r = 0; r < rows; r++)
		for (size_t c = 0; c < cols; c += 16)
			v_store_upto(to + r * to_ld + c, cols - c, v_load_upto(from + r * from_ld + c, cols - c));
}

/* By way of a block of its own: C has fewer rows or columns than whole tiles. */
static void multiply_corner(const struct result *c, const unit *a, size_t a_row, const unit *b, size_t rows,
                            size_t cols, size_t steps)
{
	float block[32 * 32] __attribute__((aligned(64))) = {0};
	const struct result there = into(block, 32, /* add */ c->start != NULL);

	if (c->start != NULL)
		copy_block(block, 32, c->start, c->start_ld, rows, cols);
	multiply_32x32(&there, a, a_row, b, steps, rows > 16, cols > 16);
	copy_block(c->C, c->ldc, block, 32, rows, cols);
}

static void multiply_block(const struct result *c, const struct left *a, const struct right *b, size_t M, size_t N,
                           size_t steps)
{
	configure_thread();
	for (size_t m = 0; m < M; m += 32) {
		for (size_t n = 0; n < N; n += 32) {
			const size_t rows = min_size(M - m, 32), cols = min_size(N - n, 32);
			const struct result part = result_at(*c, m, n);

			if (rows % 16 == 0 && cols % 16 == 0)
				multiply_32x32(&part, a->at + m * a->row, a->row, b->at + n, steps, rows > 16,
				               cols > 16);
			else
				multiply_corner(&part, a->at + m * a->row, a->row, b->at + n, rows, cols, steps);
		}
	}
}

#include "model/kernels_gemm.h"

static struct hr_kernels table;

static void fill_table(void)
{
	table = *hr_kernels_avx512();
	table.name = "amx";
	HR_SET_PRODUCTS(table);
	table.coarse = hr_kernels_bf16()->coarse;
}

#ifdef __clang__
#pragma clang attribute pop
#endif

bool hr_kernels_amx_allowed(void)
{
	enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 }; /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */
	const unsigned needed = 1u << 22 | 1u << 24;          /* AMX-BF16, AMX-TILE */
	unsigned a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & needed) == needed &&
	       syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

const struct hr_kernels *hr_kernels_amx(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, fill_table);
	return &table;
}
#endif
