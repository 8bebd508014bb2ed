/* registry.h - the one exported record from which all state of the library can be found.
 * Layer: include (shared by the library and by readers outside it; includes libc headers only).
 *
 * A reader has a copy of a process's memory (its own, another process's, a core file's) and the
 * address of the symbol `arenite_registry`. From there:
 *
 *   arenite_registry --> objects[]  name, type, address, size of every root: main_arena, params ...
 *                    --> fields[]   type, field, offset, width, count of all that readers use
 *                    --> options[]  the options' values and where each came from
 *
 * A reader looks up names in these tables and never assumes an offset, so that it can read a
 * library of another build. Rows of a type with an empty field name give the type's size.
 *
 * I1: magic, version, bytes and self stand first and stay where they are in every version.
 * I2: every record here has the same layout for 32 and 64-bit libraries; tables consist of rows of
 *     a multiple of 8 bytes without padding.
 * I3: `self` is the record's own address: a reader that finds another value has not found it.
 * The version changes when a reader of the former one would be misled. */
#ifndef ARENITE_REGISTRY_H
#define ARENITE_REGISTRY_H

#include <stdint.h>

#define ARENITE_REGISTRY_MAGIC UINT64_C(0x31676572656e7261) /* "arnereg1" in memory */
#define ARENITE_REGISTRY_VERSION 1u
#define ARENITE_NAME_BYTES 24

/* An address of the described process, eight bytes wide whatever its pointers are. */
union arenite_address {
    uint64_t value;
    const void *pointer; /* how the library's own initialisers write it (little-endian) */
};

/* A root: one object, or an array of `bytes` / size of its type. */
struct arenite_object {
    char name[ARENITE_NAME_BYTES];
    char type[ARENITE_NAME_BYTES];
    union arenite_address address;
    uint64_t bytes;
};
_Static_assert(sizeof(struct arenite_object) == 64, "rows have the same layout everywhere");

/* A field of a type: `count` elements of `width` bytes from `offset` on. */
struct arenite_field {
    char type[ARENITE_NAME_BYTES];
    char field[ARENITE_NAME_BYTES]; /* "": the type itself, its size in width */
    uint32_t offset;
    uint32_t width;
    uint32_t count;
    uint32_t reserved;
};
_Static_assert(sizeof(struct arenite_field) == 64, "rows have the same layout everywhere");

/* Where an option's value came from, weakest first. */
enum arenite_option_source {
    ARENITE_OPTION_DEFAULT,
    ARENITE_OPTION_PROFILE,     /* another profile's default */
    ARENITE_OPTION_TUNABLE,     /* GLIBC_TUNABLES */
    ARENITE_OPTION_VARIABLE,    /* MALLOC_ARENA_MAX and its kind */
    ARENITE_OPTION_ENVIRONMENT, /* ARENITE_OPTIONS */
    ARENITE_OPTION_CALL,        /* mallopt; as strong as the next */
    ARENITE_OPTION_SET,         /* arenite_option_set */
};

struct arenite_option_state {
    char name[ARENITE_NAME_BYTES];
    uint64_t value;
    uint32_t source; /* enum arenite_option_source */
    uint32_t reserved;
};
_Static_assert(sizeof(struct arenite_option_state) == 40, "rows have the same layout everywhere");

struct arenite_registry {
    uint64_t magic;
    uint32_t version;
    uint32_t bytes; /* of this record */
    union arenite_address self;
    uint32_t pointer_bytes;
    uint32_t granule_shift; /* of the page map */
    uint64_t page_bytes;    /* 0 until the library has begun */
    union arenite_address objects;
    union arenite_address fields;
    union arenite_address options;
    uint32_t object_count;
    uint32_t field_count;
    uint32_t option_count;
    uint32_t reserved;
    char build[64]; /* version and compiler, for people */
};
_Static_assert(sizeof(struct arenite_registry) == 144, "the record has the same layout everywhere");

extern struct arenite_registry arenite_registry;

#endif
