/* test_page_heap_threads.c - page runs allocated, freed, purged and handed over by several threads,
 * audited meanwhile; and forked at any moment. */
#include "pages/meta.h"
#include "pages/page_heap.h"

#include "test_child.h"
#include "test_random.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define THREADS 4
#define SLOTS 64
#define FORKS 25

/* Runs lie in slots that any thread may empty or fill: most are freed by another thread. */
struct holding {
    struct page_run run;
    _Alignas(PAGE_RECORD_ALIGNMENT) uint64_t record;
    uint64_t fill;
    bool is_full;
    pthread_mutex_t mutex;
};

static struct holding slots[SLOTS];
static bool stopping;

static void require(bool condition, const char *what) {
    if (!condition) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static uint64_t *first_word(const struct page_run *run) {
    return run->start;
}

static uint64_t *last_word(const struct page_run *run) {
    return (uint64_t *)(void *)((char *)run->start + run->bytes) - 1;
}

static void fill_slot(struct holding *slot, struct random_source *random) {
    size_t granules = 1 + (size_t)(random_magnitude(random) % 48);
    if (page_run_alloc(granules, &slot->record, &slot->run) != 0) {
        return;
    }
    bool reads_zero = *first_word(&slot->run) == 0 && *last_word(&slot->run) == 0;
    require(!slot->run.is_zero || reads_zero, "a run said to be zero is not");
    slot->fill = random_bits(random) | 1;
    *first_word(&slot->run) = slot->fill;
    *last_word(&slot->run) = slot->fill;
    slot->is_full = true;
}

static void empty_slot(struct holding *slot) {
    require(*first_word(&slot->run) == slot->fill, "the start of a run changed");
    require(*last_word(&slot->run) == slot->fill, "the end of a run changed");
    page_run_free(&slot->run, &slot->record);
    slot->is_full = false;
}

static void visit_slot(struct random_source *random) {
    struct holding *slot = &slots[random_below(random, SLOTS)];
    pthread_mutex_lock(&slot->mutex);
    if (slot->is_full) {
        empty_slot(slot);
    } else {
        fill_slot(slot, random);
    }
    pthread_mutex_unlock(&slot->mutex);
}

static void step(struct random_source *random) {
    size_t choice = random_below(random, 200);
    if (choice == 0) {
        page_heap_purge(random_below(random, 16 << 20));
    } else if (choice == 1) {
        page_heap_release_empty();
    } else if (choice == 2) {
        const char *broken = page_heap_audit();
        require(broken == NULL, broken);
    } else {
        visit_slot(random);
    }
}

static void *run_steps(void *argument) {
    struct random_source *random = argument;
    for (size_t i = 0; i < random_steps(3000); i++) {
        step(random);
    }
    return NULL;
}

static void *run_until_stopped(void *argument) {
    struct random_source *random = argument;
    while (!__atomic_load_n(&stopping, __ATOMIC_RELAXED)) {
        step(random);
    }
    return NULL;
}

static void start_threads(pthread_t *threads, struct random_source *sources, void *(*body)(void *),
                          const char *name) {
    struct random_source random = random_start(name);
    for (size_t i = 0; i < THREADS; i++) {
        sources[i] = random_branch(&random);
        assert_int_equal(pthread_create(&threads[i], NULL, body, &sources[i]), 0);
    }
}

static void join_threads(pthread_t *threads) {
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

static int init_slots(void **state) {
    (void)state;
    for (size_t i = 0; i < SLOTS; i++) {
        pthread_mutex_init(&slots[i].mutex, NULL);
    }
    return 0;
}

static void empty_all_slots(void) {
    for (size_t i = 0; i < SLOTS; i++) {
        if (slots[i].is_full) {
            empty_slot(&slots[i]);
        }
    }
    const char *broken = page_heap_audit();
    if (broken != NULL) {
        fail_msg("%s", broken);
    }
    assert_int_equal(page_heap_statistics().in_use_bytes, 0);
    assert_int_equal(page_heap_statistics().purging_bytes, 0);
}

static void test_traffic(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    struct random_source sources[THREADS];
    start_threads(threads, sources, run_steps, "page heap threads");
    join_threads(threads);
    empty_all_slots();
}

/* All committed granules must be free or named by the page map, whatever the threads were doing. */
static void use_heaps_in_child(void) {
    meta_fork_child();
    page_map_fork_child();
    page_heap_fork_child();
    const char *broken = page_heap_audit();
    CHILD_EXPECT(broken == NULL);
    struct page_heap_stats stats = page_heap_statistics();
    CHILD_EXPECT(stats.purging_bytes == 0);
    static _Alignas(PAGE_RECORD_ALIGNMENT) uint64_t record;
    struct page_run runs[40];
    for (size_t i = 0; i < 40; i++) {
        CHILD_EXPECT(page_run_alloc(1 + i, &record, &runs[i]) == 0);
        CHILD_EXPECT(!runs[i].is_zero || *last_word(&runs[i]) == 0);
        *first_word(&runs[i]) = i;
        *last_word(&runs[i]) = i;
    }
    for (size_t i = 0; i < 40; i++) {
        CHILD_EXPECT(*first_word(&runs[i]) == i && *last_word(&runs[i]) == i);
        page_run_free(&runs[i], &record);
    }
    CHILD_EXPECT(page_heap_statistics().in_use_bytes == stats.in_use_bytes);
    page_heap_purge(0);
    page_heap_release_empty();
    CHILD_EXPECT(page_heap_audit() == NULL);
}

static void test_fork_at_any_moment(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    struct random_source sources[THREADS];
    start_threads(threads, sources, run_until_stopped, "page heap forks");
    for (size_t i = 0; i < FORKS; i++) {
        assert_child_passes(use_heaps_in_child);
    }
    __atomic_store_n(&stopping, true, __ATOMIC_RELAXED);
    join_threads(threads);
    empty_all_slots();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traffic),
        cmocka_unit_test(test_fork_at_any_moment),
    };
    return cmocka_run_group_tests(tests, init_slots, NULL);
}
