/* support_vma_oracle.c - see support_vma_oracle.h. */
#include "support_vma_oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void oracle_init(struct vma_oracle *oracle, size_t capacity) {
    *oracle = (struct vma_oracle){.capacity = capacity};
    oracle->entries = calloc(capacity, sizeof *oracle->entries);
    assert_non_null(oracle->entries);
}

void oracle_destroy(struct vma_oracle *oracle) {
    free(oracle->entries);
}

void oracle_insert(struct vma_oracle *oracle, struct vma *vma, vaddr start, vaddr end) {
    assert_true(oracle->count < oracle->capacity);
    size_t at = oracle_find(oracle, start);
    assert_true(at == oracle->count || end <= oracle->entries[at].start);
    memmove(oracle->entries + at + 1, oracle->entries + at,
            (oracle->count - at) * sizeof *oracle->entries);
    oracle->entries[at] = (struct oracle_entry){start, end, vma};
    oracle->count++;
}

void oracle_erase(struct vma_oracle *oracle, size_t position) {
    assert_true(position < oracle->count);
    oracle->count--;
    memmove(oracle->entries + position, oracle->entries + position + 1,
            (oracle->count - position) * sizeof *oracle->entries);
}

size_t oracle_find(const struct vma_oracle *oracle, vaddr address) {
    size_t at = 0;
    while (at < oracle->count && oracle->entries[at].end <= address) {
        at++;
    }
    return at;
}

size_t oracle_find_last(const struct vma_oracle *oracle, vaddr address) {
    size_t after = oracle->count;
    while (after > 0 && oracle->entries[after - 1].start > address) {
        after--;
    }
    return after;
}

vaddr oracle_gap_start(const struct vma_oracle *oracle, size_t position) {
    return position == 0 ? 0 : oracle->entries[position - 1].end;
}

vaddr oracle_gap_end(const struct vma_oracle *oracle, size_t position) {
    return position == oracle->count ? VADDR_NONE : oracle->entries[position].start;
}

static bool is_free(const struct vma_oracle *oracle, vaddr start, uint64_t bytes) {
    size_t at = oracle_find(oracle, start);
    return at == oracle->count || oracle->entries[at].start >= start + bytes;
}

vaddr oracle_place(const struct vma_oracle *oracle, const struct gap_request *request, bool high) {
    vaddr found = VADDR_NONE;
    for (vaddr place = request->low;
         place < request->high && request->high - place >= request->length_bytes;
         place += MODEL_PAGE_BYTES) {
        if (place % request->alignment_bytes == 0 &&
            is_free(oracle, place, request->length_bytes)) {
            found = place;
            if (!high) {
                break;
            }
        }
    }
    return found;
}

void oracle_compare(const struct vma_oracle *oracle, const struct vma_index *index) {
    const char *broken = vma_index_audit(index);
    if (broken != NULL) {
        fail_msg("%s", broken);
    }
    assert_int_equal(vma_index_count(index), oracle->count);
    const struct vma *vma = vma_index_first(index);
    for (size_t at = 0; at < oracle->count; at++) {
        const struct oracle_entry *entry = &oracle->entries[at];
        assert_ptr_equal(vma, entry->vma);
        assert_int_equal(vma->start, entry->start);
        assert_int_equal(vma->end, entry->end);
        vma = vma_index_next(index, vma);
    }
    assert_null(vma);
    vma = vma_index_last(index);
    for (size_t at = oracle->count; at > 0; at--) {
        assert_ptr_equal(vma, oracle->entries[at - 1].vma);
        vma = vma_index_previous(index, vma);
    }
    assert_null(vma);
}
