/* cgroup.c - see cgroup.h.
 * Layer: os (includes base).
 *
 *   /proc/self/cgroup      4:memory:/web/42                        v1, or 0::/web/42 for v2
 *   /proc/self/mountinfo   30 23 0:26 /web /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
 *                                     ^ what of the hierarchy is mounted, and where
 *
 * The group's folder is the mount's place and what follows the mounted part of its path. */
#include "os/cgroup.h"

#include "base/format.h"
#include "os/os_linux.h"

#include <fcntl.h>
#include <string.h>

#define LINE_BYTES 1024
#define PATH_BYTES 1024
/* v1 says "no limit" with the largest number of whole pages. */
#define V1_UNLIMITED (UINT64_C(1) << 62)

/* ---- lines of a file ------------------------------------------------------------------------- */

struct lines {
    int file;
    size_t next, end; /* of buffer: not yet handed out */
    char buffer[LINE_BYTES];
    char line[LINE_BYTES]; /* the current one, cut when it is too long */
};

static bool lines_open(struct lines *lines, const char *path) {
    long file = KERNEL_CALL(SYS_openat, (uintptr_t)AT_FDCWD, (uintptr_t)path, O_RDONLY | O_CLOEXEC);
    lines->file = (int)file;
    lines->next = lines->end = 0;
    return file >= 0;
}

static void lines_close(struct lines *lines) {
    (void)KERNEL_CALL(SYS_close, (uintptr_t)lines->file);
}

static bool next_char(struct lines *lines, char *c) {
    if (lines->next == lines->end) {
        long got = KERNEL_CALL(SYS_read, (uintptr_t)lines->file, (uintptr_t)lines->buffer,
                               sizeof lines->buffer);
        if (got <= 0) {
            return false;
        }
        lines->next = 0;
        lines->end = (size_t)got;
    }
    *c = lines->buffer[lines->next++];
    return true;
}

/* False at the end of the file. */
static bool lines_next(struct lines *lines) {
    size_t length = 0;
    char c;
    bool any = false;
    while (next_char(lines, &c)) {
        any = true;
        if (c == '\n') {
            break;
        }
        if (length < LINE_BYTES - 1) {
            lines->line[length++] = c;
        }
    }
    lines->line[length] = '\0';
    return any;
}

/* ---- where the group's folder is ------------------------------------------------------------- */

/* One hierarchy: how it is mounted, and the process's path in it. */
struct hierarchy {
    bool is_v2;
    char group[PATH_BYTES];
    char folder[PATH_BYTES];
    size_t mount_length; /* of folder: the mount itself */
};

/* Cuts the text at the first separator; returns what follows, NULL when there is none. */
static char *cut(char *text, char separator) {
    char *at = text != NULL ? strchr(text, separator) : NULL;
    if (at == NULL) {
        return NULL;
    }
    *at = '\0';
    return at + 1;
}

