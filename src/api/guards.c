/* guards.c - see guards.h.
 * Layer: api (includes thread and below).
 *
 * A fault within the pool is reported in the signal's handler: from here on nothing is taken for
 * granted, other threads go on allocating and freeing guarded blocks meanwhile. */
#include "api/guards.h"

#include "chunk/params.h"
#include "os/os.h"
#include "os/report.h"
#include "pages/guard.h"

/* In a block's page before it is freed nothing faults. */
static const char *kind_of(const struct guard_place *place, const void *address) {
    uint32_t state = __atomic_load_n(&place->state, __ATOMIC_ACQUIRE);
    uintptr_t at = (uintptr_t)address;
    if (state != GUARD_LIVE && at - place->memory < place->bytes) {
        return "use after free";
    }
    return at < place->memory ? "underflow" : "overflow";
}

static const char *by_what(enum os_access access) {
    static const char words[][12] = {[OS_ACCESS_UNKNOWN] = "",
                                     [OS_ACCESS_READ] = " by a read",
                                     [OS_ACCESS_WRITE] = " by a write"};
    return words[access];
}

static void look_at(const struct os_fault *fault) {
    if (!guard_contains(fault->address) || report_on_error == REPORT_IGNORE) {
        return;
    }
    const struct guard_place *place = guard_find(fault->address);
    if (place != NULL && guard_report_once(place)) {
        struct trace trace;
        trace_take_from(&trace, fault->place, fault->frame);
        report_fault(kind_of(place, fault->address), by_what(fault->access), fault->address,
                     &trace);
    }
}

/* Under profile=hardened all slots are looked after in another way.
 * Without a handler faults end the process without a word, as they would without guards. */
void guards_start(void) {
    bool samples = guard_interval != 0 && params.slabs && !params.hardened;
    if (samples && guard_open()) {
        (void)os_watch_faults(look_at);
    }
}
