/* page_table.h - the four (or five) levels of tables that translate one mm's addresses.
 * Layer: model (includes base).
 *
 *   63      48 47   39 38   30 29   21 20   12 11        0
 *   | sign    |  PGD  |  PUD  |  PMD  |  PTE  |  offset   |     4 levels of 512 entries each
 *
 * An entry of an upper level is 0 or leads to a table of the next one; an entry of the PMD level
 * may also map a huge page (PTE_HUGE); an entry of the lowest level maps a page or holds a marker.
 * Entries look like the processor's: frame number from bit 12 on, flags around it.
 *
 * Counted as the kernel's VmPTE counts: PTE, PMD and PUD tables, and one PTE table kept in reserve
 * (deposited) for every huge page, because splitting it must not fail. A mapped PMD entry is
 * therefore worth a counted table although none is there.
 *
 * With 5 levels the P4D level lies below the PGD; the kernel at hand has 4, so that is only an
 * extrapolation. */
#ifndef ARENITE_MODEL_PAGE_TABLE_H
#define ARENITE_MODEL_PAGE_TABLE_H

#include "model/address.h"
#include "model/kmem.h"

#define TABLE_SHIFT 9
#define TABLE_ENTRIES ((size_t)1 << TABLE_SHIFT)
#define PMD_SHIFT (MODEL_PAGE_SHIFT + TABLE_SHIFT)
#define PUD_SHIFT (PMD_SHIFT + TABLE_SHIFT)
#define PGD_SHIFT (PUD_SHIFT + TABLE_SHIFT)
#define PMD_BYTES ((uint64_t)1 << PMD_SHIFT)

typedef uint64_t page_entry;

#define PTE_PRESENT ((page_entry)1 << 0)
#define PTE_WRITE ((page_entry)1 << 1)
#define PTE_ACCESSED ((page_entry)1 << 5)
#define PTE_DIRTY ((page_entry)1 << 6)
#define PTE_HUGE ((page_entry)1 << 7)
#define PTE_ANON ((page_entry)1 << 9)       /* counts as Anonymous */
#define PTE_ZERO ((page_entry)1 << 10)      /* the zero page: counts as nothing */
#define PTE_EXCLUSIVE ((page_entry)1 << 11) /* no other mm has this page: may be made writable */
#define PTE_GUARD ((page_entry)1 << 52)     /* a marker, not present: every access is a fault */
#define PTE_SWAP ((page_entry)1 << 53) /* not present: a slot of the swap area instead of a frame */
#define PTE_COLD ((page_entry)1 << 54) /* of a file's cache: the page is on disk only */
#define PTE_FRAME_MASK ((((page_entry)1 << 52) - 1) & ~((page_entry)MODEL_PAGE_BYTES - 1))

struct table {
    page_entry entry[TABLE_ENTRIES];
};
_Static_assert(sizeof(struct table) == MODEL_PAGE_BYTES, "a table fills a page");

/* The levels whose tables are counted, lowest first. */
enum table_level { LEVEL_PTE, LEVEL_PMD, LEVEL_PUD, LEVEL_P4D, LEVEL_PGD, TABLE_LEVELS };

struct page_tables {
    struct kmem *kmem;            /* tables are frames of the kernel's */
    struct table *top;            /* the PGD */
    unsigned levels;              /* 4 or 5 */
    uint64_t count[TABLE_LEVELS]; /* tables of each level, deposits included */
};

/* -ENOMEM when there is no memory for the PGD. */
int tables_init(struct page_tables *tables, struct kmem *kmem, unsigned levels);

/* Gives every table back; entries are not looked at. */
void tables_destroy(struct page_tables *tables);

/* Bytes as VmPTE counts them: the PGD is not in it. */
uint64_t tables_bytes(const struct page_tables *tables);

INLINE bool entry_is_table(page_entry entry) {
    return (entry & PTE_PRESENT) != 0 && (entry & PTE_HUGE) == 0;
}

INLINE struct table *entry_table(page_entry entry) {
    return (struct table *)(uintptr_t)(entry & ~(page_entry)(MODEL_PAGE_BYTES - 1));
}

