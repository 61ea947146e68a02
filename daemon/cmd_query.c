/* headrace query: asks a running daemon over HTTP, and prints a table or the JSON as it came. */
#include "daemon/tool.h"

#include <curl/curl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static const char usage[] =
	"usage: headrace query [--url URL] [--limit N] [--json] WHAT\n"
	"\n"
	"  item ID          vector of an item\n"
	"  user ID          vector of a user, as of now\n"
	"  neighbors ID     items most like an item\n"
	"  recommend ID     what a user may want next, and why\n"
	"  session ITEM...  the same for a visitor who did these, oldest first\n"
	"  model            what the daemon says of its model\n"
	"  metrics          its metrics, as Prometheus reads them\n"
	"\n"
	"  --url URL        the daemon (http://127.0.0.1:7700)\n"
	"  --limit N        results (10)\n"
	"  --json           print the answer as it came\n"
	"An id that begins with - goes after --.\n";

struct query {
	const char *url, *limit; /* limit NULL: the daemon's default */
	bool raw;
	CURL *curl;
	struct hr_buf target, body; /* target NUL-terminated; body empty: GET */
	struct hr_buf answer;       /* NUL-terminated when it has come */
	json_t *json;
};

struct what {
	const char *name, *front, *back; /* front, the id, back: the path */
	bool limit;
	void (*print)(const json_t *answer);
};

static void put(struct hr_buf *b, const char *s) { hr_buf_bytes(b, s, strlen(s)); }

/* ---- printing ---- */

static const char *text_at(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s != NULL ? s : "";
}

