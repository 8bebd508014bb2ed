/* cxx_new.cc - C++ programs that are linked with the archive: all operators end in its malloc, and
 * a failure throws and calls the handler as ever.
 * Layer: tests (includes libc and the C++ library only). */
#include "support.h"

#include <cstdint>
#include <cstdlib>
#include <malloc.h>
#include <map>
#include <new>
#include <string>

namespace {

volatile std::size_t too_much = PTRDIFF_MAX - 1000;
int handler_calls;

struct alignas(128) Wide {
    char bytes[300];
};

/* The archive's own statistics count what the operators take. */
void test_operators_use_the_archive() {
    std::size_t before = mallinfo2().uordblks;
    char *memory = new char[100000];
    memory[0] = 1;
    TEST_CHECK(mallinfo2().uordblks >= before + 100000);
    delete[] memory;
    TEST_CHECK(mallinfo2().uordblks < before + 50000);
}

void test_alignment() {
    Wide *one = new Wide;
    Wide *many = new Wide[3];
    TEST_CHECK(reinterpret_cast<std::uintptr_t>(one) % alignof(Wide) == 0);
    TEST_CHECK(reinterpret_cast<std::uintptr_t>(many) % alignof(Wide) == 0);
    delete one;
    delete[] many;
}

void give_up_at_third_call() {
    if (++handler_calls == 3) {
        std::set_new_handler(nullptr);
    }
}

void throw_a_number() {
    throw 42;
}

int thrown_by_new() {
    try {
        ::operator delete(::operator new(too_much));
    } catch (const std::bad_alloc &) {
        return 1;
    } catch (int number) {
        return number;
    }
    return 0;
}

void test_failures() {
    TEST_CHECK(thrown_by_new() == 1);
    std::set_new_handler(give_up_at_third_call);
    TEST_CHECK(thrown_by_new() == 1 && handler_calls == 3);
    TEST_CHECK(::operator new(too_much, std::nothrow) == nullptr);
    std::set_new_handler(throw_a_number);
    TEST_CHECK(thrown_by_new() == 42);
    TEST_CHECK(::operator new(too_much, std::nothrow) == nullptr);
    std::set_new_handler(nullptr);
}

void test_containers() {
    std::map<std::string, std::string> texts;
    for (int i = 0; i < 5000; i++) {
        texts[std::to_string(i)] = std::string(static_cast<std::size_t>(i), 'x');
    }
    TEST_CHECK(texts["777"].size() == 777);
}

} // namespace

int main() {
    test_operators_use_the_archive();
    test_alignment();
    test_failures();
    test_containers();
    return 0;
}
