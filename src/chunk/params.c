/* params.c - defaults of the engine's parameters and the rules for changing them.
 * Layer: chunk (includes base, pages). See params.h. */
#include "chunk/params.h"

#include "chunk/quick.h"

struct params params = {
    .mmap_threshold = MMAP_THRESHOLD_DEFAULT_BYTES,
    .mmap_max = MMAP_MAX_DEFAULT,
    .trim_threshold = TRIM_THRESHOLD_DEFAULT_BYTES,
    .top_pad = TOP_PAD_DEFAULT_BYTES,
    .fast_max = FAST_DEFAULT_BYTES,
    .arena_max = 0,
    .arena_test = 0,
    .quick_count = QUICK_COUNT_DEFAULT,
    .quick_bytes = QUICK_MAX_BYTES,
    .perturb = 0,
    .step_bytes = STEP_DEFAULT_BYTES,
    .slabs = true,
    .dynamic = true,
};

void params_use_profile(enum profile profile) {
    bool is_hardened = profile == PROFILE_HARDENED;
    bool has_slabs = profile == PROFILE_DEFAULT || is_hardened;
    params = (struct params){
        .mmap_threshold =
            is_hardened ? MMAP_THRESHOLD_HARDENED_BYTES : MMAP_THRESHOLD_DEFAULT_BYTES,
        .mmap_max = MMAP_MAX_DEFAULT,
        .trim_threshold = TRIM_THRESHOLD_DEFAULT_BYTES,
        .top_pad = TOP_PAD_DEFAULT_BYTES,
        .fast_max = FAST_DEFAULT_BYTES,
        .quick_count = profile == PROFILE_PTMALLOC ? 0 : QUICK_COUNT_DEFAULT,
        .charges = profile == PROFILE_GLIBC,
        .quick_bytes = QUICK_MAX_BYTES,
        .step_bytes = has_slabs ? STEP_DEFAULT_BYTES : 0,
        .slabs = has_slabs,
        .dynamic = !is_hardened,
        .hardened = is_hardened,
    };
}

bool params_set_mmap_threshold(size_t bytes) {
    params.mmap_threshold = bytes;
    params.dynamic = false;
    return true;
}

bool params_set_mmap_max(size_t count) {
    params.mmap_max = count;
    params.dynamic = false;
    return true;
}

bool params_set_trim_threshold(size_t bytes) {
    params.trim_threshold = bytes;
    params.dynamic = false;
    return true;
}

bool params_set_top_pad(size_t bytes) {
    params.top_pad = bytes;
    params.dynamic = false;
    return true;
}

/* A request of 0 gives a limit below the smallest chunk: no fast bins. */
bool params_set_fast_max(size_t request_bytes) {
    if (request_bytes > FAST_REQUEST_MAX_BYTES) {
        return false;
    }
    params.fast_max = align_down(request_bytes + SIZE_BYTES, CHUNK_ALIGNMENT);
    return true;
}

/* glibc compares the size word with its flag: one equal to the threshold still raises the trim
 * threshold, one equal to the limit is beyond it. */
void params_adapt(size_t bytes) {
    if (params.dynamic && bytes >= params_mmap_threshold() && bytes < MMAP_THRESHOLD_MAX_BYTES) {
        __atomic_store_n(&params.mmap_threshold, bytes, __ATOMIC_RELAXED);
        __atomic_store_n(&params.trim_threshold, 2 * bytes, __ATOMIC_RELAXED);
    }
}
