/* secrets.c - what the library writes into free blocks is another secret in every process, even
 * where all addresses are the same: whoever has seen one process cannot forge it in the next.
 * Layer: tests (includes libc only).
 *
 * Runs itself again without random addresses; each run says what stands in its freed blocks. */
#include "support.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS 2
#define RUNS 4

struct look {
    uintptr_t place;
    uint64_t words[WORDS];
};

static const size_t sizes[] = {24, 100, 500, 5000};
#define SIZES (sizeof sizes / sizeof sizes[0])

/* The compiler must not know that the block is gone. */
static void look_at_freed(volatile struct look *look, size_t bytes) {
    volatile uint64_t *block = malloc(bytes);
    void *behind = malloc(bytes); /* keeps it from the heap's free end */
    TEST_CHECK(block != NULL && behind != NULL);
    memset((void *)(uintptr_t)block, 0, bytes);
    look->place = (uintptr_t)block;
    free((void *)(uintptr_t)block);
    for (size_t i = 0; i < WORDS; i++) {
        look->words[i] = block[i];
    }
}

static void tell(int to) {
    struct look looks[SIZES];
    for (size_t i = 0; i < SIZES; i++) {
        look_at_freed(&looks[i], sizes[i]);
    }
    TEST_CHECK(write(to, looks, sizeof looks) == sizeof looks);
}

static void hear(struct look *looks) {
    int ends[2], status = -1;
    TEST_CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        if (personality(ADDR_NO_RANDOMIZE) < 0) {
            _exit(77);
        }
        execl("/proc/self/exe", "secrets", "tell", (char *)NULL);
        _exit(1);
    }
    TEST_CHECK(child > 0 && waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        test_skip("addresses cannot be made the same here");
    }
    TEST_CHECK(status == 0);
    TEST_CHECK(read(ends[0], looks, SIZES * sizeof *looks) == (ssize_t)(SIZES * sizeof *looks));
    close(ends[0]);
    close(ends[1]);
}

/* Blocks that are cleared tell nothing. One alone in a bin is linked with it both ways: such links
 * are addresses, which two chunks must agree on. */
static bool has_secret(const struct look *look) {
    return look->words[0] != look->words[1];
}

static bool are_comparable(const struct look *first, const struct look *second) {
    return first->place == second->place && has_secret(first) && has_secret(second);
}

static void check_differs(const struct look *first, const struct look *second, size_t bytes) {
    bool differs = memcmp(first->words, second->words, sizeof first->words) != 0;
    if (!differs) {
        fprintf(stderr, "%zu bytes at %#lx: %#lx %#lx in two processes\n", bytes,
                (unsigned long)first->place, (unsigned long)first->words[0],
                (unsigned long)first->words[1]);
    }
    TEST_CHECK(differs);
}

/* Under profile=hardened all are cleared. */
static bool all_are_cleared(const struct look *looks) {
    for (size_t i = 0; i < SIZES; i++) {
        if (looks[i].words[0] != 0 || looks[i].words[1] != 0) {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv) {
    static struct look looks[RUNS][SIZES];
    size_t compared = 0;
    (void)argv;
    if (argc > 1) {
        tell(STDOUT_FILENO);
        return 0;
    }
    for (size_t run = 0; run < RUNS; run++) {
        hear(looks[run]);
    }
    for (size_t run = 1; run < RUNS; run++) {
        for (size_t i = 0; i < SIZES; i++) {
            if (are_comparable(&looks[0][i], &looks[run][i])) {
                check_differs(&looks[0][i], &looks[run][i], sizes[i]);
                compared++;
            }
        }
    }
    printf("%zu of %zu blocks compared\n", compared, (RUNS - 1) * SIZES);
    TEST_CHECK(compared > 0 || all_are_cleared(looks[0]));
    return 0;
}
