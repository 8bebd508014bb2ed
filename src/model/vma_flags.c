/* vma_flags.c - the flags' names, and the reference kernel's personality.
 * Layer: model (includes base). */
#include "model/vma_flags.h"

#include "model/personality.h"

const struct vma_flag_name vma_flag_names[VMA_FLAG_NAMES] = {
    {VMF_READ, "rd"},       {VMF_WRITE, "wr"},    {VMF_EXEC, "ex"},     {VMF_SHARED, "sh"},
    {VMF_MAYREAD, "mr"},    {VMF_MAYWRITE, "mw"}, {VMF_MAYEXEC, "me"},  {VMF_MAYSHARE, "ms"},
    {VMF_GROWSDOWN, "gd"},  {VMF_GUARD, "gu"},    {VMF_LOCKED, "lo"},   {VMF_SEQUENTIAL, "sr"},
    {VMF_RANDOM, "rr"},     {VMF_DONTCOPY, "dc"}, {VMF_ACCOUNT, "ac"},  {VMF_NORESERVE, "nr"},
    {VMF_WIPEONFORK, "wf"}, {VMF_DONTDUMP, "dd"}, {VMF_HUGEPAGE, "hg"}, {VMF_NOHUGEPAGE, "nh"},
    {VMF_MERGEABLE, "mg"},
};

struct personality personality_default(uint64_t ram_pages) {
    return (struct personality){
        .ram_pages = ram_pages,
        .max_map_count = 65530,
        .stack_gap_pages = 256,
        .fault_around_pages = 16,
        .min_address = 65536,
        .locked_limit_bytes = 8 << 20,
        .overcommit_ratio = 50,
        .table_levels = 4,
        .overcommit = OVERCOMMIT_GUESS,
        .thp = THP_MADVISE,
        .thp_alignment = true,
        .stack_is_nohuge = true,
        .reclaims_tables = true,
        .guard_flag = true,
        .merges_pages = true,
        .may_exceed_locked = true,
    };
}
