/* replay.c - runs a fuzz harness on a corpus and on inputs made by chance, without a fuzzer.
 * Layer: tests (includes libc only).
 *
 *   replay FOLDER...    every file of each; then mutations of them and pure chance
 *
 * ARENITE_TEST_SEED: of the chance, 1 if it is not set, so that every run is the same;
 * ARENITE_TEST_STEPS: how many such inputs (a few hundred); ARENITE_TEST_KEEP: a file that always
 * holds the last input, to have the one that failed. */
#include "fuzz.h"
#include "support.h"
#include "test_random.h"

#include <dirent.h>

#define CORPUS_MAX 512
#define INPUT_MAX_BYTES 4096
#define STEPS_USUAL 200

struct input {
    uint8_t *bytes;
    size_t length;
};

static struct input corpus[CORPUS_MAX];
static size_t corpus_count;

static void run(const uint8_t *bytes, size_t length) {
    const char *path = getenv("ARENITE_TEST_KEEP");
    FILE *file = path == NULL ? NULL : fopen(path, "wb");
    if (file != NULL) {
        fwrite(bytes, 1, length, file);
        fclose(file);
    }
    LLVMFuzzerTestOneInput(bytes, length);
}

/* ---- the corpus ------------------------------------------------------------------------------ */

static void read_input(const char *folder, const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    TEST_CHECK(file != NULL && corpus_count < CORPUS_MAX);
    struct input *input = &corpus[corpus_count++];
    fseek(file, 0, SEEK_END);
    input->length = (size_t)ftell(file);
    input->bytes = malloc(input->length + 1);
    rewind(file);
    TEST_CHECK(fread(input->bytes, 1, input->length, file) == input->length);
    fclose(file);
}

/* In the order of names, which is the same everywhere. */
static void read_folder(const char *folder) {
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, alphasort);
    TEST_CHECK(count >= 0);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            read_input(folder, entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
}

/* ---- chance ---------------------------------------------------------------------------------- */

static void change_one(struct random_source *random, uint8_t *bytes, size_t length) {
    size_t at = random_below(random, length), piece = (length - at) / 8;
    switch (random_below(random, 3)) {
    case 0:
        bytes[at] = (uint8_t)random_bits(random);
        break;
    case 1:
        bytes[at] ^= (uint8_t)(1u << random_below(random, 8));
        break;
    default:
        memmove(bytes + at, bytes + random_below(random, length - piece), piece);
        break;
    }
}

static void run_mutation(struct random_source *random) {
    const struct input *from = &corpus[random_below(random, corpus_count)];
    size_t length = from->length < INPUT_MAX_BYTES ? from->length : INPUT_MAX_BYTES;
    uint8_t *bytes = malloc(length + 1);
    memcpy(bytes, from->bytes, length);
    for (size_t changes = 1 + random_below(random, 8); changes > 0 && length > 0; changes--) {
        change_one(random, bytes, length);
    }
    run(bytes, length);
    free(bytes);
}

static void run_chance(struct random_source *random) {
    size_t length = random_below(random, INPUT_MAX_BYTES / 8);
    uint8_t *bytes = malloc(length + 1);
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (uint8_t)random_bits(random);
    }
    run(bytes, length);
    free(bytes);
}

int main(int argc, char **argv) {
    setenv("ARENITE_TEST_SEED", "1", 0);
    struct random_source random = random_start("replay");
    for (int i = 1; i < argc; i++) {
        read_folder(argv[i]);
    }
    TEST_CHECK(corpus_count > 0);
    for (size_t i = 0; i < corpus_count; i++) {
        run(corpus[i].bytes, corpus[i].length);
    }
    for (size_t steps = random_steps(STEPS_USUAL); steps > 0; steps--) {
        (steps % 3 == 0 ? run_chance : run_mutation)(&random);
    }
    return 0;
}
