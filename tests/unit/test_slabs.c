/* test_slabs.c - the slabs of one thread: which list a slab is in and when it moves, which slab is
 * taken next, what is kept, what passes to the depot and back.
 * Layer: tests (includes thread and below).
 *
 * The threads here are handles: states that the one kernel thread switches between. */
#include "thread/slabs.h"

#include "arenite/arenite.h"
#include "support.h"
#include "support_slabs.h"
#include "test_random.h"
#include "thread/operation.h"
#include "thread/remote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define BIG_CLASS (SLAB_SMALL_CLASSES - 1)
#define MOST_SLOTS (GRANULE_BYTES / SLAB_STEP_BYTES)

static struct thread *self;
static struct thread *resting; /* what the kernel thread is between tests */
static void *slots[20][MOST_SLOTS];

/* A fresh state for each test, so that none finds slabs of another. */
static int begin(void **state) {
    (void)state;
    arenite_free(arenite_malloc(1));
    resting = thread_own;
    self = thread_create();
    if (self == NULL) {
        return -1;
    }
    thread_switch(self);
    return 0;
}

static int end(void **state) {
    (void)state;
    struct thread *mine = self;
    thread_switch(resting);
    thread_detach(mine);
    return slabs_recount(NULL) == NULL ? 0 : -1;
}

static void *take(size_t class_index) {
    struct operation operation;
    operation_enter(&operation);
    void *slot = cache_alloc(self, class_index);
    operation_leave(&operation);
    assert_non_null(slot);
    slabs_send_home(); /* what came with it: slabs are looked at here, not caches */
    return slot;
}

static void give(void *slot) {
    struct slab *slab = slab_at(slot);
    assert_ptr_equal(slab->owner, self);
    struct operation operation;
    operation_enter(&operation);
    slabs_free(self, slab, slot);
    operation_leave(&operation);
}

/* No empty slab is left that would be taken before a fresh one, or for its pages' sake. */
static void forget_empty(void) {
    struct operation operation;
    operation_enter(&operation);
    slabs_trim(self);
    depot_trim(thread_own);
    page_heap_purge(0);
    operation_leave(&operation);
}

/* Takes exactly one slab's slots; what an earlier test left in the depot is used up first. */
static struct slab *take_slab(size_t class_index, void **into) {
    do {
        into[0] = take(class_index);
    } while (slab_live(slab_at(into[0])) != 1);
    struct slab *slab = slab_at(into[0]);
    for (size_t i = 1; i < slab->capacity; i++) {
        into[i] = take(class_index);
        assert_ptr_equal(slab_at(into[i]), slab);
    }
    return slab;
}

static void test_life_of_a_slab(void **state) {
    (void)state;
    for (size_t index = 1; index < SLAB_CLASSES; index += 9) {
        forget_empty();
        struct slab *slab = take_slab(index, slots[0]);
        assert_int_equal(slab->state, SLAB_ACTIVE);
        void *more = take(index);
        struct slab *other = slab_at(more);
        assert_ptr_not_equal(other, slab);
        assert_int_equal(slab->state, SLAB_FULL);
        assert_int_equal(other->state, SLAB_ACTIVE);
        unsigned group = SLAB_GROUPS;
        for (size_t i = 0; i + 1 < slab->capacity; i++) {
            give(slots[0][i]);
            assert_int_equal(slab->state, i < slabs_slack(slab) ? SLAB_FULL : SLAB_PARTIAL);
            if (slab->state == SLAB_FULL) {
                continue;
            }
            assert_true(slab->group == slab_group_of(slab) && slab->group <= group);
            group = slab->group;
        }
        slabs_expect_sound();
        give(slots[0][slab->capacity - 1]);
        bool is_kept = slab->state == SLAB_SPARE; /* within the share */
        assert_true(is_kept || slab->state == SLAB_UNUSED);
        assert_true(is_kept || class_span(index) != 0);
        if (is_kept) {
            assert_ptr_equal(self->spare[class_span(index)].first, &slab->link);
        }
        slabs_expect_sound();
        give(more);
        slabs_expect_sound();
    }
}

