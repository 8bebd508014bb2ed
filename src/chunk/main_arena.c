/* main_arena.c - see main_arena.h.
 * Layer: chunk (includes base, os, pages). */
#include "chunk/main_arena.h"

#include "chunk/free.h"
#include "chunk/heap.h"
#include "chunk/keep.h"
#include "chunk/params.h"
#include "chunk/trim.h"
#include "os/report.h"
#include "pages/meta.h"
#include "pages/page_map.h"

#include <errno.h>

/* Smallest piece mapped in place of the break. */
#define PIECE_MIN_BYTES ((size_t)1024 * 1024)

__attribute__((aligned(PAGE_RECORD_ALIGNMENT))) struct heap main_first_piece;

/* In a child whose fork came between two views of the break. */
static bool break_is_lost;

/* One attempt to grow: what top looks like before, what the kernel gave. */
struct growth {
    struct chunk *old_top;
    size_t old_bytes; /* of top, 0 before the first growth */
    uintptr_t old_end;
    size_t request_bytes;
    uintptr_t start; /* of the new memory, later of what can be used of it */
    size_t bytes;
    uintptr_t taken_start; /* all of it, as the kernel gave it */
    uintptr_t taken_end;
};

static bool is_contiguous(void) {
    return (main_arena.flags & ARENA_NONCONTIGUOUS) == 0;
}

static struct growth growth_begin(size_t bytes) {
    struct growth growth = {.old_top = main_arena.top, .request_bytes = bytes};
    if (growth.old_top != NULL) {
        growth.old_bytes = chunk_bytes(growth.old_top);
        growth.old_end = (uintptr_t)growth.old_top + growth.old_bytes;
    }
    return growth;
}

/* Whole pages to ask for: chunk, pad, and room for the smallest chunk behind it; what top already
 * has is not asked for again where the new memory will border it. */
static bool wanted_bytes(const struct growth *growth, size_t bytes, size_t *wanted) {
    size_t sum;
    size_t pad = params.top_pad < REQUEST_MAX_BYTES / 2 ? params.top_pad : 0; /* absurd: none */
    if (add_overflows(bytes, CHUNK_MIN_BYTES, &sum) || add_overflows(sum, pad, &sum)) {
        return false;
    }
    if (is_contiguous()) {
        sum -= growth->old_bytes < sum ? growth->old_bytes : sum;
    }
    *wanted = align_up(sum, os_page_bytes());
    return *wanted >= sum && *wanted <= REQUEST_MAX_BYTES;
}

static void note_taken(struct growth *growth, void *start, size_t bytes) {
    growth->start = growth->taken_start = (uintptr_t)start;
    growth->bytes = bytes;
    growth->taken_end = (uintptr_t)start + bytes;
}

static bool take_from_break(struct growth *growth, size_t wanted) {
    if (wanted == 0 || break_is_lost) {
        return false;
    }
    void *start = os_break_move((intptr_t)wanted);
    note_taken(growth, start, wanted);
    return start != NULL;
}

static bool take_from_mapping(struct growth *growth, size_t wanted) {
    if (is_contiguous() && add_overflows(wanted, growth->old_bytes, &wanted)) {
        return false;
    }
    size_t bytes = align_up(wanted, os_page_bytes());
    if (bytes < PIECE_MIN_BYTES) {
        bytes = PIECE_MIN_BYTES;
    }
    void *start = os_map(bytes);
    if (start == NULL) {
        return false;
    }
    main_arena.flags |= ARENA_NONCONTIGUOUS;
    note_taken(growth, start, bytes);
    return true;
}

/* There is no memory for records: what was taken goes back, unless somebody else has moved the
 * break since; then it is a gap. */
static void give_back_taken(const struct growth *growth, bool from_break) {
    size_t bytes = growth->taken_end - growth->taken_start;
    if (!from_break) {
        os_release((void *)growth->taken_start, bytes);
    } else if ((uintptr_t)os_break_move(0) == growth->taken_end) {
        os_break_move(-(intptr_t)bytes);
    }
}

static void count_growth(size_t bytes) {
    main_arena.system_bytes += bytes;
    keep_note_growth(&main_arena, bytes);
    if (main_arena.system_bytes > main_arena.system_max_bytes) {
        main_arena.system_max_bytes = main_arena.system_bytes;
    }
}

/* The break was moved by somebody else: asks for enough more that the piece ends on a page and
 * lacks nothing that its misaligned start or the old top would have given. */
static void complete_piece(struct growth *growth) {
    size_t front = align_up(growth->start, CHUNK_ALIGNMENT) - growth->start;
    uintptr_t end = growth->start + growth->bytes;
    size_t more = align_up(end + front + growth->old_bytes, os_page_bytes()) - end;
    if (more != 0 && (uintptr_t)os_break_move((intptr_t)more) == end) {
        growth->bytes += more;
        growth->taken_end += more;
    }
}

/* Others may leave the break at any byte. */
static void align_piece(struct growth *growth) {
    size_t front = align_up(growth->start, CHUNK_ALIGNMENT) - growth->start;
    growth->start += front;
    growth->bytes = align_down(growth->bytes - front, CHUNK_ALIGNMENT);
}

static struct heap *piece_record(void) {
    if (main_arena.heap == NULL) {
        return &main_first_piece;
    }
    return meta_alloc(sizeof(struct heap), PAGE_RECORD_ALIGNMENT);
}

