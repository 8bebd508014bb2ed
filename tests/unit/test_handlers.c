/* test_handlers.c - signal handlers that allocate and free between any two instructions of a slow
 * operation: of every kind of call, of every size, at a thread's beginning and end, and handlers
 * that fork there. The debug build's check of the lock order looks on.
 * Layer: tests (includes api and below).
 *
 * A step costs a signal, and nothing here is left to when it comes: how many instructions there are
 * between two acts of the handler is chance from a seed. ARENITE_TEST_RARITY makes acts rarer. */
#include "api/names.h"
#include "arenite/arenite.h"
#include "held.h"
#include "single_step.h"
#include "support.h"
#include "test_random.h"
#include "thread/operation.h"
#include "thread/thread.h"

#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#if CAN_SINGLE_STEP

#define KEPT 24
#define BLOCKS 100
/* In one call, at most. What handlers map while they interrupt the table of mapped blocks is
 * entered there when they let it go on: without an end to them it never would. */
#define ACTS_MAX 40
#define TRAP_FLAG 0x100

/* ---- the handler ----------------------------------------------------------------------------- */

static struct held kept[KEPT]; /* blocks that it holds from call to call */
static struct random_source chance;
static void (*volatile act)(void);
static volatile bool acts_outside; /* also where the flow is in no slow operation */
static bool uses_large;            /* only sizes that slabs do not serve */
static volatile size_t one_in;     /* of so many instructions one is followed by an act */
static size_t acts_most;           /* in one call */
static size_t quiet_orders;        /* magnitudes of quiet_steps */
static volatile size_t quiet_steps, acts_left; /* until the first one of this call, and then */
static volatile size_t steps, acts;

/* Runs in the handler, where cmocka cannot fail a test. */
static void require(bool condition, const char *what) {
    if (!condition) {
        fprintf(stderr, "act %zu, step %zu: %s\n", acts, steps, what);
        abort();
    }
}

/* Of large ones few sizes, so that they meet in the lists that threads keep of them. */
static size_t some_bytes(void) {
    static const size_t most[] = {200, 1024, 5000, 40000, 200000};
    static const size_t large[] = {40000, 41000, 60000, 200000};
    return uses_large ? large[random_below(&chance, 4)]
                      : 1 + random_below(&chance, most[random_below(&chance, 5)]);
}

static void take(struct held *held) {
    held->bytes = some_bytes();
    held->tag = acts;
    switch (random_below(&chance, 3)) {
    case 0:
        held->memory = arenite_calloc(1, held->bytes);
        require(held->memory == NULL || held_is_zero(held), "calloc's memory is not zero");
        break;
    case 1:
        held->memory = arenite_memalign(256, held->bytes);
        require((uintptr_t)held->memory % 256 == 0, "a block is not aligned");
        break;
    default:
        held->memory = arenite_malloc(held->bytes);
    }
    require(held->memory != NULL, "no memory");
    held_fill(held);
}

static void resize(struct held *held, size_t bytes) {
    unsigned char *moved = arenite_realloc(held->memory, bytes);
    require(moved != NULL, "no memory");
    held->memory = moved;
    require(held_begins(held, bytes < held->bytes ? bytes : held->bytes), "contents have changed");
    held->bytes = bytes;
    held_fill(held);
}

static void use_memory(void) {
    struct held *held = &kept[random_below(&chance, KEPT)];
    if (held->memory == NULL) {
        take(held);
        return;
    }
    require(held_is_intact(held), "contents have changed");
    require(arenite_malloc_usable_size(held->memory) >= held->bytes, "a block is too small");
    if (random_below(&chance, 4) == 0) {
        resize(held, some_bytes());
    } else {
        arenite_free(held->memory);
        held->memory = NULL;
    }
}

/* What looks at everything, or gives back, must not wait for what the flow holds. */
static void use_memory_and_look(void) {
    use_memory();
    if (acts % 16 == 0) {
        struct mallinfo2 info = arenite_mallinfo2();
        require(info.arena == info.uordblks + info.fordblks, "figures do not add up");
        (void)arenite_malloc_trim(0);
    }
}

/* The child stays in the handler, and can do everything there. */
static void fork_here(void) {
    pid_t child = fork();
    if (child == 0) {
        for (size_t i = 0; i < 200; i++) {
            use_memory();
        }
        _exit(0);
    }
    int status = -1;
    require(child > 0 && waitpid(child, &status, 0) == child, "no child");
    require(status == 0, "the child died");
}

/* Behind the last act the rest of the call runs unstepped. */
static void on_step(int number, siginfo_t *info, void *context) {
    ucontext_t *flow = context;
    (void)number;
    (void)info;
    if (thread_operation == NULL && !acts_outside) {
        return;
    }
    steps = steps + 1;
    if (quiet_steps > 0) {
        quiet_steps = quiet_steps - 1;
    } else if (acts_left == 0) {
        flow->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    } else if (random_below(&chance, one_in) == 0) {
        acts_left = acts_left - 1;
        acts = acts + 1;
        act();
    }
}

