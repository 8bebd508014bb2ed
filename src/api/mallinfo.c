/* mallinfo.c - mallinfo2 and mallinfo, by glibc's definitions, summed over every layer: free slots
 * count with the fast bins, blocks that threads keep as free.
 * Layer: api (includes thread and below).
 *
 * I1: arena = uordblks + fordblks.
 * mallinfo has ints only: what does not fit is shown as INT_MAX, where glibc's wraps. */
#include "api/names.h"
#include "api/statistics.h"

#include "arenite/arenite.h"

#include <limits.h>
#include <malloc.h>

static struct mallinfo2 collect(void) {
    struct heap_statistics sum;
    statistics_collect(&sum, NULL, NULL);
    return (struct mallinfo2){
        .arena = statistics_system(&sum),
        .ordblks = sum.free_count,
        .smblks = sum.fast_count + sum.slabs.free_count,
        .hblks = sum.mapped.count,
        .hblkhd = sum.mapped.bytes,
        .fsmblks = sum.fast_bytes + sum.slabs.free_bytes,
        .uordblks = statistics_used(&sum),
        .fordblks = statistics_free(&sum),
        .keepcost = statistics_returns(&sum),
    };
}

static int saturated(size_t value) {
    return value > INT_MAX ? INT_MAX : (int)value;
}

API_EXPORT_WEAK struct mallinfo2 API(mallinfo2)(void) {
    return collect();
}

API_EXPORT_WEAK struct mallinfo API(mallinfo)(void) {
    struct mallinfo2 info = collect();
    return (struct mallinfo){
        .arena = saturated(info.arena),
        .ordblks = saturated(info.ordblks),
        .smblks = saturated(info.smblks),
        .hblks = saturated(info.hblks),
        .hblkhd = saturated(info.hblkhd),
        .fsmblks = saturated(info.fsmblks),
        .uordblks = saturated(info.uordblks),
        .fordblks = saturated(info.fordblks),
        .keepcost = saturated(info.keepcost),
    };
}

/* libc's header calls mallinfo deprecated; its own malloc.o has this second name all the same. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
API_LIBC_ALIAS(mallinfo);
