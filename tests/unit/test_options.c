/* test_options.c - the parser of options: values, places, precedence, and what it says when
 * something is wrong. Every case runs in a child with an environment of its own. */
#include "api/budget.h"
#include "api/options.h"

#include "chunk/params.h"
#include "pages/retention.h"

#include "test_child.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arenite/arenite.h"
#include "arenite/options.h"

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

/* Every kind of suffix, in either case. */
static void test_units(void **state) {
    (void)state;
    expect("retain_decay=500ms", "retain_decay=500\n");
    expect("retain_decay=500", "retain_decay=500\n");
    expect("retain_decay=2S", "retain_decay=2000\n");
    expect("retain_decay=3min", "retain_decay=180000\n");
    expect("limit=3T", "limit=3298534883328\n");
    char text[100];
    snprintf(text, sizeof text, "limit=%llu\n", (unsigned long long)BUDGET_OF_CGROUP + 90);
    expect("limit=cgroup", text);
    snprintf(text, sizeof text, "soft_limit=%llu\n", (unsigned long long)BUDGET_OF_CGROUP + 85);
    expect("soft_limit=cgroup:85%", text);
}

static void test_shares(void **state) {
    (void)state;
    expect("sample_guards=1/10000", "sample_guards=10000\n");
    expect("sample_guards=1/0x10", "sample_guards=16\n");
    expect("sample_guards=1/7,sample_guards=0", "sample_guards=0\n");
}

static void test_no_limit(void **state) {
    (void)state;
    char text[64];
    snprintf(text, sizeof text, "trim_threshold=%zu\n", SIZE_MAX);
    expect("trim_threshold=-1", text);
}

/* ---- what is wrong -------------------------------------------------------------------------- */

/* One wrong value: its whole line. */
static void expect_refused(const char *setting, const char *allowed) {
    char text[400];
    snprintf(text, sizeof text,
             "arenite: ARENITE_OPTIONS: %s ignored: the value is not allowed; allowed is %s\n",
             setting, allowed);
    expect(setting, text);
}

#define BYTES "bytes, or a size as 64K, 2M or 1G, from 0 "
#define BUDGET "bytes, a size as 500M, cgroup, or a part as cgroup:90%; 0 for none"

#define SHARE "1/N with N from 1 to 1000000000; 0 for none"

static void test_wrong_values(void **state) {
    (void)state;
    expect_refused("mmap_max=-1", "a number from 0 to 2147483647");
    expect_refused("tcache_count=65536", "a number from 0 to 65535");
    expect_refused("top_pad=", BYTES "on, or -1 for no limit");
    expect_refused("top_pad=64KB", BYTES "on, or -1 for no limit");
    expect_refused("top_pad=99999999999999999999", BYTES "on, or -1 for no limit");
    expect_refused("top_pad=18014398509481984K", BYTES "on, or -1 for no limit");
    expect_refused("top_pad=-2", BYTES "on, or -1 for no limit");
    expect_refused("arena_max=4K", "a number from 0 on, or -1 for no limit");
    expect_refused("mxfast=200", sizeof(void *) == 8 ? BYTES "to 160" : BYTES "to 80");
    expect_refused("stats_at_exit=2", "0 or 1");
    expect_refused("profile=musl", "one of default/ptmalloc/glibc/hardened");
    expect_refused("profile=", "one of default/ptmalloc/glibc/hardened");
    expect_refused("retain_decay=5h", "milliseconds, or a time as 500ms, 10s or 2min, from 1 to "
                                      "3600000");
    expect_refused("retain_decay=61min", "milliseconds, or a time as 500ms, 10s or 2min, from 1 to "
                                         "3600000");
    expect_refused("sample_guards=10", SHARE);
    expect_refused("sample_guards=1/0", SHARE);
    expect_refused("sample_guards=2/10", SHARE);
    expect_refused("sample_guards=1/", SHARE);
    expect_refused("sample_guards=1/5x", SHARE);
    expect_refused("sample_guards=1/1000000001", SHARE);
    expect_refused("limit=cgroup:0%", BUDGET);
    expect_refused("limit=cgroup:101%", BUDGET);
    expect_refused("limit=cgroup:90", BUDGET);
    expect_refused("limit=group", BUDGET);
    expect_refused("limit=9223372036854775808", BUDGET);
}

static void expect_unknown(const char *list, const char *name, const char *rest) {
    char text[400];
    snprintf(text, sizeof text, "arenite: ARENITE_OPTIONS: %s ignored: %s\n", name, rest);
    expect(list, text);
}

#define NEAREST(name) \
    "no option has this name; the nearest is " name "=VALUE (`arenite options` lists all)"

