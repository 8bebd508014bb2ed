/* test_bits.c - powers of two, alignment and overflow against the slow definitions. */
#include "base/bits.h"

#include "test_random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static unsigned slow_floor(size_t value) {
    unsigned order = 0;
    while (value > 1) {
        value /= 2;
        order++;
    }
    return order;
}

static void check_logarithms(size_t value) {
    unsigned floor = slow_floor(value);
    bool power = (size_t)1 << floor == value;
    assert_int_equal(is_power_of_two(value), power);
    assert_int_equal(log2_floor(value), floor);
    assert_int_equal(log2_ceil(value), power ? floor : floor + 1);
}

static void test_logarithms(void **state) {
    (void)state;
    assert_false(is_power_of_two(0));
    for (size_t value = 1; value < 5000; value++) {
        check_logarithms(value);
    }
    for (unsigned bit = 1; bit < sizeof(size_t) * 8; bit++) {
        size_t power = (size_t)1 << bit;
        check_logarithms(power);
        check_logarithms(power - 1);
        check_logarithms(power | 1);
    }
    check_logarithms(SIZE_MAX);
}

static void test_alignment(void **state) {
    (void)state;
    for (size_t alignment = 1; alignment <= 64; alignment *= 2) {
        for (size_t value = 0; value < 300; value++) {
            size_t down = value / alignment * alignment;
            size_t up = (value + alignment - 1) / alignment * alignment;
            assert_int_equal(align_down(value, alignment), down);
            assert_int_equal(align_up(value, alignment), up);
            assert_int_equal(is_aligned(value, alignment), down == value);
        }
    }
}

static void test_lowest_set_bit(void **state) {
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        assert_int_equal(lowest_set_bit((uint64_t)1 << bit), bit);
        assert_int_equal(lowest_set_bit(UINT64_MAX << bit), bit);
    }
}

static void test_overflow(void **state) {
    (void)state;
    struct random_source random = random_start("overflow");
    size_t result = 0;
    for (size_t i = 0; i < random_steps(100000); i++) {
        size_t a = (size_t)random_magnitude(&random), b = (size_t)random_magnitude(&random);
        assert_int_equal(add_overflows(a, b, &result), a > SIZE_MAX - b);
        assert_int_equal(mul_overflows(a, b, &result), b != 0 && a > SIZE_MAX / b);
    }
    assert_false(add_overflows(SIZE_MAX - 1, 1, &result));
    assert_int_equal(result, SIZE_MAX);
    assert_true(add_overflows(SIZE_MAX, 1, &result));
    assert_false(mul_overflows(SIZE_MAX, 1, &result));
    assert_true(mul_overflows(SIZE_MAX / 2 + 1, 2, &result));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logarithms),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_lowest_set_bit),
        cmocka_unit_test(test_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
