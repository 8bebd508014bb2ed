/* model_exec.c - `arenite model exec`: a program's layout where it begins, modelled and real.
 * Layer: cli (may use libc). */
#include "cli/cli.h"
#include "cli/exec_layout.h"
#include "cli/model.h"
#include "cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what is started ----------------------------------------------------------------------- */

/* As execvp finds it; NULL: nowhere. */
static char *find_program(const char *name) {
    if (strchr(name, '/') != NULL) {
        return access(name, X_OK) == 0 ? text_copy(name) : NULL;
    }
    const char *list = getenv("PATH");
    while (list != NULL && *list != '\0') {
        size_t length = strcspn(list, ":");
        char *path = text_format("%.*s/%s", (int)length, list, name);
        if (access(path, X_OK) == 0) {
            return path;
        }
        free(path);
        list += length + (list[length] == ':');
    }
    return NULL;
}

/* Without LD_*, which would change what the linker does. */
static char **clean_environment(void) {
    size_t count = 0;
    while (environ[count] != NULL) {
        count++;
    }
    char **copy = text_array(count + 1, sizeof *copy);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (strncmp(environ[i], "LD_", 3) != 0) {
            copy[kept++] = environ[i];
        }
    }
    return copy;
}

static uint64_t strings_bytes(char *const list[]) {
    uint64_t bytes = 0;
    for (size_t i = 0; list[i] != NULL; i++) {
        bytes += strlen(list[i]) + 1;
    }
    return bytes;
}

/* ---- places -------------------------------------------------------------------------------- */

/* Relative to the random base that a place hangs on. */
static char *place_text(const struct exec_bases *bases, const struct exec_objects *objects,
                        uint64_t address) {
    const struct elf_image *program = &objects->images[EXEC_PROGRAM];
    bool fixed = program->is_fixed;
    uint64_t depth = address - (fixed ? 0 : bases->program);
    if (depth < elf_image_end(program) && (fixed || objects->has_interpreter)) {
        return fixed ? text_format("%#" PRIx64, address)
                     : text_format("program+%#" PRIx64, address - bases->program);
    }
    if (address - bases->break_start < (uint64_t)1 << 32) {
        return text_format("break+%#" PRIx64, address - bases->break_start);
    }
    if (bases->bottom_up && address >= bases->mmap_base && address < bases->stack_end / 2) {
        return text_format("mmap+%#" PRIx64, address - bases->mmap_base);
    }
    return address > bases->mmap_base ? text_format("stack-%#" PRIx64, bases->stack_end - address)
                                      : text_format("mmap-%#" PRIx64, bases->mmap_base - address);
}

/* ---- comparison ---------------------------------------------------------------------------- */

struct exec_pair {
    const struct exec_row *model; /* NULL: only real */
    const struct exec_row *real;  /* NULL: only modelled */
};

static bool rows_equal(const struct exec_row *a, const struct exec_row *b) {
    return a->start == b->start && a->end == b->end && a->offset == b->offset &&
           a->inode == b->inode && strcmp(a->permissions, b->permissions) == 0 &&
           strcmp(a->name, b->name) == 0;
}

static bool pairs_equal(const struct exec_pair *pair) {
    return pair->model != NULL && pair->real != NULL && rows_equal(pair->model, pair->real);
}

/* Puts rows that begin at the same place side by side. */
static size_t pair_rows(struct exec_pair *pairs, const struct exec_rows *model,
                        const struct exec_rows *real) {
    size_t count = 0;
    size_t m = 0;
    size_t r = 0;
    while (m < model->count || r < real->count) {
        uint64_t model_start = m < model->count ? model->rows[m].start : UINT64_MAX;
        uint64_t real_start = r < real->count ? real->rows[r].start : UINT64_MAX;
        pairs[count++] = (struct exec_pair){
            model_start <= real_start ? &model->rows[m] : NULL,
            real_start <= model_start ? &real->rows[r] : NULL,
        };
        m += model_start <= real_start;
        r += real_start <= model_start;
    }
    return count;
}

/* ---- output -------------------------------------------------------------------------------- */

struct showing {
    const struct exec_objects *objects;
    const struct exec_process *process;
    const struct exec_layout *layout;
    const struct exec_pair *pairs;
    size_t count;
    size_t differences;
    bool break_is_right;
};

static char *row_text(const struct showing *showing, const struct exec_row *row) {
    if (row == NULL) {
        return text_copy("-");
    }
    const struct exec_bases *bases = &showing->process->bases;
    char *start = place_text(bases, showing->objects, row->start);
    char *text = text_format("%-18s %8" PRIu64 " kB %s %08" PRIx64 " %s", start,
                             (row->end - row->start) >> 10, row->permissions, row->offset,
                             row->name[0] == '\0' ? "(anonymous)" : text_base_name(row->name));
    free(start);
    return text;
}

