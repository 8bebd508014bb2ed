/* at_exit.c - what happens when a process ends: the report of stats_at_exit (what memory it has,
 * and what for), and a last look for damage.
 * Layer: api (includes thread and below).
 *
 * I1: in use + kept by threads + fast bins + bins + tops = heaps;
 *     in use + free + not carved = slabs;
 *     slabs + heaps + mapped blocks + records = the last row.
 * Written straight to the descriptor, in one piece: other processes may share it. */
#include "api/options.h"
#include "api/statistics.h"
#include "base/format.h"
#include "chunk/params.h"
#include "hardened/patrol.h"
#include "os/os.h"
#include "os/report.h"
#include "pages/meta.h"
#include "pages/page_map.h"
#include "thread/operation.h"
#include "thread/slabs.h"

#if defined(ARENITE_PREFIXED)
#define LOOKS_AT_END false
#else
#define LOOKS_AT_END SLAB_CHECKS
#endif

#define STDERR_DESCRIPTOR 2
#define TEXT_BYTES 2048

struct page {
    char text[TEXT_BYTES];
    size_t length;
};

static void say_row(struct page *page, const char *what, size_t bytes, size_t count,
                    const char *unit) {
    size_t room = TEXT_BYTES - page->length;
    size_t length =
        format_text(page->text + page->length, room, "arenite:   %-28s %14zu bytes %10zu %s\n",
                    what, bytes, count, unit);
    page->length += length < room ? length : room - 1;
}

static void say_heading(struct page *page) {
    page->length = format_text(page->text, TEXT_BYTES, "arenite: memory of process %d at its end\n",
                               os_process_id());
}

/* Counters of lists that move while they are read may disagree: nothing is shown below zero. */
static size_t minus(size_t from, size_t what) {
    return what < from ? from - what : 0;
}

static void say_heaps(struct page *page, const struct heap_statistics *sum,
                      const struct block_statistics *blocks) {
    size_t free_chunks = sum->free_count + sum->fast_count + blocks->quick_count;
    size_t binned = minus(sum->free_bytes, sum->top_bytes + sum->fast_bytes);
    size_t lists = blocks->quick_bytes + sum->slabs.medium_bytes;
    size_t kept = lists < sum->used_bytes ? lists : sum->used_bytes;
    say_row(page, "in use", sum->used_bytes - kept, minus(blocks->chunks, free_chunks), "blocks");
    say_row(page, "free, kept by threads", kept, blocks->threads, "threads");
    say_row(page, "free, in fast bins", sum->fast_bytes, sum->fast_count, "blocks");
    say_row(page, "free, in bins", binned, minus(sum->free_count, sum->arenas), "blocks");
    say_row(page, "free, at the ends of heaps", sum->top_bytes, sum->arenas, "arenas");
    say_row(page, "= heaps", sum->system_bytes, sum->system_max_bytes, "bytes at most");
}

static void say_slabs(struct page *page, const struct slab_statistics *slabs) {
    size_t rest = minus(slabs->committed_bytes, slabs->live_bytes + slabs->free_bytes);
    size_t free_bytes = minus(slabs->free_bytes, slabs->quarantine_bytes);
    say_row(page, "small blocks in use", slabs->live_bytes, slabs->live_count, "blocks");
    say_row(page, "free, in slabs", free_bytes, slabs->free_count, "blocks");
    if (params.hardened) {
        say_row(page, "free, in quarantine", slabs->quarantine_bytes, thread_count(), "threads");
    }
    say_row(page, "not carved, between slabs", rest, slabs->slabs, "slabs");
    say_row(page, "= slabs", slabs->committed_bytes, slabs->committed_bytes >> GRANULE_SHIFT,
            "granules");
}

static void report(void) {
    struct page page;
    struct heap_statistics sum;
    struct block_statistics blocks;
    statistics_collect(&sum, NULL, NULL);
    statistics_count_blocks(&blocks);
    size_t records = meta_mapped_bytes() + sum.slabs.annex_bytes;
    say_heading(&page);
    say_slabs(&page, &sum.slabs);
    say_heaps(&page, &sum, &blocks);
    say_row(&page, "blocks mapped by themselves", sum.mapped.bytes, sum.mapped.count, "blocks");
    say_row(&page, "records of the library", records, blocks.threads, "threads");
    say_row(&page, "= in all", statistics_system(&sum) + sum.mapped.bytes + records, 1, "process");
    if (sum.incomplete != 0) {
        say_row(&page, "counted wholly as in use", 0, sum.incomplete, "arenas");
    }
    (void)os_write(STDERR_DESCRIPTOR, page.text, page.length);
}

/* ---- a last look ---------------------------------------------------------------------------- */

/* Free slots that are looked at: some ten microseconds. */
#define LAST_LOOK_SLOTS ((size_t)1024)

/* And slots of all kinds under profile=hardened: some milliseconds. */
#define LAST_PATROL_SLOTS ((size_t)256 * 1024)

/* What was written to free slots of this thread, and of those that have ended, would be noticed
 * when they are handed out again; now is the last time. Not where the process ends within an
 * operation, nor in the library that shares a process with another malloc. */
static void look_for_damage(void) {
    struct operation operation;
    size_t budget = LAST_LOOK_SLOTS;
    const struct slot *damage = NULL;
    report_caller = NULL;
    if (operation_enter(&operation) && thread_own->attached != 0) {
        if (params.hardened) {
            patrol_all(thread_own, LAST_PATROL_SLOTS);
        }
        damage = slabs_find_damage(thread_own, &budget);
        damage = damage == NULL ? depot_find_damage(&budget) : damage;
    }
    operation_leave(&operation);
    if (damage != NULL) {
        report_misuse("a free block, or what lies beside one, was written to", damage);
    }
}

__attribute__((destructor)) static void end(void) {
    if (options_get(OPTION_STATS_AT_EXIT) != 0) {
        report();
    }
    if (LOOKS_AT_END) {
        look_for_damage();
    }
}
