/* deepbind.c - blocks of libc's own malloc that reach us are passed on to libc; before libc's heap
 * was ever used, a foreign pointer is an error.
 * Layer: tests (includes libc only). */
#include "child.h"
#include "support.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *(*deepbind_make)(size_t bytes);
static char outside[64];

static void *load(void) {
    char path[4096];
    const char *folder = getenv("ARENITE_TEST_HELPERS");
    TEST_CHECK(folder != NULL);
    snprintf(path, sizeof path, "%s/lib_deepbind.so", folder);
    void *library = dlopen(path, RTLD_NOW | RTLD_DEEPBIND);
    TEST_CHECK(library != NULL);
    *(void **)&deepbind_make = dlsym(library, "deepbind_make");
    TEST_CHECK(deepbind_make != NULL);
    return library;
}

static void free_outside(void *unused) {
    (void)unused;
    free(outside);
}

static bool all_are(const char *memory, size_t bytes, char value) {
    for (size_t i = 0; i < bytes; i++) {
        if (memory[i] != value) {
            return false;
        }
    }
    return true;
}

static void exchange(void *unused) {
    static const size_t sizes[] = {1, 24, 100, 2000, 100000, 3000000};
    (void)unused;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        free(deepbind_make(sizes[i]));
        char *memory = deepbind_make(sizes[i]);
        TEST_CHECK(malloc_usable_size(memory) >= sizes[i]);
        memory = realloc(memory, sizes[i] * 3);
        TEST_CHECK(memory != NULL && all_are(memory, sizes[i], 'd'));
        free(memory);
        TEST_CHECK(realloc(deepbind_make(sizes[i]), 0) == NULL);
    }
}

static size_t count_lines(const char *text) {
    size_t lines = 0;
    for (; *text != '\0'; text++) {
        lines += *text == '\n';
    }
    return lines;
}

int main(void) {
    struct child child;
    void *library = load();
    test_run_child(&child, free_outside, NULL);
    TEST_CHECK(test_child_aborted_over(&child, outside));

    test_run_child(&child, exchange, NULL);
    TEST_CHECK(test_child_passed(&child));
    TEST_CHECK(strncmp(child.said, "arenite: ", strlen("arenite: ")) == 0);
    TEST_CHECK(strstr(child.said, "deepbind") != NULL && count_lines(child.said) == 1);

    exchange(NULL);
    dlclose(library);
    return 0;
}
