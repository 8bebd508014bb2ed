/* at_exit.c - the report of stats_at_exit: what memory a process has when it ends, and what for.
 * Layer: api (includes thread and below).
 *
 * I1: in use + kept by threads + fast bins + bins + tops = heaps;
 *     in use + free + not carved = slabs;
 *     slabs + heaps + mapped blocks + records = the last row.
 * Written straight to the descriptor, in one piece: other processes may share it. */
#include "api/options.h"
#include "api/statistics.h"
#include "base/format.h"
#include "os/os.h"
#include "pages/meta.h"
#include "pages/page_map.h"

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
    say_row(page, "small blocks in use", slabs->live_bytes, slabs->live_count, "blocks");
    say_row(page, "free, in slabs", slabs->free_bytes, slabs->free_count, "blocks");
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
    size_t records = meta_mapped_bytes();
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

__attribute__((destructor)) static void report_at_exit(void) {
    if (options_get(OPTION_STATS_AT_EXIT) != 0) {
        report();
    }
}
