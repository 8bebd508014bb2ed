/* first_call.c - any entry point may be the first of its process, before all constructors: the
 * loader's list of a program's earliest functions runs before those of libraries.
 * Layer: tests (includes libc and public headers only).
 *
 * Runs itself again for each case, named in the environment. */
#include "arenite/arenite.h"
#include "arenite/registry.h"
#include "child.h"
#include "support.h"
#include "traffic.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CASE_VARIABLE "ARENITE_TEST_FIRST_CALL="
/* So many that libc must allocate for one more: of keys when one is given a value, of handlers
 * around fork when one is registered. */
#define KEYS 40
#define FORK_HANDLERS 48
#define THREADS 4

/* The library's alone. */
#pragma weak free_sized
#pragma weak free_aligned_sized
#pragma weak arenite_registry
#pragma weak arenite_audit
#pragma weak arenite_stats_json

void *_Znwm(size_t bytes) __attribute__((weak));
void *_ZnamRKSt9nothrow_t(size_t bytes, const void *nothrow) __attribute__((weak));
void _ZdlPvm(void *memory, size_t bytes) __attribute__((weak));

static char outside[64];

/* ---- one call each --------------------------------------------------------------------------- */

static void use(void *memory) {
    TEST_CHECK(memory != NULL);
    memset(memory, 1, 100);
    free(memory);
}

static void first_malloc(void) {
    use(malloc(100));
}

static void first_calloc(void) {
    use(calloc(10, 10));
}

static void first_realloc(void) {
    use(realloc(NULL, 100));
}

static void first_reallocarray(void) {
    use(reallocarray(NULL, 10, 10));
}

static void first_free(void) {
    errno = 4711;
    free(NULL);
    TEST_CHECK(errno == 4711);
}

static void first_sized_free(void) {
    free_sized(NULL, 10);
    free_aligned_sized(NULL, 64, 10);
}

static void first_posix_memalign(void) {
    void *memory = NULL;
    TEST_CHECK(posix_memalign(&memory, 64, 100) == 0);
    use(memory);
}

static void first_memalign(void) {
    use(memalign(4096, 100));
}

static void first_aligned_alloc(void) {
    use(aligned_alloc(64, 100));
}

static void first_valloc(void) {
    use(valloc(100));
}

static void first_pvalloc(void) {
    use(pvalloc(100));
}

static void first_large(void) {
    use(malloc((size_t)8 << 20));
}

static void first_impossible(void) {
    volatile size_t too_much = SIZE_MAX;
    TEST_CHECK(malloc(too_much) == NULL && errno == ENOMEM);
}

static void first_usable_size(void) {
    TEST_CHECK(malloc_usable_size(NULL) == 0);
}

static void first_mallinfo(void) {
    struct mallinfo2 info = mallinfo2();
    TEST_CHECK(info.arena == info.uordblks + info.fordblks);
}

static void first_mallopt(void) {
    TEST_CHECK(mallopt(M_MMAP_THRESHOLD, 200000) == 1);
}

static void first_trim(void) {
    malloc_trim(0);
}

static void first_info(void) {
    TEST_CHECK(malloc_info(0, stdout) == 0);
}

static void first_stats(void) {
    TEST_CHECK(arenite_stats_json(NULL, 0) > 100);
}

static void first_audit(void) {
    TEST_CHECK(arenite_audit() == NULL);
}

static void first_new(void) {
    _ZdlPvm(_Znwm(100), 100);
    free(_ZnamRKSt9nothrow_t(100, NULL));
}

/* A name that does not exist: libc allocates the text that says so. */
static void first_dlsym(void) {
    TEST_CHECK(dlsym(RTLD_DEFAULT, "no_such_symbol_anywhere") == NULL && dlerror() != NULL);
}

static void *allocate(void *unused) {
    for (size_t i = 0; i < 500; i++) {
        use(malloc(100 + i * 50));
    }
    return unused;
}

