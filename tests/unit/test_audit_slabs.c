/* test_audit_slabs.c - the audit finds what is damaged in slabs on purpose, and names it.
 *
 * Each damage is done in a child, to slabs of a known shape, by writing where a bug or an overflow
 * would write. A damage that the audit does not name fails the test. */
#include "api/audit.h"

#include "slab/holes.h"
#include "thread/operation.h"
#include "thread/slabs.h"

#include "support_slabs.h"
#include "test_child.h"
#include "test_random.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "arenite/arenite.h"

#define REQUEST_BYTES 1000
#define REQUEST_CLASS class_of(REQUEST_BYTES)

/* Slabs of one class, in every state. */
static struct {
    struct slab *active, *partial, *full, *spare, *depots;
    struct slot *freed[2]; /* in the active slab's list */
    struct slot *left;     /* in use, of the depot's slab */
} shape;

static void *take(size_t bytes) {
    void *memory = arenite_malloc(bytes);
    CHILD_EXPECT(memory != NULL);
    return memory;
}

static void *leave_one(void *unused) {
    (void)unused;
    return take(48);
}

/* One slab filled to its last slot; the active one before must be full, too. */
static struct slab *fill_slab(void **first, void **last) {
    struct slab *slab = slab_at(*first = take(REQUEST_BYTES));
    for (size_t i = 1; i < class_capacity(REQUEST_CLASS); i++) {
        *last = take(REQUEST_BYTES);
        CHILD_EXPECT(slab_at(*last) == slab);
    }
    return slab;
}

/* Empties a full slab, which makes it spare. */
static void empty_slab(struct slab *slab) {
    for (size_t i = 0; i < slab->capacity; i++) {
        arenite_free((void *)(slab->origin + i * slab->slot_bytes));
    }
    slabs_send_home();
}

static void build_slabs(void) {
    pthread_t thread;
    void *left;
    void *first, *last, *some[3];
    CHILD_EXPECT(pthread_create(&thread, NULL, leave_one, NULL) == 0);
    pthread_join(thread, &left);
    shape.depots = slab_at(left);
    shape.left = left;
    shape.spare = fill_slab(&first, &last);
    shape.full = fill_slab(&first, &last);
    shape.partial = fill_slab(&first, &last);
    for (size_t i = 0; i < 3; i++) {
        some[i] = take(REQUEST_BYTES);
    }
    shape.active = slab_at(some[0]);
    arenite_free(first);
    arenite_free(last); /* one free slot would be too few to be no longer full */
    slabs_send_home();
    shape.freed[0] = some[0];
    shape.freed[1] = some[1];
    arenite_free(some[0]);
    arenite_free(some[1]);
    slabs_send_home();
    empty_slab(shape.spare);
    CHILD_EXPECT(shape.active->state == SLAB_ACTIVE && shape.partial->state == SLAB_PARTIAL);
    CHILD_EXPECT(shape.full->state == SLAB_FULL && shape.spare->state == SLAB_SPARE);
    CHILD_EXPECT(shape.depots->owner == depot_owner);
    CHILD_EXPECT(arenite_audit() == NULL);
}

/* ---- damages -------------------------------------------------------------------------------- */

static void overwritten_tag(void) {
    shape.freed[1]->tag = UINT32_C(0x41414141);
}

/* It waits in a batch of this thread. */
static void queued_written(void) {
    arenite_free(shape.left);
    CHILD_EXPECT(slot_is_travelling(shape.left));
    CHILD_EXPECT(arenite_audit() == NULL);
    shape.left->tag = UINT32_C(0x41414141);
}

static void queued_astray(void) {
    arenite_free(shape.left);
    shape.left->link = shape.freed[0];
}

static void wild_next(void) {
    shape.freed[1]->next++;
}

static void circular_list(void) {
    slot_set_next(slot_next(shape.active->own.head), shape.active->own.head, 0);
}

static void wild_first(void) {
    shape.active->own.head = (struct slot *)(uintptr_t)0x1000;
}

static void short_list(void) {
    slot_set_next(shape.freed[0], &slot_end, 0);
}