static double number_at(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

/* Columns of a UTF-8 text, one a character; enough to align what is not double width. */
static size_t columns(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* Titles come from producers: no control character of theirs may steer the terminal. */
static void print_padded(const char *s, size_t width)
{
	const size_t have = columns(s);

	for (const char *p = s; *p != '\0'; p++) {
		const unsigned char c = (unsigned char)*p, next = (unsigned char)p[1];
		const bool c1 = c == 0xc2 && next >= 0x80 && next < 0xa0;

		(void)putchar(c < 0x20 || c == 0x7f || c1 ? '?' : c);
		p += c1;
	}
	(void)printf("%*s", have < width ? (int)(width - have) : 0, "");
}

static size_t widest(const json_t *list, const char *key, size_t at_least)
{
	size_t index, width = at_least;
	json_t *hit;

	json_array_foreach (list, index, hit) {
		const size_t n = columns(text_at(hit, key));

		width = n > width ? n : width;
	}
	return width < 48 ? width : 48;
}

static void print_because(const json_t *hit)
{
	const json_t *because = json_object_get(hit, "because");
	size_t index;
	json_t *id;

	json_array_foreach (because, index, id) {
		(void)fputs(index > 0 ? ", " : "  ", stdout);
		print_padded(json_string_value(id), 0);
	}
}

static void print_hits(const json_t *list, const char *last_column)
{
	const size_t id = widest(list, "id", 2), title = widest(list, "title", 5);
	size_t index;
	json_t *hit;

	(void)printf("   #   score  ");
	print_padded("id", id);
	(void)printf("  ");
	print_padded("title", title);
	(void)printf("  %s\n", last_column);
	json_array_foreach (list, index, hit) {
		(void)printf("%4zu %7.3f  ", index + 1, number_at(hit, "score"));
		print_padded(text_at(hit, "id"), id);
		(void)printf("  ");
		print_padded(text_at(hit, "title"), title);
		print_because(hit);
		(void)putchar('\n');
	}
}

static void print_as_of(const json_t *answer)
{
	const json_t *version = json_object_get(answer, "version");

	(void)printf("model ");
	print_padded(text_at(version, "lineage"), 0);
	(void)printf("/%.0f as of ", number_at(version, "barrier"));
	print_padded(text_at(answer, "as_of"), 0);
	(void)putchar('\n');
}

static void print_vector(const json_t *answer)
{
	const json_t *vector = json_object_get(answer, "vector");
	size_t index;
	json_t *number;

	print_padded(text_at(answer, "id"), 0);
	(void)printf(": %.0f dimensions, ", number_at(answer, "dimensions"));
	(void)printf("%.0f events, space ", number_at(answer, "events"));
	print_padded(text_at(answer, "space"), 0);
	(void)putchar('\n');
	json_array_foreach (vector, index, number)
		(void)printf("%9.5f%s", json_number_value(number), index % 8 == 7 ? "\n" : " ");
	if (json_array_size(vector) % 8 != 0)
		(void)putchar('\n');
	print_as_of(answer);
}

static void print_neighbors(const json_t *answer)
{
	print_hits(json_object_get(answer, "neighbors"), "");
	print_as_of(answer);
}

static void print_recommendations(const json_t *answer)
{
	const json_t *ignored = json_object_get(answer, "ignored");
	size_t index;
	json_t *id;

	print_hits(json_object_get(answer, "recommendations"), "because of");
	if (strcmp(text_at(answer, "status"), "popular") == 0)
		(void)printf("nothing of the history is in the model: this is what is popular\n");
	json_array_foreach (ignored, index, id) {
		(void)printf("not in the model: ");
		print_padded(json_string_value(id), 0);
		(void)putchar('\n');
	}
	print_as_of(answer);
}

static void print_model(const json_t *answer)
{
	(void)json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	(void)putchar('\n');
}

/* ---- asking ---- */

static const struct what whats[] = {
	{"item", "/v1/items/", "/embedding", false, print_vector},
	{"user", "/v1/users/", "/embedding", false, print_vector},
	{"neighbors", "/v1/items/", "/neighbors", true, print_neighbors},
	{"recommend", "/v1/users/", "/recommendations?parts=1", true, print_recommendations},
	{"session", "/v1/recommendations", NULL, false, print_recommendations},
	{"model", "/v1/model", NULL, false, print_model},
	{"metrics", "/metrics", NULL, false, NULL},
};

static int HR_PRINTF(2, 3) complain(int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)fputs("headrace query: ", stderr);
	(void)vfprintf(stderr, fmt, args);
	(void)fputc('\n', stderr);
	va_end(args);
	return code;
}

static size_t take(char *p, size_t size, size_t count, void *ctx)
{
	hr_buf_bytes(ctx, p, size * count);
	return size * count;
}

/* What the daemon says of a failure: the problem's detail, or the status alone when something else answered. */
static int complain_status(struct query *q, long status)
{
	const char *detail = q->json != NULL ? text_at(q->json, "detail") : "";

	return complain(status == 503 ? HR_EXIT_AWAY : HR_EXIT_FAILED, "%ld: %s", status,
	                detail[0] != '\0' ? detail : "not an answer of headrace");
}

static int perform(struct query *q)
{
	char why[CURL_ERROR_SIZE] = "";
	long status = 0;

	(void)curl_easy_setopt(q->curl, CURLOPT_URL, (const char *)q->target.p);
	(void)curl_easy_setopt(q->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(q->curl, CURLOPT_PATH_AS_IS, 1L); /* an id may be ".." */
	(void)curl_easy_setopt(q->curl, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(q->curl, CURLOPT_CONNECTTIMEOUT, 5L);
	(void)curl_easy_setopt(q->curl, CURLOPT_TIMEOUT, 30L);
	(void)curl_easy_setopt(q->curl, CURLOPT_ERRORBUFFER, why);
	(void)curl_easy_setopt(q->curl, CURLOPT_WRITEFUNCTION, take);
	(void)curl_easy_setopt(q->curl, CURLOPT_WRITEDATA, &q->answer);
	if (q->body.len > 0) {
		(void)curl_easy_setopt(q->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.len);
		(void)curl_easy_setopt(q->curl, CURLOPT_POSTFIELDS, (const char *)q->body.p);
	}
	const CURLcode code = curl_easy_perform(q->curl);
	if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
		return complain(HR_EXIT_USAGE, "\"%s\" is not the URL of a daemon", q->url);
	if (code != CURLE_OK)
		return complain(HR_EXIT_AWAY, "%s", why[0] != '\0' ? why : curl_easy_strerror(code));
	(void)curl_easy_getinfo(q->curl, CURLINFO_RESPONSE_CODE, &status);
	hr_buf_u8(&q->answer, 0);
	q->json = json_loads((const char *)q->answer.p, JSON_ALLOW_NUL, NULL);
	return status == 200 ? HR_EXIT_OK : complain_status(q, status);
}

static int ask(struct query *q, const struct what *what)
{
	const int code = perform(q);

	if (code != HR_EXIT_OK)
		return code;
	if (q->raw || what->print == NULL) {
		(void)fwrite(q->answer.p, 1, q->answer.len - 1, stdout);
		if (q->answer.len > 1 && q->answer.p[q->answer.len - 2] != '\n')
			(void)putchar('\n');
	} else if (q->json == NULL) {
		return complain(HR_EXIT_FAILED, "%s does not answer in JSON; is it headrace?", q->url);
	} else {
		what->print(q->json);
	}
	return fflush(stdout) == 0 ? HR_EXIT_OK : complain(HR_EXIT_IO, "could not write the answer");
}

static void put_id(struct query *q, const char *id)
{
	char *escaped = curl_easy_escape(q->curl, id, (int)strlen(id));

	put(&q->target, escaped != NULL ? escaped : "");
	curl_free(escaped);
}

static bool put_session(struct query *q, char **items, size_t count)
{
	json_t *document = json_object(), *list = json_array();

	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(list, json_string(items[i]));
	const bool good = json_array_size(list) == count; /* else one is not UTF-8 */
	(void)json_object_set_new(document, "items", list);
	(void)json_object_set_new(document, "parts", json_true());
	if (q->limit != NULL)
		(void)json_object_set_new(document, "limit", json_integer(strtol(q->limit, NULL, 10)));
	char *text = json_dumps(document, JSON_COMPACT);
	put(&q->body, text);
	free(text);
	json_decref(document);
	return good;
}

static int build(struct query *q, const struct what *what, char **args, int count)
{
	const bool session = strcmp(what->name, "session") == 0;

	if (session ? count < 1 : count != (what->back != NULL))
		return complain(HR_EXIT_USAGE, "%s takes %s, not %d words", what->name,
		                session ? "one item or more" : what->back != NULL ? "one id" : "nothing more", count);
	if (q->limit != NULL && !session && !what->limit)
		return complain(HR_EXIT_USAGE, "%s takes no --limit", what->name);
	put(&q->target, q->url);
	while (q->target.len > 0 && q->target.p[q->target.len - 1] == '/')
		q->target.len--;
	put(&q->target, what->front);
	if (what->back != NULL) {
		put_id(q, args[0]);
		put(&q->target, what->back);
	}
	if (what->limit && q->limit != NULL) {
		put(&q->target, strchr(what->back, '?') != NULL ? "&limit=" : "?limit=");
		put_id(q, q->limit);
	}
	hr_buf_u8(&q->target, 0);
	if (session && !put_session(q, args, (size_t)count))
		return complain(HR_EXIT_USAGE, "an item is not UTF-8");
	return HR_EXIT_OK;
}

static int run(struct query *q, int argc, char **argv)
{
	if (argc < 1)
		return complain(HR_EXIT_USAGE, "what shall be asked? see headrace query --help");
	for (size_t i = 0; i < sizeof whats / sizeof *whats; i++) {
		if (strcmp(argv[0], whats[i].name) == 0) {
			const int code = build(q, &whats[i], argv + 1, argc - 1);

			return code != HR_EXIT_OK ? code : ask(q, &whats[i]);
		}
	}
	return complain(HR_EXIT_USAGE, "\"%s\" is not one of item, user, neighbors, recommend, session, model, metrics",
	                argv[0]);
}

static bool is_number(const char *s) { return s[0] != '\0' && strspn(s, "0123456789") == strlen(s); }

/* Reads the options; false when the command ends here, with *ret_code. */
static bool read_options(struct query *q, int argc, char **argv, int *ret_code)
{
	static const struct option options[] = {{"url", required_argument, NULL, 'u'},
	                                        {"limit", required_argument, NULL, 'n'},
	                                        {"json", no_argument, NULL, 'j'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {NULL, 0, NULL, 0}};
	optind = 0;
	for (;;) {
		switch (getopt_long(argc, argv, "u:n:jh", options, NULL)) {
		case -1: return true;
		case 'u': q->url = optarg; break;
		case 'n':
			q->limit = optarg;
			if (is_number(optarg))
				break;
			*ret_code = complain(HR_EXIT_USAGE, "--limit takes a number, not \"%s\"", optarg);
			return false;
		case 'j': q->raw = true; break;
		case 'h':
			(void)fputs(usage, stdout);
			*ret_code = HR_EXIT_OK;
			return false;
		default: *ret_code = HR_EXIT_USAGE; return false;
		}
	}
}

int hr_cmd_query(int argc, char **argv)
{
	struct query q = {.url = "http://127.0.0.1:7700"};
	int code;

	if (!read_options(&q, argc, argv, &code))
		return code;
	q.curl = curl_easy_init();
	if (q.curl == NULL)
		return complain(HR_EXIT_FAILED, "could not start libcurl");
	code = run(&q, argc - optind, argv + optind);
	curl_easy_cleanup(q.curl);
	json_decref(q.json);
	hr_buf_fini(&q.target);
	hr_buf_fini(&q.body);
	hr_buf_fini(&q.answer);
	return code;
}