/* When the active slab is used up, the full one that is freed into takes its place. */
static void test_full_becomes_active(void **state) {
    (void)state;
    for (size_t index = 1; index < SLAB_CLASSES; index += 9) {
        forget_empty();
        struct slab *first = take_slab(index, slots[0]);
        struct slab *second = take_slab(index, slots[1]);
        assert_int_equal(second->state, SLAB_ACTIVE);
        size_t slack = slabs_slack(first);
        for (size_t i = 0; i <= slack; i++) {
            assert_int_equal(first->state, SLAB_FULL);
            give(slots[0][i]);
        }
        assert_int_equal(first->state, SLAB_ACTIVE);
        assert_int_equal(second->state, SLAB_FULL);
        slabs_expect_sound();
        for (size_t i = 0; i <= slack; i++) {
            slots[0][i] = take(index);
            assert_ptr_equal(slab_at(slots[0][i]), first);
        }
        for (size_t i = 0; i < first->capacity; i++) {
            give(slots[1][i]);
            give(slots[0][i]);
        }
        slabs_expect_sound();
    }
}

/* Takes slots until the active slab of a class is carved beyond its first page. */
static size_t fill_beyond_page(size_t class_index, void **into) {
    size_t count = 0;
    do {
        into[count++] = take(class_index);
    } while (slab_carved_bytes(self->active[class_index]) <= os_page_bytes());
    return count;
}

static void give_back(void **from, size_t count) {
    while (count != 0) {
        give(from[--count]);
    }
}

/* An empty active slab stays active; beyond its first page it counts as idle, until it is carved
 * further or another class takes it. */
static void test_idle(void **state) {
    (void)state;
    struct operation operation;
    operation_enter(&operation);
    slabs_trim(self);
    operation_leave(&operation);
    assert_int_equal(self->idle_bytes, 0);
    void *first = take(4);
    struct slab *slab = slab_at(first);
    give(first);
    assert_ptr_equal(self->active[4], slab);
    assert_int_equal(self->idle_bytes, 0);
    size_t count = fill_beyond_page(4, slots[0]);
    give_back(slots[0], count);
    assert_ptr_equal(self->active[4], slab);
    assert_int_equal(self->idle_bytes, slab_carved_bytes(slab));
    slabs_expect_sound();
    size_t again = fill_beyond_page(4, slots[0]);
    assert_true(again == 1 && slab_at(slots[0][0]) == slab); /* no change of slab, nothing to do */
    assert_int_equal(slab->state, SLAB_ACTIVE);
    give(slots[0][0]);
    slabs_expect_sound();
    assert_ptr_equal(slab_at(take(7)), slab); /* resident pages serve another class */
    assert_ptr_equal(self->active[4], &slab_none);
    assert_int_equal(self->idle_bytes, 0);
    slabs_expect_sound();
}

/* An idle slab that is in use again is not taken; it is watched again instead. */
static void test_idle_in_use(void **state) {
    (void)state;
    struct operation operation;
    operation_enter(&operation);
    slabs_trim(self);
    operation_leave(&operation);
    give_back(slots[0], fill_beyond_page(4, slots[0]));
    void *live = take(4);
    struct slab *slab = slab_at(live);
    assert_true(self->idle_bytes != 0);
    assert_ptr_not_equal(slab_at(take(40)), slab);
    assert_ptr_equal(self->active[4], slab);
    assert_int_equal(self->idle_bytes, 0);
    slabs_expect_sound();
    give(live);
    assert_int_equal(self->idle_bytes, slab_carved_bytes(slab));
    slabs_expect_sound();
}

/* Where carving would fault, an empty slab that has its pages takes the active one's place: a
 * spare one, else one of the page heaps. What the active one lacks stays as it is. */
