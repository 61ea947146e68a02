/* Runs a fuzz target over its committed corpus, one TAP line a file. A crash or an assertion fails `make check`. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static void replay(const char *folder, const char *name, int number)
{
	static uint8_t bytes[1 << 20];
	char path[1024];

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "rb");
	if (f == NULL) {
		(void)printf("not ok %d - %s can not be opened\n", number, name);
		return;
	}
	const size_t len = fread(bytes, 1, sizeof bytes, f);
	(void)fclose(f);
	uint8_t *exact = malloc(len + (len == 0)); /* so that the address sanitizer sees one byte too many */
	for (size_t i = 0; exact != NULL && i < len; i++)
		exact[i] = bytes[i];
	const int bad = exact == NULL || LLVMFuzzerTestOneInput(exact, len) != 0;
	free(exact);
	(void)printf("%s %d - %s\n", bad ? "not ok" : "ok", number, name);
}

int main(void)
{
	const char *top = getenv("top_srcdir");
	struct dirent **names;
	char folder[512];
	int number = 0;

	(void)snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/%s", top != NULL ? top : ".", hr_fuzz_corpus);
	const int count = scandir(folder, &names, NULL, alphasort);
	if (count < 0) {
		(void)printf("Bail out! %s can not be read\n", folder);
		return 1;
	}
	for (int i = 0; i < count; i++) {
		if (names[i]->d_name[0] != '.')
			replay(folder, names[i]->d_name, ++number);
		free(names[i]);
	}
	free(names);
	(void)printf("1..%d\n", number);
	return 0;
}
