/* model_moment.c - see model_moment.h.
 * Layer: cli (may use libc). */
#include "cli/model_moment.h"

#include "cli/model_probe.h"
#include "cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLLAPSED "/sys/kernel/mm/transparent_hugepage/khugepaged/pages_collapsed"

/* The first is a file of its own, the others are rows of /proc/vmstat. */
static const char *const names[MOMENT_COUNTS] = {"khugepaged's pages_collapsed",
                                                 "thp_fault_fallback",
                                                 "pgsteal_kswapd",
                                                 "pgsteal_direct",
                                                 "pgsteal_proactive",
                                                 "drop_pagecache",
                                                 "pswpout"};

/* ---- reading --------------------------------------------------------------------------------- */

static void note_row(struct moment *moment, const char *name, uint64_t value) {
    for (size_t i = 1; i < MOMENT_COUNTS; i++) {
        if (strcmp(name, names[i]) == 0) {
            moment->counts[i] = value;
        }
    }
}

static void read_collapsed(struct moment *moment) {
    FILE *file = fopen(COLLAPSED, "r");
    if (file != NULL) {
        if (fscanf(file, "%" SCNu64, &moment->counts[0]) != 1) {
            moment->counts[0] = 0;
        }
        fclose(file);
    }
}

void moment_read(struct moment *moment) {
    memset(moment, 0, sizeof *moment);
    probe_settings(&moment->settings);
    read_collapsed(moment);
    FILE *file = fopen("/proc/vmstat", "r");
    char name[64];
    uint64_t value;
    while (file != NULL && fscanf(file, "%63s %" SCNu64, name, &value) == 2) {
        note_row(moment, name, value);
    }
    if (file != NULL) {
        fclose(file);
    }
}

/* ---- comparing ------------------------------------------------------------------------------- */

static void add(char **changes, char *change) {
    char *old = *changes;
    *changes = old == NULL ? text_copy(change) : text_format("%s, %s", old, change);
    free(old);
    free(change);
}

static bool settings_equal(const struct personality *a, const struct personality *b) {
    return a->thp == b->thp && a->mthp_orders == b->mthp_orders &&
           a->max_map_count == b->max_map_count && a->min_address == b->min_address &&
           a->overcommit == b->overcommit && a->swap_pages == b->swap_pages;
}

bool moment_fits(const struct moment *moment, const struct personality *personality) {
    return settings_equal(&moment->settings, personality);
}

char *moment_changes(const struct moment *since) {
    struct moment now;
    char *changes = NULL;
    moment_read(&now);
    if (!settings_equal(&since->settings, &now.settings)) {
        add(&changes, text_copy("a setting of the kernel was changed"));
    }
    for (size_t i = 0; i < MOMENT_COUNTS; i++) {
        if (now.counts[i] != since->counts[i]) {
            add(&changes,
                text_format("%s rose by %" PRIu64, names[i], now.counts[i] - since->counts[i]));
        }
    }
    return changes;
}
