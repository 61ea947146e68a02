/* model/config.c - the recipe, and the bounds of each of its numbers. */
#include "model/config.h"

#include <math.h>

struct hr_model_config hr_model_defaults(void)
{
	return (struct hr_model_config){
		.width = 64,
		.heads = 2,
		.blocks = 1,
		.window = 50,
		.time_gaps = true,
		.dropout = 0.4f,
		.next_item = 1,
		.before_after = 0.1f,
		.views = 0.1f,
		.masked_item = 0,
		.triplet = 0,
		.negatives = 2048,
		.full_softmax_below = 2048,
		.view_histories = 64,
		.informed_views = 0,
		.same_target = false,
		.temperature = 0.1f,
		.triplet_margin = 0.5f,
		.rate = 3e-3f,
		.item_rate = 0.05f,
		.weight_decay = 0,
		.clip = 4,
		.slow_share = 0.5f,
		.slow_every = 8,
		.rules_kept = 256,
		.popularity_half_life_days = 7,
		.evaluate_share = 0.1f,
		.evaluate_window = 10000,
		.mix_rate = 0.002f,
		.repeats = false,
		.seed = 1,
		.workers = 1,
	};
}

static bool whole(const char *name, uint32_t value, uint32_t low, uint32_t high, struct hr_error *err)
{
	return (value >= low && value <= high) ||
	       hr_fail(err, HR_E_CONFIG, "%s %u is not in %u..%u", name, value, low, high);
}

/* Written so that NaN is refused too. In float, where most of the values come from: (double)0.8f is above 0.8. */
static bool real(const char *name, double value, double low, double high, struct hr_error *err)
{
	return ((float)value >= (float)low && (float)value <= (float)high) ||
	       hr_fail(err, HR_E_CONFIG, "%s %g is not in %g..%g", name, value, low, high);
}

static bool check_shape(const struct hr_model_config *c, struct hr_error *err)
{
	if (!whole("width", c->width, 32, 256, err) || !whole("heads", c->heads, 1, 16, err) ||
	    !whole("blocks", c->blocks, 1, 8, err) || !whole("window", c->window, 2, 200, err) ||
	    !real("dropout", (double)c->dropout, 0, 0.8, err))
		return false;
	if (c->width % 16 != 0)
		return hr_fail(err, HR_E_CONFIG, "width %u is not a multiple of 16", c->width);
	return c->width % c->heads == 0 || hr_fail(err, HR_E_CONFIG, "heads %u do not divide width %u", c->heads, c->width);
}

static bool check_objectives(const struct hr_model_config *c, struct hr_error *err)
{
	return real("next_item", (double)c->next_item, 0, 100, err) &&
	       real("before_after", (double)c->before_after, 0, 100, err) && real("views", (double)c->views, 0, 100, err) &&
	       real("masked_item", (double)c->masked_item, 0, 100, err) && real("triplet", (double)c->triplet, 0, 100, err) &&
	       whole("negatives", c->negatives, 1, 65536, err) &&
	       whole("full_softmax_below", c->full_softmax_below, 0, 1000000, err) &&
	       whole("view_histories", c->view_histories, 0, 4096, err) &&
	       real("informed_views", (double)c->informed_views, 0, 1, err) &&
	       real("temperature", (double)c->temperature, 0.01, 10, err) &&
	       real("triplet_margin", (double)c->triplet_margin, 0, 2, err);
}

static bool check_optimiser(const struct hr_model_config *c, struct hr_error *err)
{
	return real("rate", (double)c->rate, 0, 1, err) && real("item_rate", (double)c->item_rate, 0, 10, err) &&
	       real("weight_decay", (double)c->weight_decay, 0, 1, err) && real("clip", (double)c->clip, 0, 1000, err) &&
	       real("slow_share", (double)c->slow_share, 0, 1, err) && whole("slow_every", c->slow_every, 1, 1000000, err);
}

bool hr_model_config_check(const struct hr_model_config *c, struct hr_error *err)
{
	return check_shape(c, err) && check_objectives(c, err) && check_optimiser(c, err) &&
	       whole("rules_kept", c->rules_kept, 1, 4096, err) &&
	       real("popularity_half_life_days", c->popularity_half_life_days, 0.001, 36500, err) &&
	       real("evaluate_share", (double)c->evaluate_share, 0, 1, err) &&
	       real("mix_rate", (double)c->mix_rate, 0, 1, err) &&
	       whole("evaluate_window", c->evaluate_window, 1, 10000000, err) && whole("workers", c->workers, 1, 256, err);
}
