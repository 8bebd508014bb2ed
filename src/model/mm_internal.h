/* mm_internal.h - what the files of the mm share among themselves.
 * Layer: model (includes base and the buddy core). */
#ifndef ARENITE_MODEL_MM_INTERNAL_H
#define ARENITE_MODEL_MM_INTERNAL_H

#include "base/bits.h"
#include "model/mm.h"

#include <errno.h>

#define PAGE_MASK_OF(value) ((value) & ~(uint64_t)(MODEL_PAGE_BYTES - 1))

INLINE uint64_t page_round_up(uint64_t bytes) {
    return PAGE_MASK_OF(bytes + MODEL_PAGE_BYTES - 1);
}

INLINE bool is_page_aligned(vaddr address) {
    return (address & (MODEL_PAGE_BYTES - 1)) == 0;
}

INLINE uint64_t pages_of(uint64_t bytes) {
    return bytes >> MODEL_PAGE_SHIFT;
}

INLINE uint64_t vma_pages(const struct vma *vma) {
    return pages_of(vma->end - vma->start);
}

INLINE bool vma_is_anonymous(const struct vma *vma) {
    return vma->file == NULL;
}

/* ---- bookkeeping (mm.c) -------------------------------------------------------------------- */

/* Counts pages in (or, negative, out) as the limits see them. */
void mm_count_pages(struct mm *mm, uint64_t flags, int64_t pages);

/* Whether so many more pages of such a mapping fit into RLIMIT_AS and RLIMIT_DATA. */
bool mm_may_expand(const struct mm *mm, uint64_t flags, int64_t pages);

/* Commits pages against the overcommit policy: 0 or -ENOMEM. */
int mm_charge(struct mm *mm, uint64_t pages);
void mm_uncharge(struct mm *mm, uint64_t pages);

struct vma *vma_new(struct mm *mm);
void vma_delete(struct mm *mm, struct vma *vma);

/* ---- merge and split (vma_merge.c) --------------------------------------------------------- */

/* A range that is to become, or already is part of, a VMA with these properties. */
struct vma_proposal {
    vaddr start;
    vaddr end;
    uint64_t flags;
    uint64_t pgoff; /* of start */
    uint64_t anon;
    struct model_file *file;
    const struct vma *source; /* whose anon_vma this is; NULL: a new mapping's */
    bool only_left;           /* brk: grows the heap, never joins what is above it */
};

/* A VMA of its own for the proposal, which merges with nothing. */
int vma_insert(struct mm *mm, const struct vma_proposal *proposal);

/* Cuts a VMA in two at an address strictly inside it; *upper is the new, higher part. -ENOMEM at
 * the limit of mappings. split_unchecked does it at the limit as well. */
int vma_split(struct mm *mm, struct vma *vma, vaddr at, struct vma **upper);
int vma_split_unchecked(struct mm *mm, struct vma *vma, vaddr at, struct vma **upper);

/* Lets a neighbour of free addresses grow over the proposal, or both and what is between become
 * one. *merged is NULL when none can. */
int vma_merge_new(struct mm *mm, const struct vma_proposal *proposal, struct vma **merged);

/* Gives [start, end) of a VMA other flags: merges the part with neighbours, else splits it off.
 * *result is the VMA that holds the range then; its flags are what the proposal says. */
int vma_modify(struct mm *mm, struct vma *vma, vaddr start, vaddr end, uint64_t flags,
               struct vma **result);

/* A VMA gets its anon_vma: a neighbour's where that serves, else a new one. */
void vma_prepare_anon(struct mm *mm, struct vma *vma);

/* ---- pages (zap.c, huge.c) ----------------------------------------------------------------- */

#define ZAP_RECLAIM_TABLES (1U << 0) /* MADV_DONTNEED: a whole block's table goes as well */
#define ZAP_GUARDS (1U << 1)         /* guard markers go too: the mapping itself goes */

void mm_zap(struct mm *mm, vaddr start, vaddr end, unsigned options);

/* What one present entry counts for: drops its page, and the mm's counts with it. */
void mm_drop_entry(struct mm *mm, page_entry entry);

/* Makes single pages of the huge folio that an entry leads to, if no other mm maps it. */
void mm_split_folio_of(struct mm *mm, page_entry *entry);

/* ---- memory when it runs short (reclaim.c, oom.c) ------------------------------------------ */

/* Pages that are reclaimed at a time. */
#define RECLAIM_BATCH 32

/* The list that a new page begins on. */
enum lru_list mm_first_list(const struct model_file *file);

/* A frame for a page of an mm, with one mapping; number 0: none, whatever was reclaimed. */
struct pfn mm_take_page(struct mm *mm, struct frame_owner owner);
struct pfn mm_take_huge_page(struct mm *mm, struct frame_owner owner);

