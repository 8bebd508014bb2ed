/* test_slab.c - one slab: which addresses are slots, the list against a naive model, when the owner
 * is told, what damage is noticed.
 * Layer: tests (includes slab and below). */
#include "slab/slab.h"

#include "child.h"
#include "os/os.h"
#include "support.h"
#include "test_random.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MOST_SLOTS (GRANULE_BYTES / SLAB_STEP_BYTES)

static struct slab slab;
static uintptr_t span; /* of the longest slab */

static int map_span(void **state) {
    (void)state;
    char *memory = os_reserve(3 * SLAB_SPAN_MAX_BYTES, NULL);
    if (memory == NULL || os_commit(memory, 3 * SLAB_SPAN_MAX_BYTES) != 0) {
        return -1;
    }
    span = align_up((uintptr_t)memory + 64, SLAB_SPAN_MAX_BYTES);
    return 0;
}

static void format(size_t class_index) {
    memset((void *)span, 0xcc, class_span_bytes(class_index));
    memset(&slab, 0, sizeof slab);
    slab.start = span;
    slab_format(&slab, class_index);
}

static void audit(void) {
    const char *error = slab_audit(&slab);
    if (error != NULL) {
        fail_msg("class %u: %s", slab.class_index, error);
    }
}

static bool is_slot_by_division(uintptr_t address) {
    uintptr_t offset = address - slab.origin;
    return address >= slab.origin && offset % slab.slot_bytes == 0 &&
           offset / slab.slot_bytes < slab.carved;
}

static void check_every_byte(void) {
    for (uintptr_t at = span - 64; at < span + slab.span_bytes + 64; at++) {
        if (slab_is_slot(&slab, (void *)at) != is_slot_by_division(at)) {
            fail_msg("class %u, %u carved: wrong about offset %td", slab.class_index, slab.carved,
                     (ptrdiff_t)(at - span));
        }
    }
}

/* Nothing carved, a page, some pages, all. */
static void test_every_offset(void **state) {
    (void)state;
    for (size_t index = 1; index < SLAB_CLASSES; index++) {
        format(index);
        check_every_byte();
        for (size_t carvings = 1; slab_can_carve(&slab); carvings++) {
            slab_carve(&slab);
            if (carvings == 1 || carvings == 4 || !slab_can_carve(&slab)) {
                check_every_byte();
            }
        }
        assert_int_equal(slab.carved, class_capacity(index));
    }
}

/* The page map is read for any address whatever, its upper bits ignored: an address that differs
 * from a slot in these bits only leads to the slab, and is none of its slots. */
static void test_upper_bits(void **state) {
    (void)state;
    if (sizeof(uintptr_t) == 4) {
        skip();
    }
    for (size_t index = 1; index < SLAB_CLASSES; index++) {
        format(index);
        while (slab_can_carve(&slab)) {
            slab_carve(&slab);
        }
        uintptr_t wrap = (uintptr_t)1 << (PAGE_MAP_ADDRESS_BITS % (8 * sizeof(uintptr_t)));
        for (uintptr_t upper = wrap; upper != 0; upper += wrap) {
            for (size_t i = 0; i < 4; i++) {
                uintptr_t slot = slab.origin + i * (slab.capacity - 1u) / 3 * slab.slot_bytes;
                if (slab_is_slot(&slab, (void *)(slot + upper))) {
                    fail_msg("class %zu takes a slot plus %#zx for a slot", index, upper);
                }
            }
        }
    }
}

static void test_wild(void **state) {
    (void)state;
    struct random_source random = random_start("test_wild");
    for (size_t steps = random_steps(200000); steps > 0; steps--) {
        if (steps % 1000 == 0) {
            format(1 + random_below(&random, SLAB_CLASSES - 1));
            while (slab_can_carve(&slab) && random_below(&random, 5) != 0) {
                slab_carve(&slab);
            }
        }
        uintptr_t wild = (uintptr_t)random_magnitude(&random);
        uintptr_t near = span + random_below(&random, 1 << 24) - (1 << 23);
        assert_true(slab_is_slot(&slab, (void *)wild) == is_slot_by_division(wild));
        assert_true(slab_is_slot(&slab, (void *)near) == is_slot_by_division(near));
    }
}

/* ---- the list -------------------------------------------------------------------------------- */

struct naive {
    void *live[MOST_SLOTS];
    size_t count;
};

static struct naive naive;

