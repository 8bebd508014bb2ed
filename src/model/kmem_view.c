/* kmem_view.c - slabinfo and slabtop of the modelled kernel, and the audit of a cache.
 * Layer: model (includes base).
 *
 * As in the kernel, an object at hand on a processor counts as active: its slab gave it away. */
#include "model/kmem_internal.h"
#include "model/text.h"

#include <string.h>

static size_t count_taken(const struct list *list) {
    size_t taken = 0;
    for (const struct list_link *link = list->first; link != NULL; link = link->next) {
        taken += LIST_ELEMENT(link, struct kmem_slab, link)->taken;
    }
    return taken;
}

static size_t active_objects(const struct kmem_cache *cache) {
    return count_taken(&cache->full) + count_taken(&cache->partial);
}

static size_t all_objects(const struct kmem_cache *cache) {
    return cache->slabs * cache->objects_per_slab;
}

size_t kmem_slabinfo(const struct kmem *kmem, char *text, size_t size) {
    struct model_text out = {text, size, 0};
    text_add(&out, "slabinfo - version: 2.1\n"
                   "# name            <active_objs> <num_objs> <objsize> <objperslab> "
                   "<pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata "
                   "<active_slabs> <num_slabs> <sharedavail>\n");
    for (const struct kmem_cache *cache = kmem->caches; cache != NULL; cache = cache->next) {
        text_add(&out, "%-17s %6zu %6zu %6zu %4u %4d", cache->name, active_objects(cache),
                 all_objects(cache), cache->source.object_bytes, cache->objects_per_slab,
                 1 << cache->order);
        text_add(&out, " : tunables %4u %4u %4u", KMEM_AT_HAND, KMEM_AT_HAND_BATCH, 0);
        text_add(&out, " : slabdata %6zu %6zu %6u\n", cache->slabs - cache->empty_slabs,
                 cache->slabs, 0);
    }
    return out.length;
}

/* ---- slabtop ------------------------------------------------------------------------------- */

/* Sums over all caches. */
struct totals {
    size_t objects;
    size_t active_objects;
    size_t slabs;
    size_t active_slabs;
    size_t caches;
    size_t active_caches;
    double bytes;
    double active_bytes;
    size_t smallest_bytes;
    size_t largest_bytes;
};

static struct totals total_up(const struct kmem *kmem) {
    struct totals totals = {0};
    for (const struct kmem_cache *cache = kmem->caches; cache != NULL; cache = cache->next) {
        size_t bytes = cache->source.object_bytes;
        totals.objects += all_objects(cache);
        totals.active_objects += active_objects(cache);
        totals.slabs += cache->slabs;
        totals.active_slabs += cache->slabs - cache->empty_slabs;
        totals.caches++;
        totals.active_caches += active_objects(cache) > 0;
        totals.bytes += (double)(all_objects(cache) * bytes);
        totals.active_bytes += (double)(active_objects(cache) * bytes);
        totals.largest_bytes = bytes > totals.largest_bytes ? bytes : totals.largest_bytes;
        bool is_smallest = totals.smallest_bytes == 0 || bytes < totals.smallest_bytes;
        totals.smallest_bytes = is_smallest ? bytes : totals.smallest_bytes;
    }
    return totals;
}

static double percent(double part, double whole) {
    return whole > 0 ? 100.0 * part / whole : 0.0;
}

static void add_head(struct model_text *out, const struct totals *totals) {
    double average = totals->objects > 0 ? totals->bytes / (double)totals->objects : 0.0;
    text_add(out, " Active / Total Objects (%% used)    : %zu / %zu (%.1f%%)\n",
             totals->active_objects, totals->objects,
             percent((double)totals->active_objects, (double)totals->objects));
    text_add(out, " Active / Total Slabs (%% used)      : %zu / %zu (%.1f%%)\n",
             totals->active_slabs, totals->slabs,
             percent((double)totals->active_slabs, (double)totals->slabs));
    text_add(out, " Active / Total Caches (%% used)     : %zu / %zu (%.1f%%)\n",
             totals->active_caches, totals->caches,
             percent((double)totals->active_caches, (double)totals->caches));
    text_add(out, " Active / Total Size (%% used)       : %.2fK / %.2fK (%.1f%%)\n",
             totals->active_bytes / 1024, totals->bytes / 1024,
             percent(totals->active_bytes, totals->bytes));
    text_add(out, " Minimum / Average / Maximum Object : %.2fK / %.2fK / %.2fK\n\n",
             (double)totals->smallest_bytes / 1024, average / 1024,
             (double)totals->largest_bytes / 1024);
    text_add(out, "%6s %6s %4s %8s %6s %8s %10s %-23s\n", "OBJS", "ACTIVE", "USE", "OBJ SIZE",
             "SLABS", "OBJ/SLAB", "CACHE SIZE", "NAME");
}

