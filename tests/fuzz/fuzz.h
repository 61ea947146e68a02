/* tests/fuzz/fuzz.h - what a fuzz target provides: its entry point, and the name of its corpus for the replay. */
#ifndef HR_TESTS_FUZZ_H
#define HR_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

extern const char hr_fuzz_corpus[]; /* a folder of tests/fuzz/corpus */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#endif
