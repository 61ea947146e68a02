#include "daemon/config_priv.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/base.h"

#define HR_FLAG_0 0
#define HR_FLAG_T HR_SETTING_TRAINING
#define HR_FLAG_R HR_SETTING_REQUIRED

const struct hr_setting hr_settings[HR_SETTING_COUNT] = {
#define ROW(member, key_, type_, initial_, min_, max_, flags_, words_, help_) \
	{.key = key_, .initial = initial_, .words = words_, .help = help_, .min = min_, .max = max_, \
	 .offset = offsetof(struct hr_config, member), .type = HR_TYPE_##type_, .flags = HR_FLAG_##flags_},
        HR_SETTINGS(ROW)
#undef ROW
};

static char *copy(const char *text)
{
	const size_t bytes = strlen(text) + 1;

	return memcpy(hr_alloc(bytes, 1), text, bytes);
}

static void *member_of(const struct hr_setting *row, struct hr_config *c) { return (char *)c + row->offset; }

void hr_config_init(struct hr_config *c)
{
	struct hr_error err;

	memset(c, 0, sizeof *c);
	for (size_t i = 0; i < HR_SETTING_COUNT; i++) {
		const struct hr_setting *row = &hr_settings[i];

		if (row->type != HR_TYPE_LIST)
			HR_ASSERT(hr_setting_parse(row, member_of(row, c), row->initial, &err));
	}
}

static void free_list(struct hr_strings *list)
{
	for (size_t i = 0; i < list->count; i++)
		hr_free(list->p[i]);
	hr_free(list->p);
}

void hr_config_fini(struct hr_config *c)
{
	for (size_t i = 0; i < HR_SETTING_COUNT; i++) {
		if (hr_settings[i].type == HR_TYPE_STRING)
			hr_free(*(char **)member_of(&hr_settings[i], c));
		else if (hr_settings[i].type == HR_TYPE_LIST)
			free_list(member_of(&hr_settings[i], c));
		hr_free(c->where[i]);
	}
	memset(c, 0, sizeof *c);
}

/* A key one level below a list's key is one of its properties. */
static bool property_of(const struct hr_setting *row, const char *key)
{
	const size_t len = strlen(row->key);

	return row->type == HR_TYPE_LIST && strncmp(row->key, key, len) == 0 && key[len] == '.' && key[len + 1] != '\0';
}

static size_t find_setting(const char *key)
{
	size_t i = 0;

	while (i < HR_SETTING_COUNT && strcmp(hr_settings[i].key, key) != 0 && !property_of(&hr_settings[i], key))
		i++;
	return i;
}

static bool unknown(const char *key, struct hr_error *err)
{
	const char *near = hr_config_nearest(key);

	if (hr_config_is_section(key))
		return hr_fail(err, HR_E_CONFIG, "%s is a section; its settings stand below it", key);
	if (near == NULL)
		return hr_fail(err, HR_E_CONFIG, "%.200s: no such setting", key);
	return hr_fail(err, HR_E_CONFIG, "%.200s: no such setting; did you mean %s?", key, near);
}

static bool parse_setting(const struct hr_setting *row, struct hr_config *c, const char *key, const char *text,
                          struct hr_error *err)
{
	if (!property_of(row, key))
		return hr_setting_parse(row, member_of(row, c), text, err);
	struct hr_buf pair = {0};
	const char *name = key + strlen(row->key) + 1;

	hr_buf_bytes(&pair, name, strlen(name));
	hr_buf_u8(&pair, '=');
	hr_buf_bytes(&pair, text, strlen(text) + 1);
	const bool ok = hr_setting_parse(row, member_of(row, c), (const char *)pair.p, err);
	hr_buf_fini(&pair);
	return ok;
}

bool hr_config_put(struct hr_config *c, const char *key, const char *text, enum hr_origin origin, const char *where,
                   struct hr_error *err)
{
	const size_t i = find_setting(key);

	if (i == HR_SETTING_COUNT) {
		(void)unknown(key, err);
		return hr_context(err, "%s", where);
	}
	if (!parse_setting(&hr_settings[i], c, key, text, err)) {
		(void)hr_context(err, "%.200s", key);
		return hr_context(err, "%s", where);
	}
	c->origin[i] = origin;
	hr_free(c->where[i]);
	c->where[i] = copy(where);
	return true;
}

bool hr_config_set(struct hr_config *c, const char *key, const char *value, enum hr_origin origin, struct hr_error *err)
{
	return hr_config_put(c, key, value, origin, origin == HR_FROM_FLAG ? "--set" : "set", err);
}

bool hr_config_assign(struct hr_config *c, const char *text, enum hr_origin origin, struct hr_error *err)
{
	const size_t len = strcspn(text, "=");
	char key[256];

	if (text[len] == '\0' || len == 0 || len >= sizeof key)
		return hr_fail(err, HR_E_CONFIG, "--set: \"%.200s\" is not key=value", text);
	memcpy(key, text, len);
	key[len] = '\0';
	return hr_config_set(c, key, text + len + 1, origin, err);
}

/* HEADRACE__MODEL__WIDTH -> model.width; false when it does not fit. */
static bool env_key(const char *name, size_t len, char *key, size_t key_bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (n + 1 >= key_bytes)
			return false;
		if (name[i] == '_' && i + 1 < len && name[i + 1] == '_') {
			key[n++] = '.';
			i++;
		} else {
			key[n++] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
		}
	}
	key[n] = '\0';
	return n != 0;
}

