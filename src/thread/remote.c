/* remote.c - see remote.h.
 * Layer: thread (includes slab and below). */
#include "thread/remote.h"

#include "os/os.h"
#include "os/report.h"
#include "thread/slabs.h"

static struct slab *checked_slab(const struct slot *slot) {
    struct slab *slab = slab_at(slot);
    if (UNLIKELY(slab == NULL || !slot_is_travelling(slot))) {
        report_corruption("corrupted list of blocks freed by other threads", slot);
    }
    return slab;
}

static struct thread *owner_of(const struct slab *slab) {
    return __atomic_load_n(&slab->owner, __ATOMIC_RELAXED);
}

static bool is_depots(const struct thread *owner) {
    return owner == depot_owner || owner == depot_torn;
}

struct slot *remote_unsent;

/* ---- sending -------------------------------------------------------------------------------- */

/* False when the owner's thread has ended. */
static bool push_inbox(struct thread *owner, struct slot *first, struct slot *last, size_t bytes) {
    struct slot *head = __atomic_load_n(&owner->inbox, __ATOMIC_RELAXED);
    do {
        if (head == REMOTE_CLOSED) {
            return false;
        }
        last->link = head;
    } while (!__atomic_compare_exchange_n(&owner->inbox, &head, first, true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
    __atomic_add_fetch(&owner->inbox_bytes, bytes, __ATOMIC_RELAXED);
    return true;
}

/* To the depot if the slab is its. False when it belongs to a thread by now. */
static bool free_in_depot(struct slab *slab, struct slot *slot) {
    struct thread *thread = thread_own->attached != 0 ? thread_own : NULL;
    depot_lock();
    bool is_its = is_depots(owner_of(slab));
    struct slab *due = is_its ? depot_free(thread, slab, slot) : NULL;
    depot_unlock();
    if (due != NULL) {
        depot_settle(due);
    }
    return is_its;
}

/* To whoever owns the slab now. An owner that is ending holds the depot's lock, so free_in_depot
 * waits for the end; the loop goes round again only when the slab has changed hands. */
static void send_one(struct slot *slot) {
    struct slab *slab = checked_slab(slot);
    for (;;) {
        struct thread *owner = owner_of(slab);
        if (!is_depots(owner) && push_inbox(owner, slot, slot, slab->slot_bytes)) {
            return;
        }
        if (free_in_depot(slab, slot)) {
            return;
        }
    }
}

static void send_each(struct slot *slot, const struct slot *last) {
    for (;;) {
        struct slot *next = slot->link;
        bool was_last = slot == last;
        send_one(slot);
        if (was_last) {
            return;
        }
        slot = next;
    }
}

static void send_batch(struct outgoing *batch) {
    struct thread *owner = batch->owner;
    if (owner == NULL) {
        return;
    }
    size_t bytes = batch->bytes;
    batch->owner = NULL;
    batch->bytes = 0;
    if (is_depots(owner) || !push_inbox(owner, batch->first, batch->last, bytes)) {
        send_each(batch->first, batch->last);
    }
}

void remote_flush(struct thread *thread) {
    for (size_t way = 0; way < OUTGOING_WAYS; way++) {
        send_batch(&thread->outgoing[way]);
    }
}

static struct outgoing *batch_for(struct thread *thread, struct thread *owner) {
    size_t way = ((uintptr_t)owner / sizeof(struct thread)) % OUTGOING_WAYS;
    struct outgoing *batch = &thread->outgoing[way];
    if (batch->owner != owner) {
        send_batch(batch);
        batch->owner = owner;
    }
    return batch;
}

/* Whether the owner has left much uncollected for a while. Who sees it first notes when. */
static bool owner_sleeps(struct thread *owner) {
    uint32_t now_ms = (uint32_t)(os_clock_ns() / 1000000) | 1;
    uint32_t since_ms = __atomic_load_n(&owner->waiting_since_ms, __ATOMIC_RELAXED);
    if (since_ms == 0) {
        __atomic_store_n(&owner->waiting_since_ms, now_ms, __ATOMIC_RELAXED);
    }
    return since_ms != 0 && now_ms - since_ms > REMOTE_SLEEP_MS;
}

/* An owner that sleeps does not collect: what waits for it beyond a bound waits without the whole
 * pages inside of large slots. Nobody else may touch a slot on its way. */
static void drop_pages(struct thread *owner, const struct slab *slab, struct slot *slot) {
    size_t page = os_page_bytes();
    uintptr_t first = align_up((uintptr_t)(slot + 1), page);
    uintptr_t end = align_down((uintptr_t)slot + slab->slot_bytes, page);
    size_t waiting = is_depots(owner) ? 0 : __atomic_load_n(&owner->inbox_bytes, __ATOMIC_RELAXED);
    bool is_much = waiting > REMOTE_WAITING_BYTES && waiting <= SIZE_MAX / 2; /* not below 0 */
    bool is_too_much = is_much && (waiting > REMOTE_WAITING_MOST_BYTES || owner_sleeps(owner));
    if (is_too_much && first < end) {
        (void)os_purge((void *)first, end - first);
    }
}

void remote_free(struct thread *thread, struct slab *slab, struct slot *slot) {
    if (thread->attached == 0) {
        send_one(slot);
        return;
    }
    struct thread *owner = owner_of(slab);
    if (slab->slot_bytes >= REMOTE_LARGE_BYTES) {
        drop_pages(owner, slab, slot);
    }
    struct outgoing *batch = batch_for(thread, owner);
    if (batch->bytes == 0) {
        batch->last = slot;
    }
    slot->link = batch->bytes == 0 ? NULL : batch->first;
    batch->first = slot;
    batch->bytes += slab->slot_bytes;
    if (batch->bytes >= REMOTE_BATCH_BYTES) {
        send_batch(batch);
    }
}

void remote_free_reentrant(struct slab *slab, struct slot *slot) {
    struct thread *owner = owner_of(slab);
    if (!is_depots(owner) && push_inbox(owner, slot, slot, slab->slot_bytes)) {
        return;
    }
    slot->link = __atomic_load_n(&remote_unsent, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&remote_unsent, &slot->link, slot, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED)) {
    }
}

/* ---- receiving ------------------------------------------------------------------------------ */

/* Own slots go into their slabs; the others are chained up in *foreign. */
static void free_chain(struct thread *thread, struct slot *slot, struct slot **foreign) {
    size_t bytes = 0;
    while (slot != NULL) {
        struct slot *next = slot->link;
        struct slab *slab = checked_slab(slot);
        thread->arriving = next;
        compiler_fence();
        bytes += slab->slot_bytes;
        if (LIKELY(slab->owner == thread)) {
            slabs_free(thread, slab, slot);
        } else {
            slot->link = *foreign;
            *foreign = slot;
        }
        slot = next;
    }
    __atomic_sub_fetch(&thread->inbox_bytes, bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&thread->waiting_since_ms, 0, __ATOMIC_RELAXED);
}

static void send_chain(struct slot *slot) {
    while (slot != NULL) {
        struct slot *next = slot->link;
        send_one(slot);
        slot = next;
    }
}

static COLD void send_unsent(void) {
    send_chain(__atomic_exchange_n(&remote_unsent, NULL, __ATOMIC_ACQUIRE));
}

static NOINLINE void collect(struct thread *thread) {
    struct slot *foreign = NULL;
    thread->arriving = __atomic_exchange_n(&thread->inbox, NULL, __ATOMIC_ACQUIRE);
    free_chain(thread, thread->arriving, &foreign);
    send_chain(foreign);
}

bool remote_collect(struct thread *thread) {
    if (UNLIKELY(__atomic_load_n(&remote_unsent, __ATOMIC_RELAXED) != NULL)) {
        send_unsent();
    }
    /* Closed: a thread that could not get a state of its own. */
    struct slot *first = __atomic_load_n(&thread->inbox, __ATOMIC_RELAXED);
    bool any = first != NULL && first != REMOTE_CLOSED;
    if (any) {
        collect(thread);
    }
    return any;
}

/* ---- beginning and end ---------------------------------------------------------------------- */

void remote_open(struct thread *thread) {
    __atomic_store_n(&thread->inbox, NULL, __ATOMIC_RELEASE);
}

void remote_close(struct thread *thread) {
    struct slot *foreign = NULL;
    struct list empty = {NULL};
    send_unsent();
    caches_flush(thread);
    remote_flush(thread);
    depot_lock();
    struct slot *last = __atomic_exchange_n(&thread->inbox, REMOTE_CLOSED, __ATOMIC_ACQ_REL);
    free_chain(thread, last, &foreign);
    slabs_give_all(thread, &empty);
    depot_unlock();
    slabs_release_list(&empty);
    send_chain(foreign);
}

/* ---- after an operation that was left -------------------------------------------------------- */

static size_t bytes_of_chain(const struct slot *slot) {
    size_t bytes = 0;
    for (; slot != NULL && slot != REMOTE_CLOSED; slot = slot->link) {
        bytes += checked_slab(slot)->slot_bytes;
    }
    return bytes;
}

static void recover_batch(struct outgoing *batch) {
    batch->bytes = batch->owner != NULL && batch->bytes != 0 ? bytes_of_chain(batch->first) : 0;
    batch->owner = batch->bytes != 0 ? batch->owner : NULL;
}

void remote_recover(struct thread *thread) {
    for (size_t way = 0; way < OUTGOING_WAYS; way++) {
        recover_batch(&thread->outgoing[way]);
    }
    while (thread->arriving != NULL) {
        struct slot *slot = thread->arriving;
        thread->arriving = slot->link;
        compiler_fence();
        send_one(slot);
    }
    size_t bytes = bytes_of_chain(__atomic_load_n(&thread->inbox, __ATOMIC_ACQUIRE));
    __atomic_store_n(&thread->inbox_bytes, bytes, __ATOMIC_RELAXED);
}

void remote_abandon(struct thread *thread) {
    thread->inbox = REMOTE_CLOSED;
    thread->inbox_bytes = 0;
    thread->waiting_since_ms = 0;
    thread->arriving = NULL;
    for (size_t way = 0; way < OUTGOING_WAYS; way++) {
        thread->outgoing[way] = (struct outgoing){NULL, NULL, NULL, 0};
    }
}
