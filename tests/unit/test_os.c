/* test_os.c - the Linux side of os.h against what the kernel itself says. */
#include "os/os.h"

#include "test_child.h"
#include "test_random.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <cmocka.h>

#define SOME_PAGES 16

static size_t some_bytes(void) {
    return SOME_PAGES * os_page_bytes();
}

/* The permissions /proc/self/maps shows for an address, "----" where nothing is mapped. */
static const char *rights_at(const void *address) {
    static char rights[8];
    strcpy(rights, "----");
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    char line[512];
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long start, end;
        char found[8];
        if (sscanf(line, "%lx-%lx %4s", &start, &end, found) == 3 && start <= (uintptr_t)address &&
            (uintptr_t)address < end) {
            strcpy(rights, found);
        }
    }
    fclose(maps);
    return rights;
}

static bool is_mapped(const void *address) {
    return msync((void *)(uintptr_t)address, os_page_bytes(), MS_ASYNC) == 0;
}

static void assert_zero(const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        assert_int_equal(bytes[i], 0);
    }
}

static void test_page_size(void **state) {
    (void)state;
    assert_int_equal(os_page_bytes(), sysconf(_SC_PAGESIZE));
}

static void test_map_and_release(void **state) {
    (void)state;
    char *start = os_map(some_bytes());
    assert_non_null(start);
    assert_string_equal(rights_at(start), "rw-p");
    assert_zero(start, some_bytes());
    memset(start, 1, some_bytes());
    assert_int_equal(os_release(start, some_bytes()), 0);
    assert_false(is_mapped(start));
}

static void test_reserve_commit_decommit(void **state) {
    (void)state;
    size_t half = some_bytes() / 2;
    char *start = os_reserve(some_bytes(), NULL);
    assert_non_null(start);
    assert_string_equal(rights_at(start), "---p");
    assert_int_equal(os_commit(start, half), 0);
    assert_string_equal(rights_at(start), "rw-p");
    assert_string_equal(rights_at(start + half), "---p");
    assert_zero(start, half);
    memset(start, 7, half);
    assert_int_equal(os_decommit(start, half), 0);
    assert_string_equal(rights_at(start), "---p");
    assert_int_equal(os_commit(start, some_bytes()), 0);
    assert_zero(start, some_bytes());
    assert_int_equal(os_release(start, some_bytes()), 0);
}

static void test_reserve_takes_a_free_hint(void **state) {
    (void)state;
    char *first = os_reserve(some_bytes(), NULL);
    assert_non_null(first);
    assert_int_equal(os_release(first, some_bytes()), 0);
    assert_ptr_equal(os_reserve(some_bytes(), first), first);
    char *second = os_reserve(some_bytes(), first);
    assert_non_null(second);
    assert_ptr_not_equal(second, first);
    assert_int_equal(os_release(first, some_bytes()), 0);
    assert_int_equal(os_release(second, some_bytes()), 0);
}

static void test_purge_leaves_zeros(void **state) {
    (void)state;
    char *start = os_map(some_bytes());
    memset(start, 9, some_bytes());
    assert_int_equal(os_resident_bytes(start, some_bytes()), some_bytes());
    assert_int_equal(os_purge(start, some_bytes() / 2), 0);
    assert_int_equal(os_resident_bytes(start, some_bytes()), some_bytes() / 2);
    assert_zero(start, some_bytes() / 2);
    assert_int_equal(start[some_bytes() / 2], 9);
    assert_int_equal(os_release(start, some_bytes()), 0);
}

/* More pages than one batch of the residency query, one in three of them touched. */
static void test_residency_over_many_pages(void **state) {
    (void)state;
    size_t page = os_page_bytes(), pages = 3000;
    char *start = os_map(pages * page);
    assert_non_null(start);
    madvise(start, pages * page, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < pages; i += 3) {
        start[i * page] = 1;
    }
    assert_int_equal(os_resident_bytes(start, pages * page), pages / 3 * page);
    assert_int_equal(os_release(start, pages * page), 0);
    assert_int_equal(os_resident_bytes(start, pages * page), -ENOMEM);
}

/* Runs of pages that are there and that are not, across batches: all zero, those that were there
 * stay, and a range that is not mapped is refused. */
static void test_clear(void **state) {
    (void)state;
    size_t page = os_page_bytes(), pages = 3000;
    char *start = os_map(pages * page);
    assert_non_null(start);
    madvise(start, pages * page, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < pages; i++) {
        start[i * page + i % page] = (char)(i % 7 < 3);
        if (i % 7 >= 3) {
            assert_int_equal(os_purge(start + i * page, page), 0);
        }
    }
    long resident = os_resident_bytes(start, pages * page);
    assert_int_equal(os_clear(start, pages * page), 0);
    assert_int_equal(os_resident_bytes(start, pages * page), resident);
    assert_zero(start, pages * page);
    assert_int_equal(os_release(start, pages * page), 0);
    assert_int_equal(os_clear(start, pages * page), -ENOMEM);
}

