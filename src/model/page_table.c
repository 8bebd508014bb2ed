/* page_table.c - the levels of tables that translate one mm's addresses.
 * Layer: model (includes base). */
#include "model/page_table.h"

#include <errno.h>

int tables_init(struct page_tables *tables, struct kmem *kmem, unsigned levels) {
    *tables = (struct page_tables){.kmem = kmem, .levels = levels};
    tables->top = kmem_page_take(kmem);
    return tables->top == NULL ? -ENOMEM : 0;
}

/* Frees the tables below one, which is of `level`. */
static void free_below(struct page_tables *tables, struct table *table, unsigned level) {
    for (size_t i = 0; level > LEVEL_PTE && i < TABLE_ENTRIES; i++) {
        if (entry_is_table(table->entry[i])) {
            struct table *lower = entry_table(table->entry[i]);
            unsigned below = level == LEVEL_PGD && tables->levels == 4 ? LEVEL_PUD : level - 1;
            free_below(tables, lower, below);
            kmem_page_give(tables->kmem, lower);
        }
    }
}

void tables_destroy(struct page_tables *tables) {
    free_below(tables, tables->top, LEVEL_PGD);
    kmem_page_give(tables->kmem, tables->top);
    *tables = (struct page_tables){.kmem = tables->kmem, .levels = tables->levels};
}

uint64_t tables_bytes(const struct page_tables *tables) {
    return (tables->count[LEVEL_PTE] + tables->count[LEVEL_PMD] + tables->count[LEVEL_PUD]) *
           sizeof(struct table);
}

/* ---- the stages ---------------------------------------------------------------------------- */

/* The entry of the next level down, in a table that is made when there is none. */
static page_entry *step(struct page_tables *tables, page_entry *above, enum table_level level,
                        size_t index) {
    if (*above == 0) {
        struct table *table = kmem_page_take(tables->kmem);
        if (table == NULL) {
            return NULL;
        }
        tables->count[level]++;
        *above = (page_entry)(uintptr_t)table | PTE_PRESENT;
    }
    return &entry_table(*above)->entry[index];
}

/* With 5 levels the PGD is indexed above the P4D; with 4, by the P4D's bits. */
page_entry *pgd_offset(const struct page_tables *tables, vaddr address) {
    unsigned shift = tables->levels == 5 ? PGD_SHIFT + TABLE_SHIFT : PGD_SHIFT;
    return &tables->top->entry[table_index(address, shift)];
}

page_entry *p4d_alloc(struct page_tables *tables, page_entry *pgd, vaddr address) {
    if (tables->levels == 4) {
        return pgd; /* the level is folded away */
    }
    return step(tables, pgd, LEVEL_P4D, table_index(address, PGD_SHIFT));
}

page_entry *pud_alloc(struct page_tables *tables, page_entry *p4d, vaddr address) {
    return step(tables, p4d, LEVEL_PUD, table_index(address, PUD_SHIFT));
}

page_entry *pmd_alloc(struct page_tables *tables, page_entry *pud, vaddr address) {
    return step(tables, pud, LEVEL_PMD, table_index(address, PMD_SHIFT));
}

page_entry *pte_alloc(struct page_tables *tables, page_entry *pmd, vaddr address) {
    return step(tables, pmd, LEVEL_PTE, table_index(address, MODEL_PAGE_SHIFT));
}

page_entry *tables_make_pud(struct page_tables *tables, vaddr address) {
    page_entry *p4d = p4d_alloc(tables, pgd_offset(tables, address), address);
    return p4d == NULL ? NULL : pud_alloc(tables, p4d, address);
}

page_entry *tables_make_pmd(struct page_tables *tables, vaddr address) {
    page_entry *pud = tables_make_pud(tables, address);
    return pud == NULL ? NULL : pmd_alloc(tables, pud, address);
}

/* ---- looking ------------------------------------------------------------------------------- */

page_entry *tables_walk(const struct page_tables *tables, vaddr address, unsigned *span_shift) {
    unsigned shift = tables->levels == 5 ? PGD_SHIFT + TABLE_SHIFT : PGD_SHIFT;
    page_entry *entry = &tables->top->entry[table_index(address, shift)];
    while (shift > PMD_SHIFT) {
        if (*entry == 0) {
            *span_shift = shift;
            return NULL;
        }
        shift -= TABLE_SHIFT;
        entry = &entry_table(*entry)->entry[table_index(address, shift)];
    }
    *span_shift = PMD_SHIFT;
    return entry;
}

