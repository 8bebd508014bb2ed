/* test_options.c - the parser of options: values, places, precedence, and what it says when
 * something is wrong. Every case runs in a child with an environment of its own. */
#include "api/options.h"

#include "chunk/params.h"

#include "test_child.h"

#include <limits.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arenite/arenite.h"

/* ---- values --------------------------------------------------------------------------------- */

static const char *given;

static void load_given(void) {
    setenv("ARENITE_OPTIONS", given, 1);
    options_load();
    for (size_t id = 0; id < OPTION_COUNT; id++) {
        if (option_states[id].source == ARENITE_OPTION_ENVIRONMENT) {
            fprintf(stderr, "%s=%llu\n", option_states[id].name,
                    (unsigned long long)option_states[id].value);
        }
    }
}

static void expect(const char *list, const char *text) {
    given = list;
    struct child_result child = child_run(load_given);
    assert_int_equal(child.exit_status, 0);
    assert_string_equal(child.text, text);
}

static void test_values(void **state) {
    (void)state;
    expect("", "");
    expect(",,", "");
    expect("arena_max=3", "arena_max=3\n");
    expect("arena_max=0x10,arena_test=08", "arena_max=16\narena_test=8\n");
    expect("top_pad=64K,trim_threshold=2m", "trim_threshold=2097152\ntop_pad=65536\n");
    expect("mmap_threshold=1G", "mmap_threshold=1073741824\n");
    expect("top_pad=1,top_pad=2", "top_pad=2\n");
    expect("stats_at_exit=yes", "stats_at_exit=1\n");
    expect("stats_at_exit=off", "stats_at_exit=0\n");
    expect("mxfast=80", "mxfast=80\n");
    expect("tcache_count=65535,tcache_max=0", "tcache_count=65535\ntcache_max=0\n");
}

static void test_no_limit(void **state) {
    (void)state;
    char text[64];
    snprintf(text, sizeof text, "trim_threshold=%zu\n", SIZE_MAX);
    expect("trim_threshold=-1", text);
}

/* ---- what is wrong -------------------------------------------------------------------------- */

#define SIZE_WANTED "allowed is bytes, or a size as 64K, 2M or 1G, from 0 "

static void test_wrong_values(void **state) {
    (void)state;
    expect("mmap_max=-1",
           "arenite: ARENITE_OPTIONS: mmap_max=-1 ignored: allowed is a number from 0 to "
           "2147483647\n");
    expect("tcache_count=65536,arena_max=2",
           "arenite: ARENITE_OPTIONS: tcache_count=65536 ignored: allowed is a number from 0 to "
           "65535\narena_max=2\n");
    expect("top_pad=",
           "arenite: ARENITE_OPTIONS: top_pad= ignored: " SIZE_WANTED "on, or -1 for no limit\n");
    expect("top_pad=64KB", "arenite: ARENITE_OPTIONS: top_pad=64KB ignored: " SIZE_WANTED
                           "on, or -1 for no limit\n");
    expect("top_pad=99999999999999999999",
           "arenite: ARENITE_OPTIONS: top_pad=99999999999999999999 ignored: " SIZE_WANTED
           "on, or -1 for no limit\n");
    expect("top_pad=18014398509481984K",
           "arenite: ARENITE_OPTIONS: top_pad=18014398509481984K ignored: " SIZE_WANTED
           "on, or -1 for no limit\n");
    expect("arena_max=4K",
           "arenite: ARENITE_OPTIONS: arena_max=4K ignored: allowed is a number from 0 on, or -1 "
           "for no limit\n");
    expect("stats_at_exit=2",
           "arenite: ARENITE_OPTIONS: stats_at_exit=2 ignored: allowed are 0 and 1\n");
}

static void test_wrong_names(void **state) {
    (void)state;
    expect("arenamax=2", "arenite: ARENITE_OPTIONS: arenamax ignored: no option has this name; the "
                         "nearest is arena_max=VALUE\n");
    expect("trim=2", "arenite: ARENITE_OPTIONS: trim ignored: no option has this name; the nearest "
                     "is trim_threshold=VALUE\n");
    expect("stats_at_exit", "arenite: ARENITE_OPTIONS: stats_at_exit ignored: NAME=VALUE is "
                            "wanted; the nearest is stats_at_exit=VALUE\n");
    expect("perturbe=1", "arenite: ARENITE_OPTIONS: perturbe ignored: no option has this name; the "
                         "nearest is perturb=VALUE\n");
    expect("=,foo=1", "arenite: ARENITE_OPTIONS:  ignored: no option has this name; "
                      "docs/options.md lists them\n"
                      "arenite: ARENITE_OPTIONS: foo ignored: no option has this name; "
                      "docs/options.md lists them\n");
}

/* ---- profiles ------------------------------------------------------------------------------- */

static void say_engine(void) {
    options_load();
    fprintf(stderr, "slabs %d charges %d lists %zu step %zu tcache_count %llu top_pad %zu\n",
            params.slabs, params.charges, params.quick_count, params.step_bytes,
            (unsigned long long)options_get(OPTION_TCACHE_COUNT), params.top_pad);
}

static void expect_engine(const char *list, const char *text) {
    setenv("ARENITE_OPTIONS", list, 1);
    struct child_result child = child_run(say_engine);
    assert_int_equal(child.exit_status, 0);
    assert_string_equal(child.text, text);
}

