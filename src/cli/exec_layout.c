/* exec_layout.c - lays a program out in the model.
 * Layer: cli (may use libc).
 *
 * As the kernel does at exec: the program's segments, what of them is not in the file (bss), the
 * interpreter below mmap_base, [vvar] and [vdso] below it, the stack, the start of the break.
 * Then as the dynamic linker does: each library at a place for the whole of it, its segments over
 * that, its bss; at last what was relocated loses the right to be written (RELRO).
 * Source: fs/binfmt_elf.c, fs/exec.c of Linux 6.x; elf/dl-map-segments.h, dl-reloc.c of glibc 2.36,
 * re-told. */
#include "cli/exec_layout.h"

#include "cli/cli.h"
#include "model/file.h"
#include "model/host.h"
#include "model/mm_internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MACHINE_PAGES ((uint64_t)1 << 17)
#define STACK_SPARE_BYTES ((uint64_t)128 << 10) /* setup_arg_pages adds it */

/* ---- pieces -------------------------------------------------------------------------------- */

static uint64_t access_of(const struct elf_segment *segment) {
    return (segment->readable ? VMF_READ : 0) | (segment->writable ? VMF_WRITE : 0) |
           (segment->executable ? VMF_EXEC : 0);
}

static bool map_at(struct mm *mm, vaddr start, uint64_t bytes, uint64_t access,
                   struct model_file *file, uint64_t file_page) {
    const struct map_request request = {
        .address = start,
        .length = bytes,
        .access = access,
        .flags = MAP_REQUEST_FIXED,
        .file = file,
        .file_page = file_page,
    };
    vaddr place;
    return bytes == 0 || mm_map(mm, &request, &place) == 0;
}

static void write_page(struct mm *mm, vaddr address) {
    mm_access(mm, address, true);
}

/* One segment: what the file has, zeros in the rest of its last page, anonymous pages after it. */
static bool map_segment(struct exec_layout *layout, size_t object, size_t number) {
    struct mm *mm = &layout->mm;
    const struct elf_segment *segment = &layout->objects->images[object].segments[number];
    vaddr start = layout->bases[object] + segment->start;
    vaddr file_start = PAGE_MASK_OF(start);
    vaddr file_end =
        segment->file_bytes == 0 ? file_start : page_round_up(start + segment->file_bytes);
    vaddr end = page_round_up(start + segment->memory_bytes);
    uint64_t page = segment->offset >> MODEL_PAGE_SHIFT;
    bool has_bss = segment->memory_bytes > segment->file_bytes;
    bool mapped = map_at(mm, file_start, file_end - file_start, access_of(segment),
                         layout->files[object], page);
    if (mapped && has_bss && file_end > file_start && segment->writable) {
        write_page(mm, file_end - MODEL_PAGE_BYTES);
    }
    uint64_t rights = access_of(segment) | (object < EXEC_FIRST_LIBRARY ? VMF_READ | VMF_WRITE : 0);
    return mapped && (!has_bss || map_at(mm, file_end, end - file_end, rights, NULL, 0));
}

static bool map_segments(struct exec_layout *layout, size_t object) {
    size_t count = layout->objects->images[object].segment_count;
    bool mapped = true;
    for (size_t i = 0; i < count && mapped; i++) {
        mapped = map_segment(layout, object, i);
    }
    return mapped;
}

/* Room in which a place with a larger alignment than a page's is found; what is too much goes. */
static bool find_aligned_place(struct exec_layout *layout, size_t object) {
    const struct elf_image *image = &layout->objects->images[object];
    struct mm *mm = &layout->mm;
    uint64_t bytes = elf_image_end(image) - elf_image_start(image);
    uint64_t alignment = image->alignment;
    const struct map_request room = {.length =
                                         bytes >= alignment ? bytes + alignment : 2 * alignment};
    vaddr start;
    if (mm_map(mm, &room, &start) < 0) {
        return false;
    }
    vaddr place = (start + alignment - 1) & ~(alignment - 1);
    vaddr end = start + room.length;
    layout->bases[object] = place - elf_image_start(image);
    bool mapped = map_at(mm, place, bytes, access_of(&image->segments[0]), layout->files[object],
                         image->segments[0].offset >> MODEL_PAGE_SHIFT);
    return mapped && (place == start || mm_unmap(mm, start, place - start) == 0) &&
           (place + bytes == end || mm_unmap(mm, place + bytes, end - place - bytes) == 0);
}

