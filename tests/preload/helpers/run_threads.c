/* run_threads.c - a small program that allocates in several threads.
 * Layer: tests (includes libc only). */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 4
#define BLOCKS 1000

static void *allocate(void *unused) {
    void *blocks[BLOCKS];
    (void)unused;
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = calloc(1, i * 50);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        if (blocks[i] == NULL) {
            exit(1);
        }
        free(blocks[i]);
    }
    return malloc(10);
}

int main(void) {
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, allocate, NULL) != 0) {
            return 1;
        }
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *made = NULL;
        pthread_join(threads[i], &made);
        free(made);
    }
    puts("ran");
    return 0;
}
