/* guarded.c - sample_guards=1/1: every kind of misuse of a small block ends in one line that names
 * it, the block, who allocated it and who freed it; programs with handlers of their own go on.
 * Layer: tests (includes libc only).
 *
 * Runs itself again with the option set, once for each case. */
#include "arenite/arenite.h"
#include "child.h"
#include "support.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#pragma weak free_sized

#define BYTES 100

struct kind {
    const char *name;
    void (*act)(char *block);
    int signal;        /* that it ends with; 0: it ends by itself */
    const char *what;  /* how the line begins, behind "arenite: "; NULL: nothing is said */
    const char *state; /* what it says of the block */
    bool is_freed;     /* it tells who freed the block */
};

/* The compiler must not see what becomes of a block. */
static __attribute__((noinline)) void look(const volatile char *at) {
    (void)*at;
}

static __attribute__((noinline)) void touch(volatile char *at) {
    *at = 0;
}

/* ---- what goes wrong ------------------------------------------------------------------------- */

static void *free_it(void *block) {
    free(block);
    return NULL;
}

static void free_in_thread(void *block) {
    pthread_t thread;
    TEST_CHECK(pthread_create(&thread, NULL, free_it, block) == 0);
    TEST_CHECK(pthread_join(thread, NULL) == 0);
}

static void read_behind(char *block) {
    for (size_t i = 0;; i++) {
        look(block + i);
    }
}

static void write_in_front(char *block) {
    for (size_t i = 0;; i++) {
        touch(block - i);
    }
}

static void read_freed(char *block) {
    free(block);
    look(block + 7);
}

static void write_freed_by_another(char *block) {
    free_in_thread(block);
    touch(block + 7);
}

static void use_resized(char *block) {
    TEST_CHECK(realloc(block, BYTES + 1) != NULL);
    touch(block);
}

static void free_twice(char *block) {
    free(block);
    free(block);
}

static void free_twice_in_threads(char *block) {
    free_in_thread(block);
    free_in_thread(block);
}

static void free_inside(char *block) {
    free(block + 16);
}

static void free_in_guard_page(char *block) {
    free((void *)(((uintptr_t)block | 4095) + 1));
}

static void resize_freed(char *block) {
    free(block);
    TEST_CHECK(realloc(block, 10) == NULL);
}

/* Bytes between a block's end and its page's. */
static void write_just_behind(char *block) {
    touch(block + BYTES);
    free(block);
}

static void claim_wrong_size(char *block) {
    free_sized(block, BYTES - 1);
}

/* ---- what has nothing to do with guards ------------------------------------------------------ */

static void read_nothing(char *block) {
    (void)block;
    look((char *)8);
}

static void be_sent_a_fault(char *block) {
    (void)block;
    kill(getpid(), SIGSEGV);
    for (;;) {
        pause();
    }
}

/* ---- programs with handlers ------------------------------------------------------------------ */

static sigjmp_buf before_fault;
static struct sigaction former;

static void jump_back(int number) {
    siglongjmp(before_fault, number);
}

static void recover_by_oneself(char *block) {
    signal(SIGSEGV, jump_back);
    free(block);
    if (sigsetjmp(before_fault, 1) == 0) {
        look(block);
        TEST_CHECK(false);
    }
    free(malloc(BYTES));
}

static void call_former(int number, siginfo_t *info, void *context) {
    TEST_CHECK((former.sa_flags & SA_SIGINFO) != 0);
    former.sa_sigaction(number, info, context);
}

static void chain_to_former(char *block) {
    struct sigaction action = {.sa_sigaction = call_former, .sa_flags = SA_SIGINFO};
    TEST_CHECK(sigaction(SIGSEGV, &action, &former) == 0);
    read_freed(block);
}

static void fault_on_small_stack(char *block) {
    static char stack[16 * 1024];
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    TEST_CHECK(sigaltstack(&alternate, NULL) == 0);
    read_freed(block);
}

/* ---- many blocks ----------------------------------------------------------------------------- */

#define MANY 3000

/* Beyond what there are places for, allocation goes on; each block is its own, and a child has the
 * parent's. */
static void use_many(char *block) {
    static char *blocks[MANY];
    for (size_t i = 0; i < MANY; i++) {
        blocks[i] = malloc(1 + i % 500);
        test_pattern_fill(blocks[i], 1 + i % 500, i);
    }
    pid_t child = fork();
    TEST_CHECK(child >= 0);
    for (size_t i = 0; i < MANY; i++) {
        TEST_CHECK(test_pattern_holds(blocks[i], 1 + i % 500, i));
        free(blocks[i]);
    }
    free(block);
    int status = 0;
    TEST_CHECK(child == 0 || (waitpid(child, &status, 0) == child && status == 0));
}

