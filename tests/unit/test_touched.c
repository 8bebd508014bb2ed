/* test_touched.c - free granules are handed out by their former use, and by how many of their
 * pages they have.
 * Layer: tests (includes pages and below). In a forked child, so that it starts with no heap. */
#include "os/os.h"
#include "pages/page_heap.h"

#include "test_child.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct { _Alignas(PAGE_RECORD_ALIGNMENT) uint64_t word; } records[5];

#define EXPECT_AUDIT() CHILD_EXPECT(page_heap_audit() == NULL)

/* Four free runs of a granule, none beside another, so many sixteenths of each touched, by such
 * uses. */
static void free_four(struct page_run *runs, const size_t *touched, const uint8_t *use) {
    struct page_run between;
    for (size_t i = 0; i < 4; i++) {
        CHILD_EXPECT(page_run_alloc(1, &records[i], &runs[i]) == 0);
        CHILD_EXPECT(page_run_alloc(1, &records[4], &between) == 0);
    }
    for (size_t i = 0; i < 4; i++) {
        runs[i].touched_bytes = touched[i] * (GRANULE_BYTES / 16);
        runs[i].use = use[i];
        page_run_free(&runs[i], &records[i]);
    }
    EXPECT_AUDIT();
}

/* Of free runs that were touched to different ends the fullest is handed out first, and one that
 * has too little only to those who take any. */
static void most_pages_first(void) {
    static const size_t touched[] = {3, 16, 9, 1};
    static const uint8_t use[4] = {0};
    struct page_run runs[4], again;
    free_four(runs, touched, use);
    static const size_t order[] = {1, 2, 0};
    for (size_t i = 0; i < 3; i++) {
        CHILD_EXPECT(page_run_alloc(1, &records[i], &again) == 0);
        CHILD_EXPECT(again.start == runs[order[i]].start && !again.is_zero);
        CHILD_EXPECT(again.touched_bytes == runs[order[i]].touched_bytes);
    }
    const struct page_wish wish = {.granules = 1, .least_bytes = GRANULE_BYTES / 16};
    CHILD_EXPECT(page_run_alloc_wish(&wish, &records[3], &again) == -ENOENT);
    CHILD_EXPECT(page_run_alloc(1, &records[3], &again) == 0 && again.start == runs[3].start);
    CHILD_EXPECT(!page_heap_has_dirty());
    CHILD_EXPECT(page_run_alloc(1, &records[4], &again) == 0 && again.is_zero);
    CHILD_EXPECT(again.touched_bytes == 0);
    EXPECT_AUDIT();
}

/* Of spans of several granules, too; what was purged has no pages any more. */
static void spans(void) {
    struct page_run thin, full, again;
    CHILD_EXPECT(page_run_alloc(8, &records[0], &thin) == 0);
    CHILD_EXPECT(page_run_alloc(8, &records[1], &full) == 0);
    thin.touched_bytes = GRANULE_BYTES;
    full.touched_bytes = 5 * GRANULE_BYTES;
    page_run_free(&thin, &records[0]);
    page_run_free(&full, &records[1]);
    CHILD_EXPECT(page_run_alloc(8, &records[2], &again) == 0 && again.start == full.start);
    CHILD_EXPECT(again.touched_bytes == 5 * GRANULE_BYTES);
    again.touched_bytes = 0; /* nothing said: all of it */
    page_run_free(&again, &records[2]);
    CHILD_EXPECT(page_run_alloc(8, &records[2], &again) == 0 && again.start == full.start);
    CHILD_EXPECT(again.touched_bytes == 8 * GRANULE_BYTES);
    page_run_free(&again, &records[2]);
    CHILD_EXPECT(page_heap_purge(0) == 16 * GRANULE_BYTES);
    const struct page_wish wish = {.granules = 8, .least_bytes = 1};
    CHILD_EXPECT(page_run_alloc_wish(&wish, &records[3], &again) == -ENOENT);
    CHILD_EXPECT(page_run_alloc(8, &records[3], &again) == 0 && again.is_zero);
    EXPECT_AUDIT();
}

/* A run goes to its former use, however many pages others have. */
static void former_use_first(void) {
    static const uint8_t use[] = {1, 2, 1, 2};
    static const size_t touched[] = {4, 16, 9, 12};
    static const size_t order[] = {2, 0, 1}; /* for use 1 */
    struct page_run runs[4], again;
    free_four(runs, touched, use);
    struct page_wish wish = {.granules = 1, .use = 1};
    for (size_t i = 0; i < 3; i++) {
        CHILD_EXPECT(page_run_alloc_wish(&wish, &records[i], &again) == 0);
        CHILD_EXPECT(again.start == runs[order[i]].start);
    }
    EXPECT_AUDIT();
}

#define CHILD_TEST(body)                    \
    static void test_##body(void **state) { \
        (void)state;                        \
        assert_child_passes(body);          \
    }

CHILD_TEST(most_pages_first)
CHILD_TEST(spans)
CHILD_TEST(former_use_first)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_most_pages_first),
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_former_use_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