static void take(struct random_source *random) {
    void *slot = slab_pop(&slab);
    if (slot == NULL) {
        assert_true(slab_list_is_empty(&slab));
        assert_int_equal(naive.count, slab.carved);
        if (!slab_can_carve(&slab)) {
            return;
        }
        size_t before = slab.carved;
        slab_carve(&slab);
        assert_true(slab.carved > before);
        slot = slab_pop(&slab);
    }
    assert_non_null(slot);
    assert_true(is_slot_by_division((uintptr_t)slot));
    assert_false(slot_looks_free(slot));
    for (size_t i = 0; i < naive.count; i++) {
        assert_ptr_not_equal(naive.live[i], slot);
    }
    memset(slot, (int)random_below(random, 256), slab.slot_bytes);
    naive.live[naive.count++] = slot;
}

static void give(struct random_source *random) {
    size_t i = random_below(random, naive.count);
    void *slot = naive.live[i];
    naive.live[i] = naive.live[--naive.count];
    bool told = slab_push(&slab, slot);
    assert_true(told == (slab.own.until == 0));
    assert_true(slot_looks_free(slot));
    assert_ptr_equal(slab.own.head, slot);
}

/* Last in, first out; whatever users write into live slots. */
static void test_against_model(void **state) {
    (void)state;
    struct random_source random = random_start("test_against_model");
    for (size_t index = 1; index < SLAB_CLASSES; index++) {
        format(index);
        naive.count = 0;
        size_t wave = 1;
        for (size_t steps = random_steps(250); steps > 0; steps--) {
            wave = steps % 50 == 0 ? random_below(&random, 4) : wave;
            if (naive.count == 0 || random_below(&random, 4) < wave) {
                take(&random);
            } else {
                give(&random);
            }
            assert_int_equal(slab_live(&slab), naive.count);
            audit();
        }
        while (naive.count != 0) {
            give(&random);
        }
        assert_int_equal(slab_live(&slab), 0);
        audit();
    }
}

static void test_whole_slab(void **state) {
    (void)state;
    for (size_t index = 1; index < SLAB_CLASSES; index++) {
        format(index);
        uintptr_t next = slab.origin;
        for (size_t i = 0; i < class_capacity(index); i++, next += slab.slot_bytes) {
            size_t page = os_page_bytes();
            uintptr_t touched = slab.origin + slab_carved_bytes(&slab);
            if (slab_list_is_empty(&slab)) {
                slab_carve(&slab);
                uintptr_t end = slab.origin + slab_carved_bytes(&slab);
                assert_true(end <= align_up(touched + 1, page) || end == touched + slab.slot_bytes);
            }
            void *slot = slab_pop(&slab);
            assert_ptr_equal(slot, (void *)next); /* ascending while nothing is freed */
            memset(slot, 0xff, slab.slot_bytes);
        }
        assert_false(slab_can_carve(&slab));
        assert_null(slab_pop(&slab));
        assert_true(slab_list_is_empty(&slab));
        audit();
    }
}

/* ---- when the owner is told ------------------------------------------------------------------ */

static void *slots[MOST_SLOTS];

static size_t fill(void) {
    size_t count = 0;
    while (!slab_list_is_empty(&slab) || slab_can_carve(&slab)) {
        if (slab_list_is_empty(&slab)) {
            slab_carve(&slab);
        }
        slots[count++] = slab_pop(&slab);
    }
    return count;
}

/* From every number of live slots: told exactly when it falls to the floor. */
static void test_floor(void **state) {
    (void)state;
    for (size_t index = 3; index < SLAB_CLASSES; index += 7) {
        format(index);
        size_t count = fill();
        assert_int_equal(count, slab.capacity);
        for (size_t floor = count - 1; floor != 0; floor -= 1 + floor / 10) {
            slab_set_floor(&slab, (int32_t)floor);
            assert_int_equal(slab_live(&slab), count);
            size_t freed = 0;
            bool told = false;
            while (!told) {
                told = slab_push(&slab, slots[freed++]);
            }
            assert_int_equal(count - freed, floor);
            for (size_t i = 0; i < freed; i++) {
                slots[i] = slab_pop(&slab);
                assert_non_null(slots[i]);
            }
        }
        audit();
    }
}

