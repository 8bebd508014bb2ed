/* same_bytes.c - the same seed gives the same run: every address and every byte in the window, all
 * faults and the clock.
 * Layer: tests (includes chunk, thread and model).
 *
 * The runs are processes of their own, with their own random places of stack and libraries; this
 * program itself is linked at fixed addresses, because the library's lists lead to its variables.
 * ARENITE_TEST_STEPS, ARENITE_TEST_SEED. */
#include "bed.h"
#include "test_random.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS_USUAL 3000

static void play(struct bed *bed) {
    bed_play(bed, bed->steps);
    printf("%llx\n", (unsigned long long)os_model_digest());
    fflush(stdout);
}

static uint64_t digest_of_run(const char *program, size_t profile, uint64_t seed) {
    char command[4096];
    snprintf(command, sizeof command, "'%s' %zu %llu", program, profile, (unsigned long long)seed);
    FILE *run = popen(command, "r");
    unsigned long long digest = 0;
    TEST_CHECK(run != NULL && fscanf(run, "%llx", &digest) == 1);
    TEST_CHECK(pclose(run) == 0);
    return digest;
}

static void run_once(const char *profile, const char *seed) {
    struct bed bed = {.profile = (enum profile)strtoul(profile, NULL, 10),
                      .thp = THP_MADVISE,
                      .seed = strtoull(seed, NULL, 10),
                      .steps = random_steps(STEPS_USUAL)};
    bed_run(&bed, play);
}

int main(int argc, char **argv) {
    if (argc > 2) {
        run_once(argv[1], argv[2]);
        return 0;
    }
    uint64_t seed = bed_begin("same_bytes");
    for (size_t profile = 0; profile < BED_PROFILES; profile++) {
        uint64_t digest = digest_of_run(argv[0], profile, seed);
        printf("%s: %llx\n", bed_profiles[profile], (unsigned long long)digest);
        TEST_CHECK(digest_of_run(argv[0], profile, seed) == digest);
        TEST_CHECK(digest_of_run(argv[0], profile, seed + 1) != digest);
    }
    return 0;
}
