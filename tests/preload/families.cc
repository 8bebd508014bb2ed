/* families.cc - blocks of malloc, new and new[], each given back by each of their functions, at
 * every size: under profile=hardened a mismatch ends the process with a line, elsewhere it is none.
 * Layer: tests (includes libc and the C++ library only). */
#include "child.h"
#include "support.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <new>

namespace {

struct family {
    const char *name, *freer;
    void *(*make)(std::size_t bytes);
    void (*give)(void *memory);
};

const family families[] = {
    {"malloc", "free", [](std::size_t bytes) { return std::malloc(bytes); },
     [](void *memory) { std::free(memory); }},
    {"new", "delete", [](std::size_t bytes) { return ::operator new(bytes); },
     [](void *memory) { ::operator delete(memory); }},
    {"new[]", "delete[]", [](std::size_t bytes) { return ::operator new[](bytes); },
     [](void *memory) { ::operator delete[](memory); }},
};

bool is_hardened() {
    int (*get)(const char *, char *, std::size_t) = nullptr;
    void *found = dlsym(RTLD_DEFAULT, "arenite_option_get");
    char value[32] = "";
    TEST_CHECK(found != nullptr);
    std::memcpy(&get, &found, sizeof get);
    get("profile", value, sizeof value);
    return std::strcmp(value, "hardened") == 0;
}

struct scene {
    const family *giver;
    void *memory;
};

void give(void *argument) {
    const auto *one = static_cast<scene *>(argument);
    one->giver->give(one->memory);
}

void check(const family &maker, const family &giver, std::size_t bytes, bool may_be_told) {
    child child;
    char what[64];
    scene one{&giver, maker.make(bytes)};
    TEST_CHECK(one.memory != nullptr);
    std::memset(one.memory, 1, bytes);
    std::snprintf(what, sizeof what, "arenite: %s of a block from %s", giver.freer, maker.name);
    test_run_child(&child, give, &one);
    if (&maker == &giver || !may_be_told) {
        TEST_CHECK(test_child_passed(&child));
    } else {
        TEST_CHECK(test_child_aborted_over(&child, one.memory));
        TEST_CHECK(std::strncmp(child.said, what, std::strlen(what)) == 0);
    }
    maker.give(one.memory);
}

/* realloc makes a block malloc's. */
void check_resized(std::size_t bytes) {
    void *memory = std::realloc(std::malloc(bytes), bytes * 2);
    TEST_CHECK(memory != nullptr);
    std::free(std::realloc(memory, bytes * 3));
}

} // namespace

int main() {
    static const std::size_t sizes[] = {1, 100, 5000, 32000, 33000, 100000, 3000000};
    bool is_told = is_hardened();
    for (std::size_t bytes : sizes) {
        for (const family &maker : families) {
            for (const family &giver : families) {
                check(maker, giver, bytes, is_told);
            }
        }
        check_resized(bytes);
    }
    return 0;
}
