/* exec_libraries.h - which libraries a program gets, in the order in which they are mapped.
 * Layer: cli (may use libc).
 *
 * The dynamic linker's rules: what the program needs, then what those need, breadth first, each
 * once. A name without a slash is looked for in the run path, in /etc/ld.so.cache, in the default
 * directories. LD_LIBRARY_PATH and LD_PRELOAD are not looked at: the process is started without.
 * Source: elf/dl-load.c, dl-deps.c and dl-cache.c of glibc 2.36, re-told. */
#ifndef ARENITE_CLI_EXEC_LIBRARIES_H
#define ARENITE_CLI_EXEC_LIBRARIES_H

#include "cli/elf_image.h"

#define EXEC_OBJECTS_MAX 256

/* The program, its interpreter, its libraries; of a static program the first alone. */
struct exec_objects {
    struct elf_image images[EXEC_OBJECTS_MAX];
    size_t count;
    bool has_interpreter;
};

#define EXEC_PROGRAM 0
#define EXEC_INTERPRETER 1
#define EXEC_FIRST_LIBRARY 2

/* Reads all of them; false, with a message, when something is missing. */
bool exec_objects_find(struct exec_objects *objects, const char *path);
void exec_objects_destroy(struct exec_objects *objects);

/* Bytes of /etc/ld.so.cache, which is mapped while libraries are looked for; 0: there is none. */
uint64_t exec_cache_bytes(void);

#endif
