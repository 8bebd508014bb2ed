/* cache.c - see cache.h.
 * Layer: thread (includes slab and below). */
#include "thread/cache.h"

#include "os/report.h"
#include "thread/remote.h"
#include "thread/slabs.h"

/* The limit of a cache at first and at most; what it takes from a slab of larger slots at once. */
#define LIMIT_LEAST_BYTES ((size_t)8192)
#define FILL_BYTES ((size_t)4096)
#define LIMIT_LEAST_SLOTS ((size_t)16)
#define LIMIT_MOST_BYTES ((size_t)128 * 1024)
#define LIMIT_MOST_SLOTS ((size_t)512)
/* By so much all limits together may be raised, shared by all threads. */
#define RAISED_ALL_BYTES ((size_t)8 << 20)
/* With more it was filled. */
#define MANY_LIMITS ((size_t)3)
/* In a row: much is freed at once. */
#define FLUSHES_MANY 63

static size_t slots_of(size_t class_index, size_t bytes, size_t most) {
    size_t slots = bytes / class_bytes(class_index);
    slots = slots < most ? slots : most;
    return slots > 0 ? slots : 1;
}

static size_t least_limit(size_t class_index) {
    return slots_of(class_index, LIMIT_LEAST_BYTES, LIMIT_LEAST_SLOTS);
}

static size_t most_limit(size_t class_index) {
    return slots_of(class_index, LIMIT_MOST_BYTES, LIMIT_MOST_SLOTS);
}

static size_t raised_limit(size_t class_index, size_t limit) {
    size_t most = most_limit(class_index);
    return 2 * limit < most ? 2 * limit : most;
}

static void set_limit(struct thread *thread, size_t class_index, size_t limit) {
    struct slot_list *cache = &thread->caches[class_index];
    thread->raised_bytes += (limit - cache->limit) * class_bytes(class_index);
    cache->limit = limit & 1023u;
}

/* What was sent home is wanted. Had the cache held all of it, it would have been at hand; if that
 * is more than any cache may hold, the slots only made a detour. Many threads share what a few may
 * have. */
static void learn_limit(struct thread *thread, size_t class_index) {
    struct slot_list *cache = &thread->caches[class_index];
    size_t sent = (size_t)cache->flushes * 2 * cache->limit;
    size_t limit = raised_limit(class_index, cache->limit);
    size_t more_bytes = (limit - cache->limit) * class_bytes(class_index);
    cache->flushes = 0;
    if (sent > 2 * most_limit(class_index)) {
        set_limit(thread, class_index, least_limit(class_index));
    } else if (thread->raised_bytes + more_bytes <= RAISED_ALL_BYTES / (thread_count() + 1)) {
        set_limit(thread, class_index, limit);
    }
}

/* There are `count` slots in it now; its owner looks when so many more have come. */
static void set_count(struct slot_list *cache, size_t count, size_t more) {
    cache->top = (uint16_t)(count + more);
    cache->until = (int32_t)more;
}

/* So many more than stay make it full. */
static size_t room_of(const struct slot_list *cache, size_t count) {
    return count < cache->limit ? (size_t)2 * cache->limit - count : cache->limit;
}

/* Slots of the active slab that are not in the cache, if they are fewer than `room` and it is to be
 * known when that is none. Slots of other slabs in the cache make it seem fewer: then the look
 * comes early. */
static size_t room_until_unused(const struct slab *active, size_t count, size_t room) {
    size_t live = slab_live(active), outside = live > count ? live - count : 0;
    bool is_watched = active != &slab_none && active->own.floor == 0;
    return is_watched && outside < room ? outside : room;
}

static void forget(struct slot_list *cache) {
    cache->head = &slot_end;
    set_count(cache, 0, room_of(cache, 0));
}

void caches_init(struct thread *thread) {
    thread->secrets = slot_secrets;
    thread->raised_bytes = 0;
    for (size_t i = 0; i < SLAB_CLASSES; i++) {
        thread->caches[i].limit = (i == 0 ? 1 : least_limit(i)) & 1023u;
        forget(&thread->caches[i]);
    }
}

