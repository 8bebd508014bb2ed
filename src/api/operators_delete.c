/* operators_delete.c - the C++ operators delete, in C, under their mangled names.
 * Layer: api (includes thread and below). Not in the prefixed library.
 *
 * Two of them free; the others call those as the C++ standard says the default versions do
 * ([new.delete]), and by their public names: a program that replaces `operator delete(void *)`
 * alone then has its own called by `delete[]` too. Sizes and alignments are not needed, the
 * block's header knows. */
#include "api/cxx.h"

#if !defined(ARENITE_PREFIXED)

#include "api/entry.h"

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

void operator_delete(void *memory) {
    entry_free(memory);
}

void operator_delete_aligned(void *memory, size_t alignment) {
    (void)alignment;
    entry_free(memory);
}

void operator_delete_array(void *memory) {
    operator_delete(memory);
}

void operator_delete_sized(void *memory, size_t bytes) {
    (void)bytes;
    operator_delete(memory);
}

void operator_delete_array_sized(void *memory, size_t bytes) {
    (void)bytes;
    operator_delete_array(memory);
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
    operator_delete_aligned(memory, alignment);
}

void operator_delete_aligned_sized(void *memory, size_t bytes, size_t alignment) {
    (void)bytes;
    operator_delete_aligned(memory, alignment);
}

void operator_delete_array_aligned_sized(void *memory, size_t bytes, size_t alignment) {
    (void)bytes;
    operator_delete_array_aligned(memory, alignment);
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
