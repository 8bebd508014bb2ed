/* fuzz.h - what the fuzz harnesses share: their entry, bytes to make decisions from, complaints.
 * Layer: tests (includes libc only).
 *
 * A harness is one function from bytes to a crash or none. libFuzzer, AFL++ and replay.c call it:
 * what it says about an input must not depend on the inputs before. */
#ifndef ARENITE_TESTS_FUZZ_FUZZ_H
#define ARENITE_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_input {
    const uint8_t *at;
    size_t left;
};

/* Zeros after the end. */
static inline uint8_t fuzz_byte(struct fuzz_input *input) {
    if (input->left == 0) {
        return 0;
    }
    input->left--;
    return *input->at++;
}

/* Little-endian, of so many bytes, at most 8. */
static inline uint64_t fuzz_number(struct fuzz_input *input, unsigned bytes) {
    uint64_t number = 0;
    for (unsigned i = 0; i < bytes; i++) {
        number |= (uint64_t)fuzz_byte(input) << 8 * i;
    }
    return number;
}

/* A NUL-terminated copy of what stands before the next separator, or of the rest; for free. */
static inline char *fuzz_text(struct fuzz_input *input, char separator) {
    const uint8_t *end = input->left == 0 ? NULL : memchr(input->at, separator, input->left);
    size_t length = end == NULL ? input->left : (size_t)(end - input->at);
    char *text = calloc(length + 1, 1);
    if (text == NULL) {
        abort();
    }
    if (length > 0) {
        memcpy(text, input->at, length);
    }
    input->at += length + (end != NULL);
    input->left -= length + (end != NULL);
    return text;
}

/* Ends the run as a finding. */
static inline void fuzz_expect(int condition, const char *what) {
    if (!condition) {
        fprintf(stderr, "fuzz: %s\n", what);
        abort();
    }
}

#endif
