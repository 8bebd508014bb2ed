/* model_state.c - what an operation did: names, places, JSON.
 * Layer: cli (may use libc). */
#include "cli/model_state.h"

#include "cli/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- names --------------------------------------------------------------------------------- */

void bindings_init(struct bindings *bindings, const struct script *script,
                   const struct scene *scene) {
    *bindings = (struct bindings){.script = script, .scene = scene};
    bindings->names = text_array(script->name_count + 1, sizeof *bindings->names);
    for (size_t i = 0; i < script->name_count; i++) {
        bindings->names[i].start = VADDR_NONE;
    }
}

void bindings_destroy(struct bindings *bindings) {
    free(bindings->names);
    bindings->names = NULL;
}

vaddr bindings_resolve(const struct bindings *bindings, const struct script_place *place) {
    if (place->base == SCRIPT_W) {
        return bindings->scene->window + place->offset;
    }
    vaddr start = bindings->names[place->base].start;
    return start == VADDR_NONE ? VADDR_NONE : start + place->offset;
}

/* A name follows its mapping when that moves. */
static void note_remap(struct bindings *bindings, const struct script_op *op,
                       const struct model_state *state) {
    if (op->place.base >= 0 && op->place.offset == 0) {
        bindings->names[op->place.base] = (struct binding){state->result, op->new_length};
    }
}

void bindings_note(struct bindings *bindings, const struct script_op *op,
                   const struct model_state *state) {
    bool done = state->error == 0;
    switch (op->verb) {
    case SCRIPT_MMAP:
        bindings->names[op->name] = (struct binding){done ? state->result : VADDR_NONE, op->length};
        break;
    case SCRIPT_THREAD:
        bindings->names[op->name] =
            (struct binding){done ? state->result : VADDR_NONE, state->result_length};
        break;
    case SCRIPT_MREMAP:
        if (done) {
            note_remap(bindings, op, state);
        }
        break;
    case SCRIPT_BRK:
        bindings->heap_used = true;
        break;
    case SCRIPT_STACK:
        bindings->stack_used = true;
        break;
    default:
        break;
    }
}

static bool overlaps(vaddr start, vaddr end, vaddr from, uint64_t length) {
    return start < from + length && from < end;
}

/* The name whose range an address lies in, or that a VMA overlaps; -1: none. */
static int find_owner(const struct bindings *bindings, vaddr start, vaddr end) {
    for (size_t i = 0; i < bindings->script->name_count; i++) {
        const struct binding *name = &bindings->names[i];
        if (name->start != VADDR_NONE && overlaps(start, end, name->start, name->length)) {
            return (int)i;
        }
    }
    return -1;
}

static bool is_in_window(const struct scene *scene, vaddr start, vaddr end) {
    return overlaps(start, end, scene->window, scene->window_bytes);
}

/* The window lies above the heap, or, bottom-up, below it. */
static bool is_heap(const struct scene *scene, vaddr start, vaddr end) {
    bool before_window = scene->window < scene->break_start || end <= scene->window;
    return start >= scene->break_start && start < scene->break_start + ((vaddr)1 << 39) &&
           before_window;
}

static bool is_stack(const struct scene *scene, vaddr end) {
    return end == scene->stack_end;
}

bool bindings_list(const struct bindings *bindings, vaddr start, vaddr end) {
    const struct scene *scene = bindings->scene;
    return is_in_window(scene, start, end) || find_owner(bindings, start, end) >= 0 ||
           (bindings->heap_used && is_heap(scene, start, end)) ||
           (bindings->stack_used && is_stack(scene, end));
}

static char *place_text(const char *base, vaddr address, vaddr origin) {
    char sign = address < origin ? '-' : '+';
    uint64_t offset = address < origin ? origin - address : address - origin;
    if (offset == 0) {
        return text_format("%s+0", base);
    }
    bool mega = (offset & ((1 << 20) - 1)) == 0;
    return text_format("%s%c%" PRIu64 "%c", base, sign, offset >> (mega ? 20 : 10),
                       mega ? 'M' : 'K');
}

char *state_place(const struct bindings *bindings, vaddr address, const struct model_view *vma) {
    const struct scene *scene = bindings->scene;
    if (vma->start >= scene->window && vma->start < scene->window + scene->window_bytes) {
        return place_text("W", address, scene->window);
    }
    int owner = find_owner(bindings, vma->start, vma->start + 1);
    owner = owner >= 0 ? owner : find_owner(bindings, vma->start, vma->end);
    if (owner >= 0) {
        return place_text(bindings->script->names[owner].text, address,
                          bindings->names[owner].start);
    }
    return is_stack(scene, vma->end) ? place_text("[stack]", address, scene->stack_end)
                                     : place_text("[heap]", address, scene->break_start);
}

/* ---- states -------------------------------------------------------------------------------- */

void state_begin(struct model_state *state) {
    struct model_view *views = state->views;
    size_t room = state->view_room;
    *state = (struct model_state){.views = views, .view_room = room};
}

void state_add_view(struct model_state *state, const struct model_view *view) {
    if (state->view_count == state->view_room) {
        state->view_room = 2 * state->view_room + 16;
        state->views = text_array_grow(state->views, state->view_room, sizeof *state->views);
    }
    state->views[state->view_count++] = *view;
}

