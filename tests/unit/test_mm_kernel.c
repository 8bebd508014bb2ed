/* test_mm_kernel.c - what `arenite model check` has no words for, in the model and in the running
 * kernel: the limit of mappings, the largest request that overcommit grants, faults inside system
 * calls, threads that race for pages, files that are not in the page cache.
 * TIMEOUT_SECONDS: 120 */
#include "model/file.h"
#include "model/host.h"
#include "model/mm.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE ((size_t)4096)

/* ---- the model ----------------------------------------------------------------------------- */

static struct machine machine;
static struct mm mm;

static void model_start(const struct personality *personality, uint64_t frames) {
    static const struct model_chunks chunks = {host_map, host_unmap};
    static const struct mm_layout layout = {
        .task_end = (vaddr)1 << 47,
        .mmap_base = ((vaddr)1 << 47) - ((vaddr)1 << 30),
        .mmap_low = (vaddr)1 << 16,
        .start_break = (vaddr)1 << 32,
        .stack_top = ((vaddr)1 << 47) - ((vaddr)1 << 29),
    };
    assert_int_equal(machine_init(&machine, personality, INDEX_MAPLE, frames, &chunks), 0);
    assert_int_equal(mm_init(&mm, &machine, &layout), 0);
}

static void model_end(void) {
    const char *broken = mm_audit(&mm);
    if (broken != NULL) {
        fail_msg("%s", broken);
    }
    mm_destroy(&mm);
    machine_destroy(&machine);
}

static vaddr model_map(uint64_t bytes) {
    const struct map_request request = {.length = bytes, .access = VMF_READ | VMF_WRITE};
    vaddr place = 0;
    assert_int_equal(mm_map(&mm, &request, &place), 0);
    return place;
}

static uint64_t read_number(const char *path, uint64_t otherwise) {
    FILE *file = fopen(path, "r");
    unsigned long long number = otherwise;
    if (file != NULL) {
        number = fscanf(file, "%llu", &number) == 1 ? number : otherwise;
        fclose(file);
    }
    return number;
}

static long minor_faults(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

static long major_faults(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_majflt;
}

static void *real_map(size_t bytes) {
    return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* ---- the limit of mappings ----------------------------------------------------------------- */

static uint64_t count_mappings(void) {
    uint64_t count = 0;
    FILE *file = fopen("/proc/self/maps", "r");
    char line[512];
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        count += strchr(line, '\n') != NULL && strstr(line, "[vsyscall]") == NULL;
    }
    if (file != NULL) {
        fclose(file);
    }
    return count;
}

/* What a child found: 0, or the line where it was otherwise. */
#define CHECK_IN_CHILD(condition) \
    if (!(condition)) {           \
        _exit(__LINE__ % 256);    \
    }

/* Every second page loses its right to be written, until the kernel refuses. */
static _Noreturn void split_in_child(uint64_t most) {
    size_t pages = (size_t)most + 64;
    char *start = real_map(pages * PAGE);
    CHECK_IN_CHILD(start != MAP_FAILED);
    size_t page = 1;
    while (page < pages - 1 && mprotect(start + page * PAGE, PAGE, PROT_READ) == 0) {
        page += 2;
    }
    CHECK_IN_CHILD(errno == ENOMEM);
    uint64_t count = count_mappings();
    CHECK_IN_CHILD(count == most || count == most - 1); /* a split adds two */
    bool can_cut = munmap(start + (pages - 8) * PAGE, PAGE) == 0;
    CHECK_IN_CHILD(can_cut == (count < most));
    _exit(0);
}

static void expect_child(pid_t pid) {
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail_msg("the kernel does otherwise: status %#x", (unsigned)status);
    }
}