/* Of the caches that come after `last` in the table, most objects first, the next one. */
static const struct kmem_cache *next_largest(const struct kmem *kmem,
                                             const struct kmem_cache *last) {
    const struct kmem_cache *next = NULL;
    bool is_behind = false; /* later in the list than `last`: what breaks ties */
    for (const struct kmem_cache *cache = kmem->caches; cache != NULL; cache = cache->next) {
        size_t objects = all_objects(cache);
        bool is_after = last == NULL || objects < all_objects(last) ||
                        (objects == all_objects(last) && is_behind);
        if (is_after && (next == NULL || objects > all_objects(next))) {
            next = cache;
        }
        is_behind = is_behind || cache == last;
    }
    return next;
}

size_t kmem_slabtop(const struct kmem *kmem, char *text, size_t size) {
    struct model_text out = {text, size, 0};
    struct totals totals = total_up(kmem);
    add_head(&out, &totals);
    for (const struct kmem_cache *cache = next_largest(kmem, NULL); cache != NULL;
         cache = next_largest(kmem, cache)) {
        double used = percent((double)active_objects(cache), (double)all_objects(cache));
        text_add(&out, "%6zu %6zu %3u%% %7.2fK %6zu %8u %9zuK %-23s\n", all_objects(cache),
                 active_objects(cache), (unsigned)used, (double)cache->source.object_bytes / 1024,
                 cache->slabs, cache->objects_per_slab,
                 (cache->slabs << cache->order) * (size_t)(MODEL_PAGE_BYTES / 1024), cache->name);
    }
    return out.length;
}

/* ---- audit --------------------------------------------------------------------------------- */

/* Free objects of a slab, by its own list and what was never cut. */
static unsigned count_free(const struct kmem_slab *slab) {
    const struct kmem_cache *cache = slab->cache;
    const char *first = cache->kmem->base + ((size_t)slab->frame << MODEL_PAGE_SHIFT);
    unsigned count = cache->objects_per_slab - slab->cut;
    uint16_t number = slab->first_free;
    while (number != KMEM_NO_OBJECT && count <= cache->objects_per_slab) {
        if (number >= slab->cut) {
            return UINT32_MAX;
        }
        memcpy(&number, first + number * cache->source.object_bytes, sizeof number);
        count++;
    }
    return count;
}

static const char *audit_slab(const struct kmem_cache *cache, const struct kmem_slab *slab) {
    const struct kmem *kmem = cache->kmem;
    if (slab->cache != cache) {
        return "kmem: a slab on a list is another cache's";
    }
    for (uint32_t i = 0; i < (uint32_t)1 << cache->order; i++) {
        if (kmem->slabs[slab->frame + i] != slab) {
            return "kmem: a frame of a slab leads elsewhere";
        }
    }
    if (slab->cut > cache->objects_per_slab ||
        count_free(slab) != cache->objects_per_slab - slab->taken) {
        return "kmem: taken is not the number of objects not free";
    }
    return NULL;
}

/* One list, whose slabs have at least `least` and at most `most` objects taken. */
static const char *audit_list(const struct kmem_cache *cache, const struct list *list,
                              unsigned least, unsigned most, size_t *slabs) {
    for (const struct list_link *link = list->first; link != NULL; link = link->next) {
        const struct kmem_slab *slab = LIST_ELEMENT(link, struct kmem_slab, link);
        const char *broken = audit_slab(cache, slab);
        if (broken != NULL) {
            return broken;
        }
        if (slab->taken < least || slab->taken > most) {
            return "kmem: a slab is on the wrong list";
        }
        if (++*slabs > cache->slabs) {
            return "kmem: more slabs on lists than counted";
        }
    }
    return NULL;
}

const char *kmem_cache_audit(const struct kmem_cache *cache) {
    size_t slabs = 0;
    unsigned all = cache->objects_per_slab;
    const char *broken = audit_list(cache, &cache->empty, 0, 0, &slabs);
    size_t empty = slabs;
    broken = broken != NULL ? broken : audit_list(cache, &cache->partial, 1, all - 1, &slabs);
    broken = broken != NULL ? broken : audit_list(cache, &cache->full, all, all, &slabs);
    if (broken != NULL) {
        return broken;
    }
    size_t held = cache->held;
    for (unsigned processor = 0; processor < KMEM_MAX_PROCESSORS; processor++) {
        held += cache->at_hand[processor].count;
    }
    if (slabs != cache->slabs || empty != cache->empty_slabs) {
        return "kmem: slabs are miscounted";
    }
    return held == active_objects(cache) ? NULL : "kmem: objects are miscounted";
}