/* Groups are intervals in ascending order; a slab falls from each to the next emptier. */
static void test_groups(void **state) {
    (void)state;
    for (size_t index = 1; index < SLAB_LONE_FIRST; index++) {
        format(index);
        size_t live = fill();
        unsigned group = slab_group_of(&slab);
        assert_int_equal(group, SLAB_GROUPS - 1);
        slab_set_floor(&slab, slab_group_floor(&slab, group));
        while (live != 0) {
            bool told = slab_push(&slab, slots[--live]);
            unsigned now = slab_group_of(&slab);
            assert_true(now <= group);
            assert_true(told == (now != group || live == 0));
            if (told && live != 0) {
                group = now;
                slab_set_floor(&slab, slab_group_floor(&slab, group));
                assert_true(slab.own.until > 0);
            }
        }
        assert_int_equal(slab_group_of(&slab), 0);
    }
}

/* ---- marks, recount -------------------------------------------------------------------------- */

static void test_travelling(void **state) {
    (void)state;
    format(4);
    size_t count = fill();
    for (size_t i = 0; i < count; i++) {
        struct slot *slot = slots[i];
        assert_false(slot_is_travelling(slot));
        slot_mark_travelling(slot);
        slot->link = slots[(i + 1) % count];
        assert_true(slot_is_travelling(slot));
        assert_true(slot_looks_free(slot));
        assert_true(slot_seems_listed(slot));
        assert_false(slab_list_holds(&slab, slot));
        slab_push(&slab, slot);
        assert_false(slot_is_travelling(slot));
        assert_true(slab_list_holds(&slab, slot));
        assert_true(slot_seems_listed(slot));
    }
    audit();
}

/* A list as a fork can leave it: the first word's slot is half popped, or the chain is broken. */
static void test_recount(void **state) {
    (void)state;
    for (size_t index = 1; index < SLAB_CLASSES; index += 5) {
        format(index);
        size_t count = fill();
        for (size_t i = 0; i < count / 2; i++) {
            slab_push(&slab, slots[i]);
        }
        slab.own.until = 12345;
        slab_recount(&slab);
        audit();
        assert_int_equal(slab_live(&slab), count - count / 2);
        ((struct slot *)slots[count / 4])->tag = 0;
        slab_recount(&slab);
        audit();
        assert_int_equal(slab_live(&slab), count);
        assert_true(slab_list_is_empty(&slab));
    }
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* A damaged next may lead between two slots, which is well where words need not be aligned, but not
 * in the eyes of the sanitizer. */
static void skip_if_sanitized(void) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
    skip();
#endif
#endif
}

static void pop_all(void *unused) {
    (void)unused;
    signal(SIGSEGV, SIG_DFL);
    for (;;) {
        if (slab_pop(&slab) == NULL) {
            if (!slab_list_is_empty(&slab)) {
                slab_report_damage(&slab);
            }
            return;
        }
    }
}

/* A freed slot is written to at every byte of its words in turn. What leads somewhere near is
 * noticed before it is followed, what leads far away ends the process; the tag is not looked at
 * when slots are handed out, but by the audit. */
static void test_written_after_free(void **state) {
    (void)state;
    skip_if_sanitized();
    struct random_source random = random_start("test_written_after_free");
    for (size_t index = 2; index < SLAB_CLASSES; index += 10) {
        for (size_t byte = 0; byte < sizeof(struct slot); byte++) {
            format(index);
            size_t count = fill();
            for (size_t i = 0; i < count; i++) {
                slab_push(&slab, slots[i]);
            }
            unsigned char *victim = slots[count / 2];
            victim[byte] ^= (unsigned char)(1 + random_below(&random, 255));
            struct child child;
            test_run_child(&child, pop_all, NULL);
            bool noticed = strncmp(child.said, "arenite: ", strlen("arenite: ")) == 0;
            bool is_tags = byte >= offsetof(struct slot, tag) && byte < sizeof(uint64_t);
            bool is_far = byte >= offsetof(struct slot, link) + sizeof(uint32_t);
            assert_int_equal(test_child_passed(&child) && !noticed, is_tags);
            assert_true(noticed || is_tags || is_far);
            assert_true(is_far || slab_audit(&slab) != NULL);
        }
    }
}

static void write_first_word(uint32_t word) {
    format(5);
    size_t count = fill();
    for (size_t i = 0; i < count; i++) {
        slab_push(&slab, slots[i]);
    }
    memcpy(slots[count / 2], &word, sizeof word);
}

