/* main.c - lists the small wrong programs, or is one of them.
 * Layer: tests (includes libc only).
 *
 *   misuse            family, name and number of each, a line each
 *   misuse NUMBER     makes that mistake; "pointer 0x..." on stdout says about what, and "the end"
 *                     that nobody stopped it */
#include "misuse.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct misuse_group *const groups[] = {
    &misuse_double_frees, &misuse_invalid_frees, &misuse_writes, &misuse_stale, &misuse_operators};
#define GROUPS (sizeof groups / sizeof groups[0])

/* ---- what cases share ------------------------------------------------------------------------ */

char *misuse_block(size_t bytes) {
    char *block = malloc(bytes);
    if (block == NULL) {
        _exit(2);
    }
    return memset(block, 'x', bytes);
}

/* By hand: a stream would allocate. */
static void say(const char *text) {
    if (write(STDOUT_FILENO, text, strlen(text)) < 0) {
        _exit(2);
    }
}

void misuse_about(const void *pointer) {
    char line[40];
    snprintf(line, sizeof line, "pointer %p\n", pointer);
    say(line);
}

struct errand {
    void (*action)(void *);
    void *pointer;
    sem_t done;
};

static void *run_errand(void *argument) {
    struct errand *errand = argument;
    errand->action(errand->pointer);
    return NULL;
}

static void *run_errand_and_stay(void *argument) {
    struct errand *errand = argument;
    errand->action(errand->pointer);
    sem_post(&errand->done);
    while (pause() != 0) {
    }
    return NULL;
}

void misuse_in_thread(void (*action)(void *), void *pointer) {
    struct errand errand = {.action = action, .pointer = pointer};
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_errand, &errand) != 0 ||
        pthread_join(thread, NULL) != 0) {
        _exit(2);
    }
}

void misuse_in_lasting_thread(void (*action)(void *), void *pointer) {
    struct errand errand = {.action = action, .pointer = pointer};
    pthread_t thread;
    sem_init(&errand.done, 0, 0);
    if (pthread_create(&thread, NULL, run_errand_and_stay, &errand) != 0) {
        _exit(2);
    }
    while (sem_wait(&errand.done) != 0) {
    }
}

/* ---- choosing -------------------------------------------------------------------------------- */

static void list(void) {
    size_t number = 0;
    for (size_t i = 0; i < GROUPS; i++) {
        for (size_t j = 0; j < groups[i]->count; j++) {
            const struct misuse *misuse = &groups[i]->cases[j];
            printf("%zu\t%s\t%s, %zu bytes\n", ++number, misuse->family, misuse->name,
                   misuse->bytes);
        }
    }
}

static const struct misuse *find(size_t number) {
    for (size_t i = 0; i < GROUPS; i++) {
        if (number - 1 < groups[i]->count) {
            return &groups[i]->cases[number - 1];
        }
        number -= groups[i]->count;
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        list();
        return 0;
    }
    const struct misuse *misuse = find(strtoul(argv[1], NULL, 10));
    if (misuse == NULL) {
        fprintf(stderr, "misuse: no case has the number %s\n", argv[1]);
        return 2;
    }
    misuse->run(misuse->bytes, misuse->distance);
    say("the end\n");
    return 0; /* in full: the end of a process is looked at, too */
}
