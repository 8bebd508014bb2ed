/* elf_file.h - the few facts of an ELF file that decide whether a library can be preloaded.
 * Layer: cli (may use libc).
 *
 * Source: the System V ABI, "Object Files" and "Program Loading and Dynamic Linking". */
#ifndef ARENITE_CLI_ELF_FILE_H
#define ARENITE_CLI_ELF_FILE_H

#include <stdbool.h>

enum elf_kind {
    ELF_NOT,     /* no ELF file at all */
    ELF_FOREIGN, /* for another word size, byte order or machine than this tool */
    ELF_PROGRAM, /* an executable; position-independent ones too */
    ELF_LIBRARY, /* a shared object */
    ELF_OTHER,   /* an object file, a core dump */
};

struct elf_facts {
    enum elf_kind kind;
    unsigned word_bits;    /* 32 or 64; 0 when the file says neither */
    char interpreter[256]; /* the dynamic linker it asks for; "" when it asks for none */
    bool defines_malloc;   /* its dynamic symbols define `malloc` */
};

/* Reads the facts. 0, or a negative errno when the file cannot be read. */
int elf_read_facts(const char *path, struct elf_facts *facts);

#endif
