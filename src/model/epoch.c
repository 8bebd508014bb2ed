/* epoch.c - advancing, and looking at the readers; see epoch.h.
 * Layer: model (includes base). */
#include "model/epoch.h"

#include "base/check.h"

#include <sched.h>

void epoch_domain_init(struct epoch_domain *domain) {
    *domain = (struct epoch_domain){.current = 1};
}

void epoch_reader_add(struct epoch_domain *domain, struct epoch_reader *reader) {
    *reader = (struct epoch_reader){.next = domain->readers};
    domain->readers = reader;
}

void epoch_reader_remove(struct epoch_domain *domain, struct epoch_reader *reader) {
    DEBUG_CHECK(__atomic_load_n(&reader->entered, __ATOMIC_ACQUIRE) == 0);
    struct epoch_reader **link = &domain->readers;
    while (*link != reader) {
        link = &(*link)->next;
    }
    *link = reader->next;
}

/* True when a reader entered in this epoch or before is still inside. */
static bool somebody_is_inside(const struct epoch_domain *domain, uint64_t epoch) {
    for (const struct epoch_reader *reader = domain->readers; reader != NULL;
         reader = reader->next) {
        uint64_t entered = __atomic_load_n(&reader->entered, __ATOMIC_ACQUIRE);
        if (entered != 0 && entered <= epoch) {
            return true;
        }
    }
    return false;
}

void epoch_limbo_init(struct epoch_limbo *limbo, struct epoch_domain *domain, epoch_give give,
                      void *context) {
    *limbo = (struct epoch_limbo){.domain = domain, .give = give, .context = context};
}

static void give_all(const struct epoch_limbo *limbo, struct epoch_item *item) {
    while (item != NULL) {
        struct epoch_item *next = item->next;
        limbo->give(limbo->context, item);
        item = next;
    }
}

/* What is open was unlinked before the advance, so it belongs to the epoch that ends here. */
static void close_epoch(struct epoch_limbo *limbo) {
    struct epoch_domain *domain = limbo->domain;
    limbo->waiting = limbo->open;
    limbo->waiting_epoch = domain->current;
    limbo->open = NULL;
    limbo->open_count = 0;
    __atomic_store_n(&domain->current, domain->current + 1, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

bool epoch_collect(struct epoch_limbo *limbo) {
    for (unsigned turn = 0; turn < 2; turn++) {
        if (limbo->waiting == NULL) {
            if (limbo->open == NULL) {
                return true;
            }
            close_epoch(limbo);
        }
        if (somebody_is_inside(limbo->domain, limbo->waiting_epoch)) {
            return false;
        }
        give_all(limbo, limbo->waiting);
        limbo->waiting = NULL;
    }
    return limbo->open == NULL;
}

void epoch_retire(struct epoch_limbo *limbo, struct epoch_item *item) {
    if (limbo->domain->readers == NULL && limbo->open == NULL && limbo->waiting == NULL) {
        limbo->give(limbo->context, item);
        return;
    }
    item->next = limbo->open;
    limbo->open = item;
    if (++limbo->open_count % EPOCH_BATCH == 0) {
        epoch_collect(limbo);
    }
}

void epoch_drain(struct epoch_limbo *limbo) {
    while (!epoch_collect(limbo)) {
        sched_yield();
    }
}
