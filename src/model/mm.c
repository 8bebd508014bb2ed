/* mm.c - address spaces: their making, their ends, and the counts that limits look at.
 * Layer: model (includes base). */
#include "model/file.h"
#include "model/mm_internal.h"

#include <string.h>

/* What the kernel wants for itself it gets: where the real one would free memory first, or kill for
 * it, the reserve below the watermark serves here. */
static int init_kernel_memory(struct machine *machine) {
    int error = kmem_init(&machine->kmem, &machine->frames);
    if (error == 0) {
        machine->kmem.urgency = FRAME_NO_LIMIT;
        kmem_cache_init(&machine->vma_cache, &machine->kmem, "vm_area_struct", VMA_OBJECT_BYTES);
        kmem_cache_init(&machine->node_cache, &machine->kmem, "maple_node", MAPLE_NODE_BYTES);
    }
    return error;
}

static int init_memory(struct machine *machine, uint32_t pages) {
    void *metadata = model_alloc_range(&machine->memory, frames_metadata_bytes(pages, 1));
    if (metadata == NULL || pages < 2) {
        return -ENOMEM;
    }
    frames_init(&machine->frames, pages, 1, metadata);
    int error = ram_init(&machine->ram, &machine->frames, machine->personality.swap_pages,
                         &machine->memory);
    return error < 0 ? error : init_kernel_memory(machine);
}

int machine_init(struct machine *machine, const struct personality *personality,
                 enum index_kind index_kind, uint64_t frames, const struct model_chunks *chunks) {
    *machine = (struct machine){.personality = *personality, .index_kind = index_kind};
    model_memory_init(&machine->memory, chunks);
    int error = init_memory(machine, frames < UINT32_MAX / 2 ? (uint32_t)frames : UINT32_MAX / 2);
    if (error < 0) {
        model_memory_destroy(&machine->memory);
    }
    return error;
}

void machine_destroy(struct machine *machine) {
    kmem_destroy(&machine->kmem);
    model_memory_destroy(&machine->memory);
}

static void leave_machine(const struct mm *mm) {
    struct mm **link = &mm->machine->mms;
    while (*link != mm) {
        link = &(*link)->next;
    }
    *link = mm->next;
}

int mm_init(struct mm *mm, struct machine *machine, const struct mm_layout *layout) {
    const struct personality *personality = &machine->personality;
    *mm = (struct mm){
        .machine = machine,
        .layout = *layout,
        .limits = {LIMIT_NONE, LIMIT_NONE, 8 << 20, personality->locked_limit_bytes,
                   personality->may_exceed_locked},
        .break_end = layout->start_break,
    };
    mm->pid = ++machine->pids;
    mm->next = machine->mms;
    machine->mms = mm;
    if (machine->index_kind == INDEX_MAPLE) {
        vma_index_init_maple(&mm->index, &machine->node_cache.source);
    } else {
        vma_index_init_rbtree(&mm->index);
    }
    int error = tables_init(&mm->tables, &machine->kmem, personality->table_levels);
    if (error < 0) {
        leave_machine(mm);
    }
    return error;
}

void mm_destroy(struct mm *mm) {
    struct vma *first = vma_index_first(&mm->index);
    if (first != NULL) {
        mm_zap(mm, first->start, vma_index_last(&mm->index)->end, ZAP_GUARDS);
    }
    mm_uncharge(mm, mm->accounted_pages);
    struct vma *vma;
    while ((vma = vma_index_first(&mm->index)) != NULL) {
        vma_index_erase(&mm->index, vma);
        vma_delete(mm, vma);
    }
    vma_index_destroy(&mm->index);
    tables_destroy(&mm->tables);
    leave_machine(mm);
}

struct vma *vma_new(struct mm *mm) {
    struct vma *vma = object_take(&mm->machine->vma_cache.source);
    return vma == NULL ? NULL : memset(vma, 0, sizeof *vma);
}

void vma_delete(struct mm *mm, struct vma *vma) {
    if (vma->file != NULL) {
        file_release(mm->machine, vma->file);
    }
    object_give(&mm->machine->vma_cache.source, vma);
}

int vma_insert(struct mm *mm, const struct vma_proposal *proposal) {
    struct vma *vma = vma_new(mm);
    if (vma == NULL) {
        return -ENOMEM;
    }
    vma->start = proposal->start;
    vma->end = proposal->end;
    vma->flags = proposal->flags;
    vma->pgoff = proposal->pgoff;
    if (proposal->source != NULL) {
        vma->anon = proposal->source->anon;
        vma->anon_chain = proposal->source->anon_chain;
    }
    vma->file = proposal->file;
    int error = vma_index_insert(&mm->index, vma);
    if (error < 0) {
        vma->file = NULL; /* not held yet */
        vma_delete(mm, vma);
        return error;
    }
    if (vma->file != NULL) {
        file_hold(vma->file);
    }
    return 0;
}

/* ---- limits -------------------------------------------------------------------------------- */

/* What RLIMIT_DATA counts: private, writable, not the stack. */
static bool is_data(uint64_t flags) {
    return (flags & (VMF_WRITE | VMF_SHARED | VMF_GROWSDOWN)) == VMF_WRITE;
}

void mm_count_pages(struct mm *mm, uint64_t flags, int64_t pages) {
    mm->total_pages += (uint64_t)pages;
    if (is_data(flags)) {
        mm->data_pages += (uint64_t)pages;
    }
}

static bool fits(uint64_t used_pages, int64_t pages, uint64_t limit_bytes) {
    return limit_bytes == LIMIT_NONE || used_pages + (uint64_t)pages <= pages_of(limit_bytes);
}

bool mm_may_expand(const struct mm *mm, uint64_t flags, int64_t pages) {
    return fits(mm->total_pages, pages, mm->limits.address_space) &&
           (!is_data(flags) || fits(mm->data_pages, pages, mm->limits.data));
}

/* ---- overcommit ---------------------------------------------------------------------------- */

/* Mode 2 keeps 1/32 of a process's size back for root to recover with; the rest of the kernel's
 * reserves are small and left out. */
static uint64_t commit_limit_pages(const struct mm *mm) {
    const struct personality *personality = &mm->machine->personality;
    uint64_t limit =
        personality->ram_pages * personality->overcommit_ratio / 100 + personality->swap_pages;
    uint64_t reserve = mm->total_pages / 32;
    return limit > reserve ? limit - reserve : 0;
}

static bool may_commit(const struct mm *mm, uint64_t pages) {
    const struct personality *personality = &mm->machine->personality;
    switch (personality->overcommit) {
    case OVERCOMMIT_ALWAYS:
        return true;
    case OVERCOMMIT_GUESS: /* only what could never be there at once is refused */
        return pages <= personality->ram_pages + personality->swap_pages;
    case OVERCOMMIT_NEVER:
        break;
    }
    return mm->machine->committed_pages + pages <= commit_limit_pages(mm);
}

int mm_charge(struct mm *mm, uint64_t pages) {
    if (!may_commit(mm, pages)) {
        return -ENOMEM;
    }
    mm->machine->committed_pages += pages;
    mm->accounted_pages += pages;
    return 0;
}

void mm_uncharge(struct mm *mm, uint64_t pages) {
    mm->machine->committed_pages -= pages;
    mm->accounted_pages -= pages;
}