/* The break reserves nothing: a piece has committed and reserved just what it has. */
static bool resize_piece(struct heap *piece, size_t bytes) {
    if (heap_set_bytes(piece, bytes) != 0) {
        return false;
    }
    piece->committed_bytes = bytes;
    piece->reserved_bytes = bytes;
    return true;
}

/* Makes the new memory the newest piece and all of it top. */
static bool open_piece(struct heap *piece, const struct growth *growth) {
    piece->arena = &main_arena;
    piece->prev = main_arena.heap;
    piece->start = growth->start;
    if (!resize_piece(piece, growth->bytes)) {
        return false;
    }
    __atomic_store_n(&main_arena.heap, piece, __ATOMIC_RELEASE);
    main_arena.top = chunk_at((void *)growth->start, 0);
    chunk_set_head(main_arena.top, growth->bytes | CHUNK_PREV_IN_USE);
    return true;
}

/* As after any large free, but what the request needs stays. */
static void trim_new_top(const struct growth *growth, bool much_was_freed) {
    size_t kept = growth->request_bytes > params.top_pad ? growth->request_bytes : params.top_pad;
    bool by_threshold = main_arena.keep == NULL;
    if (much_was_freed && by_threshold && chunk_bytes(main_arena.top) >= params_trim_threshold()) {
        trim_main_top(kept);
    }
}

/* Ends the old piece with two fence chunks that look in use, and frees what top still had. */
static void close_old_top(const struct chunk_caller *caller, const struct growth *growth) {
    if (growth->old_bytes == 0) {
        return;
    }
    size_t rest = align_down(growth->old_bytes - 2 * CHUNK_HEADER_BYTES, CHUNK_ALIGNMENT);
    struct chunk *old = growth->old_top;
    chunk_set_head(old, rest | CHUNK_PREV_IN_USE);
    chunk_set_head(chunk_at(old, rest), CHUNK_HEADER_BYTES | CHUNK_PREV_IN_USE);
    chunk_set_head(chunk_at(old, rest + CHUNK_HEADER_BYTES),
                   CHUNK_HEADER_BYTES | CHUNK_PREV_IN_USE);
    if (rest >= CHUNK_MIN_BYTES) {
        trim_new_top(growth, arena_free_old_top(caller, old));
    }
}

static bool extend_piece(const struct growth *growth) {
    struct heap *piece = main_arena.heap;
    if (!resize_piece(piece, piece->bytes + growth->bytes)) {
        return false;
    }
    count_growth(growth->bytes);
    chunk_set_head(growth->old_top, (growth->old_bytes + growth->bytes) | CHUNK_PREV_IN_USE);
    return true;
}

/* What others took of the break since the last growth counts as ours, as in ptmalloc. */
static size_t gap_bytes(const struct growth *growth) {
    bool has_gap = is_contiguous() && growth->old_bytes != 0;
    return has_gap ? growth->start - growth->old_end : 0;
}

static bool start_piece(const struct chunk_caller *caller, struct growth *growth) {
    if (is_contiguous() && growth->old_bytes != 0 && growth->start < growth->old_end) {
        report_corruption("the program break was moved down into the heap", (void *)growth->start);
    }
    size_t gap = gap_bytes(growth);
    if (is_contiguous()) {
        complete_piece(growth);
    }
    align_piece(growth);
    /* The record last: it cannot be given back. */
    bool is_mapped = page_map_prepare(growth->start, growth->start + growth->bytes) == 0;
    struct heap *piece = is_mapped ? piece_record() : NULL;
    if (piece == NULL || !open_piece(piece, growth)) {
        return false;
    }
    count_growth(gap + growth->taken_end - growth->taken_start);
    close_old_top(caller, growth);
    return true;
}

int main_arena_grow(const struct chunk_caller *caller, size_t bytes) {
    struct growth growth = growth_begin(bytes);
    size_t wanted = 0;
    if (!wanted_bytes(&growth, bytes, &wanted)) {
        return -ENOMEM;
    }
    bool from_break = take_from_break(&growth, wanted);
    if (!from_break && !take_from_mapping(&growth, wanted)) {
        return -ENOMEM;
    }
    bool extends = from_break && growth.start == growth.old_end;
    bool done = extends ? extend_piece(&growth) : start_piece(caller, &growth);
    if (!done) {
        give_back_taken(&growth, from_break);
    }
    return done ? 0 : -ENOMEM;
}

bool main_arena_shrink(size_t delta_bytes) {
    struct chunk *top = main_arena.top;
    size_t top_bytes = chunk_bytes(top);
    uintptr_t end = (uintptr_t)top + top_bytes;
    if (break_is_lost || (uintptr_t)os_break_move(0) != end) {
        return false;
    }
    os_break_move(-(intptr_t)delta_bytes);
    uintptr_t now = (uintptr_t)os_break_move(0);
    if (now == 0 || now >= end) {
        return false;
    }
    size_t released = end - now;
    main_arena.system_bytes -= released;
    resize_piece(main_arena.heap, main_arena.heap->bytes - released);
    chunk_set_head(top, (top_bytes - released) | CHUNK_PREV_IN_USE);
    return true;
}

void main_arena_fork_child(void) {
    break_is_lost = break_is_lost || os_break_place() != os_break_move(0);
}