static void test_pages_first(void **state) {
    (void)state;
    for (int spare = 0; spare < 2; spare++) {
        forget_empty();
        struct slab *full = take_slab(BIG_CLASS, slots[0]);
        give_back(slots[1], fill_beyond_page(4, slots[1]));
        void *more = take(BIG_CLASS);
        give_back(slots[0], full->capacity);
        if (!spare) {
            struct operation operation;
            operation_enter(&operation);
            slabs_trim(self); /* to the page heaps, pages and all */
            operation_leave(&operation);
        }
        const void *place = (void *)full->start;
        size_t count = 0;
        do {
            slots[1][count++] = take(4);
        } while (slab_at(slots[1][count - 1])->start != (uintptr_t)place && count < 4096);
        struct slab *thin = slab_at(slots[1][0]);
        assert_true(thin == slab_at(place) || (thin->state == SLAB_FULL && slab_can_carve(thin)));
        assert_ptr_equal(slab_at(place), self->active[4]);
        slabs_expect_sound();
        give_back(slots[1], count);
        give(more);
        slabs_expect_sound();
    }
}

/* Of partial slabs in different groups the fullest one is taken. */
static void test_fullest_first(void **state) {
    (void)state;
    struct slab *slabs[SLAB_GROUPS];
    forget_empty();
    for (size_t i = 0; i < SLAB_GROUPS; i++) {
        slabs[i] = take_slab(BIG_CLASS, slots[i]);
    }
    void *extra[MOST_SLOTS];
    struct slab *last = take_slab(BIG_CLASS, extra);
    give(extra[0]); /* not used up: nothing takes its place yet */
    static const size_t order[SLAB_GROUPS] = {2, 0, 3, 1};
    for (size_t i = 0; i < SLAB_GROUPS; i++) {
        size_t left = (i + 1) * last->capacity / SLAB_GROUPS - 4;
        for (size_t k = left; k < last->capacity; k++) {
            give(slots[order[i]][k]);
        }
        assert_int_equal(slabs[order[i]]->group, i);
    }
    assert_ptr_equal(slab_at(take(BIG_CLASS)), last);
    for (size_t i = SLAB_GROUPS; i-- != 0;) {
        struct slab *wanted = slabs[order[i]];
        for (size_t free_slots = wanted->capacity - slab_live(wanted); free_slots > 0;
             free_slots--) {
            assert_ptr_equal(slab_at(take(BIG_CLASS)), wanted);
        }
        slabs_expect_sound();
    }
}

/* The slab emptied last is used first; what is kept stays within the limit. */
static void test_spare(void **state) {
    (void)state;
    enum { SLABS = 3 };
    struct slab *slabs[SLABS];
    forget_empty(); /* room for these */
    for (size_t i = 0; i < SLABS; i++) {
        slabs[i] = take_slab(BIG_CLASS, slots[i]);
    }
    take(BIG_CLASS);
    for (size_t i = 0; i < SLABS; i++) {
        for (size_t k = 0; k < slabs[i]->capacity; k++) {
            give(slots[i][k]);
        }
        assert_true(self->spare_bytes <= SPARE_ALL_BYTES);
    }
    struct list_link *newest = self->spare[0].first;
    assert_ptr_equal(newest, &slabs[SLABS - 1]->link);
    struct slab *reused = slab_at(take(3));
    assert_ptr_equal(reused, slabs[SLABS - 1]);
    assert_ptr_equal(slab_at(take(5)), slabs[SLABS - 2]);
    slabs_expect_sound();
    size_t before = page_heap_statistics().in_use_bytes;
    size_t kept = 0;
    for (struct list_link *link = self->spare[0].first; link != NULL; link = link->next) {
        kept++;
    }
    struct operation operation;
    operation_enter(&operation);
    assert_true(slabs_trim(self));
    operation_leave(&operation);
    assert_int_equal(before - page_heap_statistics().in_use_bytes, kept * GRANULE_BYTES);
    assert_false(slabs_trim(self));
    slabs_expect_sound();
}

