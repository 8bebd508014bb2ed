/* operators.cc - blocks given back by the wrong function, or with a wrong size.
 * Layer: tests (includes libc only). */
#include "misuse.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace {

void *block_by(void *block, size_t bytes) {
    misuse_about(block);
    return std::memset(block, 'x', bytes);
}

void malloc_delete(size_t bytes, size_t) {
    ::operator delete(block_by(std::malloc(bytes), bytes));
}

void new_free(size_t bytes, size_t) {
    std::free(block_by(::operator new(bytes), bytes));
}

void new_array_delete(size_t bytes, size_t) {
    ::operator delete(block_by(::operator new[](bytes), bytes));
}

void new_delete_array(size_t bytes, size_t) {
    ::operator delete[](block_by(::operator new(bytes), bytes));
}

struct counted {
    char text[24];
    ~counted() {
        misuse_about(this);
    }
};

/* The number of elements lies in front of them: delete frees a pointer into the block. */
void array_as_one(size_t, size_t) {
    counted *volatile array = new counted[3];
    delete array;
}

void delete_sized(size_t bytes, size_t claimed) {
    ::operator delete(block_by(::operator new(bytes), bytes), claimed);
}

void delete_array_sized(size_t bytes, size_t claimed) {
    ::operator delete[](block_by(::operator new[](bytes), bytes), claimed);
}

const struct misuse cases[] = {
    {"new/delete mismatch", "malloc, delete", malloc_delete, SMALL, 0},
    {"new/delete mismatch", "new, free", new_free, MEDIUM, 0},
    {"new/delete mismatch", "new[], delete", new_array_delete, SMALL, 0},
    {"new/delete mismatch", "new, delete[]", new_delete_array, MEDIUM, 0},
    {"new/delete mismatch", "new[] of objects, delete", array_as_one, 80, 0},
    {"wrong size", "too large", delete_sized, SMALL, 100},
    {"wrong size", "too small", delete_sized, MEDIUM, 500},
    {"wrong size", "too large, array", delete_array_sized, MEDIUM, 2000},
    {"wrong size", "too small", delete_sized, LARGE, 10000},
    {"wrong size", "too large", delete_sized, CHUNK, 200000},
    {"wrong size", "too small, array", delete_array_sized, MAPPED, 1000},
};

} // namespace

const struct misuse_group misuse_operators = MISUSE_GROUP(cases);
