/* model_demo_memory.c - demos about memory that is promised and memory that is there.
 * Layer: cli (may use libc). */
#include "cli/model_demo.h"
#include "cli/text.h"
#include "model/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* ---- overcommit: the experiment of "is malloc's return value meaningful?" ------------------- */

/* A large malloc is an mmap with a page for the chunk's header. */
#define CHUNK_PAGE MODEL_PAGE_BYTES

/* On the 12 GB machine of the notes: 13 GB at once, and 2 GB a time. */
static uint64_t whole_request(const struct stage *stage) {
    return stage_ram_bytes(stage) / 12 * 13;
}

static uint64_t part_request(const struct stage *stage) {
    return stage_ram_bytes(stage) / 6;
}

static void show_refusal(struct stage *stage) {
    struct mm mm;
    stage_enter(stage, &mm, "foo");
    int error;
    uint64_t wanted = whole_request(stage);
    char *size = demo_size(wanted);
    vaddr at = demo_map(&mm, wanted + CHUNK_PAGE, &error);
    uint64_t most = stage->personality.ram_pages + stage->personality.swap_pages;
    bool refused = at == VADDR_NONE;
    stage_tell(stage, &mm, text_format("malloc(%" PRIu64 "), %s at once", wanted, size),
               text_copy(refused ? "NULL, ENOMEM" : "succeeds"),
               text_format("one request of %" PRIu64 " pages %s memory and swap together, %" PRIu64
                           " pages: overcommit mode 0 refuses only what could never be there",
                           (wanted + CHUNK_PAGE) / MODEL_PAGE_BYTES,
                           refused ? "is more than" : "fits into", most));
    free(size);
    stage_leave(stage, &mm);
}

static void show_promises(struct stage *stage) {
    struct mm mm;
    stage_enter(stage, &mm, "foo");
    uint64_t wanted = part_request(stage);
    char *size = demo_size(wanted);
    int error = 0;
    int count = 0;
    while (count < 10 && demo_map(&mm, wanted + CHUNK_PAGE, &error) != VADDR_NONE) {
        count++;
    }
    stage_tell(stage, &mm,
               text_format("malloc(%" PRIu64 "), ten times %s, nothing touched", wanted, size),
               text_format("%d of 10 succeed", count),
               text_format("each request is judged alone; together they are %" PRIu64
                           " percent of the memory, and none of it was needed yet",
                           mm.accounted_pages * 100 / stage->personality.ram_pages));
    free(size);
    stage_leave(stage, &mm);
}

/* Asks for parts and touches each; the number of the part during which it was killed, or 0. */
static int touch_parts(struct stage *stage, struct mm *mm, uint64_t wanted) {
    char *size = demo_size(wanted);
    int killed = 0;
    for (int i = 1; i <= 10 && killed == 0; i++) {
        int error;
        vaddr at = demo_map(mm, wanted + CHUNK_PAGE, &error);
        if (at == VADDR_NONE) {
            break;
        }
        enum fault_signal signal;
        uint64_t pages = demo_touch(mm, at, wanted, true, &signal);
        killed = signal == FAULT_OOM ? i : 0;
        stage_tell(stage, mm, text_format("malloc number %d of %s, every page touched", i, size),
                   killed == 0 ? text_format("succeeds, and so do all %" PRIu64 " touches", pages)
                               : text_format("malloc succeeds; SIGKILL at page %" PRIu64, pages),
                   killed == 0 ? text_format("each first touch takes a frame, or with swap, "
                                             "somebody's frame")
                               : demo_kill_text(&stage->machine));
    }
    free(size);
    return killed;
}

static void show_touching(struct stage *stage) {
    struct mm mm;
    stage_enter(stage, &mm, "foo");
    touch_parts(stage, &mm, part_request(stage));
    stage_leave(stage, &mm);
}

#define OTHERS_MAX 64