page_entry *tables_find_pmd(const struct page_tables *tables, vaddr *at, vaddr end) {
    while (*at < end) {
        unsigned shift;
        page_entry *pmd = tables_walk(tables, *at, &shift);
        if (pmd != NULL && *pmd != 0) {
            return pmd;
        }
        *at = (*at | (((vaddr)1 << shift) - 1)) + 1;
        if (*at == 0) {
            return NULL; /* past the last address */
        }
    }
    return NULL;
}

page_entry *tables_pmd(const struct page_tables *tables, vaddr address) {
    unsigned shift;
    return tables_walk(tables, address, &shift);
}

page_entry *tables_find_entry(const struct page_tables *tables, vaddr address) {
    page_entry *pmd = tables_pmd(tables, address);
    if (pmd == NULL || *pmd == 0) {
        return NULL;
    }
    if (!entry_is_table(*pmd)) {
        return pmd;
    }
    return &entry_table(*pmd)->entry[table_index(address, MODEL_PAGE_SHIFT)];
}

page_entry tables_entry(const struct page_tables *tables, vaddr address) {
    const page_entry *entry = tables_find_entry(tables, address);
    return entry == NULL ? 0 : *entry;
}

/* ---- huge pages' reserve ------------------------------------------------------------------- */

void tables_deposit(struct page_tables *tables) {
    tables->count[LEVEL_PTE]++;
}

void tables_withdraw(struct page_tables *tables) {
    tables->count[LEVEL_PTE]--;
}

struct table *tables_split_pmd(struct page_tables *tables, page_entry *pmd) {
    struct table *table = kmem_page_take(tables->kmem);
    if (table != NULL) {
        *pmd = (page_entry)(uintptr_t)table | PTE_PRESENT;
    }
    return table;
}

/* ---- freeing ------------------------------------------------------------------------------- */

static void free_table(struct page_tables *tables, page_entry *above, enum table_level level) {
    kmem_page_give(tables->kmem, entry_table(*above));
    *above = 0;
    tables->count[level]--;
}

void tables_free_pte(struct page_tables *tables, page_entry *pmd) {
    free_table(tables, pmd, LEVEL_PTE);
}

/* A span of one entry may lose its table when no neighbour reaches into it. */
static bool span_is_free(vaddr address, unsigned shift, vaddr floor, vaddr ceiling) {
    vaddr span = (vaddr)1 << shift;
    vaddr start = address & ~(span - 1);
    return start >= floor && start + span - 1 <= ceiling - 1;
}

/* Frees what lies below the entries of `table`, whose entries span 2^shift bytes each. */
static void free_spans(struct page_tables *tables, struct table *table, unsigned shift,
                       const vaddr bounds[4]) {
    vaddr at = bounds[0];
    while (at < bounds[1]) {
        page_entry *entry = &table->entry[table_index(at, shift)];
        vaddr next = (at | (((vaddr)1 << shift) - 1)) + 1;
        if (entry_is_table(*entry)) {
            vaddr end = next - 1 < bounds[1] - 1 ? next : bounds[1];
            if (shift > PMD_SHIFT) {
                const vaddr inner[4] = {at, end, bounds[2], bounds[3]};
                free_spans(tables, entry_table(*entry), shift - TABLE_SHIFT, inner);
            }
            if (span_is_free(at, shift, bounds[2], bounds[3])) {
                unsigned level = (shift - PMD_SHIFT) / TABLE_SHIFT;
                free_table(tables, entry, (enum table_level)level);
            }
        }
        if (next == 0) {
            return;
        }
        at = next;
    }
}

void tables_free_range(struct page_tables *tables, vaddr start, vaddr end, vaddr floor,
                       vaddr ceiling) {
    unsigned shift = tables->levels == 5 ? PGD_SHIFT + TABLE_SHIFT : PGD_SHIFT;
    const vaddr bounds[4] = {start, end, floor, ceiling};
    free_spans(tables, tables->top, shift, bounds);
}
