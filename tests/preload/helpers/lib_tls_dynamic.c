/* lib_tls_dynamic.c - a library with much thread-local storage of the kind that the loader takes
 * from malloc when a thread touches it for the first time.
 * Layer: tests (includes libc only). */
#include <stddef.h>

#define TLS_BYTES 100000

int tls_dynamic_touch(void);

static __thread char block[TLS_BYTES] __attribute__((tls_model("global-dynamic")));

int tls_dynamic_touch(void) {
    block[0]++;
    block[TLS_BYTES - 1]++;
    return block[TLS_BYTES - 1];
}
