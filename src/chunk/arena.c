/* arena.c - an arena's lock, its deferred frees, and its life: created, shared, handed on.
 * Layer: chunk (includes base, os, pages). See arena.h. */
#include "chunk/arena.h"

#include "chunk/bin.h"
#include "chunk/free.h"
#include "chunk/heap.h"
#include "chunk/keep.h"
#include "chunk/main_arena.h"
#include "chunk/params.h"

struct arena main_arena = {
    .lock = LOCK_INIT,
    .next = &main_arena,
    .system_bytes = 0,
};

static struct lock list_lock = LOCK_INIT; /* guards what follows */
static struct arena *free_list;
static struct arena *next_shared = &main_arena; /* where the walk for sharing goes on */
static size_t arenas = 1;
static size_t aside;       /* of these, arenas that nobody can use any more */
static size_t arena_limit; /* 0: not yet counted */

/* ---- lock and deferred frees ---------------------------------------------------------------- */

bool arena_lock_contended(struct arena *arena) {
    return arena_is_usable(arena) && !lock_is_mine(&arena->lock) &&
           lock_take(&arena->lock, LOCK_RANK_ARENA);
}

void arena_run_deferred(struct arena *arena) {
    struct chunk *chunk = __atomic_exchange_n(&arena->deferred, NULL, __ATOMIC_ACQUIRE);
    const struct chunk_caller caller = {arena, &quick_closed};
    while (chunk != NULL) {
        struct chunk *next = (struct chunk *)(void *)chunk->links.fd;
        arena_free(&caller, chunk);
        chunk = next;
    }
}

