/* operation.c - which operations of a thread are over (contract in operation.h).
 * Layer: thread (includes chunk and below). */
#include "thread/operation.h"

#include "os/os.h"
#include "thread/recover.h"

THREAD_LOCAL struct operation *thread_operation;
THREAD_LOCAL struct operation *thread_outermost;

static bool overlap(const struct operation *one, const struct operation *other) {
    return (uintptr_t)one - (uintptr_t)other + sizeof *one - 1 < 2 * sizeof *one - 1;
}

static bool is_on_page(const uint32_t *word, const void *address) {
    return ((uintptr_t)word ^ (uintptr_t)address) < os_page_bytes();
}

/* The stack it lay on may be gone: where the page is not known to be there the kernel looks. */
READS_BLINDLY static bool is_overwritten(const struct operation *old, const struct operation *now) {
    uint32_t seal = operation_seal(old);
    const void *readable = now;
    for (size_t i = 0; i < OPERATION_SEALS; i++) {
        const uint32_t *word = &old->seals[i];
        bool is_known = is_on_page(word, readable);
        if (!(is_known ? LOAD_RELAXED(word) == seal : os_word_is(word, seal))) {
            return true;
        }
        readable = word;
    }
    return false;
}

static bool is_over(const struct operation *old, const struct operation *now) {
    return overlap(old, now) || is_overwritten(old, now) ||
           ((uintptr_t)now > (uintptr_t)old && os_is_on_own_stack(old, now));
}

/* Marks between the innermost and the outermost cannot be found without following one that may be
 * overwritten: they end with the outermost. */
struct operation *operation_find_live(struct operation *operation) {
    if (!is_over(thread_operation, operation)) {
        return thread_operation;
    }
    if (!is_over(thread_outermost, operation)) {
        return thread_outermost;
    }
    thread_recover();
    return NULL;
}

/* Handlers that interrupted it, and were left. */
void operation_end_others(void) {
    thread_recover();
}
