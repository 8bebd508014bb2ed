/* elf_image.h - what of an ELF file decides how it is laid out in memory, and what it needs.
 * Layer: cli (may use libc).
 *
 * 64-bit programs and libraries of this machine only. Source: the System V ABI, "Program Loading
 * and Dynamic Linking". */
#ifndef ARENITE_CLI_ELF_IMAGE_H
#define ARENITE_CLI_ELF_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ELF_SEGMENTS_MAX 16
#define ELF_NEEDED_MAX 128

/* A PT_LOAD: [start, start + memory_bytes) of which file_bytes come from the file. */
struct elf_segment {
    uint64_t start;
    uint64_t file_bytes;
    uint64_t memory_bytes;
    uint64_t offset;
    bool readable;
    bool writable;
    bool executable;
};

struct elf_image {
    char *path; /* without symbolic links, as /proc/PID/maps shows it */
    dev_t device;
    ino_t inode;
    uint64_t length; /* of the file */
    bool is_fixed;   /* ET_EXEC: addresses are absolute */
    uint64_t entry;
    uint64_t headers; /* address of the program headers */
    struct elf_segment segments[ELF_SEGMENTS_MAX];
    size_t segment_count;
    uint64_t alignment;   /* the largest that a segment asks for */
    bool asks_cache;      /* /etc/ld.so.cache was looked at to find it */
    uint64_t relro_start; /* PT_GNU_RELRO; bytes 0: none */
    uint64_t relro_bytes;
    char *interpreter; /* NULL: none */
    char *soname;      /* NULL: none */
    char *run_path;    /* DT_RUNPATH or DT_RPATH; NULL: none */
    char *needed[ELF_NEEDED_MAX];
    size_t needed_count;
};

/* Reads a file; NULL, or why it cannot be laid out. */
const char *elf_image_read(struct elf_image *image, const char *path);
void elf_image_destroy(struct elf_image *image);

/* Where its segments begin and end, in whole pages. */
uint64_t elf_image_start(const struct elf_image *image);
uint64_t elf_image_end(const struct elf_image *image);

#endif
