/* release_medium.c - a thread's lists of medium chunks: who keeps what, and how it goes home.
 * Layer: thread (includes base, os, pages, chunk). See thread.h and chunk/medium.h. */
#include "chunk/heap.h"
#include "chunk/params.h"
#include "os/report.h"
#include "pages/meta.h"
#include "thread/operation.h"

static struct medium_lists *medium_of(struct thread *thread) {
    struct operation operation;
    if (thread->medium == NULL && thread->attached != 0 && params.slabs && params.perturb == 0) {
        operation_enter(&operation);
        if (thread->medium == NULL) { /* a handler may have been faster */
            thread->medium = meta_alloc(sizeof *thread->medium, CACHE_LINE_BYTES);
        }
        operation_leave(&operation);
    }
    return thread->medium;
}

static size_t medium_share(void) {
    size_t share = MEDIUM_ALL_BYTES / (thread_count() + 1);
    return share > MEDIUM_SHARE_MIN_BYTES ? share : MEDIUM_SHARE_MIN_BYTES;
}

/* Handlers must not see a list half changed, and may have changed it before: each step is an
 * operation of its own and looks for itself. */
INLINE void *take_medium(struct medium_lists *lists, struct medium_list *list, size_t bytes) {
    struct operation operation;
    operation_enter(&operation);
    bool has_one = list->head != NULL && list->bytes == bytes;
    void *memory = has_one ? medium_pop(lists, list) : NULL;
    operation_leave(&operation);
    return memory;
}

INLINE bool put_medium(struct medium_lists *lists, struct medium_list *list, size_t bytes,
                       void *memory) {
    struct operation operation;
    operation_enter(&operation);
    bool has_room = list->bytes == bytes && lists->held_bytes + bytes <= lists->most_bytes;
    if (has_room) {
        medium_push(lists, list, memory);
    }
    operation_leave(&operation);
    return has_room;
}

void *thread_pop_medium(size_t bytes) {
    struct medium_lists *lists = thread_current->medium;
    bool may = lists != NULL && medium_serves(bytes);
    return may ? take_medium(lists, medium_list_of(lists, bytes), bytes) : NULL;
}

/* A header that was written to meanwhile is not believed: its chunk is lost. */
static void flush_list(struct medium_lists *lists, struct medium_list *list) {
    size_t bytes;
    for (void *memory; bytes = list->bytes, (memory = take_medium(lists, list, bytes)) != NULL;) {
        if (LIKELY(chunk_bytes(chunk_of_memory(memory)) == bytes)) {
            thread_free_chunk(heap_find(memory), chunk_of_memory(memory));
        } else {
            report_misuse("corrupted size of a freed chunk", memory);
        }
    }
}

bool thread_flush_medium(struct thread *thread) {
    struct medium_lists *lists = thread->medium;
    if (lists == NULL || lists->held_bytes == 0) {
        return false;
    }
    for (size_t i = 0; i < MEDIUM_LISTS; i++) {
        flush_list(lists, &lists->lists[i]);
    }
    return true;
}

/* The list is another size's: that one's chunks go home. */
static void rename_list(struct medium_lists *lists, struct medium_list *list, size_t bytes) {
    struct operation operation;
    flush_list(lists, list);
    operation_enter(&operation);
    list->bytes = list->head == NULL ? bytes : list->bytes;
    operation_leave(&operation);
}

/* A size that is freed for the first time is only remembered: programs whose sizes do not repeat
 * would fill the lists in vain. When there is no room all chunks go home. */
static COLD bool make_room(struct thread *thread, size_t bytes) {
    struct medium_lists *lists = thread_operation == NULL ? medium_of(thread) : NULL;
    if (lists == NULL) {
        return false;
    }
    struct medium_list *list = medium_list_of(lists, bytes);
    if (list->bytes != bytes) {
        rename_list(lists, list, bytes);
        return false;
    }
    lists->most_bytes = medium_share();
    if (bytes <= lists->most_bytes && lists->held_bytes + bytes > lists->most_bytes) {
        thread_flush_medium(thread);
    }
    return true;
}

bool thread_push_medium(struct chunk *chunk) {
    size_t bytes = chunk_bytes(chunk);
    struct thread *thread = thread_current;
    if (!medium_serves(bytes)) {
        return false;
    }
    struct medium_lists *lists = thread->medium;
    if (LIKELY(lists != NULL) &&
        LIKELY(put_medium(lists, medium_list_of(lists, bytes), bytes, chunk_memory(chunk)))) {
        return true;
    }
    if (!make_room(thread, bytes)) {
        return false;
    }
    lists = thread->medium;
    return put_medium(lists, medium_list_of(lists, bytes), bytes, chunk_memory(chunk));
}