/* A profile acts first, wherever it stands; the last one named counts. */
static void test_profiles(void **state) {
    (void)state;
    expect_engine("", "slabs 1 charges 0 lists 7 step 262144 tcache_count 7 top_pad 131072\n");
    expect_engine("profile=ptmalloc",
                  "slabs 0 charges 0 lists 0 step 0 tcache_count 0 top_pad 131072\n");
    expect_engine("profile=glibc",
                  "slabs 0 charges 1 lists 7 step 0 tcache_count 7 top_pad 131072\n");
    expect_engine("tcache_count=0,top_pad=8K,profile=glibc",
                  "slabs 0 charges 1 lists 0 step 0 tcache_count 0 top_pad 8192\n");
    expect_engine("tcache_count=3,profile=ptmalloc",
                  "slabs 0 charges 0 lists 3 step 0 tcache_count 3 top_pad 131072\n");
    expect_engine("profile=glibc,profile=default",
                  "slabs 1 charges 0 lists 7 step 262144 tcache_count 7 top_pad 131072\n");
    expect_engine("profile=musl",
                  "arenite: ARENITE_OPTIONS: profile=musl ignored: allowed are default, ptmalloc "
                  "and glibc\n"
                  "slabs 1 charges 0 lists 7 step 262144 tcache_count 7 top_pad 131072\n");
}

/* Any text at all: parsed to its end, without a crash, and never partly applied. */
static void load_long(void) {
    static char list[20000];
    memset(list, 'a', sizeof list - 1);
    setenv("ARENITE_OPTIONS", list, 1);
    options_load();
    for (size_t id = 0; id < OPTION_COUNT; id++) {
        CHILD_EXPECT(option_states[id].source == ARENITE_OPTION_DEFAULT);
    }
}

static void test_long_text(void **state) {
    (void)state;
    struct child_result child = child_run(load_long);
    assert_int_equal(child.exit_status, 0);
    assert_non_null(strstr(child.text, "aaa ignored: NAME=VALUE is wanted"));
}

/* ---- places and precedence ------------------------------------------------------------------ */

static void load_all_places(void) {
    setenv("GLIBC_TUNABLES",
           "glibc.rtld.nns=4:glibc.malloc.arena_max=2:glibc.malloc.top_pad=2:"
           "glibc.malloc.mxfast=32:glibc.malloc.perturb=2:glibc.malloc.new=1",
           1);
    setenv("MALLOC_TOP_PAD_", "3", 1);
    setenv("MALLOC_PERTURB_", "3", 1);
    setenv("MALLOC_ARENA_TEST", "3", 1);
    setenv("MALLOC_MMAP_THRESHOLD_", "300000", 1);
    setenv("MALLOC_MMAP_MAX_", "33", 1);
    setenv("ARENITE_OPTIONS", "perturb=4,tcache_count=5", 1);
    options_load();
    CHILD_EXPECT(params.arena_max == 2);
    CHILD_EXPECT(option_states[OPTION_ARENA_MAX].source == ARENITE_OPTION_TUNABLE);
    CHILD_EXPECT(params.fast_max == 32);
    CHILD_EXPECT(params.top_pad == 3);
    CHILD_EXPECT(option_states[OPTION_TOP_PAD].source == ARENITE_OPTION_VARIABLE);
    CHILD_EXPECT(params.perturb == 4);
    CHILD_EXPECT(option_states[OPTION_PERTURB].source == ARENITE_OPTION_ENVIRONMENT);
    CHILD_EXPECT(params.arena_test == 3);
    CHILD_EXPECT(params.mmap_threshold == 300000 && params.mmap_max == 33 && !params.dynamic);
    CHILD_EXPECT(params.quick_count == 5);
    CHILD_EXPECT(arenite_mallopt(M_PERTURB, 0x106) == 1 && params.perturb == 6);
    CHILD_EXPECT(option_states[OPTION_PERTURB].source == ARENITE_OPTION_CALL);
}

static void test_precedence(void **state) {
    (void)state;
    struct child_result child = child_run(load_all_places);
    assert_string_equal(child.text, "");
    assert_int_equal(child.exit_status, 0);
}

static void test_defaults_are_the_engines(void **state) {
    (void)state;
    assert_int_equal(options[OPTION_MMAP_THRESHOLD].normal, params.mmap_threshold);
    assert_int_equal(options[OPTION_MMAP_MAX].normal, params.mmap_max);
    assert_int_equal(options[OPTION_TRIM_THRESHOLD].normal, params.trim_threshold);
    assert_int_equal(options[OPTION_TOP_PAD].normal, params.top_pad);
    assert_int_equal(options[OPTION_MXFAST].normal, params.fast_max);
    assert_int_equal(options[OPTION_TCACHE_COUNT].normal, params.quick_count);
    assert_int_equal(chunk_bytes_for(options[OPTION_TCACHE_MAX].normal), params.quick_bytes);
    assert_int_equal(options[OPTION_PERTURB].normal, (uint64_t)params.perturb);
    assert_true(params.dynamic);
}

static void test_mallopt(void **state) {
    (void)state;
    assert_int_equal(arenite_mallopt(M_MXFAST, 161), 0);
    assert_int_equal(arenite_mallopt(M_MXFAST, -1), 0);
    assert_int_equal(params.fast_max, FAST_DEFAULT_BYTES);
    assert_int_equal(arenite_mallopt(M_TRIM_THRESHOLD, -1), 1);
    assert_int_equal(params.trim_threshold, SIZE_MAX);
    assert_false(params.dynamic);
    assert_int_equal(arenite_mallopt(M_MMAP_MAX, INT_MIN), 1);
    assert_int_equal(params.mmap_max, 0);
    assert_int_equal(arenite_mallopt(M_ARENA_MAX, -1), 1);
    assert_int_equal(params.arena_max, 0);
    assert_int_equal(arenite_mallopt(4711, 1), 1);
}

int main(void) {
    unsetenv("ARENITE_OPTIONS");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_the_engines),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_wrong_values),
        cmocka_unit_test(test_wrong_names),
        cmocka_unit_test(test_profiles),
        cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_mallopt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
