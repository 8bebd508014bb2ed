/* trees.c - search trees that grow, lose and regain nodes of a few sizes, and go.
 *
 *   trees NODES STEPS
 */
#include "bench.h"

struct node {
    uint64_t key;
    struct node *child[2];
    uint64_t payload[]; /* of 0 to 7 words */
};

static struct node **find(struct node **at, uint64_t key) {
    while (*at != NULL && (*at)->key != key) {
        at = &(*at)->child[key > (*at)->key];
    }
    return at;
}

static void insert(struct node **root, uint64_t key) {
    struct node **at = find(root, key);
    if (*at == NULL) {
        struct node *node = bench_block(sizeof *node + (key & 7) * sizeof node->payload[0]);
        *node = (struct node){.key = key};
        *at = node;
    }
}

/* The node goes; the smallest of its right side takes its place. */
static void remove_node(struct node **at) {
    struct node *gone = *at;
    if (gone->child[0] == NULL || gone->child[1] == NULL) {
        *at = gone->child[0] != NULL ? gone->child[0] : gone->child[1];
    } else {
        struct node **least = &gone->child[1];
        while ((*least)->child[0] != NULL) {
            least = &(*least)->child[0];
        }
        struct node *heir = *least;
        *least = heir->child[1];
        heir->child[0] = gone->child[0];
        heir->child[1] = gone->child[1];
        *at = heir;
    }
    free(gone);
}

static void fell(struct node *node) {
    while (node != NULL) {
        struct node *right = node->child[1];
        fell(node->child[0]);
        free(node);
        node = right;
    }
}

int main(int count, char **arguments) {
    uint64_t chance = 7;
    uint64_t keys = 2 * bench_argument(count, arguments, 1, 100000);
    size_t steps = bench_argument(count, arguments, 2, 1500000);
    struct node *root = NULL;
    for (size_t i = 0; i < steps; i++) {
        uint64_t key = (bench_between(&chance, 0, keys) * 0x9e3779b97f4a7c15ull) >> 8;
        struct node **at = find(&root, key);
        if (*at != NULL) {
            remove_node(at);
        } else {
            insert(&root, key);
        }
    }
    fell(root);
    return 0;
}
