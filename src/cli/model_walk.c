/* model_walk.c - `arenite model walk`: how one address is translated, as a drawing.
 * Layer: cli (may use libc).
 *
 * x86-64 uses 48 of the 64 bits: bit 47 is repeated above it. So there are two halves, the lower
 * for processes and the upper for the kernel, and between them the canonical hole. */
#include "cli/cli.h"
#include "cli/model.h"
#include "cli/model_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LOWER_HALF_END ((vaddr)1 << 47)
#define UPPER_HALF_START (UINT64_MAX << 47)

/* ---- the address --------------------------------------------------------------------------- */

/* A number, or a place of the script. */
static bool find_address(const struct world *world, const char *text, vaddr *address) {
    char *end;
    *address = strtoull(text, &end, 0);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0') {
        return true;
    }
    struct script_place place;
    if (!script_find_place(world->bindings.script, text, &place)) {
        say("walk: `%s` is neither a number nor a place of the script", text);
        return false;
    }
    *address = bindings_resolve(&world->bindings, &place);
    if (*address == VADDR_NONE) {
        say("walk: `%s` stands for nothing", text);
    }
    return *address != VADDR_NONE;
}

static unsigned index_at(vaddr address, unsigned shift) {
    return (unsigned)table_index(address, shift);
}

static void draw_bits(vaddr address) {
    printf("address %#" PRIx64 "\n\n", address);
    printf("   63        48 47     39 38     30 29     21 20     12 11          0\n");
    printf("  +------------+---------+---------+---------+---------+-------------+\n");
    printf("  | %-10s |  PGD    |  PUD    |  PMD    |  PTE    |   offset    |\n",
           (address >> 47 & 1) != 0 ? "sign: ones" : "sign: 0");
    printf("  |            |  %5u  |  %5u  |  %5u  |  %5u  |   %7u   |\n",
           index_at(address, PGD_SHIFT), index_at(address, PUD_SHIFT), index_at(address, PMD_SHIFT),
           index_at(address, MODEL_PAGE_SHIFT), (unsigned)(address & (MODEL_PAGE_BYTES - 1)));
    printf("  +------------+---------+---------+---------+---------+-------------+\n\n");
}

/* ---- the levels ---------------------------------------------------------------------------- */

static void draw_entry(page_entry entry, bool huge) {
    if ((entry & PTE_GUARD) != 0) {
        printf("a guard marker: every access is SIGSEGV\n");
        return;
    }
    if ((entry & PTE_SWAP) != 0) {
        printf("slot %" PRIu32 " of the swap area: an access brings the page back\n",
               entry_slot(entry));
        return;
    }
    const char *size = huge ? "2 MiB page" : "page";
    if ((entry & PTE_ZERO) != 0) {
        printf("the zero %s, read only: a write takes a page of its own\n", size);
        return;
    }
    printf("%s of %s, frame %" PRIu64 ", %s\n", size,
           (entry & PTE_ANON) != 0 ? "anonymous memory" : "a file", entry_frame(entry).number,
           (entry & PTE_WRITE) != 0 ? "writable" : "read only");
}

/* Goes down as the processor does; says where it ends. */
static void draw_levels(const struct page_tables *tables, vaddr address) {
    static const char *const names[] = {"PGD", "PUD", "PMD", "PTE"};
    const struct table *table = tables->top;
    unsigned shift = PGD_SHIFT;
    for (int level = 0; level < 4; level++, shift -= TABLE_SHIFT) {
        page_entry entry = table->entry[index_at(address, shift)];
        printf("  %*s%s[%u] -> ", 3 * level, "", names[level], index_at(address, shift));
        if (entry == 0) {
            printf("nothing: an access faults here\n");
            return;
        }
        if (level == 3 || !entry_is_table(entry)) {
            draw_entry(entry, level < 3);
            return;
        }
        printf("a table of the next level\n");
        table = entry_table(entry);
    }
}

static void draw_vma(const struct world *world, const struct mm *mm, vaddr address) {
    const struct vma *vma = vma_index_lookup(&mm->index, address);
    if (vma == NULL) {
        printf("\n  no mapping holds it: an access is SIGSEGV (SEGV_MAPERR)\n");
        return;
    }
    char permissions[5];
    state_permissions(vma->flags, permissions);
    printf("\n  mapping %#" PRIx64 "-%#" PRIx64 " %s%s\n", vma->start, vma->end, permissions,
           bindings_list(&world->bindings, vma->start, vma->end) ? "" : " (not the script's)");
}

static void draw(struct world *world, vaddr address) {
    const struct mm *mm = world_mm(world);
    draw_bits(address);
    if (address >= LOWER_HALF_END && address < UPPER_HALF_START) {
        printf(
            "  In the canonical hole: bits 63 to 48 do not repeat bit 47, so that the processor\n"
            "  refuses the address before any table is looked at.\n");
        return;
    }
    if (address >= UPPER_HALF_START) {
        printf("  In the kernel's half: its tables are there, but a process may not use them.\n");
        return;
    }
    draw_levels(&mm->tables, address);
    draw_vma(world, mm, address);
}

/* ---- the subverb --------------------------------------------------------------------------- */

static bool walk(const struct model_options *options, const struct script *script) {
    const struct personality personality = model_personality(options);
    struct scene scene;
    scene_default(&scene, &personality);
    struct world world;
    if (!world_init(&world, script, &scene, &personality, options->index,
                    model_frames(options, &personality))) {
        say("not enough memory for the model");
        return false;
    }
    for (size_t i = 0; i < script->op_count; i++) {
        if (script->ops[i].verb != SCRIPT_EXPECT) {
            world_run(&world, &script->ops[i]);
        }
    }
    vaddr address;
    bool found = find_address(&world, options->address, &address);
    if (found) {
        draw(&world, address);
    }
    world_destroy(&world);
    return found;
}

int model_walk(const struct model_options *options) {
    struct script script;
    if (!script_read(&script, options->file)) {
        return CLI_FAILED;
    }
    int status = CLI_USAGE;
    if (script.bad_line != 0) {
        model_say_bad_line(&script, options->file);
    } else {
        status = walk(options, &script) ? CLI_OK : CLI_USAGE;
    }
    script_destroy(&script);
    return status;
}
