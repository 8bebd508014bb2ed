/* nth_call.c - for every n, the n-th kernel call of a random script fails: contents stay, requests
 * are served or refused, and afterwards everything can be had again.
 * Layer: tests (includes chunk, thread and model).
 *
 * A first run counts the calls of a script; then each run begins anew with a fresh library and lets
 * another call fail: once, from there on for a while, or at every n-th. Calls are counted from the
 * library's very first one. The default profile plays once more with guarded blocks.
 *
 * ARENITE_TEST_SCRIPTS: scripts of each profile; ARENITE_TEST_STEPS: of each script;
 * ARENITE_TEST_SEED. */
#include "bed.h"
#include "test_random.h"

#include <errno.h>
#include <stdio.h>

#define SCRIPTS_USUAL 1
#define STEPS_USUAL 200
#define STEPS_AFTERWARDS 100
#define GUARD_INTERVAL 4
/* Records that may stay resident when all is freed and trimmed, under the default profile, and one
 * call has failed. (Pages that munmap and madvise both refuse stay for good.) */
#define LEFT_MAX_PAGES 64

static const int errors[] = {ENOMEM, EPERM, EAGAIN, EINVAL};
#define ERRORS (sizeof errors / sizeof errors[0])

struct figures {
    uint64_t calls;
    uint64_t runs;
    uint64_t failed;
    uint64_t refused;
};

static void play(struct bed *bed) {
    static const struct os_model_failures none = {.rule = FAIL_NEVER};
    struct figures *figures = bed->result;
    bed_play(bed, bed->steps);
    bed_check(bed);
    struct os_model_counts counts = os_model_counts();
    figures->calls = counts.calls;
    figures->failed += counts.failed;
    figures->refused += bed->traffic.refused;
    figures->runs++;
    TEST_CHECK(bed->traffic.refused == 0 || counts.failed > 0);
    os_model_fail(&none);
    bed->traffic.refused = 0;
    bed_play(bed, STEPS_AFTERWARDS);
    TEST_CHECK(bed->traffic.refused == 0);
    bed_check(bed);
    bed_end(bed);
    bool gives_back = bed->profile == PROFILE_DEFAULT && bed->failures.rule <= FAIL_NTH;
    TEST_CHECK(!gives_back || os_model_usage().resident_pages <= LEFT_MAX_PAGES);
}

static void play_failing(struct bed bed, enum os_model_rule rule, uint64_t n) {
    bed.failures = (struct os_model_failures){
        .rule = rule, .calls = OS_MODEL_ALL_CALLS, .n = n, .error = errors[n % ERRORS]};
    bed_run(&bed, play);
}

static void play_script(struct bed *bed) {
    struct figures *figures = bed->result;
    play_failing(*bed, FAIL_NEVER, 0);
    uint64_t calls = figures->calls;
    for (uint64_t n = 1; n <= calls; n++) {
        play_failing(*bed, FAIL_NTH, n);
    }
    for (uint64_t n = 1; n <= calls; n += 1 + n / 8) {
        play_failing(*bed, FAIL_EVERY, n);
        play_failing(*bed, FAIL_FROM, n);
    }
}

static void play_profile(enum profile profile, uint32_t guard_interval, uint64_t seed) {
    struct figures *figures = bed_share(sizeof *figures);
    size_t scripts = test_knob("ARENITE_TEST_SCRIPTS", SCRIPTS_USUAL);
    for (size_t script = 0; script < scripts; script++) {
        struct bed bed = {.profile = profile,
                          .index = INDEX_MAPLE,
                          .thp = THP_MADVISE,
                          .seed = seed + script,
                          .steps = random_steps(STEPS_USUAL),
                          .guard_interval = guard_interval,
                          .result = figures};
        play_script(&bed);
    }
    printf("%s, guards 1/%u: %llu runs, %llu calls failed, %llu requests refused\n",
           bed_profiles[profile], guard_interval, (unsigned long long)figures->runs,
           (unsigned long long)figures->failed, (unsigned long long)figures->refused);
    TEST_CHECK(figures->failed >= figures->runs - scripts);
}

int main(void) {
    uint64_t seed = bed_begin("nth_call");
    for (size_t profile = 0; profile < BED_PROFILES; profile++) {
        if (bed_wants((enum profile)profile)) {
            play_profile((enum profile)profile, 0, seed);
        }
    }
    if (bed_wants(PROFILE_DEFAULT)) {
        play_profile(PROFILE_DEFAULT, GUARD_INTERVAL, seed);
    }
    return 0;
}
