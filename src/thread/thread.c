/* thread.c - states of threads: attached, switched, detached, kept across fork.
 * Layer: thread (includes base, os, pages, chunk). See thread.h. */
#include "thread/large.h"
#include "thread/operation.h"
#include "thread/remote.h"
#include "thread/sample.h"
#include "thread/slabs.h"

#include "chunk/mapped.h"
#include "chunk/params.h"
#include "pages/meta.h"
#include "pages/page_map.h"

#include <pthread.h>
#include <string.h>

/* glibc keeps its per-thread cache in the heap, as the thread's first block of this many bytes.
 * Ours lies out of reach of overflows; a block of the same size is still taken, so that later
 * blocks have the same places and the statistics the same figures. */
#define CHARGE_BYTES (QUICK_LISTS * (sizeof(uint16_t) + sizeof(void *)))

#define FOUR(x) x, x, x, x
#define FORTY(x) FOUR(FOUR(x)), FOUR(FOUR(x)), FOUR(x), FOUR(x)
#define SIXTY_FOUR(x) FOUR(FOUR(FOUR(x)))
_Static_assert(SLAB_CLASSES == 108, "an entry for each class");
#define NO_SLOTS \
    { .head = &slot_end }

struct thread thread_none = {
    .caches = {SIXTY_FOUR(NO_SLOTS), FORTY(NO_SLOTS), FOUR(NO_SLOTS)},
    .inbox = REMOTE_CLOSED,
    .view = &thread_none,
};
struct thread thread_gone;
THREAD_LOCAL struct thread *thread_current = &thread_none;
THREAD_LOCAL struct thread *thread_own = &thread_none;
void (*thread_listener)(enum thread_event event, void *memory, size_t bytes);

static struct lock list_lock = LOCK_INIT;
struct thread *thread_list;
static struct thread *free_threads;
static bool main_is_taken;
static pthread_key_t end_key;
static bool has_end_key;
static size_t attached_count;

/* What ended threads had cached in large blocks, and what of it is still there: for a program that
 * starts threads again and again, each with its buffers. Under list_lock. */
static struct retention left;
static size_t left_bytes;
static size_t left_kept_bytes;

struct thread *thread_first(void) {
    return __atomic_load_n(&thread_list, __ATOMIC_ACQUIRE);
}

size_t thread_count(void) {
    return __atomic_load_n(&attached_count, __ATOMIC_RELAXED);
}

/* Puts so many bytes in an ending thread's account; as many may stay as threads that came later
 * have had of it, and a quarter more. Returns how many of these. */
static size_t note_left(struct thread *thread, size_t bytes) {
    lock_take(&list_lock, LOCK_RANK_THREAD_LIST);
    retention_look(&left, left_bytes, os_clock_ns());
    size_t earned = retention_earned(&left), most = earned + earned / 4;
    size_t room = most > left_kept_bytes ? most - left_kept_bytes : 0;
    thread->left_bytes = bytes;
    thread->left_kept_bytes = bytes < room ? bytes : room;
    left_bytes += thread->left_bytes;
    left_kept_bytes += thread->left_kept_bytes;
    retention_note(&left, left_bytes);
    lock_drop(&list_lock, LOCK_RANK_THREAD_LIST);
    return thread->left_kept_bytes;
}

/* The record's new owner has what is left in it. Under the lock. */
static void take_left(struct thread *thread) {
    left_bytes -= thread->left_bytes;
    left_kept_bytes -= thread->left_kept_bytes;
    thread->left_bytes = thread->left_kept_bytes = 0;
    retention_note(&left, left_bytes);
}

struct thread *thread_create(void) {
    lock_take(&list_lock, LOCK_RANK_THREAD_LIST);
    struct thread *thread = free_threads;
    if (thread != NULL) {
        free_threads = thread->next_free;
        take_left(thread);
    }
    lock_drop(&list_lock, LOCK_RANK_THREAD_LIST);
    if (thread != NULL) {
        return thread;
    }
    thread = meta_alloc(sizeof *thread, CACHE_LINE_BYTES);
    if (thread != NULL) {
        lock_take(&list_lock, LOCK_RANK_THREAD_LIST);
        thread->next = thread_list;
        __atomic_store_n(&thread_list, thread, __ATOMIC_RELEASE);
        lock_drop(&list_lock, LOCK_RANK_THREAD_LIST);
    }
    return thread;
}

