/* lib_audit.c - an auditor of the loader (LD_AUDIT) that looks at every library and every binding
 * and allocates while it does.
 * Layer: tests (includes libc only). */
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

unsigned la_version(unsigned version) {
    dprintf(STDOUT_FILENO, "audited\n");
    return version;
}

unsigned la_objopen(struct link_map *map, Lmid_t space, uintptr_t *cookie) {
    (void)map;
    (void)space;
    (void)cookie;
    free(malloc(1000));
    return LA_FLG_BINDTO | LA_FLG_BINDFROM;
}

#if defined(__x86_64__)
uintptr_t la_symbind64(Elf64_Sym *symbol, unsigned index, uintptr_t *from, uintptr_t *to,
                       unsigned *flags, const char *name) {
    (void)index;
    (void)from;
    (void)to;
    (void)flags;
    (void)name;
    free(calloc(1, 100));
    return symbol->st_value;
}
#endif