INLINE struct pfn entry_frame(page_entry entry) {
    return (struct pfn){(entry & PTE_FRAME_MASK) >> MODEL_PAGE_SHIFT};
}

/* The slot that an entry with PTE_SWAP leads to, and such an entry. */
INLINE uint32_t entry_slot(page_entry entry) {
    return (uint32_t)((entry & PTE_FRAME_MASK) >> MODEL_PAGE_SHIFT);
}

INLINE page_entry entry_of_slot(uint32_t slot, page_entry flags) {
    return (page_entry)slot << MODEL_PAGE_SHIFT | PTE_SWAP | flags;
}

INLINE page_entry entry_of(struct pfn frame, page_entry flags) {
    return (page_entry)(frame.number << MODEL_PAGE_SHIFT) | flags;
}

INLINE size_t table_index(vaddr address, unsigned shift) {
    return (size_t)(address >> shift) & (TABLE_ENTRIES - 1);
}

/* The first address after the 2 MiB block that holds one. */
INLINE vaddr block_end(vaddr address) {
    return (address | (PMD_BYTES - 1)) + 1;
}

INLINE vaddr block_start(vaddr address) {
    return address & ~(vaddr)(PMD_BYTES - 1);
}

/* The stages of a walk, as the kernel names them: each returns the entry of its level for an
 * address inside the table that the entry above leads to. The *_alloc ones put a table below the
 * entry first when there is none; NULL when there is no memory for it. */
page_entry *pgd_offset(const struct page_tables *tables, vaddr address);
page_entry *p4d_alloc(struct page_tables *tables, page_entry *pgd, vaddr address);
page_entry *pud_alloc(struct page_tables *tables, page_entry *p4d, vaddr address);
page_entry *pmd_alloc(struct page_tables *tables, page_entry *pud, vaddr address);
page_entry *pte_alloc(struct page_tables *tables, page_entry *pmd, vaddr address);

/* All of these down to the PMD entry; or NULL. */
page_entry *tables_make_pmd(struct page_tables *tables, vaddr address);

/* The first PMD entry in use whose block reaches into [*at, end), or NULL; *at moves up to the
 * start of that block when it lies below. */
page_entry *tables_find_pmd(const struct page_tables *tables, vaddr *at, vaddr end);

/* The PMD entry of an address; or NULL, and 2^*span_shift is what one entry of the level spans at
 * which nothing leads on: PUD_SHIFT or PGD_SHIFT. */
page_entry *tables_walk(const struct page_tables *tables, vaddr address, unsigned *span_shift);

/* The PMD entry of an address, or NULL when a level above is missing. */
page_entry *tables_pmd(const struct page_tables *tables, vaddr address);

/* The entry that maps an address or holds its marker: of a page, or of the huge page that it lies
 * in; 0 when there is none. */
page_entry tables_entry(const struct page_tables *tables, vaddr address);

/* Where that entry is; NULL when there is no table for it. */
page_entry *tables_find_entry(const struct page_tables *tables, vaddr address);

/* Counts or gives back the table that a huge page keeps in reserve. */
void tables_deposit(struct page_tables *tables);
void tables_withdraw(struct page_tables *tables);

/* The entry of the PUD level for an address, its table made when there is none; or NULL. */
page_entry *tables_make_pud(struct page_tables *tables, vaddr address);

/* Puts an empty table below a PMD entry that held a huge page; it takes the deposit's place.
 * NULL when there is no memory. */
struct table *tables_split_pmd(struct page_tables *tables, page_entry *pmd);

/* Frees the PTE table below a PMD entry. */
void tables_free_pte(struct page_tables *tables, page_entry *pmd);

/* Frees the tables that served [start, end) and nothing else: those whose whole span lies in
 * [floor, ceiling), ends of the neighbouring VMAs. Their entries must be empty already. */
void tables_free_range(struct page_tables *tables, vaddr start, vaddr end, vaddr floor,
                       vaddr ceiling);

#endif