/* A place for the whole object, found with its first segment. */
static bool find_place(struct exec_layout *layout, size_t object) {
    const struct elf_image *image = &layout->objects->images[object];
    const struct map_request request = {
        .length = elf_image_end(image) - elf_image_start(image),
        .access = access_of(&image->segments[0]),
        .file = layout->files[object],
        .file_page = image->segments[0].offset >> MODEL_PAGE_SHIFT,
    };
    vaddr place;
    bool mapped = mm_map(&layout->mm, &request, &place) == 0;
    layout->bases[object] = place - elf_image_start(image);
    return mapped;
}

/* ---- exec ---------------------------------------------------------------------------------- */

/* The kernel keeps nothing between the segments. */
static bool map_by_kernel(struct exec_layout *layout, size_t object, bool place_known) {
    const struct elf_image *image = &layout->objects->images[object];
    if (!place_known) {
        if (!find_place(layout, object)) {
            return false;
        }
        mm_unmap(&layout->mm, layout->bases[object] + elf_image_start(image),
                 elf_image_end(image) - elf_image_start(image));
    }
    return map_segments(layout, object);
}

/* Arguments, environment and path lie below the end with a word of zeros above them. */
static bool map_stack(struct exec_layout *layout, vaddr end, uint64_t strings_bytes) {
    struct mm *mm = &layout->mm;
    uint64_t strings = page_round_up(strings_bytes + sizeof(uint64_t));
    uint64_t bytes = strings + STACK_SPARE_BYTES;
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < bytes) {
        bytes = PAGE_MASK_OF(limit.rlim_cur);
    }
    layout->strings_bytes = strings;
    const struct map_request request = {
        .address = end - bytes,
        .length = bytes,
        .access = VMF_READ | VMF_WRITE,
        .flags = MAP_REQUEST_FIXED | MAP_REQUEST_GROWSDOWN,
    };
    vaddr place;
    bool mapped = mm_map(mm, &request, &place) == 0;
    for (vaddr at = end - strings; mapped && at < end; at += MODEL_PAGE_BYTES) {
        write_page(mm, at);
    }
    return mapped;
}

static void read_specials(struct exec_rows *specials) {
    static struct exec_rows own;
    exec_read_rows(&own, getpid());
    specials->count = 0;
    for (size_t i = 0; i < own.count; i++) {
        if (strncmp(own.rows[i].name, "[v", 2) == 0) {
            specials->rows[specials->count++] = own.rows[i];
        }
    }
}

/* They are one block, and each a mapping that merges with nothing. */
static bool map_specials(struct exec_layout *layout) {
    struct mm *mm = &layout->mm;
    const struct exec_rows *specials = &layout->specials;
    read_specials(&layout->specials);
    if (specials->count == 0) {
        return true;
    }
    uint64_t first = specials->rows[0].start;
    const struct map_request request = {.length = specials->rows[specials->count - 1].end - first,
                                        .access = VMF_READ};
    vaddr start;
    bool mapped = mm_map(mm, &request, &start) == 0;
    layout->special_start = start;
    for (size_t i = 0; mapped && i < specials->count; i++) {
        const struct exec_row *row = &specials->rows[i];
        struct vma *vma = vma_index_lookup(&mm->index, start + (row->start - first));
        struct vma *result;
        uint64_t flags = VMF_READ | VMF_MAY | VMF_FOREIGN | (i % 2 == 0 ? 0 : VMF_RANDOM);
        flags |= row->permissions[2] == 'x' ? VMF_EXEC : 0;
        mapped = vma_modify(mm, vma, start + (row->start - first), start + (row->end - first),
                            flags, &result) == 0;
    }
    return mapped;
}

static bool execute(struct exec_layout *layout, const struct exec_bases *bases,
                    uint64_t strings_bytes) {
    const struct exec_objects *objects = layout->objects;
    bool fixed = objects->images[EXEC_PROGRAM].is_fixed;
    layout->bases[EXEC_PROGRAM] = fixed ? 0 : bases->program;
    bool made = map_stack(layout, bases->stack_end, strings_bytes) &&
                map_by_kernel(layout, EXEC_PROGRAM, fixed || objects->has_interpreter);
    if (made && objects->has_interpreter) {
        made = map_by_kernel(layout, EXEC_INTERPRETER, false);
    }
    return made && map_specials(layout);
}

/* ---- the dynamic linker -------------------------------------------------------------------- */

