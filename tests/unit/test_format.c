/* test_format.c - the printer against snprintf, over random values, widths and buffer sizes. */
#include "base/format.h"

#include "test_random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TEXT_BYTES 128
#define CANARY '\x7e'

/* Both printers with the same arguments into buffers of the same size. */
#define COMPARE(size, ...)                                           \
    do {                                                             \
        char ours[TEXT_BYTES], theirs[TEXT_BYTES];                   \
        memset(ours, CANARY, sizeof ours);                           \
        memset(theirs, CANARY, sizeof theirs);                       \
        size_t ours_length = format_text(ours, (size), __VA_ARGS__); \
        int theirs_length = snprintf(theirs, (size), __VA_ARGS__);   \
        assert_int_equal(ours_length, theirs_length);                \
        assert_memory_equal(ours, theirs, sizeof ours);              \
    } while (0)

static void compare_numbers(size_t size, uint64_t value) {
    COMPARE(size, "%d|%-12d|%12d", (int)value, (int)value, (int)value);
    COMPARE(size, "%ld|%-21ld|%21ld", (long)value, (long)value, (long)value);
    COMPARE(size, "%u|%-11u|%11u", (unsigned)value, (unsigned)value, (unsigned)value);
    COMPARE(size, "%zu|%-22zu|%3zu", (size_t)value, (size_t)value, (size_t)value);
    COMPARE(size, "%llu %llx", (unsigned long long)value, (unsigned long long)value);
    COMPARE(size, "%x %zx %-9xend", (unsigned)value, (size_t)value, (unsigned)value);
    void *pointer = (void *)((uintptr_t)value | 1);
    COMPARE(size, "%p|%20p|%-20p", pointer, pointer, pointer);
}

static void test_numbers_like_snprintf(void **state) {
    (void)state;
    struct random_source random = random_start("format numbers");
    size_t steps = random_steps(20000);
    for (size_t i = 0; i < steps; i++) {
        compare_numbers(random_below(&random, TEXT_BYTES), random_magnitude(&random));
    }
}

static void test_extreme_numbers(void **state) {
    (void)state;
    static const uint64_t values[] = {0,
                                      1,
                                      9,
                                      10,
                                      INT32_MAX,
                                      UINT32_MAX,
                                      INT64_MAX,
                                      UINT64_MAX,
                                      (uint64_t)INT64_MIN,
                                      (uint64_t)1 << 31};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        compare_numbers(TEXT_BYTES, values[i]);
    }
}

static void test_every_buffer_size(void **state) {
    (void)state;
    for (size_t size = 0; size <= 40; size++) {
        COMPARE(size, "%s-%c-%5d-%%-%-6s|%8s|", "heap", 'x', -42, "ab", "right");
    }
}

static void test_null_string_and_null_pointer(void **state) {
    (void)state;
    const char *volatile nothing = NULL;
    char text[TEXT_BYTES];
    format_text(text, sizeof text, "%s|%9s", nothing, nothing);
    assert_string_equal(text, "(null)|   (null)");
    format_text(text, sizeof text, "%p", (void *)NULL);
    assert_string_equal(text, "0x0");
}

static void test_no_buffer_at_all(void **state) {
    (void)state;
    assert_int_equal(format_text(NULL, 0, "%d bytes", 4096), 10);
}

/* The format is hidden from the compiler, which would refuse it. */
static void test_what_is_unknown_prints_itself(void **state) {
    (void)state;
    static const char *const formats[] = {"%q", "100%", "%-7", "%l", "%08.3f", "%zz"};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        char text[TEXT_BYTES];
        const char *volatile format = formats[i];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
        size_t length = format_text(text, sizeof text, format);
#pragma GCC diagnostic pop
        assert_string_equal(text, formats[i]);
        assert_int_equal(length, strlen(formats[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_like_snprintf),
        cmocka_unit_test(test_extreme_numbers),
        cmocka_unit_test(test_every_buffer_size),
        cmocka_unit_test(test_null_string_and_null_pointer),
        cmocka_unit_test(test_no_buffer_at_all),
        cmocka_unit_test(test_what_is_unknown_prints_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
