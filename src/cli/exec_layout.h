/* exec_layout.h - lays a program out in the model as the kernel and the dynamic linker do.
 * Layer: cli (may use libc). */
#ifndef ARENITE_CLI_EXEC_LAYOUT_H
#define ARENITE_CLI_EXEC_LAYOUT_H

#include "cli/exec_libraries.h"
#include "cli/exec_process.h"
#include "model/mm.h"

struct exec_layout {
    struct machine machine;
    struct mm mm;
    const struct exec_objects *objects;
    struct model_file *files[EXEC_OBJECTS_MAX];
    uint64_t bases[EXEC_OBJECTS_MAX]; /* address 0 of each object's file */
    uint64_t strings_bytes;           /* arguments and environment, in whole pages */
    vaddr special_start;              /* [vvar] and [vdso] */
    struct exec_rows specials;        /* their sizes and names, as this process has them */
};

/* Lays it out at the process's random bases, with its requests for itself; false, with a message,
 * when the model refuses something. strings_bytes: of the arguments, the environment and the path,
 * each with its final NUL. */
bool exec_layout_make(struct exec_layout *layout, const struct exec_objects *objects,
                      const struct exec_process *process, uint64_t strings_bytes);
void exec_layout_destroy(struct exec_layout *layout);

/* The rows that /proc/PID/maps would show. */
void exec_layout_rows(const struct exec_layout *layout, struct exec_rows *rows);

#endif