/* ---- sending home ---------------------------------------------------------------------------- */

static COLD void report(const struct slot *slot) {
    report_misuse("corrupted list of free blocks: a freed block was written to", slot);
}

/* Neither its links nor its tag were written to. */
static bool is_whole(const struct slot *slot) {
    return slot_is_intact(slot) && slot_tag_is_right(slot);
}

/* Slots of one slab that follow one another in a chain. */
struct slot_run {
    struct slot *first;
    struct slot *last;
    size_t count;
};

/* The run that begins with an intact slot of the slab, `most` long at most. */
static struct slot_run run_from(const struct slab *slab, struct slot *first, size_t most) {
    struct slot_run run = {first, first, 1};
    while (run.count < most) {
        struct slot *next = slot_next(run.last);
        if ((uintptr_t)next - slab->start >= slab->span_bytes || !is_whole(next)) {
            break;
        }
        run.last = next;
        run.count++;
    }
    return run;
}

/* Its slab may be another's, or the depot's by now. */
static void send_run_home(struct thread *thread, struct slab *slab, const struct slot_run *run) {
    if (LIKELY(slab->owner == thread)) {
        slabs_free_run(thread, slab, run->first, run->last, run->count);
        return;
    }
    struct slot *slot = run->first;
    for (size_t left = run->count; left != 0; left--) {
        struct slot *next = slot_next(slot);
        slot_mark_travelling(slot);
        remote_free(thread, slab, slot);
        slot = next;
    }
}

/* Neighbours in a cache often lie in one slab. So many slots go, and what follows them is returned;
 * what follows a damaged slot is lost, as the slot itself is. */
static struct slot *send_chain_home(struct thread *thread, struct slot *slot, size_t count) {
    const struct slot *before = slot;
    while (slot != &slot_end && count != 0) {
        struct slab *slab = slab_at(slot);
        if (UNLIKELY(slab == NULL || !is_whole(slot))) {
            report(slab == NULL ? before : slot);
            return &slot_end;
        }
        const struct slot_run run = run_from(slab, slot, count);
        before = run.last;
        count -= run.count;
        slot = slot_next(run.last);
        send_run_home(thread, slab, &run);
    }
    return slot;
}

static bool empty_cache(struct thread *thread, size_t class_index) {
    struct slot_list *cache = &thread->caches[class_index];
    struct slot *first = cache->head;
    bool any = !slot_list_is_empty(cache);
    forget(cache);
    (void)send_chain_home(thread, first, SIZE_MAX);
    return any;
}

bool caches_flush(struct thread *thread) {
    bool any = false;
    for (size_t i = 1; i < SLAB_CLASSES; i++) {
        any |= empty_cache(thread, i);
    }
    return any;
}

/* Of all caches by turns, one at each fill and flush of another: one that was not used since its
 * last turn goes home. */
static void look_round(struct thread *thread, size_t busy) {
    size_t turn = thread->cache_turn = (thread->cache_turn + 1) % SLAB_CLASSES;
    struct slot_list *cache = &thread->caches[turn];
    if (UNLIKELY(cache->until == thread->cache_seen[turn]) && turn != busy &&
        !slot_list_is_empty(cache)) {
        set_limit(thread, turn, least_limit(turn));
        empty_cache(thread, turn);
    }
    thread->cache_seen[turn] = cache->until;
}

/* ---- filling --------------------------------------------------------------------------------- */

/* Moves the slab's list, or of a long one the first few. Returns how many. */
static size_t move_slots(struct slab *slab, size_t few, struct slot **first) {
    size_t count = slab->carved - slab_live(slab), left = few;
    struct slot *last = slab->own.head, *rest = &slot_end;
    *first = last;
    if (count > few) {
        while (--left > 0 && slot_is_intact(last)) {
            last = slot_next(last);
        }
        if (LIKELY(slot_is_intact(last))) {
            count = few;
            rest = slot_next(last);
            slot_set_next(last, &slot_end, slot_fresh_flag(last));
        }
    }
    slab->own.head = rest;
    slab->own.until += (int32_t)count;
    return count;
}

