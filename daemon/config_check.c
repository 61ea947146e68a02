/* What no single row of the table can know. */
#include "daemon/config_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/disk.h"
#include "daemon/nearest.h"
#include "serve/serve.h"
#include "stream/stream.h"

static bool check_properties(const struct hr_strings *list, struct hr_error *err)
{
	char name[128];

	for (size_t i = 0; i < list->count; i++) {
		(void)snprintf(name, sizeof name, "%.*s", (int)strcspn(list->p[i], "="), list->p[i]);
		const char *why = hr_kafka_refused(name);
		if (why != NULL)
			return hr_fail(err, HR_E_CONFIG, "kafka.properties: %s can not be set: %s", name, why);
	}
	return true;
}

static bool check_http(const struct hr_config *c, struct hr_error *err)
{
	return !c->http_enabled || hr_server_address(c->http_address, err) || hr_context(err, "http.address");
}

static bool check_topics(const struct hr_config *c, struct hr_error *err)
{
	const char *const in[] = {c->events_topic, c->items_topic}, *const out[] = {c->output_items_topic, c->output_users_topic};

	for (size_t i = 0; i < 4; i++) {
		if (strcmp(in[i / 2], out[i % 2]) == 0)
			return hr_fail(err, HR_E_CONFIG, "topic %s is both read and written", in[i / 2]);
	}
	return strcmp(in[0], in[1]) != 0 ||
	       hr_fail(err, HR_E_CONFIG, "events.topic and items.topic are both %s", in[0]);
}

static bool check_training(const struct hr_config *c, struct hr_error *err)
{
	struct hr_model_config model;

	hr_config_model(c, &model);
	if (!hr_model_config_check(&model, err))
		return hr_context(err, "model");
	return c->train_window >= c->train_every ||
	       hr_fail(err, HR_E_CONFIG, "train.window: %u is below train.every %u: some events would never be trained on",
	               c->train_window, c->train_every);
}

/* One number or range of "0,4-7"; *at moves behind it. */
static bool parse_range(const char **at, uint64_t *ret_first, uint64_t *ret_last)
{
	char *end;

	if (**at < '0' || **at > '9')
		return false;
	*ret_first = *ret_last = strtoull(*at, &end, 10);
	if (*end == '-') {
		if (end[1] < '0' || end[1] > '9')
			return false;
		*ret_last = strtoull(end + 1, &end, 10);
	}
	*at = end + (*end == ',');
	return (*end == ',' ? end[1] != '\0' : *end == '\0') && *ret_first <= *ret_last;
}

static int ascending(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bool bad_partitions(const char *text, const char *why, struct hr_error *err)
{
	return hr_fail(err, HR_E_CONFIG, "events.partitions: \"%.200s\" %s", text, why);
}

enum { PARTITIONS_MAX = 100000 };

static bool parse_partitions(const char *text, uint32_t limit, uint32_t **list, size_t *count, struct hr_error *err)
{
	uint64_t first, last;
	size_t cap = 0;

	for (const char *at = text; *at != '\0';) {
		if (!parse_range(&at, &first, &last))
			return bad_partitions(text, "is not all, or numbers and ranges such as 0,4-7", err);
		if (last >= limit)
			return hr_fail(err, HR_E_CONFIG, "events.partitions: partition %llu is outside 0..%u", (unsigned long long)last,
			               limit - 1);
		for (; first <= last && *count <= limit; first++) {
			*list = hr_grow(*list, &cap, *count + 1, sizeof **list);
			(*list)[(*count)++] = (uint32_t)first;
		}
	}
	qsort(*list, *count, sizeof **list, ascending);
	for (size_t i = 1; i < *count; i++) {
		if ((*list)[i] == (*list)[i - 1])
			return bad_partitions(text, "names a partition twice", err);
	}
	return true;
}

bool hr_config_partitions(const struct hr_config *c, uint32_t topic_partitions, uint32_t **ret_list, size_t *ret_count,
                          struct hr_error *err)
{
	uint32_t *list = NULL;
	size_t count = 0;

	if (strcmp(c->events_partitions, "all") == 0) {
		list = hr_alloc(topic_partitions, sizeof *list);
		for (; count < topic_partitions; count++)
			list[count] = (uint32_t)count;
	} else if (!parse_partitions(c->events_partitions, topic_partitions, &list, &count, err)) {
		hr_free(list);
		return false;
	}
	*ret_list = list;
	*ret_count = count;
	return true;
}

static bool check_partitions(const struct hr_config *c, struct hr_error *err)
{
	uint32_t *list = NULL;
	size_t count;

	if (strcmp(c->events_partitions, "all") == 0)
		return true;
	const bool ok = hr_config_partitions(c, PARTITIONS_MAX, &list, &count, err);
	if (ok)
		hr_free(list);
	return ok;
}

bool hr_config_check(const struct hr_config *c, struct hr_error *err)
{
	if (c->state_dir[0] == '\0')
		return hr_fail(err, HR_E_CONFIG, "state.dir: not set; the state needs a directory");
	return check_topics(c, err) && check_training(c, err) && check_properties(&c->kafka_properties, err) &&
	       check_partitions(c, err) && check_http(c, err);
}

bool hr_config_disk(const struct hr_config *c, struct hr_error *err)
{
	const uint64_t free_bytes = hr_disk_free(c->state_dir);

	if (free_bytes == UINT64_MAX)
		return hr_fail(err, HR_E_IO, "state.dir: could not ask for free space at %s: %s", c->state_dir, strerror(errno));
	return free_bytes >= c->state_free_min ||
	       hr_fail(err, HR_E_IO, "state.dir: %llu MiB free at %s, state.free_min is %llu MiB",
	               (unsigned long long)(free_bytes >> 20), c->state_dir, (unsigned long long)(c->state_free_min >> 20));
}

bool hr_config_is_section(const char *name)
{
	const size_t len = strlen(name);

	for (size_t i = 0; i < HR_SETTING_COUNT; i++) {
		if (strncmp(hr_settings[i].key, name, len) == 0 && hr_settings[i].key[len] == '.')
			return true;
	}
	return false;
}

const char *hr_config_nearest(const char *key)
{
	struct hr_nearest nearest = hr_nearest_to(key);

	for (size_t i = 0; i < HR_SETTING_COUNT; i++) {
		if (strcmp(strrchr(hr_settings[i].key, '.') + 1, key) == 0) /* the section was left out */
			return hr_settings[i].key;
		hr_nearest_offer(&nearest, hr_settings[i].key);
	}
	return nearest.best;
}