static void keep_for_reuse(struct thread *thread) {
    lock_take(&list_lock, LOCK_RANK_THREAD_LIST);
    thread->next_free = free_threads;
    free_threads = thread;
    lock_drop(&list_lock, LOCK_RANK_THREAD_LIST);
}

/* A record that is nobody's now, and has something; NULL. */
static struct thread *take_with_left(void) {
    lock_take(&list_lock, LOCK_RANK_THREAD_LIST);
    struct thread **at = &free_threads;
    while (*at != NULL && (*at)->left_kept_bytes == 0) {
        at = &(*at)->next_free;
    }
    struct thread *thread = *at;
    if (thread != NULL) {
        *at = thread->next_free;
        left_kept_bytes -= thread->left_kept_bytes;
        thread->left_kept_bytes = 0;
    }
    lock_drop(&list_lock, LOCK_RANK_THREAD_LIST);
    return thread;
}

bool thread_release_left(void) {
    bool any = false;
    for (struct thread *thread; (thread = take_with_left()) != NULL; any = true) {
        large_release(thread);
        keep_for_reuse(thread);
    }
    return any;
}

static struct arena *first_arena(void) {
    bool taken = __atomic_exchange_n(&main_is_taken, true, __ATOMIC_RELAXED);
    return taken ? arena_attach() : arena_attach_main();
}

/* Takes the block that stands for the cache; without it there are no lists. */
static void open_lists(struct thread *thread) {
    size_t count = params.perturb == 0 && !params.slabs ? params.quick_count : 0;
    if (params.charges) {
        thread->charge = operation_alloc_in(thread->arena, CHARGE_BYTES);
        count = thread->charge != NULL ? count : 0;
    }
    if (count != 0) {
        quick_open(&thread->quick, count, params.quick_bytes);
    }
    thread->has_lists = true;
}

static void join_arena(struct thread *thread) {
    thread->id = os_thread_id();
    thread->arena = first_arena();
    thread->attached = 1;
    __atomic_add_fetch(&attached_count, 1, __ATOMIC_RELAXED);
    thread->view = params_wants_detour() ? &thread_none : thread;
    slabs_init(thread);
    sample_attach(thread);
    remote_open(thread);
    thread->has_lists = false;
}

static COLD struct thread *attach(bool opens_lists) {
    struct thread *thread = thread_create();
    if (thread == NULL) {
        return &thread_none;
    }
    join_arena(thread);
    if (opens_lists) {
        open_lists(thread);
    }
    thread_own = thread;
    if (has_end_key) {
        pthread_setspecific(end_key, thread); /* may allocate: by then this thread can serve it */
    }
    return thread;
}

COLD struct thread *thread_attach_first(void) {
    if (thread_own == &thread_none) {
        return attach(true);
    }
    open_lists(thread_own);
    return thread_own;
}

struct thread *thread_attach_bare(void) {
    return thread_own == &thread_none ? attach(!params.charges) : thread_own;
}

struct thread *thread_switch(struct thread *thread) {
    struct operation operation;
    struct thread *former = thread_own;
    bool is_state = thread != &thread_none && thread != &thread_gone;
    operation_enter(&operation);
    if (is_state && thread->attached == 0) {
        join_arena(thread);
        open_lists(thread);
    }
    thread_own = thread;
    operation_leave(&operation);
    return former;
}

void thread_detour(struct thread *thread, bool on) {
    struct operation operation;
    operation_enter(&operation);
    __atomic_store_n(&thread->view, on ? &thread_none : thread, __ATOMIC_RELAXED);
    operation_leave(&operation);
}

void thread_detour_all(bool on) {
    for (struct thread *thread = thread_first(); thread != NULL; thread = thread->next) {
        thread_detour(thread, on);
    }
}

bool thread_is_detoured(const struct thread *thread) {
    return thread->attached != 0 && __atomic_load_n(&thread->view, __ATOMIC_RELAXED) != thread;
}

void operation_tell(enum thread_event event, void *memory, size_t bytes) {
    if (thread_listener != NULL && thread_operation == NULL && thread_is_detoured(thread_own)) {
        thread_listener(event, memory, bytes);
    }
}