/* However many slabs are emptied, the share is kept and the rest is given back. */
static void test_spare_limit(void **state) {
    (void)state;
    enum { SLABS = 200 };
    static void *all[SLABS][64];
    size_t before = page_heap_statistics().in_use_bytes;
    for (size_t i = 0; i < SLABS; i++) {
        take_slab(BIG_CLASS, all[i]);
    }
    for (size_t i = 0; i < SLABS; i++) {
        for (size_t k = 0; k < class_capacity(BIG_CLASS); k++) {
            give(all[i][k]);
        }
    }
    size_t share = SPARE_ALL_BYTES / (thread_count() + 1);
    assert_true(self->spare_bytes <= share);
    size_t most =
        (share / (class_capacity(BIG_CLASS) * class_bytes(BIG_CLASS)) + 2) * GRANULE_BYTES;
    assert_true(page_heap_statistics().in_use_bytes <= before + most);
    slabs_expect_sound();
}

/* Slabs that are taken again soon after they were given back are kept the next time; a trim ends
 * that. */
static void test_earned(void **state) {
    (void)state;
    enum { SLABS = 16 }; /* more than the share, less than a thread may earn */
    static void *all[SLABS][64];
    size_t kept[3];
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < SLABS; i++) {
            take_slab(BIG_CLASS, all[i]);
        }
        for (size_t i = 0; i < SLABS; i++) {
            for (size_t k = 0; k < class_capacity(BIG_CLASS); k++) {
                give(all[i][k]);
            }
        }
        kept[round] = self->spare_bytes + self->idle_bytes;
        slabs_expect_sound();
    }
    assert_true(kept[0] <= SPARE_ALL_BYTES / (thread_count() + 1));
    assert_true(kept[2] > SPARE_ALL_BYTES / (thread_count() + 1));
    assert_true(kept[2] <= SPARE_MOST_BYTES / (thread_count() + 1));
    struct operation operation;
    operation_enter(&operation);
    slabs_trim(self);
    operation_leave(&operation);
    assert_int_equal(retention_earned(&self->retention), 0);
}

/* ---- traffic --------------------------------------------------------------------------------- */

#define HELD 3000

struct held {
    void *slot;
    size_t class_index;
};

static struct held held[HELD];

static void traffic_step(struct random_source *random, size_t used) {
    struct held *at = &held[random_below(random, used)];
    if (at->slot == NULL) {
        at->class_index = 1 + random_below(random, random_below(random, 2) == 0 ? 64 : 5);
        at->slot = take(at->class_index);
        test_pattern_fill(at->slot, class_bytes(at->class_index), (uintptr_t)at->slot);
        return;
    }
    assert_true(test_pattern_holds(at->slot, class_bytes(at->class_index), (uintptr_t)at->slot));
    give(at->slot);
    at->slot = NULL;
}

static void drop_held(void) {
    for (size_t i = 0; i < HELD; i++) {
        if (held[i].slot != NULL) {
            give(held[i].slot);
            held[i].slot = NULL;
        }
    }
}

/* Contents stay, and every slab is where it should be, through waves of growth and decay. */
static void test_traffic(void **state) {
    (void)state;
    struct random_source random = random_start("test_traffic");
    size_t used = HELD;
    for (size_t steps = random_steps(30000); steps > 0; steps--) {
        used = steps % 2000 == 0 ? 1 + random_below(&random, HELD) : used;
        traffic_step(&random, used);
        if (steps % 50 == 0) {
            slabs_expect_sound();
        }
    }
    struct slab_count count;
    assert_null(slabs_recount(&count));
    drop_held();
    slabs_expect_sound();
}

/* ---- the depot ------------------------------------------------------------------------------- */