static void test_remap(void **state) {
    (void)state;
    char *start = os_map(some_bytes());
    memset(start, 5, some_bytes());
    char *grown = os_remap(start, some_bytes(), 4 * some_bytes(), true);
    assert_non_null(grown);
    assert_int_equal(grown[some_bytes() - 1], 5);
    assert_zero(grown + some_bytes(), 3 * some_bytes());
    assert_ptr_equal(os_remap(grown, 4 * some_bytes(), some_bytes(), false), grown);
    assert_false(is_mapped(grown + some_bytes()));
    assert_int_equal(os_release(grown, some_bytes()), 0);
}

/* A neighbour stands where the mapping would grow into. */
static void test_remap_in_place_may_fail(void **state) {
    (void)state;
    char *start = os_map(2 * some_bytes());
    assert_int_equal(mprotect(start + some_bytes(), some_bytes(), PROT_READ), 0);
    start[0] = 3;
    errno = EINTR;
    assert_null(os_remap(start, some_bytes(), 2 * some_bytes(), false));
    assert_int_equal(errno, EINTR);
    assert_int_equal(start[0], 3);
    assert_int_equal(os_release(start, 2 * some_bytes()), 0);
}

static void test_failures_are_negative_errno(void **state) {
    (void)state;
    void *unmapped = os_map(some_bytes());
    assert_int_equal(os_release(unmapped, some_bytes()), 0);
    errno = E2BIG;
    assert_int_equal(os_commit(unmapped, some_bytes()), -ENOMEM);
    assert_int_equal(os_purge(unmapped, some_bytes()), -ENOMEM);
    assert_int_equal(os_release((char *)unmapped + 1, some_bytes()), -EINVAL);
    assert_null(os_map(0 - os_page_bytes()));
    assert_null(os_reserve(0 - os_page_bytes(), NULL));
    assert_int_equal(os_write(-1, "x", 1), -EBADF);
    assert_int_equal(errno, E2BIG);
}

static void under_address_space_limit(void) {
    struct rlimit limit = {1 << 20, 1 << 20};
    CHILD_EXPECT(setrlimit(RLIMIT_AS, &limit) == 0);
    errno = 0;
    CHILD_EXPECT(os_map(1 << 20) == NULL);
    CHILD_EXPECT(os_reserve(1 << 20, NULL) == NULL);
    CHILD_EXPECT(os_break_move(1 << 20) == NULL);
    CHILD_EXPECT(os_break_move(0) != NULL);
    CHILD_EXPECT(errno == 0);
}

static void test_address_space_limit(void **state) {
    (void)state;
    assert_child_passes(under_address_space_limit);
}

static void move_the_break(void) {
    char *old_break = os_break_move(0);
    CHILD_EXPECT(os_break_place() == old_break);
    CHILD_EXPECT(old_break == sbrk(0));
    CHILD_EXPECT(os_break_move((intptr_t)some_bytes()) == old_break);
    CHILD_EXPECT(sbrk(0) == old_break + some_bytes());
    old_break[some_bytes() - 1] = 1;
    CHILD_EXPECT(os_break_move(-(intptr_t)some_bytes()) == old_break + some_bytes());
    CHILD_EXPECT(sbrk(0) == old_break);
}

static void test_break(void **state) {
    (void)state;
    assert_child_passes(move_the_break);
}

static void test_cpu_count_is_the_affinity_mask(void **state) {
    (void)state;
    cpu_set_t all, one;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    assert_int_equal(os_cpu_count(), CPU_COUNT(&all));
    size_t first = 0;
    while (!CPU_ISSET(first, &all)) {
        first++;
    }
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    unsigned restricted = os_cpu_count();
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    assert_int_equal(restricted, 1);
}

static void test_environment(void **state) {
    (void)state;
    char numbered[] = "ARENITE_X=1", exact[] = "ARENITE=plain", no_value[] = "EMPTY=";
    char no_sign[] = "ODD";
    char *entries[] = {numbered, exact, no_value, no_sign, NULL};
    char **saved = environ;
    environ = entries;
    const char *plain = os_environment("ARENITE"), *empty = os_environment("EMPTY");
    const char *prefix = os_environment("ARENIT"), *odd = os_environment("ODD");
    const char *third = os_environment_entry(2), *past = os_environment_entry(4);
    const char *far = os_environment_entry(400);
    environ = NULL;
    const char *nothing = os_environment("ARENITE"), *no_entry = os_environment_entry(0);
    environ = saved;
    assert_string_equal(plain, "plain");
    assert_string_equal(empty, "");
    assert_null(prefix);
    assert_null(odd);
    assert_string_equal(third, "EMPTY=");
    assert_null(past);
    assert_null(far);
    assert_null(nothing);
    assert_null(no_entry);
    assert_false(os_is_secure());
}

static void test_clock_never_goes_back(void **state) {
    (void)state;
    uint64_t last = os_clock_ns();
    assert_true(last > 0);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t now = os_clock_ns();
        assert_true(now >= last);
        last = now;
    }
}