static void free_from_nowhere(void *memory) {
    struct block block = thread_find_block(memory);
    thread_free(&block);
}

/* Both fast paths miss from here on: what the lists held goes to the arenas. */
static void close_lists(struct thread *thread) {
    void *memory;
    while ((memory = quick_drain(&thread->quick)) != NULL) {
        free_from_nowhere(memory);
    }
    if (thread->charge != NULL) {
        free_from_nowhere(thread->charge);
        thread->charge = NULL;
    }
}

/* What thread_gone says is written by the thread that ends first: from the beginning, it would be
 * two pages of .data in every process. Every thread takes the lock before it is gone. */
static void become_gone(void) {
    lock_take(&list_lock, LOCK_RANK_THREAD_LIST);
    if (thread_gone.view == NULL) {
        thread_gone.inbox = REMOTE_CLOSED;
        thread_gone.has_lists = true;
        compiler_fence();
        thread_gone.view = &thread_none;
    }
    lock_drop(&list_lock, LOCK_RANK_THREAD_LIST);
    thread_own = &thread_gone;
}

void thread_detach(struct thread *thread) {
    struct operation operation;
    operation_enter(&operation);
    if (thread == thread_own) {
        become_gone();
    }
    quarantine_flush(thread);
    remote_close(thread);
    large_leave(thread, note_left(thread, thread->regions.level_bytes));
    operation_leave(&operation);
    thread_flush_medium(thread);
    close_lists(thread);
    operation_enter(&operation); /* for the locks */
    arena_detach(thread->arena);
    thread->arena = NULL;
    thread->attached = 0;
    __atomic_sub_fetch(&attached_count, 1, __ATOMIC_RELAXED);
    keep_for_reuse(thread);
    operation_leave(&operation);
}

/* The thread's frames have gone: an operation whose handler ended the thread is over. */
static void end_of_thread(void *thread) {
    if (UNLIKELY(thread_operation != NULL)) {
        operation_end_others();
        thread_operation = NULL;
    }
    thread_detach(thread);
}

int thread_init(void) {
    arena_init(&main_arena);
    do {
        quick_secret = (uintptr_t)os_random();
        slot_secrets.tag = (uint32_t)os_random();
    } while (quick_secret == 0 || slot_secrets.tag == 0);
    slot_secrets.mask = (uintptr_t)os_random() & ~SLOT_FLAGS;
    chance_seed = params.hardened ? os_random() : 0;
    int status = pthread_key_create(&end_key, end_of_thread);
    has_end_key = status == 0;
    return -status;
}

/* Every prefix of what is stored under the lock is valid, or loses one record. */
void thread_list_recover(void) {
    if (lock_inherit(&list_lock, LOCK_RANK_THREAD_LIST)) {
        lock_drop(&list_lock, LOCK_RANK_THREAD_LIST);
    }
}

/* The threads of the parent are not here: their lists, and what stood for them, are lost; their
 * records can serve new threads. */
void thread_fork_child(void) {
    lock_reset(&list_lock);
    meta_fork_child();
    page_map_fork_child();
    mapped_fork_child();
    /* A main arena that nobody has taken yet waits for the first thread, not in the free list. */
    arena_fork_child(main_is_taken ? thread_own->arena : &main_arena, os_is_single_threaded());
    main_arena.attached_threads = main_is_taken ? main_arena.attached_threads : 0;
    page_heap_fork_child();
    depot_fork_child(thread_own);
    free_threads = NULL;
    left = (struct retention){.high_bytes = 0};
    left_bytes = left_kept_bytes = 0;
    attached_count = 0;
    for (struct thread *thread = thread_list; thread != NULL; thread = thread->next) {
        if (thread == thread_own) {
            thread->id = os_thread_id();
            attached_count = thread->attached;
            continue;
        }
        slabs_init(thread);
        remote_abandon(thread);
        large_abandon(thread);
        quarantine_abandon(thread);
        thread->quick = (struct quick_lists){.head = {NULL}};
        if (thread->medium != NULL) {
            memset(thread->medium, 0, sizeof *thread->medium);
        }
        thread->charge = NULL;
        thread->arena = NULL;
        thread->attached = 0;
        thread->left_bytes = thread->left_kept_bytes = 0;
        thread->next_free = free_threads;
        free_threads = thread;
    }
}
