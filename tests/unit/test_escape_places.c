/* test_escape_places.c - which operations are over: those that a handler left, wherever the next
 * call comes from; and none that is only interrupted, by handlers on stacks of their own and by
 * coroutines that handlers switch to. Other threads that wait for what was held go on.
 * Layer: tests (includes api and below). */
#include "api/names.h"
#include "arenite/arenite.h"
#include "single_step.h"
#include "support.h"
#include "test_child.h"
#include "test_random.h"
#include "thread/operation.h"
#include "thread/recover.h"

#include <alloca.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#if CAN_SINGLE_STEP

#define STACK_BYTES ((size_t)128 * 1024)
#define DEEP_BYTES ((size_t)300 * 1024)
#define MEDIUM_BYTES ((size_t)60000)

static sigjmp_buf outside;
static void (*volatile act)(void); /* in the handler, once */
static volatile size_t act_at, steps;
static char signal_stack[STACK_BYTES], coroutine_stack[STACK_BYTES];

static void on_step(int number) {
    (void)number;
    if (thread_operation != NULL && steps++ == act_at) {
        act();
    }
}

static void catch_steps(int flags) {
    struct sigaction on_trap = {.sa_handler = on_step, .sa_flags = flags};
    CHILD_EXPECT(sigaction(SIGTRAP, &on_trap, NULL) == 0);
}

static void use_stack(char *stack) {
    const stack_t alternate = {.ss_sp = stack, .ss_size = STACK_BYTES};
    CHILD_EXPECT(sigaltstack(&alternate, NULL) == 0);
    catch_steps(SA_ONSTACK);
}

static void escape(void) {
    siglongjmp(outside, 1);
}

/* Of all sizes, slowly or not. */
static void use_memory(void) {
    static const size_t sizes[] = {24, 2000, 20000, MEDIUM_BYTES, 300000};
    void *blocks[5];
    for (size_t i = 0; i < 5; i++) {
        blocks[i] = arenite_malloc(sizes[i]);
        CHILD_EXPECT(blocks[i] != NULL);
        memset(blocks[i], (int)i, sizes[i]);
    }
    for (size_t i = 0; i < 5; i++) {
        const unsigned char *bytes = blocks[i];
        CHILD_EXPECT(bytes[0] == i && bytes[sizes[i] - 1] == i);
        arenite_free(blocks[i]);
    }
}

static void expect_sound(void) {
    const char *error = arenite_audit();
    if (error != NULL) {
        fprintf(stderr, "after %zu instructions: %s\n", act_at, error);
        fflush(stderr);
        abort();
    }
}

static void allocate_slowly(void) {
    (void)arenite_malloc_trim(0);
    steps = 0;
    single_step_begin();
    void *block = arenite_malloc(MEDIUM_BYTES);
    single_step_end();
    arenite_free(block);
}

/* ---- left: it is over ------------------------------------------------------------------------ */

/* From far below where the program goes on. */
static NOINLINE void allocate_deeply(void) {
    volatile char *room = alloca(DEEP_BYTES);
    room[0] = 1;
    allocate_slowly();
    room[1] = 1;
}

static void expect_recovered(size_t operations) {
    use_memory();
    CHILD_EXPECT(thread_operation == NULL);
    CHILD_EXPECT(thread_losses.operations == operations);
    expect_sound();
}

static void leave(void (*call)(void)) {
    for (volatile size_t i = 0; i < 40; i++) {
        size_t before = thread_losses.operations;
        act_at = i * 13;
        act = escape;
        if (sigsetjmp(outside, 1) == 0) {
            call();
            CHILD_EXPECT(steps <= act_at);
        } else {
            expect_recovered(before + 1);
        }
    }
}

static void child_deep(void) {
    catch_steps(0);
    leave(allocate_deeply);
}

static void child_from_signal_stack(void) {
    use_stack(signal_stack);
    leave(allocate_slowly);
}

static void *leave_deeply(void *unused) {
    leave(allocate_deeply);
    return unused;
}

static void child_in_thread(void) {
    pthread_t thread;
    catch_steps(0);
    CHILD_EXPECT(pthread_create(&thread, NULL, leave_deeply, NULL) == 0);
    CHILD_EXPECT(pthread_join(thread, NULL) == 0);
    use_memory();
    expect_sound();
}

/* A handler's own operation, left by another handler into the first one; the flow is alive. */
static sigjmp_buf inside;

static void leave_inner(int number) {
    (void)number;
    siglongjmp(inside, 1);
}

