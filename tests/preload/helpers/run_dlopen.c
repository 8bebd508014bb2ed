/* run_dlopen.c - a program that loads the library by hand, uses it and unloads it, while threads
 * that used it still have their end before them. Runs without preloading.
 * Layer: tests (includes libc only). */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 8
#define BLOCKS 500

static void *(*their_malloc)(size_t);
static void *(*their_realloc)(void *, size_t);
static void (*their_free)(void *);
static pthread_barrier_t used, unloaded;

static void fail(const char *what) {
    fprintf(stderr, "run_dlopen: %s\n", what);
    exit(1);
}

static void *find(void *library, const char *name) {
    void *symbol = dlsym(library, name);
    if (symbol == NULL || symbol == dlsym(RTLD_DEFAULT, name)) {
        fail(name);
    }
    return symbol;
}

static void use(void) {
    char *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = their_malloc(i * i);
        if (blocks[i] == NULL) {
            fail("malloc");
        }
        memset(blocks[i], 1, i * i);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        their_free(their_realloc(blocks[i], i * 3 + 1));
    }
}

static void *be_thread(void *unused) {
    (void)unused;
    use();
    pthread_barrier_wait(&used);
    pthread_barrier_wait(&unloaded);
    return NULL;
}

int main(int argc, char **argv) {
    void *library = dlopen(argc > 1 ? argv[1] : "", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fail(dlerror());
    }
    *(void **)&their_malloc = find(library, "malloc");
    *(void **)&their_realloc = find(library, "realloc");
    *(void **)&their_free = find(library, "free");
    pthread_t threads[THREADS];
    pthread_barrier_init(&used, NULL, THREADS + 1);
    pthread_barrier_init(&unloaded, NULL, THREADS + 1);
    for (size_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, be_thread, NULL) != 0) {
            fail("pthread_create");
        }
    }
    use();
    pthread_barrier_wait(&used);
    dlclose(library);
    pthread_barrier_wait(&unloaded);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    puts("loaded and unloaded");
    return 0;
}
