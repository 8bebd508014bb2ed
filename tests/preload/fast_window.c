/* fast_window.c - a signal handler between any two instructions of the fast paths, which no mark
 * guards: what holds there all the same, and how large the window is where it does not.
 * Layer: tests (includes libc only).
 *
 * A handler may free, and may use what it allocates and free it again. What it allocates and keeps
 * can be handed out once more, at the few instructions that are printed. Each case is a process of
 * its own, stepped to one instruction. */
#include "single_step.h"
#include "support.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#if CAN_SINGLE_STEP
#define BYTES 64
#define BLOCKS 120
#define INSTRUCTIONS_MAX 2000

enum deed { KEEPS, FREES, USES, DEEDS };
static const char *const deeds[DEEDS] = {"allocates and keeps", "frees", "allocates and frees"};

static size_t stop_at;
static volatile size_t stepped;
static enum deed deed;
static void *volatile kept;
static void *volatile given;

static void interrupt(int number) {
    (void)number;
    if (++stepped != stop_at) {
        return;
    }
    if (deed == FREES) {
        free(given);
        given = NULL;
    } else {
        void *block = malloc(BYTES);
        memset(block, 0x5a, BYTES);
        if (deed == USES) {
            free(block);
        } else {
            kept = block;
        }
    }
}

/* Room in the lists for what is freed, blocks for what is allocated. */
static void fill(void **blocks) {
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BYTES);
    }
    for (size_t i = BLOCKS / 2; i < BLOCKS; i += 2) {
        free(blocks[i]);
        blocks[i] = NULL;
    }
}

static bool has_twins(void *const *blocks, size_t count) {
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (blocks[i] != NULL && blocks[i] == blocks[j]) {
                return true;
            }
        }
    }
    return false;
}

/* 0: sound; 1: a block was handed out twice (or the library noticed, and aborted); 2: there are not
 * so many instructions. */
static int step_once(bool frees) {
    static void *blocks[2 * BLOCKS + 4];
    fill(blocks);
    void *mine = malloc(BYTES), *fresh = NULL;
    given = malloc(BYTES);
    single_step_begin();
    if (frees) {
        free(mine);
    } else {
        fresh = malloc(BYTES);
    }
    single_step_end();
    if (stepped < stop_at) {
        return 2;
    }
    void *others[] = {frees ? NULL : mine, fresh, kept, given};
    memcpy(&blocks[BLOCKS], others, sizeof others);
    for (size_t i = BLOCKS + 4; i < 2 * BLOCKS + 4; i++) {
        blocks[i] = malloc(BYTES);
    }
    if (has_twins(blocks, 2 * BLOCKS + 4)) {
        return 1;
    }
    for (size_t i = 0; i < 2 * BLOCKS + 4; i++) {
        free(blocks[i]);
    }
    return 0;
}

static int status_of(bool frees, size_t instruction) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        stop_at = instruction;
        _exit(step_once(frees));
    }
    TEST_CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Every one of a fast path; of a slow one, which a mark guards, fewer and fewer. */
static void check_all(bool frees) {
    size_t harmed = 0, tried = 0;
    for (size_t instruction = 1; instruction < INSTRUCTIONS_MAX; instruction += 1 + tried / 20) {
        int status = status_of(frees, instruction);
        if (status == 2) {
            break;
        }
        harmed += status == 1;
        tried++;
    }
    printf("a handler %s inside %s: harm at %zu of %zu instructions\n", deeds[deed],
           frees ? "free" : "malloc", harmed, tried);
    TEST_CHECK(tried > 10);
    TEST_CHECK(harmed == 0 || deed == KEEPS);
}

int main(void) {
    struct sigaction action = {.sa_handler = interrupt};
    sigaction(SIGTRAP, &action, NULL);
    for (deed = KEEPS; deed < DEEDS; deed++) {
        check_all(false);
        check_all(true);
    }
    return 0;
}
#else
int main(void) {
    puts("only processors of the x86 family can be stepped");
    return 77;
}
#endif
