/* walk.c - see walk.h.
 * Layer: api (includes base and include/arenite/registry.h only). */
#include "api/walk.h"

#include <string.h>

/* More than these are no list but a loop. */
#define ARENAS_MAX 65536u
#define HEAPS_MAX 1048576u
#define ROWS_MAX 1024u
#define FLAG_BITS UINT64_C(7)

/* The names of these tables lie in them: a pointer to each would be relocated in every process. */
static const struct layout_name {
    char type[ARENITE_NAME_BYTES], field[ARENITE_NAME_BYTES];
} layout_names[LAYOUT_COUNT] = {
#define LAYOUT_TYPE(id, type) [LAYOUT_##id] = {#type, ""},
#define LAYOUT_FIELD(id, type, field) [LAYOUT_##id] = {#type, #field},
#define LAYOUT_ARRAY(id, type, field) [LAYOUT_##id] = {#type, #field},
#include "api/layout.def"
};

static const char root_names[WALK_ROOT_COUNT][ARENITE_NAME_BYTES] = {
    [WALK_ROOT_MAIN_ARENA] = "main_arena",
    [WALK_ROOT_MAPPED_TABLE] = "mapped_blocks",
    [WALK_ROOT_MAPPED_TOTALS] = "mapped_counts",
    [WALK_ROOT_THREAD_LIST] = "thread_list",
    [WALK_ROOT_PARAMS] = "params",
    [WALK_ROOT_META_STATE] = "meta_state",
    [WALK_ROOT_SLAB_RECORDS] = "depot_records",
    [WALK_ROOT_PAGE_MAP_ROOT] = "page_map_root",
    [WALK_ROOT_PAGE_MAP_ZERO_LEAF] = "page_map_zero_leaf",
};

bool walk_fail(struct walk *walk, const char *what, uint64_t where) {
    if (walk->what == NULL) {
        walk->what = what;
        walk->where = where;
    }
    return false;
}

static bool read_bytes(struct walk *walk, uint64_t address, void *buffer, size_t length) {
    return walk->read(walk->context, address, buffer, length) ||
           walk_fail(walk, "an address leads out of the library's memory", address);
}

/* ---- opening -------------------------------------------------------------------------------- */

static bool name_equals(const char cell[ARENITE_NAME_BYTES], const char *name) {
    return strncmp(cell, name, ARENITE_NAME_BYTES) == 0;
}

static bool is_field(const struct arenite_field *row, size_t id) {
    return name_equals(row->type, layout_names[id].type) &&
           name_equals(row->field, layout_names[id].field);
}

/* The field that a row describes, LAYOUT_COUNT for one of which nothing is known. A table of the
 * same version has its rows in the order of the ids. */
static size_t find_field(const struct arenite_field *row, size_t likely) {
    if (likely < LAYOUT_COUNT && is_field(row, likely)) {
        return likely;
    }
    size_t id = 0;
    while (id < LAYOUT_COUNT && !is_field(row, id)) {
        id++;
    }
    return id;
}

static void learn_field(struct walk *walk, const struct arenite_field *row, size_t likely) {
    size_t id = find_field(row, likely);
    if (id < LAYOUT_COUNT) {
        walk->layout[id] = (struct walk_place){row->offset, row->width, row->count};
    }
}

static bool learn_fields(struct walk *walk) {
    for (uint32_t i = 0; i < walk->registry.field_count; i++) {
        struct arenite_field row;
        if (!read_bytes(walk, walk->registry.fields.value + i * sizeof row, &row, sizeof row)) {
            return false;
        }
        learn_field(walk, &row, i);
    }
    for (size_t id = 0; id < LAYOUT_COUNT; id++) {
        if (walk->layout[id].width == 0) {
            return walk_fail(walk, "the registry does not describe a field", id);
        }
    }
    return true;
}

static void learn_root(struct walk *walk, const struct arenite_object *row) {
    for (size_t root = 0; root < WALK_ROOT_COUNT; root++) {
        if (name_equals(row->name, root_names[root])) {
            walk->roots[root] = row->address.value;
            walk->root_bytes[root] = row->bytes;
        }
    }
}

static bool learn_roots(struct walk *walk) {
    for (uint32_t i = 0; i < walk->registry.object_count; i++) {
        struct arenite_object row;
        if (!read_bytes(walk, walk->registry.objects.value + i * sizeof row, &row, sizeof row)) {
            return false;
        }
        learn_root(walk, &row);
    }
    for (size_t root = 0; root < WALK_ROOT_COUNT; root++) {
        if (walk->roots[root] == 0) {
            return walk_fail(walk, "the registry does not name a root", root);
        }
    }
    return true;
}

