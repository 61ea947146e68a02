/* A configuration file. What is accepted must survive being printed and read again. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base.h"
#include "daemon/config.h"

const char hr_fuzz_corpus[] = "config";

static bool read_bytes(struct hr_config *c, const void *bytes, size_t len)
{
	const int fd = memfd_create("config", 0);
	char path[64];
	struct hr_error err;

	HR_ASSERT(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	hr_config_init(c);
	const bool ok = hr_config_file(c, path, &err);
	HR_ASSERT(ok || (err.code == HR_E_CONFIG && strncmp(err.msg, path, strlen(path)) == 0));
	(void)close(fd);
	return ok;
}

static char *print(const struct hr_config *c, size_t *ret_len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_len);

	HR_ASSERT(f != NULL);
	hr_config_print(c, f, /* with_origin */ true);
	HR_ASSERT(fclose(f) == 0);
	return text;
}

static char *print_again(const char *text, size_t len)
{
	struct hr_config c;
	size_t again_len;

	HR_ASSERT(read_bytes(&c, text, len));
	for (size_t i = 0; i < HR_SETTING_COUNT; i++) { /* places differ */
		hr_free(c.where[i]);
		c.where[i] = NULL;
	}
	char *again = print(&c, &again_len);
	hr_config_fini(&c);
	return again;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct hr_config c;
	size_t text_len;

	if (len > 65536)
		return 0;
	if (read_bytes(&c, bytes, len)) {
		char *text = print(&c, &text_len);
		if (strstr(text, ": [hidden]\n") == NULL) {
			char *once = print_again(text, text_len), *twice = print_again(once, strlen(once));
			HR_ASSERT(strcmp(once, twice) == 0);
			free(once);
			free(twice);
		}
		free(text);
	}
	hr_config_fini(&c);
	return 0;
}
