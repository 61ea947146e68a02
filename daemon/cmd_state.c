/* daemon/cmd_state.c - `headrace state`: looks into a state directory. */
#include "daemon/tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "daemon/options.h"
#include "store/store.h"

struct state_options {
	char *state;
};

static const struct hr_setting rows[] = {
        HR_OPTION(struct state_options, state, "state", STRING, NULL, 1, 4096, "DIR", "The directory of state.dir."),
};

static const struct hr_options options = {
        .command = "headrace state",
        .usage = "usage: headrace state users|items|barrier|barriers|digest --state DIR\n"
                 "\n"
                 "  users    one line a user: id, events counted ever (a forgotten user is left out)\n"
                 "  items    one line an item: id, events counted ever\n"
                 "  barrier  positions and accounting of every partition, then the newest barrier\n"
                 "  barriers one line a barrier: when, how much by then, and its digest\n"
                 "  digest   the digest of the newest barrier, computed anew from every record\n"
                 "\n"
                 "Nothing is written, and a running daemon is not disturbed: what it has in memory is not seen, though.\n",
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
};

static bool print_user(const void *bytes, size_t len, struct hr_error *err)
{
	struct hr_user_record u;

	if (!hr_user_record_decode(bytes, len, &u, err))
		return false;
	if (u.events != 0)
		(void)printf("%.*s\t%" PRIu64 "\n", (int)u.id_len, (const char *)u.id, u.events);
	return true;
}

static bool print_item(struct hr_catalogue *c, uint32_t row, const void *bytes, size_t len, struct hr_error *err)
{
	if (!hr_catalogue_load(c, row, bytes, len, err))
		return false;
	const struct hr_item item = hr_catalogue_get(c, row);
	(void)printf("%.*s\t%" PRIu64 "\n", (int)item.id_len, (const char *)item.id, item.events);
	return true;
}

struct wanted {
	enum hr_record_class cls;
	struct hr_catalogue *items;
};

static bool print_record(void *ctx, enum hr_record_class cls, uint32_t number, const void *bytes, size_t len,
                         struct hr_error *err)
{
	struct wanted *w = ctx;

	if (cls != w->cls)
		return true;
	return cls == HR_REC_USER ? print_user(bytes, len, err) : print_item(w->items, number, bytes, len, err);
}

static void print_barrier(const struct hr_barrier *row)
{
	char digest[33];

	for (size_t i = 0; i < row->partition_count; i++) {
		const struct hr_partition *p = &row->partition[i];
		uint64_t rejected = 0;

		for (size_t why = 0; why < HR_REJECT_SLOTS; why++)
			rejected += p->rejected[why];
		(void)printf("partition=%d begin=%" PRId64 " offset=%" PRId64 " trained=%" PRIu64 " rejected=%" PRIu64
		             " duplicate=%" PRIu64 " late=%" PRIu64 " gap=%" PRIu64 " forgotten=%" PRIu64 "\n",
		             p->partition, p->begin, p->offset, p->trained, rejected, p->duplicate, p->late, p->gap, p->forgotten);
	}
	hr_hash128_hex(row->digest, digest);
	(void)printf("barrier=%" PRIu64 " events=%" PRIu64 " steps=%" PRIu64 " published=%" PRIu64 " digest=%s\n", row->number,
	             row->events, row->steps, row->published, digest);
}

static bool print_barriers(struct hr_store *store, uint64_t newest, struct hr_error *err)
{
	HR_AUTO(hr_buf_fini) struct hr_buf log = {0};
	struct hr_order_head head;
	char digest[33];

	for (uint64_t number = hr_store_first_order(store); number <= newest; number++) {
		hr_buf_clear(&log);
		if (!hr_store_order_log(store, number, &head, &log, err))
			return false;
		hr_hash128_hex(head.digest, digest);
		(void)printf("barrier=%" PRIu64 " wall_ms=%" PRId64 " events=%" PRIu64 " steps=%" PRIu64 " order_bytes=%zu digest=%s\n",
		             number, head.wall_ms, head.events, head.steps, log.len, digest);
	}
	return true;
}

static bool look(struct hr_store *store, const char *what, const struct hr_barrier *row, struct hr_error *err)
{
	struct wanted w = {.cls = strcmp(what, "users") == 0 ? HR_REC_USER : HR_REC_ITEM, .items = hr_catalogue_new(1)};
	struct hr_hash128 digest;
	char hex[33];
	bool ok = true;

	if (strcmp(what, "barrier") == 0) {
		print_barrier(row);
	} else if (strcmp(what, "barriers") == 0) {
		ok = print_barriers(store, row->number, err);
	} else if (strcmp(what, "digest") == 0) {
		ok = hr_store_digest(store, &digest, err);
		if (ok) {
			hr_hash128_hex(digest, hex);
			(void)printf("%s\n", hex);
		}
	} else {
		ok = hr_store_load(store, print_record, &w, err);
	}
	hr_catalogue_free(w.items);
	return ok;
}

static bool open_and_look(const char *dir, const char *what, struct hr_error *err)
{
	struct hr_manifest held;
	struct hr_barrier row = {0};
	struct hr_store *store;

	if (!hr_store_look(dir, &held, &store, &row, err))
		return false;
	const bool ok = look(store, what, &row, err);
	hr_barrier_fini(&row);
	hr_store_close(store);
	return ok;
}

static bool known(const char *what)
{
	static const char *const words[] = {"users", "items", "barrier", "barriers", "digest"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(what, words[i]) == 0)
			return true;
	}
	return false;
}

int hr_cmd_state(int argc, char **argv)
{
	struct state_options o = {0};
	struct hr_error err;
	int first, code;

	if (hr_options_read(&options, &o, argc, argv, &first, &code)) {
		if (argc - first != 1 || !known(argv[first]) || o.state == NULL)
			code = hr_options_misuse(&options, "one of users, items, barrier, barriers, digest and --state are needed");
		else
			code = open_and_look(o.state, argv[first], &err) ? HR_EXIT_OK : hr_options_fail(&options, &err);
	}
	hr_options_fini(&options, &o);
	return code;
}