static bool check_registry(struct walk *walk, uint64_t address) {
    const struct arenite_registry *registry = &walk->registry;
    if (registry->magic != ARENITE_REGISTRY_MAGIC || registry->self.value != address) {
        return walk_fail(walk, "no registry stands here", address);
    }
    if (registry->version != ARENITE_REGISTRY_VERSION || registry->bytes < sizeof *registry) {
        return walk_fail(walk, "the registry has another version", registry->version);
    }
    if (registry->field_count > ROWS_MAX || registry->object_count > ROWS_MAX) {
        return walk_fail(walk, "the registry's tables are damaged", address);
    }
    return true;
}

bool walk_open(struct walk *walk, uint64_t registry, walk_read read, void *context) {
    memset(walk, 0, sizeof *walk);
    walk->read = read;
    walk->context = context;
    return read_bytes(walk, registry, &walk->registry, sizeof walk->registry) &&
           check_registry(walk, registry) && learn_fields(walk) && learn_roots(walk);
}

/* ---- records -------------------------------------------------------------------------------- */

bool walk_load(struct walk *walk, uint64_t address, enum layout_id last,
               struct walk_record *record) {
    const struct walk_place *place = &walk->layout[last];
    uint64_t bytes = place->offset + (uint64_t)place->width * place->count;
    record->address = address;
    if (bytes > WALK_RECORD_MAX_BYTES) {
        return walk_fail(walk, "the registry describes an impossible record", address);
    }
    return read_bytes(walk, address, record->bytes, (size_t)bytes);
}

static uint64_t decode(const unsigned char *bytes, size_t width) {
    uint64_t value = 0;
    memcpy(&value, bytes, width <= sizeof value ? width : sizeof value);
    return value;
}

uint64_t walk_value(const struct walk *walk, const struct walk_record *record, enum layout_id id,
                    size_t index) {
    const struct walk_place *place = &walk->layout[id];
    return decode(record->bytes + place->offset + index * place->width, place->width);
}

static uint64_t get(const struct walk *walk, const struct walk_record *record, enum layout_id id) {
    return walk_value(walk, record, id, 0);
}

bool walk_word(struct walk *walk, uint64_t address, size_t width, uint64_t *value) {
    unsigned char bytes[sizeof *value];
    if (width > sizeof bytes || !read_bytes(walk, address, bytes, width)) {
        return false;
    }
    *value = decode(bytes, width);
    return true;
}

/* Element `index` of one field of a record, without a copy of the record. */
static bool field_at(struct walk *walk, uint64_t record, enum layout_id id, size_t index,
                     uint64_t *value) {
    const struct walk_place *place = &walk->layout[id];
    return walk_word(walk, record + place->offset + index * place->width, place->width, value);
}

bool walk_chunk_at(struct walk *walk, uint64_t address, struct walk_chunk *chunk) {
    chunk->address = address;
    if (!field_at(walk, address, LAYOUT_CHUNK_PREV_SIZE, 0, &chunk->prev_size) ||
        !field_at(walk, address, LAYOUT_CHUNK_SIZE, 0, &chunk->size)) {
        return false;
    }
    chunk->bytes = chunk->size & ~FLAG_BITS;
    return true;
}

static void decode_arena(const struct walk *walk, const struct walk_record *record,
                         struct walk_arena *arena) {
    *arena = (struct walk_arena){
        .address = record->address,
        .next = get(walk, record, LAYOUT_ARENA_NEXT),
        .top = get(walk, record, LAYOUT_ARENA_TOP),
        .heap = get(walk, record, LAYOUT_ARENA_HEAP),
        .system_bytes = get(walk, record, LAYOUT_ARENA_SYSTEM_BYTES),
        .system_max_bytes = get(walk, record, LAYOUT_ARENA_SYSTEM_MAX_BYTES),
        .attached_threads = (uint32_t)get(walk, record, LAYOUT_ARENA_ATTACHED_THREADS),
        .flags = (uint32_t)get(walk, record, LAYOUT_ARENA_FLAGS),
        .is_main = record->address == walk->roots[WALK_ROOT_MAIN_ARENA],
    };
}

