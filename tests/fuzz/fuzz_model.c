/* One record of the model's state behind one byte that chooses its class, in the place of a good one. What is accepted as a
 * whole must let events be ranked and a step be made. */
#include "tests/fuzz/fuzz.h"

#include "tests/test_model.h"

const char hr_fuzz_corpus[] = "model";

enum { ROWS = 4 };

static const enum hr_record_class classes[] = {HR_REC_PAGE, HR_REC_RULES, HR_REC_POPULARITY, HR_REC_TRAINER, HR_REC_DENSE};

static struct hr_model_config fuzz_config(void)
{
	struct hr_model_config c = small_config();

	c.window = 4;
	c.rules_kept = 8;
	c.evaluate_window = 10;
	return c;
}

/* Events are ranked and learned, a step is made, a snapshot is taken. */
static void use(struct hr_trainer *t)
{
	static const uint32_t item[2] = {0, 1};
	static const int64_t time_ms[2] = {0, 1};
	static const uint8_t kind[2] = {1, 1};
	const struct hr_observation e = {.item = 2, .kind = 1, .time_ms = 2, .history_len = 2, .history_item = item,
	                                 .history_time_ms = time_ms, .history_kind = kind};
	struct hr_batch b = {0};

	add_items(t, ROWS);
	hr_trainer_observe(t, &e, 1);
	hr_batch_begin(&b, 1);
	hr_batch_add(&b, 0, 0, 1, 1, 1, 1);
	(void)step(t, &b);
	hr_snapshot_unref(hr_trainer_snapshot(t));
	hr_batch_fini(&b);
}

static const struct records *good_state(void)
{
	static struct records r; /* lives as long as the process */
	const struct hr_model_config c = fuzz_config();

	if (r.count > 0)
		return &r;
	struct hr_trainer *t = new_trainer(&c);
	use(t);
	hr_trainer_collect(t, put_record, &r);
	hr_trainer_free(t);
	return &r;
}

static bool load_with(struct hr_trainer *t, enum hr_record_class cls, const uint8_t *bytes, size_t len, struct hr_error *err)
{
	const struct records *r = good_state();
	bool ok = true;

	for (size_t i = 0; i < r->count && ok; i++) {
		const bool swap = r->at[i].cls == cls && r->at[i].number == 0;
		ok = hr_trainer_load(t, r->at[i].cls, r->at[i].number, swap ? bytes : r->at[i].bytes.p,
		                     swap ? len : r->at[i].bytes.len, err);
	}
	return ok && hr_trainer_loaded(t, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const struct hr_model_config c = fuzz_config();
	struct hr_trainer *t = new_trainer(&c);
	struct hr_error err;

	if (len > 0) {
		if (load_with(t, classes[bytes[0] % (sizeof classes / sizeof classes[0])], bytes + 1, len - 1, &err))
			use(t);
		else
			HR_ASSERT(err.code == HR_E_FORMAT);
	}
	hr_trainer_free(t);
	return 0;
}
