/* walk.h - reads the library's state through its registry, in this process or in any other.
 * Layer: api (includes base and include/arenite/registry.h only, so that it can be compiled into
 * tools).
 *
 * The walker knows names, not addresses: every byte of the described process comes from a `read`
 * callback, every offset from the registry's own table. It never follows a target address itself.
 *
 * A walk ends early in two ways. A visitor that returns false stops it: nothing is wrong then. An
 * address that cannot be read, or a list that does not end where it must, is an error: `what` and
 * `where` say what and where, and the walk returns false.
 *
 * I1: every loop is bounded, by what the arena has from the kernel or by a constant.
 * I2: nothing is allocated; a walk needs less than 12 KiB of stack: threads may have 16 in all.
 * Not locked: in-process callers hold the lock of what they walk. */
#ifndef ARENITE_API_WALK_H
#define ARENITE_API_WALK_H

#include "base/compiler.h"

#include "arenite/registry.h"

/* Copies length bytes of the described process; false when it cannot. */
typedef bool (*walk_read)(void *context, uint64_t address, void *buffer, size_t length);

enum layout_id {
#define LAYOUT_TYPE(id, type) LAYOUT_##id,
#define LAYOUT_FIELD(id, type, field) LAYOUT_##id,
#define LAYOUT_ARRAY(id, type, field) LAYOUT_##id,
#include "api/layout.def"
    LAYOUT_COUNT
};

/* Roots that readers look for in the table of objects. */
enum walk_root {
    WALK_ROOT_MAIN_ARENA,
    WALK_ROOT_MAPPED_TABLE,
    WALK_ROOT_MAPPED_TOTALS,
    WALK_ROOT_THREAD_LIST,
    WALK_ROOT_SLAB_RECORDS,
    WALK_ROOT_PARAMS,
    WALK_ROOT_META_STATE,
    WALK_ROOT_PAGE_MAP_ROOT,
    WALK_ROOT_PAGE_MAP_ZERO_LEAF,
    WALK_ROOT_COUNT
};

struct walk {
    walk_read read;
    void *context;
    const char *what; /* NULL: no error so far */
    uint64_t where;
    struct arenite_registry registry;
    uint64_t roots[WALK_ROOT_COUNT];
    uint64_t root_bytes[WALK_ROOT_COUNT];
    struct walk_place {
        uint32_t offset, width, count;
    } layout[LAYOUT_COUNT];
};

/* The largest record that is read as a whole. */
#define WALK_RECORD_MAX_BYTES 3584

/* A copy of one record of the described process. */
struct walk_record {
    uint64_t address;
    unsigned char bytes[WALK_RECORD_MAX_BYTES];
};

/* One chunk's header. */
struct walk_chunk {
    uint64_t address;
    uint64_t prev_size;
    uint64_t size;  /* with its flags */
    uint64_t bytes; /* without */
};

/* A heap or piece of the break, and where its first chunk stands. */
struct walk_heap {
    uint64_t address; /* of the record */
    uint64_t prev;
    uint64_t arena;
    uint64_t start;
    uint64_t bytes;
    uint64_t committed_bytes;
    uint64_t reserved_bytes;
    uint64_t first_chunk;
    bool is_newest; /* ends in the arena's top; the others end in a fence */
};

/* An arena's header, decoded; fast and bins are read from `record`. */
struct walk_arena {
    uint64_t address;
    uint64_t next;
    uint64_t top; /* 0: none yet */
    uint64_t top_bytes;
    uint64_t heap; /* newest */
    uint64_t system_bytes;
    uint64_t system_max_bytes;
    uint64_t clean_bytes; /* pages inside free chunks that were given back */
    bool keeps;           /* by our own rules, not by ptmalloc's */
    uint32_t attached_threads;
    uint32_t flags;
    bool is_main;
};

/* A thread's state. Its lists may move while it runs. */
struct walk_thread {
    uint64_t address;
    uint64_t next;
    uint64_t arena;
    uint64_t charge; /* memory of the block that stands for the lists, 0: none */
    int32_t id;
    bool attached;
    uint64_t quick_count; /* chunks in its quick lists, by the room that is left */
    uint64_t quick_bytes;
    uint64_t medium_bytes; /* in its medium lists */
    uint64_t region_bytes; /* resident, in freed large blocks that stay mapped */
    uint64_t queued_bytes; /* slots on the way to their owner: in its batches and in its inbox */
    uint64_t spare_bytes;  /* carved, in its empty slabs */
};

