/* What clients do that they should not, and what many do at once: limits, deadlines, shutdown. */
#include "tests/test.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "tests/serve_fake.h"

static const struct hr_server_config config = {.address = "127.0.0.1", .threads = 2, .limit_max = 100};
static const struct hr_server_config impatient = {.address = "127.0.0.1", .threads = 1, .limit_max = 100, .idle_s_max = 1};

static int start(void **state)
{
	(void)state;
	fake_start(&config, false);
	return 0;
}

static int start_impatient(void **state)
{
	(void)state;
	fake_start(&impatient, false);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	fake_stop();
	return 0;
}

/* A connection that gives up a read after ten seconds. */
static int dial(void)
{
	const struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(hr_server_port(fake.server)),
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval deadline = {.tv_sec = 10};
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

static bool tell(int fd, const void *p, size_t bytes)
{
	return send(fd, p, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

static bool say(int fd, const char *text) { return tell(fd, text, strlen(text)); }

/* Reads until the server closes, or until the text holds count answers. Returns whether it closed. */
static bool hear(int fd, char *text, size_t bytes, const char *until)
{
	size_t have = 0;

	for (;;) {
		const ssize_t n = recv(fd, text + have, bytes - 1 - have, 0);

		have += n > 0 ? (size_t)n : 0;
		text[have] = '\0';
		if (n <= 0)
			return n == 0;
		if (have == bytes - 1 || (until != NULL && strstr(text, until) != NULL))
			return false;
	}
}

static void assert_starts(const char *text, const char *with)
{
	if (strncmp(text, with, strlen(with)) != 0)
		fail_msg("\"%s\" does not begin: %.300s", with, text);
}

static char *session_of(size_t bytes)
{
	static const char body[] = "{\"items\":[\"apple\"]}";
	char *text = hr_alloc(bytes + 1, 1);

	memset(text, ' ', bytes);
	memcpy(text, body, sizeof body - 1);
	return text;
}

static void a_body_may_have_one_mebibyte_and_no_byte_more(void **state)
{
	char *body = session_of(HR_BODY_MAX + 1);

	(void)state;
	struct answer a = ask("POST", "/v1/recommendations", body);
	assert_int_equal(a.status, 413);
	assert_string_equal(a.type, "application/problem+json");
	assert_non_null(strstr(a.body, "the body is over 1048576 bytes"));
	answer_fini(&a);
	body[HR_BODY_MAX] = '\0';
	a = ask("POST", "/v1/recommendations", body);
	assert_int_equal(a.status, 200);
	answer_fini(&a);
	hr_free(body);
}

static void a_chunked_body_is_counted_too(void **state)
{
	char text[4096], *body = session_of(HR_BODY_MAX + 1);
	const int fd = dial();

	(void)state;
	assert_true(say(fd, "POST /v1/recommendations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n"));
	assert_true(tell(fd, body, HR_BODY_MAX + 1));
	assert_true(say(fd, "\r\n0\r\n\r\n"));
	(void)hear(fd, text, sizeof text, "bytes\"}");
	assert_starts(text, "HTTP/1.1 413 ");
	(void)close(fd);
	hr_free(body);
}

static void a_body_announced_far_too_large_is_refused_unread(void **state)
{
	char text[4096];
	const int fd = dial();

	(void)state;
	assert_true(say(fd, "POST /v1/recommendations HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n"));
	assert_true(hear(fd, text, sizeof text, NULL));
	assert_starts(text, "HTTP/1.1 413 ");
	(void)close(fd);
}

static void a_body_without_end_is_cut_off(void **state)
{
	enum { CHUNK = 65536 };
	static char chunk[CHUNK + 16];
	const int fd = dial();
	size_t sent = 0;

	(void)state;
	const size_t head = (size_t)snprintf(chunk, sizeof chunk, "%x\r\n", CHUNK);
	memset(chunk + head, ' ', CHUNK);
	memcpy(chunk + head + CHUNK, "\r\n", 2);
	assert_true(say(fd, "POST /v1/recommendations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
	while (sent < 64u << 20 && tell(fd, chunk, head + CHUNK + 2))
		sent += CHUNK;
	assert_true(sent >= 15u << 20 && sent < 40u << 20);
	(void)close(fd);
}

static void a_long_target_is_414_and_long_headers_are_refused(void **state)
{
	static char path[HR_URI_MAX + 64], junk[48 << 10], text[8192];
	const int fd = dial();

	(void)state;
	memset(path, 'a', sizeof path - 1);
	memcpy(path, "/v1/items/", 10);
	struct answer a = ask("GET", path, NULL);
	assert_int_equal(a.status, 414);
	assert_non_null(strstr(a.body, "over 2048 bytes"));
	answer_fini(&a);
	path[HR_URI_MAX] = '\0';
	a = ask("GET", path, NULL);
	assert_int_equal(a.status, 404);
	answer_fini(&a);
	memset(junk, 'x', sizeof junk - 1);
	assert_true(say(fd, "GET /livez HTTP/1.1\r\nHost: x\r\nX-Junk: "));
	(void)say(fd, junk);
	(void)hear(fd, text, sizeof text, "\r\n\r\n");
	assert_starts(text, "HTTP/1.1 431 ");
	(void)close(fd);
}

static void a_silent_client_is_closed(void **state)
{
	static const char *const halves[] = {"", "GET /liv", "GET /livez HTTP/1.1\r\nHost: x\r\n",
	                                     "POST /v1/recommendations HTTP/1.1\r\nHost: x\r\nContent-Length: 19\r\n\r\n{\"items"};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
		const int fd = dial();
		const int64_t begun_us = hr_mono_us();

		assert_true(say(fd, halves[i]));
		(void)hear(fd, text, sizeof text, NULL);
		const double took_s = (double)(hr_mono_us() - begun_us) * 1e-6;
		if (!(took_s > .5 && took_s < 8))
			fail_msg("\"%s\" was closed after %.1f s", halves[i], took_s);
		(void)close(fd);
	}
}

static void what_is_not_http_is_closed_and_harms_nobody(void **state)
{
	static const char *const noise[] = {"\r\n\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
	                                    "POST /v1/recommendations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	                                    "GET  /livez\x01 HTTP/1.1\r\nHost: x\r\n\r\n"};

	enum { NOISES = sizeof noise / sizeof *noise };
	char text[2048];
	int fd[NOISES];

	(void)state;
	for (size_t i = 0; i < NOISES; i++) {
		fd[i] = dial();
		assert_true(say(fd[i], noise[i]));
	}
	for (size_t i = 0; i < NOISES; i++) {
		(void)hear(fd[i], text, sizeof text, NULL);
		assert_null(strstr(text, "HTTP/1.1 200"));
		(void)close(fd[i]);
	}
	struct answer a = ask("GET", "/livez", NULL);
	assert_int_equal(a.status, 200);
	answer_fini(&a);
}

static void one_connection_takes_many_requests_and_the_absolute_form(void **state)
{
	char text[4096];
	const int fd = dial();

	(void)state;
	assert_true(say(fd, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET http://any.host/readyz HTTP/1.1\r\nHost: x\r\n\r\n"));
	(void)hear(fd, text, sizeof text, "\"ready\"");
	assert_starts(text, "HTTP/1.1 200 ");
	assert_non_null(strstr(text, "\"alive\""));
	assert_non_null(strstr(text, "\"ready\""));
	(void)close(fd);
}

static void a_client_that_hangs_up_leaves_nothing_behind(void **state)
{
	(void)state;
	fake.delay_ms = 50;
	for (size_t i = 0; i < 8; i++) {
		const int fd = dial();

		assert_true(say(fd, "GET /v1/users/ann/recommendations HTTP/1.1\r\nHost: x\r\n\r\n"));
		(void)close(fd);
	}
	struct answer a = ask("GET", "/v1/users/ann/recommendations", NULL);
	assert_int_equal(a.status, 200);
	answer_fini(&a);
	/* fake_stop counts the pinned snapshots */
}

struct client {
	pthread_t thread;
	unsigned number, wrong;
};

/* Each client asks for its own item and must get that one. No assertion here: they belong to the test's thread. */
static void *insist(void *ctx)
{
	static const struct {
		const char *path, *id;
	} questions[] = {{"/v1/items/apple/neighbors", "\"apple\""},
	                 {"/v1/items/pear%2F2/embedding", "\"pear/2\""},
	                 {"/v1/users/ann/recommendations?parts=1", "\"ann\""},
	                 {"/v1/users/%CE%B6%2Fu/embedding", "\"ζ/u\""}};
	struct client *c = ctx;

	for (unsigned i = 0; i < 40; i++) {
		const size_t q = (c->number + i) % (sizeof questions / sizeof *questions);
		struct answer a = ask("GET", questions[q].path, NULL);

		c->wrong += a.status != 200 || strncmp(a.body, "{\"id\":", 6) != 0 ||
		            strncmp(a.body + 6, questions[q].id, strlen(questions[q].id)) != 0;
		answer_fini(&a);
	}
	return NULL;
}

static void eight_clients_at_once_get_their_own_answers(void **state)
{
	struct client client[8] = {0};

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		client[i].number = i;
		assert_int_equal(pthread_create(&client[i].thread, NULL, insist, &client[i]), 0);
	}
	for (unsigned i = 0; i < 8; i++) {
		(void)pthread_join(client[i].thread, NULL);
		assert_int_equal(client[i].wrong, 0);
	}
	struct answer a = ask("GET", "/metrics", NULL);
	assert_non_null(strstr(a.body, "{route=\"/v1/users/{id}/embedding\",code=\"200\"} 80\n"));
	answer_fini(&a);
}

static void *ask_slowly(void *ctx)
{
	struct answer *a = ctx;

	*a = ask("GET", "/v1/users/ann/embedding", NULL);
	return NULL;
}

static void a_stop_lets_a_running_answer_end(void **state)
{
	const struct timespec moment = {.tv_nsec = 150000000};
	struct answer a;
	pthread_t client;

	(void)state;
	fake.delay_ms = 500;
	assert_int_equal(pthread_create(&client, NULL, ask_slowly, &a), 0);
	(void)nanosleep(&moment, NULL);
	fake_stop();
	(void)pthread_join(client, NULL);
	assert_int_equal(a.status, 200);
	answer_fini(&a);
}

static void a_stop_does_not_wait_for_a_client_that_hangs(void **state)
{
	const int idle = dial(), half = dial();
	char text[64];

	(void)state;
	assert_true(say(half, "POST /v1/recommendations HTTP/1.1\r\nHost: x\r\nContent-Length: 19\r\n\r\n{\"items"));
	assert_true(say(idle, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"));
	(void)hear(idle, text, sizeof text, "200");
	const int64_t begun_us = hr_mono_us();
	fake_stop();
	assert_true(hr_mono_us() - begun_us < 5000000);
	(void)close(idle);
	(void)close(half);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(a_body_may_have_one_mebibyte_and_no_byte_more),
		WITH_SERVER(a_chunked_body_is_counted_too),
		WITH_SERVER(a_body_announced_far_too_large_is_refused_unread),
		WITH_SERVER(a_body_without_end_is_cut_off),
		WITH_SERVER(a_long_target_is_414_and_long_headers_are_refused),
		cmocka_unit_test_setup_teardown(a_silent_client_is_closed, start_impatient, stop),
		cmocka_unit_test_setup_teardown(what_is_not_http_is_closed_and_harms_nobody, start_impatient, stop),
		WITH_SERVER(one_connection_takes_many_requests_and_the_absolute_form),
		WITH_SERVER(a_client_that_hangs_up_leaves_nothing_behind),
		WITH_SERVER(eight_clients_at_once_get_their_own_answers),
		WITH_SERVER(a_stop_lets_a_running_answer_end),
		WITH_SERVER(a_stop_does_not_wait_for_a_client_that_hangs),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	const int failed = cmocka_run_group_tests_name("wire", tests, NULL, NULL);
	curl_global_cleanup();
	return failed;
}
