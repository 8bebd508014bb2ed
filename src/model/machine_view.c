/* machine_view.c - what the whole machine shows, and whether it agrees with itself.
 * Layer: model (includes base and the buddy core). */
#include "model/file.h"
#include "model/mm_internal.h"
#include "model/rmap.h"
#include "model/text.h"

#include <inttypes.h>

/* ---- where the frames are ------------------------------------------------------------------ */

/* What mlock holds apart was anonymous or a file's. */
static void add_unevictable(const struct ram *ram, struct frame_shares *shares) {
    struct pfn head = {ram->lru.ends[LRU_UNEVICTABLE].first};
    for (; head.number != 0; head.number = ram->lru.next[head.number]) {
        const struct model_file *file = ram->owners[head.number].file;
        bool anon = file == NULL || file->is_shared_memory;
        *(anon ? &shares->anon : &shares->file) += ram_pages(ram, head);
    }
}

struct frame_shares machine_shares(const struct machine *machine) {
    const struct lru *lru = &machine->ram.lru;
    struct frame_shares shares = {
        .total = machine->frames.pages,
        .free = frames_free_pages(&machine->frames),
        .anon = lru_pages(lru, LRU_INACTIVE_ANON) + lru_pages(lru, LRU_ACTIVE_ANON),
        .file = lru_pages(lru, LRU_INACTIVE_FILE) + lru_pages(lru, LRU_ACTIVE_FILE),
        .tables = machine->kmem.table_pages,
        .unused = 1,
    };
    add_unevictable(&machine->ram, &shares);
    for (const struct kmem_cache *cache = machine->kmem.caches; cache != NULL;
         cache = cache->next) {
        shares.slabs += cache->slabs << cache->order;
    }
    return shares;
}

static bool shares_add_up(const struct machine *machine) {
    const struct frame_shares shares = machine_shares(machine);
    return shares.free + shares.anon + shares.file + shares.tables + shares.slabs + shares.unused ==
           shares.total;
}

/* ---- /proc/meminfo ------------------------------------------------------------------------- */

static void add_line(struct model_text *out, const char *name, uint64_t pages) {
    text_add(out, "%-15s %8" PRIu64 " kB\n", name, pages << (MODEL_PAGE_SHIFT - 10));
}

struct mm_sums {
    uint64_t anon_pages;
    uint64_t file_pages;
    uint64_t locked_pages;
    uint64_t table_pages;
};

static struct mm_sums sum_mms(const struct machine *machine) {
    struct mm_sums sums = {0};
    for (const struct mm *mm = machine->mms; mm != NULL; mm = mm->next) {
        sums.anon_pages += mm->anon_pages;
        sums.file_pages += mm->file_pages;
        sums.locked_pages += mm->locked_pages;
        sums.table_pages += tables_bytes(&mm->tables) / MODEL_PAGE_BYTES;
    }
    return sums;
}

/* AnonPages and Mapped count a page once for each process that has it, where the kernel counts it
 * once. */
size_t machine_meminfo(const struct machine *machine, char *text, size_t size) {
    struct model_text out = {text, size, 0};
    const struct lru *lru = &machine->ram.lru;
    const struct swap *swap = &machine->ram.swap;
    const struct personality *personality = &machine->personality;
    const struct mm_sums sums = sum_mms(machine);
    add_line(&out, "MemTotal:", machine->frames.pages);
    add_line(&out, "MemFree:", frames_free_pages(&machine->frames));
    add_line(&out, "SwapCached:", swap->cached_pages);
    add_line(&out, "Active(anon):", lru_pages(lru, LRU_ACTIVE_ANON));
    add_line(&out, "Inactive(anon):", lru_pages(lru, LRU_INACTIVE_ANON));
    add_line(&out, "Active(file):", lru_pages(lru, LRU_ACTIVE_FILE));
    add_line(&out, "Inactive(file):", lru_pages(lru, LRU_INACTIVE_FILE));
    add_line(&out, "Unevictable:", lru_pages(lru, LRU_UNEVICTABLE));
    add_line(&out, "Mlocked:", sums.locked_pages);
    add_line(&out, "SwapTotal:", swap->slots);
    add_line(&out, "SwapFree:", swap_free_slots(swap));
    add_line(&out, "AnonPages:", sums.anon_pages);
    add_line(&out, "Mapped:", sums.file_pages);
    add_line(&out, "PageTables:", sums.table_pages);
    add_line(&out, "CommitLimit:",
             personality->ram_pages * personality->overcommit_ratio / 100 + swap->slots);
    add_line(&out, "Committed_AS:", machine->committed_pages);
    return out.length;
}

