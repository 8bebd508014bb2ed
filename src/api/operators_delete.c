/* operators_delete.c - the C++ operators delete, in C, under their mangled names.
 * Layer: api (includes thread and below). Not in the prefixed library.
 *
 * Two of them free; the others call those as the C++ standard says the default versions do
 * ([new.delete]), and by their public names: a program that replaces `operator delete(void *)`
 * alone then has its own called by `delete[]` too. Sizes and alignments are not needed, as the
 * library knows them; a size is compared, which shows the object of a wrong type, or one deleted
 * through a base class without a virtual destructor. */
#include "api/cxx.h"

#if !defined(ARENITE_PREFIXED)

#include "api/divert.h"
#include "api/foreign.h"
#include "api/sized.h"

CXX_OPERATOR(void, operator_delete, (void *memory), "_ZdlPv");
CXX_OPERATOR(void, operator_delete_aligned, (void *memory, size_t alignment), "_ZdlPv" CXX_ALIGN);
CXX_OPERATOR(void, operator_delete_array, (void *memory), "_ZdaPv");
CXX_OPERATOR(void, operator_delete_sized, (void *memory, size_t bytes), "_ZdlPv" CXX_SIZE);
CXX_OPERATOR(void, operator_delete_array_sized, (void *memory, size_t bytes), "_ZdaPv" CXX_SIZE);
CXX_OPERATOR(void, operator_delete_nothrow, (void *memory, const void *tag), "_ZdlPv" CXX_NOTHROW);
CXX_OPERATOR(void, operator_delete_array_nothrow, (void *memory, const void *tag),
             "_ZdaPv" CXX_NOTHROW);
CXX_OPERATOR(void, operator_delete_array_aligned, (void *memory, size_t alignment),
             "_ZdaPv" CXX_ALIGN);
CXX_OPERATOR(void, operator_delete_aligned_sized, (void *memory, size_t bytes, size_t alignment),
             "_ZdlPv" CXX_SIZE CXX_ALIGN);
CXX_OPERATOR(void, operator_delete_array_aligned_sized,
             (void *memory, size_t bytes, size_t alignment), "_ZdaPv" CXX_SIZE CXX_ALIGN);
CXX_OPERATOR(void, operator_delete_aligned_nothrow,
             (void *memory, size_t alignment, const void *tag), "_ZdlPv" CXX_ALIGN CXX_NOTHROW);
CXX_OPERATOR(void, operator_delete_array_aligned_nothrow,
             (void *memory, size_t alignment, const void *tag), "_ZdaPv" CXX_ALIGN CXX_NOTHROW);

static __typeof__(operator_delete) our_delete __attribute__((alias("_ZdlPv")));
static __typeof__(operator_delete_aligned) our_delete_aligned
    __attribute__((alias("_ZdlPv" CXX_ALIGN)));

/* What a program's own operator new made of our memory is not our business. */
static bool are_ours(void) {
    return operator_delete == our_delete && operator_delete_aligned == our_delete_aligned &&
           cxx_new_is_ours();
}

#if defined(ARENITE_SHARED)
bool cxx_operators_are_ours(void) {
    return are_ours();
}
#endif

/* Of a block that is not plainly a slot of the right class. */
static bool settle(const struct claim *claim) {
    if (divert_is_on() && divert_fits(claim->memory, claim->bytes)) {
        return true;
    }
    const struct heap *heap = entry_find_heap(claim->memory);
    if (claim->memory == NULL || (heap != NULL && sized_fits_chunk(claim, heap)) || !are_ours()) {
        return true;
    }
    struct block block = entry_find_block(claim->memory, claim->operation, claim->caller);
    if (block.kind == BLOCK_FOREIGN) {
        return true;
    }
    return block.kind != BLOCK_INVALID && sized_matches(claim, &block);
}

/* In a function of its own, so that those below can jump on. */
static NOINLINE bool is_settled(void *memory, size_t bytes, size_t alignment, const void *caller) {
    const struct claim claim = {memory, bytes, alignment, false, "operator delete", caller};
    return settle(&claim);
}

/* The same, then on to the operator without a size. Jumped to, hence the caller is ours. */
static NOINLINE void settle_and_delete(void *memory, size_t bytes, void (*next)(void *memory)) {
    if (is_settled(memory, bytes, 1, ENTRY_CALLER())) {
        next(memory);
    }
}

static NOINLINE void settle_and_delete_aligned(void *memory, size_t bytes, size_t alignment,
                                               void (*next)(void *memory, size_t alignment)) {
    if (is_settled(memory, bytes, alignment, ENTRY_CALLER())) {
        next(memory, alignment);
    }
}

/* Jumped to. */
static NOINLINE void delete_slow(void *memory) {
    if (divert_is_on()) {
        divert_free(memory, ORIGIN_NEW, ENTRY_CALLER());
    } else {
        entry_free_slow(memory);
    }
}

void operator_delete(void *memory) {
    entry_free_or(memory, delete_slow);
}

void operator_delete_aligned(void *memory, size_t alignment) {
    (void)alignment;
    entry_free_or(memory, delete_slow);
}

void operator_delete_array(void *memory) {
    if (divert_is_on() && operator_delete == our_delete) {
        divert_free(memory, ORIGIN_NEW_ARRAY, ENTRY_CALLER());
    } else {
        operator_delete(memory);
    }
}

void operator_delete_sized(void *memory, size_t bytes) {
    if (LIKELY(sized_is_plain(memory, bytes, 1))) {
        operator_delete(memory);
    } else {
        settle_and_delete(memory, bytes, operator_delete);
    }
}

void operator_delete_array_sized(void *memory, size_t bytes) {
    if (LIKELY(sized_is_plain(memory, bytes, 1))) {
        operator_delete_array(memory);
    } else {
        settle_and_delete(memory, bytes, operator_delete_array);
    }
}

void operator_delete_nothrow(void *memory, const void *tag) {
    (void)tag;
    operator_delete(memory);
}

void operator_delete_array_nothrow(void *memory, const void *tag) {
    (void)tag;
    operator_delete_array(memory);
}

void operator_delete_array_aligned(void *memory, size_t alignment) {
    if (divert_is_on() && operator_delete_aligned == our_delete_aligned) {
        divert_free(memory, ORIGIN_NEW_ARRAY, ENTRY_CALLER());
    } else {
        operator_delete_aligned(memory, alignment);
    }
}

void operator_delete_aligned_sized(void *memory, size_t bytes, size_t alignment) {
    if (LIKELY(sized_is_plain(memory, bytes, alignment))) {
        operator_delete_aligned(memory, alignment);
    } else {
        settle_and_delete_aligned(memory, bytes, alignment, operator_delete_aligned);
    }
}

void operator_delete_array_aligned_sized(void *memory, size_t bytes, size_t alignment) {
    if (LIKELY(sized_is_plain(memory, bytes, alignment))) {
        operator_delete_array_aligned(memory, alignment);
    } else {
        settle_and_delete_aligned(memory, bytes, alignment, operator_delete_array_aligned);
    }
}

void operator_delete_aligned_nothrow(void *memory, size_t alignment, const void *tag) {
    (void)tag;
    operator_delete_aligned(memory, alignment);
}

void operator_delete_array_aligned_nothrow(void *memory, size_t alignment, const void *tag) {
    (void)tag;
    operator_delete_array_aligned(memory, alignment);
}

#endif
