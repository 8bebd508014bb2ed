/* fuzz_malloc.c - calls of the malloc family as the input says, all answers checked.
 * Layer: tests (includes the public interface).
 *
 * A byte chooses call and place in a table, the next ones the size. Contents must stay, blocks must
 * not share a byte and be aligned; after some calls, and when all is freed, the audit agrees. */
#include "arenite/arenite.h"
#include "fuzz.h"
#include "held.h"

#define PLACES 32
#define CALLS_MAX 400

enum call { MALLOC, CALLOC, REALLOC, MEMALIGN, FREE, FREE_SIZED, LOOK, MANAGE };

struct table {
    struct held held[PLACES];
    size_t alignments[PLACES]; /* asked for; 0: none */
    uint64_t tag;
};

/* Every magnitude up to 4 MiB, and now and then one that cannot be had. */
static size_t some_bytes(struct fuzz_input *input) {
    uint8_t kind = fuzz_byte(input);
    uint64_t number = fuzz_number(input, 1 + kind % 3);
    if (kind >= 252) {
        return SIZE_MAX - (size_t)number;
    }
    return kind % 3 == 2 ? (size_t)number % (4 << 20) : (size_t)number;
}

static void keep(struct table *table, struct held *held, void *memory, size_t bytes,
                 size_t alignment) {
    if (memory == NULL) {
        fuzz_expect(bytes > PTRDIFF_MAX / 2, "an allocation failed");
        return;
    }
    fuzz_expect((uintptr_t)memory % alignment == 0, "a block is not aligned");
    fuzz_expect(arenite_malloc_usable_size(memory) >= bytes, "a block is too small");
    *held = (struct held){memory, bytes, ++table->tag};
    table->alignments[held - table->held] = alignment > 2 * sizeof(void *) ? alignment : 0;
    held_fill(held);
}

static void let_go(struct held *held) {
    fuzz_expect(held->memory == NULL || held_is_intact(held), "contents changed");
    arenite_free(held->memory);
    held->memory = NULL;
}

static void let_go_sized(struct held *held, size_t alignment) {
    fuzz_expect(held->memory == NULL || held_is_intact(held), "contents changed");
    if (alignment != 0) {
        arenite_free_aligned_sized(held->memory, alignment, held->bytes);
    } else {
        arenite_free_sized(held->memory, held->bytes);
    }
    held->memory = NULL;
}

static void resize(struct table *table, struct held *held, size_t bytes) {
    struct held old = *held;
    if (bytes == 0) {
        let_go(held);
        return;
    }
    void *memory = arenite_realloc(old.memory, bytes);
    if (memory != NULL && old.memory != NULL) {
        struct held moved = {memory, old.bytes, old.tag};
        fuzz_expect(held_begins(&moved, bytes < old.bytes ? bytes : old.bytes), "realloc lost");
    }
    if (memory != NULL) {
        held->memory = NULL;
    }
    keep(table, held, memory, bytes, 2 * sizeof(void *));
}

static void look(const struct table *table) {
    const char *broken = arenite_audit();
    fuzz_expect(broken == NULL, broken);
    fuzz_expect(!held_overlap(table->held, PLACES), "two blocks share bytes");
}

static void manage(struct fuzz_input *input) {
    if (fuzz_byte(input) % 4 == 0) {
        arenite_malloc_trim(fuzz_byte(input));
    } else {
        (void)arenite_mallinfo2();
    }
}

static void make_call(struct table *table, struct fuzz_input *input) {
    uint8_t choice = fuzz_byte(input);
    struct held *held = &table->held[choice / 8];
    size_t bytes = 0, alignment = 2 * sizeof(void *);
    switch ((enum call)(choice % 8)) {
    case MALLOC:
        let_go(held);
        bytes = some_bytes(input);
        keep(table, held, arenite_malloc(bytes), bytes, alignment);
        break;
    case CALLOC:
        let_go(held);
        bytes = some_bytes(input);
        held->bytes = bytes;
        held->memory = arenite_calloc(1, bytes);
        fuzz_expect(held->memory == NULL || held_is_zero(held), "calloc gave other than zeros");
        keep(table, held, held->memory, bytes, alignment);
        break;
    case REALLOC:
        resize(table, held, some_bytes(input));
        break;
    case MEMALIGN:
        let_go(held);
        alignment <<= fuzz_byte(input) % 14;
        bytes = some_bytes(input);
        keep(table, held, arenite_memalign(alignment, bytes), bytes, alignment);
        break;
    case FREE:
        let_go(held);
        break;
    case FREE_SIZED:
        let_go_sized(held, table->alignments[choice / 8]);
        break;
    case LOOK:
        look(table);
        break;
    case MANAGE:
        manage(input);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = {data, size};
    struct table table = {.tag = 0};
    for (size_t calls = 0; calls < CALLS_MAX && input.left > 0; calls++) {
        make_call(&table, &input);
    }
    look(&table);
    for (size_t i = 0; i < PLACES; i++) {
        let_go(&table.held[i]);
    }
    look(&table);
    return 0;
}
