/* start.c - see start.h.
 * Layer: api (includes thread and below).
 *
 * Order: what other steps read comes first; the fork handler is registered before start_is_done
 * is published, so that it can never be registered twice; there is no prepare handler, because one
 * that waits for a heap's lock can wait forever. */
#include "api/start.h"

#include "api/announce.h"
#include "api/audit.h"
#include "api/describe.h"
#include "api/guards.h"
#include "api/helper.h"
#include "api/options.h"
#include "api/registry.h"
#include "chunk/params.h"
#include "hardened/site.h"
#include "hardened/zero.h"
#include "os/os.h"
#include "os/report.h"
#include "pages/page_map.h"
#include "thread/recover.h"
#include "thread/thread.h"

#include <pthread.h>

uint32_t start_is_done;
/* Address of a thread-local variable of the thread that runs the beginning, 0 before it. */
static uintptr_t start_owner;

static void prepare_page_map_at(const void *address) {
    if (address != NULL) {
        /* Without this leaf the page map tries again when it is needed. */
        (void)page_map_prepare((uintptr_t)address, (uintptr_t)address + 1);
    }
}

/* Leaves of the page map for the two places where memory will come from, so that a program sees
 * no kernel call for our records after its main() began. libc asks the kernel for the break when it
 * is first moved, as it does without us. */
static void prepare_page_map(void) {
    prepare_page_map_at(os_break_place());
    void *place = os_reserve(os_page_bytes(), NULL);
    if (place != NULL) {
        os_release(place, os_page_bytes());
    }
    prepare_page_map_at(place);
}

static void fork_child(void) {
    zero_fork_child();
    thread_fork_child();
}

static void start_run(void) {
    report_describe = describe_address;
    recover_arena_is_sound = audit_arena_is_sound;
    recover_above = zero_recover;
    registry_init();
    options_load();
    guards_start();
    if (params.hardened) {
        site_init();
    }
    /* Without a key for the end of threads, what their lists hold stays theirs. */
    (void)thread_init();
    prepare_page_map();
    (void)pthread_atfork(NULL, NULL, fork_child);
}

void start_now(void) {
    uintptr_t self = (uintptr_t)&thread_operation;
    uintptr_t owner = 0;
    if (__atomic_compare_exchange_n(&start_owner, &owner, self, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_ACQUIRE)) {
        start_run();
        __atomic_store_n(&start_is_done, 1, __ATOMIC_RELEASE);
    }
    while (owner != 0 && owner != self && __atomic_load_n(&start_is_done, __ATOMIC_ACQUIRE) == 0) {
        os_wait(&start_is_done, 0);
    }
    os_wake_one(&start_is_done);
}

#if !defined(ARENITE_PREFIXED)
/* Before main(), so that the kernel calls of the beginning do not fall into it. */
__attribute__((constructor)) static void start_early(void) {
    start_ensure();
    announce();
    helper_start();
}
#endif
