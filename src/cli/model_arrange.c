/* model_arrange.c - makes the address space of the harness what a script expects.
 * Layer: cli (may use libc).
 *
 * Every free place in which the kernel would put a new mapping before the chosen one is filled with
 * inaccessible mappings whose flags nothing of a script has, so that nothing merges with them. */
#include "cli/model_arrange.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define GIB ((uint64_t)1 << 30)
#define SLOT_BYTES (512 * GIB)
#define PAGE 4096UL

/* Not in every libc's headers yet. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

/* ---- what is mapped ------------------------------------------------------------------------ */

struct region {
    uint64_t start;
    uint64_t end;
    bool readable;
    bool writable;
    bool is_stack;
    bool is_heap;
    bool is_special; /* vdso and its like */
};

enum { REGIONS_MAX = 512, MAPS_BYTES = 1 << 17 };

struct space {
    struct region regions[REGIONS_MAX];
    size_t count;
    char text[MAPS_BYTES];
};

static struct space space;

static size_t read_maps(void) {
    int fd = open("/proc/self/maps", O_RDONLY);
    size_t length = 0;
    ssize_t got;
    while (fd >= 0 && length < MAPS_BYTES - 1 &&
           (got = read(fd, space.text + length, MAPS_BYTES - 1 - length)) > 0) {
        length += (size_t)got;
    }
    if (fd >= 0) {
        close(fd);
    }
    space.text[length] = '\0';
    return length;
}

static void parse_region(const char *line, struct region *region) {
    char *at;
    region->start = strtoull(line, &at, 16);
    region->end = strtoull(at + 1, &at, 16);
    region->readable = at[1] == 'r';
    region->writable = at[2] == 'w';
    size_t length = strcspn(line, "\n");
    const char *name = memchr(line, '[', length);
    region->is_stack = name != NULL && strncmp(name, "[stack]", 7) == 0;
    region->is_heap = name != NULL && strncmp(name, "[heap]", 6) == 0;
    region->is_special = name != NULL && !region->is_stack && !region->is_heap;
}

static void look(void) {
    read_maps();
    space.count = 0;
    for (const char *line = space.text; *line != '\0' && space.count < REGIONS_MAX;) {
        parse_region(line, &space.regions[space.count]);
        if ((int64_t)space.regions[space.count].start >= 0) { /* not the vsyscall page */
            space.count++;
        }
        line += strcspn(line, "\n") + 1;
    }
}

/* ---- new mappings -------------------------------------------------------------------------- */

static void *fill(uint64_t at, uint64_t bytes) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at != 0 ? MAP_FIXED_NOREPLACE : 0);
    void *filler = mmap((void *)at, bytes, PROT_NONE, flags, -1, 0);
    if (filler != MAP_FAILED) {
        madvise(filler, bytes, MADV_DONTDUMP);
        madvise(filler, bytes, MADV_RANDOM);
    }
    return filler;
}

static bool is_before_arena(uint64_t address, uint64_t arena, bool bottom_up) {
    return bottom_up ? address < arena : address >= arena;
}

/* Fills what the kernel hands out before it comes to the arena; true when it then comes to it. */
static bool fill_gaps(uint64_t arena, bool bottom_up) {
    for (uint64_t bytes = GIB; bytes >= PAGE; bytes /= 2) {
        for (;;) {
            void *filler = fill(0, bytes);
            if (filler == MAP_FAILED) {
                return false;
            }
            if (!is_before_arena((uint64_t)filler, arena, bottom_up)) {
                munmap(filler, bytes);
                break;
            }
        }
    }
    return true;
}

/* The edge of the libraries at which new mappings go on, from those regions that lie where the
 * kernel maps. */
static uint64_t find_edge(bool bottom_up) {
    const uint64_t low = bottom_up ? 0x2a0000000000 : 0x600000000000;
    const uint64_t high = bottom_up ? 0x500000000000 : UINT64_MAX;
    uint64_t edge = 0;
    for (size_t i = 0; i < space.count; i++) {
        const struct region *region = &space.regions[i];
        if (region->start < low || region->start >= high) {
            continue;
        }
        if (bottom_up) {
            edge = region->end;
        } else if (edge == 0) {
            edge = region->start;
        }
    }
    return edge;
}

