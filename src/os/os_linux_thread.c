/* os_linux_thread.c - threads of the library's own (contract in os.h).
 * Layer: os (includes base). */
#include "os/os_linux.h"

#include "os/os.h"

#include <pthread.h>
#include <signal.h>

#define STACK_BYTES ((size_t)128 * 1024)

/* A thread is born with its creator's mask. */
static int start_masked(const pthread_attr_t *attributes, void *(*body)(void *unused)) {
    pthread_t thread;
    sigset_t all, former;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    int error = pthread_create(&thread, attributes, body, NULL);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    return -error;
}

int os_thread_start(void *(*body)(void *unused)) {
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) {
        return -ENOMEM;
    }
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int status = start_masked(&attributes, body);
    pthread_attr_destroy(&attributes);
    return status;
}
