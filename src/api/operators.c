/* operators.c - the C++ operators new and delete, in C, under their mangled names.
 * Layer: api (includes thread and below).
 *
 * Only four of the twenty do something themselves: new, aligned new and their deletes. The others
 * call those as the C++ standard says the default versions do ([new.delete]), and they call them
 * by their public names: a program that replaces `operator new(size_t)` alone then gets its own
 * from `new[]` too. That is also why all of them are weak symbols: a compiler may not assume that
 * the definition in this file is the one that is called.
 *
 * Only the shared library has them. A program that is linked with the archive takes the C++
 * library's, which call malloc and free, that is, us; and which bring in the machinery that throws.
 *
 * Nothing here is linked with a C++ library. What a failure needs of it (the handler, the throw) is
 * a weak import, looked up again when it is missing, because the C++ library may have come by
 * dlopen; the file is compiled with unwind tables, so that exceptions pass through it.
 * nothrow new has to swallow what a handler throws, which C cannot: on its failure path it calls
 * the C++ library's nothrow new, which catches, and which comes back to our operator new. */
#include "api/entry.h"
#include "api/names.h"

#if defined(ARENITE_SHARED)

#include "os/report.h"

#include <dlfcn.h>

#if UINTPTR_MAX > 0xffffffffu
#define SIZE_MANGLED "m" /* unsigned long */
#else
#define SIZE_MANGLED "j" /* unsigned int */
#endif
#define ALIGN_MANGLED   "St11align_val_t"
#define NOTHROW_MANGLED "RKSt9nothrow_t"

/* A public operator with its mangled name. */
#define OPERATOR(type, name, parameters, mangled)    \
    EXPORT WEAK type name parameters __asm__(mangled); \
    type name parameters

typedef void (*new_handler)(void);

extern WEAK new_handler weak_get_new_handler(void) __asm__("_ZSt15get_new_handlerv");
extern WEAK void weak_throw_bad_alloc(void) __asm__("_ZSt17__throw_bad_allocv");

/* ---- what a failure needs of the C++ library ------------------------------------------------- */

/* In everything that is visible to all, else in the caller's module and what it depends on: a
 * plugin may have brought the C++ library for itself. */
