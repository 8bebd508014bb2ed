/* statistics.c - a process in a known state, and all that the library says about it.
 * Layer: tests (includes libc and public headers only).
 *
 * Usage: statistics SCENE. Writes one line of mallinfo2's figures, then arenite_stats_json, then
 * malloc_info, each behind a line that names it. Exit status 2: no such scene. */
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCKS 20000
#define THREADS 40
#define TEXT_BYTES ((size_t)4 << 20)

static void *blocks[BLOCKS];
static char json[TEXT_BYTES];
static char xml[TEXT_BYTES];

static void fill(size_t least, size_t step) {
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(least + i % 97 * step);
    }
}

static void put(size_t from, size_t step) {
    for (size_t i = from; i < BLOCKS; i += step) {
        free(blocks[i]);
    }
}

static void scene_nothing(void) {
}

static void scene_small(void) {
    fill(1, 8);
    put(0, 3);
}

static void scene_large(void) {
    fill(1100, 160);
    put(1, 2);
    for (size_t i = 0; i < 5; i++) {
        blocks[2 * i + 1] = malloc(((size_t)1 << 20) * (i + 1));
    }
}

static pthread_barrier_t barrier;

/* Less than is sent at a time. */
static void *free_some(void *unused) {
    for (size_t i = 0; i < 200; i++) {
        free(blocks[i]);
    }
    free(malloc(5000));
    pthread_barrier_wait(&barrier);
    pause();
    return unused;
}

/* What the thread has freed waits in its batch for the main thread. */
static void scene_queued(void) {
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    fill(64, 0);
    if (pthread_create(&thread, NULL, free_some, NULL) != 0) {
        _exit(1);
    }
    pthread_barrier_wait(&barrier);
}

static void *hold_some(void *unused) {
    void *held[100];
    for (size_t i = 0; i < 100; i++) {
        held[i] = malloc(i * 40);
    }
    for (size_t i = 0; i < 100; i += 3) {
        free(held[i]);
    }
    pthread_barrier_wait(&barrier);
    pause();
    return unused;
}

/* More threads than are counted at a time, asleep while the figures are taken. */
static void scene_threads(void) {
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    for (size_t i = 0; i < THREADS; i++) {
        if (pthread_create(&thread, NULL, hold_some, NULL) != 0) {
            _exit(1);
        }
    }
    pthread_barrier_wait(&barrier);
}

/* 6 GB, of which nothing is touched. */
static void scene_huge(void) {
    mallopt(M_MMAP_MAX, 0);
    for (size_t i = 0; i < 100; i++) {
        blocks[i] = malloc((size_t)60 << 20);
    }
    mallopt(M_MMAP_MAX, 65536);
    for (size_t i = 100; i < 200; i++) {
        blocks[i] = malloc((size_t)60 << 20);
    }
}

static const struct scene {
    const char *name;
    void (*play)(void);
} scenes[] = {
    {"nothing", scene_nothing}, {"small", scene_small},     {"large", scene_large},
    {"queued", scene_queued},   {"threads", scene_threads}, {"huge", scene_huge},
};

static size_t take_json(void) {
    size_t (*stats_json)(char *buf, size_t size) = NULL;
    void *found = dlsym(RTLD_DEFAULT, "arenite_stats_json");
    memcpy(&stats_json, &found, sizeof found);
    struct mallinfo2 before = mallinfo2();
    size_t length = stats_json(NULL, 0);
    bool is_same = stats_json(json, sizeof json) == length && strlen(json) == length;
    char cut[100];
    bool is_cut = stats_json(cut, sizeof cut) == length && strlen(cut) == sizeof cut - 1 &&
                  memcmp(cut, json, sizeof cut - 1) == 0;
    struct mallinfo2 after = mallinfo2();
    if (!is_same || !is_cut || memcmp(&before, &after, sizeof after) != 0) {
        fprintf(stderr, "length or allocation: %d %d\n", is_same, is_cut);
        _exit(1);
    }
    return length;
}

static void say_everything(void) {
    FILE *stream = fmemopen(xml, sizeof xml, "w");
    static char stream_buffer[BUFSIZ]; /* or the stream would allocate one in between */
    setvbuf(stream, stream_buffer, _IOFBF, sizeof stream_buffer);
    struct mallinfo2 info = mallinfo2();
    size_t length = take_json();
    if (malloc_info(0, stream) != 0 || fclose(stream) != 0) {
        _exit(1);
    }
    printf("arena=%zu ordblks=%zu smblks=%zu hblks=%zu hblkhd=%zu fsmblks=%zu uordblks=%zu "
           "fordblks=%zu keepcost=%zu\n",
           info.arena, info.ordblks, info.smblks, info.hblks, info.hblkhd, info.fsmblks,
           info.uordblks, info.fordblks, info.keepcost);
    printf("%zu\n%s%s", length, json, xml);
}

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0] && argc > 1; i++) {
        if (strcmp(argv[1], scenes[i].name) == 0) {
            scenes[i].play();
            say_everything();
            fflush(stdout);
            _exit(0);
        }
    }
    return 2;
}
