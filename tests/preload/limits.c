/* limits.c - little address space, little data segment, locked memory, a break that is blocked or
 * moved by others: NULL instead of a crash, and recovery.
 * Layer: tests (includes libc only).
 *
 * Each case runs in a process of its own, started under its limit, because the library's beginning
 * must survive it too. */
#include "support.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1024 * 1024)

/* A list of blocks without memory of its own: each holds the link to the next. */
struct block {
    struct block *next;
    size_t bytes;
};

static size_t take_all(struct block **list, size_t bytes) {
    size_t count = 0;
    struct block *block;
    errno = 0;
    while ((block = malloc(bytes)) != NULL) {
        memset(block, 0x5a, bytes);
        block->next = *list;
        block->bytes = bytes;
        *list = block;
        count++;
        TEST_CHECK(count * bytes < 4096 * MIB);
    }
    TEST_CHECK(errno == ENOMEM);
    return count;
}

static void give_back(struct block **list) {
    while (*list != NULL) {
        struct block *block = *list;
        const char *end = (char *)block + block->bytes - 1;
        TEST_CHECK(block->bytes <= sizeof *block || *end == 0x5a);
        *list = block->next;
        free(block);
    }
}

/* Runs out of memory at every size, recovers, and can have most of it again at another size. */
static void exhaust(void) {
    static const size_t sizes[] = {64, 1000, 5000, 100000, 600000};
    struct block *list = NULL;
    size_t first_total = take_all(&list, 64) * 64;
    give_back(&list);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t total = take_all(&list, sizes[i]) * sizes[i];
        give_back(&list);
        printf("  %zu bytes each: %zu KiB in all\n", sizes[i], total / 1024);
        TEST_CHECK(total >= first_total / 4);
        void *small = malloc(100);
        TEST_CHECK(small != NULL);
        free(small);
    }
}

static void *exhaust_in_thread(void *unused) {
    (void)unused;
    struct block *list = NULL;
    TEST_CHECK(take_all(&list, 3000) > 100);
    give_back(&list);
    return NULL;
}

static void exhaust_in_two_threads(void) {
    pthread_t threads[2];
    pthread_attr_t small_stack;
    pthread_attr_init(&small_stack);
    pthread_attr_setstacksize(&small_stack, 256 * 1024);
    for (int i = 0; i < 2; i++) {
        TEST_CHECK(pthread_create(&threads[i], &small_stack, exhaust_in_thread, NULL) == 0);
        pthread_join(threads[i], NULL);
    }
}

static void under_limit(void) {
    TEST_CHECK(malloc(1024 * MIB) == NULL);
    exhaust_in_two_threads();
    exhaust();
}

static void *churn(void *unused) {
    (void)unused;
    for (size_t i = 0; i < 3000; i++) {
        char *memory = malloc(i * 97 % 200000);
        TEST_CHECK(memory != NULL);
        free(memory);
    }
    return NULL;
}

static void locked(void) {
    pthread_t threads[4];
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
        test_skip("mlockall is not allowed here");
    }
    for (int i = 0; i < 4; i++) {
        TEST_CHECK(pthread_create(&threads[i], NULL, churn, NULL) == 0);
    }
    churn(NULL);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* Many blocks with contents; freed in another order. */
static void check_traffic(size_t count) {
    unsigned char **blocks = malloc(count * sizeof *blocks);
    for (size_t i = 0; i < count; i++) {
        blocks[i] = malloc(i * 13 % 5000);
        TEST_CHECK(blocks[i] != NULL);
        test_pattern_fill(blocks[i], i * 13 % 5000, i);
    }
    for (size_t step = 0; step < 7; step++) {
        for (size_t i = step; i < count; i += 7) {
            TEST_CHECK(test_pattern_holds(blocks[i], i * 13 % 5000, i));
            free(blocks[i]);
        }
    }
    free(blocks);
}

static void break_blocked(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t above = ((uintptr_t)sbrk(0) + page - 1) / page * page;
    free(malloc(100));
    void *wall = mmap((void *)above, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TEST_CHECK(wall != MAP_FAILED);
    check_traffic(20000);
    malloc_trim(0);
    check_traffic(20000);
    munmap(wall, page);
    check_traffic(20000);
}

/* Another user of the break, in pieces of any size, who expects his bytes to stay his. */
static void break_shared(void) {
    enum { PIECES = 60 };
    unsigned char *pieces[PIECES];
    for (size_t i = 0; i < PIECES; i++) {
        size_t bytes = i % 3 == 0 ? 4096 : i * 37 + 1;
        pieces[i] = sbrk((intptr_t)bytes);
        TEST_CHECK(pieces[i] != (void *)-1);
        test_pattern_fill(pieces[i], bytes, i);
        check_traffic(2000 + i * 10);
        void *kept = malloc(150000);
        TEST_CHECK(kept != NULL && (uintptr_t)kept % 16 == 0);
        memset(kept, 0x77, 150000);
    }
    for (size_t i = 0; i < PIECES; i++) {
        TEST_CHECK(test_pattern_holds(pieces[i], i % 3 == 0 ? 4096 : i * 37 + 1, i));
    }
    malloc_trim(0);
    check_traffic(5000);
}

static void run_case(const char *name) {
    if (strcmp(name, "locked") == 0) {
        locked();
    } else if (strcmp(name, "break-blocked") == 0) {
        break_blocked();
    } else if (strcmp(name, "break-shared") == 0) {
        break_shared();
    } else {
        under_limit();
    }
}

/* Starts this program again for one case; resource < 0: without a limit. */
static int start_case(const char *name, int resource, size_t limit_bytes) {
    const struct rlimit limit = {limit_bytes, limit_bytes};
    printf("%s:\n", name);
    fflush(stdout);
    pid_t id = fork();
    if (id == 0) {
        if (resource >= 0 && setrlimit((__rlimit_resource_t)resource, &limit) != 0) {
            _exit(1);
        }
        execl("/proc/self/exe", "limits", name, (char *)NULL);
        _exit(1);
    }
    int status = -1;
    TEST_CHECK(waitpid(id, &status, 0) == id);
    printf("  status %#x\n", (unsigned)status);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(int argc, char **argv) {
    if (argc > 1) {
        run_case(argv[1]);
        return 0;
    }
    TEST_CHECK(start_case("address-space", RLIMIT_AS, 64 * MIB) == 0);
    TEST_CHECK(start_case("data", RLIMIT_DATA, 8 * MIB) == 0);
    TEST_CHECK(start_case("break-blocked", -1, 0) == 0);
    TEST_CHECK(start_case("break-shared", -1, 0) == 0);
    int status = start_case("locked", -1, 0);
    TEST_CHECK(status == 0 || status == 77);
    return 0;
}
