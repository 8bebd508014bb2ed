/* bed.c - see bed.h.
 * Layer: tests (includes api, thread and model). */
#include "bed.h"

#include "api/start.h"
#include "thread/thread.h"

#include "test_random.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define RAM_PAGES ((uint64_t)1 << 18)
#define STEP_NS 100000

const char *const bed_profiles[BED_PROFILES] = {
    [PROFILE_DEFAULT] = "default", [PROFILE_PTMALLOC] = "ptmalloc", [PROFILE_GLIBC] = "glibc"};

static const struct os_model_settings usual = {RAM_PAGES, INDEX_MAPLE, THP_MADVISE, true};

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

static void begin_in_child(struct bed *bed) {
    struct os_model_settings settings = usual;
    settings.index = bed->index;
    settings.thp = bed->thp;
    TEST_CHECK(os_model_start(&settings) == 0);
    os_model_set_world(bed->seed, 2);
    os_model_fail(&bed->failures);
    params_use_profile(bed->profile);
}

void bed_run(struct bed *bed, void (*body)(struct bed *bed)) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        begin_in_child(bed);
        body(bed);
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

/* Of every magnitude; the large ones are rare, because every page of them is touched. */
static size_t some_bytes(uint64_t *random) {
    size_t kind = traffic_below(random, 1000);
    size_t limit = kind < 650 ? 1500 : kind < 850 ? 40000 : kind < 994 ? 300000 : (size_t)8 << 20;
    return 1 + traffic_below(random, limit);
}

/* Without memory for a state the traffic goes on in the one that there is. */
static void change_state(struct bed *bed) {
    size_t which = traffic_below(&bed->traffic.random, BED_STATES);
    if (bed->states[which] == NULL) {
        bed->states[which] = thread_create();
    }
    if (bed->states[which] != NULL) {
        thread_switch(bed->states[which]);
    }
}

/* An ended thread's blocks live on; its state comes back for another one. */
static void end_state(struct bed *bed) {
    for (size_t i = 0; i < BED_STATES; i++) {
        if (bed->states[i] == thread_own && thread_own->attached != 0) {
            thread_detach(thread_own);
            bed->states[i] = NULL;
        }
    }
    change_state(bed);
}

void bed_play(struct bed *bed, size_t steps) {
    if (bed->traffic.held == NULL) {
        traffic_init(&bed->traffic, BED_SLOTS, bed->seed);
        bed->traffic.some_bytes = some_bytes;
        start_ensure();
        change_state(bed);
    }
    for (; steps > 0; steps--) {
        size_t event = traffic_below(&bed->traffic.random, 2000);
        if (event < 50) {
            change_state(bed);
        } else if (event == 50) {
            end_state(bed);
        } else if (event == 51) {
            malloc_trim(0);
        }
        traffic_step(&bed->traffic);
        os_model_pass_ns(STEP_NS);
    }
}

static void expect_sound(const char *broken) {
    if (broken != NULL) {
        fprintf(stderr, "%s\n", broken);
    }
    TEST_CHECK(broken == NULL);
}

void bed_check(const struct bed *bed) {
    traffic_check(&bed->traffic);
    expect_sound(arenite_audit());
    expect_sound(os_model_audit());
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
    expect_sound(arenite_audit());
    expect_sound(os_model_audit());
}
