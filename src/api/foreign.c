/* foreign.c - see foreign.h.
 * Layer: api (includes thread and below).
 *
 * libc's functions are weak imports: a libc without them has no heap that we could pass on to. */
#include "api/foreign.h"

#include "chunk/mapped.h"
#include "os/report.h"

#include <dlfcn.h>
#include <malloc.h>

static const char *module_of(const void *address) {
    Dl_info place;
    bool found = dladdr(address, &place) != 0 && place.dli_fname != NULL;
    return found && place.dli_fname[0] != '\0' ? place.dli_fname : "an unknown module";
}

void foreign_report(const struct misuse *misuse, const char *why) {
    report_fatal("invalid %s of %p: %s (called from %s)", misuse->operation, misuse->memory, why,
                 module_of(misuse->caller));
}

_Noreturn static void report_unknown(const struct misuse *misuse) {
    struct mapped_block block;
    bool inside = mapped_find_around(misuse->memory, &block);
    foreign_report(misuse, inside ? "it points inside a mapped block" : "no block starts there");
}

#if defined(ARENITE_SHARED)
extern WEAK void __libc_free(void *memory);
extern WEAK void *__libc_realloc(void *memory, size_t bytes);
extern WEAK struct mallinfo __libc_mallinfo(void);

/* The counters are ints and may wrap: one of them being 0 says little, all of them enough. */
static bool libc_heap_was_used(void) {
    if (__libc_mallinfo == NULL || __libc_free == NULL || __libc_realloc == NULL) {
        return false;
    }
    struct mallinfo info = __libc_mallinfo();
    return info.arena != 0 || info.hblks != 0 || info.hblkhd != 0;
}

static void say_once(const struct misuse *misuse) {
    static uint32_t said;
    if (__atomic_exchange_n(&said, 1, __ATOMIC_RELAXED) == 0) {
        report_line("%s of %p, a block of another allocator: passed on to libc (called from %s; "
                    "said once)",
                    misuse->operation, misuse->memory, module_of(misuse->caller));
    }
}

/* Returns only when the pointer may be libc's. */
static void expect_libc_block(const struct misuse *misuse) {
    if (!libc_heap_was_used()) {
        report_unknown(misuse);
    }
    say_once(misuse);
}

void foreign_free(void *memory, const void *caller) {
    const struct misuse misuse = {"free", memory, caller};
    expect_libc_block(&misuse);
    __libc_free(memory);
}

void *foreign_realloc(void *memory, size_t bytes, const void *caller) {
    const struct misuse misuse = {"realloc", memory, caller};
    expect_libc_block(&misuse);
    return __libc_realloc(memory, bytes);
}

/* libc shows no other name for this function; dlsym may allocate, which is safe here. */
size_t foreign_usable_bytes(void *memory, const void *caller) {
    const struct misuse misuse = {"malloc_usable_size", memory, caller};
    expect_libc_block(&misuse);
    size_t (*usable_size)(void *) = NULL;
    *(void **)&usable_size = dlsym(RTLD_NEXT, "malloc_usable_size");
    return usable_size != NULL ? usable_size(memory) : 0;
}

#else

void foreign_free(void *memory, const void *caller) {
    report_unknown(&(const struct misuse){"free", memory, caller});
}

void *foreign_realloc(void *memory, size_t bytes, const void *caller) {
    (void)bytes;
    report_unknown(&(const struct misuse){"realloc", memory, caller});
}

size_t foreign_usable_bytes(void *memory, const void *caller) {
    report_unknown(&(const struct misuse){"malloc_usable_size", memory, caller});
}

#endif
