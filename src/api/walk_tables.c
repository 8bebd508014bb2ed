/* walk_tables.c - walks over threads, mapped blocks and the page map. See walk.h.
 * Layer: api (includes base and include/arenite/registry.h only). */
#include "api/walk.h"

/* More states, or slots, than a process can have. */
#define THREADS_MAX 4194304u
#define SLOTS_MAX (UINT64_C(1) << 40)
#define QUICK_LENGTH_MAX 65535u

/* ---- threads -------------------------------------------------------------------------------- */

/* List i holds chunks of the smallest size and i steps of the alignment. */
static uint64_t quick_chunk_bytes(const struct walk *walk, size_t index) {
    uint64_t pointer = walk->registry.pointer_bytes;
    return 4 * pointer + index * 2 * pointer;
}

/* An open list holds what its room lacks of the capacity. */
static void count_quick(const struct walk *walk, const struct walk_record *record,
                        uint64_t capacity, struct walk_thread *thread) {
    for (size_t i = 0; i < walk->layout[LAYOUT_THREAD_QUICK_HEAD].count; i++) {
        uint64_t head = walk_value(walk, record, LAYOUT_THREAD_QUICK_HEAD, i);
        uint64_t room = walk_value(walk, record, LAYOUT_THREAD_QUICK_ROOM, i);
        if (head != 0 && room < capacity) {
            thread->quick_count += capacity - room;
            thread->quick_bytes += (capacity - room) * quick_chunk_bytes(walk, i);
        }
    }
}

/* Batches lie in the record's copy; the inbox's count is written by others and may run ahead. */
static bool count_queued(struct walk *walk, const struct walk_record *record,
                         struct walk_thread *thread) {
    const struct walk_place *batches = &walk->layout[LAYOUT_THREAD_OUTGOING];
    const struct walk_place *bytes = &walk->layout[LAYOUT_OUTGOING_BYTES];
    const struct walk_place *inbox = &walk->layout[LAYOUT_THREAD_INBOX_BYTES];
    uint64_t waiting;
    for (size_t i = 0; i < batches->count; i++) {
        uint64_t at = record->address + batches->offset + i * batches->width + bytes->offset;
        if (!walk_word(walk, at, bytes->width, &waiting)) {
            return false;
        }
        thread->queued_bytes += waiting;
    }
    if (!walk_word(walk, record->address + inbox->offset, inbox->width, &waiting)) {
        return false;
    }
    thread->region_bytes = walk_value(walk, record, LAYOUT_THREAD_REGION_BYTES, 0);
    bool is_negative = (waiting >> (8 * inbox->width - 1)) != 0;
    thread->queued_bytes += is_negative ? 0 : waiting;
    return true;
}

static bool thread_at(struct walk *walk, uint64_t address, uint64_t capacity,
                      struct walk_thread *thread) {
    struct walk_record record;
    if (!walk_load(walk, address, LAYOUT_THREAD_ATTACHED, &record)) {
        return false;
    }
    *thread = (struct walk_thread){
        .address = address,
        .next = walk_value(walk, &record, LAYOUT_THREAD_NEXT, 0),
        .arena = walk_value(walk, &record, LAYOUT_THREAD_ARENA, 0),
        .charge = walk_value(walk, &record, LAYOUT_THREAD_CHARGE, 0),
        .id = (int32_t)walk_value(walk, &record, LAYOUT_THREAD_ID, 0),
        .attached = walk_value(walk, &record, LAYOUT_THREAD_ATTACHED, 0) != 0,
    };
    count_quick(walk, &record, capacity, thread);
    uint64_t medium = walk_value(walk, &record, LAYOUT_THREAD_MEDIUM, 0);
    thread->spare_bytes = walk_value(walk, &record, LAYOUT_THREAD_SPARE_BYTES, 0);
    const struct walk_place *held = &walk->layout[LAYOUT_MEDIUM_HELD_BYTES];
    if (!count_queued(walk, &record, thread)) {
        return false;
    }
    return medium == 0 ||
           walk_word(walk, medium + held->offset, held->width, &thread->medium_bytes);
}

bool walk_threads(struct walk *walk, walk_thread_visitor visit, void *state) {
    uint64_t capacity;
    uint64_t address;
    if (!walk_root_value(walk, WALK_ROOT_PARAMS, LAYOUT_PARAMS_QUICK_COUNT, &capacity) ||
        !walk_word(walk, walk->roots[WALK_ROOT_THREAD_LIST], walk->registry.pointer_bytes,
                   &address)) {
        return false;
    }
    for (unsigned left = THREADS_MAX; address != 0; left--) {
        struct walk_thread thread;
        if (left == 0) {
            return walk_fail(walk, "the list of threads does not end", address);
        }
        if (!thread_at(walk, address, capacity, &thread)) {
            return false;
        }
        if (!visit(walk, &thread, state)) {
            return walk->what == NULL;
        }
        address = thread.next;
    }
    return true;
}

