/* bed.c - see bed.h.
 * Layer: tests (includes api, thread and model). */
#include "bed.h"

#include "pages/guard.h"
#include "thread/thread.h"

#include "test_random.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define RAM_PAGES ((uint64_t)1 << 18)

const char *const bed_profiles[BED_PROFILES] = {
    [PROFILE_DEFAULT] = "default", [PROFILE_PTMALLOC] = "ptmalloc", [PROFILE_GLIBC] = "glibc"};

static const struct os_model_settings usual = {
    .ram_pages = RAM_PAGES, .index = INDEX_MAPLE, .thp = THP_MADVISE, .calls_take_time = true};

bool bed_wants(enum profile profile) {
    const char *wanted = getenv("ARENITE_TEST_PROFILE");
    return wanted == NULL || strcmp(wanted, bed_profiles[profile]) == 0;
}

uint64_t bed_begin(const char *test) {
    pid_t child = fork();
    if (child == 0) {
        int error = os_model_start(&usual);
        _exit(error == 0 ? 0 : -error);
    }
    int status = 0;
    TEST_CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    if (WEXITSTATUS(status) != 0) {
        printf("the model under the allocator: %s\n", strerror(WEXITSTATUS(status)));
        test_skip("no userfaultfd here, or no place for the model's window");
    }
    return random_start(test).state;
}

void bed_run_here(struct bed *bed, void (*body)(struct bed *bed)) {
    struct os_model_settings settings = usual;
    settings.index = bed->index;
    settings.thp = bed->thp;
    settings.calls_take_time = !bed->clock_stands;
    TEST_CHECK(os_model_start(&settings) == 0);
    os_model_set_world(bed->seed, 2);
    os_model_fail(&bed->failures);
    params_use_profile(bed->profile);
    guard_interval = bed->guard_interval;
    body(bed);
}

void bed_run(struct bed *bed, void (*body)(struct bed *bed)) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        bed_run_here(bed, body);
        _exit(0);
    }
    int status = 0;
    TEST_CHECK(child > 0 && waitpid(child, &status, 0) == child);
    if (status != 0) {
        printf("profile %s, seed %llu, %zu steps, call %llu fails with %d by rule %d: status %x\n",
               bed_profiles[bed->profile], (unsigned long long)bed->seed, bed->steps,
               (unsigned long long)bed->failures.n, bed->failures.error, (int)bed->failures.rule,
               (unsigned)status);
    }
    TEST_CHECK(status == 0);
}

void *bed_share(size_t bytes) {
    void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    TEST_CHECK(start != MAP_FAILED);
    return start;
}

static void expect_sound(const char *broken) {
    if (broken != NULL) {
        fprintf(stderr, "%s\n", broken);
    }
    TEST_CHECK(broken == NULL);
}

void bed_check_sound(void) {
    expect_sound(arenite_audit());
    expect_sound(os_model_audit());
}

void bed_check(const struct bed *bed) {
    traffic_check(&bed->traffic);
    bed_check_sound();
}

void bed_end(struct bed *bed) {
    traffic_empty(&bed->traffic);
    for (size_t i = 0; i < BED_STATES; i++) {
        if (bed->states[i] != NULL && bed->states[i]->attached != 0) {
            thread_switch(bed->states[i]);
            thread_detach(bed->states[i]);
        }
    }
    malloc_trim(0);
    bed_check_sound();
}