/* Every bit is seen both ways, and no value twice. */
static void test_random_bits_vary(void **state) {
    (void)state;
    enum { COUNT = 200 };
    uint64_t values[COUNT], ones = 0, zeros = 0;
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = os_random();
        ones |= values[i];
        zeros |= ~values[i];
        for (size_t k = 0; k < i; k++) {
            assert_true(values[k] != values[i]);
        }
    }
    assert_true(ones == UINT64_MAX && zeros == UINT64_MAX);
}

static void test_identity(void **state) {
    (void)state;
    assert_int_equal(os_process_id(), getpid());
    assert_int_equal(os_thread_id(), syscall(SYS_gettid));
}

struct waiter {
    uint32_t word;
    uint32_t woken;
};

static void *wait_for_word(void *argument) {
    struct waiter *waiter = argument;
    while (__atomic_load_n(&waiter->word, __ATOMIC_ACQUIRE) == 0) {
        os_wait(&waiter->word, 0);
    }
    __atomic_store_n(&waiter->woken, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void test_wait_and_wake(void **state) {
    (void)state;
    struct waiter waiter = {0};
    os_wait(&waiter.word, 1); /* the value differs: returns at once */
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_word, &waiter), 0);
    __atomic_store_n(&waiter.word, 1, __ATOMIC_RELEASE);
    os_wake_one(&waiter.word);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(waiter.woken, 1);
}

static void test_write_goes_through(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(os_write(ends[1], "sandstone", 9), 0);
    close(ends[1]);
    char text[32];
    assert_int_equal(child_read_all(ends[0], text, sizeof text), 9);
    assert_string_equal(text, "sandstone");
    close(ends[0]);
}

#define LONG_WRITE_BYTES ((size_t)1 << 20)

static void *read_to_the_end(void *argument) {
    static char text[4096];
    size_t length = 0;
    ssize_t got;
    while ((got = read(*(int *)argument, text, sizeof text)) > 0) {
        for (ssize_t i = 0; i < got; i++, length++) {
            CHILD_EXPECT(text[i] == (char)(length % 127));
        }
        usleep(100);
    }
    CHILD_EXPECT(length == LONG_WRITE_BYTES);
    return NULL;
}

static void ignore_signal(int number) {
    (void)number;
}

/* The pipe is mostly full and the writer is interrupted all the time: some writes are partial,
 * some end in EINTR with nothing written. */
static void write_through_interruptions(void) {
    static char bytes[LONG_WRITE_BYTES];
    for (size_t i = 0; i < LONG_WRITE_BYTES; i++) {
        bytes[i] = (char)(i % 127);
    }
    int ends[2];
    CHILD_EXPECT(pipe(ends) == 0);
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    CHILD_EXPECT(pthread_sigmask(SIG_BLOCK, &alarms, NULL) == 0);
    pthread_t reader;
    CHILD_EXPECT(pthread_create(&reader, NULL, read_to_the_end, &ends[0]) == 0);
    CHILD_EXPECT(pthread_sigmask(SIG_UNBLOCK, &alarms, NULL) == 0);
    struct sigaction action = {.sa_handler = ignore_signal};
    CHILD_EXPECT(sigaction(SIGALRM, &action, NULL) == 0);
    struct itimerval often = {{0, 50}, {0, 50}};
    CHILD_EXPECT(setitimer(ITIMER_REAL, &often, NULL) == 0);
    int status = os_write(ends[1], bytes, sizeof bytes);
    struct itimerval never = {{0, 0}, {0, 0}};
    CHILD_EXPECT(setitimer(ITIMER_REAL, &never, NULL) == 0);
    CHILD_EXPECT(status == 0);
    close(ends[1]);
    CHILD_EXPECT(pthread_join(reader, NULL) == 0);
}

static void test_write_survives_signals(void **state) {
    (void)state;
    assert_child_passes(write_through_interruptions);
}

static void end_by_abort(void) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    os_abort();
}

static void test_abort(void **state) {
    (void)state;
    assert_int_equal(child_run(end_by_abort).signal, SIGABRT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page_size),
        cmocka_unit_test(test_map_and_release),
        cmocka_unit_test(test_reserve_commit_decommit),
        cmocka_unit_test(test_reserve_takes_a_free_hint),
        cmocka_unit_test(test_purge_leaves_zeros),
        cmocka_unit_test(test_residency_over_many_pages),
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_remap),
        cmocka_unit_test(test_remap_in_place_may_fail),
        cmocka_unit_test(test_failures_are_negative_errno),
        cmocka_unit_test(test_address_space_limit),
        cmocka_unit_test(test_break),
        cmocka_unit_test(test_cpu_count_is_the_affinity_mask),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_clock_never_goes_back),
        cmocka_unit_test(test_random_bits_vary),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_wait_and_wake),
        cmocka_unit_test(test_write_goes_through),
        cmocka_unit_test(test_write_survives_signals),
        cmocka_unit_test(test_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