static void interrupt_oneself(void) {
    act = escape;
    if (sigsetjmp(inside, 1) == 0) {
        act_at = 30;
        act = NULL;
        struct sigaction on_trap = {.sa_handler = leave_inner};
        CHILD_EXPECT(sigaction(SIGTRAP, &on_trap, NULL) == 0);
        sigset_t trap;
        sigemptyset(&trap);
        sigaddset(&trap, SIGTRAP);
        sigprocmask(SIG_UNBLOCK, &trap, NULL);
        single_step_begin();
        void *block = arenite_malloc(MEDIUM_BYTES);
        single_step_end();
        arenite_free(block);
    }
    use_memory();
    act_at = SIZE_MAX;
    catch_steps(0);
}

static void child_inner(void) {
    for (size_t i = 0; i < 30; i++) {
        catch_steps(0);
        act = interrupt_oneself;
        act_at = i * 20;
        allocate_slowly();
        use_memory();
        CHILD_EXPECT(thread_operation == NULL);
        expect_sound();
    }
}

/* The thread ends in the handler, with destructors that run above what it left. */
static void end_thread(void) {
    pthread_exit(NULL);
}

static void *allocate_until_ended(void *unused) {
    use_memory();
    allocate_slowly();
    return unused;
}

static void child_thread_ends(void) {
    use_memory();
    for (size_t i = 0; i < 40; i++) {
        pthread_t thread;
        catch_steps(0);
        act = end_thread;
        act_at = i * 13;
        CHILD_EXPECT(pthread_create(&thread, NULL, allocate_until_ended, NULL) == 0);
        CHILD_EXPECT(pthread_join(thread, NULL) == 0);
        use_memory();
        expect_sound();
    }
    CHILD_EXPECT(thread_losses.operations > 0);
}

/* ---- interrupted: it goes on ----------------------------------------------------------------- */

static void expect_alive(void) {
    for (size_t i = 0; i < 40; i++) {
        act_at = i * 13;
        allocate_slowly();
        CHILD_EXPECT(thread_operation == NULL);
        expect_sound();
    }
    CHILD_EXPECT(thread_losses.operations == 0);
}

static void child_on_signal_stack(void) {
    use_stack(signal_stack);
    act = use_memory;
    expect_alive();
}

/* Above the frames of the flow that it interrupts. */
static NOINLINE void expect_alive_below(const char *stack) {
    CHILD_EXPECT(stack != NULL);
    expect_alive();
}

static void child_on_lent_stack(void) {
    char stack[STACK_BYTES];
    use_stack(stack);
    act = use_memory;
    expect_alive_below(stack);
}

static ucontext_t handler_context, coroutine_context;

static void run_coroutine(void) {
    for (;;) {
        use_memory();
        swapcontext(&coroutine_context, &handler_context);
    }
}

static void switch_to_coroutine(void) {
    swapcontext(&handler_context, &coroutine_context);
}

static void child_coroutine(void) {
    CHILD_EXPECT(getcontext(&coroutine_context) == 0);
    coroutine_context.uc_stack = (stack_t){.ss_sp = coroutine_stack, .ss_size = STACK_BYTES};
    makecontext(&coroutine_context, run_coroutine, 0);
    catch_steps(0);
    act = switch_to_coroutine;
    expect_alive();
}

/* ---- other threads ------------------------------------------------------------------------- */

/* They share an arena, and wait for whoever holds it. */
static void *use_often(void *stop) {
    while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED)) {
        use_memory();
    }
    return stop;
}

static void child_beside_others(void) {
    pthread_t threads[3];
    bool stop = false;
    CHILD_EXPECT(arenite_mallopt(-8 /* M_ARENA_MAX */, 1) == 1);
    for (size_t i = 0; i < 3; i++) {
        CHILD_EXPECT(pthread_create(&threads[i], NULL, use_often, &stop) == 0);
    }
    catch_steps(0);
    for (volatile size_t i = 0; i < 100; i++) {
        act_at = i * 7;
        act = escape;
        if (sigsetjmp(outside, 1) == 0) {
            allocate_slowly();
        }
        use_memory();
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (size_t i = 0; i < 3; i++) {
        CHILD_EXPECT(pthread_join(threads[i], NULL) == 0);
    }
    expect_sound();
}

/* ---- */

#define TEST(body)                          \
    static void test_##body(void **state) { \
        (void)state;                        \
        assert_child_passes(child_##body);  \
    }

TEST(deep)
TEST(from_signal_stack)
TEST(in_thread)
TEST(inner)
TEST(thread_ends)
TEST(on_signal_stack)
TEST(on_lent_stack)
TEST(coroutine)
TEST(beside_others)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deep),          cmocka_unit_test(test_from_signal_stack),
        cmocka_unit_test(test_in_thread),     cmocka_unit_test(test_inner),
        cmocka_unit_test(test_thread_ends),   cmocka_unit_test(test_on_signal_stack),
        cmocka_unit_test(test_on_lent_stack), cmocka_unit_test(test_coroutine),
        cmocka_unit_test(test_beside_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void) {
    test_skip("there is no single-stepping here");
}

#endif
