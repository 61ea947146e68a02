#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static _Atomic int threshold = HR_LOG_INFO;
static _Thread_local const char *thread_name = "main";
static const char *const level_names[] = {"error", "warning", "info", "debug"};

void hr_log_set_level(enum hr_log_level level) { atomic_store(&threshold, (int)level); }

void hr_log_thread(const char *name) { thread_name = name; }

const char *hr_log_quote(const char *s, char *out, unsigned out_bytes)
{
	unsigned n = 0;

	HR_ASSERT(out_bytes >= 3);
	out[n++] = '"';
	for (; *s != '\0' && n + 6 < out_bytes; s++) {
		const unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			out[n++] = '\\';
			out[n++] = (char)c;
		} else if (c == '\n') {
			out[n++] = '\\';
			out[n++] = 'n';
		} else if (c < 0x20 || c == 0x7f) {
			n += (unsigned)snprintf(out + n, out_bytes - n, "\\x%02x", c);
		} else {
			out[n++] = (char)c;
		}
	}
	out[n++] = '"';
	out[n] = '\0';
	return out;
}

void hr_log(enum hr_log_level level, const char *msg, const char *fields, ...)
{
	char line[2048], stamp[32], quoted[1024];
	struct timespec now;
	struct tm utc;
	va_list ap;

	if ((int)level > atomic_load(&threshold))
		return;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &utc);
	(void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
	int n = snprintf(line, sizeof line, "ts=%s.%03ldZ level=%s thread=%s ", stamp, now.tv_nsec / 1000000,
	                 level_names[level], thread_name);
	va_start(ap, fields);
	const int wrote = vsnprintf(line + n, sizeof line - sizeof quoted - 64, fields, ap);
	va_end(ap);
	const int room = (int)(sizeof line - sizeof quoted - 64) - 1;
	n += wrote < 0 ? 0 : wrote > room ? room : wrote;
	n += snprintf(line + n, sizeof line - (size_t)n, "%smsg=%s\n", wrote > 0 ? " " : "",
	              hr_log_quote(msg, quoted, sizeof quoted));
	(void)!write(STDERR_FILENO, line, (size_t)n);
}
