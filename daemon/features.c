#include "daemon/features.h"

#include <string.h>

#include "base/base.h"
#include "stream/stream.h"

enum { COLUMNS_MAX = 64, WORD_MAX = 255 };

enum role { ROLE_SKIP, ROLE_ITEM, ROLE_ATTRIBUTES, ROLE_TITLE, ROLE_COUNT };

struct text {
	const char *p;
	size_t len;
};

/* Features of item n of the map: hash[at[n]] .. hash[at[n + 1] - 1]. */
struct hr_features {
	struct hr_idmap *items;
	uint64_t *hash;
	size_t hashes, hash_cap;
	size_t *at;
	size_t at_cap;
	enum role column[COLUMNS_MAX];
	size_t columns;
};

/* ---- columns ---- */

static bool role_of(struct text name, enum role *ret_role)
{
	static const char *const names[ROLE_COUNT] = {"-", "item", "attributes", "title"};

	for (int r = 0; r < ROLE_COUNT; r++) {
		if (strlen(names[r]) == name.len && memcmp(names[r], name.p, name.len) == 0) {
			*ret_role = (enum role)r;
			return true;
		}
	}
	return false;
}

static bool read_columns(struct hr_features *f, const char *columns, struct hr_error *err)
{
	bool item = false;

	for (const char *p = columns + strspn(columns, ", "); *p != '\0'; p += strspn(p, ", ")) {
		const struct text name = {p, strcspn(p, ", ")};

		if (f->columns == COLUMNS_MAX)
			return hr_fail(err, HR_E_CONFIG, "item columns: more than %d", COLUMNS_MAX);
		if (!role_of(name, &f->column[f->columns]))
			return hr_fail(err, HR_E_CONFIG, "item columns: \"%.*s\" is not one of item attributes title -",
			               (int)(name.len < 64 ? name.len : 64), name.p);
		item |= f->column[f->columns++] == ROLE_ITEM;
		p += name.len;
	}
	return item || hr_fail(err, HR_E_CONFIG, "item columns: item is missing");
}

/* ---- words ---- */

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static void add_feature(struct hr_features *f, char kind, struct text word)
{
	char key[1 + WORD_MAX] = {kind};
	const size_t len = word.len < WORD_MAX ? word.len : WORD_MAX;

	for (size_t i = 0; i < len; i++)
		key[1 + i] = kind == 't' ? lower(word.p[i]) : word.p[i];
	f->hash = hr_grow(f->hash, &f->hash_cap, f->hashes + 1, sizeof *f->hash);
	f->hash[f->hashes++] = hr_hash(key, 1 + len);
}

static void add_words(struct hr_features *f, char kind, struct text text, const char *between)
{
	const char *end = text.p + text.len;

	for (const char *p = text.p; p < end;) {
		const char *begin = p;

		while (p < end && strchr(between, *p) == NULL)
			p++;
		if (p > begin)
			add_feature(f, kind, (struct text){begin, (size_t)(p - begin)});
		p++;
	}
}

/* ---- lines ---- */

static void split(const struct hr_features *f, const char *line, size_t len, struct text field[ROLE_COUNT])
{
	const char *p = line, *end = line + len;

	memset(field, 0, ROLE_COUNT * sizeof *field);
	for (size_t c = 0; c < f->columns && p <= end; c++) {
		const char *tab = memchr(p, '\t', (size_t)(end - p));
		const size_t bytes = (size_t)((tab != NULL ? tab : end) - p);

		field[f->column[c]] = (struct text){p, bytes};
		p += bytes + 1;
	}
}

static bool add_item(struct hr_features *f, const char *line, size_t len, struct hr_error *err)
{
	struct text field[ROLE_COUNT];
	bool is_new;

	split(f, line, len, field);
	const struct text item = field[ROLE_ITEM];
	if (item.len == 0 || item.len > HR_ID_MAX)
		return hr_fail(err, HR_E_FORMAT, "an item id of %zu bytes is not in 1..%u", item.len, HR_ID_MAX);
	const uint32_t number = hr_idmap_add(f->items, item.p, item.len, &is_new);
	if (!is_new)
		return hr_fail(err, HR_E_FORMAT, "item \"%.*s\" is named twice", (int)item.len, item.p);
	add_words(f, 'a', field[ROLE_ATTRIBUTES], ",");
	add_words(f, 't', field[ROLE_TITLE], ", ");
	f->at = hr_grow(f->at, &f->at_cap, (size_t)number + 2, sizeof *f->at);
	f->at[number + 1] = f->hashes;
	return true;
}

static bool add_lines(struct hr_features *f, struct hr_lines *lines, bool header, struct hr_error *err)
{
	uint64_t number;
	bool end = false;
	char *line;
	size_t len;

	for (;;) {
		if (!hr_lines_next(lines, /* quoted */ false, &line, &len, &number, &end, err))
			return false;
		if (end)
			return true;
		if (len != 0 && !(header && number == 1) && !add_item(f, line, len, err))
			return hr_context(err, "line %llu", (unsigned long long)number);
	}
}

bool hr_features_read(const char *path, const char *columns, bool header, struct hr_features **ret_features,
                      struct hr_error *err)
{
	struct hr_features *f = hr_alloc(1, sizeof *f);
	struct hr_lines *lines = NULL;

	f->items = hr_idmap_new();
	f->at = hr_grow(NULL, &f->at_cap, 1, sizeof *f->at);
	const bool ok = read_columns(f, columns, err) && hr_lines_open(path, &lines, err) &&
	                (add_lines(f, lines, header, err) || hr_context(err, "%.300s", path));
	hr_lines_close(lines);
	if (ok)
		*ret_features = f;
	else
		hr_features_free(f);
	return ok;
}

void hr_features_free(struct hr_features *f)
{
	if (f == NULL)
		return;
	hr_idmap_free(f->items);
	hr_free(f->hash);
	hr_free(f->at);
	hr_free(f);
}

const uint64_t *hr_features_get(const struct hr_features *f, const void *item, size_t item_len, size_t *ret_count)
{
	const uint32_t number = hr_idmap_find(f->items, item, item_len);

	*ret_count = number == HR_NONE ? 0 : f->at[number + 1] - f->at[number];
	return number == HR_NONE ? NULL : f->hash + f->at[number];
}
