/* Where a replay begins and ends, and whom it leaves out, as a person writes it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/rebuild_priv.h"

enum { ASK_MS = 15000 };

static bool is_offsets(const char *text) { return text[strspn(text, "0123456789")] == ':' && text[0] != ':'; }

static struct hr_position *find(struct hr_position *at, size_t count, int64_t partition)
{
	for (size_t i = 0; i < count; i++) {
		if (at[i].partition == partition)
			return &at[i];
	}
	return NULL;
}

/* One "partition:offset"; *text moves behind it and its comma. */
static bool read_offset(const char **text, int64_t *ret_partition, int64_t *ret_offset)
{
	char *end;

	if (!is_offsets(*text))
		return false;
	errno = 0;
	*ret_partition = strtoll(*text, &end, 10);
	*text = end + 1;
	*ret_offset = strtoll(*text, &end, 10);
	const bool ok = end != *text && **text != '-' && errno == 0 && (*end == '\0' || (*end == ',' && end[1] != '\0'));
	*text = end + (*end == ',');
	return ok;
}

static bool read_offsets(const char *name, const char *text, struct hr_position *at, size_t count, struct hr_error *err)
{
	int64_t partition, offset;

	for (size_t i = 0; i < count; i++)
		at[i].offset = -1;
	for (const char *rest = text; *rest != '\0';) {
		if (!read_offset(&rest, &partition, &offset))
			return hr_fail(err, HR_E_CONFIG, "%s: \"%.200s\" is not a list of partition:offset, as in 0:17,1:4", name, text);
		struct hr_position *p = find(at, count, partition);
		if (p == NULL || p->offset >= 0)
			return hr_fail(err, HR_E_CONFIG, "%s: partition %" PRId64 " is %s", name, partition,
			               p == NULL ? "not read" : "named twice");
		p->offset = offset;
	}
	for (size_t i = 0; i < count; i++) {
		if (at[i].offset < 0)
			return hr_fail(err, HR_E_CONFIG, "%s: partition %" PRId32 " is not named", name, at[i].partition);
	}
	return true;
}

bool hr_rebuild_span(const struct hr_config *config, const char *name, const char *text, struct hr_position *at, size_t count,
                    struct hr_error *err)
{
	const struct hr_kafka_config kafka = hr_config_kafka(config);
	const bool latest = strcmp(text, "latest") == 0;
	int64_t time_ms;

	if (is_offsets(text))
		return read_offsets(name, text, at, count, err);
	if (!latest && strcmp(text, "earliest") != 0) {
		if (!hr_time_guess(text, strlen(text), &time_ms))
			return hr_fail(err, HR_E_CONFIG, "%s: \"%.200s\" is not earliest, latest, a time or partition:offset,...", name,
			               text);
		return hr_kafka_offsets_at(&kafka, config->events_topic, time_ms, at, count, ASK_MS, err);
	}
	for (size_t i = 0; i < count; i++)
		at[i].offset = latest ? HR_START_LATEST : HR_START_EARLIEST;
	return true;
}

static void close_file(FILE **f)
{
	if (*f != NULL)
		(void)fclose(*f);
}

static void free_text(char **text) { free(*text); }

bool hr_rebuild_users(const char *path, struct hr_idmap **ret_users, struct hr_error *err)
{
	HR_AUTO(close_file) FILE *f = fopen(path, "re");
	HR_AUTO(free_text) char *line = NULL;
	struct hr_idmap *users = hr_idmap_new();
	size_t cap = 0, number = 0;
	bool ok = f != NULL || hr_fail(err, HR_E_IO, "could not open %s: %s", path, strerror(errno)), fresh;
	ssize_t len;

	while (ok && (len = getline(&line, &cap, f)) > 0) {
		len -= line[len - 1] == '\n';
		number++;
		ok = (len >= 1 && (size_t)len <= HR_ID_MAX) ||
		     hr_fail(err, HR_E_CONFIG, "%s:%zu: a user id of %zd bytes is not within 1..%u", path, number, len, HR_ID_MAX);
		if (ok)
			(void)hr_idmap_add(users, line, (size_t)len, &fresh);
	}
	if (ok && ferror(f))
		ok = hr_fail(err, HR_E_IO, "could not read %s: %s", path, strerror(errno));
	if (!ok)
		hr_idmap_free(users);
	else
		*ret_users = users;
	return ok;
}
