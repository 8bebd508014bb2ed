/* test_remote_model.c - the protocol of frees between threads, checked in every interleaving.
 * Layer: tests (includes libc only). The protocol: docs/protocol-remote-free.md.
 *
 * A model of src/thread/remote.c and of the depot's lock: two senders free the three slots of one
 * slab; its owner collects and ends; a new thread reuses the ended one's state; another thread may
 * adopt the slab. Every step is one atomic operation, or what is done between two of them. A
 * relaxed load of the slab's owner may give any value that the reader has not seen replaced.
 *
 * Checked in each state reached: a slot enters the slab's list once, by the slab's owner or under
 * the depot's lock; whoever holds that lock finds no slab whose owner is closed, so that a sender
 * goes round only when a slab has changed hands; some thread can always go on. At the end every
 * slot is in the list. Each rule of the protocol is also broken on purpose, which must be found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SLOTS = 3, ACTORS = 5, VERSIONS = 6 };
enum { NONE = 9, CLOSED = 10 };           /* ends of chains, beside slot numbers */
enum { STATE_FIRST, STATE_OTHER, DEPOT }; /* owners: two thread states, the depot */
enum { FIRST_SENDER, SECOND_SENDER, OWNER, HEIR, ADOPTER };

enum breakage {
    INTACT,
    SEND_TO_CLOSED,     /* a sender treats a closed inbox as an empty one */
    DRAIN_UNCHECKED,    /* a collecting thread takes every slot for its own */
    DEPOT_UNCHECKED,    /* a sender frees into the depot without looking whose the slab is now */
    LEFT_OPEN,          /* an ending thread does not close its inbox */
    CLOSED_TOO_EARLY,   /* it closes before it takes the lock */
    FOREIGN_DROPPED,    /* what is not its own is forgotten */
    STORE_FOR_EXCHANGE, /* it reads the inbox, and closes it by a store later */
    BREAKAGES
};

enum step {
    NEXT_SLOT,   /* a sender: reads the owner of its next slot, puts it into the batch */
    START,       /* others: begin */
    ADOPT,       /* take the lock; if the slab is the depot's it becomes ours */
    COLLECT,     /* exchange the inbox */
    DRAIN,       /* one slot of the chain */
    FORWARD,     /* next slot of the foreign chain */
    CLOSE_EARLY, /* broken order only */
    END_LOCK,
    END_EXCHANGE,
    END_STORE, /* broken only */
    END_GIVE,
    PUSH_LOAD, /* the batch: load the inbox */
    PUSH_SWAP,
    EACH,     /* a batch that was refused: its next slot */
    ONE_LOOK, /* one slot: read the owner */
    ONE_LOAD,
    ONE_SWAP,
    ONE_DEPOT, /* take the lock, look, free, drop it */
    DONE,
};

struct actor {
    uint8_t step, after;              /* after: where ONE_* and PUSH_* return to */
    uint8_t state;                    /* whose inbox is its own */
    uint8_t version;                  /* newest owner it has seen */
    uint8_t todo;                     /* sender: next of its slots; others: collections left */
    uint8_t batch_owner, first, last; /* batch */
    uint8_t expected;                 /* what the swap compares with */
    uint8_t slot;                     /* of ONE_* */
    uint8_t seen_owner;
    uint8_t chain, foreign;
    uint8_t ending;
};

struct world {
    struct actor actors[ACTORS];
    uint8_t owners[VERSIONS]; /* the slab's owners so far; version is the newest */
    uint8_t version;
    uint8_t inbox[2];
    uint8_t next[SLOTS];
    uint8_t listed; /* bit set: in the slab's list */
    uint8_t lock;   /* actor + 1 */
    uint8_t released;
};

static enum breakage breakage;
static const char *error;

/* ---- states reached -------------------------------------------------------------------------- */

#define TABLE_ENTRIES ((size_t)1 << 22)

static struct world *stack;
static size_t stack_count;
static uint64_t *table;
static size_t reached;

static uint64_t hash_of(const struct world *world) {
    const unsigned char *bytes = (const unsigned char *)world;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < sizeof *world; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
        hash ^= hash >> 29;
    }
    return hash | 1;
}

/* States are known by 64 bits of hash: two of some million coincide once in a million runs. */
static void reach(const struct world *world) {
    uint64_t hash = hash_of(world);
    size_t at = (size_t)(hash >> 8) % TABLE_ENTRIES;
    while (table[at] != 0) {
        if (table[at] == hash) {
            return;
        }
        at = (at + 1) % TABLE_ENTRIES;
    }
    table[at] = hash;
    reached++;
    assert_true(reached < TABLE_ENTRIES * 3 / 4);
    stack[stack_count++] = *world;
}

