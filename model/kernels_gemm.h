/* model/kernels_gemm.h - the table's matrix products, over what a set gives: how it lays out both sides, and how it
 * multiplies a block of rows by a panel.
 *
 * The right side lies in panels of PANEL columns, one step of K after the other; the left side is read in place or laid
 * out a block of rows at a time. Neither the size of a block nor the number of rows beside it shows in the result.
 *
 * Defined before this file: what kernels_tile.h defines, and panel_steps(), left_block(), panel_from_rows(),
 * panel_from_columns(), multiply_block().
 */
#ifndef HR_MODEL_KERNELS_GEMM_H
#define HR_MODEL_KERNELS_GEMM_H

#define STEPS_BLOCK ((size_t)8192 / PANEL) /* x PANEL x 4 bytes: a panel's part stays in a first-level cache */

static size_t panels_units(size_t N, size_t K) { return (N + PANEL - 1) / PANEL * PANEL * panel_steps(K); }

/* C (M, N) = start + A (M, K) times panels; work holds the left side's block. */
static void multiply(struct result c, const struct left_source *a, const unit *panels, size_t M, size_t N, size_t K,
                     unit *work)
{
	const size_t steps = panel_steps(K);

	for (size_t m = 0; m < M; m += ROWS_BLOCK) {
		const size_t rows = min_size(M - m, ROWS_BLOCK);
		const struct left left = left_block(a, m, rows, K, work);

		for (size_t n = 0; n < N; n += PANEL) {
			struct result part = result_at(c, m, n);
			for (size_t s = 0; s == 0 || s < steps; s += STEPS_BLOCK) {
				const struct left a_part = {left.at + s * left.step, left.row, left.step};
				const struct right b_part = {panels + n * steps + s * PANEL, PANEL};
				multiply_block(&part, &a_part, &b_part, rows, min_size(N - n, PANEL),
				               min_size(steps - s, STEPS_BLOCK));
				part = into(part.C, part.ldc, /* add */ true);
			}
		}
	}
}

static void fill_panels_from_rows(unit *panels, const float *B, size_t ldb, size_t N, size_t K)
{
	for (size_t n = 0; n < N; n += PANEL)
		panel_from_rows(panels + n * panel_steps(K), B + n, ldb, min_size(N - n, PANEL), K);
}

static void fill_panels_from_columns(unit *panels, const float *B, size_t ldb, size_t N, size_t K)
{
	for (size_t n = 0; n < N; n += PANEL)
		panel_from_columns(panels + n * panel_steps(K), B + n * ldb, ldb, min_size(N - n, PANEL), K);
}

static void gemm_nn(float *C, size_t ldc, const float *A, size_t lda, const float *B, size_t ldb, size_t M, size_t N,
                    size_t K, bool add, float *scratch)
{
	const struct left_source a = {A, lda, /* by_columns */ false};
	unit *panels = (unit *)scratch;

	fill_panels_from_rows(panels, B, ldb, N, K);
	multiply(into(C, ldc, add), &a, panels, M, N, K, panels + panels_units(N, K));
}

static void gemm_nt(float *C, size_t ldc, const float *A, size_t lda, const float *B, size_t ldb, size_t M, size_t N,
                    size_t K, bool add, float *scratch)
{
	const struct left_source a = {A, lda, /* by_columns */ false};
	unit *panels = (unit *)scratch;

	fill_panels_from_columns(panels, B, ldb, N, K);
	multiply(into(C, ldc, add), &a, panels, M, N, K, panels + panels_units(N, K));
}

static void gemm_tn(float *C, size_t ldc, const float *A, size_t lda, const float *B, size_t ldb, size_t M, size_t N,
                    size_t K, bool add, float *scratch)
{
	const struct left_source a = {A, lda, /* by_columns */ true};
	unit *panels = (unit *)scratch;

	fill_panels_from_rows(panels, B, ldb, N, K);
	multiply(into(C, ldc, add), &a, panels, M, N, K, panels + panels_units(N, K));
}

/* ---- dense layers: the weights' panels are laid out once per change, the forward ones first ---- */

static size_t packed_bytes(size_t in, size_t out)
{
	return (panels_units(out, in) + panels_units(in, out)) * sizeof(unit);
}

static void pack(struct hr_linear *l)
{
	unit *forward = l->packed;

	fill_panels_from_rows(forward, l->w, l->out, l->out, l->in);
	fill_panels_from_columns(forward + panels_units(l->out, l->in), l->w, l->out, l->in, l->out);
}

static void linear(float *y, const float *x, const struct hr_linear *l, size_t P, float *scratch)
{
	const struct result c = {y, l->out, l->b, /* the same row for all */ 0};
	const struct left_source a = {x, l->in, /* by_columns */ false};

	multiply(c, &a, l->packed, P, l->out, l->in, (unit *)scratch);
}

static void linear_from(float *y, const float *x, const struct hr_linear *l, size_t from, size_t P, float *scratch)
{
	const size_t column = from / PANEL * PANEL;
	const struct result c = {y + column, l->out, l->b != NULL ? l->b + column : NULL, 0};
	const struct left_source a = {x, l->in, /* by_columns */ false};
	const unit *panels = (const unit *)l->packed + column * panel_steps(l->in);

	multiply(c, &a, panels, P, l->out - column, l->in, (unit *)scratch);
}

static void linear_dx(float *dx, const float *dy, const struct hr_linear *l, size_t P, bool add, float *scratch)
{
	const struct left_source a = {dy, l->out, /* by_columns */ false};
	const unit *panels = (const unit *)l->packed + panels_units(l->out, l->in);

	multiply(into(dx, l->in, add), &a, panels, P, l->in, l->out, (unit *)scratch);
}

/* Columns c..c + 63 of x (P, D), each a chain from the first row to the last; four of them side by side hide the adds'
 * time. */
static void add_rows_64(float *sum, const float *x, size_t P, size_t D)
{
	v16 total[4];

	HR_EACH_4(v, total[v] = v_load(sum + 16 * v);)
	for (size_t p = 0; p < P; p++) {
		HR_EACH_4(v, total[v] = v_add(total[v], v_load(x + p * D + 16 * v));)
	}
	HR_EACH_4(v, v_store(sum + 16 * v, total[v]);)
}

static void add_rows(float *sum, const float *x, size_t P, size_t D)
{
	size_t c = 0;

	for (; c + 64 <= D; c += 64)
		add_rows_64(sum + c, x + c, P, D);
	for (; c < D; c += 16) {
		v16 total = v_load_upto(sum + c, D - c);
		for (size_t p = 0; p < P; p++)
			total = v_add(total, v_load_upto(x + p * D + c, D - c));
		v_store_upto(sum + c, D - c, total);
	}
}

static void linear_dw(float *dw, float *db, const float *x, const float *dy, size_t in, size_t out, size_t P,
                      float *scratch)
{
	gemm_tn(dw, out, x, in, dy, out, in, out, P, /* add */ true, scratch);
	if (db != NULL)
		add_rows(db, dy, P, out);
}

#define HR_SET_PRODUCTS(table) \
	((table).packed_bytes = packed_bytes, (table).pack = pack, (table).linear = linear, \
	 (table).linear_from = linear_from, (table).linear_dx = linear_dx, (table).linear_dw = linear_dw, \
	 (table).gemm_nn = gemm_nn, (table).gemm_nt = gemm_nt, (table).gemm_tn = gemm_tn)

#endif
