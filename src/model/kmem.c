/* kmem.c - slabs on their three lists, and what processors keep at hand; see kmem.h.
 * Layer: model (includes base). */
#include "model/kmem_internal.h"

#include "base/check.h"
#include "model/host.h"

#include <errno.h>
#include <string.h>

/* ---- geometry ------------------------------------------------------------------------------ */

/* How many objects a slab should have at least: more processors, more of them. */
static size_t objects_wanted(unsigned processors) {
    unsigned width = 0;
    for (; processors > 0; processors /= 2) {
        width++;
    }
    return 4 * (size_t)(width + 1);
}

/* The smallest order with so many objects that wastes at most one `part`-th; or one too large. */
static unsigned order_for(size_t object_bytes, size_t objects, size_t part) {
    unsigned order = 0;
    for (; order <= KMEM_MAX_ORDER; order++) {
        size_t bytes = (size_t)MODEL_PAGE_BYTES << order;
        if (bytes >= objects * object_bytes && bytes % object_bytes <= bytes / part) {
            break;
        }
    }
    return order;
}

/* Asks for many objects and little waste, then for less of each. */
struct kmem_geometry kmem_geometry_of(size_t object_bytes, unsigned processors) {
    size_t largest = (size_t)MODEL_PAGE_BYTES << KMEM_MAX_ORDER;
    size_t wanted = objects_wanted(processors);
    wanted = wanted < largest / object_bytes ? wanted : largest / object_bytes;
    unsigned order = KMEM_MAX_ORDER + 1;
    for (; wanted > 0 && order > KMEM_MAX_ORDER; wanted--) {
        for (size_t part = 16; part >= 4 && order > KMEM_MAX_ORDER; part /= 2) {
            order = order_for(object_bytes, wanted, part);
        }
    }
    order = order <= KMEM_MAX_ORDER ? order : KMEM_MAX_ORDER;
    size_t objects = ((size_t)MODEL_PAGE_BYTES << order) / object_bytes;
    return (struct kmem_geometry){order, (unsigned)objects};
}

/* ---- slabs --------------------------------------------------------------------------------- */

/* The number of the next free object lies in a free one's first bytes. */
static void *object_at(const struct kmem_slab *slab, unsigned number) {
    const struct kmem_cache *cache = slab->cache;
    char *first = cache->kmem->base + ((size_t)slab->frame << MODEL_PAGE_SHIFT);
    return first + number * cache->source.object_bytes;
}

static struct list *list_for(struct kmem_cache *cache, const struct kmem_slab *slab) {
    if (slab->taken == 0) {
        return &cache->empty;
    }
    return slab->taken == cache->objects_per_slab ? &cache->full : &cache->partial;
}

static void move_slab(struct kmem_cache *cache, struct kmem_slab *slab, unsigned taken) {
    cache->empty_slabs -= slab->taken == 0;
    list_take(&slab->link);
    slab->taken = taken;
    list_put_first(list_for(cache, slab), &slab->link);
    cache->empty_slabs += slab->taken == 0;
}

static struct kmem_slab *add_slab(struct kmem_cache *cache) {
    struct kmem *kmem = cache->kmem;
    struct kmem_slab *slab = object_take(&kmem->records.source);
    if (slab == NULL) {
        return NULL;
    }
    struct pfn frame =
        frames_take(kmem->frames, kmem->processor, cache->order, FRAME_UNMOVABLE, kmem->urgency);
    if (frame.number == 0) {
        object_give(&kmem->records.source, slab);
        return NULL;
    }
    *slab = (struct kmem_slab){
        .cache = cache, .frame = (uint32_t)frame.number, .first_free = KMEM_NO_OBJECT};
    for (uint32_t i = 0; i < (uint32_t)1 << cache->order; i++) {
        kmem->slabs[slab->frame + i] = slab;
    }
    list_put_first(&cache->empty, &slab->link);
    cache->slabs++;
    cache->empty_slabs++;
    return slab;
}

static void drop_slab(struct kmem_cache *cache, struct kmem_slab *slab) {
    struct kmem *kmem = cache->kmem;
    DEBUG_CHECK(slab->taken == 0);
    list_take(&slab->link);
    for (uint32_t i = 0; i < (uint32_t)1 << cache->order; i++) {
        kmem->slabs[slab->frame + i] = NULL;
    }
    frames_give(kmem->frames, kmem->processor, (struct pfn){slab->frame}, cache->order);
    object_give(&kmem->records.source, slab);
    cache->slabs--;
    cache->empty_slabs--;
}

/* A slab with a free object, partial before empty before new; or NULL. */
static struct kmem_slab *slab_with_room(struct kmem_cache *cache) {
    struct list *list = list_is_empty(&cache->partial) ? &cache->empty : &cache->partial;
    return list_is_empty(list) ? add_slab(cache)
                               : LIST_ELEMENT(list->first, struct kmem_slab, link);
}

static void *take_from_slabs(struct kmem_cache *cache) {
    struct kmem_slab *slab = slab_with_room(cache);
    if (slab == NULL) {
        return NULL;
    }
    unsigned number = slab->first_free;
    if (number == KMEM_NO_OBJECT) {
        number = slab->cut++;
    } else {
        uint16_t next;
        memcpy(&next, object_at(slab, number), sizeof next);
        slab->first_free = next;
    }
    move_slab(cache, slab, slab->taken + 1);
    return object_at(slab, number);
}