bool walk_arena_at(struct walk *walk, uint64_t address, struct walk_arena *arena) {
    struct walk_record record;
    if (!walk_load(walk, address, LAYOUT_ARENA_DEFERRED, &record)) {
        return false;
    }
    decode_arena(walk, &record, arena);
    struct walk_chunk top = {0};
    uint64_t keep = get(walk, &record, LAYOUT_ARENA_KEEP);
    bool is_read =
        (keep == 0 || field_at(walk, keep, LAYOUT_KEEP_CLEAN_BYTES, 0, &arena->clean_bytes)) &&
        (arena->top == 0 || walk_chunk_at(walk, arena->top, &top));
    arena->keeps = keep != 0;
    arena->top_bytes = top.bytes;
    return is_read;
}

bool walk_arenas(struct walk *walk, walk_arena_visitor visit, void *state) {
    const struct walk_place *next = &walk->layout[LAYOUT_ARENA_NEXT];
    uint64_t main = walk->roots[WALK_ROOT_MAIN_ARENA];
    uint64_t address = main;
    for (unsigned count = 0; count < ARENAS_MAX; count++) {
        uint64_t following;
        if (!walk_word(walk, address + next->offset, next->width, &following)) {
            return false;
        }
        if (!visit(walk, address, state)) {
            return walk->what == NULL;
        }
        address = following;
        if (address == main) {
            return true;
        }
    }
    return walk_fail(walk, "the ring of arenas does not lead back to main", address);
}

/* ---- heaps and chunks ----------------------------------------------------------------------- */

/* The arena's header stands behind its first heap's record; main's pieces hold chunks only. */
static uint64_t first_chunk_of(const struct walk *walk, const struct walk_heap *heap) {
    uint64_t heap_bytes = walk->layout[LAYOUT_HEAP].width;
    if (heap->address != heap->start) {
        return heap->start;
    }
    uint64_t first = heap->start + heap_bytes;
    if (heap->arena == first) {
        first += walk->layout[LAYOUT_ARENA].width;
    }
    uint64_t alignment = (uint64_t)2 * walk->registry.pointer_bytes;
    return (first + alignment - 1) & ~(alignment - 1);
}

static bool heap_at(struct walk *walk, uint64_t address, struct walk_heap *heap) {
    struct walk_record record;
    if (!walk_load(walk, address, LAYOUT_HEAP_RESERVED_BYTES, &record)) {
        return false;
    }
    *heap = (struct walk_heap){
        .address = address,
        .prev = get(walk, &record, LAYOUT_HEAP_PREV),
        .arena = get(walk, &record, LAYOUT_HEAP_ARENA),
        .start = get(walk, &record, LAYOUT_HEAP_START),
        .bytes = get(walk, &record, LAYOUT_HEAP_BYTES),
        .committed_bytes = get(walk, &record, LAYOUT_HEAP_COMMITTED_BYTES),
        .reserved_bytes = get(walk, &record, LAYOUT_HEAP_RESERVED_BYTES),
    };
    heap->first_chunk = first_chunk_of(walk, heap);
    return true;
}

bool walk_heaps(struct walk *walk, const struct walk_arena *arena, walk_heap_visitor visit,
                void *state) {
    uint64_t address = arena->heap;
    for (unsigned count = 0; address != 0; count++) {
        struct walk_heap heap;
        if (count == HEAPS_MAX) {
            return walk_fail(walk, "an arena's chain of heaps does not end", address);
        }
        if (!heap_at(walk, address, &heap)) {
            return false;
        }
        heap.is_newest = count == 0;
        if (!visit(walk, &heap, state)) {
            return walk->what == NULL;
        }
        address = heap.prev;
    }
    return true;
}

/* Chunks tile the heap; of an older one the tiling ends at its fence, which is one header (or, in
 * a mapped heap, a size of 0). */
bool walk_chunks(struct walk *walk, const struct walk_heap *heap, walk_chunk_visitor visit,
                 void *state) {
    uint64_t end = heap->start + heap->bytes;
    uint64_t header = (uint64_t)2 * walk->registry.pointer_bytes;
    uint64_t at = heap->first_chunk;
    while (at < end) {
        struct walk_chunk chunk;
        if (!walk_chunk_at(walk, at, &chunk)) {
            return false;
        }
        bool is_fence = chunk.bytes <= header;
        if (chunk.bytes > end - at || chunk.bytes % header != 0 || (is_fence && heap->is_newest)) {
            return walk_fail(walk, "a chunk's size is impossible in its heap", at);
        }
        if (!visit(walk, &chunk, 0, state)) {
            return walk->what == NULL;
        }
        if (is_fence) {
            return true;
        }
        at += chunk.bytes;
    }
    return true;
}

