/* support_vma_oracle.h - a sorted array of VMAs: what an index must answer, found the naive way.
 *
 * Every question is a scan from one end to the other, so that the oracle shares no idea with the
 * trees that it judges. */
#ifndef ARENITE_TESTS_UNIT_SUPPORT_VMA_ORACLE_H
#define ARENITE_TESTS_UNIT_SUPPORT_VMA_ORACLE_H

#include "model/vma_index.h"

struct oracle_entry {
    vaddr start;
    vaddr end;
    struct vma *vma;
};

struct vma_oracle {
    struct oracle_entry *entries;
    size_t count;
    size_t capacity;
};

void oracle_init(struct vma_oracle *oracle, size_t capacity);
void oracle_destroy(struct vma_oracle *oracle);

/* The range must be free, and there must be room. */
void oracle_insert(struct vma_oracle *oracle, struct vma *vma, vaddr start, vaddr end);
void oracle_erase(struct vma_oracle *oracle, size_t position);

/* Position of the lowest entry with end > address; count when there is none. */
size_t oracle_find(const struct vma_oracle *oracle, vaddr address);

/* One past the position of the highest entry with start <= address; 0 when there is none. */
size_t oracle_find_last(const struct vma_oracle *oracle, vaddr address);

/* Bounds of the free range below an entry; position count is the one above the last entry. */
vaddr oracle_gap_start(const struct vma_oracle *oracle, size_t position);
vaddr oracle_gap_end(const struct vma_oracle *oracle, size_t position);

/* The lowest (or highest) place for a request, by trying each page of [low, high). */
vaddr oracle_place(const struct vma_oracle *oracle, const struct gap_request *request, bool high);

/* Fails the test unless the index holds exactly these VMAs, walked both ways, and its audit is
 * content. */
void oracle_compare(const struct vma_oracle *oracle, const struct vma_index *index);

#endif