static void lost_count(void) {
    shape.active->own.until++;
}

static void guard_written(void) {
    ((struct slot *)shape.full->start)->next = 16;
}

static void wrong_list(void) {
    shape.partial->list = shape.active->list;
}

/* The last one freed waits in the thread's cache. */
static struct slot *free_into_cache(void) {
    struct slot *slot = take(REQUEST_BYTES);
    arenite_free(slot);
    CHILD_EXPECT(arenite_audit() == NULL);
    return slot;
}

static void cached_written(void) {
    free_into_cache()->next++;
}

static void limit_lost(void) {
    thread_own->raised_bytes += 16;
}

static void cached_lost(void) {
    thread_own->caches[slab_at(free_into_cache())->class_index].until++;
}

static void page_map_lost(void) {
    page_map_clear(shape.full->start, shape.full->start + 1, shape.full);
}

static void moved_start(void) {
    shape.full->start += GRANULE_BYTES;
}

static void wrong_size(void) {
    shape.full->slot_bytes += 16;
}

static void wrong_class(void) {
    shape.partial->class_index = SLAB_CLASSES;
}

static void wrong_capacity(void) {
    shape.partial->capacity++;
}

static void wrong_state(void) {
    shape.full->state = SLAB_PARTIAL;
}

static void active_unlinked(void) {
    thread_own->active[REQUEST_CLASS] = &slab_none;
}

static void lost_from_list(void) {
    list_take(&shape.full->link);
}

static void circle_of_slabs(void) {
    shape.partial->link.next = &shape.partial->link;
}

static void partial_in_full(void) {
    list_take(&shape.partial->link);
    list_put_first(&thread_own->full, &shape.partial->link);
    shape.partial->state = SLAB_FULL;
}

static void live_spare(void) {
    list_take(&shape.partial->link);
    list_put_first(&thread_own->spare[0], &shape.partial->link);
    shape.partial->state = SLAB_SPARE;
}

static void spare_sum(void) {
    thread_own->spare_bytes += 16;
}

static void idle_sum(void) {
    thread_own->idle_bytes += 16;
}

static void depot_state(void) {
    shape.depots->state = SLAB_SPARE;
}

static void depot_list(void) {
    list_take(&shape.depots->link);
}

/* All but the first slot of the full slab is freed, and the pages go back. */
static void hole_pages(void) {
    for (size_t i = 1; i < shape.full->capacity; i++) {
        arenite_free((void *)(shape.full->origin + i * shape.full->slot_bytes));
    }
    struct operation operation;
    operation_enter(&operation);
    CHILD_EXPECT(slabs_make_holes(thread_own, true));
    operation_leave(&operation);
    CHILD_EXPECT(shape.full->owner == depot_owner && shape.full->holes != NULL);
    CHILD_EXPECT(arenite_audit() == NULL);
    shape.full->holes->page_count--;
}

static void endless_records(void) {
    shape.full->next_record = (struct slab *)(uintptr_t)0x1000;
}

