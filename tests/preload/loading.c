/* loading.c - the library beside other libraries: called before its constructor, loaded and
 * unloaded by hand, with a small claim on thread-local storage.
 * Layer: tests (includes libc only). */
#include "support.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TLS_MAX_BYTES 64

static const char *helper(const char *name) {
    static char path[4096];
    const char *folder = getenv("ARENITE_TEST_HELPERS");
    TEST_CHECK(folder != NULL);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int measure_tls(struct dl_phdr_info *info, size_t size, void *result) {
    (void)size;
    if (strstr(info->dlpi_name, "libarenite") == NULL) {
        return 0;
    }
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == PT_TLS) {
            *(size_t *)result = info->dlpi_phdr[i].p_memsz;
        }
    }
    return 1;
}

static void test_tls_footprint(void) {
    size_t bytes = 0;
    TEST_CHECK(dl_iterate_phdr(measure_tls, &bytes) == 1);
    printf("thread-local storage: %zu bytes\n", bytes);
    TEST_CHECK(bytes > 0 && bytes <= TLS_MAX_BYTES);
}

/* Room for another library's static thread-local storage is left. */
static void test_tls_left(void) {
    void *library = dlopen(helper("lib_tls.so"), RTLD_NOW);
    TEST_CHECK(library != NULL);
    int (*touch)(void) = NULL;
    *(void **)&touch = dlsym(library, "tls_touch");
    TEST_CHECK(touch != NULL && touch() == 1);
    dlclose(library);
}

/* What a command says on stdout, cut to the buffer. */
static void run(const char *command, char *said, size_t bytes) {
    FILE *pipe = popen(command, "r");
    TEST_CHECK(pipe != NULL);
    size_t length = fread(said, 1, bytes - 1, pipe);
    said[length] = '\0';
    TEST_CHECK(pclose(pipe) == 0);
}

/* Libraries later in the list have their constructors run first. */
static void test_before_our_constructor(void) {
    char command[8192];
    char said[100];
    snprintf(command, sizeof command, "LD_PRELOAD='%s %s' /bin/echo -n 'program '",
             getenv("LD_PRELOAD"), helper("lib_early.so"));
    run(command, said, sizeof said);
    TEST_CHECK(strcmp(said, "early program late ") == 0);
}

static void test_loaded_by_hand(void) {
    char command[8192];
    char said[100];
    snprintf(command, sizeof command, "LD_PRELOAD= '%s' '%s'", helper("run_dlopen"),
             getenv("LD_PRELOAD"));
    run(command, said, sizeof said);
    TEST_CHECK(strcmp(said, "loaded and unloaded\n") == 0);
}

/* Loading and unloading a real library, again and again. */
static void test_many_dlopens(void) {
    for (int i = 0; i < 50; i++) {
        void *library = dlopen(helper("lib_early.so"), RTLD_NOW);
        TEST_CHECK(library != NULL);
        dlclose(library);
    }
    TEST_CHECK(dlopen("/does/not/exist.so", RTLD_NOW) == NULL && dlerror() != NULL);
    TEST_CHECK(dlsym(RTLD_DEFAULT, "no_such_symbol_anywhere") == NULL && dlerror() != NULL);
}

int main(void) {
    test_tls_footprint();
    test_tls_left();
    test_before_our_constructor();
    test_loaded_by_hand();
    test_many_dlopens();
    return 0;
}
