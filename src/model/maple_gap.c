/* maple_gap.c - searches a maple tree for free addresses, guided by the gaps of its inner nodes.
 * Layer: model (includes base).
 *
 * Children are tried in the order of addresses, from the end where the search begins; one whose
 * longest gap is too short, or that lies outside the request, is left out. An empty range never
 * spans leaves (T3), so the leaves tell all. */
#include "model/maple_tree.h"

/* What a search wants, and from which end. */
struct gap_search {
    const struct gap_request *request;
    bool from_high;
};

static bool is_outside(const struct gap_request *request, uint64_t first, uint64_t last) {
    return last < request->low || first >= request->high;
}

/* The i-th slot to look at. */
static unsigned in_order(const struct gap_search *search, unsigned i, unsigned used) {
    return search->from_high ? used - 1 - i : i;
}

static vaddr gap_in_leaf(const struct gap_search *search, const struct maple_node *leaf,
                         uint64_t leaf_first, uint64_t leaf_last) {
    const struct gap_request *request = search->request;
    unsigned used = maple_used(leaf);
    for (unsigned i = 0; i < used; i++) {
        unsigned slot = in_order(search, i, used);
        if (leaf->leaf.slot[slot].pointer != NULL) {
            continue;
        }
        uint64_t first = slot > 0 ? leaf->leaf.pivot[slot - 1] + 1 : leaf_first;
        uint64_t last = maple_slot_last(leaf->leaf.pivot, slot, MAPLE_LEAF_SLOTS, leaf_last);
        vaddr end = last == MAPLE_LAST ? VADDR_NONE : last + 1;
        vaddr found = search->from_high ? gap_place_high(request, first, end)
                                        : gap_place_low(request, first, end);
        if (found != VADDR_NONE) {
            return found;
        }
    }
    return VADDR_NONE;
}

static vaddr gap_below(const struct gap_search *search, const void *child, uint64_t node_first,
                       uint64_t node_last) {
    const struct maple_node *node = maple_node_of(child);
    if (maple_is_leaf(child)) {
        return gap_in_leaf(search, node, node_first, node_last);
    }
    vaddr found = VADDR_NONE;
    unsigned used = maple_used(node);
    for (unsigned i = 0; i < used && found == VADDR_NONE; i++) {
        unsigned slot = in_order(search, i, used);
        if (node->inner.gap[slot] < search->request->length_bytes) {
            continue;
        }
        uint64_t first = slot > 0 ? node->inner.pivot[slot - 1] + 1 : node_first;
        uint64_t last = maple_slot_last(node->inner.pivot, slot, MAPLE_INNER_SLOTS, node_last);
        if (!is_outside(search->request, first, last)) {
            found = gap_below(search, node->inner.slot[slot].pointer, first, last);
        }
    }
    return found;
}

vaddr maple_gap_low(const struct maple_tree *tree, const struct gap_request *request) {
    struct gap_search search = {request, false};
    return tree->height == 0 ? gap_place_low(request, 0, VADDR_NONE)
                             : gap_below(&search, tree->root.pointer, 0, MAPLE_LAST);
}

vaddr maple_gap_high(const struct maple_tree *tree, const struct gap_request *request) {
    struct gap_search search = {request, true};
    return tree->height == 0 ? gap_place_high(request, 0, VADDR_NONE)
                             : gap_below(&search, tree->root.pointer, 0, MAPLE_LAST);
}
