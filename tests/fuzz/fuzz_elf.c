/* fuzz_elf.c - ELF files as `arenite run` and `arenite model exec` look at them.
 * Layer: tests (includes cli). */
#include "cli/elf_file.h"
#include "cli/elf_image.h"
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    int file = memfd_create("elf", MFD_CLOEXEC);
    fuzz_expect(file >= 0 && write(file, data, size) == (ssize_t)size, "no file could be made");
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    struct elf_facts facts;
    fuzz_expect(elf_read_facts(path, &facts) == 0, "a file could not be read");
    fuzz_expect(strnlen(facts.interpreter, sizeof facts.interpreter) < sizeof facts.interpreter,
                "the interpreter's name has no end");
    struct elf_image image;
    if (elf_image_read(&image, path) == NULL) {
        fuzz_expect(image.segment_count > 0 && image.segment_count <= ELF_SEGMENTS_MAX &&
                        image.needed_count <= ELF_NEEDED_MAX,
                    "an image with impossible counts");
        fuzz_expect(elf_image_start(&image) < elf_image_end(&image), "an image of no length");
    }
    elf_image_destroy(&image);
    close(file);
    return 0;
}
