/* test_audit.c - the audit finds what is damaged on purpose, and names it.
 *
 * Each damage is done in a child, to a sound heap of known shape, by writing where a bug or an
 * overflow would write. A damage that the audit does not name fails the test. */
#include "api/audit.h"
#include "glibc_profile.h"

#include "chunk/bin.h"
#include "chunk/fast_bin.h"
#include "chunk/heap.h"
#include "chunk/main_arena.h"
#include "chunk/mapped_table.h"
#include "thread/thread.h"

#include "test_child.h"
#include "test_random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "arenite/arenite.h"

#define LARGE_REQUEST 4000
/* What an overflowing text leaves: every byte an A. */
#define OVERFLOWN (UINTPTR_MAX / 255 * 'A')

/* Blocks in the order of their addresses. */
static struct {
    void *used;     /* in use */
    void *unsorted; /* free, in the unsorted bin */
    void *between;  /* in use */
    void *large;    /* free, in a large bin */
    void *fence;    /* in use */
    void *fast[2];  /* in a fast bin */
    void *quick;    /* in a quick list */
    void *mapped;
} heap;

static void *take(size_t bytes) {
    void *memory = arenite_malloc(bytes);
    CHILD_EXPECT(memory != NULL);
    return memory;
}

/* The quick list of a size is filled, so that the next frees go to the arena. */
static void free_past_quick_lists(void *memory, size_t bytes) {
    void *extra[QUICK_COUNT_DEFAULT];
    for (size_t i = 0; i < QUICK_COUNT_DEFAULT; i++) {
        extra[i] = take(bytes);
    }
    for (size_t i = 0; i < QUICK_COUNT_DEFAULT; i++) {
        arenite_free(extra[i]);
    }
    arenite_free(memory);
}

static void build_heap(void) {
    heap.used = take(2000);
    heap.large = take(LARGE_REQUEST);
    heap.between = take(2000);
    heap.unsorted = take(3000);
    heap.fence = take(2000);
    heap.fast[0] = take(40);
    heap.fast[1] = take(40);
    heap.mapped = take(2 << 20);
    arenite_free(heap.large);
    (void)take(100000); /* sorts the free chunk into its bin */
    arenite_free(heap.unsorted);
    free_past_quick_lists(heap.fast[0], 40);
    arenite_free(heap.fast[1]);
    heap.quick = thread_current->quick.head[quick_index(chunk_bytes_for(40))];
    CHILD_EXPECT(heap.quick != NULL);
    CHILD_EXPECT(main_arena.fast[fast_bin_index(chunk_bytes_for(40))] != NULL);
    CHILD_EXPECT(!bin_is_empty(bin_at(&main_arena, BIN_UNSORTED)));
    CHILD_EXPECT(!bin_is_empty(bin_at(&main_arena, bin_index(chunk_bytes_for(LARGE_REQUEST)))));
    CHILD_EXPECT(arenite_audit() == NULL);
}

/* ---- damages -------------------------------------------------------------------------------- */

static struct chunk *chunk_of(void *memory) {
    return chunk_of_memory(memory);
}

static struct links *large_bin(void) {
    return bin_at(&main_arena, bin_index(chunk_bytes_for(LARGE_REQUEST)));
}

static void overflow_size(void) {
    chunk_of(heap.between)->size = OVERFLOWN;
}

static void odd_size(void) {
    chunk_of(heap.between)->size += 8;
}

static void foot_overwritten(void) {
    chunk_next(chunk_of(heap.large))->prev_size -= CHUNK_ALIGNMENT;
}

static void lost_free_bit(void) {
    chunk_mark_in_use_at(chunk_of(heap.large), chunk_bytes(chunk_of(heap.large)));
}

static void used_marked_free(void) {
    struct chunk *chunk = chunk_of(heap.used);
    chunk_set_foot(chunk, chunk_bytes(chunk));
    chunk_mark_free_at(chunk, chunk_bytes(chunk));
}

static void free_neighbours(void) {
    struct chunk *chunk = chunk_of(heap.between);
    chunk_set_foot(chunk, chunk_bytes(chunk));
    chunk_mark_free_at(chunk, chunk_bytes(chunk));
}

