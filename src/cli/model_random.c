/* model_random.c - scripts that are made up.
 * Layer: cli (may use libc).
 *
 * A script is of one of two kinds: small (up to 64 pages, where VMAs meet, merge and split) or big
 * (up to 8 MiB in steps that favour the edges of 2 MiB blocks). */
#include "cli/model_random.h"

#include "cli/text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 16, THREADS_MOST = 16 };

struct generator {
    uint64_t state;
    bool big;
    bool forks;
    bool files;
    bool shares;       /* shared anonymous memory */
    bool runs_threads; /* then no mapping is placed by the kernel: a stack could lie in its hole */
    unsigned threads;  /* begun; each has a name of its own */
    unsigned joined;
    bool has_child;
    bool in_child;
    unsigned names;
    uint64_t name_pages[NAMES_MAX];
    FILE *text;
};

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(struct generator *generator) {
    uint64_t z = generator->state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static uint64_t below(struct generator *generator, uint64_t bound) {
    return next_random(generator) % bound;
}

static bool one_in(struct generator *generator, uint64_t n) {
    return below(generator, n) == 0;
}

static const char *choose(struct generator *generator, const char *const *words, size_t count) {
    return words[below(generator, count)];
}

#define CHOOSE(generator, words) choose(generator, words, sizeof(words) / sizeof(words)[0])

/* ---- numbers ------------------------------------------------------------------------------- */

enum { SMALL_PAGES = 64, BIG_PAGES = 2048, BLOCK_PAGES = 512 };

static uint64_t random_page(struct generator *generator) {
    if (!generator->big) {
        return below(generator, SMALL_PAGES);
    }
    uint64_t page = below(generator, BIG_PAGES / BLOCK_PAGES) * BLOCK_PAGES;
    switch (below(generator, 4)) {
    case 0:
        return page + below(generator, BLOCK_PAGES);
    case 1:
        return page + below(generator, 3);
    case 2:
        return page + BLOCK_PAGES - 1 - below(generator, 3);
    default:
        return page;
    }
}

static uint64_t random_length(struct generator *generator) {
    if (!generator->big) {
        return 1 + below(generator, one_in(generator, 4) ? 32 : 8);
    }
    switch (below(generator, 4)) {
    case 0:
        return 1 + below(generator, 16);
    case 1:
        return 1 + below(generator, BIG_PAGES / 2);
    default:
        return BLOCK_PAGES * (1 + below(generator, 3));
    }
}

/* A place and a length. What a name stands for is never left: beyond it lies the harness. */
static uint64_t put_range(struct generator *generator, const char *verb) {
    uint64_t pages = random_length(generator);
    fprintf(generator->text, "%s ", verb);
    if (generator->names > 0 && one_in(generator, 6)) {
        uint64_t name = below(generator, generator->names);
        uint64_t offset = below(generator, generator->name_pages[name]);
        uint64_t most = generator->name_pages[name] - offset;
        pages = pages < most ? pages : most;
        fprintf(generator->text, "N%" PRIu64 "+%" PRIu64 "p", name, offset);
    } else {
        fprintf(generator->text, "W+%" PRIu64 "p", random_page(generator));
    }
    fprintf(generator->text, " %" PRIu64 "p", pages);
    return pages;
}

/* ---- operations ---------------------------------------------------------------------------- */

static const char *random_access(struct generator *generator) {
    static const char *const words[] = {"rw-", "rw-", "rw-", "rw-", "r--", "---", "r-x", "rwx"};
    return CHOOSE(generator, words);
}

static void put_mmap(struct generator *generator) {
    static const char *const rare[] = {" noreserve", " stack",  " populate",
                                       " noreserve", " locked", " growsdown"};
    const char *flag = one_in(generator, 6) ? CHOOSE(generator, rare) : "";
    if (generator->files && one_in(generator, 3)) {
        fprintf(generator->text,
                "mmap M %" PRIu64 "p %s file=F+%" PRIu64 "p%s fixed at W+%" PRIu64 "p",
                random_length(generator), random_access(generator), below(generator, 32),
                one_in(generator, 3) ? " shared" : "", random_page(generator));
        return;
    }
    if (generator->shares && one_in(generator, 4)) {
        flag = one_in(generator, 4) ? " shared populate" : " shared";
    }
    if (one_in(generator, 6) && generator->names < NAMES_MAX &&
        !generator->runs_threads) { /* at a hint, or nowhere said */
        uint64_t pages = random_length(generator);
        fprintf(generator->text, "mmap N%u %" PRIu64 "p %s%s", generator->names, pages,
                random_access(generator), flag);
        if (one_in(generator, 3)) {
            fprintf(generator->text, " at W+%" PRIu64 "p", random_page(generator));
        }
        generator->name_pages[generator->names++] = pages;
        return;
    }
    fprintf(generator->text, "mmap M %" PRIu64 "p %s%s %s at W+%" PRIu64 "p",
            random_length(generator), random_access(generator), flag,
            one_in(generator, 8) ? "fixed_noreplace" : "fixed", random_page(generator));
}

static void put_mprotect(struct generator *generator) {
    put_range(generator, "mprotect");
    fprintf(generator->text, " %s", random_access(generator));
}

static void put_madvise(struct generator *generator) {
    static const char *const common[] = {"dontneed", "dontneed", "free", "hugepage", "nohugepage"};
    static const char *const rare[] = {
        "collapse", /* of shared memory there is no huge page in the model */
        "pageout",    "remove",   "populate_read",   "populate_write", "random",
        "sequential", "normal",   "dontfork",        "dofork",         "wipeonfork",
        "keeponfork", "dontdump", "dodump",          "guard_install",  "guard_remove",
        "cold",       "willneed", "dontneed_locked", "mergeable",      "unmergeable"};
    put_range(generator, "madvise");
    size_t skipped = generator->shares ? 1 : 0;
    size_t rares = sizeof rare / sizeof rare[0] - skipped;
    const char *word =
        one_in(generator, 3) ? choose(generator, rare + skipped, rares) : CHOOSE(generator, common);
    bool punches_file = generator->files && strcmp(word, "remove") == 0; /* an estimate */
    fprintf(generator->text, " %s", punches_file ? "dontneed" : word);
}

static void put_mremap(struct generator *generator) {
    uint64_t pages = put_range(generator, "mremap");
    fprintf(generator->text, " %" PRIu64 "p",
            one_in(generator, 2) ? pages : random_length(generator));
    if (one_in(generator, 4)) {
        return;
    }
    fputs(" maymove", generator->text);
    if (one_in(generator, 8)) {
        fputs(" dontunmap", generator->text);
    }
    if (!one_in(generator, 4)) {
        fprintf(generator->text, " to W+%" PRIu64 "p", random_page(generator));
    }
}

static void put_brk(struct generator *generator) {
    fprintf(generator->text, "brk %c%" PRIu64 "p", one_in(generator, 3) ? '-' : '+',
            random_length(generator));
}

static void put_task(struct generator *generator) {
    if (!generator->has_child) {
        fputs("fork", generator->text);
        generator->has_child = true;
    } else if (generator->in_child && one_in(generator, 2)) {
        fputs("exit", generator->text);
        generator->has_child = generator->in_child = false;
    } else {
        generator->in_child = !generator->in_child;
        fputs(generator->in_child ? "in child" : "in parent", generator->text);
    }
}

/* Joins in the order of starting. */
static void put_thread(struct generator *generator) {
    static const char *const sizes[] = {"", " stack 64K", " stack 256K", " stack 2044K",
                                        " stack 12M"};
    if (generator->joined < generator->threads && one_in(generator, 2)) {
        fprintf(generator->text, "join T%u", generator->joined++);
        return;
    }
    fprintf(generator->text, "thread T%u%s use %" PRIu64 "p", generator->threads++,
            CHOOSE(generator, sizes), below(generator, 12));
}

/* The stack; or a limit, which threads' stacks would meet in the library's way. */
static void put_rare(struct generator *generator) {
    static const char *const limits[] = {"as", "data", "stack", "memlock"};
    if (generator->runs_threads || one_in(generator, 2)) {
        fprintf(generator->text, "stack %" PRIu64 "p", random_length(generator));
    } else {
        fprintf(generator->text, "rlimit %s %" PRIu64 "p", CHOOSE(generator, limits),
                below(generator, generator->big ? 2 * BIG_PAGES : 2 * SMALL_PAGES));
    }
}

static void put_op(struct generator *generator) {
    uint64_t roll = below(generator, 100);
    if (roll < 12) {
        put_range(generator, "read");
    } else if (roll < 28) {
        put_mmap(generator);
    } else if (roll < 35) {
        put_range(generator, "munmap");
    } else if (roll < 47) {
        put_mprotect(generator);
    } else if (roll < 61) {
        put_madvise(generator);
    } else if (roll < 68) {
        put_mremap(generator);
    } else if (roll < 70) {
        put_brk(generator);
    } else if (roll < 73) {
        put_range(generator, one_in(generator, 2) ? "mlock" : "munlock");
    } else if (roll < 74) {
        put_rare(generator);
    } else if (roll < 78 && generator->forks) {
        put_task(generator);
    } else if (roll < 78 && generator->runs_threads && generator->threads < THREADS_MOST) {
        put_thread(generator);
    } else {
        put_range(generator, "write");
    }
    fputc('\n', generator->text);
}

char *random_script(uint64_t seed, uint64_t number, uint64_t ops) {
    struct generator generator = {.state = seed * 0x100000001b3 + number};
    char *text = NULL;
    size_t size = 0;
    generator.text = open_memstream(&text, &size);
    if (generator.text == NULL) {
        return text_copy("");
    }
    generator.big = one_in(&generator, 2);
    generator.forks = one_in(&generator, 3);
    generator.runs_threads = !generator.forks && one_in(&generator, 3);
    generator.files = one_in(&generator, 3);
    generator.shares = one_in(&generator, 3);
    if (generator.files) {
        fprintf(generator.text, "file F %" PRIu64 "p\n", 16 + below(&generator, 300));
    }
    fprintf(generator.text, "mmap M %s rw- fixed at W\n", generator.big ? "8M" : "48p");
    if (generator.big) {
        fputs("madvise W 8M hugepage\n", generator.text);
    }
    for (uint64_t i = 2; i < ops; i++) {
        put_op(&generator);
    }
    fclose(generator.text);
    return text;
}

/* ---- lines --------------------------------------------------------------------------------- */

size_t random_count_lines(const char *text) {
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += *text == '\n';
    }
    return count;
}

char *random_drop_line(const char *text, size_t line) {
    const char *start = text;
    for (; line > 0; line--) {
        start = strchr(start, '\n') + 1;
    }
    return text_format("%.*s%s", (int)(start - text), text, strchr(start, '\n') + 1);
}