void state_destroy(struct model_state *state) {
    free(state->views);
    *state = (struct model_state){0};
}

struct model_view state_sum(const struct model_state *state) {
    struct model_view sum = {0};
    for (size_t i = 0; i < state->view_count; i++) {
        sum.rss_kb += state->views[i].rss_kb;
        sum.anon_kb += state->views[i].anon_kb;
        sum.ahp_kb += state->views[i].ahp_kb;
        sum.swap_kb += state->views[i].swap_kb;
    }
    return sum;
}

const char *state_signal_name(enum fault_signal signal) {
    static const char *const names[] = {
        [FAULT_NO_SIGNAL] = NULL,   [FAULT_MAPERR] = "SEGV_MAPERR", [FAULT_ACCERR] = "SEGV_ACCERR",
        [FAULT_BUS] = "BUS_ADRERR", [FAULT_OOM] = "SIGKILL",
    };
    return names[signal];
}

void state_permissions(uint64_t flags, char text[5]) {
    text[0] = (flags & VMF_READ) != 0 ? 'r' : '-';
    text[1] = (flags & VMF_WRITE) != 0 ? 'w' : '-';
    text[2] = (flags & VMF_EXEC) != 0 ? 'x' : '-';
    text[3] = (flags & VMF_MAYSHARE) != 0 ? 's' : 'p';
    text[4] = '\0';
}

static char *count_text(int64_t count) {
    return count == UNKNOWN_COUNT ? text_copy("null") : text_format("%" PRId64, count);
}

char *state_value(const struct model_state *state, enum script_key key) {
    const struct model_view sum = state_sum(state);
    const char *signal = state_signal_name(state->signal);
    switch (key) {
    case KEY_ERRNO:
        return text_format("%d", state->error);
    case KEY_SIGNAL:
        return text_copy(signal == NULL ? "null" : signal);
    case KEY_TASK:
        return text_copy(state->in_child ? "child" : "parent");
    case KEY_VMAS:
        return text_format("%zu", state->view_count);
    case KEY_MINFLT:
        return count_text(state->minflt);
    case KEY_MAJFLT:
        return count_text(state->majflt);
    case KEY_RSS:
        return text_format("%" PRIu64, sum.rss_kb);
    case KEY_ANON:
        return text_format("%" PRIu64, sum.anon_kb);
    case KEY_AHP:
        return text_format("%" PRIu64, sum.ahp_kb);
    case KEY_SWAP:
        return text_format("%" PRIu64, sum.swap_kb);
    case KEY_VMPTE:
    case SCRIPT_KEYS:
        break;
    }
    return text_format("%" PRId64, state->vmpte_kb);
}

bool state_has(const struct model_state *state, enum script_key key, const char *value) {
    if (key == KEY_ERRNO) {
        return script_errno(value) == state->error;
    }
    char *held = state_value(state, key);
    bool same = strcmp(held, value) == 0;
    free(held);
    return same;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void print_string(FILE *file, const char *text) {
    fputc('"', file);
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\') {
            fprintf(file, "\\%c", *at);
        } else if (*at < 0x20 || *at >= 0x7f) {
            fprintf(file, "\\u%04x", *at);
        } else {
            fputc(*at, file);
        }
    }
    fputc('"', file);
}

static void print_view(FILE *file, const struct bindings *bindings, const struct model_view *view) {
    char permissions[5];
    state_permissions(view->flags, permissions);
    char *start = state_place(bindings, view->start, view);
    char *end = state_place(bindings, view->end, view);
    fprintf(file, "{\"start\":\"%s\",\"end\":\"%s\",\"perm\":\"%s\",\"flags\":[", start, end,
            permissions);
    const char *separator = "";
    for (int i = 0; i < VMA_FLAG_NAMES; i++) {
        if ((view->flags & vma_flag_names[i].flag) != 0) {
            fprintf(file, "%s\"%s\"", separator, vma_flag_names[i].name);
            separator = ",";
        }
    }
    fprintf(file, "]}");
    free(start);
    free(end);
}

void state_print_json(FILE *file, const struct bindings *bindings, const struct model_state *state,
                      const struct script_op *op, size_t number) {
    fprintf(file, "{\"op\":%zu,\"line\":", number);
    print_string(file, op->text);
    const char *signal = state_signal_name(state->signal);
    const char *quote = signal == NULL ? "" : "\"";
    fprintf(file, ",\"errno\":%d,\"signal\":%s%s%s,\"task\":\"%s\",\"vmas\":[", state->error, quote,
            signal == NULL ? "null" : signal, quote, state->in_child ? "child" : "parent");
    for (size_t i = 0; i < state->view_count; i++) {
        fputs(i == 0 ? "" : ",", file);
        print_view(file, bindings, &state->views[i]);
    }
    fputc(']', file);
    int keys = state->has_swap ? SCRIPT_KEYS : KEY_SWAP;
    for (int key = KEY_MINFLT; key < keys; key++) {
        char *value = state_value(state, (enum script_key)key);
        fprintf(file, ",\"%s\":%s", script_key_names[key], value);
        free(value);
    }
    fputs("}\n", file);
}
