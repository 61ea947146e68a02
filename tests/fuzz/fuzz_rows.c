/* A file of events, read in every format. What is handed out must be acceptable, and the reader must come to an end. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base.h"
#include "stream/rows.h"

const char hr_fuzz_corpus[] = "rows";

static void read_all(const char *path, const struct hr_rows_config *config, size_t rows_max)
{
	struct hr_rows *r;
	struct hr_event e;
	struct hr_error err;
	bool end = false;

	HR_ASSERT(hr_rows_open(path, config, &r, &err));
	for (size_t n = 0; !end; n++) {
		HR_ASSERT(n <= rows_max);
		if (hr_rows_next(r, &e, NULL, &end, &err))
			HR_ASSERT(end || hr_event_check(&e) == HR_ACCEPTED);
		else if (err.code != HR_E_FORMAT)
			break;
	}
	hr_rows_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const struct hr_rows_config configs[] = {
	        {.format = HR_ROWS_TSV, .columns = "time user item kind weight"},
	        {.format = HR_ROWS_CSV, .columns = "user,item", .time_step_ms = 1},
	        {.format = HR_ROWS_CSV, .header = true},
	        {.format = HR_ROWS_JSONL},
	        {.format = HR_ROWS_JSONL, .columns = "a.b=user,item"},
	        {.format = HR_ROWS_SEQUENCES},
	};
	const int fd = memfd_create("rows", 0);
	char path[64];

	HR_ASSERT(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++)
		read_all(path, &configs[i], len < 2 || bytes[0] != 0x1f ? len + 1 : SIZE_MAX); /* gzip may hold more rows than bytes */
	(void)close(fd);
	return 0;
}
