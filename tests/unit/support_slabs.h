/* support_slabs.h - the audit of slabs that tests use: every record is found where its owner says.
 * Layer: tests (includes thread and below).
 *
 * It walks all records, not the lists, and recounts: each slab in use has an owner that is attached
 * (or the depot), is active there or in the one list of its state, its page map entry leads to its
 * record, and slab_audit holds. Call it where no other thread is at work. */
#ifndef ARENITE_TESTS_UNIT_SUPPORT_SLABS_H
#define ARENITE_TESTS_UNIT_SUPPORT_SLABS_H

#include "thread/thread.h"

struct slab_count {
    size_t slabs; /* in use */
    size_t depot; /* of these, the depot's */
    size_t spare;
    size_t live; /* slots, those on their way to an owner included */
};

/* NULL, or what is wrong. `count` may be NULL. */
const char *slabs_recount(struct slab_count *count);

/* Fails the running cmocka test. */
void slabs_expect_sound(void);

/* Sends home what the calling thread's caches hold: then slabs show what is in use. */
void slabs_send_home(void);

/* Slots waiting in an inbox that is open. Its owner must not be at work. */
size_t slabs_inbox_length(const struct thread *thread);

#endif