/* ---- audit --------------------------------------------------------------------------------- */

/* Whether a folio is what it should be; held: entries of file caches that lead to it. */
static const char *audit_folio(struct machine *machine, struct pfn head, uint64_t *pages) {
    const struct ram *ram = &machine->ram;
    const struct model_file *file = ram->owners[head.number].file;
    uint32_t held = 0;
    if (ram_mappings(ram, head) > 0 && file != NULL) {
        const page_entry *entry = file_entry(file, ram->owners[head.number].index);
        held = entry != NULL && (*entry & PTE_PRESENT) != 0 &&
               entry_frame(*entry).number == head.number;
    }
    *pages += ram_pages(ram, head);
    if (rmap_walk(machine, head, NULL, NULL) + held != ram_mappings(ram, head)) {
        return "I4: a folio has other mappings than were counted";
    }
    bool cached = swap_slot_of(&ram->swap, head) != 0;
    return ram_mappings(ram, head) > 0 || cached ? NULL : "a folio that nothing leads to";
}

static const char *audit_list(struct machine *machine, enum lru_list list) {
    const struct lru *lru = &machine->ram.lru;
    uint64_t pages = 0;
    const char *broken = NULL;
    struct pfn head = {lru->ends[list].first};
    while (head.number != 0 && broken == NULL) {
        broken = lru_list_of(lru, head) == list ? audit_folio(machine, head, &pages)
                                                : "a folio is not on the list that it says";
        head.number = lru->next[head.number];
    }
    if (broken == NULL && pages != lru_pages(lru, list)) {
        broken = "pages of a list of folios are miscounted";
    }
    return broken;
}

/* Entries of caches that lead to slots: those of shared memory. */
static uint64_t count_swapped(const struct model_file *file) {
    uint64_t count = 0;
    for (uint64_t page = 0; page < file->length_pages && file->is_shared_memory; page++) {
        const page_entry *entry = file_entry(file, page);
        count += entry != NULL && (*entry & PTE_SWAP) != 0;
    }
    return count;
}

static const char *audit_swap(const struct machine *machine) {
    const struct swap *swap = &machine->ram.swap;
    uint64_t entries = 0;
    for (swap_slot slot = 1; slot < swap->fresh; slot++) {
        entries += swap_entries(swap, slot);
    }
    for (const struct mm *mm = machine->mms; mm != NULL; mm = mm->next) {
        entries -= mm->swap_pages;
    }
    for (const struct model_file *file = machine->files; file != NULL; file = file->next) {
        entries -= count_swapped(file);
    }
    return entries == 0 ? swap_audit(swap, machine->frames.pages)
                        : "slots have other entries than were counted";
}

const char *machine_audit(struct machine *machine) {
    const char *broken = frames_audit(&machine->frames);
    for (int list = LRU_INACTIVE_ANON; list < LRU_LISTS && broken == NULL; list++) {
        broken = audit_list(machine, (enum lru_list)list);
    }
    if (broken == NULL && !shares_add_up(machine)) {
        broken = "frames that are neither free nor anybody's";
    }
    return broken == NULL ? audit_swap(machine) : broken;
}
