/* require_preload.c - ends a preload test at its start when the library under test is not there.
 * Layer: tests (includes libc only).
 *
 * Linked into every program of tests/preload: without it a broken LD_PRELOAD would let all of
 * them pass on libc's malloc. A test that compares with libc's malloc starts itself again without
 * the library, and says so by ARENITE_TEST_REFERENCE. */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say(const char *text) {
    if (write(STDERR_FILENO, text, strlen(text)) < 0) {
        _exit(1);
    }
}

__attribute__((constructor)) static void require_preload(void) {
    if (getenv("ARENITE_TEST_REFERENCE") != NULL) {
        return;
    }
    Dl_info place;
    void *symbol = dlsym(RTLD_DEFAULT, "malloc");
    bool found = symbol != NULL && dladdr(symbol, &place) != 0 &&
                 strstr(place.dli_fname, "libarenite") != NULL;
    if (!found) {
        say("malloc is not the library's: was libarenite.so preloaded?\n");
        _exit(1);
    }
}