bool hr_config_env(struct hr_config *c, struct hr_error *err)
{
	static const char prefix[] = "HEADRACE__";

	for (char **e = environ; e != NULL && *e != NULL; e++) {
		const size_t len = strcspn(*e, "=");
		char key[256], where[320];

		if (strncasecmp(*e, prefix, sizeof prefix - 1) != 0 || (*e)[len] == '\0')
			continue;
		(void)snprintf(where, sizeof where, "environment %.*s", (int)(len < 256 ? len : 256), *e);
		if (!env_key(*e + sizeof prefix - 1, len - (sizeof prefix - 1), key, sizeof key))
			return hr_fail(err, HR_E_CONFIG, "%s: the name holds no setting", where);
		if (!hr_config_put(c, key, *e + len + 1, HR_FROM_ENV, where, err))
			return false;
	}
	return true;
}

bool hr_config_load(struct hr_config *c, const char *path, const char *const *sets, size_t set_count, struct hr_error *err)
{
	if (path != NULL && !hr_config_file(c, path, err))
		return false;
	if (!hr_config_env(c, err))
		return false;
	for (size_t i = 0; i < set_count; i++) {
		if (!hr_config_assign(c, sets[i], HR_FROM_FLAG, err))
			return false;
	}
	return hr_config_check(c, err);
}

static uint32_t worker_count(uint32_t workers)
{
	const long online = sysconf(_SC_NPROCESSORS_ONLN);

	return workers != 0 ? workers : online > 0 ? (uint32_t)online : 1;
}

void hr_config_model(const struct hr_config *c, struct hr_model_config *ret_model)
{
	*ret_model = (struct hr_model_config){
		.width = c->model_width,
		.heads = c->model_heads,
		.blocks = c->model_blocks,
		.window = c->history_length,
		.dropout = c->model_dropout,
		.time_gaps = c->model_time_gaps,
		.next_item = c->model_next_item,
		.before_after = c->model_before_after,
		.views = c->model_views,
		.masked_item = c->model_masked_item,
		.triplet = c->model_triplet,
		.negatives = c->model_negatives,
		.full_softmax_below = c->model_full_softmax_below,
		.view_histories = c->model_view_histories,
		.informed_views = c->model_informed_views,
		.same_target = c->model_same_target,
		.temperature = c->model_temperature,
		.triplet_margin = c->model_triplet_margin,
		.rate = c->model_rate,
		.item_rate = c->model_item_rate,
		.weight_decay = c->model_weight_decay,
		.clip = c->model_clip,
		.slow_share = c->model_slow_share,
		.slow_every = c->model_slow_every,
		.rules_kept = c->model_rules_kept,
		.popularity_half_life_days = (double)c->model_popularity_half_life / HR_MS_DAY,
		.evaluate_share = c->evaluate_share,
		.evaluate_window = c->evaluate_window,
		.mix_rate = c->recommend_mix_rate,
		.repeats = c->recommend_repeats,
		.seed = c->model_seed,
		.workers = worker_count(c->train_workers),
	};
}

void hr_config_training(const struct hr_config *c, char *out, size_t out_bytes)
{
	struct hr_buf text = {0};

	for (size_t i = 0; i < HR_SETTING_COUNT; i++) {
		if ((hr_settings[i].flags & HR_SETTING_TRAINING) == 0)
			continue;
		hr_buf_bytes(&text, hr_settings[i].key, strlen(hr_settings[i].key));
		hr_buf_u8(&text, '=');
		hr_setting_format(&hr_settings[i], hr_setting_member(&hr_settings[i], c), &text);
		hr_buf_u8(&text, '\n');
	}
	HR_ASSERT(text.len < out_bytes);
	memcpy(out, text.p, text.len);
	out[text.len] = '\0';
	hr_buf_fini(&text);
}