static const struct kind kinds[] = {
    {"overflow", read_behind, SIGSEGV, "overflow by a read", "behind the block", false},
    {"underflow", write_in_front, SIGSEGV, "underflow by a write", "in front of the block", false},
    {"read freed", read_freed, SIGSEGV, "use after free by a read", "7 bytes into the block", true},
    {"write freed", write_freed_by_another, SIGSEGV, "use after free by a write",
     "7 bytes into the block", true},
    {"use resized", use_resized, SIGSEGV, "use after free by a write", "block, free", true},
    {"free twice", free_twice, SIGABRT, "double free", "block, free", true},
    {"free twice in threads", free_twice_in_threads, SIGABRT, "double free", "block, free", true},
    {"free inside", free_inside, SIGABRT, "invalid free", "16 bytes into the block", false},
    {"free guard page", free_in_guard_page, SIGABRT, "invalid free", "behind the block", false},
    {"resize freed", resize_freed, SIGABRT, "realloc of a freed block", "block, free", true},
    {"write behind", write_just_behind, SIGABRT, "overflow of a guarded block, seen when",
     "1 byte behind the block", false},
    {"wrong size", claim_wrong_size, SIGABRT, "free_sized with a wrong size of 99 bytes", "in use",
     false},
    {"read nothing", read_nothing, SIGSEGV, NULL, NULL, false},
    {"be sent a fault", be_sent_a_fault, SIGSEGV, NULL, NULL, false},
    {"recover", recover_by_oneself, 0, NULL, NULL, false},
    {"chain", chain_to_former, SIGSEGV, "use after free by a read", "block, free", true},
    {"small stack", fault_on_small_stack, SIGSEGV, "use after free by a read", "block, free", true},
    {"many", use_many, 0, NULL, NULL, false},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

/* ---- in the child ---------------------------------------------------------------------------- */

static void say_place(const char *what, const void *address) {
    Dl_info module;
    TEST_CHECK(dladdr(address, &module) != 0);
    fprintf(stderr, "%s +0x%zx\n", what,
            (size_t)((uintptr_t)address - (uintptr_t)module.dli_fbase));
}

/* Each function of the family finds both callers. */
enum allocator { BY_MALLOC, BY_CALLOC, BY_REALLOC, BY_MEMALIGN, BY_POSIX_MEMALIGN, ALLOCATORS };

static inline __attribute__((always_inline)) void *allocate_by(enum allocator allocator) {
    void *block = NULL;
    switch (allocator) {
    case BY_CALLOC:
        return calloc(1, BYTES);
    case BY_REALLOC:
        return realloc(malloc(1), BYTES);
    case BY_MEMALIGN:
        return memalign(64, BYTES);
    case BY_POSIX_MEMALIGN:
        return posix_memalign(&block, 64, BYTES) == 0 ? block : NULL;
    default:
        return malloc(BYTES);
    }
}

/* Its frame pointer is on the stack, as in a program that was compiled with them. */
static __attribute__((noinline)) char *allocate(enum allocator allocator) {
    char *volatile block = NULL;
    void *volatile frame = __builtin_frame_address(0);
    say_place("caller", __builtin_return_address(0));
    block = allocate_by(allocator);
    return frame != NULL ? block : NULL;
}

static __attribute__((noinline)) void act(const struct kind *kind) {
    void *volatile frame = __builtin_frame_address(0);
    char *block = allocate((enum allocator)((size_t)(kind - kinds) % ALLOCATORS));
    fprintf(stderr, "block %p\n", frame != NULL ? (void *)block : NULL);
    kind->act(block);
}

/* ---- in the parent --------------------------------------------------------------------------- */

static void become(void *name) {
    setenv("ARENITE_OPTIONS", "sample_guards=1/1", 1);
    execl("/proc/self/exe", "guarded", (char *)name, (char *)NULL);
    _exit(126);
}

static bool has(const char *text, const char *piece) {
    bool found = piece == NULL || strstr(text, piece) != NULL;
    if (!found) {
        fprintf(stderr, "not found: %s\n", piece);
    }
    return found;
}

/* "allocated by thread 71 at allocate's call, act's call ...". The word behind "caller " in what
 * was said is the second of the callers. */
static bool names_both_callers(const char *said, const char *line) {
    char caller[100];
    const char *allocated = strstr(line, "; allocated by thread ");
    return sscanf(strstr(said, "caller "), "caller %99s", caller) == 1 && allocated != NULL &&
           has(allocated, caller);
}

static bool line_is_right(const struct kind *kind, const char *said) {
    char block[64] = "";
    const char *line = strstr(said, "arenite: ");
    if (kind->what == NULL || line == NULL) {
        return kind->what == NULL && line == NULL;
    }
    snprintf(block, sizeof block, "%d-byte guarded block", BYTES);
    return strncmp(line + strlen("arenite: "), kind->what, strlen(kind->what)) == 0 &&
           has(line, kind->state) && has(line, block) && names_both_callers(said, line) &&
           (strstr(line, "; freed by thread ") != NULL) == kind->is_freed &&
           strstr(line + 1, "arenite: ") == NULL;
}

static bool passes(const struct kind *kind) {
    struct child child;
    union {
        const char *name;
        void *argument;
    } in = {.name = kind->name};
    test_run_child(&child, become, in.argument);
    bool ended = kind->signal != 0
                     ? WIFSIGNALED(child.status) && WTERMSIG(child.status) == kind->signal
                     : WIFEXITED(child.status) && WEXITSTATUS(child.status) == 0;
    if (!ended || !line_is_right(kind, child.said)) {
        fprintf(stderr, "%s: status %#x, said:\n%s", kind->name, (unsigned)child.status,
                child.said);
        return false;
    }
    return true;
}

int main(int argc, char **argv) {
    for (size_t i = 0; argc > 1 && i < KINDS; i++) {
        if (strcmp(argv[1], kinds[i].name) == 0) {
            act(&kinds[i]);
            return 0;
        }
    }
    if (getenv("ARENITE_OPTIONS") != NULL) {
        test_skip("the test sets the options itself");
    }
    size_t failures = 0;
    for (size_t i = 0; i < KINDS; i++) {
        failures += !passes(&kinds[i]);
    }
    TEST_CHECK(failures == 0);
    return 0;
}
