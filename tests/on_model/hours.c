/* hours.c - hours of traffic, compressed by the model's clock, with audits; nothing piles up.
 * Layer: tests (includes chunk, thread and model).
 *
 * A round is a burst of traffic and a pause, in which memory that is kept because it was wanted may
 * be given back; now and then a pause is as long as a night. At the end of each hour all is freed
 * and trimmed: what the threads then keep for themselves has a bound. When the threads have ended,
 * too, little more may be there than after the first hour's: as if nothing had been.
 *
 * The ptmalloc profiles keep what lies below a heap's last block, as ptmalloc does: no bound.
 * ARENITE_TEST_STEPS: hours (6); ARENITE_TEST_SEED: 1 if it is not set. */
#include "bed.h"
#include "test_random.h"

#include <stdio.h>

#define HOURS_USUAL 6
#define ROUNDS_AN_HOUR 30
#define STEPS_A_ROUND 60
#define SECOND_NS ((uint64_t)1000000000)
#define ROUND_NS (120 * SECOND_NS)
#define NIGHT_NS (8 * 3600 * SECOND_NS)
/* With all freed: caches, a partly used slab of each class, retained pages of three threads. With
 * all ended: records and heads of heaps. */
#define KEPT_PAGES_MAX 4096
#define LEFT_PAGES_MAX 64

struct figures {
    uint64_t first_pages, most_pages; /* after an hour's end */
    uint64_t left_pages;              /* after the threads' end */
    uint64_t calls;
};

static void run_hour(struct bed *bed) {
    for (size_t round = 0; round < ROUNDS_AN_HOUR; round++) {
        bed_play(bed, STEPS_A_ROUND);
        os_model_pass_ns(traffic_below(&bed->traffic.random, 100) == 0 ? NIGHT_NS : ROUND_NS);
    }
    bed_check(bed);
    traffic_empty(&bed->traffic);
    bed_check_sound();
    malloc_trim(0);
}

static void play(struct bed *bed) {
    struct figures *figures = bed->result;
    for (size_t hour = 0; hour < bed->steps; hour++) {
        run_hour(bed);
        uint64_t pages = os_model_usage().resident_pages;
        figures->first_pages = hour == 0 ? pages : figures->first_pages;
        figures->most_pages = pages > figures->most_pages ? pages : figures->most_pages;
    }
    figures->calls = os_model_counts().calls;
    bed_end(bed);
    figures->left_pages = os_model_usage().resident_pages;
}

static void play_profile(enum profile profile, uint64_t seed) {
    struct figures *figures = bed_share(sizeof *figures);
    struct bed bed = {
        .profile = profile, .seed = seed, .steps = random_steps(HOURS_USUAL), .result = figures};
    bed_run(&bed, play);
    printf("%s: %zu hours, %llu kernel calls; resident pages with all freed: %llu after the first, "
           "%llu at most; with all ended: %llu\n",
           bed_profiles[profile], bed.steps, (unsigned long long)figures->calls,
           (unsigned long long)figures->first_pages, (unsigned long long)figures->most_pages,
           (unsigned long long)figures->left_pages);
    TEST_CHECK(figures->calls > 0);
    TEST_CHECK(profile != PROFILE_DEFAULT ||
               (figures->most_pages <= KEPT_PAGES_MAX && figures->left_pages <= LEFT_PAGES_MAX));
}

int main(void) {
    setenv("ARENITE_TEST_SEED", "1", 0);
    uint64_t seed = bed_begin("hours");
    for (size_t profile = 0; profile < BED_PROFILES; profile++) {
        if (bed_wants((enum profile)profile)) {
            play_profile((enum profile)profile, seed + profile);
        }
    }
    return 0;
}