static void test_limit_of_mappings(void **state) {
    (void)state;
    uint64_t most = read_number("/proc/sys/vm/max_map_count", 65530);
    if (most > 200000) {
        skip(); /* too many to make in a moment */
    }
    struct personality personality = personality_default(1 << 20);
    personality.max_map_count = most;
    model_start(&personality, 1 << 16);
    uint64_t pages = most + 64;
    vaddr start = model_map(pages * PAGE);
    uint64_t page = 1;
    while (page < pages - 1 && mm_protect(&mm, start + page * PAGE, PAGE, VMF_READ) == 0) {
        page += 2;
    }
    uint64_t count = vma_index_count(&mm.index);
    assert_true(count == most || count == most - 1);
    assert_int_equal(mm_unmap(&mm, start + (pages - 8) * PAGE, PAGE), count < most ? 0 : -ENOMEM);
    model_end();
    pid_t pid = fork();
    if (pid == 0) {
        split_in_child(most);
    }
    expect_child(pid);
}

/* ---- overcommit, mode 0 -------------------------------------------------------------------- */

static void test_largest_request(void **state) {
    (void)state;
    struct sysinfo info;
    bool guesses = read_number("/proc/sys/vm/overcommit_memory", 0) == 0;
    if (!guesses || sysinfo(&info) != 0 || sizeof(size_t) < sizeof(uint64_t)) {
        skip();
    }
    uint64_t ram = (uint64_t)info.totalram * info.mem_unit / PAGE;
    uint64_t swap = (uint64_t)info.totalswap * info.mem_unit / PAGE;
    struct personality personality = personality_default(ram);
    personality.swap_pages = swap;
    model_start(&personality, 1 << 14);
    struct map_request request = {.length = (ram + swap) * PAGE, .access = VMF_READ | VMF_WRITE};
    vaddr place;
    assert_int_equal(mm_map(&mm, &request, &place), 0);
    request.length += PAGE;
    assert_int_equal(mm_map(&mm, &request, &place), -ENOMEM);
    request.flags = MAP_REQUEST_NORESERVE;
    assert_int_equal(mm_map(&mm, &request, &place), 0);
    model_end();

    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY) {
        skip();
    }
    size_t whole = (size_t)(ram + swap) * PAGE;
    void *real = real_map(whole);
    assert_true(real != MAP_FAILED);
    munmap(real, whole);
    assert_true(real_map(whole + PAGE) == MAP_FAILED);
    assert_int_equal(errno, ENOMEM);
    real = mmap(NULL, whole + PAGE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(real != MAP_FAILED);
    munmap(real, whole + PAGE);
}

/* The kernel may take a page of the program away at any time, and it faults once more. */
#define STRAY_FAULTS 8

/* ---- faults -------------------------------------------------------------------------------- */

/* read(2) into fresh pages: the kernel's own accesses fault as well. */
static void test_faults_in_a_call(void **state) {
    (void)state;
    enum { PAGES = 16 };
    char *buffer = real_map(PAGES * PAGE);
    assert_true(buffer != MAP_FAILED);
    int fd = open("/dev/zero", O_RDONLY);
    assert_true(fd >= 0);
    (void)minor_faults();
    long before = minor_faults();
    assert_int_equal(syscall(SYS_read, fd, buffer, PAGES * PAGE), PAGES * PAGE); /* no wrapper */
    long after = minor_faults();
    assert_in_range(after - before, PAGES, PAGES + STRAY_FAULTS);
    close(fd);
    munmap(buffer, PAGES * PAGE);
}

#define RACE_PAGES 2000

static void *touch_all(void *start) {
    volatile char *bytes = start;
    for (size_t page = 0; page < RACE_PAGES; page++) {
        bytes[page * PAGE] = 1;
    }
    return NULL;
}

/* Threads that race may both fault for a page, but no page is there twice. */
static void test_racing_threads(void **state) {
    (void)state;
    pthread_t threads[2];
    char *start = real_map(RACE_PAGES * PAGE);
    assert_true(start != MAP_FAILED);
    long before = minor_faults();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, touch_all, start), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    long faults = minor_faults() - before;
    assert_in_range(faults, RACE_PAGES, 2 * RACE_PAGES + 64); /* and what starting them costs */
    munmap(start, RACE_PAGES * PAGE);
}