/* A slab's record. Its counts may move while its owner runs. */
struct walk_slab {
    uint64_t address;
    uint64_t next;
    uint64_t owner;
    uint64_t start;
    uint64_t slot_bytes;
    uint32_t class_index;
    uint32_t capacity, carved, live; /* slots; live at most carved */
    uint32_t state;
};

struct walk_mapped {
    uint64_t memory;
    uint64_t start;
    uint64_t bytes;
};

/* Reads the registry at an address and looks up every name. False: walk->what says why. */
bool walk_open(struct walk *walk, uint64_t registry, walk_read read, void *context);

/* Notes the first error; returns false, for `return walk_fail(...)`. */
bool walk_fail(struct walk *walk, const char *what, uint64_t where);

/* Copies a record from its start up to the end of field `last`. */
bool walk_load(struct walk *walk, uint64_t address, enum layout_id last,
               struct walk_record *record);
/* Element `index` of a field that the record's copy covers. */
uint64_t walk_value(const struct walk *walk, const struct walk_record *record, enum layout_id id,
                    size_t index);

/* One value at an address, `width` bytes wide. */
bool walk_word(struct walk *walk, uint64_t address, size_t width, uint64_t *value);

bool walk_chunk_at(struct walk *walk, uint64_t address, struct walk_chunk *chunk);
bool walk_arena_at(struct walk *walk, uint64_t address, struct walk_arena *arena);

/* Every visitor returns whether to go on. */
typedef bool (*walk_arena_visitor)(struct walk *walk, uint64_t arena, void *state);
typedef bool (*walk_heap_visitor)(struct walk *walk, const struct walk_heap *heap, void *state);
typedef bool (*walk_chunk_visitor)(struct walk *walk, const struct walk_chunk *chunk,
                                   unsigned index, void *state);

/* The ring of arenas, main first, by address: nothing of an arena but its place in the ring is read
 * here, so the visitor can lock it before it calls walk_arena_at. */
bool walk_arenas(struct walk *walk, walk_arena_visitor visit, void *state);
/* An arena's heaps, newest first. */
bool walk_heaps(struct walk *walk, const struct walk_arena *arena, walk_heap_visitor visit,
                void *state);
/* Every chunk of a heap up to its top or fence, those included; index is 0. */
bool walk_chunks(struct walk *walk, const struct walk_heap *heap, walk_chunk_visitor visit,
                 void *state);
/* Every chunk in the fast bins, newest first; index is the fast bin's. */
bool walk_fast_bins(struct walk *walk, const struct walk_arena *arena, walk_chunk_visitor visit,
                    void *state);
/* Every chunk in the bins 1.., front to back; index is the bin's. Each link is checked against its
 * counterpart. */
bool walk_bins(struct walk *walk, const struct walk_arena *arena, walk_chunk_visitor visit,
               void *state);

/* ---- walk_tables.c: what is not arenas ------------------------------------------------------ */

typedef bool (*walk_thread_visitor)(struct walk *walk, const struct walk_thread *thread,
                                    void *state);
typedef bool (*walk_slab_visitor)(struct walk *walk, const struct walk_slab *slab, void *state);
typedef bool (*walk_mapped_visitor)(struct walk *walk, const struct walk_mapped *block,
                                    void *state);

/* Every state that was ever used, attached or not, newest first. */
bool walk_threads(struct walk *walk, walk_thread_visitor visit, void *state);
/* Every chunk in the quick lists of a thread that is not running; index is the list's. */
bool walk_quick_lists(struct walk *walk, const struct walk_thread *thread, walk_chunk_visitor visit,
                      void *state);
/* Every slot on its way to its owner: in a thread's batches, which belong to others, then in its
 * inbox. The thread is the caller's own, or not running. */
typedef bool (*walk_slot_visitor)(struct walk *walk, uint64_t slot, void *state);
bool walk_queued_slots(struct walk *walk, const struct walk_thread *thread, walk_slot_visitor visit,
                       void *state);
/* Every slab that has a granule, newest record first. */
bool walk_slabs(struct walk *walk, walk_slab_visitor visit, void *state);
/* Every live mapped block, in no order. */
bool walk_mapped_blocks(struct walk *walk, walk_mapped_visitor visit, void *state);
/* The page map's entry for an address: a record's address and its kind in the low three bits. */
bool walk_page_entry(struct walk *walk, uint64_t address, uint64_t *entry);
/* One value of a root that is a single record. */
bool walk_root_value(struct walk *walk, enum walk_root root, enum layout_id id, uint64_t *value);

#endif
