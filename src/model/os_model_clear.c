/* os_model_clear.c - os_clear in the model (contract in os.h).
 * Layer: model (includes base and os.h).
 *
 * Made of the other calls, page by page, where the real kernel is asked for many at a time. */
#include "os/os.h"

#include <string.h>

static int clear_page(char *page, size_t bytes) {
    long resident = os_resident_bytes(page, bytes);
    if (resident <= 0) {
        return resident < 0 ? (int)resident : os_purge(page, bytes);
    }
    memset(page, 0, bytes);
    return 0;
}

int os_clear(void *start, size_t bytes) {
    size_t page = os_page_bytes();
    int error = 0;
    for (size_t at = 0; at < bytes && error == 0; at += page) {
        error = clear_page((char *)start + at, page);
    }
    return error;
}
