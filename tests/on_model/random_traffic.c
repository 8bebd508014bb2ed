/* random_traffic.c - the allocator's random traffic on the model kernel, with audits of both.
 * Layer: tests (includes chunk, thread and model).
 *
 * ARENITE_TEST_STEPS: operations of each profile; ARENITE_TEST_SEED. */
#include "bed.h"
#include "test_random.h"

#include <stdio.h>

#define STEPS_USUAL 12000
#define STEPS_BETWEEN_CHECKS 500

struct figures {
    uint64_t calls;
    uint64_t faults;
    uint64_t refused;
};

static void play(struct bed *bed) {
    for (size_t done = 0; done < bed->steps; done += STEPS_BETWEEN_CHECKS) {
        bed_play(bed, STEPS_BETWEEN_CHECKS);
        bed_check(bed);
    }
    struct figures *figures = bed->result;
    figures->refused = bed->traffic.refused;
    bed_end(bed);
    figures->calls = os_model_counts().calls;
    figures->faults = os_model_usage().minor_faults;
}

/* With all memory at hand, nothing may be refused. */
static void play_profile(enum profile profile, enum index_kind index, uint64_t seed) {
    struct figures *figures = bed_share(sizeof *figures);
    struct bed bed = {.profile = profile,
                      .index = index,
                      .thp = THP_MADVISE,
                      .seed = seed,
                      .steps = random_steps(STEPS_USUAL),
                      .result = figures};
    bed_run(&bed, play);
    printf("%s, %s: %zu operations, %llu kernel calls, %llu faults\n", bed_profiles[profile],
           index == INDEX_MAPLE ? "maple" : "rbtree", bed.steps, (unsigned long long)figures->calls,
           (unsigned long long)figures->faults);
    TEST_CHECK(figures->refused == 0 && figures->calls > 0 && figures->faults > 0);
}

int main(void) {
    uint64_t seed = bed_begin("random_traffic");
    for (size_t profile = 0; profile < BED_PROFILES; profile++) {
        if (bed_wants((enum profile)profile)) {
            play_profile((enum profile)profile, profile % 2 == 0 ? INDEX_MAPLE : INDEX_RBTREE,
                         seed + profile);
        }
    }
    return 0;
}