/* The same with whole words of four bytes that programs like to write. */
static void test_words_after_free(void **state) {
    (void)state;
    skip_if_sanitized();
    static const uint32_t words[] = {0, 1, 0xffffffff, 0x7fffffff, 0xcccccccc, 1000, 0x80000000};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        write_first_word(words[i]);
        struct child child;
        test_run_child(&child, pop_all, NULL);
        bool noticed = strncmp(child.said, "arenite: ", strlen("arenite: ")) == 0;
        assert_true(noticed || test_child_passed(&child));
    }
}

static void test_audit_sees(void **state) {
    (void)state;
    format(6);
    size_t count = fill();
    for (size_t i = 0; i < count; i++) {
        slab_push(&slab, slots[i]);
    }
    audit();
    slab.own.until++;
    assert_non_null(slab_audit(&slab));
    slab.own.until--;
    struct slot *guard = (struct slot *)span;
    guard->tag = 1;
    assert_non_null(slab_audit(&slab));
    guard->tag = 0;
    struct slot saved = *(struct slot *)slots[3];
    *(struct slot *)slots[3] = *(struct slot *)slots[5];
    assert_non_null(slab_audit(&slab));
    *(struct slot *)slots[3] = saved;
    audit();
    slab.own.head = (struct slot *)((uintptr_t)slab.own.head + 8);
    assert_non_null(slab_audit(&slab));
}

/* ---- zero knowledge -------------------------------------------------------------------------- */

static bool is_zero(const void *memory, size_t bytes) {
    const unsigned char *at = memory;
    while (bytes != 0 && *at == 0) {
        at++;
        bytes--;
    }
    return bytes == 0;
}

/* The span is in truth not zero, so that it can be seen what was written. */
static void test_clear_writes_what_it_must(void **state) {
    (void)state;
    for (size_t index = 2; index < SLAB_CLASSES; index++) {
        format(index);
        slab.is_zero = true;
        slab_carve(&slab);
        unsigned char *slot = slab_pop(&slab);
        assert_true(slot_is_fresh((struct slot *)slot));
        slot_clear((struct slot *)slot, slab.slot_bytes);
        assert_true(is_zero(slot, sizeof(struct slot)));
        assert_int_equal(slot[sizeof(struct slot)], 0xcc);
        slab_push(&slab, (struct slot *)slot);
        assert_ptr_equal(slab_pop(&slab), slot);
        assert_false(slot_is_fresh((struct slot *)slot));
        slot_clear((struct slot *)slot, slab.slot_bytes - 1);
        assert_true(is_zero(slot, slab.slot_bytes - 1));
        assert_int_equal(slot[slab.slot_bytes - 1], 0xcc);
    }
}

/* Without the knowledge no slot is fresh, and with it none is that was handed out once. */
static void test_fresh(void **state) {
    (void)state;
    format(5);
    slab_carve(&slab);
    assert_false(slot_is_fresh(slab_pop(&slab)));
    format(5);
    memset((void *)span, 0, SLAB_SPAN_MAX_BYTES);
    slab.is_zero = true;
    size_t count = 0;
    while (slab_can_carve(&slab)) {
        slab_carve(&slab);
        audit();
        for (void *slot = slab_pop(&slab); slot != NULL; slot = slab_pop(&slab)) {
            assert_true(slot_is_fresh(slot));
            slots[count++] = slot;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (i % 2 == 0) {
            slot_mark_travelling(slots[i]);
        }
        slab_push(&slab, slots[i]);
        assert_false(slot_is_fresh(slots[i]));
    }
    audit();
}

static void test_audit_sees_touched(void **state) {
    (void)state;
    format(5);
    memset((void *)span, 0, SLAB_SPAN_MAX_BYTES);
    slab.is_zero = true;
    slab_carve(&slab);
    unsigned char *last = (unsigned char *)slab.own.head + slab.slot_bytes - 1;
    *last = 1;
    assert_non_null(slab_audit(&slab));
    *last = 0;
    audit();
    slab.is_zero = false;
    assert_non_null(slab_audit(&slab));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_offset),
        cmocka_unit_test(test_upper_bits),
        cmocka_unit_test(test_wild),
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_whole_slab),
        cmocka_unit_test(test_floor),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_travelling),
        cmocka_unit_test(test_recount),
        cmocka_unit_test(test_written_after_free),
        cmocka_unit_test(test_words_after_free),
        cmocka_unit_test(test_audit_sees),
        cmocka_unit_test(test_clear_writes_what_it_must),
        cmocka_unit_test(test_fresh),
        cmocka_unit_test(test_audit_sees_touched),
    };
    return cmocka_run_group_tests(tests, map_span, NULL);
}
