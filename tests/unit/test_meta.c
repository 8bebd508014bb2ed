/* test_meta.c - record memory: zero, aligned, nobody else's, and refused politely. */
#include "pages/meta.h"

#include "os/os.h"

#include "test_child.h"
#include "test_random.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#define RECORDS_MAX 4000
#define THREADS 4

struct record {
    unsigned char *start;
    size_t bytes;
    unsigned char fill;
};

static struct record take_record(struct random_source *random, unsigned char fill) {
    size_t bytes = 1 + random_below(random, random_below(random, 50) == 0 ? 40000 : 500);
    size_t alignment = (size_t)1 << random_below(random, 13);
    struct record record = {meta_alloc(bytes, alignment), bytes, fill};
    if (record.start == NULL || (uintptr_t)record.start % alignment != 0) {
        abort();
    }
    for (size_t i = 0; i < bytes; i++) {
        if (record.start[i] != 0) {
            abort();
        }
    }
    memset(record.start, fill, bytes);
    return record;
}

static bool is_intact(const struct record *record) {
    for (size_t i = 0; i < record->bytes; i++) {
        if (record->start[i] != record->fill) {
            return false;
        }
    }
    return true;
}

static void test_a_small_process_maps_nothing(void **state) {
    (void)state;
    size_t mapped = meta_mapped_bytes(), used = meta_used_bytes();
    assert_int_equal(used, 0);
    assert_non_null(meta_alloc(1000, 64));
    assert_int_equal(meta_mapped_bytes(), mapped);
    assert_int_equal(meta_used_bytes(), 1000);
}

static void test_random_records(void **state) {
    (void)state;
    static struct record records[RECORDS_MAX];
    struct random_source random = random_start("meta records");
    size_t count = random_steps(RECORDS_MAX);
    count = count < RECORDS_MAX ? count : RECORDS_MAX;
    size_t used = meta_used_bytes();
    for (size_t i = 0; i < count; i++) {
        records[i] = take_record(&random, (unsigned char)(1 + i % 255));
        used += records[i].bytes;
    }
    assert_int_equal(meta_used_bytes(), used);
    assert_true(meta_mapped_bytes() >= used);
    for (size_t i = 0; i < count; i++) {
        assert_true(is_intact(&records[i]));
    }
}

static void *take_many(void *argument) {
    enum { COUNT = 500 };
    struct record records[COUNT];
    struct random_source *random = argument;
    for (size_t i = 0; i < COUNT; i++) {
        records[i] = take_record(random, (unsigned char)random->state);
    }
    for (size_t i = 0; i < COUNT; i++) {
        if (!is_intact(&records[i])) {
            abort();
        }
    }
    return NULL;
}

static void test_threads_share_nothing(void **state) {
    (void)state;
    struct random_source random = random_start("meta threads");
    struct random_source sources[THREADS];
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        sources[i].state = random_bits(&random);
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, &sources[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

/* What is already mapped still serves; then NULL, and the counters do not move. */
static void alloc_until_refused(void) {
    struct rlimit limit = {1 << 20, 1 << 20};
    CHILD_EXPECT(setrlimit(RLIMIT_AS, &limit) == 0);
    CHILD_EXPECT(meta_alloc((size_t)1 << 20, 64) == NULL);
    CHILD_EXPECT(meta_alloc(SIZE_MAX, 1) == NULL);
    size_t served = 0;
    while (meta_alloc(64, 64) != NULL) {
        served++;
    }
    size_t used = meta_used_bytes(), mapped = meta_mapped_bytes();
    CHILD_EXPECT(served < 2000);
    CHILD_EXPECT(meta_alloc(64, 64) == NULL);
    CHILD_EXPECT(meta_used_bytes() == used && meta_mapped_bytes() == mapped);
}

static void test_refusal(void **state) {
    (void)state;
    assert_child_passes(alloc_until_refused);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_small_process_maps_nothing),
        cmocka_unit_test(test_random_records),
        cmocka_unit_test(test_threads_share_nothing),
        cmocka_unit_test(test_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