/* Links stand in the first user word and are masked with its place. */
static bool walk_quick_list(struct walk *walk, uint64_t memory, unsigned index,
                            walk_chunk_visitor visit, void *state) {
    uint64_t header = (uint64_t)2 * walk->registry.pointer_bytes;
    for (unsigned left = QUICK_LENGTH_MAX; memory != 0; left--) {
        struct walk_chunk chunk;
        uint64_t link;
        if (left == 0 || memory % header != 0) {
            return walk_fail(walk, "a quick list is damaged", memory);
        }
        if (!walk_chunk_at(walk, memory - header, &chunk) ||
            !walk_word(walk, memory, walk->registry.pointer_bytes, &link) ||
            !visit(walk, &chunk, index, state)) {
            return false;
        }
        memory = link ^ (memory >> 12);
    }
    return true;
}

bool walk_quick_lists(struct walk *walk, const struct walk_thread *thread, walk_chunk_visitor visit,
                      void *state) {
    struct walk_record record;
    if (!walk_load(walk, thread->address, LAYOUT_THREAD_QUICK_HEAD, &record)) {
        return false;
    }
    for (unsigned i = 0; i < walk->layout[LAYOUT_THREAD_QUICK_HEAD].count; i++) {
        uint64_t newest = walk_value(walk, &record, LAYOUT_THREAD_QUICK_HEAD, i);
        if (!walk_quick_list(walk, newest, i, visit, state)) {
            return walk->what == NULL;
        }
    }
    return true;
}

/* ---- slots on their way --------------------------------------------------------------------- */

#define QUEUED_MAX 16777216u
#define INBOX_CLOSED 1u /* no address: the thread has ended */

static bool walk_field(struct walk *walk, uint64_t record, enum layout_id id, uint64_t *value) {
    const struct walk_place *place = &walk->layout[id];
    return walk_word(walk, record + place->offset, place->width, value);
}

static bool walk_chain(struct walk *walk, uint64_t slot, walk_slot_visitor visit, void *state) {
    for (unsigned left = QUEUED_MAX; slot != 0; left--) {
        if (left == 0) {
            return walk_fail(walk, "a list of slots on their way does not end", slot);
        }
        if (!visit(walk, slot, state) || !walk_field(walk, slot, LAYOUT_SLOT_LINK, &slot)) {
            return false;
        }
    }
    return true;
}

/* A batch without an owner has been sent; what its links lead to is another's. */
static bool walk_batch(struct walk *walk, uint64_t batch, walk_slot_visitor visit, void *state) {
    uint64_t owner;
    uint64_t first;
    if (!walk_field(walk, batch, LAYOUT_OUTGOING_OWNER, &owner) ||
        !walk_field(walk, batch, LAYOUT_OUTGOING_FIRST, &first)) {
        return false;
    }
    return owner == 0 || walk_chain(walk, first, visit, state);
}

bool walk_queued_slots(struct walk *walk, const struct walk_thread *thread, walk_slot_visitor visit,
                       void *state) {
    const struct walk_place *batches = &walk->layout[LAYOUT_THREAD_OUTGOING];
    uint64_t inbox;
    for (size_t i = 0; i < batches->count; i++) {
        uint64_t batch = thread->address + batches->offset + i * batches->width;
        if (!walk_batch(walk, batch, visit, state)) {
            return walk->what == NULL;
        }
    }
    if (!walk_field(walk, thread->address, LAYOUT_THREAD_INBOX, &inbox)) {
        return false;
    }
    return inbox == INBOX_CLOSED || walk_chain(walk, inbox, visit, state) || walk->what == NULL;
}

/* ---- slabs ---------------------------------------------------------------------------------- */

#define SLABS_MAX 16777216u
#define SLAB_UNUSED_STATE 0u

