/* lib_tls.c - a library with thread-local storage of the initial-exec kind, for which the loader
 * keeps little room in a running program.
 * Layer: tests (includes libc only). */
#include <stddef.h>

#define TLS_BYTES 700

int tls_touch(void);

static __thread char block[TLS_BYTES] __attribute__((tls_model("initial-exec")));

int tls_touch(void) {
    block[TLS_BYTES - 1]++;
    return block[TLS_BYTES - 1];
}