static bool serve_request(struct mm *mm, const struct exec_request *request) {
    const struct map_request map = {
        .length = request->bytes,
        .access = VMF_READ | VMF_WRITE,
        .flags = request->unreserved ? MAP_REQUEST_NORESERVE : 0,
    };
    vaddr place;
    switch (request->kind) {
    case REQUEST_UNMAP:
        return mm_unmap(mm, request->address, request->bytes) == 0;
    case REQUEST_BREAK:
        return mm_break(mm, request->address) == 0;
    case REQUEST_MAP:
        break;
    }
    if (mm_map(mm, &map, &place) < 0) {
        return false;
    }
    write_page(mm, place);
    return true;
}

/* What somebody in the process wants for itself, up to a number of mappings of files. */
static bool serve_requests(struct exec_layout *layout, const struct exec_process *process,
                           size_t *next, unsigned maps) {
    struct mm *mm = &layout->mm;
    for (; *next < process->request_count && process->requests[*next].after_maps <= maps;
         (*next)++) {
        if (!serve_request(mm, &process->requests[*next])) {
            return false;
        }
    }
    return true;
}

/* The linker maps the whole of a library with its first segment, and takes the rights from what
 * lies between segments. */
static bool map_library(struct exec_layout *layout, size_t object) {
    const struct elf_image *image = &layout->objects->images[object];
    bool aligns = image->alignment > MODEL_PAGE_BYTES;
    if (!(aligns ? find_aligned_place : find_place)(layout, object)) {
        return false;
    }
    vaddr base = layout->bases[object];
    vaddr end = PAGE_MASK_OF(base + elf_image_end(image));
    bool mapped = true;
    for (size_t i = 0; i < image->segment_count && mapped; i++) {
        const struct elf_segment *segment = &image->segments[i];
        vaddr start = PAGE_MASK_OF(base + segment->start);
        vaddr after = page_round_up(base + segment->start + segment->memory_bytes);
        vaddr next =
            i + 1 < image->segment_count ? PAGE_MASK_OF(base + image->segments[i + 1].start) : end;
        mapped = i == 0 || map_segment(layout, object, i);
        if (mapped && after < next && start < next) {
            mapped = mm_protect(&layout->mm, after, next - after, 0) == 0;
        }
    }
    return mapped;
}

static void touch_range(struct mm *mm, vaddr start, vaddr end) {
    for (vaddr at = PAGE_MASK_OF(start); at < end; at += MODEL_PAGE_BYTES) {
        write_page(mm, at);
    }
}

/* Relocation writes to it, then it is closed. */
static bool protect_relro(struct exec_layout *layout, size_t object) {
    const struct elf_image *image = &layout->objects->images[object];
    vaddr start = PAGE_MASK_OF(layout->bases[object] + image->relro_start);
    vaddr end = PAGE_MASK_OF(layout->bases[object] + image->relro_start + image->relro_bytes);
    if (image->relro_bytes == 0 || start == end) {
        return true;
    }
    touch_range(&layout->mm, start, end);
    return mm_protect(&layout->mm, start, end - start, VMF_READ) == 0;
}

/* /etc/ld.so.cache, while libraries are looked for. */
static bool map_cache(struct exec_layout *layout, vaddr *start) {
    uint64_t bytes = exec_cache_bytes();
    struct model_file *file = file_new(&layout->machine, pages_of(page_round_up(bytes)), false);
    const struct map_request request = {.length = bytes, .access = VMF_READ, .file = file};
    return file != NULL && mm_map(&layout->mm, &request, start) == 0;
}

static bool link_libraries(struct exec_layout *layout, const struct exec_process *process) {
    const struct exec_objects *objects = layout->objects;
    size_t next = 0;
    unsigned maps = 0;
    vaddr cache = VADDR_NONE;
    bool done = true;
    for (size_t i = EXEC_FIRST_LIBRARY; i < objects->count && done; i++) {
        if (objects->images[i].asks_cache && cache == VADDR_NONE) {
            done = serve_requests(layout, process, &next, maps++) && map_cache(layout, &cache);
        }
        done = done && serve_requests(layout, process, &next, maps++) && map_library(layout, i);
    }
    done = done && serve_requests(layout, process, &next, UINT32_MAX);
    for (size_t i = objects->count; i-- > 0 && done;) {
        done = protect_relro(layout, i);
    }
    return done && (cache == VADDR_NONE || mm_unmap(&layout->mm, cache, exec_cache_bytes()) == 0);
}

