/* fuzz_options.c - the parser of options, from each of the places they come from.
 * Layer: tests (includes api).
 *
 * The input's lines: ARENITE_OPTIONS; GLIBC_TUNABLES; then NAME=VALUE for arenite_option_set each.
 * Whatever they say, every option must keep a value that its type allows and that is printed and
 * read back as the same. */
#include "api/budget.h"
#include "api/options.h"
#include "arenite/options.h"
#include "fuzz.h"

#include <fcntl.h>
#include <unistd.h>

/* Messages about wrong values are not of interest; findings are. */
static void run_silently(void (*action)(struct fuzz_input *input), struct fuzz_input *input) {
    int kept = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    fuzz_expect(kept >= 0 && nowhere >= 0, "no descriptors");
    dup2(nowhere, STDERR_FILENO);
    action(input);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(nowhere);
}

static void set_variable(const char *name, struct fuzz_input *input) {
    char *text = fuzz_text(input, '\n');
    setenv(name, text, 1);
    free(text);
}

static void check_value(const struct option *option, uint64_t value) {
    char text[64];
    uint64_t again = ~value;
    size_t length = option_print(option, value, text, sizeof text);
    fuzz_expect(length < sizeof text, "a value is too long a text");
    fuzz_expect(option_parse(option, text_of(text), &again) && again == value,
                "a value is not read back as it was printed");
}

static void check_values(void) {
    for (size_t id = 0; id < OPTION_COUNT; id++) {
        char text[512];
        check_value(&options[id], option_states[id].value);
        fuzz_expect(option_print_allowed(&options[id], text, sizeof text) < sizeof text,
                    "what is allowed is too long a text");
    }
}

static void set_one(char *setting) {
    char *value = strchr(setting, '=');
    if (value != NULL) {
        *value++ = '\0';
        (void)arenite_option_set(setting, value);
    }
}

static void load(struct fuzz_input *input) {
    set_variable("ARENITE_OPTIONS", input);
    set_variable("GLIBC_TUNABLES", input);
    options_load();
}

static void set_all(struct fuzz_input *input) {
    while (input->left > 0) {
        char *setting = fuzz_text(input, '\n');
        set_one(setting);
        free(setting);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = {data, size};
    run_silently(load, &input);
    check_values();
    run_silently(set_all, &input);
    check_values();
    return 0;
}