static void wrong_arena_flag(void) {
    chunk_of(heap.between)->size |= CHUNK_NON_MAIN;
}

static void free_with_arena_flag(void) {
    chunk_of(heap.large)->size |= CHUNK_NON_MAIN;
}

static void moved_top(void) {
    main_arena.top = chunk_at(main_arena.top, CHUNK_ALIGNMENT);
    chunk_set_head(main_arena.top, CHUNK_MIN_BYTES | CHUNK_PREV_IN_USE);
}

static void wild_link(void) {
    chunk_of(heap.large)->links.fd = (struct links *)align_down(OVERFLOWN, CHUNK_ALIGNMENT);
}

static void broken_link(void) {
    chunk_of(heap.large)->links.fd = bin_at(&main_arena, BIN_UNSORTED);
}

static void wrong_bin(void) {
    struct chunk *chunk = chunk_of(heap.large);
    struct links *bin = large_bin();
    bin->fd = bin;
    bin->bk = bin;
    struct links *other = bin_at(&main_arena, BIN_LAST);
    other->fd = other->bk = &chunk->links;
    chunk->links.fd = chunk->links.bk = other;
}

static void lost_from_bin(void) {
    struct links *bin = large_bin();
    bin->fd = bin;
    bin->bk = bin;
}

static void cleared_map(void) {
    memset(main_arena.binmap, 0, sizeof main_arena.binmap);
}

static void size_link(void) {
    chunk_of(heap.large)->fd_nextsize = NULL;
}

static void fast_link(void) {
    struct chunk *newest = main_arena.fast[fast_bin_index(chunk_bytes_for(40))];
    newest->links.fd = (struct links *)align_down(OVERFLOWN, CHUNK_ALIGNMENT);
}

static void fast_circle(void) {
    struct chunk *newest = main_arena.fast[fast_bin_index(chunk_bytes_for(40))];
    uintptr_t place = (uintptr_t)&newest->links.fd;
    newest->links.fd = (struct links *)((uintptr_t)newest ^ (place >> 12));
}

static void fast_size(void) {
    unsigned index = fast_bin_index(chunk_bytes_for(40));
    main_arena.fast[index + 1] = main_arena.fast[index];
    main_arena.fast[index] = NULL;
}

static void fast_flag(void) {
    main_arena.flags &= ~(uint32_t)ARENA_HAS_FAST;
}

static void system_bytes(void) {
    main_arena.system_bytes -= 4096;
}

static void heap_of_another_arena(void) {
    main_arena.heap->arena = NULL;
}

static void heap_beyond_commit(void) {
    main_arena.heap->committed_bytes -= 4096;
}

static void page_map_entry(void) {
    page_map_clear(main_arena.heap->start, main_arena.heap->start + 1, main_arena.heap);
}

static void quick_lost_key(void) {
    ((struct quick_slot *)heap.quick)->key = 0;
}

static void quick_wild_link(void) {
    struct quick_slot *slot = heap.quick;
    slot->next = ((uintptr_t)slot + 1) ^ quick_mask(slot);
}

static void quick_wrong_room(void) {
    thread_current->quick.room[quick_index(chunk_bytes_for(40))] = 3;
}

static void thread_without_arena(void) {
    thread_current->arena = NULL;
}

static void mapped_count(void) {
    mapped_counts.bytes++;
}

static void mapped_address(void) {
    for (size_t i = 0; i < mapped_blocks.capacity; i++) {
        if (mapped_blocks.slots[i].memory != 0) {
            mapped_blocks.slots[i].start += (size_t)1 << 30;
        }
    }
}

static void mapped_slot(void) {
    for (size_t i = 0; i < mapped_blocks.capacity; i++) {
        struct mapped_block *slot = &mapped_blocks.slots[i];
        struct mapped_block *far = &mapped_blocks.slots[(i + 500) % mapped_blocks.capacity];
        if (slot->memory == (uintptr_t)heap.mapped) {
            *far = *slot;
            *slot = (struct mapped_block){0};
            return;
        }
    }
}

