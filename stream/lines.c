#include "stream/lines.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/mem.h"

enum { BUFFER_BYTES = HR_LINE_MAX + 1 };

struct hr_lines {
	gzFile file;
	char *buffer; /* BUFFER_BYTES; begin..end is not handed out yet */
	size_t begin, end;
	uint64_t number; /* lines handed out */
	uint64_t size;
	bool file_end;
	bool skipping; /* the rest of a line that was too long */
};

static gzFile open_file(const char *path) { return strcmp(path, "-") == 0 ? gzdopen(dup(0), "rb") : gzopen(path, "rb"); }

bool hr_lines_open(const char *path, struct hr_lines **ret_lines, struct hr_error *err)
{
	struct stat st;

	errno = 0;
	gzFile file = open_file(path);
	if (file == NULL)
		return hr_fail(err, HR_E_IO, "could not open %.300s: %s", path, errno != 0 ? strerror(errno) : "out of memory");
	(void)gzbuffer(file, 256u << 10);
	struct hr_lines *l = hr_alloc(1, sizeof *l);
	l->file = file;
	l->buffer = hr_alloc(BUFFER_BYTES, 1);
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
		l->size = (uint64_t)st.st_size;
	*ret_lines = l;
	return true;
}

/* More bytes behind end; the rest of the last read moves to the front first. */
static bool fill(struct hr_lines *l, struct hr_error *err)
{
	memmove(l->buffer, l->buffer + l->begin, l->end - l->begin);
	l->end -= l->begin;
	l->begin = 0;
	const int got = gzread(l->file, l->buffer + l->end, (unsigned)(BUFFER_BYTES - l->end));
	int code = Z_OK;
	const char *why = gzerror(l->file, &code);
	if (got < 0 || (code != Z_OK && code != Z_STREAM_END))
		return hr_fail(err, HR_E_IO, "could not read behind line %llu: %s", (unsigned long long)l->number,
		               code == Z_ERRNO ? strerror(errno) : why);
	l->end += (size_t)got;
	l->file_end = got == 0;
	return true;
}

struct scan {
	size_t done; /* bytes looked at */
	bool open;   /* inside quotes */
};

/* Looks for the line's end from where the last look stopped. */
static bool find_end(const char *from, size_t len, bool quoted, struct scan *scan, size_t *ret_at)
{
	while (scan->done < len) {
		const char *at = memchr(from + scan->done, '\n', len - scan->done);
		const size_t stop = at == NULL ? len : (size_t)(at - from);

		for (const char *q = from + scan->done; quoted && (q = memchr(q, '"', (size_t)(from + stop - q))) != NULL; q++)
			scan->open = !scan->open;
		scan->done = stop + (at != NULL);
		if (at != NULL && !scan->open) {
			*ret_at = stop;
			return true;
		}
	}
	return false;
}

static size_t count_newlines(const char *from, size_t len)
{
	size_t n = 0;

	for (const char *p = from; (p = memchr(p, '\n', (size_t)(from + len - p))) != NULL; p++)
		n++;
	return n;
}

/* Drops one row of a line that is refused; the rest of it is skipped by the next call when it is not here yet. */
static bool refuse(struct hr_lines *l, const char *why, struct hr_error *err)
{
	const char *from = l->buffer + l->begin, *at = memchr(from, '\n', l->end - l->begin);

	l->skipping = at == NULL && !l->file_end;
	l->begin = at == NULL ? l->end : l->begin + (size_t)(at - from) + 1;
	l->number++;
	return hr_fail(err, HR_E_FORMAT, "line %llu: %s", (unsigned long long)l->number, why);
}

static bool skip_rest(struct hr_lines *l, struct hr_error *err)
{
	while (l->skipping) {
		const char *from = l->buffer + l->begin, *at = memchr(from, '\n', l->end - l->begin);

		l->begin = at == NULL ? l->end : l->begin + (size_t)(at - from) + 1;
		l->skipping = at == NULL && !l->file_end;
		if (l->skipping && !fill(l, err))
			return false;
	}
	return true;
}

static void hand_out(struct hr_lines *l, size_t len, size_t end_len, char **ret_line, size_t *ret_len, uint64_t *ret_number)
{
	char *line = l->buffer + l->begin;

	*ret_number = l->number + 1;
	l->number += count_newlines(line, len) + 1;
	l->begin += len + end_len;
	*ret_line = line;
	*ret_len = len != 0 && line[len - 1] == '\r' ? len - 1 : len;
}

bool hr_lines_next(struct hr_lines *l, bool quoted, char **ret_line, size_t *ret_len, uint64_t *ret_number, bool *ret_end,
                   struct hr_error *err)
{
	struct scan scan = {0};
	size_t len;

	*ret_end = false;
	if (!skip_rest(l, err))
		return false;
	while (!find_end(l->buffer + l->begin, l->end - l->begin, quoted, &scan, &len)) {
		len = l->end - l->begin;
		if (l->file_end && len == 0) {
			*ret_end = true;
			return true;
		}
		if (len > HR_LINE_MAX - 1 || (l->file_end && scan.open))
			return refuse(l, scan.open ? "a quote is not closed" : "the line is over 1048576 bytes", err);
		if (l->file_end) {
			hand_out(l, len, 0, ret_line, ret_len, ret_number);
			return true;
		}
		if (!fill(l, err))
			return false;
	}
	hand_out(l, len, 1, ret_line, ret_len, ret_number);
	return true;
}

void hr_lines_progress(const struct hr_lines *l, uint64_t *ret_read, uint64_t *ret_size)
{
	const z_off_t at = gzoffset(l->file);

	*ret_read = at > 0 ? (uint64_t)at : 0;
	*ret_size = l->size;
}

void hr_lines_close(struct hr_lines *l)
{
	if (l == NULL)
		return;
	(void)gzclose(l->file);
	hr_free(l->buffer);
	hr_free(l);
}
