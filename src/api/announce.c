/* announce.c - see announce.h.
 * Layer: api (includes os and below, and the public protocol). */
#include "api/announce.h"

#include "arenite/announce.h"
#include "base/compiler.h"
#include "os/os.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* What ARENITE_ANNOUNCE names. */
struct listener {
    uint64_t descriptor;
    uint64_t device;
    uint64_t inode;
};

/* Reads a decimal number and the character that ends it; the text behind, or NULL. */
static const char *parse_number(const char *text, char end, uint64_t *number) {
    const char *at = text;
    *number = 0;
    while (at != NULL && *at >= '0' && *at <= '9') {
        if (__builtin_mul_overflow(*number, (uint64_t)10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(*at - '0'), number)) {
            return NULL;
        }
        at++;
    }
    return at != text && *at == end ? at + 1 : NULL;
}

static bool parse_listener(const char *text, struct listener *listener) {
    text = parse_number(text, ':', &listener->descriptor);
    text = parse_number(text, ':', &listener->device);
    return parse_number(text, '\0', &listener->inode) != NULL && listener->descriptor <= INT32_MAX;
}

/* The number may long belong to a file of the program's own. */
static bool is_still_there(const struct listener *listener) {
    struct stat status;
    return fstat((int)listener->descriptor, &status) == 0 &&
           (uint64_t)status.st_dev == listener->device &&
           (uint64_t)status.st_ino == listener->inode;
}

/* Asks where the name leads, with the loader's own tables: the address that this file would take
 * may be the executable's entry for a call. */
static bool is_malloc_ours(void) {
    Dl_info theirs;
    Dl_info ours;
    return dladdr((const void *)(uintptr_t)malloc, &theirs) != 0 &&
           dladdr((const void *)(uintptr_t)announce, &ours) != 0 &&
           theirs.dli_fbase == ours.dli_fbase;
}

void announce(void) {
    int saved_errno = errno;
    struct listener listener;
    const char *text = os_environment(ARENITE_ANNOUNCE_VARIABLE);
    if (text != NULL && !os_is_secure() && parse_listener(text, &listener) &&
        is_still_there(&listener)) {
        const struct arenite_announcement record = {ARENITE_ANNOUNCE_MAGIC,
                                                    ARENITE_ANNOUNCE_VERSION,
                                                    (uint32_t)os_process_id(), is_malloc_ours()};
        (void)os_write((int)listener.descriptor, &record, sizeof record);
        close((int)listener.descriptor);
    }
    errno = saved_errno;
}
