/* thread_stack.c - thread stacks as the C library makes, keeps and reuses them.
 * Layer: model (includes base and the buddy core). */
#include "model/thread_stack.h"

#include "model/mm_internal.h"

/* ---- the cache ----------------------------------------------------------------------------- */

static bool serves(const struct thread_stack *stack, uint64_t bytes) {
    return stack->bytes >= bytes && !stack->in_use && stack->bytes <= 4 * bytes;
}

/* The smallest block in the cache that serves; of equal ones, the newest. */
static struct thread_stack *take_cached(struct thread_stacks *threads, uint64_t bytes) {
    struct thread_stack *best = NULL;
    for (size_t i = 0; i < THREADS_MAX; i++) {
        struct thread_stack *stack = &threads->stacks[i];
        if (!serves(stack, bytes)) {
            continue;
        }
        if (best == NULL || stack->bytes < best->bytes ||
            (stack->bytes == best->bytes && stack->freed > best->freed)) {
            best = stack;
        }
    }
    if (best != NULL) {
        best->in_use = true;
        threads->cached_bytes -= best->bytes;
    }
    return best;
}

static struct thread_stack *find_oldest(struct thread_stacks *threads) {
    struct thread_stack *oldest = NULL;
    for (size_t i = 0; i < THREADS_MAX; i++) {
        struct thread_stack *stack = &threads->stacks[i];
        if (stack->bytes != 0 && !stack->in_use &&
            (oldest == NULL || stack->freed < oldest->freed)) {
            oldest = stack;
        }
    }
    return oldest;
}

static void trim_cache(struct mm *mm, struct thread_stacks *threads) {
    while (threads->cached_bytes > THREAD_CACHE_BYTES) {
        struct thread_stack *oldest = find_oldest(threads);
        mm_unmap(mm, oldest->base, oldest->bytes);
        threads->cached_bytes -= oldest->bytes;
        oldest->bytes = 0;
    }
}

/* ---- new blocks ---------------------------------------------------------------------------- */

static struct thread_stack *find_unused(struct thread_stacks *threads) {
    for (size_t i = 0; i < THREADS_MAX; i++) {
        if (threads->stacks[i].bytes == 0) {
            return &threads->stacks[i];
        }
    }
    return NULL;
}

static struct thread_stack *map_stack(struct mm *mm, struct thread_stacks *threads,
                                      uint64_t bytes) {
    struct thread_stack *stack = find_unused(threads);
    const struct map_request request = {.length = bytes, .flags = MAP_REQUEST_STACK};
    vaddr base;
    if (stack == NULL || mm_map(mm, &request, &base) < 0) {
        return NULL;
    }
    if (mm_protect(mm, base + MODEL_PAGE_BYTES, bytes - MODEL_PAGE_BYTES, VMF_READ | VMF_WRITE) <
        0) {
        mm_unmap(mm, base, bytes);
        return NULL;
    }
    *stack = (struct thread_stack){.base = base, .bytes = bytes, .in_use = true};
    return stack;
}

/* ---- threads ------------------------------------------------------------------------------- */

/* The upper page holds struct pthread and TLS, the next one the first frames. */
static enum fault_signal touch(struct mm *mm, const struct thread_stack *stack,
                               uint64_t use_bytes) {
    vaddr top = stack->base + stack->bytes;
    mm_access(mm, top - MODEL_PAGE_BYTES, true);
    mm_access(mm, top - 2 * MODEL_PAGE_BYTES, true);
    vaddr frame = top - 2 * MODEL_PAGE_BYTES;
    for (uint64_t done = 0; done < use_bytes; done += MODEL_PAGE_BYTES) {
        enum fault_signal signal = mm_access(mm, frame - done - MODEL_PAGE_BYTES, true);
        if (signal != FAULT_NO_SIGNAL) {
            return signal;
        }
    }
    return FAULT_NO_SIGNAL;
}

int thread_start(struct mm *mm, struct thread_stacks *threads, uint64_t room_bytes,
                 uint64_t use_bytes, struct thread_stack **result, enum fault_signal *signal) {
    if (room_bytes < THREAD_STACK_MIN_BYTES) {
        return -EINVAL;
    }
    uint64_t bytes = page_round_up(room_bytes) + MODEL_PAGE_BYTES;
    struct thread_stack *stack = take_cached(threads, bytes);
    if (stack == NULL) {
        stack = map_stack(mm, threads, bytes);
    }
    if (stack == NULL) {
        return -EAGAIN;
    }
    *signal = touch(mm, stack, use_bytes);
    *result = stack;
    return 0;
}

void thread_join(struct mm *mm, struct thread_stacks *threads, struct thread_stack *stack) {
    if (stack->bytes > THREAD_KEPT_BYTES) {
        mm_advise(mm, stack->base, stack->bytes - THREAD_KEPT_BYTES, ADVICE_DONTNEED);
    }
    stack->in_use = false;
    stack->freed = ++threads->frees;
    threads->cached_bytes += stack->bytes;
    trim_cache(mm, threads);
}
