/* kernel_figures.c - minor faults and resident pages of the library, as the model counts them and
 * as the running kernel counts them for the same script, to the page.
 * Layer: tests (includes thread and model).
 *
 * The script is played twice: by figures_on_linux, whose memory is Linux's, and here. Clock and
 * chance are the model's in both, and mappings have the same addresses, the heap the same within
 * 4 GiB, because slabs' colours and the page map's own pages depend on them. The kernel also counts
 * faults that change nothing (another processor's late news, a translation fetched too early), so
 * it may count more: a difference counts when it comes again.
 *
 * ARENITE_TEST_STEPS: of each part; ARENITE_TEST_SEED. */
#include "bed.h"
#include "test_random.h"

#include <stdio.h>
#include <string.h>

#define ROWS 10
#define STEPS_USUAL 300
#define TRIES 4

struct figures {
    long faults[ROWS];
    long pages[ROWS];
};

/* With a stack of the usual limit: without one the kernel lays mappings out from below. */
static void run_on_linux(const struct bed *bed, struct figures *figures) {
    char command[4096];
    snprintf(command, sizeof command, "ulimit -S -s 8192; exec '%s' %d %llu %zu %d",
             FIGURES_ON_LINUX, (int)bed->profile, (unsigned long long)bed->seed, bed->steps, ROWS);
    FILE *run = popen(command, "r");
    TEST_CHECK(run != NULL);
    for (size_t i = 0; i < ROWS; i++) {
        TEST_CHECK(fscanf(run, "%ld %ld", &figures->faults[i], &figures->pages[i]) == 2);
    }
    TEST_CHECK(pclose(run) == 0);
}

static void play(struct bed *bed) {
    struct figures *figures = bed->result;
    bed_leave_static_records();
    for (size_t i = 0; i < ROWS; i++) {
        bed_play(bed, bed->steps);
        figures->faults[i] = (long)os_model_usage().minor_faults;
        figures->pages[i] = (long)os_model_usage().resident_pages;
    }
    bed_check(bed);
}

static size_t differences(const struct figures *real, const struct figures *modelled) {
    size_t count = 0;
    for (size_t i = 0; i < ROWS; i++) {
        count += real->faults[i] != modelled->faults[i];
        count += real->pages[i] != modelled->pages[i];
    }
    return count;
}

static void show(const struct figures *real, const struct figures *modelled) {
    for (size_t i = 0; i < ROWS; i++) {
        printf("  part %zu: faults %ld kernel, %ld model; pages %ld kernel, %ld model\n", i,
               real->faults[i], modelled->faults[i], real->pages[i], modelled->pages[i]);
    }
}

static void compare(struct bed *bed) {
    struct figures *modelled = bed->result;
    struct figures real;
    size_t found = 1;
    bed_run(bed, play);
    for (size_t i = 0; i < TRIES && found != 0; i++) {
        run_on_linux(bed, &real);
        found = differences(&real, modelled);
    }
    printf("%s: %ld faults, %ld pages, %zu differences\n", bed_profiles[bed->profile],
           modelled->faults[ROWS - 1], modelled->pages[ROWS - 1], found);
    if (found != 0) {
        show(&real, modelled);
    }
    TEST_CHECK(found == 0);
}

/* The setting under which memory of the library's kind stays in small pages. */
static bool has_huge_pages_always(void) {
    char text[64] = "";
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    if (file != NULL) {
        (void)!fread(text, 1, sizeof text - 1, file);
        fclose(file);
    }
    return strstr(text, "[always]") != NULL;
}

int main(void) {
    uint64_t seed = bed_begin("kernel_figures");
    if (has_huge_pages_always()) {
        test_skip("transparent huge pages are set to always: khugepaged and faults depend on load");
    }
    for (size_t profile = 0; profile < BED_PROFILES; profile++) {
        struct bed bed = {.profile = (enum profile)profile,
                          .thp = THP_MADVISE,
                          .clock_stands = true,
                          .keeps_states = true,
                          .seed = seed,
                          .steps = random_steps(STEPS_USUAL),
                          .result = bed_share(sizeof(struct figures))};
        if (bed_wants(bed.profile)) {
            compare(&bed);
        }
    }
    return 0;
}
