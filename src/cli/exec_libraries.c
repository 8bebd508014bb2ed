/* exec_libraries.c - which libraries a program gets.
 * Layer: cli (may use libc). */
#include "cli/exec_libraries.h"

#include "cli/cli.h"
#include "cli/text.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_PATH "/etc/ld.so.cache"

/* ---- /etc/ld.so.cache ---------------------------------------------------------------------- */

#define CACHE_MAGIC "glibc-ld.so.cache1.1"
#define CACHE_FLAGS 0x0303 /* an ELF library of x86-64 */

struct cache_header {
    char magic[20];
    uint32_t count;
    uint32_t strings_bytes;
    uint32_t unused[5];
};

struct cache_entry {
    int32_t flags;
    uint32_t name; /* offsets from the file's start */
    uint32_t path;
    uint32_t os_version;
    uint64_t hardware; /* 0: for any processor */
};

_Static_assert(sizeof(struct cache_header) == 48 && sizeof(struct cache_entry) == 24,
               "the layout of the file");

uint64_t exec_cache_bytes(void) {
    struct stat status;
    return stat(CACHE_PATH, &status) == 0 ? (uint64_t)status.st_size : 0;
}

static char *read_file(const char *path, size_t *length) {
    FILE *file = fopen(path, "re");
    struct stat status;
    if (file == NULL || fstat(fileno(file), &status) != 0) {
        if (file != NULL) {
            fclose(file);
        }
        return NULL;
    }
    char *bytes = text_array((size_t)status.st_size + 1, 1);
    *length = fread(bytes, 1, (size_t)status.st_size, file);
    fclose(file);
    return bytes;
}

static char *find_in_cache(const char *name) {
    size_t length = 0;
    char *bytes = read_file(CACHE_PATH, &length);
    const struct cache_header *header = (const void *)bytes;
    const struct cache_entry *entries = (const void *)(bytes + sizeof *header);
    char *found = NULL;
    bool known = bytes != NULL && length >= sizeof *header &&
                 memcmp(header->magic, CACHE_MAGIC, sizeof header->magic) == 0 &&
                 header->count <= (length - sizeof *header) / sizeof *entries;
    for (uint32_t i = 0; known && found == NULL && i < header->count; i++) {
        const struct cache_entry *entry = &entries[i];
        bool suits = entry->flags == CACHE_FLAGS && entry->hardware == 0 && entry->name < length &&
                     entry->path < length;
        if (suits && strcmp(bytes + entry->name, name) == 0) {
            found = text_copy(bytes + entry->path);
        }
    }
    free(bytes);
    return found;
}

/* ---- paths --------------------------------------------------------------------------------- */

static char *in_directory(const char *directory, size_t length, const char *origin,
                          const char *name) {
    static const char token[] = "$ORIGIN";
    const char *rest = directory;
    size_t origin_length = 0;
    if (length >= sizeof token - 1 && strncmp(directory, token, sizeof token - 1) == 0) {
        origin_length = (size_t)(text_base_name(origin) - origin);
        rest += sizeof token - 1;
        length -= sizeof token - 1;
    }
    char *path = text_format("%.*s%.*s/%s", (int)origin_length, origin, (int)length, rest, name);
    if (access(path, R_OK) == 0) {
        return path;
    }
    free(path);
    return NULL;
}

static char *find_in_list(const char *list, const char *origin, const char *name) {
    char *found = NULL;
    while (list != NULL && *list != '\0' && found == NULL) {
        size_t length = strcspn(list, ":");
        found = in_directory(list, length, origin, name);
        list += length + (list[length] == ':');
    }
    return found;
}

#define DEFAULT_DIRECTORIES \
    "/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/lib64:/usr/lib64:/lib:/usr/lib"

static char *find_library(const struct elf_image *by, const char *name, bool *asks_cache) {
    *asks_cache = false;
    if (strchr(name, '/') != NULL) {
        return text_copy(name);
    }
    char *found = find_in_list(by->run_path, by->path, name);
    *asks_cache = found == NULL;
    found = found == NULL ? find_in_cache(name) : found;
    return found == NULL ? find_in_list(DEFAULT_DIRECTORIES, by->path, name) : found;
}

/* ---- the objects --------------------------------------------------------------------------- */

static bool is_there(const struct exec_objects *objects, const char *name) {
    for (size_t i = EXEC_INTERPRETER; i < objects->count; i++) {
        const struct elf_image *image = &objects->images[i];
        if ((image->soname != NULL && strcmp(image->soname, name) == 0) ||
            strcmp(text_base_name(image->path), name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_same_file(const struct exec_objects *objects, const struct elf_image *image) {
    for (size_t i = 0; i < objects->count; i++) {
        if (objects->images[i].device == image->device &&
            objects->images[i].inode == image->inode) {
            return true;
        }
    }
    return false;
}

static bool add_object(struct exec_objects *objects, const char *path, bool asks_cache) {
    struct elf_image *image = &objects->images[objects->count];
    const char *refusal = objects->count == EXEC_OBJECTS_MAX ? "there are too many libraries"
                                                             : elf_image_read(image, path);
    if (refusal != NULL) {
        say("%s: %s", path, refusal);
        return false;
    }
    image->asks_cache = asks_cache;
    if (is_same_file(objects, image)) {
        elf_image_destroy(image);
    } else {
        objects->count++;
    }
    return true;
}

static bool add_needed(struct exec_objects *objects, const struct elf_image *by) {
    for (size_t i = 0; i < by->needed_count; i++) {
        if (is_there(objects, by->needed[i])) {
            continue;
        }
        bool asks_cache;
        char *path = find_library(by, by->needed[i], &asks_cache);
        bool added = path != NULL && add_object(objects, path, asks_cache);
        if (path == NULL) {
            say("%s needs %s, which is nowhere", by->path, by->needed[i]);
        }
        free(path);
        if (!added) {
            return false;
        }
    }
    return true;
}

bool exec_objects_find(struct exec_objects *objects, const char *path) {
    *objects = (struct exec_objects){0};
    if (!add_object(objects, path, false)) {
        return false;
    }
    const struct elf_image *program = &objects->images[EXEC_PROGRAM];
    objects->has_interpreter = program->interpreter != NULL;
    if (!objects->has_interpreter) {
        return true;
    }
    bool found = add_object(objects, program->interpreter, false) && add_needed(objects, program);
    for (size_t i = EXEC_FIRST_LIBRARY; found && i < objects->count; i++) {
        found = add_needed(objects, &objects->images[i]);
    }
    return found;
}

void exec_objects_destroy(struct exec_objects *objects) {
    for (size_t i = 0; i < objects->count; i++) {
        elf_image_destroy(&objects->images[i]);
    }
    objects->count = 0;
}
