/* compiler.h - the few compiler attributes the project relies on, under readable names.
 * Layer: base (includes nothing of ours).
 *
 * Everything here has a meaning in gcc 12 and clang 14. Interfaces never use an attribute
 * directly, so that another compiler needs this one file only. */
#ifndef ARENITE_BASE_COMPILER_H
#define ARENITE_BASE_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#define COLD __attribute__((cold, noinline))
#define UNUSED __attribute__((unused))
#define PRINTF_LIKE(format_index, first_argument) \
    __attribute__((format(printf, format_index, first_argument)))

/* A symbol that users of the library may name; all others stay hidden. */
#define EXPORT __attribute__((visibility("default")))
/* A reference that may stay unresolved (NULL). */
#define WEAK __attribute__((weak))

/* Thread-local storage that costs one segment-relative load and never calls the loader: general
 * dynamic TLS may allocate at the first access of a thread, which would recurse into us. */
#define THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))

/* A function that looks at memory while others may write it, and knows that. */
#define READS_RACILY __attribute__((no_sanitize("thread")))

/* A function that looks at words of a stack that are no variable of its own. */
#define READS_BLINDLY __attribute__((no_sanitize("address")))

#if defined(__SANITIZE_THREAD__)
#define HAS_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_THREAD_SANITIZER 1
#endif
#endif
#ifndef HAS_THREAD_SANITIZER
#define HAS_THREAD_SANITIZER 0
#endif

/* A relaxed atomic load for the fast paths. The machine's plain load of an aligned word is one, and
 * the compiler folds that into other instructions, which it does not do with a builtin; the thread
 * sanitizer wants the builtin. Never to be waited on: the compiler may load once and remember. */
#if HAS_THREAD_SANITIZER
#define LOAD_RELAXED(pointer) __atomic_load_n((pointer), __ATOMIC_RELAXED)
#else
#define LOAD_RELAXED(pointer) (*(pointer))
#endif

/* What the compiler cannot see. */
#define ASSUME(condition) ((condition) ? (void)0 : __builtin_unreachable())

/* Hides from the compiler where a value came from: it must go on from the register that holds it,
 * where it would rather go on from an earlier form of it and keep both. */
#define OPAQUE(value) __asm__("" : "+r"(value))

/* Puts what a function is about to return where it is returned, early: saves the last move. */
#if defined(__x86_64__) || defined(__i386__)
#define IN_RETURN_REGISTER(value) __asm__("" : "+a"(value))
#else
#define IN_RETURN_REGISTER(value) OPAQUE(value)
#endif

#define CACHE_LINE_BYTES 64
#define CACHE_ALIGNED __attribute__((aligned(CACHE_LINE_BYTES)))

/* Orders the compiler's stores as written: what a signal handler or a forked child sees of this
 * thread is then always a prefix of them. Costs no instruction. */
#define compiler_fence() __atomic_signal_fence(__ATOMIC_SEQ_CST)

#endif
