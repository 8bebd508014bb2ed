/* exec_process.c - a real process, stopped where its program begins.
 * Layer: cli (may use libc). */
#include "cli/exec_process.h"

#include "cli/cli.h"
#include "cli/text.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- /proc --------------------------------------------------------------------------------- */

static FILE *open_proc(pid_t pid, const char *name) {
    char *path = text_format("/proc/%d/%s", (int)pid, name);
    FILE *file = fopen(path, "re");
    free(path);
    return file;
}

static bool parse_row(const char *line, struct exec_row *row) {
    char name[sizeof row->name] = "";
    int fields = sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %" SCNu64 " %255[^\n]",
                        &row->start, &row->end, row->permissions, &row->offset, &row->inode, name);
    strcpy(row->name, name);
    return fields >= 5;
}

/* Without [vsyscall], which is no mapping of the process. */
bool exec_read_rows(struct exec_rows *rows, pid_t pid) {
    char line[1024];
    FILE *file = open_proc(pid, "maps");
    rows->count = 0;
    while (file != NULL && fgets(line, sizeof line, file) != NULL && rows->count < EXEC_ROWS_MAX) {
        struct exec_row *row = &rows->rows[rows->count];
        rows->count += parse_row(line, row) && strcmp(row->name, "[vsyscall]") != 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return rows->count > 0;
}

static uint64_t read_auxiliary(pid_t pid, uint64_t type) {
    Elf64_auxv_t entry;
    uint64_t value = 0;
    FILE *file = open_proc(pid, "auxv");
    while (file != NULL && fread(&entry, sizeof entry, 1, file) == 1) {
        value = entry.a_type == type ? entry.a_un.a_val : value;
    }
    if (file != NULL) {
        fclose(file);
    }
    return value;
}

/* Field 47 of stat. */
static uint64_t read_break_start(pid_t pid) {
    char text[2048] = "";
    FILE *file = open_proc(pid, "stat");
    if (file != NULL) {
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
    }
    const char *at = strrchr(text, ')'); /* the end of field 2 */
    for (int field = 2; at != NULL && field < 47; field++) {
        at = strchr(at + 1, ' ');
    }
    return at == NULL ? 0 : strtoull(at, NULL, 10);
}

/* The end of what lies side by side from a row on: nothing but the interpreter, or a program that
 * has none, was mapped before [vdso]. */
static uint64_t end_of_run(const struct exec_rows *rows, size_t row) {
    while (row + 1 < rows->count && rows->rows[row].end == rows->rows[row + 1].start) {
        row++;
    }
    return rows->rows[row].end;
}

static uint64_t start_of_run(const struct exec_rows *rows, size_t row) {
    while (row > 0 && rows->rows[row - 1].end == rows->rows[row].start) {
        row--;
    }
    return rows->rows[row].start;
}

static void read_bases(struct exec_process *process, uint64_t headers) {
    struct exec_rows *rows = &process->rows;
    int layout = personality(0xffffffff); /* the child's as well */
    process->bases.bottom_up = layout != -1 && (layout & ADDR_COMPAT_LAYOUT) != 0;
    process->bases.program = read_auxiliary(process->pid, AT_PHDR) - headers;
    process->bases.break_start = read_break_start(process->pid);
    exec_read_rows(rows, process->pid);
    for (size_t i = 0; i < rows->count; i++) {
        if (strcmp(rows->rows[i].name, "[stack]") == 0) {
            process->bases.stack_end = rows->rows[i].end;
        } else if (strcmp(rows->rows[i].name, "[vdso]") == 0) {
            process->bases.mmap_base =
                process->bases.bottom_up ? start_of_run(rows, i) : end_of_run(rows, i);
        }
    }
}

/* ---- following it -------------------------------------------------------------------------- */

static bool wait_for_stop(pid_t pid, int *signal) {
    int status;
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) {
        return false;
    }
    *signal = WSTOPSIG(status);
    return true;
}

static void add_request(struct exec_process *process, struct exec_request request) {
    if (process->request_count < EXEC_REQUESTS_MAX) {
        process->requests[process->request_count++] = request;
    }
}

