/* os_linux_process.c - environment, waiting, writing and dying on Linux (contract in os.h).
 * Layer: os (includes base). */
#include "os/os_linux.h"

#include "os/os.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <sys/auxv.h>

static unsigned long auxiliary_value(unsigned long type) {
    int saved_errno = errno;
    unsigned long value = getauxval(type);
    errno = saved_errno;
    return value;
}

bool os_is_secure(void) {
    return auxiliary_value(AT_SECURE) != 0;
}

const char *os_environment_entry(size_t index) {
    if (environ == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < index; i++) {
        if (environ[i] == NULL) {
            return NULL;
        }
    }
    return environ[index];
}

/* The text after "NAME=" when the entry starts with it, or NULL. */
static const char *entry_value(const char *entry, const char *name) {
    while (*name != '\0' && *entry == *name) {
        entry++;
        name++;
    }
    return *name == '\0' && *entry == '=' ? entry + 1 : NULL;
}

const char *os_environment(const char *name) {
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        const char *value = entry_value(*entry, name);
        if (value != NULL) {
            return value;
        }
    }
    return NULL;
}

void os_wait(const uint32_t *word, uint32_t value) {
    KERNEL_CALL(SYS_futex, (uintptr_t)word, FUTEX_WAIT_PRIVATE, value);
}

void os_wake_one(const uint32_t *word) {
    KERNEL_CALL(SYS_futex, (uintptr_t)word, FUTEX_WAKE_PRIVATE, 1);
}

/* The kernel compares before it moves sleepers from one word to another; here there are none to be
 * woken or moved. Where it does not know the call, it is no evidence against the word. */
bool os_word_is(const uint32_t *word, uint32_t value) {
    long status = KERNEL_CALL(SYS_futex, (uintptr_t)word, FUTEX_CMP_REQUEUE_PRIVATE, 0, 0,
                              (uintptr_t)word, value);
    return status != -EAGAIN && status != -EFAULT;
}

int os_write(int descriptor, const void *bytes, size_t length) {
    const char *at = bytes;
    while (length > 0) {
        long written = KERNEL_CALL(SYS_write, (uintptr_t)descriptor, (uintptr_t)at, length);
        if (written == -EINTR) {
            continue;
        }
        if (written < 0) {
            return (int)written;
        }
        at += written;
        length -= (size_t)written;
    }
    return 0;
}

void os_abort(void) {
    abort();
}
