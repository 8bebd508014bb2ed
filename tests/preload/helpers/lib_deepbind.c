/* lib_deepbind.c - a library that the test loads with RTLD_DEEPBIND: its malloc is then libc's own,
 * whatever was preloaded.
 * Layer: tests (includes libc only). */
#include <stdlib.h>
#include <string.h>

char *deepbind_make(size_t bytes);
void deepbind_free(char *memory);

char *deepbind_make(size_t bytes) {
    char *memory = malloc(bytes);
    if (memory != NULL) {
        memset(memory, 'd', bytes);
    }
    return memory;
}

void deepbind_free(char *memory) {
    free(memory);
}
