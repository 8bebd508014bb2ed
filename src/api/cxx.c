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

void *cxx_find_symbol(const char *name, const void *caller) {
    void *symbol = dlsym(RTLD_DEFAULT, name);
    Dl_info place;
    if (symbol != NULL || dladdr(caller, &place) == 0) {
        return symbol;
    }
    void *module = dlopen(place.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (module != NULL) {
        symbol = dlsym(module, name);
        dlclose(module); /* gives back this handle; the caller keeps its module loaded */
    }
    return symbol;
}

cxx_new_handler cxx_find_handler(const void *caller) {
    cxx_new_handler (*get)(void) = weak_get_new_handler;
    if (get == NULL) {
        *(void **)&get = cxx_find_symbol(GET_NEW_HANDLER, caller);
    }
    return get != NULL ? get() : NULL;
}

void cxx_throw_bad_alloc(size_t bytes, const void *caller) {
    void (*throw)(void) = weak_throw_bad_alloc;
    if (throw == NULL) {
        *(void **)&throw = cxx_find_symbol(THROW_BAD_ALLOC, caller);
    }
    if (throw != NULL) {
        throw();
    }
    report_fatal("operator new: no memory for %zu bytes, and no C++ library to throw bad_alloc",
                 bytes);
}

#endif