static bool slab_at_address(struct walk *walk, uint64_t address, struct walk_slab *slab) {
    struct walk_record record;
    if (!walk_load(walk, address, LAYOUT_SLAB_CARVED, &record)) {
        return false;
    }
    *slab = (struct walk_slab){
        .address = address,
        .next = walk_value(walk, &record, LAYOUT_SLAB_NEXT_RECORD, 0),
        .owner = walk_value(walk, &record, LAYOUT_SLAB_OWNER, 0),
        .start = walk_value(walk, &record, LAYOUT_SLAB_START, 0),
        .slot_bytes = walk_value(walk, &record, LAYOUT_SLAB_SLOT_BYTES, 0),
        .class_index = (uint32_t)walk_value(walk, &record, LAYOUT_SLAB_CLASS_INDEX, 0),
        .capacity = (uint32_t)walk_value(walk, &record, LAYOUT_SLAB_CAPACITY, 0),
        .carved = (uint32_t)walk_value(walk, &record, LAYOUT_SLAB_CARVED, 0),
        .state = (uint32_t)walk_value(walk, &record, LAYOUT_SLAB_STATE, 0),
    };
    uint32_t until = (uint32_t)walk_value(walk, &record, LAYOUT_SLAB_UNTIL, 0);
    slab->live = until + (uint32_t)walk_value(walk, &record, LAYOUT_SLAB_FLOOR, 0);
    slab->carved = slab->carved < slab->capacity ? slab->carved : slab->capacity;
    slab->live = slab->live < slab->carved ? slab->live : slab->carved;
    return true;
}

bool walk_slabs(struct walk *walk, walk_slab_visitor visit, void *state) {
    uint64_t address;
    if (!walk_word(walk, walk->roots[WALK_ROOT_SLAB_RECORDS], walk->registry.pointer_bytes,
                   &address)) {
        return false;
    }
    for (unsigned left = SLABS_MAX; address != 0; left--) {
        struct walk_slab slab;
        if (left == 0) {
            return walk_fail(walk, "the list of slab records does not end", address);
        }
        if (!slab_at_address(walk, address, &slab)) {
            return false;
        }
        if (slab.state != SLAB_UNUSED_STATE && !visit(walk, &slab, state)) {
            return walk->what == NULL;
        }
        address = slab.next;
    }
    return true;
}

/* ---- mapped blocks -------------------------------------------------------------------------- */

bool walk_mapped_blocks(struct walk *walk, walk_mapped_visitor visit, void *state) {
    uint64_t at;
    uint64_t capacity;
    if (!walk_root_value(walk, WALK_ROOT_MAPPED_TABLE, LAYOUT_MAPPED_TABLE_SLOTS, &at) ||
        !walk_root_value(walk, WALK_ROOT_MAPPED_TABLE, LAYOUT_MAPPED_TABLE_CAPACITY, &capacity)) {
        return false;
    }
    if (capacity > SLOTS_MAX) {
        return walk_fail(walk, "the table of mapped blocks has an impossible size", at);
    }
    for (uint64_t i = 0; i < capacity; i++, at += walk->layout[LAYOUT_MAPPED_BLOCK].width) {
        struct walk_record record;
        if (!walk_load(walk, at, LAYOUT_MAPPED_BLOCK_BYTES, &record)) {
            return false;
        }
        const struct walk_mapped block = {
            walk_value(walk, &record, LAYOUT_MAPPED_BLOCK_MEMORY, 0),
            walk_value(walk, &record, LAYOUT_MAPPED_BLOCK_START, 0),
            walk_value(walk, &record, LAYOUT_MAPPED_BLOCK_BYTES, 0),
        };
        if (block.memory != 0 && !visit(walk, &block, state)) {
            return walk->what == NULL;
        }
    }
    return true;
}

/* ---- page map and roots --------------------------------------------------------------------- */

/* Root entries are distances from the zero leaf in entries, in the target's arithmetic. */
bool walk_page_entry(struct walk *walk, uint64_t address, uint64_t *entry) {
    size_t pointer = walk->registry.pointer_bytes;
    uint64_t root_entries = walk->root_bytes[WALK_ROOT_PAGE_MAP_ROOT] / pointer;
    uint64_t leaf_entries = walk->root_bytes[WALK_ROOT_PAGE_MAP_ZERO_LEAF] / pointer;
    if (root_entries == 0 || leaf_entries == 0) {
        return walk_fail(walk, "the registry does not describe the page map", address);
    }
    uint64_t granule = address >> walk->registry.granule_shift;
    uint64_t root_index = granule / leaf_entries % root_entries;
    uint64_t distance;
    if (!walk_word(walk, walk->roots[WALK_ROOT_PAGE_MAP_ROOT] + root_index * pointer, pointer,
                   &distance)) {
        return false;
    }
    uint64_t leaf = walk->roots[WALK_ROOT_PAGE_MAP_ZERO_LEAF] + distance * pointer;
    if (pointer == sizeof(uint32_t)) {
        leaf &= UINT32_MAX;
    }
    return walk_word(walk, leaf + granule % leaf_entries * pointer, pointer, entry);
}

bool walk_root_value(struct walk *walk, enum walk_root root, enum layout_id id, uint64_t *value) {
    const struct walk_place *place = &walk->layout[id];
    return walk_word(walk, walk->roots[root] + place->offset, place->width, value);
}
