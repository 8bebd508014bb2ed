/* family.c - C programs that are linked with the archive: every name of the family is the
 * archive's, libc's internal users included, and libc's own malloc is not in the program.
 * Layer: tests (includes libc only). */
#include "support.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void *__libc_valloc(size_t bytes);
void *__libc_pvalloc(size_t bytes);
void __libc_free(void *memory);

/* The library's record of itself: no other allocator has one. */
extern const char arenite_registry[] __attribute__((weak));

static void test_it_is_the_archive(void) {
    TEST_CHECK(arenite_registry != NULL);
}

/* Two allocators would refuse each other's blocks. */
static void test_internal_names(void) {
    free(__libc_malloc(100));
    free(__libc_calloc(10, 10));
    free(__libc_realloc(malloc(10), 5000));
    free(__libc_memalign(64, 100));
    free(__libc_valloc(100));
    free(__libc_pvalloc(100));
    __libc_free(malloc(200));
    TEST_CHECK((uintptr_t)__libc_memalign(4096, 1) % 4096 == 0);
}

static void test_all_names(void) {
    void *memory = NULL;
    TEST_CHECK(posix_memalign(&memory, 64, 100) == 0);
    free(memory);
    free(aligned_alloc(32, 100));
    free(memalign(32, 100));
    free(valloc(1));
    free(pvalloc(1));
    free(reallocarray(NULL, 10, 10));
    TEST_CHECK(malloc_usable_size(NULL) == 0);
    TEST_CHECK(mallopt(M_MMAP_THRESHOLD, 256 * 1024) == 1);
    struct mallinfo2 info = mallinfo2();
    TEST_CHECK(info.arena == info.uordblks + info.fordblks);
    malloc_trim(0);
    volatile size_t too_much = SIZE_MAX;
    errno = 0;
    TEST_CHECK(malloc(too_much) == NULL && errno == ENOMEM);
}

static void test_libc_users(void) {
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    TEST_CHECK(stream != NULL);
    fprintf(stream, "%0*d", 5000, 1);
    fclose(stream);
    TEST_CHECK(length == 5000 && malloc_usable_size(text) > 5000);
    free(text);
    text = strdup("duplicate");
    TEST_CHECK(malloc_usable_size(text) >= 10);
    free(text);
}

static void *allocate_in_thread(void *unused) {
    (void)unused;
    for (size_t i = 0; i < 1000; i++) {
        free(malloc(i * 20));
    }
    return malloc(3000);
}

static void test_threads_and_fork(void) {
    pthread_t thread;
    void *made = NULL;
    for (int i = 0; i < 20; i++) {
        TEST_CHECK(pthread_create(&thread, NULL, allocate_in_thread, NULL) == 0);
        pthread_join(thread, &made);
        free(made);
    }
    pid_t id = fork();
    if (id == 0) {
        free(allocate_in_thread(NULL));
        _exit(0);
    }
    int status = -1;
    TEST_CHECK(id > 0 && waitpid(id, &status, 0) == id && status == 0);
}

int main(void) {
    test_it_is_the_archive();
    test_internal_names();
    test_all_names();
    test_libc_users();
    test_threads_and_fork();
    return 0;
}