/* The first act comes soon or late, with the same chance for every magnitude. */
static void prepare_call(void) {
    quiet_steps = random_below(&chance, (size_t)1 << random_below(&chance, quiet_orders));
    acts_left = acts_most;
}

/* ---- operations ------------------------------------------------------------------------------ */

/* A step costs a signal: only the call that is meant is stepped through. */
#define STEPPED(call)        \
    do {                     \
        prepare_call();      \
        single_step_begin(); \
        call;                \
        single_step_end();   \
    } while (0)

static struct held blocks[BLOCKS];

static void stepped_free(struct held *held) {
    require(held_is_intact(held), "contents of the flow have changed");
    STEPPED(arenite_free(held->memory));
    held->memory = NULL;
}

/* Of the small ones many, so that slabs and lists fill up and empty; few of them are stepped. */
static void allocate_and_free(size_t bytes) {
    size_t count = bytes < 5000 ? BLOCKS : bytes < 20000 ? 24 : 6;
    size_t stride = bytes < 100 ? 10 : bytes < 20000 ? 3 : 1;
    size_t first = random_below(&chance, stride);
    for (size_t i = 0; i < count; i++) {
        blocks[i] = (struct held){NULL, bytes, i};
        if (i % stride == first) {
            STEPPED(blocks[i].memory = arenite_malloc(bytes));
        } else {
            blocks[i].memory = arenite_malloc(bytes);
        }
        require(blocks[i].memory != NULL, "no memory in the flow");
        held_fill(&blocks[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (i % stride == first) {
            stepped_free(&blocks[i]);
        } else {
            arenite_free(blocks[i].memory);
        }
    }
}

static void zeroed_and_aligned(size_t bytes) {
    for (size_t i = 0; i < 6; i++) {
        size_t alignment = (size_t)64 << 2 * i;
        blocks[i] = (struct held){NULL, bytes, i};
        if (i % 2 == 0) {
            STEPPED(blocks[i].memory = arenite_calloc(1, bytes));
            require(held_is_zero(&blocks[i]), "calloc's memory is not zero");
        } else {
            STEPPED(blocks[i].memory = arenite_memalign(alignment, bytes));
            require((uintptr_t)blocks[i].memory % alignment == 0, "a block is not aligned");
        }
        require(blocks[i].memory != NULL, "no memory in the flow");
        held_fill(&blocks[i]);
    }
    for (size_t i = 0; i < 6; i++) {
        stepped_free(&blocks[i]);
    }
}

static void resized(size_t bytes) {
    static const size_t percents[] = {130, 60, 250, 90, 40, 100};
    struct held held = {arenite_malloc(bytes), bytes, 3};
    held_fill(&held);
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        size_t wanted = bytes * percents[i] / 100 + 1;
        unsigned char *moved = NULL;
        STEPPED(moved = arenite_realloc(held.memory, wanted));
        require(moved != NULL, "no memory in the flow");
        held.memory = moved;
        require(held_begins(&held, wanted < held.bytes ? wanted : held.bytes),
                "realloc lost bytes");
        held.bytes = wanted;
        held_fill(&held);
    }
    stepped_free(&held);
}

static void trim(size_t bytes) {
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i].memory = arenite_malloc(i * bytes);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        arenite_free(blocks[i].memory);
    }
    STEPPED((void)arenite_malloc_trim(0));
}

static void figures(size_t unused) {
    struct mallinfo2 info;
    (void)unused;
    STEPPED(info = arenite_mallinfo2());
    require(info.arena == info.uordblks + info.fordblks, "figures do not add up");
}

static void parameters(size_t unused) {
    (void)unused;
    STEPPED((void)arenite_mallopt(M_MXFAST, 64));
    STEPPED((void)arenite_mallopt(M_MXFAST, 128));
}

/* ---- threads --------------------------------------------------------------------------------- */

static pthread_key_t last_key;

/* Its destructor runs behind the library's own, and before libc blocks all signals. */
static void end_stepping(void *unused) {
    (void)unused;
    single_step_end();
}

/* Frees what the first thread has allocated, and leaves it something. */
static void *live(void *unused) {
    void *own[8];
    require(pthread_setspecific(last_key, &last_key) == 0, "no thread-specific value");
    prepare_call();
    single_step_begin();
    for (size_t i = 0; i < 8; i++) {
        own[i] = arenite_malloc(i * i * 700);
    }
    for (size_t i = 0; i < 8; i++) {
        arenite_free(blocks[i].memory);
        blocks[i].memory = NULL;
        if (i % 2 == 0) {
            arenite_free(own[i]);
        } else {
            blocks[i].memory = own[i];
        }
    }
    return unused;
}

static void thread_life(size_t bytes) {
    pthread_t thread;
    for (size_t i = 0; i < 8; i++) {
        blocks[i].memory = arenite_malloc(i * bytes);
    }
    require(pthread_create(&thread, NULL, live, NULL) == 0, "no thread");
    require(pthread_join(thread, NULL) == 0, "no end of the thread");
    for (size_t i = 0; i < 8; i++) {
        STEPPED(arenite_free(blocks[i].memory));
        blocks[i].memory = NULL;
    }
    STEPPED(arenite_free(arenite_malloc(bytes)));
}

