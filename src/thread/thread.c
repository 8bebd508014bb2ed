/* thread.c - states of threads: attached, switched, detached, kept across fork.
 * Layer: thread (includes base, os, pages, chunk). See thread.h. */
#include "thread/operation.h"

#include "chunk/mapped.h"
#include "chunk/params.h"
#include "pages/meta.h"
#include "pages/page_map.h"

#include <pthread.h>

/* glibc keeps its per-thread cache in the heap, as the thread's first block of this many bytes.
 * Ours lies out of reach of overflows; a block of the same size is still taken, so that later
 * blocks have the same places and the statistics the same figures. */
#define CHARGE_BYTES (QUICK_LISTS * (sizeof(uint16_t) + sizeof(void *)))

struct thread thread_none;
struct thread thread_gone;
THREAD_LOCAL struct thread *thread_current = &thread_none;
THREAD_LOCAL uint32_t thread_depth;

static struct lock list_lock = LOCK_INIT;
struct thread *thread_list;
static struct thread *free_threads;
static bool main_is_taken;
static pthread_key_t end_key;
static bool has_end_key;

struct thread *thread_first(void) {
    return __atomic_load_n(&thread_list, __ATOMIC_ACQUIRE);
}

struct thread *thread_create(void) {
    lock_take(&list_lock, LOCK_RANK_THREAD_LIST);
    struct thread *thread = free_threads;
    if (thread != NULL) {
        free_threads = thread->next_free;
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

static struct arena *first_arena(void) {
    bool taken = __atomic_exchange_n(&main_is_taken, true, __ATOMIC_RELAXED);
    return taken ? arena_attach() : arena_attach_main();
}

/* Takes the block that stands for the cache; without it there are no lists. */
static void open_lists(struct thread *thread) {
    size_t count = params.perturb == 0 ? params.quick_count : 0;
    if (count == 0) {
        return;
    }
    thread->charge = operation_alloc_in(thread->arena, CHARGE_BYTES);
    if (thread->charge != NULL) {
        quick_open(&thread->quick, count, params.quick_bytes);
    }
}

static void join_arena(struct thread *thread) {
    thread->id = os_thread_id();
    thread->arena = first_arena();
    thread->attached = 1;
    open_lists(thread);
}

COLD struct thread *thread_attach_first(void) {
    struct thread *thread = thread_create();
    if (thread == NULL) {
        return &thread_none;
    }
    join_arena(thread);
    thread_current = thread;
    if (has_end_key) {
        pthread_setspecific(end_key, thread); /* may allocate: by then this thread can serve it */
    }
    return thread;
}

struct thread *thread_switch(struct thread *thread) {
    struct thread *former = thread_current;
    bool is_state = thread != &thread_none && thread != &thread_gone;
    operation_enter();
    if (is_state && thread->attached == 0) {
        join_arena(thread);
    }
    thread_current = thread;
    operation_leave();
    return former;
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

void thread_detach(struct thread *thread) {
    if (thread == thread_current) {
        thread_current = &thread_gone;
    }
    close_lists(thread);
    arena_detach(thread->arena);
    thread->arena = NULL;
    thread->attached = 0;
    keep_for_reuse(thread);
}

static void end_of_thread(void *thread) {
    thread_detach(thread);
}

int thread_init(void) {
    arena_init(&main_arena);
    do {
        quick_secret = (uintptr_t)os_random();
    } while (quick_secret == 0);
    int status = pthread_key_create(&end_key, end_of_thread);
    has_end_key = status == 0;
    return -status;
}

/* The threads of the parent are not here: their lists, and what stood for them, are lost; their
 * records can serve new threads. */
void thread_fork_child(void) {
    lock_reset(&list_lock);
    meta_fork_child();
    page_map_fork_child();
    mapped_fork_child();
    arena_fork_child(thread_current->arena, os_is_single_threaded());
    free_threads = NULL;
    for (struct thread *thread = thread_list; thread != NULL; thread = thread->next) {
        if (thread == thread_current) {
            thread->id = os_thread_id();
            continue;
        }
        thread->quick = (struct quick_lists){.head = {NULL}};
        thread->charge = NULL;
        thread->arena = NULL;
        thread->attached = 0;
        thread->next_free = free_threads;
        free_threads = thread;
    }
}