/* ---- all of it ----------------------------------------------------------------------------- */

static bool start_machine(struct exec_layout *layout, const struct exec_bases *bases) {
    static const struct model_chunks chunks = {host_map, host_unmap};
    struct personality personality = personality_default(MACHINE_PAGES);
    personality.overcommit = OVERCOMMIT_ALWAYS;
    personality.bottom_up = bases->bottom_up;
    const struct mm_layout space = {
        .task_end = 0x7ffffffff000,
        .mmap_base = bases->mmap_base,
        .mmap_low = bases->bottom_up ? bases->mmap_base : 0x2aaaaaaaa000,
        .start_break = bases->break_start,
        .stack_top = bases->stack_end - MODEL_PAGE_BYTES,
    };
    if (machine_init(&layout->machine, &personality, INDEX_MAPLE, MACHINE_PAGES, &chunks) < 0) {
        return false;
    }
    bool made = mm_init(&layout->mm, &layout->machine, &space) == 0;
    for (size_t i = 0; i < layout->objects->count && made; i++) {
        uint64_t pages = pages_of(page_round_up(layout->objects->images[i].length));
        layout->files[i] = file_new(&layout->machine, pages, false);
        made = layout->files[i] != NULL;
    }
    return made;
}

bool exec_layout_make(struct exec_layout *layout, const struct exec_objects *objects,
                      const struct exec_process *process, uint64_t strings_bytes) {
    *layout = (struct exec_layout){.objects = objects};
    bool made = start_machine(layout, &process->bases) &&
                execute(layout, &process->bases, strings_bytes) &&
                (!objects->has_interpreter || link_libraries(layout, process));
    const char *broken = made ? mm_audit(&layout->mm) : NULL;
    if (!made || broken != NULL) {
        say("the model refuses this layout%s%s", broken == NULL ? "" : ": ",
            broken == NULL ? "" : broken);
    }
    return made && broken == NULL;
}

void exec_layout_destroy(struct exec_layout *layout) {
    machine_destroy(&layout->machine); /* everything of the model lies in its pool */
}

/* ---- rows ---------------------------------------------------------------------------------- */

static void name_file(const struct exec_layout *layout, const struct vma *vma,
                      struct exec_row *row) {
    for (size_t i = 0; i < layout->objects->count; i++) {
        const struct elf_image *image = &layout->objects->images[i];
        if (layout->files[i] == vma->file) {
            row->inode = image->inode;
            snprintf(row->name, sizeof row->name, "%s", image->path);
        }
    }
}

static void name_anonymous(const struct exec_layout *layout, const struct vma *vma,
                           struct exec_row *row) {
    const struct exec_rows *specials = &layout->specials;
    const struct mm *mm = &layout->mm;
    for (size_t i = 0; i < specials->count; i++) {
        uint64_t offset = specials->rows[i].start - specials->rows[0].start;
        if ((vma->flags & VMF_FOREIGN) != 0 && vma->start == layout->special_start + offset) {
            strcpy(row->name, specials->rows[i].name);
        }
    }
    if ((vma->flags & VMF_GROWSDOWN) != 0) {
        strcpy(row->name, "[stack]");
    } else if (vma->start < mm->break_end && vma->end > mm->layout.start_break) {
        strcpy(row->name, "[heap]");
    }
}

void exec_layout_rows(const struct exec_layout *layout, struct exec_rows *rows) {
    rows->count = 0;
    for (const struct vma *vma = vma_index_first(&layout->mm.index);
         vma != NULL && rows->count < EXEC_ROWS_MAX; vma = vma_index_next(&layout->mm.index, vma)) {
        struct exec_row *row = &rows->rows[rows->count++];
        *row = (struct exec_row){.start = vma->start, .end = vma->end};
        row->permissions[0] = (vma->flags & VMF_READ) != 0 ? 'r' : '-';
        row->permissions[1] = (vma->flags & VMF_WRITE) != 0 ? 'w' : '-';
        row->permissions[2] = (vma->flags & VMF_EXEC) != 0 ? 'x' : '-';
        row->permissions[3] = 'p';
        if (vma->file != NULL) {
            row->offset = vma->pgoff << MODEL_PAGE_SHIFT;
            name_file(layout, vma, row);
        } else {
            name_anonymous(layout, vma, row);
        }
    }
}
