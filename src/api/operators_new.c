/* operators_new.c - the C++ operators new, in C, under their mangled names.
 * Layer: api (includes thread and below). Only in the shared library.
 *
 * Only new and aligned new do something themselves. The others call them as the C++ standard says
 * the default versions do ([new.delete]), and by their public names: a program that replaces
 * `operator new(size_t)` alone then gets its own from `new[]` too. The file is compiled with
 * unwind tables, so that exceptions pass through it.
 *
 * nothrow new has to swallow what a handler throws, which C cannot. On its failure path it calls
 * the C++ library's version of itself, which calls our operator new and catches. It is only right
 * as long as operator new, which it is to call, is ours; where a program has replaced that, the
 * C++ library's version takes over as well.
 *
 * A program that is linked with the archive takes all of these from the C++ library: they call
 * malloc, and only they bring in the machinery that throws. */
#include "api/cxx.h"

#if defined(ARENITE_SHARED)

#include "api/divert.h"
#include "api/entry.h"

#define NEW_NOTHROW "_Znw" CXX_SIZE CXX_NOTHROW
#define NEW_ARRAY_NOTHROW "_Zna" CXX_SIZE CXX_NOTHROW
#define NEW_ALIGNED_NOTHROW "_Znw" CXX_SIZE CXX_ALIGN CXX_NOTHROW
#define NEW_ARRAY_ALIGNED_NOTHROW "_Zna" CXX_SIZE CXX_ALIGN CXX_NOTHROW

CXX_OPERATOR(void *, operator_new, (size_t bytes), "_Znw" CXX_SIZE);
CXX_OPERATOR(void *, operator_new_aligned, (size_t bytes, size_t alignment),
             "_Znw" CXX_SIZE CXX_ALIGN);
CXX_OPERATOR(void *, operator_new_array, (size_t bytes), "_Zna" CXX_SIZE);
CXX_OPERATOR(void *, operator_new_array_aligned, (size_t bytes, size_t alignment),
             "_Zna" CXX_SIZE CXX_ALIGN);
CXX_OPERATOR(void *, operator_new_nothrow, (size_t bytes, const void *tag), NEW_NOTHROW);
CXX_OPERATOR(void *, operator_new_array_nothrow, (size_t bytes, const void *tag),
             NEW_ARRAY_NOTHROW);
CXX_OPERATOR(void *, operator_new_aligned_nothrow,
             (size_t bytes, size_t alignment, const void *tag), NEW_ALIGNED_NOTHROW);
CXX_OPERATOR(void *, operator_new_array_aligned_nothrow,
             (size_t bytes, size_t alignment, const void *tag), NEW_ARRAY_ALIGNED_NOTHROW);

/* ---- new ------------------------------------------------------------------------------------- */

/* One try, for an alignment of 0 or any power of two. */
INLINE void *attempt(size_t bytes, size_t alignment, enum mark_origin origin, const void *caller) {
    report_caller = caller;
    report_frame = REPORT_FRAME();
    if (divert_is_on()) {
        return divert_malloc(bytes, alignment, origin, caller);
    }
    return alignment <= CHUNK_ALIGNMENT ? entry_malloc_for(bytes, caller)
                                        : entry_aligned(alignment, bytes, ORIGIN_ANY);
}

/* [new.delete.single]: the handler finds memory, or does not come back, or there is none. */
static NOINLINE void *new_or_throw(size_t bytes, size_t alignment, enum mark_origin origin,
                                   const void *caller) {
    for (;;) {
        void *memory = attempt(bytes, alignment, origin, caller);
        if (LIKELY(memory != NULL)) {
            return memory;
        }
        cxx_new_handler handler = cxx_find_handler(caller);
        if (handler == NULL) {
            cxx_throw_bad_alloc(bytes, caller);
        }
        handler();
    }
}

void *operator_new(size_t bytes) {
    void *memory = entry_malloc_quick(bytes);
    if (LIKELY(memory != NULL)) {
        return memory;
    }
    return new_or_throw(bytes, 1, ORIGIN_NEW, ENTRY_CALLER());
}

void *operator_new_aligned(size_t bytes, size_t alignment) {
    return new_or_throw(bytes, alignment, ORIGIN_NEW, ENTRY_CALLER());
}

/* The versions of this file, whatever the public names lead to. */
static __typeof__(operator_new) our_new __attribute__((alias("_Znw" CXX_SIZE)));
static __typeof__(operator_new_array) our_new_array __attribute__((alias("_Zna" CXX_SIZE)));
static __typeof__(operator_new_aligned) our_new_aligned
    __attribute__((alias("_Znw" CXX_SIZE CXX_ALIGN)));
