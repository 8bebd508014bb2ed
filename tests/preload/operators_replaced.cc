/* operators_replaced.cc - a program that replaces operator new and delete alone: the standard says
 * that the default new[], nothrow and sized forms then call the program's.
 * Layer: tests (includes libc and the C++ library only). */
#include "support.h"

#include <cstdint>
#include <cstdlib>
#include <new>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wsized-deallocation" /* not replacing it is the point */
#endif

namespace {

int news;
int deletes;

/* A header in front: no other allocator can free such a block. */
constexpr std::size_t head_bytes = 16;

} // namespace

void *operator new(std::size_t bytes) {
    news++;
    char *memory = static_cast<char *>(std::malloc(bytes + head_bytes));
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return memory + head_bytes;
}

void operator delete(void *memory) noexcept {
    if (memory != nullptr) {
        deletes++;
        std::free(static_cast<char *>(memory) - head_bytes);
    }
}

int main() {
    ::operator delete(::operator new(10));
    ::operator delete (::operator new(10), std::size_t{10});
    ::operator delete[](::operator new[](10));
    ::operator delete[](::operator new[](10), std::size_t{10});
    ::operator delete(::operator new(10, std::nothrow), std::nothrow);
    ::operator delete[](::operator new[](10, std::nothrow), std::nothrow);
    TEST_CHECK(news == 6 && deletes == 6);
    volatile std::size_t too_much = PTRDIFF_MAX - 1000;
    TEST_CHECK(::operator new(too_much, std::nothrow) == nullptr &&news == 7);
    return 0;
}
