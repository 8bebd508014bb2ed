/* small_stack.c - every public function on a thread with the smallest stack there can be.
 * Layer: tests (includes libc only). */
#include "support.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIZES 6

static size_t (*stats_json)(char *buf, size_t size);

/* Fills quick lists, fast and other bins, so that the statistics have something to walk. */
static void use_family(void) {
    static const size_t sizes[SIZES] = {20, 100, 1000, 5000, 100000, 400000};
    for (int i = 0; i < SIZES; i++) {
        void *memory = realloc(malloc(sizes[i]), sizes[i] * 2);
        void *zeroed = calloc(2, sizes[i]);
        void *aligned = memalign(4096, sizes[i]);
        TEST_CHECK(memory != NULL && zeroed != NULL && aligned != NULL);
        TEST_CHECK(malloc_usable_size(memory) >= sizes[i] * 2);
        free(memory);
        free(zeroed);
        free(aligned);
    }
}

static void *use_everything(void *stream) {
    use_family();
    struct mallinfo2 info = mallinfo2();
    TEST_CHECK(info.arena == info.uordblks + info.fordblks);
    TEST_CHECK(malloc_info(0, stream) == 0);
    TEST_CHECK(stats_json(NULL, 0) > 100);
    malloc_trim(0);
    mallopt(M_MXFAST, 0);
    use_family();
    return NULL;
}

int main(void) {
    pthread_attr_t attributes;
    pthread_t thread;
    FILE *stream = fopen("/dev/null", "w");
    void *found = dlsym(RTLD_DEFAULT, "arenite_stats_json");
    memcpy(&stats_json, &found, sizeof found);
    TEST_CHECK(stream != NULL && found != NULL);
    TEST_CHECK(pthread_attr_init(&attributes) == 0);
    TEST_CHECK(pthread_attr_setstacksize(&attributes, (size_t)sysconf(_SC_THREAD_STACK_MIN)) == 0);
    TEST_CHECK(pthread_create(&thread, &attributes, use_everything, stream) == 0);
    TEST_CHECK(pthread_join(thread, NULL) == 0);
    fclose(stream);
    return 0;
}
