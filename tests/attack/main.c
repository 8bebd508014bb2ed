/* main.c - attacks by seed: how each ends (see attack.h).
 * Layer: tests (includes libc only).
 *
 *   attack FIRST COUNT
 *
 * Each seed's victim is a forked child with a limit of processor time. Prints for each bug a line:
 * name, attacks, and how many were diagnosed (said something and ended), crashed, hung, won by an
 * overlap or by a block outside, and had no effect. ARENITE_TEST_VERBOSE: how each seed ended. */
#include "attack.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS_BEFORE 400
#define STEPS_AFTER 400
#define CPU_SECONDS 5

enum outcome { DIAGNOSED, CRASHED, HUNG, OVERLAP, OUTSIDE, NO_EFFECT, OUTCOMES };

/* How a victim ends by itself. */
#define EXIT_OF(prize) (10 + (int)(prize))

static _Noreturn void be_victim(uint64_t seed, const struct bug *bug) {
    static struct victim victim;
    victim_init(&victim, seed);
    victim_run(&victim, STEPS_BEFORE / 4 + victim_below(&victim, STEPS_BEFORE));
    if (victim.prize != PRIZE_NONE) {
        _exit(2); /* without a bug */
    }
    bug->make(&victim);
    victim_run(&victim, STEPS_AFTER);
    for (size_t i = 0; i < VICTIM_BLOCKS && victim.prize == PRIZE_NONE; i++) {
        if (victim.blocks[i].memory != NULL) {
            victim_free(&victim, i);
        }
    }
    if (victim.prize != PRIZE_NONE) {
        _exit(EXIT_OF(victim.prize));
    }
    exit(EXIT_OF(PRIZE_NONE));
}

static void limit_child(int descriptor) {
    const struct rlimit no_core = {0, 0}, processor = {CPU_SECONDS, CPU_SECONDS};
    setrlimit(RLIMIT_CORE, &no_core);
    setrlimit(RLIMIT_CPU, &processor);
    dup2(descriptor, STDERR_FILENO);
}

static enum outcome outcome_of(int status, bool said_something) {
    if (WIFSIGNALED(status)) {
        int number = WTERMSIG(status);
        return number == SIGKILL || number == SIGXCPU ? HUNG : said_something ? DIAGNOSED : CRASHED;
    }
    switch (WEXITSTATUS(status)) {
    case EXIT_OF(PRIZE_NONE):
        return NO_EFFECT;
    case EXIT_OF(PRIZE_OVERLAP):
        return OVERLAP;
    case EXIT_OF(PRIZE_OUTSIDE):
        return OUTSIDE;
    default:
        fprintf(stderr, "attack: a victim ended with %d\n", WEXITSTATUS(status));
        exit(2);
    }
}

static enum outcome attack(uint64_t seed, const struct bug *bug, int descriptor) {
    int status;
    if (ftruncate(descriptor, 0) != 0 || lseek(descriptor, 0, SEEK_SET) != 0) {
        exit(2);
    }
    fflush(stdout);
    pid_t id = fork();
    if (id == 0) {
        limit_child(descriptor);
        be_victim(seed, bug);
    }
    if (id < 0 || waitpid(id, &status, 0) != id) {
        exit(2);
    }
    return outcome_of(status, lseek(descriptor, 0, SEEK_END) > 0);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: attack FIRST COUNT\n");
        return 2;
    }
    uint64_t first = strtoull(argv[1], NULL, 10), count = strtoull(argv[2], NULL, 10);
    int descriptor = memfd_create("stderr", MFD_CLOEXEC);
    unsigned outcomes[16][OUTCOMES] = {{0}};
    for (uint64_t seed = first; seed < first + count; seed++) {
        size_t kind = seed % bugs_count;
        enum outcome outcome = attack(seed, &bugs[kind], descriptor);
        outcomes[kind][outcome]++;
        if (getenv("ARENITE_TEST_VERBOSE") != NULL) {
            fprintf(stderr, "%llu: %s: %d\n", (unsigned long long)seed, bugs[kind].name, outcome);
        }
    }
    for (size_t kind = 0; kind < bugs_count; kind++) {
        printf("%s", bugs[kind].name);
        for (size_t i = 0; i < OUTCOMES; i++) {
            printf("\t%u", outcomes[kind][i]);
        }
        printf("\n");
    }
    return 0;
}
