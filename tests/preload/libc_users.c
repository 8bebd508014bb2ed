/* libc_users.c - functions of libc that allocate for their caller do it with us.
 * Layer: tests (includes libc only). */
#include "support.h"

#include <malloc.h>
#include <obstack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define obstack_chunk_alloc malloc
#define obstack_chunk_free free

/* A block of ours: its size is known (another allocator's is refused), and it can be freed. */
static void check_ours(void *memory, size_t bytes) {
    TEST_CHECK(memory != NULL && malloc_usable_size(memory) >= bytes);
    free(memory);
}

static void test_strings(void) {
    char long_text[5000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    check_ours(strdup(long_text), sizeof long_text);
    check_ours(strndup(long_text, 77), 78);
    char *made = NULL;
    TEST_CHECK(asprintf(&made, "%s-%d", long_text, 12) == (int)sizeof long_text - 1 + 3);
    check_ours(made, sizeof long_text + 3);
    check_ours(realpath("/proc/self/../self", NULL), 2);
    check_ours(getcwd(NULL, 0), 2);
}

static FILE *file_with_lines(void) {
    FILE *file = tmpfile();
    TEST_CHECK(file != NULL);
    for (int i = 0; i < 300; i++) {
        fprintf(file, "%0*d;%d\n", i * 10 + 1, 0, i);
    }
    rewind(file);
    return file;
}

static void test_lines(void) {
    FILE *file = file_with_lines();
    char *line = NULL;
    size_t room = 0;
    int lines = 0;
    while (getline(&line, &room, file) >= 0) {
        lines++;
        TEST_CHECK(malloc_usable_size(line) >= room);
    }
    TEST_CHECK(lines == 300);
    rewind(file);
    TEST_CHECK(getdelim(&line, &room, ';', file) == 2);
    free(line);
    fclose(file);
}

static void test_memory_streams(void) {
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    TEST_CHECK(stream != NULL);
    for (int i = 0; i < 20000; i++) {
        fprintf(stream, "%d,", i);
    }
    fclose(stream);
    TEST_CHECK(length > 100000 && strlen(text) == length);
    check_ours(text, length + 1);
}

static void test_obstack(void) {
    struct obstack stack;
    obstack_init(&stack);
    char *first = obstack_copy0(&stack, "first", 5);
    for (int i = 0; i < 10000; i++) {
        obstack_grow(&stack, &i, sizeof i);
    }
    int *numbers = obstack_finish(&stack);
    TEST_CHECK(strcmp(first, "first") == 0 && numbers[9999] == 9999);
    obstack_free(&stack, NULL);
}

static int compare_ints(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

/* qsort takes memory for large arrays; setvbuf and popen take some for streams. */
static void test_hidden_users(void) {
    enum { COUNT = 200000 };
    int *numbers = malloc(COUNT * sizeof *numbers);
    for (int i = 0; i < COUNT; i++) {
        numbers[i] = (int)((unsigned)i * 2654435761u >> 4);
    }
    qsort(numbers, COUNT, sizeof *numbers, compare_ints);
    for (int i = 1; i < COUNT; i++) {
        TEST_CHECK(numbers[i - 1] <= numbers[i]);
    }
    free(numbers);
    FILE *pipe = popen("echo through a pipe", "r");
    char text[32] = "";
    TEST_CHECK(pipe != NULL && fgets(text, sizeof text, pipe) != NULL && pclose(pipe) == 0);
    TEST_CHECK(strcmp(text, "through a pipe\n") == 0);
}

int main(void) {
    test_strings();
    test_lines();
    test_memory_streams();
    test_obstack();
    test_hidden_users();
    return 0;
}
