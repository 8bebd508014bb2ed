/* elf_image.c - what of an ELF file decides how it is laid out in memory.
 * Layer: cli (may use libc). */
#include "cli/elf_image.h"

#include "cli/text.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_MASK ((uint64_t)4095)
#define ADDRESS_MAX ((uint64_t)1 << 47)

/* The file in memory while it is read. */
struct view {
    const unsigned char *bytes;
    uint64_t length;
};

static bool holds(const struct view *view, uint64_t offset, uint64_t bytes) {
    return offset <= view->length && bytes <= view->length - offset;
}

/* Tables are read where they lie. */
static bool is_aligned(uint64_t offset) {
    return offset % sizeof(uint64_t) == 0;
}

/* ---- program headers ----------------------------------------------------------------------- */

static void take_segment(struct elf_image *image, const Elf64_Phdr *header) {
    image->alignment = header->p_align > image->alignment ? header->p_align : image->alignment;
    if (image->segment_count < ELF_SEGMENTS_MAX) {
        image->segments[image->segment_count++] = (struct elf_segment){
            .start = header->p_vaddr,
            .file_bytes = header->p_filesz,
            .memory_bytes = header->p_memsz,
            .offset = header->p_offset,
            .readable = (header->p_flags & PF_R) != 0,
            .writable = (header->p_flags & PF_W) != 0,
            .executable = (header->p_flags & PF_X) != 0,
        };
    }
}

static char *text_at(const struct view *view, uint64_t offset) {
    if (offset >= view->length) {
        return NULL;
    }
    const char *text = (const char *)view->bytes + offset;
    return memchr(text, '\0', view->length - offset) == NULL ? NULL : text_copy(text);
}

static uint64_t offset_of(const struct elf_image *image, uint64_t address) {
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segments[i];
        if (address - segment->start < segment->file_bytes) {
            return segment->offset + (address - segment->start);
        }
    }
    return UINT64_MAX;
}

/* ---- the dynamic section ------------------------------------------------------------------- */

static void take_entry(struct elf_image *image, const struct view *view, uint64_t strings,
                       const Elf64_Dyn *entry) {
    uint64_t offset = strings + entry->d_un.d_val;
    switch (entry->d_tag) {
    case DT_NEEDED:
        if (image->needed_count < ELF_NEEDED_MAX) {
            image->needed[image->needed_count] = text_at(view, offset);
            image->needed_count += image->needed[image->needed_count] != NULL;
        }
        break;
    case DT_SONAME:
        free(image->soname);
        image->soname = text_at(view, offset);
        break;
    case DT_RUNPATH:
    case DT_RPATH:
        free(image->run_path);
        image->run_path = text_at(view, offset);
        break;
    default:
        break;
    }
}

static void read_dynamic(struct elf_image *image, const struct view *view,
                         const Elf64_Phdr *header) {
    if (!holds(view, header->p_offset, header->p_filesz) || !is_aligned(header->p_offset)) {
        return;
    }
    const Elf64_Dyn *entries = (const void *)(view->bytes + header->p_offset);
    size_t count = header->p_filesz / sizeof *entries;
    uint64_t strings = UINT64_MAX;
    for (size_t i = 0; i < count && entries[i].d_tag != DT_NULL; i++) {
        if (entries[i].d_tag == DT_STRTAB) {
            strings = offset_of(image, entries[i].d_un.d_ptr);
        }
    }
    for (size_t i = 0; i < count && entries[i].d_tag != DT_NULL && strings != UINT64_MAX; i++) {
        take_entry(image, view, strings, &entries[i]);
    }
}

/* ---- the file ------------------------------------------------------------------------------ */

static void take_header(struct elf_image *image, const struct view *view,
                        const Elf64_Phdr *header) {
    switch (header->p_type) {
    case PT_LOAD:
        take_segment(image, header);
        break;
    case PT_INTERP:
        free(image->interpreter);
        image->interpreter = text_at(view, header->p_offset);
        break;
    case PT_GNU_RELRO:
        image->relro_start = header->p_vaddr;
        image->relro_bytes = header->p_memsz;
        break;
    default:
        break;
    }
}

/* As the ABI has them: each after the one before, none longer in the file than in memory. */
static bool segments_are_sane(const struct elf_image *image) {
    uint64_t end = 0;
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segments[i];
        if (segment->start < end || segment->memory_bytes > ADDRESS_MAX - segment->start ||
            segment->start > ADDRESS_MAX || segment->file_bytes > segment->memory_bytes) {
            return false;
        }
        end = segment->start + segment->memory_bytes;
    }
    return end > image->segments[0].start && (image->alignment & (image->alignment - 1)) == 0;
}

static const char *parse(struct elf_image *image, const struct view *view) {
    const Elf64_Ehdr *header = (const void *)view->bytes;
    if (view->length < sizeof *header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) {
        return "it is no ELF file";
    }
    bool suits = header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_machine == EM_X86_64 &&
                 (header->e_type == ET_EXEC || header->e_type == ET_DYN) &&
                 header->e_phentsize == sizeof(Elf64_Phdr) && is_aligned(header->e_phoff) &&
                 holds(view, header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr));
    if (!suits) {
        return "it is no 64-bit program of this kind of machine";
    }
    const Elf64_Phdr *headers = (const void *)(view->bytes + header->e_phoff);
    image->is_fixed = header->e_type == ET_EXEC;
    image->entry = header->e_entry;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        take_header(image, view, &headers[i]);
    }
    for (unsigned i = 0; i < header->e_phnum; i++) {
        if (headers[i].p_type == PT_DYNAMIC) {
            read_dynamic(image, view, &headers[i]);
        }
    }
    if (image->segment_count == 0) {
        return "it has no segments to load";
    }
    if (!segments_are_sane(image)) {
        return "its segments are not in order";
    }
    image->headers = image->segments[0].start - image->segments[0].offset + header->e_phoff;
    return NULL;
}

const char *elf_image_read(struct elf_image *image, const char *path) {
    *image = (struct elf_image){0};
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0 || status.st_size == 0) {
        if (fd >= 0) {
            close(fd);
        }
        return "it cannot be read";
    }
    struct view view = {.length = (uint64_t)status.st_size};
    void *bytes = mmap(NULL, view.length, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED) {
        return "it cannot be mapped";
    }
    view.bytes = bytes;
    char *whole = realpath(path, NULL);
    image->path = text_copy(whole == NULL ? path : whole);
    free(whole);
    image->device = status.st_dev;
    image->inode = status.st_ino;
    image->length = view.length;
    const char *refusal = parse(image, &view);
    munmap(bytes, view.length);
    return refusal;
}

void elf_image_destroy(struct elf_image *image) {
    free(image->path);
    free(image->interpreter);
    free(image->soname);
    free(image->run_path);
    for (size_t i = 0; i < image->needed_count; i++) {
        free(image->needed[i]);
    }
    *image = (struct elf_image){0};
}

uint64_t elf_image_start(const struct elf_image *image) {
    return image->segments[0].start & ~PAGE_MASK;
}

uint64_t elf_image_end(const struct elf_image *image) {
    const struct elf_segment *last = &image->segments[image->segment_count - 1];
    return (last->start + last->memory_bytes + PAGE_MASK) & ~PAGE_MASK;
}
