/* elf_file.c - the few facts of an ELF file that decide whether a library can be preloaded.
 * Layer: cli (may use libc).
 *
 * A file of another word size is not taken apart: that it is foreign is all that matters. Every
 * offset comes from the file, so each is read with pread, which can fail but not fault.
 *
 * A position-independent program and a shared library look alike (ET_DYN), and either may name an
 * interpreter (libc.so.6 does): the linker tells them apart by DF_1_PIE in the dynamic section. */
#include "cli/elf_file.h"

#include "cli/text.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of this machine's own word size. */
typedef ElfW(Ehdr) elf_header;
typedef ElfW(Phdr) elf_segment;
typedef ElfW(Shdr) elf_section;
typedef ElfW(Sym) elf_symbol;
typedef ElfW(Dyn) elf_dynamic;

/* A table or string of a sane file is smaller; a damaged one must not make us ask for more. */
enum { PART_BYTES_MAX = 64 << 20 };

struct elf_reader {
    int fd;
    elf_header header;
    struct elf_facts *facts;
};

static bool read_exactly(int fd, void *buffer, size_t bytes, uint64_t offset) {
    return pread(fd, buffer, bytes, (off_t)offset) == (ssize_t)bytes;
}

/* A freshly allocated copy of a part of the file, followed by a NUL; NULL when it is not there. */
static void *read_part(int fd, uint64_t offset, uint64_t bytes) {
    if (bytes > PART_BYTES_MAX) {
        return NULL;
    }
    char *part = text_array((size_t)bytes + 1, 1);
    if (read_exactly(fd, part, (size_t)bytes, offset)) {
        return part;
    }
    free(part);
    return NULL;
}

/* ---- header and segments ------------------------------------------------------------------- */

/* This program's own header tells what is native; the linker provides the symbol. */
extern const elf_header __ehdr_start __attribute__((visibility("hidden")));

static bool is_native(const elf_header *header) {
    return header->e_ident[EI_CLASS] == __ehdr_start.e_ident[EI_CLASS] &&
           header->e_ident[EI_DATA] == __ehdr_start.e_ident[EI_DATA] &&
           header->e_machine == __ehdr_start.e_machine &&
           header->e_phentsize == sizeof(elf_segment);
}

static unsigned word_bits(const elf_header *header) {
    switch (header->e_ident[EI_CLASS]) {
    case ELFCLASS32:
        return 32;
    case ELFCLASS64:
        return 64;
    default:
        return 0;
    }
}

static void read_interpreter(struct elf_reader *reader, const elf_segment *segment) {
    struct elf_facts *facts = reader->facts;
    size_t bytes = segment->p_filesz;
    if (bytes >= sizeof facts->interpreter) {
        bytes = sizeof facts->interpreter - 1;
    }
    if (!read_exactly(reader->fd, facts->interpreter, bytes, segment->p_offset)) {
        bytes = 0;
    }
    facts->interpreter[bytes] = '\0';
}

static bool says_pie(struct elf_reader *reader, const elf_segment *segment) {
    bool pie = false;
    elf_dynamic *dynamic = read_part(reader->fd, segment->p_offset, segment->p_filesz);
    for (size_t i = 0; dynamic != NULL && i < segment->p_filesz / sizeof *dynamic; i++) {
        if (dynamic[i].d_tag == DT_FLAGS_1 && (dynamic[i].d_un.d_val & DF_1_PIE) != 0) {
            pie = true;
        }
    }
    free(dynamic);
    return pie;
}

/* Fills in the interpreter; tells whether the dynamic section calls the file a program. */
static bool walk_segments(struct elf_reader *reader) {
    bool pie = false;
    for (unsigned i = 0; i < reader->header.e_phnum; i++) {
        elf_segment segment;
        uint64_t offset = reader->header.e_phoff + (uint64_t)i * sizeof segment;
        if (!read_exactly(reader->fd, &segment, sizeof segment, offset)) {
            break;
        }
        if (segment.p_type == PT_INTERP) {
            read_interpreter(reader, &segment);
        }
        if (segment.p_type == PT_DYNAMIC) {
            pie = says_pie(reader, &segment);
        }
    }
    return pie;
}

static enum elf_kind kind_of(const struct elf_reader *reader, bool pie) {
    if (reader->header.e_type == ET_EXEC) {
        return ELF_PROGRAM;
    }
    if (reader->header.e_type != ET_DYN) {
        return ELF_OTHER;
    }
    return pie ? ELF_PROGRAM : ELF_LIBRARY;
}

/* ---- dynamic symbols ----------------------------------------------------------------------- */

static bool defines_malloc(const elf_symbol *symbols, size_t count, const char *names,
                           size_t names_bytes) {
    for (size_t i = 0; i < count; i++) {
        if (symbols[i].st_shndx != SHN_UNDEF && symbols[i].st_name < names_bytes &&
            strcmp(names + symbols[i].st_name, "malloc") == 0) {
            return true;
        }
    }
    return false;
}

/* sections[symbols] is the dynamic symbol table; its sh_link names the strings. */
static bool table_defines_malloc(struct elf_reader *reader, const elf_section *sections,
                                 size_t symbols) {
    const elf_section *table = &sections[symbols];
    if (table->sh_link >= reader->header.e_shnum) {
        return false;
    }
    const elf_section *strings = &sections[table->sh_link];
    elf_symbol *symbol = read_part(reader->fd, table->sh_offset, table->sh_size);
    char *names = read_part(reader->fd, strings->sh_offset, strings->sh_size);
    bool found = symbol != NULL && names != NULL &&
                 defines_malloc(symbol, table->sh_size / sizeof *symbol, names, strings->sh_size);
    free(symbol);
    free(names);
    return found;
}

static bool file_defines_malloc(struct elf_reader *reader) {
    const elf_header *header = &reader->header;
    if (header->e_shentsize != sizeof(elf_section)) {
        return false;
    }
    size_t bytes = (size_t)header->e_shnum * sizeof(elf_section);
    elf_section *sections = read_part(reader->fd, header->e_shoff, bytes);
    bool found = false;
    for (size_t i = 0; sections != NULL && i < header->e_shnum; i++) {
        if (sections[i].sh_type == SHT_DYNSYM && table_defines_malloc(reader, sections, i)) {
            found = true;
        }
    }
    free(sections);
    return found;
}

/* ---- the whole file ------------------------------------------------------------------------ */

static void read_facts(struct elf_reader *reader) {
    struct elf_facts *facts = reader->facts;
    if (!read_exactly(reader->fd, &reader->header, sizeof reader->header, 0) ||
        memcmp(reader->header.e_ident, ELFMAG, SELFMAG) != 0) {
        return;
    }
    facts->word_bits = word_bits(&reader->header);
    facts->kind = ELF_FOREIGN;
    if (!is_native(&reader->header)) {
        return;
    }
    bool pie = walk_segments(reader);
    facts->kind = kind_of(reader, pie);
    facts->defines_malloc = file_defines_malloc(reader);
}

int elf_read_facts(const char *path, struct elf_facts *facts) {
    struct elf_facts found = {.kind = ELF_NOT};
    struct elf_reader reader = {.fd = open(path, O_RDONLY | O_CLOEXEC), .facts = &found};
    if (reader.fd < 0) {
        return -errno;
    }
    read_facts(&reader);
    close(reader.fd);
    *facts = found;
    return 0;
}
