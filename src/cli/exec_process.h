/* exec_process.h - a real process, stopped where its program begins, and what it asked for until
 * then.
 * Layer: cli (may use libc).
 *
 * It is stopped twice: when the kernel has executed the program (random places are read then), and
 * at the program's entry point, after the dynamic linker. Between the two, system calls are
 * followed: what the linker's and the libraries' own malloc ask for depends on their insides and
 * not on any file, so the model takes these requests over. */
#ifndef ARENITE_CLI_EXEC_PROCESS_H
#define ARENITE_CLI_EXEC_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define EXEC_ROWS_MAX 1024
#define EXEC_REQUESTS_MAX 1024

/* One line of /proc/PID/maps. */
struct exec_row {
    uint64_t start;
    uint64_t end;
    char permissions[5];
    uint64_t offset;
    uint64_t inode;
    char name[256]; /* "": anonymous */
};

struct exec_rows {
    struct exec_row rows[EXEC_ROWS_MAX];
    size_t count;
};

enum exec_request_kind {
    REQUEST_MAP,   /* mmap(NULL, bytes, PROT_READ | PROT_WRITE, private, anonymous) */
    REQUEST_UNMAP, /* munmap(address, bytes) */
    REQUEST_BREAK  /* brk(address) */
};

/* Memory that somebody in the process asked for, for itself, or gave back. */
struct exec_request {
    enum exec_request_kind kind;
    uint64_t address;
    uint64_t bytes;
    bool unreserved;     /* MAP_NORESERVE */
    unsigned after_maps; /* after so many mappings of files, or room for one, at any place */
};

/* Places that the kernel chose at random. */
struct exec_bases {
    uint64_t program;   /* address 0 of the program's file */
    uint64_t mmap_base; /* new mappings go below it; in the classic layout, from it up */
    bool bottom_up;     /* the classic layout */
    uint64_t break_start;
    uint64_t stack_end;
};

struct exec_process {
    pid_t pid;
    struct exec_bases bases;
    struct exec_request requests[EXEC_REQUESTS_MAX];
    size_t request_count;
    struct exec_rows rows; /* at the entry point */
};

/* Starts path with argv and environment and lets it run to entry (an address of its file), which is
 * loaded at bases.program. headers: address of the program headers in the file. False, with a
 * message, when it does not get there. */
bool exec_process_start(struct exec_process *process, const char *path, char *const argv[],
                        char *const environment[], uint64_t entry, uint64_t headers);

/* Ends it. */
void exec_process_stop(struct exec_process *process);

bool exec_read_rows(struct exec_rows *rows, pid_t pid);

#endif