/* What a cache takes at once: the whole list of a slab of small slots, which needs no walk; a few
 * large ones, or slabs would seem in use for long; of a class that is sampled, no further than to
 * the sampled one. */
static size_t fill_slots(struct thread *thread, struct slab *slab) {
    size_t class_index = slab->class_index;
    if (!sample_counts(thread, class_index)) {
        size_t few = slots_of(class_index, FILL_BYTES, LIMIT_MOST_SLOTS);
        size_t limit = thread->caches[class_index].limit;
        return class_index < SLAB_SMALL_CLASSES ? SIZE_MAX : limit > few ? limit : few;
    }
    size_t wanted = slots_of(class_index, SAMPLE_FILL_BYTES, SAMPLE_FILL_SLOTS);
    size_t few = sample_limit(thread, class_index, wanted);
    slabs_stock(thread, slab, wanted < few ? wanted : few);
    return few;
}

/* Takes a few slots from a slab of the class, which has some in its list. Its cache is empty. */
static void fill(struct thread *thread, struct slab *slab) {
    struct slot_list *cache = &thread->caches[slab->class_index];
    struct slot *first = &slot_end;
    if (cache->flushes != 0) {
        learn_limit(thread, slab->class_index);
    }
    size_t count = move_slots(slab, fill_slots(thread, slab), &first);
    sample_count(thread, slab->class_index, count);
    set_count(cache, count, room_until_unused(slab, count, room_of(cache, count)));
    compiler_fence();
    cache->head = first;
    look_round(thread, slab->class_index);
}

/* The newest slot's words were overwritten: all that the cache held is given up. */
static COLD void report_damage(struct thread *thread, size_t class_index) {
    struct slot_list *cache = &thread->caches[class_index];
    report(cache->head);
    forget(cache);
}

void *cache_alloc(struct thread *thread, size_t class_index) {
    struct slot_list *cache = &thread->caches[class_index];
    void *slot = slot_list_pop(cache, slot_secrets.mask);
    if (UNLIKELY(slot != NULL)) {
        return slot;
    }
    if (UNLIKELY(!slot_list_is_empty(cache))) {
        report_damage(thread, class_index);
    }
    if (!slab_is_ready(thread->active[class_index]) && UNLIKELY(remote_has_mail(thread))) {
        remote_collect(thread);
    }
    struct slab *slab = slabs_ready(thread, class_index);
    if (slab == NULL) {
        return NULL;
    }
    fill(thread, slab);
    return slot_list_pop(cache, slot_secrets.mask);
}

/* ---- counting anew --------------------------------------------------------------------------- */

/* The last slot that can be followed to; NULL: not even the first. */
static struct slot *last_whole(const struct slot_list *cache, size_t *count) {
    struct slot *last = NULL;
    *count = 0;
    for (struct slot *at = cache->head; at != &slot_end && *count < UINT16_MAX;
         at = slot_next(at)) {
        if (slab_at(at) == NULL || !is_whole(at)) {
            break;
        }
        last = at;
        *count += 1;
    }
    return last;
}

static void recount(struct slot_list *cache) {
    size_t count;
    struct slot *last = last_whole(cache, &count);
    if (last == NULL) {
        cache->head = &slot_end;
    } else {
        slot_set_next(last, &slot_end, slot_fresh_flag(last));
    }
    set_count(cache, count, room_of(cache, count));
}

void caches_recount(struct thread *thread) {
    thread->raised_bytes = 0;
    for (size_t i = 1; i < SLAB_CLASSES; i++) {
        recount(&thread->caches[i]);
        size_t raised = thread->caches[i].limit - least_limit(i);
        thread->raised_bytes += raised * class_bytes(i);
    }
}

/* ---- flushing -------------------------------------------------------------------------------- */

/* All it holds, for a few slots that stay would each keep a slab from being empty; of a slab's
 * whole list that it was filled with only the newest. */