/* PR_SET_THP_DISABLE beats MADV_HUGEPAGE. */
static _Noreturn void touch_without_huge_pages(void) {
    CHECK_IN_CHILD(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
    char *start = real_map(4 << 20);
    int fd = open("/dev/zero", O_RDONLY);
    CHECK_IN_CHILD(start != MAP_FAILED && fd >= 0);
    madvise(start, 4 << 20, MADV_HUGEPAGE);
    long before = minor_faults();
    for (size_t page = 0; page < 1024; page++) { /* by the kernel: nothing else faults meanwhile */
        CHECK_IN_CHILD(syscall(SYS_read, fd, start + page * PAGE, 1) == 1);
    }
    long faults = minor_faults() - before;
    CHECK_IN_CHILD(faults >= 1024 && faults <= 1024 + STRAY_FAULTS);
    _exit(0);
}

static void test_huge_pages_disabled(void **state) {
    (void)state;
    const struct personality personality = personality_default(1 << 16);
    model_start(&personality, 1 << 14);
    mm.thp_disabled = true;
    vaddr start = model_map(4 << 20);
    assert_int_equal(mm_advise(&mm, start, 4 << 20, ADVICE_HUGEPAGE), 0);
    for (size_t page = 0; page < 1024; page++) {
        assert_int_equal(mm_access(&mm, start + page * PAGE, true), FAULT_NO_SIGNAL);
    }
    assert_int_equal(mm.minor_faults, 1024);
    model_end();
    pid_t pid = fork();
    if (pid == 0) {
        touch_without_huge_pages();
    }
    expect_child(pid);
}

/* ---- a file that is not in the page cache -------------------------------------------------- */

#define FILE_PAGES 1024

static int cold_file(void) {
    char path[] = "cold-XXXXXX";
    static char page[4096];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    memset(page, 1, sizeof page);
    for (int i = 0; i < FILE_PAGES; i++) {
        assert_int_equal(write(fd, page, sizeof page), (ssize_t)sizeof page);
    }
    assert_int_equal(fsync(fd), 0);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return fd;
}

/* Of the kernel only bounds: how far it reads ahead depends on the disk. */
static void test_cold_file(void **state) {
    (void)state;
    struct personality personality = personality_default(1 << 16);
    model_start(&personality, 1 << 16);
    struct model_file *file = file_new(&machine, FILE_PAGES, false);
    assert_non_null(file);
    file_cool(&machine, file);
    const struct map_request request = {
        .length = FILE_PAGES * PAGE, .access = VMF_READ, .file = file};
    vaddr at = 0;
    assert_int_equal(mm_map(&mm, &request, &at), 0);
    for (size_t page = 0; page < FILE_PAGES; page++) {
        assert_int_equal(mm_access(&mm, at + page * PAGE, false), FAULT_NO_SIGNAL);
    }
    assert_int_equal(mm.major_faults, 1);
    assert_int_equal(mm.minor_faults, FILE_PAGES / 16);
    assert_int_equal(mm.file_pages, FILE_PAGES);
    assert_int_equal(mm_unmap(&mm, at, request.length), 0);
    file_release(&machine, file);
    model_end();

    int fd = cold_file();
    volatile char *real = mmap(NULL, FILE_PAGES * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    assert_true(real != MAP_FAILED);
    long minor = minor_faults();
    long major = major_faults();
    for (size_t page = 0; page < FILE_PAGES; page++) {
        assert_int_equal(real[page * PAGE], 1);
    }
    major = major_faults() - major;
    minor = minor_faults() - minor;
    if (major == 0) {
        print_message("the file stayed in the cache: %ld minor faults\n", minor);
        return;
    }
    print_message("cold file: %ld minor and %ld major faults\n", minor, major);
    assert_in_range(major, 1, FILE_PAGES / 16);
    assert_in_range(minor + major, 2, FILE_PAGES / 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit_of_mappings), cmocka_unit_test(test_largest_request),
        cmocka_unit_test(test_faults_in_a_call),  cmocka_unit_test(test_racing_threads),
        cmocka_unit_test(test_cold_file),         cmocka_unit_test(test_huge_pages_disabled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