/* A word of a list that commas separate. */
static bool list_has(const char *list, const char *word) {
    size_t length = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += length) {
        bool begins = at == list || at[-1] == ',';
        if (begins && (at[length] == ',' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

/* "4:memory:/web/42": true when it is the line of the hierarchy that is looked for. */
static bool take_group(struct hierarchy *hierarchy, char *line) {
    char *controllers = cut(line, ':');
    char *path = cut(controllers, ':');
    if (path == NULL) {
        return false;
    }
    bool is_ours = hierarchy->is_v2 ? controllers[0] == '\0' : list_has(controllers, "memory");
    return is_ours && format_text(hierarchy->group, PATH_BYTES, "%s", path) < PATH_BYTES;
}

/* Joins the mount's place and what of the group's path lies below the mounted part. */
static bool join_folder(struct hierarchy *hierarchy, const char *root, const char *place) {
    size_t skipped = strcmp(root, "/") == 0 ? 0 : strlen(root);
    const char *below = hierarchy->group;
    if (strncmp(below, root, skipped) == 0) {
        below += skipped;
    } else {
        below = ""; /* the mount shows another part: its top is the best that can be seen */
    }
    hierarchy->mount_length = strlen(place);
    return format_text(hierarchy->folder, PATH_BYTES, "%s%s", place,
                       strcmp(below, "/") == 0 ? "" : below) < PATH_BYTES;
}

/* "30 23 0:26 ROOT PLACE OPTIONS... - TYPE SOURCE SUPEROPTIONS" */
static bool take_mount(struct hierarchy *hierarchy, char *line) {
    char *tail = strstr(line, " - ");
    char *root = cut(cut(cut(line, ' '), ' '), ' ');
    char *place = cut(root, ' ');
    if (tail == NULL || place == NULL || cut(place, ' ') == NULL) {
        return false;
    }
    char *type = tail + strlen(" - ");
    char *source = cut(type, ' ');
    const char *super_options = cut(source, ' ');
    if (super_options == NULL) {
        return false;
    }
    bool is_ours = hierarchy->is_v2
                       ? strcmp(type, "cgroup2") == 0
                       : strcmp(type, "cgroup") == 0 && list_has(super_options, "memory");
    return is_ours && join_folder(hierarchy, root, place);
}

static bool find_line(struct hierarchy *hierarchy, const char *file,
                      bool (*take)(struct hierarchy *hierarchy, char *line)) {
    struct lines lines;
    bool found = false;
    if (!lines_open(&lines, file)) {
        return false;
    }
    while (!found && lines_next(&lines)) {
        found = take(hierarchy, lines.line);
    }
    lines_close(&lines);
    return found;
}

/* ---- limits ---------------------------------------------------------------------------------- */

static uint64_t parse_limit(const char *text) {
    uint64_t value = 0;
    if (text[0] < '0' || text[0] > '9') {
        return CGROUP_UNLIMITED; /* max */
    }
    for (; *text >= '0' && *text <= '9'; text++) {
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value)) {
            return CGROUP_UNLIMITED;
        }
    }
    return value >= V1_UNLIMITED ? CGROUP_UNLIMITED : value;
}

static uint64_t read_limit(const struct hierarchy *hierarchy) {
    char path[PATH_BYTES + 32];
    struct lines lines;
    uint64_t limit = CGROUP_UNLIMITED;
    format_text(path, sizeof path, "%s/%s", hierarchy->folder,
                hierarchy->is_v2 ? "memory.max" : "memory.limit_in_bytes");
    if (lines_open(&lines, path)) {
        limit = lines_next(&lines) ? parse_limit(lines.line) : limit;
        lines_close(&lines);
    }
    return limit;
}

/* Of the group and of those above it, up to what is mounted. */
static uint64_t smallest_limit(struct hierarchy *hierarchy) {
    uint64_t smallest = CGROUP_UNLIMITED;
    for (;;) {
        uint64_t limit = read_limit(hierarchy);
        smallest = limit < smallest ? limit : smallest;
        char *slash = strrchr(hierarchy->folder, '/');
        if (slash == NULL || (size_t)(slash - hierarchy->folder) < hierarchy->mount_length) {
            return smallest;
        }
        *slash = '\0';
    }
}

static NOINLINE uint64_t limit_of(bool is_v2, const char *groups_file, const char *mounts_file) {
    struct hierarchy hierarchy = {.is_v2 = is_v2};
    bool found = find_line(&hierarchy, groups_file, take_group) &&
                 find_line(&hierarchy, mounts_file, take_mount);
    return found ? smallest_limit(&hierarchy) : CGROUP_UNLIMITED;
}

uint64_t cgroup_memory_limit(const char *groups_file, const char *mounts_file) {
    uint64_t v1 = limit_of(false, groups_file, mounts_file);
    uint64_t v2 = limit_of(true, groups_file, mounts_file);
    return v1 < v2 ? v1 : v2;
}
