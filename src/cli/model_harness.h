/* model_harness.h - the process in which `arenite model check` makes the real calls.
 * Layer: cli (may use libc).
 *
 * A forked child of the tool arranges its address space as model_scene.c describes, then takes
 * requests from a pipe, makes one system call (or touches pages) for each, and answers with what
 * the kernel said. Before that it makes present every page that it will ever use itself, so that
 * the faults it counts are the script's; after a fork both processes do so again. */
#ifndef ARENITE_CLI_MODEL_HARNESS_H
#define ARENITE_CLI_MODEL_HARNESS_H

#include "cli/model_script.h"

#include <stdint.h>
#include <sys/types.h>

enum harness_task { HARNESS_PARENT, HARNESS_CHILD, HARNESS_TASKS };

struct harness_request {
    enum script_verb verb;
    uint64_t address;
    uint64_t length;
    uint64_t new_length;
    uint64_t target;
    int protection; /* PROT_* */
    int flags;      /* MAP_*, MREMAP_* or RLIMIT_* */
    int advice;     /* MADV_* */
    int slot;       /* of a file or a thread */
};

struct harness_reply {
    uint64_t result;
    uint64_t result_length;
    int error;  /* errno, 0 */
    int signal; /* SIGSEGV or SIGBUS when touching failed, with its code */
    int signal_code;
    int64_t minflt;
    int64_t majflt;
    pid_t pid; /* of a forked child */
};

struct harness_hello {
    int error;      /* errno when the arrangement failed */
    uint64_t arena; /* new mappings go below it (or, bottom-up, from it) */
    uint64_t window;
    uint64_t window_bytes;
    uint64_t anchor;
    uint64_t break_start; /* the script's */
    uint64_t start_break; /* the kernel's */
    uint64_t program_data_bytes;
    uint64_t frame;
};

/* Pipes of one process: requests come in, replies go out. */
struct harness_pipes {
    int in;
    int out;
};

#define HARNESS_SLOTS 64

/* Never returns. Ends when the request pipe closes. */
_Noreturn void harness_run(const struct harness_pipes pipes[HARNESS_TASKS], bool bottom_up);

#endif
