#include "tests/test.h"

#include <curl/curl.h>

#include "base/base.h"
#include "tests/serve_client.h"

static size_t take_body(char *p, size_t size, size_t count, void *ctx)
{
	hr_buf_bytes(ctx, p, size * count);
	return size * count;
}

static void copy_header(CURL *curl, const char *name, char *to, size_t bytes)
{
	struct curl_header *h;

	if (curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK)
		(void)snprintf(to, bytes, "%s", h->value);
}

struct answer ask_port(uint16_t port, const char *method, const char *path, const char *body)
{
	CURL *curl = curl_easy_init();
	struct hr_buf got = {0};
	struct answer a = {0};
	char url[8192];

	(void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
	(void)curl_easy_setopt(curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &got);
	if (strcmp(method, "HEAD") == 0)
		(void)curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	else
		(void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	if (body != NULL)
		(void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	const CURLcode code = curl_easy_perform(curl);
	if (code != CURLE_OK)
		fail_msg("%s %.100s: %s", method, path, curl_easy_strerror(code));
	(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &a.status);
	copy_header(curl, "Content-Type", a.type, sizeof a.type);
	copy_header(curl, "Allow", a.allow, sizeof a.allow);
	copy_header(curl, "Retry-After", a.retry, sizeof a.retry);
	curl_easy_cleanup(curl);
	a.body_len = got.len;
	hr_buf_u8(&got, 0);
	a.body = (char *)got.p;
	if (strstr(a.type, "json") != NULL && strcmp(method, "HEAD") != 0) {
		json_error_t why;

		a.json = json_loadb(a.body, a.body_len, JSON_REJECT_DUPLICATES, &why);
		if (a.json == NULL)
			fail_msg("%s %.100s: %s in %.300s", method, path, why.text, a.body);
	}
	return a;
}

void answer_fini(struct answer *a)
{
	json_decref(a->json);
	hr_free(a->body);
}
