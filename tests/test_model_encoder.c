/* tests/test_model_encoder.c - the encoder's backward against central differences, for every parameter and every input. */
#include "model/encoder.h"
#include "tests/test_model.h"

/* Sequences of unequal lengths over ROWS vectors; D = 16, H = 2. */
enum { D = 16, H = 2, L = 7, BLOCKS = 2, POSITIONS = 12, ROWS = 9 };

struct fixture {
	struct hr_encoder e;
	struct hr_run run;
	float *w, *grad;
	float unit[ROWS * D], weight[POSITIONS * D], hidden[POSITIONS * D], dunit[POSITIONS * D];
	float *tape, *scratch;
	uint32_t start[4], row[POSITIONS];
	int64_t time_ms[POSITIONS], ask_ms[POSITIONS];
	uint8_t kind[POSITIONS];
};

static void fill(float *x, size_t n, uint64_t seed)
{
	struct hr_rng rng = hr_rng_stream(seed, 5, 5);

	for (size_t i = 0; i < n; i++)
		x[i] = (float)(2 * hr_rng_unit(&rng) - 1);
}

static void make_run(struct fixture *f)
{
	struct hr_rng rng = hr_rng_stream(3, 1, 4);
	static const uint32_t start[4] = {0, 1, 5, 12};

	memcpy(f->start, start, sizeof start);
	for (size_t p = 0; p < POSITIONS; p++) {
		f->row[p] = hr_rng_below(&rng, ROWS);
		f->kind[p] = (uint8_t)hr_rng_below(&rng, HR_KIND_COUNT);
		f->time_ms[p] = (int64_t)p * 7200000;
		f->ask_ms[p] = f->time_ms[p] + (int64_t)(hr_rng_below(&rng, 1000) * hr_rng_below(&rng, 40000));
	}
	f->row[3] = HR_NONE;
	f->row[8] = HR_ROW_MASK;
	f->run = (struct hr_run){.sequences = 3, .positions = POSITIONS, .start = f->start, .row = f->row,
	                         .time_ms = f->time_ms, .ask_ms = f->ask_ms, .kind = f->kind, .unit = f->unit,
	                         .dropout = 0.3f, .key = 99, .position_at = 16, .pair_at = 100};
}

/* Weights large enough that every part matters; start values of zero would hide a missing gradient. */
static void make_encoder(struct fixture *f)
{
	const struct hr_shape shape = {.D = D, .H = H, .blocks = BLOCKS, .L = L};
	struct hr_layout at;

	hr_layout_init(&at, &shape);
	f->w = hr_alloc(at.floats, sizeof *f->w);
	f->grad = hr_alloc(at.floats, sizeof *f->grad);
	hr_weights_start(f->w, &at, 1);
	float *noise = hr_alloc(at.floats, sizeof *noise);
	fill(noise, at.floats, 8);
	for (size_t i = 0; i < at.floats; i++)
		f->w[i] += 0.2f * noise[i];
	hr_free(noise);
	hr_encoder_init(&f->e, hr_kernels_reference(), &at, f->w);
	f->tape = hr_alloc(hr_tape_floats(&at, POSITIONS, hr_run_pairs(&f->run)), sizeof *f->tape);
	f->scratch = hr_alloc(hr_encoder_scratch_floats(&at, POSITIONS, L), sizeof *f->scratch);
}

