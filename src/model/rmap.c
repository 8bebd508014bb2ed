/* rmap.c - from a page back to the entries that lead to it.
 * Layer: model (includes base and the buddy core). */
#include "model/rmap.h"

struct walk {
    struct machine *machine;
    struct pfn head;
    uint64_t pages; /* of the folio */
    struct frame_owner owner;
    rmap_visit *visit; /* NULL: only count */
    void *context;
    uint32_t found;
};

/* The entry at an address when it leads to the folio's page with that offset, or to all of it. */
static page_entry *match(const struct walk *walk, const struct mm *mm, vaddr at, uint64_t offset) {
    page_entry *entry = tables_find_entry(&mm->tables, at);
    if (entry == NULL || (*entry & (PTE_PRESENT | PTE_ZERO)) != PTE_PRESENT) {
        return NULL;
    }
    bool whole = (*entry & PTE_HUGE) != 0;
    uint64_t wanted = walk->head.number + (whole ? 0 : offset);
    bool first = !whole || offset == 0; /* a PMD entry is found once */
    return first && entry_frame(*entry).number == wanted ? entry : NULL;
}

static void meet(struct walk *walk, struct mm *mm, const struct vma *vma, vaddr at,
                 uint64_t offset) {
    page_entry *entry = match(walk, mm, at, offset);
    if (entry == NULL) {
        return;
    }
    walk->found++;
    if (walk->visit != NULL) {
        const struct mapping mapping = {mm, vma, at, entry};
        walk->visit(&mapping, walk->context);
    }
}

/* Where the index is an address: true when that finds every mapping. */
static void visit_likely(struct walk *walk) {
    for (struct mm *mm = walk->machine->mms; mm != NULL; mm = mm->next) {
        for (uint64_t offset = 0; offset < walk->pages; offset++) {
            vaddr at = (walk->owner.index + offset) << MODEL_PAGE_SHIFT;
            const struct vma *vma = walk->visit == NULL ? NULL : vma_index_lookup(&mm->index, at);
            meet(walk, mm, vma, at, offset);
        }
    }
}

static void visit_vma(struct walk *walk, struct mm *mm, const struct vma *vma) {
    for (uint64_t offset = 0; offset < walk->pages; offset++) {
        uint64_t depth = walk->owner.index + offset - vma->pgoff;
        if (depth < vma_pages(vma)) {
            meet(walk, mm, vma, vma->start + (depth << MODEL_PAGE_SHIFT), offset);
        }
    }
}

static void visit_all(struct walk *walk) {
    for (struct mm *mm = walk->machine->mms; mm != NULL; mm = mm->next) {
        for (const struct vma *vma = vma_index_first(&mm->index); vma != NULL;
             vma = vma_index_next(&mm->index, vma)) {
            bool may = walk->owner.file == NULL ? vma->anon != 0 : vma->file == walk->owner.file;
            if (may) {
                visit_vma(walk, mm, vma);
            }
        }
    }
}

uint32_t rmap_walk(struct machine *machine, struct pfn head, rmap_visit *visit, void *context) {
    struct walk walk = {
        .machine = machine,
        .head = head,
        .pages = ram_pages(&machine->ram, head),
        .owner = machine->ram.owners[head.number],
        .context = context,
    };
    bool likely = walk.owner.file == NULL;
    if (likely) { /* first without visiting: a visit may change what the next one would find */
        visit_likely(&walk);
        likely = walk.found == ram_mappings(&machine->ram, head);
    }
    walk.found = 0;
    walk.visit = visit;
    if (likely) {
        visit_likely(&walk);
    } else {
        visit_all(&walk);
    }
    return walk.found;
}
