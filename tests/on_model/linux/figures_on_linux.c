/* figures_on_linux.c - the other half of kernel_figures.c: the same script on the running kernel.
 * Layer: tests (includes thread and model, of which only the clock is there).
 *
 *     figures_on_linux PROFILE SEED STEPS ROWS
 *
 * Prints a row "faults pages" after each part of
 * the script: minor faults since its start, and anonymous pages resident since then. All else that
 * could fault is made present before: the program is static, each of its mappings is populated, and
 * libc's malloc is not used until all is measured. */
#include "bed.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define ROWS_MAX 100

struct row {
    long faults;
    long pages;
};

static char text[1 << 16];

static void read_text(const char *path) {
    int descriptor = open(path, O_RDONLY);
    size_t length = 0;
    ssize_t got;
    while ((got = read(descriptor, text + length, sizeof text - 1 - length)) > 0) {
        length += (size_t)got;
    }
    text[length] = '\0';
    close(descriptor);
}

/* What cannot be written is read. */
static void populate_all(void) {
    read_text("/proc/self/maps");
    for (char *line = text; line[0] != '\0'; line = strchr(line, '\n') + 1) {
        char *rest;
        uintptr_t start = strtoul(line, &rest, 16);
        uintptr_t end = strtoul(rest + 1, NULL, 16);
        if (madvise((void *)start, end - start, MADV_POPULATE_WRITE) != 0) {
            madvise((void *)start, end - start, MADV_POPULATE_READ);
        }
    }
}

static struct row measure(void) {
    struct row row = {0, 0};
    struct rusage usage;
    read_text("/proc/self/smaps_rollup");
    const char *anonymous = strstr(text, "Anonymous:");
    row.pages = anonymous == NULL ? 0 : strtol(anonymous + strlen("Anonymous:"), NULL, 10) / 4;
    getrusage(RUSAGE_SELF, &usage);
    row.faults = usage.ru_minflt;
    return row;
}

/* To where the model's is in its 4 GiB, away from those that this program's own data lie in. */
static void move_break(void) {
    uintptr_t span = (uintptr_t)1 << 32;
    uintptr_t now = (uintptr_t)sbrk(0);
    uintptr_t wanted = (now | (span - 1)) + 1 + OS_MODEL_BREAK_OFFSET;
    if (sbrk((intptr_t)(wanted - now)) == (void *)-1) {
        test_skip("the break cannot be moved by 5 GiB");
    }
}

/* Fills all addresses above those of the model's mappings: so the kernel begins there, too. */
static void fill_above(uintptr_t base) {
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page, 4096);
    void *filler = mmap((void *)base, (uintptr_t)page + 4096 - base, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    TEST_CHECK((uintptr_t)filler == base);
}

int main(int argc, char **argv) {
    static struct row rows[ROWS_MAX + 1];
    struct bed bed = {.keeps_states = true};
    TEST_CHECK(argc == 5);
    bed.profile = (enum profile)strtoul(argv[1], NULL, 10);
    bed.seed = strtoull(argv[2], NULL, 10);
    size_t steps = strtoul(argv[3], NULL, 10), count = strtoul(argv[4], NULL, 10);
    TEST_CHECK(count <= ROWS_MAX);
    params_use_profile(bed.profile);
    os_model_set_world(bed.seed, 2);
    bed_prepare(&bed);
    populate_all();
    move_break();
    fill_above(OS_MODEL_MMAP_BASE);
    rows[0] = measure();
    rows[0] = measure();
    bed_leave_static_records();
    for (size_t i = 1; i <= count; i++) {
        bed_play(&bed, steps);
        rows[i] = measure();
    }
    for (size_t i = 1; i <= count; i++) {
        printf("%ld %ld\n", rows[i].faults - rows[0].faults, rows[i].pages - rows[0].pages);
    }
    return 0;
}
