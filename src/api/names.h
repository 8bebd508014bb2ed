/* names.h - the names under which each flavour of the library shows its functions.
 * Layer: api.
 *
 *   flavour             malloc is called     also defined
 *   ARENITE_SHARED      malloc               -
 *   ARENITE_STATIC      malloc               __libc_malloc ...: all that libc's own malloc.o
 *                                            defines, so that the linker has no reason to add it
 *   ARENITE_PREFIXED    arenite_malloc       -  (no C++ operators either)
 *
 * Definitions are written `EXPORT void *API(malloc)(size_t bytes)`. As in glibc, only malloc, free
 * and realloc are strong symbols of the archive: API_EXPORT_WEAK lets a program that is linked
 * with it replace any of the others. */
#ifndef ARENITE_API_NAMES_H
#define ARENITE_API_NAMES_H

#include "base/compiler.h"

#if defined(ARENITE_PREFIXED)
#define API(name) arenite_##name
#else
#define API(name) name
#endif

#if defined(ARENITE_STATIC)
#define API_EXPORT_WEAK EXPORT WEAK
#else
#define API_EXPORT_WEAK EXPORT
#endif

#if __has_attribute(copy) /* keeps gcc quiet about attributes that the alias does not repeat */
#define API_ALIAS_OF(target) __attribute__((alias(#target), copy(target)))
#else
#define API_ALIAS_OF(target) __attribute__((alias(#target)))
#endif
#define API_ALIAS_OF_NAME(target) API_ALIAS_OF(target)

/* API_ALIAS(cfree, free); in the file that defines free: shows it as cfree too. */
#define API_ALIAS(name, target) \
    extern API_EXPORT_WEAK __typeof__(API(target)) API(name) API_ALIAS_OF_NAME(API(target))

/* API_LIBC_ALIAS(malloc); shows it as __libc_malloc, where the flavour has such names. */
#if defined(ARENITE_STATIC)
#define API_LIBC_ALIAS(name) extern EXPORT __typeof__(name) __libc_##name API_ALIAS_OF(name)
#else
#define API_LIBC_ALIAS(name) _Static_assert(1, "this flavour has no __libc names")
#endif

#endif