/* ---- stepping through them ------------------------------------------------------------------- */

static const struct stepped {
    const char *name;
    void (*run)(size_t bytes);
    size_t bytes;
    size_t one_in; /* 1: an act after every instruction */
    size_t orders; /* 10: the first act comes after up to 2^9 instructions */
} operations[] = {
    {"malloc and free", allocate_and_free, 24, 4, 10},
    {"malloc and free", allocate_and_free, 1000, 8, 10},
    {"malloc and free", allocate_and_free, 8000, 8, 10},
    {"malloc and free", allocate_and_free, 40000, 2, 10},
    {"malloc and free", allocate_and_free, 200000, 2, 10},
    {"malloc and free", allocate_and_free, (size_t)3 << 20, 2, 10},
    {"calloc and memalign", zeroed_and_aligned, 900, 4, 10},
    {"calloc and memalign", zeroed_and_aligned, 300000, 4, 10},
    {"realloc", resized, 1000, 4, 10},
    {"realloc", resized, (size_t)33 << 20, 4, 10},
    {"malloc_trim", trim, 50, 32, 15},
    {"mallinfo2", figures, 0, 32, 15},
    {"mallopt", parameters, 0, 8, 10},
    {"a thread's life", thread_life, 100, 16, 15},
};
#define OPERATIONS (sizeof operations / sizeof operations[0])

static void expect_sound(const char *name) {
    const char *error = arenite_audit();
    if (error != NULL) {
        fail_msg("after %s: %s", name, error);
    }
}

/* Blocks of the flow's that its handlers free or resize. */
static void offer(void) {
    for (size_t i = 0; i < KEPT; i++) {
        if (kept[i].memory == NULL) {
            kept[i] = (struct held){NULL, some_bytes(), i};
            kept[i].memory = arenite_malloc(kept[i].bytes);
            assert_non_null(kept[i].memory);
            held_fill(&kept[i]);
        }
    }
}

/* rarity: how much rarer than usual the acts are. */
static void interrupt_all(size_t rarity) {
    size_t all_steps = 0;
    for (size_t i = 0; i < OPERATIONS; i++) {
        const struct stepped *operation = &operations[i];
        if (uses_large && operation->bytes < 40000) {
            continue;
        }
        offer();
        steps = acts = 0;
        one_in = operation->one_in * rarity;
        quiet_orders = operation->orders;
        operation->run(operation->bytes);
        printf("%s, %zu bytes: %zu acts, %zu steps\n", operation->name, operation->bytes, acts,
               steps);
        all_steps += steps;
        expect_sound(operation->name);
    }
    assert_true(all_steps > 1000);
    for (size_t i = 0; i < KEPT; i++) {
        assert_true(kept[i].memory == NULL || held_is_intact(&kept[i]));
        arenite_free(kept[i].memory);
        kept[i].memory = NULL;
    }
    expect_sound("all");
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void begin(const char *name, void (*action)(void), size_t most, bool outside) {
    struct sigaction on_trap = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
    assert_int_equal(sigaction(SIGTRAP, &on_trap, NULL), 0);
    chance = random_start(name);
    act = action;
    acts_most = most;
    acts_outside = outside;
}

/* The few instructions of the fast paths are not covered. */
static void test_slow_operations(void **state) {
    (void)state;
    begin("test_slow_operations", use_memory_and_look, ACTS_MAX, false);
    interrupt_all(test_knob("ARENITE_TEST_RARITY", 1));
}

/* Without fast paths every instruction may be interrupted: no lock is held outside operations. */
static void test_everywhere(void **state) {
    (void)state;
    begin("test_everywhere", use_memory_and_look, ACTS_MAX, true);
    thread_detour(thread_own, true);
    interrupt_all(test_knob("ARENITE_TEST_RARITY", 1));
    thread_detour(thread_own, false);
}

/* Nor are there any for large blocks. */
static void test_large_everywhere(void **state) {
    (void)state;
    begin("test_large_everywhere", use_memory_and_look, ACTS_MAX, true);
    uses_large = true;
    for (size_t i = 0; i < 5; i++) {
        interrupt_all(test_knob("ARENITE_TEST_RARITY", 1));
    }
    uses_large = false;
}

static void test_forks(void **state) {
    (void)state;
    begin("test_forks", fork_here, 1, false);
    interrupt_all(test_knob("ARENITE_TEST_FORK_RARITY", 100));
}

static int create_key(void **state) {
    (void)state;
    arenite_free(arenite_malloc(1)); /* the library's own key is created first */
    return pthread_key_create(&last_key, end_stepping);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_operations),
        cmocka_unit_test(test_everywhere),
        cmocka_unit_test(test_large_everywhere),
        cmocka_unit_test(test_forks),
    };
    return cmocka_run_group_tests(tests, create_key, NULL);
}

#else

int main(void) {
    test_skip("there is no single-stepping here");
}

#endif