static void broken(const char *what) {
    if (error == NULL) {
        error = what;
    }
}

/* ---- pieces of steps ------------------------------------------------------------------------- */

static uint8_t owner_now(const struct world *world) {
    return world->owners[world->version];
}

static void change_owner(struct world *world, struct actor *actor, uint8_t owner) {
    world->owners[++world->version] = owner;
    actor->version = world->version;
}

static void take_lock(struct world *world, size_t me) {
    world->lock = (uint8_t)(me + 1);
    world->actors[me].version = world->version;
}

static void put_into_list(struct world *world, const struct actor *actor, uint8_t slot) {
    uint8_t owner = owner_now(world);
    bool may = owner == DEPOT ? world->lock == actor - world->actors + 1 : owner == actor->state;
    if (!may) {
        broken("a slab's list is changed by another than its owner");
    }
    if (world->released || (world->listed >> slot & 1) != 0) {
        broken("a slot is freed twice");
    }
    world->listed = (uint8_t)(world->listed | 1u << slot);
}

static void release_if_empty(struct world *world) {
    world->released = world->listed == (1 << SLOTS) - 1;
}

static void send_one(struct actor *actor, uint8_t slot, enum step after) {
    actor->slot = slot;
    actor->after = (uint8_t)after;
    actor->step = ONE_LOOK;
}

/* What the inbox held decides: refused, or the swap may be tried. */
static bool is_refused(struct world *world, struct actor *actor, uint8_t last) {
    if (actor->expected == CLOSED && breakage != SEND_TO_CLOSED) {
        return true;
    }
    world->next[last] = actor->expected == CLOSED ? NONE : actor->expected;
    return false;
}

