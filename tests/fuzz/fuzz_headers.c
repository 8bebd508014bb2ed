/* fuzz_headers.c - the chunk engine while words of its chunks are overwritten.
 * Layer: tests (includes the public interface).
 *
 * The input says which blocks come and go, and once in between which word of which chunk gets which
 * value: its size, the size before it, or a link of a freed one. It must end in a diagnosis, or go
 * on as if nothing had happened; it must not crash, hang, or hand out a block that overlaps a live
 * one. One change is beyond what can be known: another possible size, at whose end a header may
 * stand by chance. It is made, but overlaps do not count then.
 *
 * Each input has a child of its own, with a library that nobody has used. */
#include "arenite/arenite.h"
#include "fuzz.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLACES 16
#define STEPS_MAX 120
#define CPU_SECONDS 10
#define FILL_BYTES 256
#define HEADER_BYTES (2 * sizeof(size_t))
#define CHUNK_ALIGNMENT HEADER_BYTES
#define CHUNK_FLAGS ((size_t)7)
#define HEAP_BYTES_MAX ((size_t)16 << 20) /* more than all steps can take */

enum ending { WELL = 0, OVERLAPPED = 3 };

struct block {
    unsigned char *memory;
    size_t bytes;
};

struct heap {
    struct block live[PLACES];
    struct block freed[PLACES]; /* the last one of each place */
    bool is_believed;           /* the change cannot be told from what is right */
    bool is_changed;
    bool has_slabs;
};

/* ---- traffic --------------------------------------------------------------------------------- */

static void check(const struct heap *heap, size_t place) {
    const struct block *block = &heap->live[place];
    for (size_t i = 0; i < PLACES; i++) {
        const struct block *other = &heap->live[i];
        if (i != place && other->memory != NULL && block->memory < other->memory + other->bytes &&
            other->memory < block->memory + block->bytes && !heap->is_believed) {
            _exit(OVERLAPPED);
        }
    }
}

/* Without slabs all sizes are chunks; with them those above 32 KiB, and not mapped ones. */
static size_t some_bytes(const struct heap *heap, struct fuzz_input *input) {
    size_t number = (size_t)fuzz_number(input, 2);
    return heap->has_slabs ? 32769 + number : number % (number % 4 == 0 ? 8192 : 300);
}

/* Contents look like no header. */
static void take(struct heap *heap, struct fuzz_input *input, size_t place) {
    size_t bytes = some_bytes(heap, input);
    unsigned char *memory = arenite_malloc(bytes);
    if (memory == NULL) {
        return;
    }
    heap->live[place] = (struct block){memory, bytes};
    check(heap, place);
    memset(memory, 0xee, bytes < FILL_BYTES ? bytes : FILL_BYTES);
}

static void give(struct heap *heap, size_t place) {
    struct block block = heap->live[place];
    heap->live[place].memory = NULL;
    heap->freed[place] = block;
    arenite_free(block.memory);
}

/* ---- the change ------------------------------------------------------------------------------ */

/* Whether a size could be a right one: then a header may stand where it leads, by chance now or
 * later. */
static bool may_be_size(size_t value) {
    return value % CHUNK_ALIGNMENT < CHUNK_FLAGS + 1 && value < HEAP_BYTES_MAX;
}

static size_t some_value(struct fuzz_input *input, size_t old) {
    switch (fuzz_byte(input) % 5) {
    case 0:
        return (size_t)fuzz_number(input, sizeof(size_t));
    case 1:
        return old ^ fuzz_byte(input);
    case 2:
        return old + HEADER_BYTES * fuzz_byte(input);
    case 3:
        return old - HEADER_BYTES * fuzz_byte(input);
    default:
        return fuzz_byte(input) * HEADER_BYTES + 1;
    }
}

/* Words: 0 and 1 the header, 2 and 3 the links of a freed chunk. */
static void change(struct heap *heap, struct fuzz_input *input) {
    uint8_t choice = fuzz_byte(input);
    const struct block *block = &heap->live[choice % PLACES];
    bool is_live = block->memory != NULL;
    block = is_live ? block : &heap->freed[choice % PLACES];
    if (block->memory == NULL) {
        return;
    }
    size_t number = (choice / PLACES) % (is_live ? 2 : 4), old;
    unsigned char *word = block->memory - HEADER_BYTES + number * sizeof(size_t);
    memcpy(&old, word, sizeof old);
    size_t value = some_value(input, old);
    heap->is_believed = number == 1 && may_be_size(value);
    heap->is_changed = true;
    memcpy(word, &value, sizeof value);
}

/* ---- running --------------------------------------------------------------------------------- */

static void play(struct fuzz_input *input) {
    static struct heap heap;
    heap.has_slabs = fuzz_byte(input) % 2 != 0;
    setenv("ARENITE_OPTIONS", heap.has_slabs ? "mmap_threshold=1M" : "profile=ptmalloc", 1);
    for (size_t steps = 0; steps < STEPS_MAX && input->left > 0; steps++) {
        uint8_t choice = fuzz_byte(input);
        size_t place = choice % PLACES;
        if (choice >= 240 && !heap.is_changed) {
            change(&heap, input);
        } else if (heap.live[place].memory != NULL) {
            give(&heap, place);
        } else {
            take(&heap, input, place);
        }
    }
    for (size_t i = 0; i < PLACES; i++) {
        if (heap.live[i].memory != NULL) {
            give(&heap, i);
        }
    }
}

static void be_child(const uint8_t *data, size_t size, int said) {
    const struct rlimit processor = {CPU_SECONDS, CPU_SECONDS}, core = {0, 0};
    struct fuzz_input input = {data, size};
    setrlimit(RLIMIT_CPU, &processor);
    setrlimit(RLIMIT_CORE, &core);
    signal(SIGABRT, SIG_DFL);
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    dup2(said, STDERR_FILENO);
    play(&input);
    _exit(WELL);
}

static bool is_diagnosis(int status, int said) {
    char line[256] = "";
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
           pread(said, line, sizeof line - 1, 0) > 0 &&
           strncmp(line, "arenite: ", strlen("arenite: ")) == 0;
}

/* Fuzzers count time by signals. */
static bool has_ended(pid_t id, int *status) {
    pid_t ended;
    do {
        ended = waitpid(id, status, 0);
    } while (ended < 0 && errno == EINTR);
    return ended == id;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int status = 0, said = memfd_create("said", MFD_CLOEXEC);
    pid_t id = fork();
    if (id == 0) {
        be_child(data, size, said);
    }
    fuzz_expect(id > 0 && has_ended(id, &status), "no child could be run");
    fuzz_expect(!WIFEXITED(status) || WEXITSTATUS(status) != OVERLAPPED, "two blocks overlap");
    bool is_well = WIFEXITED(status) && WEXITSTATUS(status) == WELL;
    if (!is_well && !is_diagnosis(status, said)) {
        char line[512] = "";
        (void)!pread(said, line, sizeof line - 1, 0);
        fprintf(stderr, "status %#x, said: %s\n", (unsigned)status, line);
    }
    fuzz_expect(is_well || is_diagnosis(status, said), "neither a diagnosis nor a good end");
    close(said);
    return 0;
}