static void give_to_slabs(struct kmem_cache *cache, void *object) {
    const struct kmem *kmem = cache->kmem;
    size_t frame = (size_t)((char *)object - kmem->base) >> MODEL_PAGE_SHIFT;
    struct kmem_slab *slab = kmem->slabs[frame];
    DEBUG_CHECK(slab != NULL && slab->cache == cache);
    size_t offset = (size_t)((char *)object - (char *)object_at(slab, 0));
    uint16_t next = slab->first_free;
    DEBUG_CHECK(offset / cache->source.object_bytes < cache->objects_per_slab &&
                offset % cache->source.object_bytes == 0);
    memcpy(object, &next, sizeof next);
    slab->first_free = (uint16_t)(offset / cache->source.object_bytes);
    move_slab(cache, slab, slab->taken - 1);
    if (cache->empty_slabs > KMEM_EMPTY_SLABS) {
        drop_slab(cache, LIST_ELEMENT(cache->empty.first, struct kmem_slab, link));
    }
}

/* ---- objects ------------------------------------------------------------------------------- */

static struct kmem_at_hand *at_hand_of(struct kmem_cache *cache) {
    return &cache->at_hand[cache->kmem->processor];
}

/* Takes a batch, or as much of it as there is. */
static void fill(struct kmem_cache *cache, struct kmem_at_hand *hand) {
    for (unsigned i = 0; i < KMEM_AT_HAND_BATCH; i++) {
        void *object = take_from_slabs(cache);
        if (object == NULL) {
            break;
        }
        hand->objects[hand->count++] = object;
    }
}

static void *take(struct object_source *source) {
    struct kmem_cache *cache = (struct kmem_cache *)source;
    struct kmem_at_hand *hand = at_hand_of(cache);
    if (hand->count == 0) {
        fill(cache, hand);
    }
    if (hand->count == 0) {
        return NULL;
    }
    cache->held++;
    return hand->objects[--hand->count];
}

/* The objects that lie longest go back to their slabs. */
static void flush(struct kmem_cache *cache, struct kmem_at_hand *hand, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        give_to_slabs(cache, hand->objects[i]);
    }
    hand->count -= count;
    memmove(hand->objects, hand->objects + count, hand->count * sizeof hand->objects[0]);
}

static void give(struct object_source *source, void *object) {
    struct kmem_cache *cache = (struct kmem_cache *)source;
    struct kmem_at_hand *hand = at_hand_of(cache);
    if (hand->count == KMEM_AT_HAND) {
        flush(cache, hand, KMEM_AT_HAND_BATCH);
    }
    hand->objects[hand->count++] = object;
    cache->held--;
}

size_t kmem_cache_shrink(struct kmem_cache *cache) {
    size_t before = cache->slabs;
    for (unsigned processor = 0; processor < KMEM_MAX_PROCESSORS; processor++) {
        struct kmem_at_hand *hand = &cache->at_hand[processor];
        flush(cache, hand, hand->count);
    }
    while (!list_is_empty(&cache->empty)) {
        drop_slab(cache, LIST_ELEMENT(cache->empty.first, struct kmem_slab, link));
    }
    return before - cache->slabs;
}

/* ---- pages ---------------------------------------------------------------------------------- */

void *kmem_page_take(struct kmem *kmem) {
    struct pfn frame =
        frames_take(kmem->frames, kmem->processor, 0, FRAME_UNMOVABLE, kmem->urgency);
    if (frame.number == 0) {
        return NULL;
    }
    kmem->table_pages++;
    return memset(kmem->base + (frame.number << MODEL_PAGE_SHIFT), 0, MODEL_PAGE_BYTES);
}

void kmem_page_give(struct kmem *kmem, void *page) {
    uint64_t number = (uint64_t)((char *)page - kmem->base) >> MODEL_PAGE_SHIFT;
    kmem->table_pages--;
    frames_give(kmem->frames, kmem->processor, (struct pfn){number}, 0);
}

/* ---- life ---------------------------------------------------------------------------------- */

int kmem_init(struct kmem *kmem, struct frames *frames) {
    size_t pages = frames->pages;
    *kmem = (struct kmem){.frames = frames};
    pool_init(&kmem->records, sizeof(struct kmem_slab));
    kmem->base = host_map_large(pages << MODEL_PAGE_SHIFT);
    kmem->slabs = host_map(pages * sizeof *kmem->slabs);
    if (kmem->base == NULL || kmem->slabs == NULL) {
        kmem_destroy(kmem);
        return -ENOMEM;
    }
    return 0;
}

void kmem_destroy(struct kmem *kmem) {
    size_t pages = kmem->frames->pages;
    if (kmem->base != NULL) {
        host_unmap(kmem->base, pages << MODEL_PAGE_SHIFT);
    }
    if (kmem->slabs != NULL) {
        host_unmap(kmem->slabs, pages * sizeof *kmem->slabs);
    }
    pool_destroy(&kmem->records);
    *kmem = (struct kmem){.frames = kmem->frames};
}

void kmem_cache_init(struct kmem_cache *cache, struct kmem *kmem, const char *name,
                     size_t object_bytes) {
    DEBUG_CHECK(object_bytes % 8 == 0 && strlen(name) < KMEM_NAME_BYTES &&
                kmem->frames->processors <= KMEM_MAX_PROCESSORS);
    struct kmem_geometry geometry = kmem_geometry_of(object_bytes, kmem->frames->processors);
    *cache = (struct kmem_cache){
        .source = {take, give, object_bytes},
        .kmem = kmem,
        .next = kmem->caches,
        .objects_per_slab = geometry.objects,
        .order = geometry.order,
    };
    memcpy(cache->name, name, strlen(name) + 1);
    kmem->caches = cache;
}