static void flush(struct thread *thread, size_t class_index, size_t count) {
    struct slot_list *cache = &thread->caches[class_index];
    if (cache->flushes == FLUSHES_MANY) {
        set_limit(thread, class_index, least_limit(class_index));
    } else {
        cache->flushes++;
    }
    struct slot *first = cache->head;
    size_t sends = count <= MANY_LIMITS * cache->limit ? count : cache->limit;
    forget(cache);
    cache->head = send_chain_home(thread, first, sends);
    count = slot_list_is_empty(cache) ? 0 : count - sends;
    size_t room = room_until_unused(thread->active[class_index], count, room_of(cache, count));
    set_count(cache, count, room > 0 ? room : 1);
}

/* Told when it is full, and when all slots of the active slab seem to be in it. */
void cache_flush(struct thread *thread, size_t class_index) {
    struct slot_list *cache = &thread->caches[class_index];
    const struct slab *active = thread->active[class_index];
    size_t count = cache_count(cache);
    if (room_until_unused(active, count, 1) == 0) {
        empty_cache(thread, class_index);
    } else if (count < (size_t)2 * cache->limit) {
        set_count(cache, count, room_of(cache, count));
    } else {
        flush(thread, class_index, count);
    }
    look_round(thread, class_index);
}

/* ---- looking --------------------------------------------------------------------------------- */

/* Nothing is followed that does not lead into a slab from an intact slot. */
READS_RACILY static bool cache_holds(const struct thread *thread, size_t class_index,
                                     const struct slot *slot) {
    const struct slot_list *cache = &thread->caches[class_index];
    const struct slot *at = cache->head;
    for (size_t left = cache->top; left > 0 && slab_at(at) != NULL; left--) {
        if (at == slot) {
            return true;
        }
        if (!slot_is_intact(at)) {
            return false;
        }
        at = slot_next(at);
    }
    return false;
}

bool caches_hold(const struct slab *slab, const struct slot *slot) {
    const struct thread *thread = thread_first();
    while (thread != NULL && !cache_holds(thread, slab->class_index, slot)) {
        thread = thread->next;
    }
    return thread != NULL;
}

READS_RACILY size_t cache_count_of(const struct thread *thread, size_t class_index) {
    const struct slot_list *cache = &thread->caches[class_index];
    int32_t count = cache->top - cache->until;
    return count < 0 ? 0 : count > cache->top ? cache->top : (size_t)count;
}

static const struct slot *find_damage_in(const struct slot_list *cache, size_t *budget) {
    const struct slot *before = cache->head;
    for (const struct slot *at = before; at != &slot_end && *budget != 0; (*budget)--) {
        if (slab_at(at) == NULL) {
            return before;
        }
        if (!is_whole(at)) {
            return at;
        }
        before = at;
        at = slot_next(at);
    }
    return NULL;
}

const struct slot *caches_find_damage(const struct thread *thread, size_t *budget) {
    const struct slot *damage = NULL;
    for (size_t i = 1; i < SLAB_CLASSES && damage == NULL && *budget != 0; i++) {
        damage = find_damage_in(&thread->caches[i], budget);
    }
    return damage;
}

static const char *audit_cache(const struct thread *thread, size_t class_index) {
    const struct slot_list *cache = &thread->caches[class_index];
    size_t count = 0;
    for (const struct slot *at = cache->head; at != &slot_end; at = slot_next(at)) {
        const struct slab *slab = slab_at(at);
        if (slab == NULL || slab->class_index != class_index || !slab_is_slot(slab, at) ||
            !slot_is_intact(at)) {
            return "a thread's cache holds something that is no cached slot of its class";
        }
        if (++count > cache_count(cache)) {
            break;
        }
    }
    return count == cache_count(cache) ? NULL : "a thread's cache does not hold what it counts";
}

const char *caches_audit(const struct thread *thread) {
    const char *error = NULL;
    size_t raised_bytes = 0;
    for (size_t i = 1; i < SLAB_CLASSES && error == NULL; i++) {
        error = audit_cache(thread, i);
        raised_bytes += (thread->caches[i].limit - least_limit(i)) * class_bytes(i);
    }
    if (error == NULL && raised_bytes != thread->raised_bytes) {
        error = "the limits of a thread's caches do not add up to their sum";
    }
    return error;
}
