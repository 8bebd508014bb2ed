/* foreign.c - see foreign.h.
 * Layer: api (includes thread and below).
 *
 * libc's functions are weak imports: a libc without them has no heap that we could pass on to. */
#include "api/foreign.h"

#include "base/format.h"
#include "chunk/mapped.h"
#include "os/os.h"
#include "os/report.h"

#include <dlfcn.h>
#include <malloc.h>
#include <string.h>

#define WHAT_BYTES 128

static bool is_free(const char *operation) {
    return strncmp(operation, "free", strlen("free")) == 0;
}

static void report_freed(const char *operation, const void *memory) {
    char what[WHAT_BYTES];
    format_text(what, sizeof what, "%s of a freed block", operation);
    report_misuse(is_free(operation) ? "double free" : what, memory);
}

static void report_invalid(const char *operation, const struct block *block) {
    char what[WHAT_BYTES];
    format_text(what, sizeof what, "invalid %s: %s", operation, block->error);
    report_misuse(what, block->memory);
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

static bool can_be_libcs(const void *memory) {
    struct mapped_block block;
    struct os_module module;
    return is_aligned((uintptr_t)memory, CHUNK_ALIGNMENT) && !os_is_on_stack(memory) &&
           !os_find_module(memory, &module) && !mapped_find_around(memory, &block) &&
           libc_heap_was_used();
}

static void say_once(const char *operation, const void *memory) {
    static uint32_t said;
    struct os_module module = {"an unknown module", 0};
    if (__atomic_exchange_n(&said, 1, __ATOMIC_RELAXED) == 0) {
        os_find_module(report_caller, &module);
        report_line("%s of %p, a block of another allocator: passed on to libc (called from %s; "
                    "said once)",
                    operation, memory, module.name);
    }
}

void foreign_free(void *memory) {
    say_once("free", memory);
    __libc_free(memory);
}

void *foreign_realloc(void *memory, size_t bytes) {
    say_once("realloc", memory);
    return __libc_realloc(memory, bytes);
}

/* libc shows no other name for this function; dlsym may allocate, which is safe here. */
size_t foreign_usable_bytes(void *memory) {
    say_once("malloc_usable_size", memory);
    size_t (*usable_size)(void *) = NULL;
    *(void **)&usable_size = dlsym(RTLD_NEXT, "malloc_usable_size");
    return usable_size != NULL ? usable_size(memory) : 0;
}

#else

static bool can_be_libcs(const void *memory) {
    (void)memory;
    return false;
}

/* Never reached: nothing can be libc's. */
void foreign_free(void *memory) {
    (void)memory;
}

void *foreign_realloc(void *memory, size_t bytes) {
    (void)memory;
    (void)bytes;
    return NULL;
}

size_t foreign_usable_bytes(void *memory) {
    (void)memory;
    return 0;
}

#endif

void foreign_settle(const char *operation, struct block *block) {
    struct mapped_freed freed;
    if (block->kind == BLOCK_FOREIGN && mapped_was_freed(block->memory, &freed)) {
        block->kind = BLOCK_FREED;
    }
    if (block->kind == BLOCK_FOREIGN) {
        if (can_be_libcs(block->memory)) {
            return;
        }
        block->error = "no block starts here";
    }
    if (block->kind == BLOCK_FREED) {
        report_freed(operation, block->memory);
    } else {
        report_invalid(operation, block);
    }
    block->kind = BLOCK_INVALID;
}
