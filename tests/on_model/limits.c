/* limits.c - the allocator at limits of the modelled kernel: requests are served or refused,
 * contents stay, and when a limit is lifted everything can be had again.
 * Layer: tests (includes chunk, thread and model). TIMEOUT_SECONDS: 300
 *
 * Limits come into force before the library's first call or in the middle of its work, small ones
 * and larger ones. ARENITE_TEST_STEPS, ARENITE_TEST_SEED. */
#include "bed.h"
#include "model/mm.h"
#include "test_random.h"

#include <stdio.h>

#define STEPS_USUAL 400
#define MIB ((uint64_t)1 << 20)

static void limit_address_space(struct mm *mm, uint64_t mib) {
    mm->limits.address_space = mib * MIB;
}

static void limit_data(struct mm *mm, uint64_t mib) {
    mm->limits.data = mib * MIB;
}

/* As /proc/sys/vm/max_map_count: what is there already stays. */
static void limit_mappings(struct mm *mm, uint64_t count) {
    mm->machine->personality.max_map_count = count;
}

/* Mode 2 of overcommitting, all of the memory. */
static void limit_commitment(struct mm *mm, uint64_t mib) {
    mm->machine->personality.overcommit = OVERCOMMIT_NEVER;
    mm->machine->personality.overcommit_ratio = 100;
    mm->machine->personality.ram_pages = mib * MIB / MODEL_PAGE_BYTES;
}

static const struct limit {
    const char *name;
    void (*set)(struct mm *mm, uint64_t value);
    uint64_t values[3];
} limits[] = {
    {"address space, MiB", limit_address_space, {1, 12, 300}},
    {"data, MiB", limit_data, {1, 12, 40}},
    {"mappings", limit_mappings, {4, 12, 30}},
    {"commitment, MiB", limit_commitment, {1, 12, 40}},
};
#define LIMITS (sizeof limits / sizeof limits[0])

struct figures {
    size_t refused;
};

struct round {
    const struct limit *limit;
    uint64_t value;
    size_t steps_before;
};

static struct round round_now;

static void play(struct bed *bed) {
    struct mm *mm = os_model_mm();
    const struct mm_limits no_limits = mm->limits;
    const struct personality usual = mm->machine->personality;
    bed_play(bed, round_now.steps_before);
    TEST_CHECK(bed->traffic.refused == 0);
    round_now.limit->set(mm, round_now.value);
    for (size_t part = 0; part < 4; part++) {
        bed_play(bed, bed->steps / 4);
        bed_check(bed);
    }
    ((struct figures *)bed->result)->refused += bed->traffic.refused;
    mm->limits = no_limits;
    mm->machine->personality = usual;
    bed->traffic.refused = 0;
    bed_play(bed, bed->steps / 4);
    TEST_CHECK(bed->traffic.refused == 0);
    bed_check(bed);
    bed_end(bed);
}

static void play_limit(struct bed *bed, const struct limit *limit) {
    struct figures *figures = bed->result;
    for (size_t i = 0; i < 2 * sizeof limit->values / sizeof limit->values[0]; i++) {
        round_now = (struct round){limit, limit->values[i / 2], i % 2 * bed->steps / 2};
        bed_run(bed, play);
    }
    printf("%s, %s: %zu requests refused\n", bed_profiles[bed->profile], limit->name,
           figures->refused);
    /* A few mappings can be enough. */
    TEST_CHECK(figures->refused > 0 || limit->set == limit_mappings);
    figures->refused = 0;
}

int main(void) {
    uint64_t seed = bed_begin("limits");
    struct figures *figures = bed_share(sizeof *figures);
    for (size_t profile = 0; profile < BED_PROFILES; profile++) {
        struct bed bed = {.profile = (enum profile)profile,
                          .thp = THP_MADVISE,
                          .seed = seed,
                          .steps = random_steps(STEPS_USUAL),
                          .result = figures};
        for (size_t i = 0; i < LIMITS && bed_wants(bed.profile); i++) {
            play_limit(&bed, &limits[i]);
        }
    }
    return 0;
}
