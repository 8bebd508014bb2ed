/* mapped_table.c - see mapped_table.h.
 * Layer: chunk (includes base, os). */
#include "chunk/mapped_table.h"

#include "os/os.h"

struct mapped_block mapped_static_slots[MAPPED_STATIC_SLOTS];

/* User addresses differ in their page number; the golden ratio spreads it over all bits. */
static size_t home_of(const struct mapped_table *table, uintptr_t memory) {
    uint64_t mixed = (uint64_t)(memory >> 12) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> 32) & (table->capacity - 1);
}

static size_t slot_after(const struct mapped_table *table, size_t index) {
    return (index + 1) & (table->capacity - 1);
}

/* The slot that holds the key, or the empty one where a search for it ends. */
static size_t slot_of(const struct mapped_table *table, uintptr_t memory) {
    size_t index = home_of(table, memory);
    while (table->slots[index].memory != 0 && table->slots[index].memory != memory) {
        index = slot_after(table, index);
    }
    return index;
}

/* Two stores cannot be one: as long as it takes, the former slots hold (I3). */
static void exchange_slots(struct mapped_table *table, const struct mapped_table *larger) {
    table->former_capacity = table->capacity;
    compiler_fence();
    table->former_slots = table->slots;
    compiler_fence();
    table->slots = larger->slots;
    table->capacity = larger->capacity;
    compiler_fence();
    table->former_slots = NULL;
    compiler_fence();
}

static bool grow(struct mapped_table *table) {
    struct mapped_table larger = {.capacity = 4 * table->capacity, .live = table->live};
    larger.slots = os_map(align_up(larger.capacity * sizeof *larger.slots, os_page_bytes()));
    if (larger.slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i].memory != 0) {
            larger.slots[slot_of(&larger, table->slots[i].memory)] = table->slots[i];
        }
    }
    struct mapped_block *old = table->slots;
    size_t old_bytes = align_up(table->capacity * sizeof *old, os_page_bytes());
    exchange_slots(table, &larger);
    if (old != mapped_static_slots) {
        os_release(old, old_bytes);
    }
    return true;
}

bool mapped_table_promise(struct mapped_table *table) {
    if (table->slots == NULL) {
        table->slots = mapped_static_slots;
        table->capacity = MAPPED_STATIC_SLOTS;
    }
    bool full = table->live + table->promised + 1 > table->capacity / 4 * 3;
    if (full && !grow(table)) {
        return false;
    }
    table->promised++;
    return true;
}

void mapped_table_unpromise(struct mapped_table *table) {
    table->promised--;
}

/* The key last: whoever finds it finds the rest. */
static void fill_slot(struct mapped_block *slot, const struct mapped_block *block) {
    slot->start = block->start;
    slot->bytes = block->bytes;
    slot->request = block->request;
    slot->caller = block->caller;
    slot->family = block->family;
    slot->region = block->region;
    compiler_fence();
    slot->memory = block->memory;
    compiler_fence();
}

void mapped_table_put(struct mapped_table *table, const struct mapped_block *block) {
    fill_slot(&table->slots[slot_of(table, block->memory)], block);
    table->promised--;
    table->live++;
}

struct mapped_block *mapped_table_at(const struct mapped_table *table, uintptr_t memory) {
    if (table->live == 0 || memory == 0) {
        return NULL;
    }
    const struct mapped_table former = {.slots = table->former_slots,
                                        .capacity = table->former_capacity};
    const struct mapped_table *from = UNLIKELY(former.slots != NULL) ? &former : table;
    struct mapped_block *slot = &from->slots[slot_of(from, memory)];
    return slot->memory != 0 ? slot : NULL;
}

bool mapped_table_find(const struct mapped_table *table, uintptr_t memory,
                       struct mapped_block *block) {
    const struct mapped_block *slot = mapped_table_at(table, memory);
    if (slot != NULL) {
        *block = *slot;
    }
    return slot != NULL;
}

/* Empties a slot and moves back every follower that the hole would cut off from its home. */
static void empty_slot(struct mapped_table *table, size_t hole) {
    for (size_t at = slot_after(table, hole); table->slots[at].memory != 0;
         at = slot_after(table, at)) {
        size_t home = home_of(table, table->slots[at].memory);
        size_t from_home = (at - home) & (table->capacity - 1);
        size_t from_hole = (at - hole) & (table->capacity - 1);
        if (from_home >= from_hole) {
            fill_slot(&table->slots[hole], &table->slots[at]);
            hole = at;
        }
    }
    table->slots[hole].memory = 0;
}

bool mapped_table_take(struct mapped_table *table, uintptr_t memory, struct mapped_block *block) {
    if (!mapped_table_find(table, memory, block)) {
        return false;
    }
    empty_slot(table, slot_of(table, memory));
    table->live--;
    table->promised++;
    return true;
}

void mapped_table_replace(struct mapped_table *table, const struct mapped_block *block) {
    struct mapped_block *slot = &table->slots[slot_of(table, block->memory)];
    slot->start = block->start;
    slot->bytes = block->bytes;
    slot->request = block->request;
    slot->caller = block->caller;
    slot->family = block->family;
}

bool mapped_table_find_around(const struct mapped_table *table, uintptr_t address,
                              struct mapped_block *block) {
    for (size_t i = 0; i < table->capacity; i++) {
        const struct mapped_block *slot = &table->slots[i];
        if (slot->memory != 0 && address - slot->start < slot->bytes) {
            *block = *slot;
            return true;
        }
    }
    return false;
}

void mapped_table_repair(struct mapped_table *table) {
    if (table->former_slots != NULL) {
        table->slots = table->former_slots;
        table->capacity = table->former_capacity;
        table->former_slots = NULL;
    }
    table->live = 0;
    for (size_t i = 0; i < table->capacity; i++) {
        uintptr_t memory = table->slots[i].memory;
        if (memory != 0 && slot_of(table, memory) != i) {
            empty_slot(table, i);
        }
    }
    for (size_t i = 0; i < table->capacity; i++) {
        table->live += table->slots[i].memory != 0;
    }
}

const char *mapped_table_audit(const struct mapped_table *table, size_t *count, size_t *bytes) {
    *count = 0;
    *bytes = 0;
    for (size_t i = 0; i < table->capacity; i++) {
        const struct mapped_block *slot = &table->slots[i];
        if (slot->memory == 0) {
            continue;
        }
        if (slot_of(table, slot->memory) != i) {
            return "a mapped block cannot be found in its table";
        }
        if (slot->memory - slot->start >= slot->bytes) {
            return "a mapped block's address lies outside its mapping";
        }
        if (slot->request > slot->start + slot->bytes - slot->memory) {
            return "a mapped block is larger than its mapping";
        }
        *count += 1;
        *bytes += slot->bytes;
    }
    return *count == table->live ? NULL : "the mapped table's count is wrong";
}