/* Other processes hold so much that two parts fit and a third does not. */
static void show_busy_machine(struct stage *stage) {
    static struct mm others[OTHERS_MAX];
    uint64_t part = part_request(stage);
    uint64_t available = frames_free_pages(&stage->machine.frames) << MODEL_PAGE_SHIFT;
    available += stage->personality.swap_pages << MODEL_PAGE_SHIFT;
    uint64_t each = part / 4 & ~(uint64_t)(MODEL_PAGE_BYTES - 1);
    size_t count = 0;
    for (; count < OTHERS_MAX && available > 5 * part / 2 + each; count++, available -= each) {
        int error;
        enum fault_signal signal;
        stage_enter(stage, &others[count], "other");
        vaddr at = demo_map(&others[count], each, &error);
        demo_touch(&others[count], at, each, true, &signal);
    }
    char *text = demo_size(each);
    stage_announce(stage, "The same beside %zu other processes that use %s each:", count, text);
    struct mm mm;
    stage_enter(stage, &mm, "foo");
    touch_parts(stage, &mm, part);
    stage_leave(stage, &mm);
    for (size_t i = 0; i < count; i++) {
        stage_leave(stage, &others[i]);
    }
    free(text);
}

static void show_strict(struct stage *stage) {
    stage->machine.personality.overcommit = OVERCOMMIT_NEVER;
    struct mm mm;
    stage_enter(stage, &mm, "foo");
    uint64_t wanted = part_request(stage);
    int error = 0;
    int count = 0;
    while (count < 10 && demo_map(&mm, wanted + CHUNK_PAGE, &error) != VADDR_NONE) {
        count++;
    }
    char *size = demo_size(wanted);
    uint64_t limit = stage->personality.ram_pages * stage->personality.overcommit_ratio / 100 +
                     stage->personality.swap_pages;
    stage_tell(stage, &mm, text_format("vm.overcommit_memory=2, ten times malloc of %s", size),
               text_format("%d of 10 succeed, then NULL", count),
               text_format("CommitLimit is %u %% of memory, and swap: %" PRIu64
                           " kB; here malloc's answer means something (extrapolation: mode 2 was "
                           "not compared with a kernel)",
                           stage->personality.overcommit_ratio, limit << 2));
    stage->machine.personality.overcommit = OVERCOMMIT_GUESS;
    free(size);
    stage_leave(stage, &mm);
}

void demo_overcommit(struct stage *stage) {
    show_refusal(stage);
    show_promises(stage);
    show_touching(stage);
    show_busy_machine(stage);
    show_strict(stage);
}

/* ---- coldpages ----------------------------------------------------------------------------- */

static void show_lazy(struct stage *stage, struct mm *mm) {
    int error;
    enum fault_signal signal;
    uint64_t bytes = stage_ram_bytes(stage) / 64 & ~(uint64_t)(PMD_BYTES - 1);
    bytes = bytes < PMD_BYTES ? PMD_BYTES : bytes;
    char *size = demo_size(bytes);
    vaddr at = demo_map(mm, bytes, &error);
    stage_tell(stage, mm, text_format("mmap of %s", size), text_copy("an address"),
               text_copy("a vm_area_struct, and nothing behind it: no page, no table"));
    uint64_t read = demo_touch(mm, at, bytes / 2, false, &signal);
    stage_tell(stage, mm, text_format("read %" PRIu64 " pages of it", read), text_copy("zeros"),
               text_copy("a fault each, and tables; but all show the one zero page, which nobody "
                         "is charged for"));
    uint64_t wrote = demo_touch(mm, at, bytes / 4, true, &signal);
    stage_tell(stage, mm, text_format("write to %" PRIu64 " of these", wrote), text_copy("done"),
               text_copy("a second fault each: now a page of its own is taken and filled with "
                         "zeros"));
    mm_advise(mm, at, bytes / 4, ADVICE_DONTNEED);
    stage_tell(stage, mm, text_copy("madvise(MADV_DONTNEED) for these"), text_copy("done"),
               text_copy("the pages go back at once, the mapping stays"));
    demo_touch(mm, at, bytes / 4, true, &signal);
    stage_tell(stage, mm, text_copy("write to them again"), text_copy("done"),
               text_copy("a fault each once more: giving back and taking again is not free"));
    mm_unmap(mm, at, bytes);
    free(size);
}

#define FILE_PAGES 1024

static void show_cold_file(struct stage *stage, struct mm *mm) {
    struct model_file *file = file_new(&stage->machine, FILE_PAGES, false);
    if (file == NULL) {
        return;
    }
    file_cool(&stage->machine, file);
    const struct map_request request = {
        .length = FILE_PAGES * MODEL_PAGE_BYTES, .access = VMF_READ, .file = file};
    vaddr at;
    enum fault_signal signal;
    if (mm_map(mm, &request, &at) == 0) {
        demo_touch(mm, at, request.length, false, &signal);
        stage_tell(stage, mm,
                   text_format("read %d pages of a file that is not in memory", FILE_PAGES),
                   text_copy("done"),
                   text_copy("the first page must be read, a major fault; then the kernel reads "
                             "ahead, and a fault maps the 16 pages around it (how many faults are "
                             "major is an estimate)"));
        mm_unmap(mm, at, request.length);
        mm_map(mm, &request, &at);
        demo_touch(mm, at, request.length, false, &signal);
        stage_tell(stage, mm, text_copy("unmap it, map it and read it again"), text_copy("done"),
                   text_copy("the file is in the page cache still: minor faults only"));
    }
    file_release(&stage->machine, file);
    mm_unmap(mm, at, request.length);
}

