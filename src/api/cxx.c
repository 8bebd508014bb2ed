/* cxx.c - see cxx.h.
 * Layer: api (includes thread and below). Only in the shared library. */
#include "api/cxx.h"

#if defined(ARENITE_SHARED)

#include "os/report.h"

#include <dlfcn.h>

#define GET_NEW_HANDLER "_ZSt15get_new_handlerv"
#define THROW_BAD_ALLOC "_ZSt17__throw_bad_allocv"

extern WEAK cxx_new_handler weak_get_new_handler(void) __asm__(GET_NEW_HANDLER);
extern WEAK void weak_throw_bad_alloc(void) __asm__(THROW_BAD_ALLOC);

/* In the caller's module and what it depends on: a plugin may have brought the C++ library for
 * itself, invisible to all others. */
static void *find_from(const void *caller, const char *name) {
    Dl_info place;
    void *module = NULL;
    if (dladdr(caller, &place) != 0) {
        module = dlopen(place.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    }
    if (module == NULL) {
        return NULL;
    }
    void *symbol = dlsym(module, name);
    dlclose(module); /* gives back this handle; the caller keeps its module loaded */
    return symbol;
}

static void *find_symbol(const char *name, const void *caller) {
    void *symbol = dlsym(RTLD_DEFAULT, name);
    return symbol != NULL ? symbol : find_from(caller, name);
}

void *cxx_find_next(const char *mangled, const void *caller) {
    void *next = dlsym(RTLD_NEXT, mangled);
    return next != NULL ? next : find_from(caller, mangled);
}

cxx_new_handler cxx_find_handler(const void *caller) {
    cxx_new_handler (*get)(void) = weak_get_new_handler;
    if (get == NULL) {
        *(void **)&get = find_symbol(GET_NEW_HANDLER, caller);
    }
    return get != NULL ? get() : NULL;
}

void cxx_throw_bad_alloc(size_t bytes, const void *caller) {
    void (*throw)(void) = weak_throw_bad_alloc;
    if (throw == NULL) {
        *(void **)&throw = find_symbol(THROW_BAD_ALLOC, caller);
    }
    if (throw != NULL) {
        throw();
    }
    report_fatal("operator new: no memory for %zu bytes, and no C++ library to throw bad_alloc",
                 bytes);
}

#endif