/* Release: whoever takes the stack sees what the block's user wrote before. */
void arena_defer_free(struct arena *arena, struct chunk *chunk) {
    struct chunk *first = __atomic_load_n(&arena->deferred, __ATOMIC_RELAXED);
    do {
        chunk->links.fd = (struct links *)(void *)first;
    } while (!__atomic_compare_exchange_n(&arena->deferred, &first, chunk, true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
}

/* ---- creation ------------------------------------------------------------------------------- */

void arena_init(struct arena *arena) {
    arena->keep = keep_create(arena);
    for (unsigned index = BIN_UNSORTED; index <= BIN_LAST; index++) {
        struct links *bin = bin_at(arena, index);
        bin->fd = bin;
        bin->bk = bin;
    }
}

/* The header of an arena stands behind its first heap's; the first chunk follows, so that its
 * memory is aligned. */
static struct arena *arena_create(void) {
    size_t needed = sizeof(struct heap) + sizeof(struct arena) + CHUNK_ALIGNMENT;
    struct heap *heap = heap_map(needed, params.top_pad);
    if (heap == NULL) {
        heap = heap_map(needed, 0);
    }
    if (heap == NULL) {
        return NULL;
    }
    struct arena *arena = (struct arena *)(heap + 1);
    heap->arena = arena;
    arena_init(arena);
    arena->attached_threads = 1;
    arena->heap = heap;
    arena->system_bytes = heap->bytes;
    arena->system_max_bytes = heap->bytes;
    uintptr_t first = align_up((uintptr_t)(arena + 1), CHUNK_ALIGNMENT);
    arena->top = chunk_at((void *)first, 0);
    chunk_set_head(arena->top, (heap_end(heap) - first) | CHUNK_PREV_IN_USE);
    return arena;
}

/* Behind main, as newest; readers walk the ring without the lock. */
static void ring_insert(struct arena *arena) {
    arena->next = main_arena.next;
    __atomic_store_n(&main_arena.next, arena, __ATOMIC_RELEASE);
}

/* ---- attaching ------------------------------------------------------------------------------ */

/* Processors are counted only once there are more arenas than arena_test. SIZE_MAX until then. */
static size_t current_limit(void) {
    if (params.arena_max != 0) {
        return params.arena_max;
    }
    size_t test = params.arena_test != 0 ? params.arena_test : ARENA_TEST_DEFAULT;
    if (arena_limit == 0 && arenas > test) {
        arena_limit = ARENAS_PER_CPU * (size_t)os_cpu_count();
    }
    return arena_limit != 0 ? arena_limit : SIZE_MAX;
}

static struct arena *take_from_free_list(void) {
    struct arena *arena = free_list;
    if (arena != NULL) {
        free_list = arena->next_free;
        arena->attached_threads = 1;
    }
    return arena;
}

static void remove_from_free_list(struct arena *arena) {
    for (struct arena **link = &free_list; *link != NULL; link = &(*link)->next_free) {
        if (*link == arena) {
            *link = arena->next_free;
            return;
        }
    }
}

/* The next arena of the ring whose lock is free now, else simply the next; never `avoid` if there
 * is another one. */
static struct arena *choose_shared(const struct arena *avoid) {
    struct arena *start = next_shared;
    struct arena *choice = NULL;
    struct arena *arena = start;
    do {
        if (arena != avoid && arena_is_usable(arena)) {
            if (!lock_is_taken(&arena->lock)) {
                choice = arena;
                break;
            }
            choice = choice != NULL ? choice : arena;
        }
        arena = arena_next(arena);
    } while (arena != start);
    return choice;
}

static struct arena *share(const struct arena *avoid) {
    struct arena *arena = choose_shared(avoid);
    if (arena != NULL) {
        if (arena->attached_threads == 0) {
            remove_from_free_list(arena);
        }
        arena->attached_threads++;
        next_shared = arena_next(arena);
    }
    return arena;
}

/* Counts a new arena before it exists, so that threads that come together stay within the limit;
 * mapping it happens without the lock. */
static struct arena *create_within_limit(void) {
    lock_drop(&list_lock, LOCK_RANK_ARENA_LIST);
    struct arena *arena = arena_create();
    lock_take(&list_lock, LOCK_RANK_ARENA_LIST);
    if (arena != NULL) {
        ring_insert(arena);
    } else {
        arenas--;
    }
    return arena;
}

static struct arena *attach_avoiding(const struct arena *avoid) {
    lock_take(&list_lock, LOCK_RANK_ARENA_LIST);
    struct arena *arena = take_from_free_list();
    if (arena == NULL && arenas - aside < current_limit()) {
        arenas++;
        arena = create_within_limit();
    }
    if (arena == NULL) {
        arena = share(avoid);
    }
    lock_drop(&list_lock, LOCK_RANK_ARENA_LIST);
    return arena;
}

struct arena *arena_attach(void) {
    struct arena *arena = attach_avoiding(NULL);
    return arena != NULL ? arena : &main_arena;
}

struct arena *arena_attach_main(void) {
    lock_take(&list_lock, LOCK_RANK_ARENA_LIST);
    main_arena.attached_threads++;
    lock_drop(&list_lock, LOCK_RANK_ARENA_LIST);
    return &main_arena;
}

void arena_detach(struct arena *arena) {
    lock_take(&list_lock, LOCK_RANK_ARENA_LIST);
    if (arena->attached_threads != 0 && --arena->attached_threads == 0 && arena_is_usable(arena)) {
        arena->next_free = free_list;
        free_list = arena;
    }
    lock_drop(&list_lock, LOCK_RANK_ARENA_LIST);
}

struct arena *arena_retry(struct arena *failed) {
    if (failed != &main_arena && arena_is_usable(&main_arena)) {
        return &main_arena;
    }
    struct arena *other = attach_avoiding(failed);
    if (other != NULL) {
        arena_detach(other); /* used once; the thread stays where it is */
    }
    return other != failed ? other : NULL;
}

struct arena *arena_lock_any(void) {
    struct arena *arena = &main_arena;
    do {
        if (arena_is_usable(arena) && arena_try_lock(arena)) {
            return arena;
        }
        arena = arena_next(arena);
    } while (arena != &main_arena);
    return NULL;
}

/* ---- after an operation that was left -------------------------------------------------------- */

static size_t ring_length(void) {
    size_t length = 1;
    for (struct arena *arena = main_arena.next; arena != &main_arena; arena = arena->next) {
        length++;
    }
    return length;
}

/* Every prefix of what is stored under the lock is valid, but for the count. */
void arena_list_recover(void) {
    if (lock_inherit(&list_lock, LOCK_RANK_ARENA_LIST)) {
        arenas = ring_length();
        lock_drop(&list_lock, LOCK_RANK_ARENA_LIST);
    }
}

void arena_set_aside(struct arena *arena) {
    lock_kill(&arena->lock);
    lock_order_pop(LOCK_RANK_ARENA);
    lock_take(&list_lock, LOCK_RANK_ARENA_LIST);
    remove_from_free_list(arena);
    aside++;
    lock_drop(&list_lock, LOCK_RANK_ARENA_LIST);
}

size_t arena_count(void) {
    return __atomic_load_n(&arenas, __ATOMIC_RELAXED);
}

/* ---- fork ----------------------------------------------------------------------------------- */

/* A lock that reads taken was held by a thread that does not exist here; what it was doing is
 * half done. The forking thread's own (it forks in a handler) goes on. */
static void set_aside_if_torn(struct arena *arena) {
    if (lock_is_taken(&arena->lock) && !lock_is_mine(&arena->lock)) {
        lock_kill(&arena->lock);
    }
}

void arena_fork_child(struct arena *mine, bool parent_was_single_threaded) {
    lock_reset(&list_lock);
    aside = 0;
    free_list = NULL;
    next_shared = &main_arena;
    struct arena *arena = &main_arena;
    do {
        if (!parent_was_single_threaded) {
            set_aside_if_torn(arena);
        }
        aside += !arena_is_usable(arena);
        arena->attached_threads = arena == mine;
        if (arena != mine && arena_is_usable(arena)) {
            arena->next_free = free_list;
            free_list = arena;
        }
        arena = arena->next;
    } while (arena != &main_arena);
    arenas = ring_length();
    if (!parent_was_single_threaded) {
        main_arena_fork_child();
    }
}
