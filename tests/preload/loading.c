/* loading.c - the library beside other libraries: called before its constructor, loaded and
 * unloaded by hand, audited by the loader, with a small claim on thread-local storage.
 * Layer: tests (includes libc only). */
#include "support.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
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

static void *touch_in_thread(void *touch) {
    int (*touch_all)(void) = NULL;
    *(void **)&touch_all = touch;
    TEST_CHECK(touch_all() == 1 && touch_all() == 2);
    return NULL;
}

/* The loader takes such storage from us at a thread's first touch, and frees it at its end: our own
 * must not need the loader in turn. Threads begin before and after the library is there. */
static void test_dynamic_tls(void) {
    for (size_t round = 0; round < 5; round++) {
        pthread_t threads[8];
        void *library = dlopen(helper("lib_tls_dynamic.so"), RTLD_NOW);
        TEST_CHECK(library != NULL);
        void *touch = dlsym(library, "tls_dynamic_touch");
        TEST_CHECK(touch != NULL);
        for (size_t i = 0; i < 8; i++) {
            TEST_CHECK(pthread_create(&threads[i], NULL, touch_in_thread, touch) == 0);
        }
        for (size_t i = 0; i < 8; i++) {
            TEST_CHECK(pthread_join(threads[i], NULL) == 0);
        }
        dlclose(library);
    }
}

/* What a command says on stdout, cut to the buffer. */
static void run(const char *command, char *said, size_t bytes) {
    FILE *pipe = popen(command, "r");
    TEST_CHECK(pipe != NULL);
    size_t length = fread(said, 1, bytes - 1, pipe);
    said[length] = '\0';
    TEST_CHECK(pclose(pipe) == 0);
}

/* What echo says with two libraries preloaded, in this order. */
static void expect_echo(const char *first, const char *second, const char *expected) {
    char command[8192];
    char said[100];
    snprintf(command, sizeof command, "LD_PRELOAD='%s %s' /bin/echo -n 'program '", first, second);
    run(command, said, sizeof said);
    TEST_CHECK(strcmp(said, expected) == 0);
}

/* Libraries later in the list have their constructors run first. */
static void test_before_our_constructor(void) {
    expect_echo(getenv("LD_PRELOAD"), helper("lib_early.so"), "early program late ");
}

/* One handler around fork, registered once, however often the library is entered. */
static void test_registered_once(void) {
    expect_echo(helper("lib_atfork.so"), getenv("LD_PRELOAD"), "program registered 1 time(s)\n");
}

/* The auditor has a libc of its own, and is there before us. */
static void test_audited(void) {
    char auditor[4096];
    char command[8192];
    char said[100];
    snprintf(auditor, sizeof auditor, "%s", helper("lib_audit.so"));
    snprintf(command, sizeof command, "LD_AUDIT='%s' LD_PRELOAD='%s' '%s'", auditor,
             getenv("LD_PRELOAD"), helper("run_threads"));
    run(command, said, sizeof said);
    TEST_CHECK(strcmp(said, "audited\nran\n") == 0);
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
    test_dynamic_tls();
    test_before_our_constructor();
    test_registered_once();
    test_audited();
    test_loaded_by_hand();
    test_many_dlopens();
    return 0;
}
