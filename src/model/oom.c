/* oom.c - nothing can be reclaimed any more: a process must go.
 * Layer: model (includes base and the buddy core).
 *
 * Points: what its death would bring (resident pages, pages in swap, page tables), and for every
 * step of oom_score_adj a thousandth of all memory more or less. Whoever has most goes; of several
 * the newest. Its memory is taken at once, as the oom reaper does; the mm stays,
 * marked as killed, until its owner destroys it.
 * Source: mm/oom_kill.c of Linux 6.x, re-told. */
#include "model/mm_internal.h"

#include <string.h>

#define ADJ_NEVER (-1000)

int64_t oom_badness(const struct mm *mm) {
    const struct personality *personality = &mm->machine->personality;
    if (mm->oom_score_adj == ADJ_NEVER || mm->killed) {
        return INT64_MIN;
    }
    uint64_t own = mm->anon_pages + mm->file_pages + mm->swap_pages +
                   tables_bytes(&mm->tables) / MODEL_PAGE_BYTES;
    uint64_t all = mm->machine->frames.pages + personality->swap_pages;
    return (int64_t)own + mm->oom_score_adj * (int64_t)(all / 1000);
}

static void note_kill(struct mm *mm, int64_t badness) {
    struct oom_kill *kill = &mm->machine->last_kill;
    *kill = (struct oom_kill){
        .kills = kill->kills + 1,
        .pid = mm->pid,
        .score_adj = mm->oom_score_adj,
        .badness = badness,
        .total_pages = mm->total_pages,
        .anon_pages = mm->anon_pages,
        .file_pages = mm->file_pages,
        .swap_pages = mm->swap_pages,
        .table_bytes = tables_bytes(&mm->tables),
    };
    memcpy(kill->name, mm->name, sizeof kill->name);
}

bool oom_kill(struct machine *machine) {
    struct mm *victim = NULL;
    int64_t most = INT64_MIN;
    for (struct mm *mm = machine->mms; mm != NULL; mm = mm->next) { /* the newest first */
        int64_t badness = oom_badness(mm);
        if (badness != INT64_MIN && badness > most) {
            victim = mm;
            most = badness;
        }
    }
    if (victim == NULL) {
        return false;
    }
    note_kill(victim, most);
    victim->killed = true;
    const struct vma *first = vma_index_first(&victim->index);
    if (first != NULL) {
        mm_zap(victim, first->start, vma_index_last(&victim->index)->end, 0);
    }
    frames_drain(&machine->frames);
    return true;
}
