/* test_report.c - what lands on stderr, and how the process ends. */
#include "os/report.h"

#include "base/check.h"
#include "base/format.h"

#include "test_child.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

static void no_core_file(void) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
}

static void say_lines(void) {
    report_line("arena %u holds %zu bytes", 3u, (size_t)4096);
    report_line("second");
}

static void test_lines(void **state) {
    (void)state;
    struct child_result child = child_run(say_lines);
    assert_int_equal(child.exit_status, 0);
    assert_string_equal(child.text, "arenite: arena 3 holds 4096 bytes\narenite: second\n");
}

static void say_long_line(void) {
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    report_line("%s", text);
    report_line("next");
}

static void test_long_line_is_cut(void **state) {
    (void)state;
    struct child_result child = child_run(say_long_line);
    char *newline = strchr(child.text, '\n');
    assert_non_null(newline);
    assert_in_range(newline - child.text, 1400, 1535);
    assert_int_equal(newline[-1], 'x');
    assert_string_equal(newline + 1, "arenite: next\n");
}

static void corrupt(void) {
    no_core_file();
    report_corruption("free(): invalid pointer", (void *)(uintptr_t)0x1230);
}

static void fail_fatally(void) {
    no_core_file();
    report_fatal("no way on: %d", -12);
}

static void fail_check(void) {
    no_core_file();
    check_failed("a < b", "file.c", 7);
}

static void fail_debug_check(void) {
    no_core_file();
    volatile int one = 1;
    DEBUG_CHECK(one == 2);
}

static void test_fatal_reports_abort(void **state) {
    (void)state;
    static const struct {
        void (*body)(void);
        const char *text;
    } cases[] = {
        {corrupt, "arenite: free(): invalid pointer: 0x1230; thread "},
        {fail_fatally, "arenite: no way on: -12\n"},
        {fail_check, "arenite: check failed: a < b (file.c:7)\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct child_result child = child_run(cases[i].body);
        assert_int_equal(child.signal, SIGABRT);
        assert_memory_equal(child.text, cases[i].text, strlen(cases[i].text));
    }
}

/* ---- lines about a pointer ------------------------------------------------------------------- */

static size_t describe(const void *pointer, char *text, size_t size) {
    return format_text(text, size, "the %zuth byte", (size_t)(uintptr_t)pointer);
}

static void misuse(void) {
    no_core_file();
    report_describe = describe;
    report_caller = (const void *)(uintptr_t)misuse;
    report_misuse("double free", (void *)(uintptr_t)0x30);
}

static void misuse_and_report(void) {
    report_on_error = REPORT_REPORT;
    misuse();
}

static void misuse_and_ignore(void) {
    report_on_error = REPORT_IGNORE;
    misuse();
}

static void corrupt_and_ignore(void) {
    report_on_error = REPORT_IGNORE;
    corrupt();
}

/* "; thread N, called from THIS PROGRAM+0xN" */
static void assert_who(const char *text) {
    int thread = 0;
    unsigned long offset = 0;
    char program[64] = "";
    char end = 0;
    assert_int_equal(
        sscanf(text, "; thread %d, called from %63[^+]+0x%lx%c", &thread, program, &offset, &end),
        4);
    assert_non_null(strstr(program, "test_report"));
    assert_true(thread > 0);
    assert_true(offset > 0);
    assert_int_equal(end, '\n');
}

static void test_misuse_names_all(void **state) {
    static const char start[] = "arenite: double free: 0x30: the 48th byte";
    (void)state;
    struct child_result child = child_run(misuse);
    assert_int_equal(child.signal, SIGABRT);
    assert_memory_equal(child.text, start, strlen(start));
    assert_who(child.text + strlen(start));
}

static void test_on_error(void **state) {
    (void)state;
    struct child_result child = child_run(misuse_and_report);
    assert_int_equal(child.exit_status, 0);
    assert_non_null(strstr(child.text, "arenite: double free: 0x30"));
    child = child_run(misuse_and_ignore);
    assert_int_equal(child.exit_status, 0);
    assert_string_equal(child.text, "");
    child = child_run(corrupt_and_ignore);
    assert_int_equal(child.signal, SIGABRT);
    assert_non_null(strstr(child.text, "0x1230"));
}

static void test_debug_check_aborts(void **state) {
    (void)state;
    struct child_result child = child_run(fail_debug_check);
    assert_int_equal(child.signal, SIGABRT);
    assert_non_null(strstr(child.text, "check failed: one == 2"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_long_line_is_cut),
        cmocka_unit_test(test_fatal_reports_abort),
        cmocka_unit_test(test_misuse_names_all),
        cmocka_unit_test(test_on_error),
        cmocka_unit_test(test_debug_check_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
