/* test_class.c - the geometry of every size class, exhaustively.
 * Layer: tests (includes slab and below).
 *
 * ARENITE_TEST_TABLE=1 prints the table of waste: what a slab of each class leaves unused. */
#include "slab/class.h"
#include "slab/slab.h"

#include "os/os.h"
#include "support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Any request gets the smallest class that holds it. */
static void test_class_of_request(void **state) {
    (void)state;
    for (size_t bytes = 1; bytes <= SLAB_MAX_BYTES; bytes++) {
        size_t index = class_of(bytes);
        assert_in_range(index, 1, SLAB_LONE_FIRST - 1);
        assert_true(class_bytes(index) >= bytes);
        assert_true(index == 1 || class_bytes(index - 1) < bytes);
        assert_int_equal(class_serves_wide(bytes), index >= SLAB_SMALL_CLASSES);
        assert_int_equal(class_of_small(bytes) < SLAB_SMALL_CLASSES, index < SLAB_SMALL_CLASSES);
    }
    assert_int_equal(class_of(0), 0);
    for (size_t bytes = SLAB_MAX_BYTES + 1; bytes < 4 * SLAB_MAX_BYTES; bytes++) {
        assert_int_equal(class_of(bytes), SLAB_CLASSES);
        assert_false(class_serves_wide(bytes));
    }
    for (size_t bytes = SIZE_MAX; bytes > SIZE_MAX - 15; bytes--) {
        assert_int_equal(class_of_small(bytes), 0);
        assert_int_equal(class_of(bytes), SLAB_CLASSES);
    }
    assert_true(class_of_small(SIZE_MAX - 15) >= SLAB_SMALL_CLASSES);
}

/* Of the classes of one slot the first that holds the request, up to the largest. */
static void test_class_of_lone(void **state) {
    (void)state;
    size_t last = class_bytes(SLAB_CLASSES - 1);
    for (size_t bytes = SLAB_MAX_BYTES + 1; bytes <= last; bytes++) {
        size_t index = class_of_lone(bytes);
        assert_in_range(index, SLAB_LONE_FIRST, SLAB_CLASSES - 1);
        assert_true(class_bytes(index) >= bytes && class_capacity(index) == 1);
        assert_true(index == SLAB_LONE_FIRST || class_bytes(index - 1) < bytes);
    }
    assert_int_equal(class_of_lone(last + 1), SLAB_CLASSES);
    assert_int_equal(class_of_lone(SIZE_MAX), SLAB_CLASSES);
}

static void test_alignment(void **state) {
    (void)state;
    for (size_t index = 1; index < SLAB_CLASSES; index++) {
        size_t alignment = class_alignment(index);
        assert_true(is_power_of_two(alignment));
        assert_true(alignment >= SLAB_STEP_BYTES);
        assert_int_equal(class_bytes(index) % alignment, 0);
        assert_true(alignment == SLAB_MAX_ALIGNMENT || class_bytes(index) % (2 * alignment) != 0);
    }
    /* A request rounded up to a multiple of an alignment lands in a class that has it. */
    for (size_t alignment = SLAB_STEP_BYTES; alignment <= SLAB_MAX_ALIGNMENT; alignment *= 2) {
        for (size_t bytes = 1; bytes <= SLAB_MAX_BYTES; bytes++) {
            size_t index = class_of(align_up(bytes, alignment));
            assert_true(index >= SLAB_CLASSES || class_alignment(index) >= alignment);
        }
    }
    assert_true(SLAB_MAX_ALIGNMENT >= 512);
}

/* Every class in every colour: slots lie between guard and end, and another would not fit. */
static void test_slots_fit(void **state) {
    (void)state;
    for (size_t index = 1; index < SLAB_CLASSES; index++) {
        size_t colours = class_colours(index);
        assert_true(colours >= 1);
        assert_true(class_capacity(index) >= (index < SLAB_LONE_FIRST ? 2 : 1) &&
                    class_capacity(index) <= UINT16_MAX);
        for (size_t colour = 0; colour < colours; colour++) {
            size_t first = class_first_offset(index) + colour * class_alignment(index);
            size_t end = first + class_capacity(index) * class_bytes(index);
            assert_in_range(first, SLAB_GUARD_BYTES, SLAB_TOUCHED_BYTES - 1);
            assert_true(end <= class_span_bytes(index));
            assert_int_equal(first % class_alignment(index), 0);
        }
        size_t last = class_first_offset(index) + colours * class_alignment(index);
        assert_true(last >= SLAB_TOUCHED_BYTES ||
                    last + class_capacity(index) * class_bytes(index) > class_span_bytes(index));
    }
}

/* What the header of class.h promises: below one slot plus the start's rounding. */
static void test_waste(void **state) {
    (void)state;
    bool is_wanted = test_knob("ARENITE_TEST_TABLE", 0) != 0;
    size_t worst = 0;
    for (size_t index = 1; index < SLAB_CLASSES; index++) {
        size_t used = class_capacity(index) * class_bytes(index);
        size_t waste = class_span_bytes(index) - used;
        assert_true(waste < class_bytes(index) + class_first_offset(index));
        worst = index < SLAB_SMALL_CLASSES && waste > worst ? waste : worst;
        if (is_wanted) {
            printf("| %zu | %zu | %zu | %zu | %zu | %.2f |\n", class_bytes(index),
                   class_capacity(index), class_alignment(index), class_colours(index), waste,
                   100.0 * (double)waste / (double)class_span_bytes(index));
        }
    }
    assert_true(worst * 1000 <= GRANULE_BYTES * 16);
}

/* The colours really used: granules next to each other get different ones. */
static void test_colours_differ(void **state) {
    (void)state;
    char *memory = os_reserve(3 * SLAB_SPAN_MAX_BYTES, NULL);
    assert_non_null(memory);
    assert_int_equal(os_commit(memory, 3 * SLAB_SPAN_MAX_BYTES), 0);
    uintptr_t first = align_up((uintptr_t)memory, SLAB_SPAN_MAX_BYTES);
    for (size_t index = 1; index < SLAB_CLASSES; index++) {
        struct slab slab = {.start = first};
        slab_format(&slab, index);
        uintptr_t before = slab.origin - slab.start;
        slab.start += class_span_bytes(index);
        slab_format(&slab, index);
        assert_true((before != slab.origin - slab.start) == (class_colours(index) > 1));
    }
    os_release(memory, 3 * SLAB_SPAN_MAX_BYTES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_class_of_request),
        cmocka_unit_test(test_class_of_lone),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_slots_fit),
        cmocka_unit_test(test_waste),
        cmocka_unit_test(test_colours_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
