/* cxx.h - what the C++ operators share: their names, and what they need of a C++ library.
 * Layer: api (includes thread and below).
 *
 * Nothing here is linked with a C++ library. The handler and the throw are weak imports, looked up
 * again when they are missing, because the C++ library may have come by dlopen. `caller` is the
 * return address of the operator. All of this is cold. */
#ifndef ARENITE_API_CXX_H
#define ARENITE_API_CXX_H

#include "base/compiler.h"

#if UINTPTR_MAX > 0xffffffffu
#define CXX_SIZE "m" /* mangled size_t: unsigned long */
#else
#define CXX_SIZE "j" /* unsigned int */
#endif
#define CXX_ALIGN "St11align_val_t"
#define CXX_NOTHROW "RKSt9nothrow_t"

/* Declares a public operator under its mangled name. Weak, so that the compiler may not assume
 * that calls of it end in our definition, and so that a linked program may have its own. */
#define CXX_OPERATOR(type, name, parameters, mangled) \
    EXPORT WEAK type name parameters __asm__(mangled)

typedef void (*cxx_new_handler)(void);

/* The handler that std::set_new_handler set, or NULL. */
COLD cxx_new_handler cxx_find_handler(const void *caller);

/* Throws std::bad_alloc; without a C++ library the process ends with a line. */
_Noreturn COLD void cxx_throw_bad_alloc(size_t bytes, const void *caller);

/* Whether no program has replaced one of the operators new. In the archive they are the C++
 * library's, which call malloc for what they are asked for. */
#if defined(ARENITE_SHARED)
COLD bool cxx_new_is_ours(void);
#else
INLINE bool cxx_new_is_ours(void) {
    return true;
}
#endif

/* Whether no program has replaced an operator new or delete. In the archive the operators new are
 * the C++ library's, and nothing they call tells them from malloc. */
#if defined(ARENITE_SHARED)
COLD bool cxx_operators_are_ours(void);
#else
INLINE bool cxx_operators_are_ours(void) {
    return false;
}
#endif

/* The C++ library's own version of an operator of ours, or NULL. */
COLD void *cxx_find_next(const char *mangled, const void *caller);

#endif
