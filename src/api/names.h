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

/* API_LIBC_ALIAS(malloc); in the file that defines malloc: shows it as __libc_malloc too, where
 * the flavour has such names. */
#if defined(ARENITE_STATIC)
#if __has_attribute(copy)
#define API_ALIAS_OF(name) __attribute__((alias(#name), copy(name)))
#else
#define API_ALIAS_OF(name) __attribute__((alias(#name)))
#endif
#define API_LIBC_ALIAS(name) extern EXPORT __typeof__(name) __libc_##name API_ALIAS_OF(name)
#else
#define API_LIBC_ALIAS(name) _Static_assert(1, "this flavour has no __libc names")
#endif

#endif