/* False: the inbox has changed, and `expected` is now what it holds. */
static bool swap(struct world *world, struct actor *actor, uint8_t owner, uint8_t first) {
    bool same = world->inbox[owner] == actor->expected;
    if (same) {
        world->inbox[owner] = first;
    }
    actor->expected = same ? 0 : world->inbox[owner];
    return same;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void flush(struct actor *actor, enum step after) {
    actor->after = (uint8_t)after;
    actor->step = actor->batch_owner == DEPOT ? EACH : PUSH_LOAD;
}

static uint8_t slot_of_sender(size_t me, uint8_t index) {
    return me == FIRST_SENDER ? index : 2;
}

/* A batch is for one owner: a slot with another one sends it first. */
static void step_next_slot(struct world *world, size_t me, uint8_t version) {
    struct actor *actor = &world->actors[me];
    uint8_t count = me == FIRST_SENDER ? 2 : 1;
    if (actor->todo == count) {
        actor->todo++;
        flush(actor, DONE);
        return;
    }
    uint8_t owner = world->owners[version];
    actor->version = version;
    if (actor->first != NONE && actor->batch_owner != owner) {
        flush(actor, NEXT_SLOT);
        return;
    }
    uint8_t slot = slot_of_sender(me, actor->todo++);
    actor->batch_owner = owner;
    world->next[slot] = actor->first;
    actor->last = actor->first == NONE ? slot : actor->last;
    actor->first = slot;
}

static void step_push(struct world *world, struct actor *actor) {
    if (actor->step == PUSH_LOAD) {
        actor->expected = world->inbox[actor->batch_owner];
        actor->step = PUSH_SWAP;
    } else if (swap(world, actor, actor->batch_owner, actor->first)) {
        actor->first = NONE;
        actor->step = actor->after;
        return;
    }
    if (is_refused(world, actor, actor->last)) {
        actor->step = EACH;
    }
}

/* Batches are sent from NEXT_SLOT only; todo tells whether that was the end. */
static void step_each(struct world *world, size_t me) {
    struct actor *actor = &world->actors[me];
    uint8_t count = me == FIRST_SENDER ? 2 : 1;
    if (actor->first == NONE) {
        actor->step = actor->todo > count ? DONE : NEXT_SLOT;
        return;
    }
    uint8_t slot = actor->first;
    actor->first = slot == actor->last ? NONE : world->next[slot];
    send_one(actor, slot, EACH);
}

static void step_one_swap(struct world *world, struct actor *actor) {
    if (actor->step == ONE_LOAD) {
        actor->expected = world->inbox[actor->seen_owner];
        actor->step = ONE_SWAP;
    } else if (swap(world, actor, actor->seen_owner, actor->slot)) {
        actor->step = actor->after;
        return;
    }
    if (is_refused(world, actor, actor->slot)) {
        actor->step = ONE_DEPOT;
    }
}

/* A whole section under the lock: nothing outside looks at what it changes without the lock. */
static void step_one_depot(struct world *world, size_t me) {
    struct actor *actor = &world->actors[me];
    take_lock(world, me);
    uint8_t owner = owner_now(world);
    if (owner == DEPOT || breakage == DEPOT_UNCHECKED) {
        put_into_list(world, actor, actor->slot);
        release_if_empty(world);
        actor->step = actor->after;
    } else {
        if (world->inbox[owner] == CLOSED) {
            broken("a sender finds a closed owner under the lock: it would go round for ever");
        }
        actor->step = ONE_LOOK;
    }
    world->lock = 0;
}

static void step_adopt(struct world *world, size_t me) {
    take_lock(world, me);
    if (owner_now(world) == DEPOT && !world->released) {
        change_owner(world, &world->actors[me], world->actors[me].state);
    }
    world->lock = 0;
    world->actors[me].step = COLLECT;
}

static void begin_end(struct actor *actor) {
    actor->step = breakage == CLOSED_TOO_EARLY ? CLOSE_EARLY : END_LOCK;
}

static void step_collect(struct world *world, struct actor *actor) {
    if (actor->todo == 0) {
        begin_end(actor);
        return;
    }
    actor->todo--;
    actor->chain = world->inbox[actor->state];
    world->inbox[actor->state] = NONE;
    actor->step = DRAIN;
}

static void step_drain(struct world *world, struct actor *actor) {
    uint8_t slot = actor->chain;
    if (slot >= SLOTS) {
        actor->step = actor->ending == 1 ? END_GIVE : FORWARD;
        return;
    }
    actor->chain = world->next[slot];
    if (owner_now(world) == actor->state || breakage == DRAIN_UNCHECKED) {
        put_into_list(world, actor, slot);
    } else if (breakage != FOREIGN_DROPPED) {
        world->next[slot] = actor->foreign;
        actor->foreign = slot;
    }
}

static void step_forward(struct world *world, struct actor *actor) {
    uint8_t slot = actor->foreign;
    if (slot == NONE) {
        actor->step = actor->ending != 0 ? DONE : COLLECT;
        return;
    }
    actor->foreign = world->next[slot];
    send_one(actor, slot, FORWARD);
}

static void step_end(struct world *world, size_t me) {
    struct actor *actor = &world->actors[me];
    switch (actor->step) {
    case CLOSE_EARLY:
        actor->chain = world->inbox[actor->state];
        world->inbox[actor->state] = CLOSED;
        actor->step = END_LOCK;
        break;
    case END_LOCK:
        take_lock(world, me);
        actor->step = breakage == CLOSED_TOO_EARLY ? DRAIN : END_EXCHANGE;
        actor->ending = 1;
        break;
    case END_EXCHANGE:
        actor->chain = world->inbox[actor->state];
        actor->step = breakage == STORE_FOR_EXCHANGE ? END_STORE : DRAIN;
        if (breakage != STORE_FOR_EXCHANGE) {
            world->inbox[actor->state] = breakage == LEFT_OPEN ? NONE : CLOSED;
        }
        break;
    case END_STORE:
        world->inbox[actor->state] = CLOSED;
        actor->step = DRAIN;
        break;
    default: /* END_GIVE: whole, since what it changes is only looked at under the lock */
        if (owner_now(world) == actor->state) {
            change_owner(world, actor, DEPOT);
            release_if_empty(world);
        }
        world->lock = 0;
        actor->ending = 2;
        actor->step = FORWARD;
        break;
    }
}

/* The heir's state is the owner's: it may begin once that thread keeps it no longer. */
static void step_start(struct world *world, size_t me) {
    if (me == HEIR || me == ADOPTER) {
        world->inbox[world->actors[me].state] = NONE;
    }
    world->actors[me].step = me == OWNER ? COLLECT : ADOPT;
}

static bool is_blocked(const struct world *world, size_t me) {
    enum step step = world->actors[me].step;
    bool wants_lock = step == ADOPT || step == END_LOCK || step == ONE_DEPOT;
    bool waits_for_state = me == HEIR && step == START && world->actors[OWNER].step != DONE;
    return step == DONE || (wants_lock && world->lock != 0) || waits_for_state;
}

static void step(struct world *world, size_t me) {
    struct actor *actor = &world->actors[me];
    switch (actor->step) {
    case START:
        step_start(world, me);
        break;
    case ADOPT:
        step_adopt(world, me);
        break;
    case COLLECT:
        step_collect(world, actor);
        break;
    case DRAIN:
        step_drain(world, actor);
        break;
    case FORWARD:
        step_forward(world, actor);
        break;
    case PUSH_LOAD:
    case PUSH_SWAP:
        step_push(world, actor);
        break;
    case EACH:
        step_each(world, me);
        break;
    case ONE_LOAD:
    case ONE_SWAP:
        step_one_swap(world, actor);
        break;
    case ONE_DEPOT:
        step_one_depot(world, me);
        break;
    default:
        step_end(world, me);
        break;
    }
}

/* Steps that no other actor can see or disturb: they follow at once. */
static bool is_private(const struct actor *actor) {
    return actor->step == EACH || actor->step == FORWARD || actor->step == DRAIN ||
           (actor->step == COLLECT && actor->todo == 0);
}

/* Carries on to the next step that others can see, and forgets what no step will read. */
static void settle(struct world *world, size_t me) {
    struct actor *actor = &world->actors[me];
    while (is_private(actor)) {
        step(world, me);
    }
    if (actor->step == DONE) {
        memset(actor, 0, sizeof *actor);
        actor->step = DONE;
    }
    if (actor->step == NEXT_SLOT && actor->first == NONE) {
        actor->batch_owner = actor->last = actor->after = 0;
    }
    if (actor->step != PUSH_SWAP && actor->step != ONE_SWAP) {
        actor->expected = 0;
    }
    if (actor->step != ONE_LOAD && actor->step != ONE_SWAP) {
        actor->seen_owner = 0;
    }
    for (uint8_t slot = 0; slot < SLOTS; slot++) {
        if ((world->listed >> slot & 1) != 0) {
            world->next[slot] = 0;
        }
    }
    reach(world);
}

/* ---- the search ------------------------------------------------------------------------------ */

/* A relaxed load of the owner: one successor for each value it may give. */
static void look(const struct world *world, size_t me) {
    for (uint8_t version = world->actors[me].version; version <= world->version; version++) {
        struct world after = *world;
        struct actor *actor = &after.actors[me];
        if (actor->step == NEXT_SLOT) {
            step_next_slot(&after, me, version);
        } else {
            actor->version = version;
            actor->seen_owner = after.owners[version];
            actor->step = actor->seen_owner == DEPOT ? ONE_DEPOT : ONE_LOAD;
        }
        settle(&after, me);
    }
}

static void check_stuck(const struct world *world) {
    for (size_t me = 0; me < ACTORS; me++) {
        if (world->actors[me].step != DONE) {
            broken("nobody can go on");
            return;
        }
    }
    if (world->listed != (1 << SLOTS) - 1) {
        broken("a slot is lost");
    }
}

static void expand(const struct world *world) {
    size_t able = 0;
    for (size_t me = 0; me < ACTORS; me++) {
        if (is_blocked(world, me)) {
            continue;
        }
        able++;
        if (world->actors[me].step == NEXT_SLOT || world->actors[me].step == ONE_LOOK) {
            look(world, me);
        } else {
            struct world after = *world;
            step(&after, me);
            settle(&after, me);
        }
    }
    if (able == 0) {
        check_stuck(world);
    }
}

static struct world first_world(void) {
    struct world world;
    memset(&world, 0, sizeof world);
    for (size_t me = 0; me < ACTORS; me++) {
        struct actor *actor = &world.actors[me];
        actor->step = me <= SECOND_SENDER ? NEXT_SLOT : START;
        actor->state = me == ADOPTER ? STATE_OTHER : me >= OWNER ? STATE_FIRST : DEPOT;
        actor->todo = me >= OWNER ? 1 : 0;
        actor->first = actor->last = actor->chain = actor->foreign = NONE;
    }
    world.owners[0] = STATE_FIRST;
    world.inbox[STATE_FIRST] = NONE;
    world.inbox[STATE_OTHER] = CLOSED;
    return world;
}

static const char *search(enum breakage kind) {
    breakage = kind;
    error = NULL;
    reached = 0;
    stack_count = 0;
    memset(table, 0, TABLE_ENTRIES * sizeof *table);
    struct world world = first_world();
    reach(&world);
    while (stack_count != 0 && error == NULL) {
        world = stack[--stack_count];
        expand(&world);
    }
    printf("breakage %d: %zu states, %s\n", (int)kind, reached, error != NULL ? error : "sound");
    return error;
}

static void test_protocol(void **state) {
    (void)state;
    const char *found = search(INTACT);
    if (found != NULL) {
        fail_msg("%s", found);
    }
    assert_true(reached > 10000);
}

static void test_each_rule_is_needed(void **state) {
    (void)state;
    for (int kind = INTACT + 1; kind < BREAKAGES; kind++) {
        assert_non_null(search((enum breakage)kind));
    }
}

static int begin(void **state) {
    (void)state;
    table = malloc(TABLE_ENTRIES * sizeof *table);
    stack = malloc(TABLE_ENTRIES / 4 * sizeof *stack);
    return table != NULL && stack != NULL ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    free(table);
    free(stack);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protocol),
        cmocka_unit_test(test_each_rule_is_needed),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
