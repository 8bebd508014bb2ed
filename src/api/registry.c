/* registry.c - the exported record, its tables, and guarded reading of our own memory.
 * Layer: api (includes thread and below). See include/arenite/registry.h.
 *
 * The tables are made from the structs by layout.def and the list of roots below, so they cannot
 * disagree with the code. All of it is constant but for the page size. */
#include "api/registry.h"

#include "api/options.h"
#include "chunk/heap.h"
#include "chunk/mapped_table.h"
#include "chunk/params.h"
#include "pages/page_map.h"
#include "thread/thread.h"

#include "arenite/registry.h"

#include <string.h>

#define SIZE_OF_FIELD(type, field) ((uint32_t)sizeof(((type *)0)->field))
#define SIZE_OF_ELEMENT(type, field) ((uint32_t)sizeof(((type *)0)->field[0]))

static const struct arenite_field fields[] = {
#define LAYOUT_TYPE(id, type) {#type, "", 0, sizeof(type), 1, 0},
#define LAYOUT_FIELD(id, type, field) \
    {#type, #field, offsetof(type, field), SIZE_OF_FIELD(type, field), 1, 0},
#define LAYOUT_ARRAY(id, type, field)                                       \
    {#type, #field, offsetof(type, field), SIZE_OF_ELEMENT(type, field),    \
     SIZE_OF_FIELD(type, field) / SIZE_OF_ELEMENT(type, field), 0},
#include "api/layout.def"
};

#define ROOT(object, type) {#object, type, {.pointer = &(object)}, sizeof(object)}

static const struct arenite_object objects[] = {
    ROOT(main_arena, "struct arena"),
    ROOT(thread_none, "struct thread"),
    ROOT(thread_gone, "struct thread"),
    ROOT(mapped_blocks, "struct mapped_table"),
    ROOT(mapped_counts, "struct mapped_totals"),
    ROOT(mapped_static_slots, "struct mapped_block"),
    ROOT(page_map_root, "size_t"),
    ROOT(page_map_zero_leaf, "page_entry"),
    ROOT(params, "struct params"),
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

static bool lies_in_root(uintptr_t address, size_t length) {
    for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++) {
        if (lies_in(address, length, objects[i].address.pointer, (size_t)objects[i].bytes)) {
            return true;
        }
    }
    return lies_in(address, length, &arenite_registry, sizeof arenite_registry) ||
           lies_in(address, length, objects, sizeof objects) ||
           lies_in(address, length, fields, sizeof fields);
}

/* Records of main's pieces live outside of heaps; the chain of them is never damaged by users. */
static bool is_piece_record(uintptr_t address, size_t length) {
    const struct heap *piece = __atomic_load_n(&main_arena.heap, __ATOMIC_ACQUIRE);
    while (piece != NULL && !lies_in(address, length, piece, sizeof *piece)) {
        piece = piece->prev;
    }
    return piece != NULL;
}

static bool lies_in_mapped_table(uintptr_t address, size_t length) {
    return mapped_blocks.slots != NULL &&
           lies_in(address, length, mapped_blocks.slots,
                   mapped_blocks.capacity * sizeof *mapped_blocks.slots);
}

static bool read_own(void *context, uint64_t address, void *buffer, size_t length) {
    (void)context;
    uintptr_t at = (uintptr_t)address;
    if (at != address || !(lies_in_heap(at, length) || lies_in_root(at, length) ||
                           is_piece_record(at, length) || lies_in_mapped_table(at, length))) {
        return false;
    }
    memcpy(buffer, (const void *)at, length);
    return true;
}

bool registry_walk(struct walk *walk) {
    return walk_open(walk, (uintptr_t)&arenite_registry, read_own, NULL);
}