static void *find_symbol(const char *name, const void *caller) {
    void *symbol = dlsym(RTLD_DEFAULT, name);
    Dl_info place;
    if (symbol != NULL || dladdr(caller, &place) == 0) {
        return symbol;
    }
    void *module = dlopen(place.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (module != NULL) {
        symbol = dlsym(module, name);
        dlclose(module); /* gives back this handle; the caller keeps its module loaded */
    }
    return symbol;
}

static new_handler find_handler(const void *caller) {
    new_handler (*get)(void) = weak_get_new_handler;
    if (get == NULL) {
        *(void **)&get = find_symbol("_ZSt15get_new_handlerv", caller);
    }
    return get != NULL ? get() : NULL;
}

_Noreturn static void throw_bad_alloc(size_t bytes, const void *caller) {
    void (*throw)(void) = weak_throw_bad_alloc;
    if (throw == NULL) {
        *(void **)&throw = find_symbol("_ZSt17__throw_bad_allocv", caller);
    }
    if (throw != NULL) {
        throw();
    }
    report_fatal("operator new: no memory for %zu bytes, and no C++ library to throw bad_alloc",
                 bytes);
}

/* ---- new ------------------------------------------------------------------------------------- */

static void *attempt(size_t bytes, size_t alignment) {
    return alignment <= CHUNK_ALIGNMENT ? entry_malloc(bytes) : entry_aligned(alignment, bytes);
}

/* [new.delete.single]: the handler finds memory, or does not come back, or there is none. */
static NOINLINE void *new_or_throw(size_t bytes, size_t alignment, const void *caller) {
    for (;;) {
        void *memory = attempt(bytes, alignment);
        if (LIKELY(memory != NULL)) {
            return memory;
        }
        new_handler handler = find_handler(caller);
        if (handler == NULL) {
            throw_bad_alloc(bytes, caller);
        }
        handler();
    }
}

OPERATOR(void *, operator_new, (size_t bytes), "_Znw" SIZE_MANGLED) {
    size_t index = quick_index_for(bytes);
    if (LIKELY(index < QUICK_LISTS)) {
        void *memory = quick_pop(&thread_current->quick, index);
        if (LIKELY(memory != NULL)) {
            return memory;
        }
    }
    return new_or_throw(bytes, 1, ENTRY_CALLER());
}

OPERATOR(void *, operator_new_aligned, (size_t bytes, size_t alignment),
         "_Znw" SIZE_MANGLED ALIGN_MANGLED) {
    return new_or_throw(bytes, alignment, ENTRY_CALLER());
}

OPERATOR(void *, operator_new_array, (size_t bytes), "_Zna" SIZE_MANGLED) {
    return operator_new(bytes);
}

OPERATOR(void *, operator_new_array_aligned, (size_t bytes, size_t alignment),
         "_Zna" SIZE_MANGLED ALIGN_MANGLED) {
    return operator_new_aligned(bytes, alignment);
}

/* ---- nothrow new ------------------------------------------------------------------------------ */

/* The versions of this file, whatever the public names lead to. */
static __typeof__(operator_new) our_new __attribute__((alias("_Znw" SIZE_MANGLED)));
static __typeof__(operator_new_array) our_new_array __attribute__((alias("_Zna" SIZE_MANGLED)));
static __typeof__(operator_new_aligned) our_new_aligned
    __attribute__((alias("_Znw" SIZE_MANGLED ALIGN_MANGLED)));
static __typeof__(operator_new_array_aligned) our_new_array_aligned
    __attribute__((alias("_Zna" SIZE_MANGLED ALIGN_MANGLED)));

static bool is_new_ours(void) {
    return operator_new == our_new && operator_new_array == our_new_array;
}

static bool is_new_aligned_ours(void) {
    return operator_new_aligned == our_new_aligned &&
           operator_new_array_aligned == our_new_array_aligned;
}

/* One nothrow new that could not be served at once. */
struct nothrow_request {
    const char *mangled;
    size_t bytes;
    size_t alignment; /* 0: the operator without one */
    const void *tag;
    const void *caller;
};

/* The C++ library's version of the same operator. */
static void *find_next(const struct nothrow_request *request) {
    void *next = dlsym(RTLD_NEXT, request->mangled);
    return next != NULL ? next : find_symbol(request->mangled, request->caller);
}

static COLD void *call_next(const struct nothrow_request *request) {
    void *next = find_next(request);
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
    if (is_ours && find_handler(request->caller) == NULL) {
        return NULL;
    }
    return call_next(request);
}

#define NEW_NOTHROW               "_Znw" SIZE_MANGLED NOTHROW_MANGLED
#define NEW_ARRAY_NOTHROW         "_Zna" SIZE_MANGLED NOTHROW_MANGLED
#define NEW_ALIGNED_NOTHROW       "_Znw" SIZE_MANGLED ALIGN_MANGLED NOTHROW_MANGLED
#define NEW_ARRAY_ALIGNED_NOTHROW "_Zna" SIZE_MANGLED ALIGN_MANGLED NOTHROW_MANGLED

INLINE void *new_nothrow(const struct nothrow_request *request) {
    bool is_ours = is_new_ours();
    void *memory = LIKELY(is_ours) ? entry_malloc(request->bytes) : NULL;
    return LIKELY(memory != NULL) ? memory : new_or_null(request, is_ours);
}

INLINE void *new_aligned_nothrow(const struct nothrow_request *request) {
    bool is_ours = is_new_aligned_ours();
    void *memory = LIKELY(is_ours) ? attempt(request->bytes, request->alignment) : NULL;
    return LIKELY(memory != NULL) ? memory : new_or_null(request, is_ours);
}

OPERATOR(void *, operator_new_nothrow, (size_t bytes, const void *tag), NEW_NOTHROW) {
    return new_nothrow(
        &(struct nothrow_request){NEW_NOTHROW, bytes, 0, tag, ENTRY_CALLER()});
}

OPERATOR(void *, operator_new_array_nothrow, (size_t bytes, const void *tag), NEW_ARRAY_NOTHROW) {
    return new_nothrow(
        &(struct nothrow_request){NEW_ARRAY_NOTHROW, bytes, 0, tag, ENTRY_CALLER()});
}

OPERATOR(void *, operator_new_aligned_nothrow, (size_t bytes, size_t alignment, const void *tag),
         NEW_ALIGNED_NOTHROW) {
    return new_aligned_nothrow(
        &(struct nothrow_request){NEW_ALIGNED_NOTHROW, bytes, alignment, tag, ENTRY_CALLER()});
}

OPERATOR(void *, operator_new_array_aligned_nothrow,
         (size_t bytes, size_t alignment, const void *tag), NEW_ARRAY_ALIGNED_NOTHROW) {
    return new_aligned_nothrow(&(struct nothrow_request){NEW_ARRAY_ALIGNED_NOTHROW, bytes,
                                                         alignment, tag, ENTRY_CALLER()});
}

/* ---- delete ----------------------------------------------------------------------------------- */
/* Sizes are not needed: the block's header holds its own. */

OPERATOR(void, operator_delete, (void *memory), "_ZdlPv") {
    entry_free(memory, ENTRY_CALLER());
}

OPERATOR(void, operator_delete_aligned, (void *memory, size_t alignment),
         "_ZdlPv" ALIGN_MANGLED) {
    (void)alignment;
    entry_free(memory, ENTRY_CALLER());
}

OPERATOR(void, operator_delete_array, (void *memory), "_ZdaPv") {
    operator_delete(memory);
}

OPERATOR(void, operator_delete_sized, (void *memory, size_t bytes), "_ZdlPv" SIZE_MANGLED) {
    (void)bytes;
    operator_delete(memory);
}

OPERATOR(void, operator_delete_array_sized, (void *memory, size_t bytes), "_ZdaPv" SIZE_MANGLED) {
    (void)bytes;
    operator_delete_array(memory);
}

OPERATOR(void, operator_delete_nothrow, (void *memory, const void *tag), "_ZdlPv" NOTHROW_MANGLED) {
    (void)tag;
    operator_delete(memory);
}

OPERATOR(void, operator_delete_array_nothrow, (void *memory, const void *tag),
         "_ZdaPv" NOTHROW_MANGLED) {
    (void)tag;
    operator_delete_array(memory);
}

OPERATOR(void, operator_delete_array_aligned, (void *memory, size_t alignment),
         "_ZdaPv" ALIGN_MANGLED) {
    operator_delete_aligned(memory, alignment);
}

OPERATOR(void, operator_delete_aligned_sized, (void *memory, size_t bytes, size_t alignment),
         "_ZdlPv" SIZE_MANGLED ALIGN_MANGLED) {
    (void)bytes;
    operator_delete_aligned(memory, alignment);
}

OPERATOR(void, operator_delete_array_aligned_sized, (void *memory, size_t bytes, size_t alignment),
         "_ZdaPv" SIZE_MANGLED ALIGN_MANGLED) {
    (void)bytes;
    operator_delete_array_aligned(memory, alignment);
}

OPERATOR(void, operator_delete_aligned_nothrow, (void *memory, size_t alignment, const void *tag),
         "_ZdlPv" ALIGN_MANGLED NOTHROW_MANGLED) {
    (void)tag;
    operator_delete_aligned(memory, alignment);
}

OPERATOR(void, operator_delete_array_aligned_nothrow,
         (void *memory, size_t alignment, const void *tag),
         "_ZdaPv" ALIGN_MANGLED NOTHROW_MANGLED) {
    (void)tag;
    operator_delete_array_aligned(memory, alignment);
}

#endif
