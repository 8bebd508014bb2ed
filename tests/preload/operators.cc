/* operators.cc - the C++ operators: all forms, bad_alloc, new_handler, nothrow.
 * Layer: tests (includes libc and the C++ library only). */
#include "support.h"

#include <cstdint>
#include <dlfcn.h>
#include <malloc.h>
#include <map>
#include <new>
#include <string>
#include <vector>

namespace {

volatile std::size_t too_much = PTRDIFF_MAX - 1000;
constexpr std::align_val_t line{64};
int handler_calls;

struct alignas(256) Wide {
    char bytes[300];
};

bool is_wide(const void *memory, std::size_t alignment) {
    return reinterpret_cast<std::uintptr_t>(memory) % alignment == 0;
}

/* The definitions that this program runs on are the library's. */
void test_operators_are_ours() {
    static const char *const names[] = {"_Znwm", "_Znam", "_ZdlPv", "_ZdaPvm",
                                        "_ZnwmSt11align_val_tRKSt9nothrow_t"};
    for (const char *name : names) {
        Dl_info place;
        void *symbol = dlsym(RTLD_DEFAULT, name);
        TEST_CHECK(symbol != nullptr && dladdr(symbol, &place) != 0);
        TEST_CHECK(std::string(place.dli_fname).find("libarenite") != std::string::npos);
    }
}

void test_all_forms() {
    for (std::size_t bytes = 0; bytes < 200000; bytes = bytes * 2 + 1) {
        ::operator delete(::operator new(bytes));
        ::operator delete(::operator new(bytes), bytes);
        ::operator delete[](::operator new[](bytes));
        ::operator delete[](::operator new[](bytes), bytes);
        ::operator delete(::operator new(bytes, std::nothrow), std::nothrow);
        ::operator delete[](::operator new[](bytes, std::nothrow), std::nothrow);
        ::operator delete(::operator new(bytes, line), line);
        ::operator delete(::operator new(bytes, line), bytes, line);
        ::operator delete[](::operator new[](bytes, line), line);
        ::operator delete[](::operator new[](bytes, line), bytes, line);
        ::operator delete(::operator new(bytes, line, std::nothrow), line, std::nothrow);
        ::operator delete[](::operator new[](bytes, line, std::nothrow), line, std::nothrow);
    }
}

void test_alignment() {
    Wide *one = new Wide;
    Wide *many = new Wide[5];
    TEST_CHECK(is_wide(one, alignof(Wide)) && is_wide(many, alignof(Wide)));
    TEST_CHECK(malloc_usable_size(one) >= sizeof *one);
    delete one;
    delete[] many;
    for (std::size_t alignment = 1; alignment <= 1 << 16; alignment *= 2) {
        void *memory = ::operator new(100, std::align_val_t(alignment));
        TEST_CHECK(is_wide(memory, alignment));
        ::operator delete(memory, std::align_val_t(alignment));
    }
}

template <typename Action> bool throws_bad_alloc(Action action) {
    try {
        action();
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

void test_bad_alloc() {
    TEST_CHECK(throws_bad_alloc([] { ::operator delete(::operator new(too_much)); }));
    TEST_CHECK(throws_bad_alloc([] { ::operator delete[](::operator new[](too_much)); }));
    TEST_CHECK(throws_bad_alloc([] { ::operator delete(::operator new(too_much, line), line); }));
    TEST_CHECK(
        throws_bad_alloc([] { ::operator delete[](::operator new[](too_much, line), line); }));
    TEST_CHECK(throws_bad_alloc([] { delete[] new char[too_much]; }));
    TEST_CHECK(::operator new(too_much, std::nothrow) == nullptr);
    TEST_CHECK(::operator new[](too_much, std::nothrow) == nullptr);
    TEST_CHECK(::operator new(too_much, line, std::nothrow) == nullptr);
    TEST_CHECK(::operator new[](too_much, line, std::nothrow) == nullptr);
}

void give_up_at_third_call() {
    if (++handler_calls == 3) {
        std::set_new_handler(nullptr);
    }
}

void throw_a_number() {
    handler_calls++;
    throw 42;
}

/* The handler is called until it is taken away; then the failure goes to the caller. */
template <typename Action> void check_handler_called(Action action) {
    handler_calls = 0;
    std::set_new_handler(give_up_at_third_call);
    action();
    TEST_CHECK(handler_calls == 3 && std::get_new_handler() == nullptr);
}

void test_handler() {
    check_handler_called(
        [] { TEST_CHECK(throws_bad_alloc([] { ::operator delete(::operator new(too_much)); })); });
    check_handler_called([] {
        TEST_CHECK(
            throws_bad_alloc([] { ::operator delete[](::operator new[](too_much, line), line); }));
    });
    check_handler_called([] { TEST_CHECK(::operator new(too_much, std::nothrow) == nullptr); });
    check_handler_called(
        [] { TEST_CHECK(::operator new(too_much, line, std::nothrow) == nullptr); });
}

/* What a handler throws passes through new, and ends in nothrow new. */
void test_handler_that_throws() {
    int caught = 0;
    handler_calls = 0;
    std::set_new_handler(throw_a_number);
    try {
        ::operator delete(::operator new(too_much));
    } catch (int number) {
        caught = number;
    }
    TEST_CHECK(caught == 42);
    TEST_CHECK(::operator new(too_much, std::nothrow) == nullptr);
    TEST_CHECK(::operator new[](too_much, std::nothrow) == nullptr);
    TEST_CHECK(::operator new(too_much, line, std::nothrow) == nullptr);
    TEST_CHECK(::operator new[](too_much, line, std::nothrow) == nullptr);
    TEST_CHECK(handler_calls == 5);
    std::set_new_handler(nullptr);
}

void test_containers() {
    std::map<std::string, std::vector<int>> numbers;
    for (int i = 0; i < 20000; i++) {
        numbers["a key that is too long for the string itself " + std::to_string(i % 700)]
            .push_back(i);
    }
    TEST_CHECK(numbers.size() == 700);
    std::vector<char> large;
    TEST_CHECK(throws_bad_alloc([&] { large.resize(large.max_size() - 1); }));
}

} // namespace

int main() {
    test_operators_are_ours();
    test_all_forms();
    test_alignment();
    test_bad_alloc();
    test_handler();
    test_handler_that_throws();
    test_containers();
    return 0;
}