/* Chooses the arena so that it, window and anchor lie in one region of 512 GiB. */
static uint64_t choose_arena(uint64_t edge, bool bottom_up) {
    const uint64_t need = 80 * GIB;
    if (bottom_up) {
        uint64_t arena = (edge + GIB - 1) & ~(GIB - 1);
        uint64_t slot_end = (arena | (SLOT_BYTES - 1)) + 1;
        return slot_end - arena < need ? slot_end : arena;
    }
    uint64_t arena = edge & ~(GIB - 1);
    uint64_t slot = (arena - 1) & ~(SLOT_BYTES - 1);
    return arena - slot < need ? slot : arena;
}

static bool arrange_mappings(struct harness_hello *hello, bool bottom_up) {
    uint64_t edge = find_edge(bottom_up);
    uint64_t arena = choose_arena(edge, bottom_up);
    uint64_t from = bottom_up ? edge : arena;
    uint64_t to = bottom_up ? arena : edge;
    if (from != to && fill(from, to - from) == MAP_FAILED) {
        return false;
    }
    hello->arena = arena;
    hello->window_bytes = 16 * GIB;
    hello->window = bottom_up ? arena + 32 * GIB : arena - 48 * GIB;
    hello->anchor = bottom_up ? arena + 60 * GIB : arena - 60 * GIB;
    char *anchor = mmap((void *)hello->anchor, PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (anchor == MAP_FAILED) {
        return false;
    }
    *(volatile char *)anchor = 1;
    return fill_gaps(arena, bottom_up);
}

/* ---- the heap ------------------------------------------------------------------------------ */

/* Fields 45 to 47 of /proc/self/stat: the program's data, and where its heap begins. */
static void read_program(struct harness_hello *hello) {
    int fd = open("/proc/self/stat", O_RDONLY);
    ssize_t got = fd < 0 ? 0 : read(fd, space.text, MAPS_BYTES - 1);
    space.text[got > 0 ? got : 0] = '\0';
    if (fd >= 0) {
        close(fd);
    }
    const char *at = strrchr(space.text, ')');
    uint64_t fields[3] = {0};
    for (int field = 3; at != NULL && field <= 47; field++) {
        at = strchr(at + 1, ' ');
        if (at != NULL && field >= 45) {
            fields[field - 45] = strtoull(at, NULL, 10);
        }
    }
    hello->program_data_bytes = fields[1] - fields[0];
    hello->start_break = fields[2];
}

/* Moves the break to a multiple of 1 GiB and unmaps what lies between, so that the script's heap
 * begins as fresh as its window. The kernel goes on counting from the old start. */
static bool arrange_heap(struct harness_hello *hello) {
    uint64_t old = (uint64_t)sbrk(0);
    uint64_t old_end = (old + PAGE - 1) & ~(PAGE - 1);
    uint64_t start = (old + 2 * GIB) & ~(GIB - 1);
    if (brk((void *)start) != 0) {
        return false;
    }
    hello->break_start = start;
    read_program(hello);
    return munmap((void *)old_end, start - old_end) == 0;
}

void arrange_space(struct harness_hello *hello, bool bottom_up) {
    look();
    if (!arrange_mappings(hello, bottom_up) || !arrange_heap(hello)) {
        hello->error = errno != 0 ? errno : EINVAL;
    }
}

void arrange_stack(struct harness_hello *hello, uint64_t in_use) {
    hello->frame = in_use & ~(PAGE - 1);
    for (size_t i = 0; i < space.count; i++) {
        const struct region *region = &space.regions[i];
        if (region->is_stack && region->start < hello->frame) {
            madvise((void *)region->start, hello->frame - region->start, MADV_DONTNEED);
            space.regions[i].start = hello->frame; /* settle only what is above */
        }
    }
}

/* ---- pages of our own ---------------------------------------------------------------------- */

void arrange_settle(bool again) {
    if (!again) {
        look();
    }
    for (size_t i = 0; i < space.count; i++) {
        const struct region *region = &space.regions[i];
        if (region->is_special || (!region->readable && !region->writable)) {
            continue;
        }
        madvise((void *)region->start, region->end - region->start, MADV_POPULATE_READ);
        for (uint64_t at = region->start; region->writable && at < region->end; at += PAGE) {
            volatile char *byte = (volatile char *)at;
            *byte = *byte; /* ours alone from now on, and the processor knows it */
        }
    }
}