static void show_text(const struct showing *showing) {
    const struct exec_bases *bases = &showing->process->bases;
    printf("random bases, read from the process: program %#" PRIx64 ", mmap %#" PRIx64
           ", break %#" PRIx64 ", stack %#" PRIx64 "\n",
           bases->program, bases->mmap_base, bases->break_start, bases->stack_end);
    printf("taken over from the process: %zu requests that the linker and libraries made for "
           "themselves\n",
           showing->process->request_count);
    printf("taken over from this kernel: sizes of [vvar] and [vdso]\n\n");
    printf("  %-70s | %s\n", "model", "process at its entry point");
    for (size_t i = 0; i < showing->count; i++) {
        char *model = row_text(showing, showing->pairs[i].model);
        char *real = row_text(showing, showing->pairs[i].real);
        printf("%c %-70s | %s\n", pairs_equal(&showing->pairs[i]) ? ' ' : '!', model, real);
        free(model);
        free(real);
    }
    printf("\narguments and environment fill the upper %" PRIu64
           " kB of the stack; the break begins "
           "%s\n",
           showing->layout->strings_bytes >> 10,
           showing->break_is_right ? "where it may" : "where it should not");
    printf("%zu mappings, %zu differences\n", showing->count, showing->differences);
}

static void json_row(const struct showing *showing, const char *key, const struct exec_row *row) {
    if (row == NULL) {
        printf("\"%s\":null", key);
        return;
    }
    const struct exec_bases *bases = &showing->process->bases;
    char *start = place_text(bases, showing->objects, row->start);
    printf("\"%s\":{\"start\":\"%s\",\"address\":%" PRIu64 ",\"bytes\":%" PRIu64
           ",\"perm\":\"%s\",\"offset\":%" PRIu64 ",\"name\":\"%s\"}",
           key, start, row->start, row->end - row->start, row->permissions, row->offset, row->name);
    free(start);
}

static void show_json(const struct showing *showing) {
    const struct exec_bases *bases = &showing->process->bases;
    for (size_t i = 0; i < showing->count; i++) {
        printf("{");
        json_row(showing, "model", showing->pairs[i].model);
        printf(",");
        json_row(showing, "real", showing->pairs[i].real);
        printf(",\"equal\":%s}\n", pairs_equal(&showing->pairs[i]) ? "true" : "false");
    }
    printf("{\"program\":%" PRIu64 ",\"mmap\":%" PRIu64 ",\"break\":%" PRIu64 ",\"stack\":%" PRIu64
           ",\"requests\":%zu,\"mappings\":%zu,\"differences\":%zu}\n",
           bases->program, bases->mmap_base, bases->break_start, bases->stack_end,
           showing->process->request_count, showing->count, showing->differences);
}

#define LOWEST_PIE 0x555555554000 /* two thirds of the addresses */
#define BREAK_SPREAD (((uint64_t)1 << 30) + MODEL_PAGE_BYTES)

/* The break begins after the program, at most 1 GiB further on; or, of a program that lies among
 * the mappings (static-PIE), where other PIE begin. */
static bool break_is_right(const struct exec_objects *objects, const struct exec_bases *bases) {
    const struct elf_image *program = &objects->images[EXEC_PROGRAM];
    if (!program->is_fixed && !objects->has_interpreter) {
        return bases->break_start - LOWEST_PIE <= BREAK_SPREAD;
    }
    uint64_t end = (program->is_fixed ? 0 : bases->program) + elf_image_end(program);
    return bases->break_start >= end && bases->break_start - end <= BREAK_SPREAD;
}

static int compare(const struct model_options *options, const struct exec_objects *objects,
                   const struct exec_process *process, uint64_t strings) {
    static struct exec_layout layout;
    static struct exec_rows model;
    static struct exec_pair pairs[2 * EXEC_ROWS_MAX];
    if (!exec_layout_make(&layout, objects, process, strings)) {
        exec_layout_destroy(&layout);
        return CLI_FAILED;
    }
    exec_layout_rows(&layout, &model);
    struct showing showing = {.objects = objects,
                              .process = process,
                              .layout = &layout,
                              .pairs = pairs,
                              .break_is_right = break_is_right(objects, &process->bases)};
    showing.count = pair_rows(pairs, &model, &process->rows);
    for (size_t i = 0; i < showing.count; i++) {
        showing.differences += !pairs_equal(&pairs[i]);
    }
    showing.differences += !showing.break_is_right;
    (options->json ? show_json : show_text)(&showing);
    exec_layout_destroy(&layout);
    return showing.differences == 0 ? CLI_OK : CLI_FAILED;
}

int model_exec(const struct model_options *options, char **argv) {
    static struct exec_objects objects;
    static struct exec_process process;
    char *path = find_program(argv[0]);
    if (path == NULL) {
        say("there is no program `%s`", argv[0]);
        return CLI_NOT_FOUND;
    }
    char **environment = clean_environment();
    int status = CLI_FAILED;
    const struct elf_image *program = &objects.images[EXEC_PROGRAM];
    if (exec_objects_find(&objects, path) &&
        exec_process_start(&process, path, argv, environment, program->entry, program->headers)) {
        uint64_t strings = strings_bytes(argv) + strings_bytes(environment) + strlen(path) + 1;
        status = compare(options, &objects, &process, strings);
        exec_process_stop(&process);
    }
    exec_objects_destroy(&objects);
    free(environment);
    free(path);
    return status;
}
