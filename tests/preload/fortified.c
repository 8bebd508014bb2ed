/* fortified.c - a program compiled with _FORTIFY_SOURCE=3, which checks writes against what was
 * asked for: usable bytes serve it after a realloc to them, whatever it does with them.
 * Layer: tests (includes libc only). */
#undef _FORTIFY_SOURCE
#if defined(__OPTIMIZE__)
#define _FORTIFY_SOURCE 3
#endif

#include "child.h"
#include "support.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* The compiler may know no length. */
static volatile size_t one_too_many = 1;

/* As programs grow their buffers: ask, take what there is, say so, write to the last byte. */
static void take_what_there_is(size_t bytes) {
    char *memory = malloc(bytes);
    TEST_CHECK(memory != NULL);
    memset(memory, 'a', bytes);
    size_t usable = malloc_usable_size(memory);
    TEST_CHECK(usable >= bytes);
    memory = realloc(memory, usable);
    TEST_CHECK(memory != NULL && malloc_usable_size(memory) >= usable);
    TEST_CHECK(memory[bytes - 1] == 'a');
    memset(memory, 'b', usable);
    memory = realloc(memory, usable * 2 + 1);
    TEST_CHECK(memory != NULL && memory[usable - 1] == 'b');
    TEST_CHECK(snprintf(memory, usable * 2 + 1, "%s", "text") == 4);
    free(memory);
}

#if defined(_FORTIFY_SOURCE)
static void write_too_much(void *unused) {
    size_t bytes = 100 + one_too_many;
    char *memory = malloc(bytes);
    (void)unused;
    memset(memory, 1, bytes + one_too_many);
    free(memory);
}

/* libc's check, which must really be there. */
static void test_is_fortified(void) {
    struct child child;
    test_run_child(&child, write_too_much, NULL);
    TEST_CHECK(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGABRT);
    TEST_CHECK(strstr(child.said, "buffer overflow detected") != NULL);
}
#else
static void test_is_fortified(void) {
    test_skip("built without optimisation: nothing is fortified");
}
#endif

int main(void) {
    for (size_t bytes = 1; bytes < 3000000; bytes += bytes / 7 + 1) {
        take_what_there_is(bytes);
    }
    test_is_fortified();
    return 0;
}
