/* outside.c - see outside.h.
 * Layer: tests (includes libc only). */
#include "outside.h"

#include "support.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIB ((size_t)1024)

size_t test_resident_bytes(void) {
    static const char key[] = "\nAnonymous:";
    char text[4096];
    int file = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    ssize_t length = read(file, text, sizeof text - 1);
    TEST_CHECK(length > 0 && close(file) == 0);
    text[length] = '\0';
    const char *at = strstr(text, key);
    TEST_CHECK(at != NULL);
    return strtoull(at + strlen(key), NULL, 10) * KIB;
}

void test_set_option(const char *name, const char *value) {
    int (*set)(const char *name, const char *value) = NULL;
    void *found = dlsym(RTLD_DEFAULT, "arenite_option_set");
    TEST_CHECK(found != NULL);
    memcpy(&set, &found, sizeof found);
    TEST_CHECK(set(name, value) == 0);
}

void test_stop_decay(void) {
    test_set_option("retain_decay", "3600s");
}
