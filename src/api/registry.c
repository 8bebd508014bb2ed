/* registry.c - the exported record, its tables, and guarded reading of our own memory.
 * Layer: api (includes thread and below). See include/arenite/registry.h.
 *
 * The tables are made from the structs by layout.def and the list of roots below, so they cannot
 * disagree with the code. All of it is constant but for the page size. */
#include "api/registry.h"

#include "api/options.h"
#include "chunk/heap.h"
#include "chunk/keep.h"
#include "chunk/main_arena.h"
#include "chunk/mapped_table.h"
#include "chunk/params.h"
#include "pages/guard.h"
#include "pages/meta.h"
#include "pages/page_map.h"
#include "thread/thread.h"

#include "arenite/registry.h"

#include <string.h>

_Static_assert(offsetof(struct thread, attached) + sizeof(uint32_t) <= WALK_RECORD_MAX_BYTES,
               "walkers read a thread's state up to there as a whole");

#define SIZE_OF_FIELD(type, field) ((uint32_t)sizeof(((type *)0)->field))
#define SIZE_OF_ELEMENT(type, field) ((uint32_t)sizeof(((type *)0)->field[0]))

static const struct arenite_field fields[] = {
#define LAYOUT_TYPE(id, type) {#type, "", 0, sizeof(type), 1, 0},
#define LAYOUT_FIELD(id, type, field) \
    {#type, #field, offsetof(type, field), SIZE_OF_FIELD(type, field), 1, 0},
#define LAYOUT_ARRAY(id, type, field)                           \
    {#type,                                                     \
     #field,                                                    \
     offsetof(type, field),                                     \
     SIZE_OF_ELEMENT(type, field),                              \
     SIZE_OF_FIELD(type, field) / SIZE_OF_ELEMENT(type, field), \
     0},
#include "api/layout.def"
};

#define ROOT(object, type) ROOT_NAMED(#object, object, type)
#define ROOT_NAMED(name, object, type) \
    { name, type, {.pointer = &(object)}, sizeof(object) }

static const struct arenite_object objects[] = {
    ROOT(main_arena, "struct arena"),
    ROOT(thread_none, "struct thread"),
    ROOT(thread_gone, "struct thread"),
    ROOT(mapped_blocks, "struct mapped_table"),
    ROOT(mapped_counts, "struct mapped_totals"),
    ROOT(mapped_static_slots, "struct mapped_block"),
    ROOT_NAMED("page_map_root", page_map.root, "size_t"),
    ROOT_NAMED("page_map_zero_leaf", page_map.zero_leaf, "page_entry"),
    ROOT(params, "struct params"),
    ROOT(thread_list, "struct thread *"),
    ROOT(depot_records, "struct slab *"),
    ROOT(main_first_piece, "struct heap"),
    ROOT(main_keep, "struct keep"),
    ROOT(meta_state, "struct meta_state"),
    ROOT(meta_static_block, "char"),
    ROOT(guard_pool, "struct guard_pool"),
};

EXPORT struct arenite_registry arenite_registry = {
    .magic = ARENITE_REGISTRY_MAGIC,
    .version = ARENITE_REGISTRY_VERSION,
    .bytes = sizeof(struct arenite_registry),
    .self.pointer = &arenite_registry,
    .pointer_bytes = sizeof(void *),
    .granule_shift = GRANULE_SHIFT,
    .objects.pointer = objects,
    .fields.pointer = fields,
    .options.pointer = option_states,
    .object_count = sizeof objects / sizeof objects[0],
    .field_count = sizeof fields / sizeof fields[0],
    .option_count = OPTION_COUNT,
    .build = "arenite 0.1.0, compiler " __VERSION__,
};

void registry_init(void) {
    arenite_registry.page_bytes = os_page_bytes();
}

/* ---- reading our own memory ----------------------------------------------------------------- */

static bool lies_in(uintptr_t address, size_t length, const void *start, size_t bytes) {
    return address - (uintptr_t)start < bytes && length <= bytes - (address - (uintptr_t)start);
}

static bool lies_in_heap(uintptr_t address, size_t length) {
    const struct heap *heap = heap_find((const void *)address);
    return heap != NULL && length <= heap_end(heap) - address;
}

static bool lies_in_slab(uintptr_t address, size_t length) {
    const struct slab *slab = slab_at((const void *)address);
    return slab != NULL && length <= GRANULE_BYTES - (address & (GRANULE_BYTES - 1));
}

static bool lies_in_root(uintptr_t address, size_t length) {
    for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++) {
        if (lies_in(address, length, objects[i].address.pointer, (size_t)objects[i].bytes)) {
            return true;
        }
    }
    return lies_in(address, length, &arenite_registry, sizeof arenite_registry) ||
           lies_in(address, length, objects, sizeof objects) ||
           lies_in(address, length, fields, sizeof fields) ||
           lies_in(address, length, option_states, sizeof option_states);
}

