/* describe.c - see describe.h.
 * Layer: api (includes thread and below).
 *
 * Others may be at work meanwhile: what is read may be old, and is never followed unchecked. Chunks
 * are walked only if their arena's lock is free or the caller's own; a heap can shrink under
 * anybody else's feet. */
#include "api/describe.h"

#include "api/registry.h"
#include "base/format.h"
#include "chunk/bin.h"
#include "chunk/heap.h"
#include "chunk/mapped.h"
#include "hardened/site.h"
#include "hardened/zero.h"
#include "os/os.h"
#include "pages/guard.h"
#include "slab/mark.h"
#include "thread/thread.h"

/* Where the text grows. */
struct words {
    char *text;
    size_t size;
    size_t length; /* of the whole text, whether it fits or not */
};

static void say(struct words *words, const char *format, ...) PRINTF_LIKE(2, 3);

static void say(struct words *words, const char *format, ...) {
    size_t used = words->length < words->size ? words->length : words->size;
    va_list arguments;
    va_start(arguments, format);
    words->length += format_text_v(words->text + used, words->size - used, format, arguments);
    va_end(arguments);
}

/* "48 bytes into a " for an address inside a block, "" for its start. */
static void say_distance(struct words *words, const void *address, uintptr_t start) {
    size_t distance = (uintptr_t)address - start;
    if (distance != 0) {
        say(words, "%zu byte%s into the block at %p: ", distance, distance == 1 ? "" : "s",
            (const void *)start);
    }
}

/* Who allocated or freed it; nothing where that is not known. */
static void say_site(struct words *words, const char *when, const void *address) {
    struct os_module module;
    if (address == NULL) {
        return;
    }
    if (os_find_module(address, &module)) {
        say(words, ", %s at %s+0x%zx", when, module.name, (size_t)module.offset);
    } else {
        say(words, ", %s at %p", when, address);
    }
}

/* ---- slabs ---------------------------------------------------------------------------------- */

static void say_owner(struct words *words, const struct thread *owner) {
    if (owner == zero_owner) {
        say(words, "blocks without bytes");
        return;
    }
    if (owner == depot_owner || owner == depot_torn || owner == NULL) {
        say(words, "no thread");
    } else {
        say(words, "thread %d", (int)owner->id);
    }
}

/* A slot that has a mark may have no memory. */
static const char *state_of_slot(const struct slot *slot, const struct slot_mark *mark) {
    if (mark != NULL) {
        return mark_state(mark) == MARK_LIVE ? "in use" : "free";
    }
    if (!slot_looks_free(slot)) {
        return "in use";
    }
    return slot_is_travelling(slot) ? "free, on its way to its slab" : "free";
}

/* Under profile=hardened more is known. A free site may be of an earlier block of the slot. */
static void say_history(struct words *words, const struct slot_mark *mark) {
    say_site(words, "allocated", site_address(mark->allocated_at));
    if (mark_state(mark) == MARK_FREED) {
        say_site(words, "freed", site_address(mark->freed_at));
    }
}

/* What is carved is readable, or has marks; what is before the first or not carved is no block. */
static void say_slot(struct words *words, const struct slab *slab, const void *address) {
    uintptr_t offset = (uintptr_t)address - slab->origin;
    size_t index = slab->slot_bytes != 0 ? offset / slab->slot_bytes : 0;
    if ((uintptr_t)address < slab->origin || index >= slab->carved) {
        say(words, "never allocated, in a slab of %u-byte slots", (unsigned)slab->slot_bytes);
    } else {
        const struct slot *slot = (const struct slot *)(slab->origin + index * slab->slot_bytes);
        const struct slot_mark *mark = slab_find_mark(slab, slot);
        say_distance(words, address, (uintptr_t)slot);
        if (mark != NULL && mark_state(mark) != MARK_NONE) {
            say(words, "%zu bytes in a ", slab_usable_bytes(slab, slot));
        }
        say(words, "%u-byte slot, %s", (unsigned)slab->slot_bytes, state_of_slot(slot, mark));
        if (mark != NULL) {
            say_history(words, mark);
        }
    }
    say(words, "; size class %u, slab %p of ", (unsigned)slab->class_index,
        (const void *)slab->start);
    say_owner(words, __atomic_load_n(&slab->owner, __ATOMIC_RELAXED));
}