static const struct damage {
    const char *name;
    void (*inflict)(void);
    const char *named;
} damages[] = {
#define DAMAGE(function, named) \
    { #function, function, named }
    DAMAGE(overwritten_tag, "a slab's list holds something that is no free slot"),
    DAMAGE(queued_written, "a slot on its way to its owner is none, or was written to"),
    DAMAGE(queued_astray, "a slot on its way to its owner is none, or was written to"),
    DAMAGE(wild_next, "a slab's list holds something that is no free slot"),
    DAMAGE(circular_list, "a slab's list is circular"),
    DAMAGE(wild_first, "a slab's list holds something that is no free slot"),
    DAMAGE(short_list, "a slab's live and free slots do not add up"),
    DAMAGE(lost_count, "a slab's live and free slots do not add up"),
    DAMAGE(guard_written, "what lies in front of a slab's slots was written to"),
    DAMAGE(wrong_list, "what is freed into a slab goes to a wrong list"),
    DAMAGE(cached_written, "a thread's cache holds something that is no cached slot of its class"),
    DAMAGE(cached_lost, "a thread's cache does not hold what it counts"),
    DAMAGE(limit_lost, "the limits of a thread's caches do not add up to their sum"),
    DAMAGE(page_map_lost, "the page map does not lead to a slab's record"),
    DAMAGE(moved_start, "the page map does not lead to a slab's record"),
    DAMAGE(wrong_size, "a slab's slots do not have the size of its class"),
    DAMAGE(wrong_class, "a slab's slots do not have the size of its class"),
    DAMAGE(wrong_capacity, "a slab's capacity is not that of its class"),
    DAMAGE(wrong_state, "a slab's state is not that of its list"),
    DAMAGE(active_unlinked, "a slab is not where its state says"),
    DAMAGE(lost_from_list, "a slab is not where its state says"),
    DAMAGE(circle_of_slabs, "the links of a list of slabs disagree"),
    DAMAGE(partial_in_full, "a full slab has room"),
    DAMAGE(live_spare, "a spare slab has live slots"),
    DAMAGE(spare_sum, "the spare slabs do not add up to their sum"),
    DAMAGE(idle_sum, "the idle slabs do not add up to their sum"),
    DAMAGE(depot_state, "a slab in the depot is empty and not listed so"),
    DAMAGE(depot_list, "a slab with room is not in the depot's list"),
    DAMAGE(hole_pages, "the holes of a slab do not add up"),
    DAMAGE(endless_records, "an address leads out of the library's memory"),
};
#define DAMAGES (sizeof damages / sizeof damages[0])

static size_t chosen;

static void inflict_chosen(void) {
    build_slabs();
    damages[chosen].inflict();
    const char *error = arenite_audit();
    CHILD_EXPECT(error != NULL);
    fprintf(stderr, "%s", error);
}

static void test_every_damage_is_named(void **state) {
    (void)state;
    size_t unnamed = 0;
    for (chosen = 0; chosen < DAMAGES; chosen++) {
        const struct damage *damage = &damages[chosen];
        struct child_result child = child_run(inflict_chosen);
        size_t length = strlen(damage->named);
        bool is_named = child.exit_status == 0 && strncmp(child.text, damage->named, length) == 0;
        if (!is_named || strstr(child.text, ": 0x") == NULL) {
            print_error("%s: expected \"%s\", got \"%s\" (signal %d)\n", damage->name,
                        damage->named, child.text, child.signal);
            unnamed++;
        }
    }
    assert_int_equal(unnamed, 0);
}

/* ---- sound slabs ---------------------------------------------------------------------------- */

#define BLOCKS 2000

static void test_random_traffic_is_sound(void **state) {
    (void)state;
    struct random_source source = random_start("test_audit_slabs");
    static void *blocks[BLOCKS];
    size_t steps = random_steps(20000);
    for (size_t i = 0; i < steps; i++) {
        size_t at = random_below(&source, BLOCKS);
        arenite_free(blocks[at]);
        blocks[at] = arenite_malloc(random_below(&source, 1500));
        if (i % 200 == 0) {
            const char *error = arenite_audit();
            if (error != NULL) {
                fail_msg("after step %zu: %s", i, error);
            }
        }
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        arenite_free(blocks[i]);
    }
    assert_null(arenite_audit());
    arenite_malloc_trim(0);
    assert_null(arenite_audit());
}

/* What a fork tore is no damage until somebody uses it. Only a process that never had a thread
 * looks at slabs of other owners. */
static void audit_torn(void) {
    struct slab *slab = slab_at(take(REQUEST_BYTES));
    thread_own->active[REQUEST_CLASS] = &slab_none;
    slab->state = SLAB_FULL;
    slab->own.until += 5;
    slab->owner = &thread_gone;
    CHILD_EXPECT(arenite_audit() != NULL);
    slab->owner = depot_torn;
    CHILD_EXPECT(arenite_audit() == NULL);
}

static void test_torn_slabs_are_skipped(void **state) {
    (void)state;
    struct child_result child = child_run(audit_torn);
    assert_string_equal(child.text, "");
    assert_int_equal(child.exit_status, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_damage_is_named),
        cmocka_unit_test(test_random_traffic_is_sound),
        cmocka_unit_test(test_torn_slabs_are_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