/* A system call that succeeded. */
static void note_call(struct exec_process *process, const struct user_regs_struct *registers,
                      unsigned *maps) {
    const unsigned long long failed = (unsigned long long)-4095;
    bool anywhere = registers->rdi == 0 && registers->rax < failed;
    bool anonymous = (registers->r10 & MAP_ANONYMOUS) != 0;
    bool writable = registers->rdx == (PROT_READ | PROT_WRITE);
    if (registers->orig_rax == SYS_mmap && anywhere && anonymous && writable) {
        add_request(process,
                    (struct exec_request){.kind = REQUEST_MAP,
                                          .bytes = registers->rsi,
                                          .unreserved = (registers->r10 & MAP_NORESERVE) != 0,
                                          .after_maps = *maps});
    } else if (registers->orig_rax == SYS_mmap && anywhere) {
        (*maps)++; /* a file, or room to align one in */
    } else if (registers->orig_rax == SYS_brk && registers->rdi != 0) {
        add_request(process, (struct exec_request){.kind = REQUEST_BREAK,
                                                   .address = registers->rax,
                                                   .after_maps = *maps});
    } else if (registers->orig_rax == SYS_munmap && registers->rax == 0) {
        add_request(process, (struct exec_request){.kind = REQUEST_UNMAP,
                                                   .address = registers->rdi,
                                                   .bytes = registers->rsi,
                                                   .after_maps = *maps});
    }
}

#define SYSCALL_STOP (SIGTRAP | 0x80)

/* Lets it run until it comes to the breakpoint at an address. */
static bool follow(struct exec_process *process, uint64_t stop) {
    unsigned maps = 0;
    bool inside = false; /* a system call */
    int signal = 0;
    for (;;) {
        long passed = signal == SYSCALL_STOP || signal == SIGTRAP ? 0 : signal;
        struct user_regs_struct registers;
        if (ptrace(PTRACE_SYSCALL, process->pid, NULL, passed) != 0 ||
            !wait_for_stop(process->pid, &signal) ||
            ptrace(PTRACE_GETREGS, process->pid, NULL, &registers) != 0) {
            return false;
        }
        if (signal == SYSCALL_STOP) {
            inside = !inside;
            if (!inside) {
                note_call(process, &registers, &maps);
            }
        } else if (signal == SIGTRAP && registers.rip == stop + 1) {
            return true;
        }
    }
}

/* ---- start and end ------------------------------------------------------------------------- */

static _Noreturn void become(const char *path, char *const argv[], char *const environment[]) {
    int quiet = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(quiet, STDIN_FILENO);
    dup2(quiet, STDOUT_FILENO);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    execve(path, argv, environment);
    _exit(CLI_NOT_EXECUTABLE);
}

static bool run_to_entry(struct exec_process *process, uint64_t entry, uint64_t headers) {
    int signal;
    pid_t pid = process->pid;
    if (!wait_for_stop(pid, &signal) ||
        ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) != 0) {
        return false;
    }
    read_bases(process, headers);
    uint64_t stop = process->bases.program + entry;
    errno = 0;
    long word = ptrace(PTRACE_PEEKTEXT, pid, stop, NULL);
    long trap = (long)(((unsigned long)word & ~0xffUL) | 0xcc);
    return errno == 0 && ptrace(PTRACE_POKETEXT, pid, stop, trap) == 0 && follow(process, stop);
}

bool exec_process_start(struct exec_process *process, const char *path, char *const argv[],
                        char *const environment[], uint64_t entry, uint64_t headers) {
    *process = (struct exec_process){0};
    fflush(stdout);
    process->pid = fork();
    if (process->pid == 0) {
        become(path, argv, environment);
    }
    if (process->pid > 0 && run_to_entry(process, entry, headers) &&
        exec_read_rows(&process->rows, process->pid)) {
        return true;
    }
    say("%s cannot be followed to its entry point (is ptrace allowed?)", path);
    exec_process_stop(process);
    return false;
}

void exec_process_stop(struct exec_process *process) {
    if (process->pid > 0) {
        kill(process->pid, SIGKILL);
        while (waitpid(process->pid, NULL, 0) > 0) {
        }
        process->pid = 0;
    }
}
