/* bed_play.c - the traffic of bed.h; needs of the model its clock only.
 * Layer: tests (includes api, thread and model). */
#include "api/start.h"
#include "bed.h"
#include "pages/meta.h"
#include "thread/thread.h"

#define STEP_NS 100000

/* Of every magnitude; the large ones are rare, because every page of them is touched. */
static size_t some_bytes(uint64_t *random) {
    size_t kind = traffic_below(random, 1000);
    size_t limit = kind < 650 ? 1500 : kind < 850 ? 40000 : kind < 994 ? 300000 : (size_t)8 << 20;
    return 1 + traffic_below(random, limit);
}

/* Without memory for a state the traffic goes on in the one that there is. */
static void change_state(struct bed *bed) {
    size_t which = traffic_below(&bed->traffic.random, BED_STATES);
    if (bed->states[which] == NULL) {
        bed->states[which] = thread_create();
    }
    if (bed->states[which] != NULL) {
        thread_switch(bed->states[which]);
    }
}

/* An ended thread's blocks live on; its state comes back for another one. */
static void end_state(struct bed *bed) {
    for (size_t i = 0; i < BED_STATES; i++) {
        if (bed->states[i] == thread_own && thread_own->attached != 0) {
            thread_detach(thread_own);
            bed->states[i] = NULL;
        }
    }
    change_state(bed);
}

void bed_prepare(struct bed *bed) {
    if (bed->traffic.held == NULL) {
        traffic_init(&bed->traffic, BED_SLOTS, bed->seed);
        bed->traffic.some_bytes = some_bytes;
    }
}

void bed_leave_static_records(void) {
    TEST_CHECK(meta_alloc(META_STATIC_BYTES, CACHE_LINE_BYTES) != NULL);
}

void bed_play(struct bed *bed, size_t steps) {
    if (!bed->plays) {
        bed->plays = true;
        bed_prepare(bed);
        start_ensure();
        change_state(bed);
    }
    for (; steps > 0; steps--) {
        size_t event = traffic_below(&bed->traffic.random, 2000);
        if (event < 50) {
            change_state(bed);
        } else if (event == 50 && !bed->keeps_states) {
            end_state(bed);
        } else if (event == 51) {
            malloc_trim(0);
        }
        traffic_step(&bed->traffic);
        os_model_pass_ns(STEP_NS);
    }
}
