/* documents.c - the programs that the notes on glibc's malloc show, step by step.
 * Layer: tests (includes libc only).
 *
 * Usage: documents sequence            blocks of 30K, 40K, 200K, 100K; the last three freed
 *        documents blocks N SIZE STEP  N blocks of SIZE bytes, every STEPth freed
 *        documents kibibytes           200 blocks of i KiB, the odd ones freed
 * Nothing here allocates but the calls shown: lines are written at once (sequence), or figures are
 * read into variables and written at the end. */
#include <fcntl.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIB ((size_t)1024)
#define BLOCKS_MAX 100000

static uintptr_t break_start;

static void say(const char *format, ...) {
    char line[200];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (write(STDOUT_FILENO, line, (size_t)length) != length) {
        _exit(1);
    }
}

/* ---- /proc/self/maps ------------------------------------------------------------------------ */

static char maps[65536];

static void read_maps(void) {
    int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t got;
    while ((got = read(file, maps + length, sizeof maps - 1 - length)) > 0) {
        length += (size_t)got;
    }
    maps[length] = '\0';
    if (close(file) != 0 || length == 0) {
        _exit(1);
    }
}

/* The line of the mapping that an address lies in, NULL when it is not mapped. */
static const char *find_mapping(uintptr_t address) {
    for (const char *line = maps; *line != '\0'; line = strchr(line, '\n') + 1) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx", &start, &end) == 2 && address >= start && address < end) {
            return line;
        }
    }
    return NULL;
}

/* Bytes of the region that the kernel calls [heap]. */
static size_t heap_bytes(void) {
    const char *name = strstr(maps, "[heap]");
    unsigned long start, end;
    if (name == NULL) {
        return 0;
    }
    while (name > maps && name[-1] != '\n') {
        name--;
    }
    return sscanf(name, "%lx-%lx", &start, &end) == 2 ? end - start : 0;
}

/* ---- A, B, C, D ----------------------------------------------------------------------------- */

static const char *place_of(const void *block) {
    static char text[60];
    uintptr_t address = (uintptr_t)block;
    if (address >= break_start && address < (uintptr_t)sbrk(0)) {
        snprintf(text, sizeof text, "heap +%zu", address - break_start);
    } else {
        snprintf(text, sizeof text, "page +%zu", address % 4096);
    }
    return text;
}

static void say_state(const void *mapped) {
    read_maps();
    say("  [heap] %zu, C %s\n", heap_bytes(),
        mapped != NULL && find_mapping((uintptr_t)mapped) != NULL ? "is mapped" : "is not mapped");
}

static void *step_malloc(const char *name, size_t bytes, const void *mapped) {
    void *block = malloc(bytes);
    say("%s = malloc(%zuK): %s\n", name, bytes / KIB, place_of(block));
    say_state(mapped != NULL ? mapped : block);
    return block;
}

static void step_free(const char *name, void *block, const void *mapped) {
    free(block);
    say("free(%s)\n", name);
    say_state(mapped);
}

static int run_sequence(void) {
    break_start = (uintptr_t)sbrk(0);
    say("start\n");
    say_state(NULL);
    void *a = malloc(30 * KIB);
    say("A = malloc(30K): %s\n", place_of(a));
    say_state(NULL);
    void *b = malloc(40 * KIB);
    say("B = malloc(40K): %s\n", place_of(b));
    say_state(NULL);
    void *c = step_malloc("C", 200 * KIB, NULL);
    void *d = step_malloc("D", 100 * KIB, c);
    step_free("C", c, c);
    step_free("B", b, c);
    step_free("D", d, c);
    return 0;
}

/* ---- the two programs that print mallinfo ---------------------------------------------------- */

static void *blocks[BLOCKS_MAX];

static void say_info(const char *when, struct mallinfo2 info) {
    say("%s: arena %zu ordblks %zu smblks %zu hblks %zu hblkhd %zu usmblks %zu fsmblks %zu "
        "uordblks %zu fordblks %zu keepcost %zu\n",
        when, info.arena, info.ordblks, info.smblks, info.hblks, info.hblkhd, info.usmblks,
        info.fsmblks, info.uordblks, info.fordblks, info.keepcost);
}

static int run_blocks(size_t count, size_t bytes, size_t step) {
    struct mallinfo2 before = mallinfo2();
    for (size_t i = 0; i < count; i++) {
        blocks[i] = malloc(bytes);
    }
    struct mallinfo2 allocated = mallinfo2();
    for (size_t i = 0; i < count; i += step) {
        free(blocks[i]);
    }
    struct mallinfo2 freed = mallinfo2();
    say_info("before", before);
    say_info("allocated", allocated);
    say_info("freed", freed);
    return 0;
}

static int run_kibibytes(void) {
    for (size_t i = 0; i < 200; i++) {
        blocks[i] = malloc(i * KIB);
    }
    struct mallinfo2 allocated = mallinfo2();
    for (size_t i = 1; i < 200; i += 2) {
        free(blocks[i]);
    }
    struct mallinfo2 freed = mallinfo2();
    say_info("allocated", allocated);
    say_info("freed", freed);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "sequence") == 0) {
        return run_sequence();
    }
    if (argc == 2 && strcmp(argv[1], "kibibytes") == 0) {
        return run_kibibytes();
    }
    if (argc == 5 && strcmp(argv[1], "blocks") == 0) {
        size_t count = strtoul(argv[2], NULL, 0);
        return count <= BLOCKS_MAX
                   ? run_blocks(count, strtoul(argv[3], NULL, 0), strtoul(argv[4], NULL, 0))
                   : 2;
    }
    return 2;
}