static void first_thread(void) {
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        TEST_CHECK(pthread_create(&threads[i], NULL, allocate, NULL) == 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        TEST_CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

/* The library's own key comes after these. */
static void first_after_keys(void) {
    pthread_key_t key;
    for (size_t i = 0; i < KEYS; i++) {
        TEST_CHECK(pthread_key_create(&key, NULL) == 0);
    }
    TEST_CHECK(key >= KEYS - 1);
    first_thread();
}

static void first_fork(void) {
    int status = -1;
    pid_t id = fork();
    if (id == 0) {
        first_thread();
        _exit(0);
    }
    TEST_CHECK(id > 0 && waitpid(id, &status, 0) == id && status == 0);
    use(malloc(100));
}

static void do_nothing(void) {
}

/* The library's own, the next one, then allocates in the middle of the library's beginning. */
static void first_after_fork_handlers(void) {
    for (size_t i = 0; i < FORK_HANDLERS; i++) {
        TEST_CHECK(pthread_atfork(do_nothing, do_nothing, do_nothing) == 0);
    }
    first_fork();
}

/* Ends the process. */
static void first_foreign(void) {
    free(outside);
}

static const struct {
    const char *name;
    void (*call)(void);
    bool aborts;
} cases[] = {
    {"malloc", first_malloc, false},
    {"calloc", first_calloc, false},
    {"realloc", first_realloc, false},
    {"reallocarray", first_reallocarray, false},
    {"free", first_free, false},
    {"free_sized", first_sized_free, false},
    {"posix_memalign", first_posix_memalign, false},
    {"memalign", first_memalign, false},
    {"aligned_alloc", first_aligned_alloc, false},
    {"valloc", first_valloc, false},
    {"pvalloc", first_pvalloc, false},
    {"large", first_large, false},
    {"impossible", first_impossible, false},
    {"malloc_usable_size", first_usable_size, false},
    {"mallinfo2", first_mallinfo, false},
    {"mallopt", first_mallopt, false},
    {"malloc_trim", first_trim, false},
    {"malloc_info", first_info, false},
    {"arenite_stats_json", first_stats, false},
    {"arenite_audit", first_audit, false},
    {"new", first_new, false},
    {"dlsym", first_dlsym, false},
    {"thread", first_thread, false},
    {"keys", first_after_keys, false},
    {"fork", first_fork, false},
    {"fork handlers", first_after_fork_handlers, false},
    {"foreign", first_foreign, true},
};
#define CASES (sizeof cases / sizeof cases[0])

/* ---- running them ---------------------------------------------------------------------------- */

/* libc's own view of the environment may not be there yet. */
static const char *wanted_case(char **environment) {
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, CASE_VARIABLE, strlen(CASE_VARIABLE)) == 0) {
            return *environment + strlen(CASE_VARIABLE);
        }
    }
    return NULL;
}

/* The library has not begun: this is the first call. */
static void run_early(int argc, char **argv, char **environment) {
    (void)argc;
    (void)argv;
    const char *wanted = wanted_case(environment);
    for (size_t i = 0; wanted != NULL && i < CASES; i++) {
        if (strcmp(cases[i].name, wanted) == 0) {
            TEST_CHECK(arenite_registry.page_bytes == 0);
            cases[i].call();
        }
    }
}

__attribute__((section(".preinit_array"), used)) static void (*const earliest)(int, char **,
                                                                               char **) = run_early;

static void run_again(void *name) {
    TEST_CHECK(setenv("ARENITE_TEST_FIRST_CALL", name, 1) == 0);
    TEST_CHECK(freopen("/dev/null", "w", stdout) != NULL);
    execl("/proc/self/exe", "first_call", (char *)NULL);
    _exit(126);
}

/* Goes on as any program does. */
static int live_on(void) {
    struct traffic traffic;
    traffic_init(&traffic, 100, 1);
    traffic_run(&traffic, 500);
    TEST_CHECK(traffic.refused == 0);
    traffic_destroy(&traffic);
    first_thread();
    return arenite_audit() == NULL ? 0 : 1;
}

int main(void) {
    struct child child;
    if (getenv("ARENITE_TEST_FIRST_CALL") != NULL) {
        return live_on();
    }
    for (size_t i = 0; i < CASES; i++) {
        test_run_child(&child, run_again, (void *)(uintptr_t)cases[i].name);
        bool is_as_it_should_be =
            cases[i].aborts ? WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGABRT &&
                                  strncmp(child.said, "arenite: invalid free", 21) == 0
                            : test_child_passed(&child);
        if (!is_as_it_should_be) {
            fprintf(stderr, "%s: status %#x: %s\n", cases[i].name, (unsigned)child.status,
                    child.said);
        }
        TEST_CHECK(is_as_it_should_be);
    }
    return 0;
}
