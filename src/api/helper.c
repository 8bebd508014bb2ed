/* helper.c - see helper.h.
 * Layer: api (includes thread and below).
 *
 * Everything else in the library is done by threads that allocate or free: one that sleeps gives
 * nothing back. The helper looks once in each window of retention (retain_decay). When nothing was
 * allocated or freed since it looked last, by the figures, it gives back what malloc_trim(0) does:
 * all arenas, the slabs that no thread owns, free granules. What a sleeping thread keeps for itself
 * stays with it.
 *
 * It has all signals blocked, and is not there in a forked child. */
#include "api/helper.h"

#include "api/names.h"
#include "api/statistics.h"
#include "os/os.h"
#include "os/report.h"
#include "pages/policy.h"
#include "pages/retention.h"

#include "arenite/arenite.h"

#include <malloc.h>

/* Free and used bytes; both the same twice: nobody was at work, or nobody to speak of. */
struct levels {
    size_t used_bytes, free_bytes;
};

static struct levels look(void) {
    struct heap_statistics sum;
    statistics_collect(&sum, NULL, NULL);
    return (struct levels){statistics_used(&sum) + sum.mapped.bytes, statistics_free(&sum)};
}

static void *help(void *unused) {
    struct levels before = look();
    for (;;) {
        os_sleep_ns(__atomic_load_n(&retention_window_ns, __ATOMIC_RELAXED));
        struct levels now = look();
        if (now.used_bytes == before.used_bytes && now.free_bytes == before.free_bytes) {
            API(malloc_trim)(0);
            now = look();
        }
        before = now;
    }
    return unused;
}

void helper_start(void) {
    if (policy.has_helper && os_thread_start(help) != 0) {
        report_line("helper=1: the thread cannot be started");
    }
}