static void ring(void) {
    main_arena.next = (struct arena *)(uintptr_t)0x1000;
}

static const struct damage {
    void (*inflict)(void);
    const char *named;
} damages[] = {
    {overflow_size, "a chunk's size is impossible in its heap"},
    {odd_size, "a chunk's size is impossible in its heap"},
    {foot_overwritten, "the size of a free chunk does not stand in its successor"},
    {lost_free_bit, "a chunk in a bin is marked in use"},
    {used_marked_free, "two neighbouring chunks are free"},
    {free_neighbours, "two neighbouring chunks are free"},
    {wrong_arena_flag, "a chunk's flags name another arena"},
    {free_with_arena_flag, "a free chunk has flags of one in use"},
    {moved_top, "top is not the last chunk of the newest heap"},
    {wild_link, "an address leads out of the library's memory"},
    {broken_link, "a bin's links disagree"},
    {wrong_bin, "a chunk is in the wrong bin"},
    {lost_from_bin, "free chunks and chunks in bins do not agree"},
    {cleared_map, "a filled bin is not marked in the map"},
    {size_link, "a large bin's size links are not at the first of each size"},
    {fast_link, "an address leads out of the library's memory"},
    {fast_circle, "a fast bin does not end"},
    {fast_size, "a fast chunk is in the wrong bin"},
    {fast_flag, "fast chunks exist but the flag says none"},
    {system_bytes, "an arena's heaps do not add up to its system bytes"},
    {heap_of_another_arena, "a heap names another arena"},
    {heap_beyond_commit, "a heap uses more than is committed"},
    {page_map_entry, "the page map does not lead to a heap"},
    {quick_lost_key, "a quick list is longer than its capacity or holds an unkeyed chunk"},
    {quick_wild_link, "a quick list is damaged"},
    {quick_wrong_room, "a quick list's room and length do not add up"},
    {thread_without_arena, "an attached thread has no arena"},
    {mapped_count, "the mapped blocks do not add up to their counters"},
    {mapped_address, "a mapped block's address lies outside its mapping"},
    {mapped_slot, "a mapped block cannot be found in its table"},
    {ring, "an address leads out of the library's memory"},
};
#define DAMAGES (sizeof damages / sizeof damages[0])

static size_t chosen;

static void inflict_chosen(void) {
    build_heap();
    damages[chosen].inflict();
    const char *error = arenite_audit();
    CHILD_EXPECT(error != NULL);
    fprintf(stderr, "%s", error);
}

static void test_every_damage_is_named(void **state) {
    (void)state;
    size_t unnamed = 0;
    for (chosen = 0; chosen < DAMAGES; chosen++) {
        struct child_result child = child_run(inflict_chosen);
        size_t length = strlen(damages[chosen].named);
        if (child.exit_status != 0 || strncmp(child.text, damages[chosen].named, length) != 0 ||
            strncmp(child.text + length, ": 0x", 4) != 0) {
            print_error("damage %zu: expected \"%s: 0x...\", got \"%s\" (signal %d)\n", chosen,
                        damages[chosen].named, child.text, child.signal);
            unnamed++;
        }
    }
    assert_int_equal(unnamed, 0);
}

/* ---- sound heaps ---------------------------------------------------------------------------- */

#define BLOCKS 400

static void test_random_traffic_is_sound(void **state) {
    (void)state;
    struct random_source source = random_start("test_audit");
    static void *blocks[BLOCKS];
    size_t steps = random_steps(4000);
    for (size_t i = 0; i < steps; i++) {
        size_t at = random_below(&source, BLOCKS);
        size_t bytes = random_below(&source, (size_t)1 << random_below(&source, 20));
        arenite_free(blocks[at]);
        blocks[at] =
            random_below(&source, 4) == 0 ? arenite_memalign(64, bytes) : arenite_malloc(bytes);
        if (i % 20 == 0) {
            const char *error = arenite_audit();
            if (error != NULL) {
                fail_msg("after step %zu: %s", i, error);
            }
        }
    }
    arenite_malloc_trim(0);
    assert_null(arenite_audit());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_damage_is_named),
        cmocka_unit_test(test_random_traffic_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
