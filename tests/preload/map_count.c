/* map_count.c - the kernel's limit of mappings is reached: none can be made or split any more,
 * and memory serves all the same, or is refused, until there are fewer again.
 * Layer: tests (includes libc only). */
#include "support.h"
#include "traffic.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define TRIES_MAX ((size_t)300000)

/* Pages whose rights alternate, so that each is a mapping of its own. Returns where they begin. */
static unsigned char *use_up_mappings(size_t page, size_t *pages) {
    unsigned char *start =
        mmap(NULL, TRIES_MAX * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    TEST_CHECK(start != MAP_FAILED);
    for (*pages = 1; *pages < TRIES_MAX; *pages += 2) {
        if (mprotect(start + *pages * page, page, PROT_READ) != 0) {
            return start;
        }
    }
    test_skip("more mappings are allowed than this test makes");
}

int main(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t pages = 0;
    struct traffic traffic;
    traffic_init(&traffic, 400, 1);
    traffic_run(&traffic, 2000);
    unsigned char *start = use_up_mappings(page, &pages);
    for (size_t i = 0; i < 10; i++) {
        traffic_run(&traffic, 1000);
        malloc_trim(0);
        traffic_check(&traffic);
    }
    printf("beside %zu mappings: %zu refused\n", pages, traffic.refused);
    TEST_CHECK(munmap(start, TRIES_MAX * page) == 0);
    traffic.refused = 0;
    traffic_run(&traffic, 3000);
    TEST_CHECK(traffic.refused == 0);
    traffic_destroy(&traffic);
    return 0;
}
