/* test_faults.c - watching refused accesses: what is told of one, and what happens next; and lists
 * of callers.
 * Layer: tests (includes os).
 *
 * Each piece runs in a child, as a process watches faults once. */
#include "os/os.h"
#include "os/report.h"
#include "os/trace.h"
#include "test_child.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cmocka.h>

static struct os_fault seen;
static int looks;
static char *closed; /* a page without access */

static void look(const struct os_fault *fault) {
    seen = *fault;
    looks++;
}

/* The framework has a handler of its own. */
static void begin_with(void (*handler)(int)) {
    looks = 0;
    signal(SIGSEGV, handler);
    closed = mmap(NULL, os_page_bytes(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHILD_EXPECT(closed != MAP_FAILED);
}

static void watch(void) {
    errno = EDOM;
    CHILD_EXPECT(os_watch_faults(look) == 0);
    CHILD_EXPECT(errno == EDOM);
}

static void open_page(int number) {
    (void)number;
    mprotect(closed, os_page_bytes(), PROT_READ | PROT_WRITE);
}

static void open_page_told(int number, siginfo_t *info, void *context) {
    CHILD_EXPECT(info->si_signo == number && info->si_addr == closed + 5 && context != NULL);
    open_page(number);
}

static void write_to(volatile char *at) {
    *at = 7;
}

#if defined(__x86_64__) || defined(__i386__)
#define TELLS_REGISTERS true
#else
#define TELLS_REGISTERS false
#endif

static void check_seen(enum os_access access) {
    CHILD_EXPECT(looks == 1 && seen.address == closed + 5);
    CHILD_EXPECT(!TELLS_REGISTERS || (seen.access == access && seen.place != NULL));
}

/* ---- what happens next ----------------------------------------------------------------------- */

static void former_is_called(void) {
    begin_with(open_page);
    watch();
    write_to(closed + 5);
    CHILD_EXPECT(closed[5] == 7);
    check_seen(OS_ACCESS_WRITE);
}

static void former_is_told(void) {
    struct sigaction action = {.sa_sigaction = open_page_told, .sa_flags = SA_SIGINFO};
    begin_with(SIG_DFL);
    sigaction(SIGSEGV, &action, NULL);
    watch();
    CHILD_EXPECT(*(volatile char *)(closed + 5) == 0);
    check_seen(OS_ACCESS_READ);
}

static void look_and_say(const struct os_fault *fault) {
    look(fault);
    report_line("seen");
}

static void fault_from(void (*handler)(int)) {
    begin_with(handler);
    CHILD_EXPECT(os_watch_faults(look_and_say) == 0);
    write_to(closed + 5);
}

static void default_ends_the_process(void) {
    fault_from(SIG_DFL);
}

static void ignoring_does_not_help(void) {
    fault_from(SIG_IGN);
}

static void sent_one_ends_the_process(void) {
    begin_with(SIG_DFL);
    CHILD_EXPECT(os_watch_faults(look_and_say) == 0);
    raise(SIGSEGV);
    _exit(3);
}

static void sent_one_may_be_ignored(void) {
    begin_with(SIG_IGN);
    watch();
    raise(SIGSEGV);
    raise(SIGSEGV);
    CHILD_EXPECT(looks == 0);
}

static void test_the_former_handler_is_called(void **state) {
    (void)state;
    assert_child_passes(former_is_called);
    assert_child_passes(former_is_told);
    assert_child_passes(sent_one_may_be_ignored);
}

static void expect_end(void (*body)(void), const char *text) {
    struct child_result child = child_run(body);
    assert_int_equal(child.signal, SIGSEGV);
    assert_string_equal(child.text, text);
}

static void test_the_process_ends_as_it_would(void **state) {
    (void)state;
    expect_end(default_ends_the_process, "arenite: seen\n");
    expect_end(ignoring_does_not_help, "arenite: seen\n");
    expect_end(sent_one_ends_the_process, "");
}

static void test_whether_a_word_can_be_read(void **state) {
    (void)state;
    char *pages = mmap(NULL, 3 * os_page_bytes(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(pages + os_page_bytes(), os_page_bytes(), PROT_NONE);
    assert_int_equal(munmap(pages + 2 * os_page_bytes(), os_page_bytes()), 0);
    errno = EDOM;
    assert_true(os_can_read(pages));
    assert_true(os_can_read(pages + os_page_bytes() - 8));
    assert_false(os_can_read(pages + os_page_bytes()));
    assert_false(os_can_read(NULL));
    assert_false(os_can_read((const void *)(UINTPTR_MAX & ~(uintptr_t)7)));
    assert_int_equal(errno, EDOM);
    munmap(pages, 2 * os_page_bytes());
}

/* ---- callers --------------------------------------------------------------------------------- */

#define DEPTH 5

static const void *expected[DEPTH + 1];

/* Each level has a frame pointer, because it asks for it. */
static NOINLINE void descend(struct trace *trace, int depth) {
    void *volatile frame = __builtin_frame_address(0);
    expected[depth] = __builtin_return_address(0);
    if (depth == 0) {
        report_caller = __builtin_return_address(0);
        report_frame = frame;
        trace_take(trace);
    } else {
        descend(trace, depth - 1);
    }
    frame = NULL;
}

static void test_callers_are_named_innermost_first(void **state) {
    (void)state;
    struct trace trace;
    descend(&trace, DEPTH);
    for (size_t i = 0; i <= DEPTH; i++) {
        assert_ptr_equal(trace.frames[i], expected[i]);
    }
}

/* Whatever stands where a frame pointer is looked for: the caller is known, and nothing faults. */
static void test_senseless_frames_are_not_followed(void **state) {
    (void)state;
    uintptr_t words[4] = {0};
    const uintptr_t senseless[] = {0,
                                   1,
                                   (uintptr_t)words,
                                   (uintptr_t)words + 3,
                                   UINTPTR_MAX,
                                   UINTPTR_MAX - 15,
                                   (uintptr_t)&trace_take,
                                   (uintptr_t)&words[2] + TRACE_REACH_BYTES - 8,
                                   (uintptr_t)&words[2] + TRACE_REACH_BYTES / 2};
    report_caller = (const void *)(uintptr_t)&free;
    words[1] = (uintptr_t)report_caller;
    for (size_t i = 0; i < sizeof senseless / sizeof senseless[0]; i++) {
        struct trace trace;
        words[0] = senseless[i];
        report_frame = words;
        trace_take(&trace);
        assert_ptr_equal(trace.frames[0], report_caller);
        report_frame = (const void *)senseless[i];
        trace_take(&trace);
        assert_ptr_equal(trace.frames[0], report_caller);
        assert_true(senseless[i] == (uintptr_t)words || trace.frames[1] == NULL);
    }
}

static void test_callers_as_text(void **state) {
    (void)state;
    struct trace trace = {{NULL}};
    char text[400];
    assert_int_equal(trace_print(&trace, text, sizeof text), 0);
    trace.frames[0] = (const void *)(uintptr_t)&trace_take;
    trace.frames[1] = (const void *)16;
    size_t length = trace_print(&trace, text, sizeof text);
    assert_int_equal(length, strlen(text));
    assert_non_null(strstr(text, "test_faults+0x"));
    assert_string_equal(strchr(text, ' '), " 0x10");
    assert_int_equal(trace_print(&trace, text, 4), length);
    assert_int_equal(strlen(text), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_former_handler_is_called),
        cmocka_unit_test(test_the_process_ends_as_it_would),
        cmocka_unit_test(test_whether_a_word_can_be_read),
        cmocka_unit_test(test_callers_are_named_innermost_first),
        cmocka_unit_test(test_senseless_frames_are_not_followed),
        cmocka_unit_test(test_callers_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
