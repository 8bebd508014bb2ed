/* take.c - frames for pages of processes.
 * Layer: model (includes base and the buddy core).
 *
 *   mm_take_page
 *     below `low`    as kswapd: reclaim until `high`
 *     none left, or  directly: reclaim a batch, until one is there or nothing comes free; then the
 *     none admitted  fault that wanted it has a process killed (oom.c)
 *   larger folios    are worth no reclaim: small pages serve as well */
#include "model/file.h"
#include "model/mm_internal.h"

static void as_kswapd(struct machine *machine) {
    bool progress = true;
    while (progress && !frames_are_high(&machine->frames)) {
        progress = machine_reclaim(machine, RECLAIM_BATCH) > 0;
    }
}

static struct pfn take_admitted(struct machine *machine, struct frame_owner owner,
                                enum lru_list list) {
    return group_admits(machine, 1) ? ram_take(&machine->ram, 0, owner, list) : (struct pfn){0};
}

struct pfn mm_take_page(struct mm *mm, struct frame_owner owner) {
    struct machine *machine = mm->machine;
    enum lru_list list = mm_first_list(owner.file);
    if (frames_are_low(&machine->frames)) {
        as_kswapd(machine);
    }
    struct pfn frame = take_admitted(machine, owner, list);
    while (frame.number == 0 && machine_reclaim(machine, RECLAIM_BATCH) > 0) {
        frame = take_admitted(machine, owner, list);
    }
    return frame;
}

struct pfn mm_take_middle(struct mm *mm, unsigned order, struct frame_owner owner) {
    if (!group_admits(mm->machine, (uint64_t)1 << order)) {
        return (struct pfn){0};
    }
    return ram_take_middle(&mm->machine->ram, order, owner, LRU_INACTIVE_ANON);
}

struct pfn mm_take_huge_page(struct mm *mm, struct frame_owner owner) {
    if (!group_admits(mm->machine, HUGE_PAGES)) {
        return (struct pfn){0};
    }
    return ram_take(&mm->machine->ram, HUGE_ORDER, owner, LRU_INACTIVE_ANON);
}
