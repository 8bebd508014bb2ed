/* os.h - the whole contract between the library and a kernel.
 * Layer: os (includes only base). os_linux_*.c fulfil it with Linux; src/model/os_model*.c do it
 * with the model kernel, in place of os_linux_memory.c and os_linux_clock.c: a choice made where a
 * program is linked, so that it costs the library nothing. No other file talks to a kernel.
 *
 * Rules that hold for every function here:
 *   - no function allocates, but one that says so, and none changes errno;
 *   - every call may fail: pointers come back NULL, statuses 0 or a negative errno;
 *   - ranges are [start, start + bytes), both multiples of the page size;
 *   - all are thread-safe and async-signal-safe unless said otherwise.
 * Memory that os_map, os_commit or os_break_grow hands out, and memory after os_purge, is zero. */
#ifndef ARENITE_OS_OS_H
#define ARENITE_OS_OS_H

#include "base/compiler.h"

#include <sys/single_threaded.h>

/* ---- facts about the machine --------------------------------------------------------------- */

/* Page size in bytes, read once from the kernel (AT_PAGESZ): 4, 16 or 64 KiB. A power of two. */
size_t os_page_bytes(void);

/* Processors this process may run on (affinity mask), at least 1. Asked anew at every call. */
unsigned os_cpu_count(void);

/* True when the process runs with more rights than its caller (AT_SECURE): the environment is
 * then not to be trusted. */
bool os_is_secure(void);

/* The value of an environment variable, or NULL; never allocates. Not safe beside setenv. */
const char *os_environment(const char *name);

/* One environment entry "NAME=VALUE" by index, or NULL past the end. Not safe beside setenv. */
const char *os_environment_entry(size_t index);

/* ---- address space ------------------------------------------------------------------------- */

/* Maps zeroed, readable and writable memory anywhere. */
void *os_map(size_t bytes);

/* Reserves address space without access and without commit charge. hint NULL: anywhere; otherwise
 * a wish, that may be ignored: compare the result. */
void *os_reserve(size_t bytes, void *hint);

/* Makes reserved memory readable and writable. -ENOMEM when the kernel refuses. */
int os_commit(void *start, size_t bytes);

/* Takes the rights away again and drops the contents (one new mapping over the range). */
int os_decommit(void *start, size_t bytes);

/* Unmaps. Can fail (a split at the limit of mappings): the range then stays as it was. */
int os_release(void *start, size_t bytes);

/* Drops the contents; the next access finds zeros. The only advice used by default, because a
 * sandbox may kill on others. */
int os_purge(void *start, size_t bytes);

/* Resizes a mapping made by os_map; may_move allows another place. NULL: nothing changed. */
void *os_remap(void *start, size_t old_bytes, size_t new_bytes, bool may_move);

/* Makes whole pages read as zeros: those that are resident are written to and stay, all others are
 * dropped. A negative errno: some of it may be as it was. */
int os_clear(void *start, size_t bytes);

/* Counts the resident bytes of a range, or returns a negative errno. */
long os_resident_bytes(const void *start, size_t bytes);

/* ---- the program break --------------------------------------------------------------------- */

/* Moves the break by delta bytes (0 asks) and returns the old break, NULL on failure. Goes
 * through libc's sbrk, so that other users of it and we agree where the break is.
 * Callers hold the main arena's lock; other users of sbrk are not excluded by it. */
void *os_break_move(intptr_t delta);

/* Where the break is, asked of the kernel past libc: to libc the break stays untouched. NULL when a
 * sandbox forbids the question. */
void *os_break_place(void);

/* ---- time, chance, identity ---------------------------------------------------------------- */

/* Monotonic nanoseconds. */
uint64_t os_clock_ns(void);

/* Unpredictable bits when the kernel has some (AT_RANDOM mixed with getrandom), never blocks. */
uint64_t os_random(void);

/* Kernel identity of the calling thread, and of the process. */
int os_thread_id(void);
int os_process_id(void);

/* A place in a loaded file: the file's name without its folder, and the offset in it that addr2line
 * takes. */
struct os_module {
    const char *name;
    uintptr_t offset;
};

/* The loaded file that an address lies in; false when it lies in none, or the loader cannot be
 * asked without a lock. */
bool os_find_module(const void *address, struct os_module *module);

/* Whether an address lies on the calling thread's stack, above the caller's frame. False on an
 * alternate stack and on one that libc did not lay out. */
bool os_is_on_stack(const void *address);

/* Whether both addresses lie on the stack that libc gave the calling thread, low below high, and
 * the caller is not on an alternate signal stack inside it. False when that cannot be told. */
bool os_is_on_own_stack(const void *low, const void *high);

/* True until the process has created its first thread; lets locks skip atomic operations. */
INLINE bool os_is_single_threaded(void) {
    return __libc_single_threaded != 0;
}

/* ---- faults --------------------------------------------------------------------------------- */

/* Whether the word there can be read now; the address is a multiple of 8. */
bool os_can_read(const void *address);

enum os_access { OS_ACCESS_UNKNOWN, OS_ACCESS_READ, OS_ACCESS_WRITE };

/* An access that the kernel refused. */
struct os_fault {
    const void *address;
    const void *place; /* of the instruction, NULL where it is not known */
    const void *frame; /* the frame pointer there */
    enum os_access access;
};

/* Has `look` called, in a signal handler, for each refused access from now on. Whatever would have
 * happened then happens next: the handler that was there before is called, or the process ends. A
 * handler that the program sets later takes the place of this one. Once per process; 0 or a
 * negative errno. */
int os_watch_faults(void (*look)(const struct os_fault *fault));

/* ---- waiting, writing, dying --------------------------------------------------------------- */

/* Sleeps while *word == value, until a wake or a spurious return. */
void os_wait(const uint32_t *word, uint32_t value);
void os_wake_one(const uint32_t *word);

/* Whether *word reads as value; false, too, when nothing can be read there. */
bool os_word_is(const uint32_t *word, uint32_t value);

/* Starts a detached thread with all signals blocked; 0 or a negative errno. The one function here
 * that allocates, through malloc: not inside any operation of the library. */
int os_thread_start(void *(*body)(void *unused));

/* Sleeps so long, or until a signal's handler has run. */
void os_sleep_ns(uint64_t duration_ns);

/* Writes bytes to a descriptor, through partial writes and EINTR; 0 or a negative errno. */
int os_write(int descriptor, const void *bytes, size_t length);

/* Ends the process with SIGABRT. */
_Noreturn void os_abort(void);

#endif