/* More than fits, while a file lies in the cache. */
static void show_shortage(struct stage *stage, struct mm *mm) {
    struct model_file *file = file_new(&stage->machine, FILE_PAGES, false);
    const struct map_request request = {
        .length = FILE_PAGES * MODEL_PAGE_BYTES, .access = VMF_READ, .file = file};
    vaddr at;
    enum fault_signal signal;
    if (file == NULL || mm_map(mm, &request, &at) < 0) {
        return;
    }
    demo_touch(mm, at, request.length, false, &signal);
    /* Down to between the low watermark and the lowest; every 512 pages need a table. */
    const struct frame_marks *marks = &stage->machine.frames.marks;
    uint64_t spare = frames_free_pages(&stage->machine.frames) - marks->low_pages;
    uint64_t pages_wanted = spare - spare / 513 + (marks->low_pages - marks->min_pages) / 2;
    uint64_t wanted = pages_wanted << MODEL_PAGE_SHIFT;
    int error;
    vaddr heap = demo_map(mm, wanted, &error);
    uint64_t dropped = stage->machine.reclaim.file_dropped;
    uint64_t pages = heap == VADDR_NONE ? 0 : demo_touch(mm, heap, wanted, true, &signal);
    stage_tell(stage, mm,
               text_format("map that file again, and write to %" PRIu64 " pages of memory", pages),
               text_copy(signal == FAULT_NO_SIGNAL ? "done" : "SIGKILL"),
               text_format("below the low watermark the lists of least recently used pages are "
                           "looked through: %" PRIu64
                           " clean pages of the file were dropped, %" PRIu64
                           " pages written to swap",
                           stage->machine.reclaim.file_dropped - dropped,
                           stage->machine.ram.swap.pages_out));
    if (signal == FAULT_NO_SIGNAL) {
        demo_touch(mm, at, request.length, false, &signal);
        stage_tell(stage, mm, text_copy("read the file again"), text_copy("done"),
                   text_copy("what was dropped is read from disk again: major faults (an "
                             "estimate)"));
    }
    mm_unmap(mm, at, request.length);
    file_release(&stage->machine, file);
}

static void show_swap(struct stage *stage) {
    if (stage->personality.swap_pages == 0) {
        return;
    }
    struct mm mm;
    int error;
    enum fault_signal signal;
    stage_enter(stage, &mm, "foo");
    uint64_t bytes = 128 * MODEL_PAGE_BYTES;
    vaddr at = demo_map(&mm, bytes, &error);
    demo_touch(&mm, at, bytes, true, &signal);
    mm_advise(&mm, at, bytes, ADVICE_PAGEOUT);
    stage_tell(stage, &mm, text_copy("write to 128 pages, then madvise(MADV_PAGEOUT)"),
               text_copy("done"),
               text_copy("written to swap; their frames wait in the swap cache"));
    demo_touch(&mm, at, bytes, false, &signal);
    stage_tell(stage, &mm, text_copy("read them at once"), text_copy("done"),
               text_copy("found in the swap cache: minor faults"));
    mm_advise(&mm, at, bytes, ADVICE_PAGEOUT);
    machine_reclaim(&stage->machine, 128);
    demo_touch(&mm, at, bytes, false, &signal);
    stage_tell(stage, &mm, text_copy("page out again, let the frames go, read them"),
               text_copy("done"),
               text_copy("read from swap, 8 pages a time: one major fault for each group and minor "
                         "ones for the rest (the split is an estimate, the sum is not)"));
    stage_leave(stage, &mm);
}

void demo_coldpages(struct stage *stage) {
    struct mm mm;
    stage_enter(stage, &mm, "foo");
    show_lazy(stage, &mm);
    show_cold_file(stage, &mm);
    show_shortage(stage, &mm);
    stage_leave(stage, &mm);
    show_swap(stage);
}