/* ---- chunks --------------------------------------------------------------------------------- */

/* A search for the chunk that an address lies in. */
struct search {
    uint64_t heap; /* its record */
    uint64_t address;
    uint64_t top;
    struct walk_chunk found; /* address 0: not found */
    bool is_free;
    bool is_damaged; /* the chunk that starts there has an impossible size */
};

static bool look_at_chunk(struct walk *walk, const struct walk_chunk *chunk, unsigned index,
                          void *state) {
    struct search *search = state;
    (void)index;
    if (search->found.address != 0) { /* this is the one behind it */
        bool is_marked = (chunk->size & CHUNK_PREV_IN_USE) == 0;
        search->is_free = is_marked && chunk->prev_size == search->found.bytes;
        return false;
    }
    if (search->address - chunk->address < chunk->bytes) {
        search->found = *chunk;
    }
    (void)walk;
    return true;
}

static bool look_at_heap(struct walk *walk, const struct walk_heap *heap, void *state) {
    struct search *search = state;
    if (heap->address != search->heap) {
        return true;
    }
    walk_chunks(walk, heap, look_at_chunk, search);
    return false;
}

static NOINLINE void walk_heap_of(struct arena *arena, struct search *search) {
    struct walk walk;
    struct own_memory own;
    struct walk_arena now;
    if (registry_walk(&walk, &own) && walk_arena_at(&walk, (uintptr_t)arena, &now)) {
        search->top = now.top;
        walk_heaps(&walk, &now, look_at_heap, search);
        search->is_damaged = walk.what != NULL && walk.where == search->address;
    }
}

/* True when the arena cannot change meanwhile; *locked when it must be unlocked again. */
static bool hold_still(struct arena *arena, bool *locked) {
    *locked = arena_try_lock(arena);
    return *locked || lock_is_mine(&arena->lock) || os_is_single_threaded();
}

static void find_chunk(const struct heap *heap, struct search *search) {
    bool locked = false;
    if (hold_still(heap->arena, &locked)) {
        walk_heap_of(heap->arena, search);
    }
    if (locked) {
        arena_unlock(heap->arena);
    }
}

static const char *state_of_chunk(const struct search *search) {
    const struct chunk *chunk = (const struct chunk *)(uintptr_t)search->found.address;
    if (search->found.address == search->top) {
        return "free, at the end of its heap";
    }
    if (search->is_free) {
        return "free";
    }
    bool is_listed =
        search->found.bytes >= CHUNK_MIN_BYTES && quick_looks_freed(chunk_memory(chunk));
    return is_listed ? "free, kept in a list" : "in use";
}

static unsigned number_of(const struct arena *wanted) {
    unsigned number = 0;
    for (const struct arena *arena = &main_arena; arena != wanted; arena = arena_next(arena)) {
        number++;
    }
    return number;
}

static void say_chunk(struct words *words, struct heap *heap, const void *address) {
    struct search search = {.heap = (uintptr_t)heap,
                            .address = (uintptr_t)chunk_of_memory(address)};
    find_chunk(heap, &search);
    if (search.is_damaged) {
        say(words, "chunk with an overwritten header");
    } else if (search.found.address == 0) {
        say(words, "in a heap whose chunks do not lead there");
    } else {
        uintptr_t start = (uintptr_t)search.found.address + CHUNK_HEADER_BYTES;
        say_distance(words, address, start);
        say(words, "%zu-byte chunk, %s", (size_t)search.found.bytes, state_of_chunk(&search));
    }
    say(words, "; arena %u, heap %p", number_of(heap->arena), (const void *)heap->start);
}

