/* lib_atfork.c - stands before libc and counts which handlers around fork libarenite registers;
 * says so at the end of the process.
 * Layer: tests (includes libc only). */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
                      void *library);

static int registered;
static int output; /* stdout; programs close theirs at exit */

/* A handler before the fork, which could wait, would count as many. */
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
                      void *library) {
    int (*next)(void (*)(void), void (*)(void), void (*)(void), void *) = NULL;
    Dl_info place;
    if (dladdr(__builtin_return_address(0), &place) != 0 &&
        strstr(place.dli_fname, "libarenite") != NULL) {
        registered += prepare == NULL ? 1 : 100;
    }
    *(void **)&next = dlsym(RTLD_NEXT, "__register_atfork");
    return next != NULL ? next(prepare, parent, child, library) : -1;
}

__attribute__((constructor)) static void begin(void) {
    output = dup(STDOUT_FILENO);
}

__attribute__((destructor)) static void end(void) {
    dprintf(output, "registered %d time(s)\n", registered);
}
