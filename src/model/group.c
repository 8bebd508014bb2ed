/* group.c - a memory control group around all processes of the machine.
 * Layer: model (includes base and the buddy core).
 *
 * Known differences: the kernel charges some pages ahead on every processor, and takes them back
 * late; of files it charges whoever read them first; of a new process also its task and stacks. */
#include "model/group.h"

#include "model/mm_internal.h"

/* What an object takes, with the pointer to the group that it is charged to. */
#define VMA_CHARGE_BYTES (192 + 8)
#define ANON_VMA_CHARGE_BYTES (104 + 8)
#define ANON_VMA_LINK_CHARGE_BYTES (64 + 8)

static uint64_t count_pages(const struct machine *machine) {
    uint64_t pages = 0;
    for (int list = LRU_NONE + 1; list < LRU_LISTS; list++) {
        pages += lru_pages(&machine->ram.lru, (enum lru_list)list);
    }
    for (const struct mm *mm = machine->mms; mm != NULL; mm = mm->next) {
        pages += tables_bytes(&mm->tables) >> MODEL_PAGE_SHIFT;
    }
    return pages;
}

/* Neighbours share an anon_vma, or have each their own. */
static uint64_t count_bytes(const struct machine *machine) {
    uint64_t bytes = 0;
    for (const struct mm *mm = machine->mms; mm != NULL; mm = mm->next) {
        uint64_t last = 0;
        for (const struct vma *vma = vma_index_first(&mm->index); vma != NULL;
             vma = vma_index_next(&mm->index, vma)) {
            bytes += VMA_CHARGE_BYTES;
            bytes += vma->anon != 0 ? ANON_VMA_LINK_CHARGE_BYTES : 0;
            bytes += vma->anon != 0 && vma->anon != last ? ANON_VMA_CHARGE_BYTES : 0;
            last = vma->anon;
        }
    }
    return bytes;
}

void group_limit(struct machine *machine, uint64_t pages) {
    machine->group = (struct group){pages, count_pages(machine), count_bytes(machine)};
}

/* All that count_bytes can count, without a look at every VMA. */
static uint64_t most_bytes(const struct machine *machine) {
    uint64_t bytes = 0;
    for (const struct mm *mm = machine->mms; mm != NULL; mm = mm->next) {
        bytes += vma_index_count(&mm->index) *
                 (VMA_CHARGE_BYTES + ANON_VMA_CHARGE_BYTES + ANON_VMA_LINK_CHARGE_BYTES);
    }
    return bytes;
}

static uint64_t beyond(uint64_t now, uint64_t before) {
    return now > before ? now - before : 0;
}

bool group_admits(const struct machine *machine, uint64_t pages) {
    const struct group *group = &machine->group;
    if (group->limit_pages == 0) {
        return true;
    }
    uint64_t charged = beyond(count_pages(machine), group->other_pages) + pages;
    if (charged + pages_of(page_round_up(most_bytes(machine))) <= group->limit_pages) {
        return true;
    }
    uint64_t bytes = beyond(count_bytes(machine), group->other_bytes);
    return charged + pages_of(page_round_up(bytes)) <= group->limit_pages;
}