/* Frames of an order between, without mappings. */
struct pfn mm_take_middle(struct mm *mm, unsigned order, struct frame_owner owner);

/* Kills whoever has most, and takes its memory; false when there is nobody. */
bool oom_kill(struct machine *machine);

/* MADV_PAGEOUT, MADV_COLD and MADV_FREE of what one entry leads to; the end of mlock for it. */
void mm_page_out(struct machine *machine, struct pfn frame);
void mm_page_out_file(struct mm *mm, const struct vma *vma, vaddr start, vaddr end);
void mm_deactivate(struct machine *machine, struct pfn frame);
void mm_free_lazily(struct machine *machine, struct pfn frame);
void mm_make_evictable(struct machine *machine, struct pfn frame);

/* What a page at an address of a VMA that is its own is a page of. */
INLINE struct frame_owner vma_owner_of(const struct vma *vma, vaddr address) {
    return (struct frame_owner){NULL, vma->pgoff + pages_of(address - vma->start)};
}

/* Splits the huge page that an address which is no multiple of 2 MiB lies in. */
void mm_split_huge_at(struct mm *mm, vaddr address);
/* Splits what a PMD entry maps into 512 small entries. */
void mm_split_pmd(struct mm *mm, page_entry *pmd);

/* Whether all small entries that lead to the huge folio of a frame are the mm's. A folio that one
 * entry alone leads to is better copied and given back. */
bool mm_owns_folio(struct mm *mm, struct pfn frame);

/* Splits the huge folios that [start, end) covers a part of, as MADV_FREE and MADV_COLD do. */
void mm_split_folios(struct mm *mm, vaddr start, vaddr end);

/* ---- faults (fault*.c) --------------------------------------------------------------------- */

struct fault {
    struct mm *mm;
    struct vma *vma;
    vaddr address; /* of the page */
    bool write;
    page_entry *pmd;
    page_entry *pte;
    bool makes_table; /* there was no PTE table for the address */
    bool is_major;    /* something was read */
};

/* Makes one page of a VMA present, as a fault would; counts it. */
enum fault_signal mm_handle_fault(struct mm *mm, struct vma *vma, vaddr address, bool write);

/* What handle_pte_fault hands over to. */
enum fault_signal do_anonymous_page(struct fault *fault);
enum fault_signal do_wp_page(struct fault *fault);
enum fault_signal do_fault(struct fault *fault);
enum fault_signal do_swap_page(struct fault *fault);

/* Brings what a slot holds, and what lies around it, into the swap cache; false without memory. */
bool swap_read_in(struct mm *mm, swap_slot slot, uint64_t index);
/* Whether a fault in a file maps anything: beyond the end, pages around it may still be before. */
bool fault_finds_pages(const struct fault *fault);

/* Huge pages: true when one serves the fault, false to go on with small ones. */
bool do_huge_pmd_anonymous_page(struct fault *fault);
bool do_huge_pmd_wp_page(struct fault *fault);

/* Whether a VMA may get huge pages, and its whole block around an address lies in it. */
bool vma_allows_huge(const struct mm *mm, const struct vma *vma);
bool vma_holds_block(const struct vma *vma, vaddr address);

/* MADV_COLLAPSE of a part of a VMA: whole blocks become huge pages; -EINVAL when one cannot. */
int mm_collapse(struct mm *mm, struct vma *vma, vaddr start, vaddr end);

/* A growing stack takes in an address below it: 0 or -ENOMEM. */
int vma_expand_down(struct mm *mm, struct vma *vma, vaddr address);

/* Faults pages in as mlock, MAP_POPULATE and MADV_POPULATE_* do: goes on to the end or the first
 * error: -ENOMEM unmapped or no memory, -EINVAL no access, -EFAULT where a fault failed. */
int mm_populate(struct mm *mm, vaddr start, vaddr end, bool write);
/* As mlock does it: each VMA by its own rights, errors ignored. */
int mm_populate_vmas(struct mm *mm, vaddr start, vaddr end);

/* ---- placement (place.c) ------------------------------------------------------------------- */

/* Where a new mapping goes; checks the request's address as get_unmapped_area does. */
int mm_place(const struct mm *mm, const struct map_request *request, uint64_t length,
             vaddr *result);

/* A page of a file or of shared memory is about to be written to. */
INLINE void mm_note_dirty(struct mm *mm, page_entry entry, bool write) {
    if (write && (entry & PTE_ANON) == 0) {
        ram_set(&mm->machine->ram, entry_frame(entry), FRAME_DIRTY);
    }
}

/* ---- munmap without its checks (map.c) ----------------------------------------------------- */

int mm_unmap_range(struct mm *mm, vaddr start, vaddr end);

#endif