/* ---- bins ----------------------------------------------------------------------------------- */

/* No list is longer than the arena's memory cut into headers. */
static uint64_t longest_list(const struct walk *walk, const struct walk_arena *arena) {
    return arena->system_bytes / ((uint64_t)2 * walk->registry.pointer_bytes) + 1;
}

/* The links of a fast chunk are masked with the place where they stand. */
static bool fast_next(struct walk *walk, uint64_t chunk, uint64_t *next) {
    struct walk_record record;
    if (!walk_load(walk, chunk, LAYOUT_CHUNK_FD, &record)) {
        return false;
    }
    uint64_t place = chunk + walk->layout[LAYOUT_CHUNK_FD].offset;
    *next = get(walk, &record, LAYOUT_CHUNK_FD) ^ (place >> 12);
    return true;
}

struct list {
    const struct walk_arena *arena;
    walk_chunk_visitor visit;
    void *state;
    unsigned index;
};

static bool visit_in(struct walk *walk, struct list *list, const struct walk_chunk *chunk) {
    return list->visit(walk, chunk, list->index, list->state);
}

static bool walk_fast_bin(struct walk *walk, struct list *list, uint64_t newest) {
    uint64_t left = longest_list(walk, list->arena);
    for (uint64_t at = newest; at != 0; left--) {
        struct walk_chunk chunk;
        if (left == 0) {
            return walk_fail(walk, "a fast bin does not end", at);
        }
        if (!walk_chunk_at(walk, at, &chunk) || !visit_in(walk, list, &chunk) ||
            !fast_next(walk, at, &at)) {
            return false;
        }
    }
    return true;
}

bool walk_fast_bins(struct walk *walk, const struct walk_arena *arena, walk_chunk_visitor visit,
                    void *state) {
    struct list list = {arena, visit, state, 0};
    for (; list.index < walk->layout[LAYOUT_ARENA_FAST].count; list.index++) {
        uint64_t newest;
        if (!field_at(walk, arena->address, LAYOUT_ARENA_FAST, list.index, &newest) ||
            !walk_fast_bin(walk, &list, newest)) {
            return walk->what == NULL;
        }
    }
    return true;
}

/* A node of a bin's list, as a chunk's address: the head is one too, at a virtual chunk. */
struct node {
    uint64_t fd;
    uint64_t bk;
};

static bool node_at(struct walk *walk, uint64_t links, struct node *node) {
    const struct walk_place *fd = &walk->layout[LAYOUT_CHUNK_FD];
    unsigned char bytes[2 * sizeof(uint64_t)];
    if (!read_bytes(walk, links, bytes, (size_t)2 * fd->width)) {
        return false;
    }
    node->fd = decode(bytes, fd->width);
    node->bk = decode(bytes + fd->width, fd->width);
    return true;
}

static bool walk_bin(struct walk *walk, struct list *list, uint64_t head) {
    uint64_t left = longest_list(walk, list->arena);
    uint64_t from = head;
    struct node node;
    if (!node_at(walk, head, &node)) {
        return false;
    }
    uint64_t last = node.bk;
    for (uint64_t at = node.fd; at != head; at = node.fd) {
        struct walk_chunk chunk;
        if (left-- == 0) {
            return walk_fail(walk, "a bin does not end", at);
        }
        uint64_t address = at - walk->layout[LAYOUT_CHUNK_FD].offset;
        if (!node_at(walk, at, &node) || !walk_chunk_at(walk, address, &chunk)) {
            return false;
        }
        if (node.bk != from) {
            return walk_fail(walk, "a bin's links disagree", address);
        }
        if (!visit_in(walk, list, &chunk)) {
            return false;
        }
        from = at;
    }
    return last == from || walk_fail(walk, "a bin's links disagree", from);
}

bool walk_bins(struct walk *walk, const struct walk_arena *arena, walk_chunk_visitor visit,
               void *state) {
    const struct walk_place *bins = &walk->layout[LAYOUT_ARENA_BINS];
    struct list list = {arena, visit, state, 1};
    for (; list.index <= bins->count; list.index++) {
        uint64_t head = arena->address + bins->offset + (uint64_t)(list.index - 1) * bins->width;
        struct node node;
        if (!node_at(walk, head, &node)) {
            return false;
        }
        if (node.fd == 0) {
            continue; /* not initialised: the unused last bin, or an arena not yet begun */
        }
        if (!walk_bin(walk, &list, head)) {
            return walk->what == NULL;
        }
    }
    return true;
}