/* ---- guarded blocks -------------------------------------------------------------------------- */

static void say_trace(struct words *words, const char *verb, int32_t thread,
                      const struct trace *trace) {
    say(words, "; %s by thread %d at ", verb, (int)thread);
    size_t used = words->length < words->size ? words->length : words->size;
    words->length += trace_print(trace, words->text + used, words->size - used);
}

/* Where an address lies, seen from a block in whose page or guard pages it is. */
static void say_from(struct words *words, const struct guard_place *place, uintptr_t at) {
    uintptr_t end = place->memory + place->bytes;
    bool is_before = at < place->memory;
    size_t distance = is_before ? place->memory - at : at - end + 1;
    if (at - place->memory < place->bytes || at == place->memory) {
        say_distance(words, (const void *)at, place->memory);
    } else {
        say(words, "%zu byte%s %s the block at %p: ", distance, distance == 1 ? "" : "s",
            is_before ? "in front of" : "behind", (const void *)place->memory);
    }
}

static void say_guarded(struct words *words, const void *address) {
    const struct guard_place *place = guard_find(address);
    if (place == NULL) {
        say(words, "never allocated, in the pool of guarded blocks");
        return;
    }
    bool is_live = __atomic_load_n(&place->state, __ATOMIC_ACQUIRE) == GUARD_LIVE;
    say_from(words, place, (uintptr_t)address);
    say(words, "%u-byte guarded block, %s", (unsigned)place->bytes, is_live ? "in use" : "free");
    say_trace(words, "allocated", place->allocator, &place->allocated);
    if (place->freer != 0) {
        say_trace(words, "freed", place->freer, &place->freed);
    }
}

/* ---- the rest ------------------------------------------------------------------------------- */

static void say_mapped(struct words *words, const struct mapped_block *block, const void *address) {
    if ((uintptr_t)address < block->memory) {
        say(words, "in front of the mapped block at %p: ", (const void *)block->memory);
    } else {
        say_distance(words, address, block->memory);
    }
    bool is_kept = mapped_is_cached(block);
    say(words, "%zu-byte mapped block, %s", mapped_usable_bytes(block),
        is_kept ? "free, kept in a list" : "in use");
    if (block->region == NULL) { /* else it may be of an earlier user */
        say_site(words, "allocated", block->caller);
    }
    say(words, "; mapping %p of %zu bytes", (const void *)block->start, block->bytes);
}

static void say_freed(struct words *words, const struct mapped_freed *freed) {
    say(words, "%zu-byte mapped block, free", freed->bytes);
    say_site(words, "allocated", freed->allocated_by);
    say_site(words, "freed", freed->freed_by);
}

static void say_foreign(struct words *words, const void *address) {
    struct os_module module;
    if (os_find_module(address, &module)) {
        say(words, "no block, in %s+0x%zx", module.name, (size_t)module.offset);
    } else if (os_is_on_stack(address)) {
        say(words, "no block, on the thread's stack");
    } else {
        say(words, "no block, and not in memory of this allocator");
    }
}

size_t describe_address(const void *address, char *text, size_t size) {
    struct words words = {text, size, 0};
    struct mapped_block block;
    struct mapped_freed freed;
    const struct slab *slab = slab_at(address);
    struct heap *heap = heap_find(address);
    if (slab != NULL) {
        say_slot(&words, slab, address);
    } else if (heap != NULL) {
        say_chunk(&words, heap, address);
    } else if (guard_contains(address)) {
        say_guarded(&words, address);
    } else if (mapped_find_around(address, &block)) {
        say_mapped(&words, &block, address);
    } else if (mapped_was_freed(address, &freed)) {
        say_freed(&words, &freed);
    } else {
        say_foreign(&words, address);
    }
    return words.length;
}