/* A thread ends: its empty slabs are gone, the others are adopted, slots and contents whole. */
static void test_pass_on(void **state) {
    (void)state;
    struct random_source random = random_start("test_pass_on");
    struct slab_count before;
    assert_null(slabs_recount(&before));
    for (size_t steps = random_steps(4000); steps > 0; steps--) {
        traffic_step(&random, HELD);
    }
    struct slab_count owned;
    assert_null(slabs_recount(&owned));
    struct thread *heir = thread_create();
    thread_switch(heir);
    thread_detach(self);
    self = heir;
    struct slab_count passed;
    assert_null(slabs_recount(&passed));
    assert_int_equal(passed.live, owned.live);
    assert_true(passed.spare <= owned.spare + before.spare);
    assert_true(passed.depot > before.depot);
    for (size_t index = 1; index < SLAB_CLASSES; index++) {
        size_t slabs = page_heap_statistics().in_use_bytes;
        assert_non_null(take(index));
        assert_true(page_heap_statistics().in_use_bytes - slabs <= class_span_bytes(index));
    }
    struct slab_count adopted;
    assert_null(slabs_recount(&adopted));
    assert_true(adopted.depot < passed.depot);
    for (size_t i = 0; i < HELD; i++) {
        if (held[i].slot != NULL) {
            assert_true(test_pattern_holds(held[i].slot, class_bytes(held[i].class_index),
                                           (uintptr_t)held[i].slot));
            arenite_free(held[i].slot);
            held[i].slot = NULL;
        }
    }
    struct operation operation;
    operation_enter(&operation);
    remote_flush(self);
    operation_leave(&operation);
    slabs_expect_sound();
}

/* Slots of slabs in the depot are freed one by one; the last one releases the slab. */
static void test_free_into_depot(void **state) {
    (void)state;
    struct slab *full = take_slab(BIG_CLASS, slots[0]);
    struct slab *partial = take_slab(BIG_CLASS, slots[1]);
    take(2);
    give(slots[1][0]);
    struct thread *heir = thread_create();
    thread_switch(heir);
    thread_detach(self);
    self = heir;
    assert_ptr_equal(full->owner, depot_owner);
    assert_ptr_equal(partial->owner, depot_owner);
    struct slab *both[] = {full, partial};
    for (size_t i = 0; i < 2; i++) {
        size_t used = page_heap_statistics().in_use_bytes;
        for (size_t k = i; k < full->capacity; k++) {
            assert_ptr_equal(slab_at(slots[i][k]), both[i]);
            arenite_free(slots[i][k]);
            struct operation operation;
            operation_enter(&operation);
            remote_flush(self);
            operation_leave(&operation);
            slabs_expect_sound();
        }
        assert_int_equal(both[i]->state, SLAB_UNUSED);
        assert_int_equal(used - page_heap_statistics().in_use_bytes, GRANULE_BYTES);
    }
}

/* A state that ended serves the next thread, closed in between. */
static void test_reuse_of_states(void **state) {
    (void)state;
    struct thread *former = self;
    take(1);
    struct thread *heir = thread_create();
    thread_switch(heir);
    thread_detach(former);
    assert_ptr_equal(former->inbox, REMOTE_CLOSED);
    assert_ptr_equal(thread_create(), former);
    thread_switch(former);
    thread_detach(heir);
    self = former;
    assert_null(former->inbox);
    for (size_t i = 0; i < SLAB_CLASSES; i++) {
        assert_ptr_equal(former->active[i], &slab_none);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_life_of_a_slab, begin, end),
        cmocka_unit_test_setup_teardown(test_full_becomes_active, begin, end),
        cmocka_unit_test_setup_teardown(test_idle, begin, end),
        cmocka_unit_test_setup_teardown(test_idle_in_use, begin, end),
        cmocka_unit_test_setup_teardown(test_fullest_first, begin, end),
        cmocka_unit_test_setup_teardown(test_pages_first, begin, end),
        cmocka_unit_test_setup_teardown(test_spare, begin, end),
        cmocka_unit_test_setup_teardown(test_spare_limit, begin, end),
        cmocka_unit_test_setup_teardown(test_earned, begin, end),
        cmocka_unit_test_setup_teardown(test_traffic, begin, end),
        cmocka_unit_test_setup_teardown(test_pass_on, begin, end),
        cmocka_unit_test_setup_teardown(test_free_into_depot, begin, end),
        cmocka_unit_test_setup_teardown(test_reuse_of_states, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
