/* contest.c - the allocators that `arenite compare` lets compete, and what each run gave.
 * Layer: cli (may use libc). */
#include "cli/contest.h"

#include "cli/cli.h"
#include "cli/text.h"

#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- entering ------------------------------------------------------------------------------ */

static struct contestant *find(const struct contest *contest, const char *name) {
    for (size_t i = 0; i < contest->count; i++) {
        if (strcmp(contest->contestants[i].name, name) == 0) {
            return &contest->contestants[i];
        }
    }
    return NULL;
}

void contest_put(struct contest *contest, const char *name, const char *path) {
    struct contestant *old = find(contest, name);
    if (old != NULL) {
        free(old->path);
        old->path = text_copy(path);
        return;
    }
    contest->contestants =
        text_array_grow(contest->contestants, contest->count + 1, sizeof *contest->contestants);
    contest->contestants[contest->count++] =
        (struct contestant){.name = text_copy(name), .path = text_copy(path)};
}

void contest_init(struct contest *contest, const char *arenite_path) {
    *contest = (struct contest){0};
    contest_put(contest, "glibc", "");
    contest_put(contest, "arenite", arenite_path);
}

void contest_destroy(struct contest *contest) {
    for (size_t i = 0; i < contest->count; i++) {
        free(contest->contestants[i].name);
        free(contest->contestants[i].path);
        free(contest->contestants[i].results);
    }
    free(contest->contestants);
}

/* ---- which are installed? ------------------------------------------------------------------ */

/* Newest first. A bare "libX.so" comes last: it belongs to the development package. */
static const struct peer {
    const char *name;
    const char *files[6];
} peers[] = {
    {"jemalloc", {"libjemalloc.so.2", "libjemalloc.so"}},
    {"tcmalloc", {"libtcmalloc_minimal.so.4", "libtcmalloc.so.4", "libtcmalloc_minimal.so"}},
    {"mimalloc", {"libmimalloc.so.3", "libmimalloc.so.2", "libmimalloc.so.2.0", "libmimalloc.so"}},
};

enum { PEER_COUNT = sizeof peers / sizeof peers[0], FILE_COUNT = 6 };

/* The directory that libc was loaded from: on a multiarch system the one with the libraries of
 * this machine's kind. Stops the walk by returning 1. */
static int take_libc_directory(struct dl_phdr_info *object, size_t bytes, void *directory) {
    (void)bytes;
    const char *name = text_base_name(object->dlpi_name);
    if (strncmp(name, "libc.so", 7) != 0 || name == object->dlpi_name) {
        return 0;
    }
    *(char **)directory =
        text_format("%.*s", (int)(name - object->dlpi_name - 1), object->dlpi_name);
    return 1;
}

static char *find_in(const char *prefix, const char *directory, const struct peer *peer) {
    for (size_t i = 0; i < FILE_COUNT && peer->files[i] != NULL; i++) {
        char *path = text_format("%s%s/%s", prefix, directory, peer->files[i]);
        if (access(path, R_OK) == 0) {
            return path;
        }
        free(path);
    }
    return NULL;
}

static char *find_peer(const struct peer *peer, const char *libc_directory) {
    static const char *const directories[] = {"/usr/local/lib64", "/usr/local/lib", "/usr/lib64",
                                              "/usr/lib",         "/lib64",         "/lib"};
    char *path = find_in("/usr", libc_directory, peer);
    if (path == NULL) {
        path = find_in("", libc_directory, peer);
    }
    for (size_t i = 0; path == NULL && i < sizeof directories / sizeof directories[0]; i++) {
        path = find_in("", directories[i], peer);
    }
    return path;
}

void contest_put_installed(struct contest *contest) {
    char *libc_directory = NULL;
    dl_iterate_phdr(take_libc_directory, &libc_directory);
    for (size_t i = 0; i < PEER_COUNT; i++) {
        char *path = find_peer(&peers[i], libc_directory == NULL ? "/lib" : libc_directory);
        if (path == NULL) {
            say("%s is not installed and left out", peers[i].name);
        } else {
            contest_put(contest, peers[i].name, path);
        }
        free(path);
    }
    free(libc_directory);
}

/* ---- results ------------------------------------------------------------------------------- */

static void take_output(struct contestant *contestant, struct digest output) {
    if (contestant->result_count == 0) {
        contestant->first_output = output;
    } else if (!digest_equal(contestant->first_output, output)) {
        contestant->varies = true;
    }
}

void contestant_add(struct contestant *contestant, const struct measurement *result,
                    bool is_counted) {
    contestant->has_run = true;
    if (contestant->exit_status == 0 && result->exit_status != 0) {
        contestant->exit_status = result->exit_status;
        contestant->errors = result->errors;
    }
    if (!is_counted) {
        return;
    }
    take_output(contestant, result->output);
    contestant->results = text_array_grow(contestant->results, contestant->result_count + 1,
                                          sizeof *contestant->results);
    contestant->results[contestant->result_count++] = result->figures;
}

bool contest_output_is_same(const struct contest *contest, const struct contestant *contestant) {
    return !contestant->varies &&
           digest_equal(contestant->first_output, contest->contestants[0].first_output);
}

/* ---- medians ------------------------------------------------------------------------------- */

static int compare_numbers(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts the numbers. Of an even count the mean of the middle two. */
static double median(double *numbers, size_t count) {
    qsort(numbers, count, sizeof *numbers, compare_numbers);
    double upper = numbers[count / 2];
    return count % 2 == 1 ? upper : (numbers[count / 2 - 1] + upper) / 2;
}

static double median_of(const struct contestant *contestant, enum figure figure) {
    double *numbers = text_array(contestant->result_count, sizeof *numbers);
    for (size_t i = 0; i < contestant->result_count; i++) {
        numbers[i] = contestant->results[i].of[figure];
    }
    double result = median(numbers, contestant->result_count);
    free(numbers);
    return result;
}

struct figures contestant_figures(const struct contestant *contestant) {
    struct figures medians;
    for (enum figure figure = 0; figure < FIGURE_COUNT; figure++) {
        medians.of[figure] = median_of(contestant, figure);
    }
    return medians;
}
