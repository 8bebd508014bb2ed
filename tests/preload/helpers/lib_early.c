/* lib_early.c - a library whose constructor runs before the allocator's, and its destructor after:
 * it allocates in both.
 * Layer: tests (includes libc only). */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCKS 300

static char *blocks[BLOCKS];
static int output; /* stdout; programs close theirs at exit */

static void say(const char *text) {
    if (write(output, text, strlen(text)) < 0) {
        _exit(1);
    }
}

static void *allocate_in_thread(void *unused) {
    (void)unused;
    return calloc(3, 1000);
}

__attribute__((constructor)) static void begin(void) {
    pthread_t thread;
    void *made = NULL;
    free(NULL);
    output = dup(STDOUT_FILENO);
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(i * 50 + 1);
        memset(blocks[i], (int)i, i * 50 + 1);
    }
    if (pthread_create(&thread, NULL, allocate_in_thread, NULL) == 0) {
        pthread_join(thread, &made);
    }
    free(made);
    say("early ");
}

__attribute__((destructor)) static void end(void) {
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = realloc(blocks[i], i * 70 + 1);
        if (blocks[i] == NULL || blocks[i][i * 50] != (char)i) {
            _exit(1);
        }
        free(blocks[i]);
    }
    say("late ");
}
