/* model_smaps.c - reads a process's mappings from /proc.
 * Layer: cli (may use libc). */
#include "cli/model_smaps.h"

#include "cli/text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A mnemonic that the model does not know: differs from whatever it says. */
#define VMF_UNKNOWN ((uint64_t)1 << 61)

bool smaps_open(struct smaps *smaps, pid_t pid) {
    char *path = text_format("/proc/%d/smaps", (int)pid);
    char *status = text_format("/proc/%d/status", (int)pid);
    *smaps = (struct smaps){
        .smaps_fd = open(path, O_RDONLY | O_CLOEXEC),
        .status_fd = open(status, O_RDONLY | O_CLOEXEC),
        .text = text_array(1 << 16, 1),
        .room = 1 << 16,
    };
    free(path);
    free(status);
    return smaps->smaps_fd >= 0 && smaps->status_fd >= 0;
}

void smaps_close(struct smaps *smaps) {
    if (smaps->text != NULL) {
        close(smaps->smaps_fd);
        close(smaps->status_fd);
        free(smaps->text);
        smaps->text = NULL;
    }
}

static bool read_whole(struct smaps *smaps, int fd) {
    size_t length = 0;
    for (;;) {
        ssize_t got = pread(fd, smaps->text + length, smaps->room - 1 - length, (off_t)length);
        if (got <= 0) {
            smaps->text[length] = '\0';
            return got == 0;
        }
        length += (size_t)got;
        if (length + 4096 > smaps->room) {
            smaps->room *= 2;
            smaps->text = text_array_grow(smaps->text, smaps->room, 1);
        }
    }
}

static uint64_t flag_of(const char *mnemonic) {
    for (int i = 0; i < VMA_FLAG_NAMES; i++) {
        if (memcmp(mnemonic, vma_flag_names[i].name, 2) == 0) {
            return vma_flag_names[i].flag;
        }
    }
    return VMF_UNKNOWN;
}

static uint64_t parse_flags(const char *line) {
    uint64_t flags = 0;
    for (const char *at = line; *at >= 'a' && *at <= 'z'; at += 3) {
        flags |= flag_of(at);
    }
    return flags;
}

static bool starts(const char *line, const char *word, const char **rest) {
    size_t length = strlen(word);
    bool same = strncmp(line, word, length) == 0;
    *rest = line + length + (same ? strspn(line + length, " ") : 0);
    return same;
}

/* One line; true when it was a VMA's last. */
static bool parse_line(const char *line, struct model_view *view) {
    const char *rest;
    if ((line[0] >= '0' && line[0] <= '9') || (line[0] >= 'a' && line[0] <= 'f')) {
        char *end;
        *view = (struct model_view){.start = strtoull(line, &end, 16)};
        view->end = strtoull(end + 1, NULL, 16);
    } else if (starts(line, "Rss:", &rest)) {
        view->rss_kb = strtoull(rest, NULL, 10);
    } else if (starts(line, "Anonymous:", &rest)) {
        view->anon_kb = strtoull(rest, NULL, 10);
    } else if (starts(line, "AnonHugePages:", &rest)) {
        view->ahp_kb = strtoull(rest, NULL, 10);
    } else if (starts(line, "Swap:", &rest)) {
        view->swap_kb = strtoull(rest, NULL, 10);
    } else if (starts(line, "VmFlags:", &rest)) {
        view->flags = parse_flags(rest);
        return true;
    }
    return false;
}

bool smaps_visit(struct smaps *smaps, void (*visit)(void *context, const struct model_view *view),
                 void *context) {
    if (!read_whole(smaps, smaps->smaps_fd)) {
        return false;
    }
    struct model_view view = {0};
    for (const char *line = smaps->text; *line != '\0';) {
        if (parse_line(line, &view) && (int64_t)view.start >= 0) {
            visit(context, &view);
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return true;
}

int64_t smaps_vmpte_kb(struct smaps *smaps) {
    if (!read_whole(smaps, smaps->status_fd)) {
        return -1;
    }
    const char *line = strstr(smaps->text, "VmPTE:");
    return line == NULL ? -1 : strtoll(line + strlen("VmPTE:"), NULL, 10);
}