static int set_up(void **state)
{
	struct fixture *f = hr_alloc(1, sizeof *f);

	fill(f->unit, ROWS * D, 1);
	fill(f->weight, POSITIONS * D, 2);
	make_run(f);
	make_encoder(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	hr_encoder_fini(&f->e);
	hr_free(f->w);
	hr_free(f->grad);
	hr_free(f->tape);
	hr_free(f->scratch);
	hr_free(f);
	return 0;
}

/* A loss that weighs every hidden number differently. */
static double loss(struct fixture *f)
{
	double sum = 0;

	hr_encoder_pack(&f->e);
	hr_encoder_forward(&f->e, &f->run, f->hidden, f->tape, f->scratch);
	for (size_t i = 0; i < POSITIONS * D; i++)
		sum += (double)f->weight[i] * (double)f->hidden[i];
	return sum;
}

static void backward(struct fixture *f)
{
	float dhidden[POSITIONS * D];

	(void)loss(f);
	memset(f->grad, 0, f->e.at.floats * sizeof *f->grad);
	memcpy(dhidden, f->weight, sizeof dhidden);
	hr_encoder_backward(&f->e, &f->run, dhidden, f->dunit, f->grad, f->tape, f->scratch);
}

static double slope(struct fixture *f, float *x)
{
	const float keep = *x, h = 4e-3f;

	*x = keep + h;
	const double up = loss(f);
	*x = keep - h;
	const double down = loss(f);
	*x = keep;
	return (up - down) / (2 * (double)h);
}

static void check_piece(struct fixture *f, const char *name, size_t at, size_t n)
{
	double largest = 0;

	for (size_t i = 0; i < n; i++) {
		assert_close((double)f->grad[at + i], slope(f, f->w + at + i), 3e-3, name, i);
		largest = fmax(largest, fabs((double)f->grad[at + i]));
	}
	if (largest < 1e-3)
		fail_msg("%s: no gradient", name);
}

static void every_matrix_matches_finite_differences(void **state)
{
	struct fixture *f = *state;

	backward(f);
	for (size_t l = 0; l < BLOCKS; l++) {
		const struct hr_block_at *b = &f->e.at.block[l];
		check_piece(f, "qkv_w", b->qkv_w, D * 3 * D);
		check_piece(f, "out_w", b->out_w, D * D);
		check_piece(f, "up_w", b->up_w, D * HR_UP * D);
		check_piece(f, "down_w", b->down_w, HR_UP * D * D);
	}
}

static void every_vector_matches_finite_differences(void **state)
{
	struct fixture *f = *state;

	backward(f);
	for (size_t l = 0; l < BLOCKS; l++) {
		const struct hr_block_at *b = &f->e.at.block[l];
		check_piece(f, "norm1_g", b->norm1_g, D);
		check_piece(f, "norm1_b", b->norm1_b, D);
		check_piece(f, "qkv_b", b->qkv_b, 3 * D);
		check_piece(f, "out_b", b->out_b, D);
		check_piece(f, "norm2_g", b->norm2_g, D);
		check_piece(f, "norm2_b", b->norm2_b, D);
		check_piece(f, "up_b", b->up_b, HR_UP * D);
		check_piece(f, "down_b", b->down_b, D);
	}
	check_piece(f, "norm_g", f->e.at.norm_g, D);
	check_piece(f, "norm_b", f->e.at.norm_b, D);
}

static void biases_and_added_inputs_match_finite_differences(void **state)
{
	struct fixture *f = *state;

	backward(f);
	check_piece(f, "distance", f->e.at.distance, L * H);
	check_piece(f, "gap_bias", f->e.at.gap_bias, HR_GAPS * H);
	check_piece(f, "gap", f->e.at.gap, HR_GAPS * D);
	check_piece(f, "kind", f->e.at.kind, HR_KIND_COUNT * D);
	check_piece(f, "mask", f->e.at.mask, D);
}

static void unit_rows_match_finite_differences(void **state)
{
	struct fixture *f = *state;
	float drow[ROWS * D] = {0};

	backward(f);
	for (size_t p = 0; p < POSITIONS; p++)
		for (size_t c = 0; c < D && f->row[p] < ROWS; c++)
			drow[f->row[p] * D + c] += f->dunit[p * D + c];
	for (size_t i = 0; i < ROWS * D; i++)
		assert_close((double)drow[i], slope(f, f->unit + i), 3e-3, "unit", i);
}

/* ---- what it may look at ---- */

static void a_position_sees_nothing_behind_it(void **state)
{
	struct fixture *f = *state;
	float before[POSITIONS * D];

	(void)loss(f);
	memcpy(before, f->hidden, sizeof before);
	f->row[11] = (f->row[11] + 1) % ROWS; /* the last of the last sequence */
	f->kind[11] = (uint8_t)((f->kind[11] + 1) % HR_KIND_COUNT);
	(void)loss(f);
	assert_memory_equal(before, f->hidden, 11 * D * sizeof(float));
	assert_true(memcmp(before + 11 * D, f->hidden + 11 * D, D * sizeof(float)) != 0);
}

static void a_sequence_is_the_same_beside_others_and_alone(void **state)
{
	struct fixture *f = *state;
	float together[POSITIONS * D], alone[7 * D];
	struct hr_run run = f->run;

	f->run.dropout = 0;
	(void)loss(f);
	memcpy(together, f->hidden, sizeof together);
	run.dropout = 0;
	run.sequences = 1;
	run.positions = 7;
	run.start += 2;
	run.row += 5;
	run.time_ms += 5;
	run.ask_ms += 5;
	run.kind += 5;
	hr_encoder_forward(&f->e, &run, alone, f->tape, f->scratch);
	for (size_t i = 0; i < 7 * D; i++)
		assert_close((double)alone[i], (double)together[5 * D + i], 1e-5, "hidden", i);
}

/* What a query is answered with, beside what training computes for the same history. */
static void assert_last_is_forward_s(const struct hr_kernels *k, const struct hr_shape *shape, const struct fixture *f, size_t T)
{
	static float unit[ROWS * 64];
	const uint32_t start[2] = {7, 7 + (uint32_t)T};
	const struct hr_run run = {.sequences = 1, .positions = T, .start = start, .row = f->row, .time_ms = f->time_ms,
	                     .ask_ms = f->ask_ms, .kind = f->kind, .unit = unit};
	struct hr_layout at;
	struct hr_encoder e;

	hr_layout_init(&at, shape);
	HR_AUTO(hr_auto_free) float *w = hr_alloc(at.floats, sizeof *w), *all = hr_alloc(T * shape->D, sizeof *all);
	HR_AUTO(hr_auto_free) float *tape = hr_alloc(hr_tape_floats(&at, T, T * T), sizeof *tape);
	HR_AUTO(hr_auto_free) float *scratch = hr_alloc(hr_encoder_scratch_floats(&at, T, T), sizeof *scratch);
	HR_AUTO(hr_auto_free) float *less = hr_alloc(hr_encoder_last_floats(&at, T), sizeof *less);
	HR_AUTO(hr_auto_free) float *last = hr_alloc(shape->D, sizeof *last);
	fill(unit, ROWS * 64, 4);
	fill(w, at.floats, 8);
	hr_encoder_init(&e, k, &at, w);
	hr_encoder_forward(&e, &run, all, tape, scratch);
	hr_encoder_last(&e, &run, last, less);
	const float *want = all + (T - 1) * shape->D;
	for (size_t c = 0; c < shape->D; c++)
		assert_close((double)last[c], (double)want[c], 1e-5, k->name, c);
	if (strcmp(k->name, "reference") != 0)
		assert_memory_equal(last, want, shape->D * sizeof *last);
	hr_encoder_fini(&e);
}

static void the_last_position_alone_has_the_bits_of_all_in_every_set(void **state)
{
	static const struct hr_shape shapes[] = {{.D = 16, .H = 1, .blocks = 1, .L = POSITIONS},
	                                         {.D = 48, .H = 3, .blocks = 2, .L = POSITIONS},
	                                         {.D = 64, .H = 2, .blocks = 3, .L = POSITIONS}};

	for (const char *const *name = hr_kernels_available(); *name != NULL; name++) {
		const struct hr_kernels *k = NULL;
		struct hr_error err;
		assert_true(hr_kernels_choose(*name, &k, &err));
		for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
			for (size_t T = 1; T <= POSITIONS; T++)
				assert_last_is_forward_s(k, &shapes[s], *state, T);
	}
}

static void encode_reads_the_end_and_ignores_rows_it_does_not_know(void **state)
{
	struct fixture *f = *state;
	struct hr_batch b = {0};
	struct hr_encode_memory m = {0};
	float out[3 * D], want[D], inv;

	hr_batch_begin(&b, 0); /* longer than the window: only the last 7 are read */
	for (size_t p = 0; p < 4; p++)
		hr_batch_add(&b, ROWS - 1, 0, 1, 0, HR_NONE, 0);
	for (size_t p = 5; p < 12; p++)
		hr_batch_add(&b, f->row[p] < ROWS ? f->row[p] : 0, f->time_ms[p], f->kind[p], f->ask_ms[p], HR_NONE, 0);
	hr_batch_begin(&b, 0);
	hr_batch_add(&b, ROWS + 5, 0, 1, 10, HR_NONE, 0);
	hr_batch_begin(&b, 0);
	for (size_t p = 5; p < 12; p++)
		hr_batch_add(&b, f->row[p] < ROWS ? f->row[p] : 0, f->time_ms[p], f->kind[p], f->ask_ms[p], HR_NONE, 0);
	hr_encode(&f->e, &b, f->unit, ROWS, out, &m);
	for (size_t c = 0; c < D; c++)
		assert_close((double)out[c], (double)out[2 * D + c], 1e-6, "end of a long history", c);

	f->row[8] = 0; /* no mask, no unknown row in the last sequence */
	f->run.dropout = 0;
	(void)loss(f);
	f->e.k->unit(want, &inv, f->hidden + 11 * D, 1, D);
	for (size_t c = 0; c < D; c++)
		assert_close((double)out[c], (double)want[c], 1e-5, "last position", c);
	double length = 0;
	for (size_t c = 0; c < D; c++)
		length += (double)out[D + c] * (double)out[D + c];
	assert_close(length, 1, 1e-5, "length with an unknown item", 0);
	hr_batch_fini(&b);
	hr_encode_memory_fini(&m);
}

/* ---- time ---- */

static void gap_buckets_have_the_edges_of_the_recipe(void **state)
{
	static const struct {
		int64_t gap_ms;
		uint8_t bucket;
	} want[] = {{-5, 1}, {0, 1}, {59999, 1}, {60000, 2}, {300000, 3}, {1800000, 4}, {7200000, 5}, {28800000, 6},
	            {DAY_MS - 1, 6}, {DAY_MS, 7}, {2 * DAY_MS, 8}, {3 * DAY_MS, 8}, {4 * DAY_MS, 9}, {8 * DAY_MS, 10},
	            {15 * DAY_MS, 11}, {31 * DAY_MS, 12}, {61 * DAY_MS, 13}, {121 * DAY_MS, 14}, {241 * DAY_MS, 15},
	            {481 * DAY_MS, 16}, {INT64_MAX, 16}};

	(void)state;
	for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
		assert_int_equal(hr_gap_bucket(want[i].gap_ms, 0), want[i].bucket);
		for (uint8_t near = 1; near <= HR_GAP_EDGES; near++)
			assert_int_equal(hr_gap_range(hr_gap(want[i].gap_ms, 0), near).bucket, want[i].bucket);
	}
	assert_int_equal(hr_gap_bucket(INT64_MAX, INT64_MIN), 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_matrix_matches_finite_differences, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_vector_matches_finite_differences, set_up, tear_down),
		cmocka_unit_test_setup_teardown(biases_and_added_inputs_match_finite_differences, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unit_rows_match_finite_differences, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_position_sees_nothing_behind_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_sequence_is_the_same_beside_others_and_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_last_position_alone_has_the_bits_of_all_in_every_set, set_up, tear_down),
		cmocka_unit_test_setup_teardown(encode_reads_the_end_and_ignores_rows_it_does_not_know, set_up, tear_down),
		cmocka_unit_test(gap_buckets_have_the_edges_of_the_recipe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
