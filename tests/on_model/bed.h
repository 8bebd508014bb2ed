/* bed.h - a fresh library on a fresh model for each piece of a test.
 * Layer: tests (includes chunk, thread and model).
 *
 * The pieces run in children: there the window is opened, the profile chosen, and several states of
 * threads take turns, so that frees from one to the other happen, and always in the same order. */
#ifndef ARENITE_TESTS_ON_MODEL_BED_H
#define ARENITE_TESTS_ON_MODEL_BED_H

#include "arenite_names.h"
#include "chunk/params.h"
#include "model/os_model.h"
#include "support.h"
#include "traffic.h"

#define BED_STATES 3
#define BED_SLOTS 300

struct bed {
    enum profile profile;
    enum index_kind index;
    enum thp_mode thp;
    uint64_t seed;
    size_t steps;
    struct os_model_failures failures; /* from the library's first call on */
    uint32_t guard_interval;           /* sample_guards=1/N; 0: none */
    bool clock_stands;                 /* but for the traffic's steps */
    bool keeps_states; /* none ends: their slabs would belong to a static variable, see below */
    struct traffic traffic;
    bool plays;
    struct thread *states[BED_STATES];
    void *result; /* shared with the parent: bed_share */
};

extern const char *const bed_profiles[];
#define BED_PROFILES 3

/* Whether ARENITE_TEST_PROFILE, where it is set, names this one. */
bool bed_wants(enum profile profile);

/* Skips the program where the model cannot be had; prints the seed. */
uint64_t bed_begin(const char *test);

/* Runs body in a child; fails the program if the child did. */
void bed_run(struct bed *bed, void (*body)(struct bed *bed));

/* The same in this process, which can do it once. */
void bed_run_here(struct bed *bed, void (*body)(struct bed *bed));

/* Memory that children write and the parent reads. */
void *bed_share(size_t bytes);

/* The table of blocks, before the library's first call; bed_play does it else. */
void bed_prepare(struct bed *bed);

/* Has states of threads in mapped memory from the first on: batches for other owners are chosen by
 * the owner's address, which for a static one differs from program to program. */
void bed_leave_static_records(void);

/* Steps of traffic, of 1 byte to 8 MiB, by the states in turn; time passes. */
void bed_play(struct bed *bed, size_t steps);

/* The audits of library and model; and contents with them. */
void bed_check_sound(void);
void bed_check(const struct bed *bed);

/* Frees everything, ends the states; what is left must be sound. */
void bed_end(struct bed *bed);

#endif