static bool lies_in_block(uintptr_t address, size_t length, const struct meta_block *block) {
    return block != NULL && lies_in(address, length, block, block->bytes);
}

/* Records that are read one after the other mostly lie in one block: the last one is remembered. */
static bool lies_in_records(struct own_memory *own, uintptr_t address, size_t length) {
    const struct meta_block *block = __atomic_load_n(&meta_state.blocks, __ATOMIC_ACQUIRE);
    while (block != NULL && !lies_in_block(address, length, block)) {
        block = block->prev;
    }
    own->block = block != NULL ? block : own->block;
    return block != NULL;
}

/* The table may grow meanwhile: an address is then of the old one or of the new. */
READS_RACILY static bool lies_in_mapped_table(uintptr_t address, size_t length) {
    return mapped_blocks.slots != NULL &&
           lies_in(address, length, mapped_blocks.slots,
                   mapped_blocks.capacity * sizeof *mapped_blocks.slots);
}

/* The root's entry that was read last says which leaf may be read next. */
static void note_leaf(struct own_memory *own, uintptr_t address, const void *bytes, size_t length) {
    if (length == sizeof page_map.root[0] &&
        lies_in(address, length, page_map.root, sizeof page_map.root)) {
        size_t distance;
        memcpy(&distance, bytes, sizeof distance);
        own->leaf = (uintptr_t)page_map.zero_leaf + distance * sizeof(page_entry);
    }
}

static bool is_own(struct own_memory *own, uintptr_t address, size_t length) {
    return lies_in_block(address, length, own->block) || lies_in_heap(address, length) ||
           lies_in_root(address, length) || lies_in_records(own, address, length) ||
           lies_in_mapped_table(address, length) || lies_in_slab(address, length) ||
           lies_in(address, length, (const void *)own->leaf, sizeof page_map.zero_leaf);
}

/* Word by word, each by one load: a value that another thread changes meanwhile is old or new. */
READS_RACILY static void copy_words(uintptr_t address, unsigned char *buffer, size_t length) {
    while (length >= sizeof(uintptr_t) && is_aligned(address, sizeof(uintptr_t))) {
        uintptr_t word = *(const volatile uintptr_t *)address;
        memcpy(buffer, &word, sizeof word);
        address += sizeof word;
        buffer += sizeof word;
        length -= sizeof word;
    }
    for (; length != 0; length--) {
        *buffer++ = *(const volatile unsigned char *)address++;
    }
}

/* A single word may be a link that was published with release: what it leads to is then whole. */
static void copy_own(uintptr_t address, unsigned char *buffer, size_t length) {
    if (length == sizeof(uintptr_t) && is_aligned(address, sizeof(uintptr_t))) {
        uintptr_t word = __atomic_load_n((const uintptr_t *)address, __ATOMIC_ACQUIRE);
        memcpy(buffer, &word, sizeof word);
    } else {
        copy_words(address, buffer, length);
    }
}

static bool read_own(void *context, uint64_t address, void *buffer, size_t length) {
    struct own_memory *own = context;
    uintptr_t at = (uintptr_t)address;
    if (at != address || !is_own(own, at, length)) {
        return false;
    }
    copy_own(at, buffer, length);
    note_leaf(own, at, buffer, length);
    return true;
}

bool registry_walk(struct walk *walk, struct own_memory *own) {
    *own = (struct own_memory){.leaf = (uintptr_t)page_map.zero_leaf};
    return walk_open(walk, (uintptr_t)&arenite_registry, read_own, own);
}