static __typeof__(operator_new_array_aligned) our_new_array_aligned
    __attribute__((alias("_Zna" CXX_SIZE CXX_ALIGN)));

static bool is_new_ours(void) {
    return operator_new == our_new && operator_new_array == our_new_array;
}

static bool is_new_aligned_ours(void) {
    return operator_new_aligned == our_new_aligned &&
           operator_new_array_aligned == our_new_array_aligned;
}

bool cxx_new_is_ours(void) {
    return is_new_ours() && is_new_aligned_ours();
}

void *operator_new_array(size_t bytes) {
    if (divert_is_on() && is_new_ours()) {
        return new_or_throw(bytes, 1, ORIGIN_NEW_ARRAY, ENTRY_CALLER());
    }
    return operator_new(bytes);
}

void *operator_new_array_aligned(size_t bytes, size_t alignment) {
    if (divert_is_on() && is_new_aligned_ours()) {
        return new_or_throw(bytes, alignment, ORIGIN_NEW_ARRAY, ENTRY_CALLER());
    }
    return operator_new_aligned(bytes, alignment);
}

/* ---- nothrow new ----------------------------------------------------------------------------- */

/* One nothrow new that could not be served at once. */
struct nothrow_request {
    const char *mangled;
    size_t bytes;
    size_t alignment; /* 0: the operator without one */
    const void *tag;
    const void *caller;
    enum mark_origin origin;
};

static COLD void *call_next(const struct nothrow_request *request) {
    void *next = cxx_find_next(request->mangled, request->caller);
    if (next == NULL) {
        return NULL;
    }
    if (request->alignment == 0) {
        void *(*plain)(size_t, const void *) = NULL;
        *(void **)&plain = next;
        return plain(request->bytes, request->tag);
    }
    void *(*aligned)(size_t, size_t, const void *) = NULL;
    *(void **)&aligned = next;
    return aligned(request->bytes, request->alignment, request->tag);
}

/* Nothing but a handler can still find memory for a request that our new could not serve. */
static COLD void *new_or_null(const struct nothrow_request *request, bool is_ours) {
    if (is_ours && cxx_find_handler(request->caller) == NULL) {
        return NULL;
    }
    return call_next(request);
}

INLINE void *attempt_nothrow(const struct nothrow_request *request) {
    return divert_is_on() ? attempt(request->bytes, 1, request->origin, request->caller)
                          : entry_malloc(request->bytes);
}

INLINE void *new_nothrow(const struct nothrow_request *request) {
    bool is_ours = is_new_ours();
    void *memory = LIKELY(is_ours) ? attempt_nothrow(request) : NULL;
    return LIKELY(memory != NULL) ? memory : new_or_null(request, is_ours);
}

INLINE void *new_aligned_nothrow(const struct nothrow_request *request) {
    bool is_ours = is_new_aligned_ours();
    void *memory = LIKELY(is_ours) ? attempt(request->bytes, request->alignment, request->origin,
                                             request->caller)
                                   : NULL;
    return LIKELY(memory != NULL) ? memory : new_or_null(request, is_ours);
}

void *operator_new_nothrow(size_t bytes, const void *tag) {
    return new_nothrow(
        &(struct nothrow_request){NEW_NOTHROW, bytes, 0, tag, ENTRY_CALLER(), ORIGIN_NEW});
}

void *operator_new_array_nothrow(size_t bytes, const void *tag) {
    return new_nothrow(&(struct nothrow_request){NEW_ARRAY_NOTHROW, bytes, 0, tag, ENTRY_CALLER(),
                                                 ORIGIN_NEW_ARRAY});
}

void *operator_new_aligned_nothrow(size_t bytes, size_t alignment, const void *tag) {
    return new_aligned_nothrow(&(struct nothrow_request){NEW_ALIGNED_NOTHROW, bytes, alignment, tag,
                                                         ENTRY_CALLER(), ORIGIN_NEW});
}

void *operator_new_array_aligned_nothrow(size_t bytes, size_t alignment, const void *tag) {
    return new_aligned_nothrow(&(struct nothrow_request){
        NEW_ARRAY_ALIGNED_NOTHROW, bytes, alignment, tag, ENTRY_CALLER(), ORIGIN_NEW_ARRAY});
}

#endif
