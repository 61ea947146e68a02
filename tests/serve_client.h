/* tests/serve_client.h - one HTTP request, and its answer taken apart. */
#ifndef HR_TESTS_SERVE_CLIENT_H
#define HR_TESTS_SERVE_CLIENT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct answer {
	long status;
	char type[128], allow[64], retry[16];
	char *body; /* NUL-terminated */
	size_t body_len;
	json_t *json; /* NULL unless the type is JSON */
};

/**
 * Asks 127.0.0.1 over a connection of its own. body NULL: none.
 * Fails the test unless an answer comes that is of the type it says.
 */
struct answer ask_port(uint16_t port, const char *method, const char *path, const char *body);
void answer_fini(struct answer *a);

#endif