static void test_wrong_names(void **state) {
    (void)state;
    expect_unknown("arenamax=2", "arenamax", NEAREST("arena_max"));
    expect_unknown("trim=2", "trim", NEAREST("trim_threshold"));
    expect_unknown("perturbe=1", "perturbe", NEAREST("perturb"));
    expect_unknown("mmapthreshold=1", "mmapthreshold", NEAREST("mmap_threshold"));
    expect_unknown("profil=1", "profil", NEAREST("profile"));
    expect_unknown("stats_at_exit", "stats_at_exit",
                   "NAME=VALUE is wanted; the nearest is stats_at_exit=VALUE (`arenite options` "
                   "lists all)");
    expect_unknown("=", "", NEAREST("limit")); /* the shortest */
    expect_unknown("zzimitzz=1", "zzimitzz", NEAREST("limit"));
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
    expect_engine("profile=hardened",
                  "slabs 1 charges 0 lists 7 step 262144 tcache_count 7 top_pad 131072\n");
    expect_engine("profile=glibc,profile=default",
                  "slabs 1 charges 0 lists 7 step 262144 tcache_count 7 top_pad 131072\n");
    expect_engine("profile=musl",
                  "arenite: ARENITE_OPTIONS: profile=musl ignored: the value is not allowed; "
                  "allowed is one of default/ptmalloc/glibc/hardened\n"
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

/* ---- arenite_option_get, _set and _at -------------------------------------------------------- */

static void expect_in_force(const char *name, const char *wanted) {
    char text[64];
    assert_int_equal(arenite_option_get(name, text, sizeof text), strlen(wanted));
    assert_string_equal(text, wanted);
}

static void test_set_and_get(void **state) {
    (void)state;
    assert_int_equal(arenite_option_set("top_pad", "64K"), 0);
    expect_in_force("top_pad", "65536");
    assert_int_equal(params.top_pad, 65536);
    assert_int_equal(option_states[OPTION_TOP_PAD].source, ARENITE_OPTION_SET);
    assert_int_equal(arenite_option_set("trim_threshold", "-1"), 0);
    expect_in_force("trim_threshold", "-1");
    assert_int_equal(retention_base_bytes, SIZE_MAX);
    assert_int_equal(arenite_mallopt(M_TRIM_THRESHOLD, 4096), 1);
    expect_in_force("trim_threshold", "4096");
    assert_int_equal(retention_base_bytes, RETENTION_BASE_BYTES);
    assert_int_equal(arenite_option_set("limit", "cgroup:90%"), 0);
    expect_in_force("limit", "cgroup:90%");
    assert_int_equal(options_get(OPTION_LIMIT), BUDGET_OF_CGROUP + 90);
    assert_int_equal(arenite_option_set("limit", "0"), 0);
    expect_in_force("profile", "default");
}

static void test_set_refuses(void **state) {
    (void)state;
    char text[4] = "abc";
    assert_int_equal(arenite_option_set("topp_pad", "1"), ENOENT);
    assert_int_equal(arenite_option_set("profile", "glibc"), EPERM);
    assert_int_equal(arenite_option_set("perturb", "256"), EINVAL);
    assert_int_equal(arenite_option_set("perturb", "x"), EINVAL);
    assert_int_equal(arenite_option_get("topp_pad", text, sizeof text), 0);
    assert_string_equal(text, "abc");
    assert_int_equal(arenite_option_get("profile", text, sizeof text), strlen("default"));
    assert_string_equal(text, "def");
    assert_int_equal(arenite_option_get("profile", text, 0), strlen("default"));
}

/* Every option: what it shows as its value can be set again, and so can both ends of its range. */
static void test_every_value_is_read_back(void **state) {
    (void)state;
    struct arenite_option found;
    for (size_t id = 0; id < OPTION_COUNT; id++) {
        assert_int_equal(arenite_option_at(id, &found), 0);
        const uint64_t values[] = {options[id].normal, options[id].least, options_get(id),
                                   options[id].type == OPTION_TYPE_BUDGET ? 77 : options[id].most};
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
            char text[40];
            uint64_t again = 0;
            option_print(&options[id], values[i], text, sizeof text);
            assert_true(option_parse(&options[id], text_of(text), &again));
            assert_int_equal(again, values[i]);
        }
        assert_true(found.help[0] != '\0' && found.type[0] != '\0' && found.source[0] != '\0');
        assert_true(strlen(found.allowed) < sizeof found.allowed - 1);
    }
    assert_int_equal(arenite_option_at(OPTION_COUNT, &found), ENOENT);
}

int main(void) {
    unsetenv("ARENITE_OPTIONS");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_the_engines),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_wrong_values),
        cmocka_unit_test(test_wrong_names),
        cmocka_unit_test(test_profiles),
        cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_mallopt),
        cmocka_unit_test(test_set_and_get),
        cmocka_unit_test(test_set_refuses),
        cmocka_unit_test(test_every_value_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
