/* os_model_window.h - real bytes under modelled addresses: a window whose pages appear one by one.
 * Layer: model (includes only base).
 *
 * One private mapping, readable and writable as a whole, in which nothing is present at first. A
 * program that touches a page which is not there, or writes to one that was shown for reading
 * only, is stopped (userfaultfd, which sends SIGBUS to the thread that did it); `serve` is asked,
 * and shows the page or says no. So the model decides about every first access, and rights need no
 * mprotect here: what the model does not allow is never shown.
 *
 * userfaultfd is opened for faults in user mode only, which needs no rights. Its limits: a system
 * call that reads or writes a page not yet touched fails with EFAULT where the kernel would have
 * faulted it in; a forked child keeps what was shown, but traps nothing more; a page that the
 * processor fetches ahead is no access, so no fault is ever counted twice.
 *
 * I1: a page that is shown writable is writable in the model; one that is shown is readable there.
 * There is one window in a process. Functions here are called by one thread at a time. */
#ifndef ARENITE_MODEL_OS_MODEL_WINDOW_H
#define ARENITE_MODEL_OS_MODEL_WINDOW_H

#include "base/compiler.h"

/* Asked for a touch inside the window, on the thread that made it, with signals blocked. False: the
 * touch is an error, and goes the way it would without a window (SIGBUS). */
typedef bool (*window_serve)(uintptr_t address, bool write);

/* Whether the window can be had on this machine and by this processor: 0, or a negative errno
 * (-EPERM, -ENOSYS: no userfaultfd; -EEXIST: something lies there). */
int window_open(uintptr_t start, size_t bytes, window_serve serve);

/* Makes one page present: zeros the first time, what it held when it was shown before. */
void window_show(uintptr_t page, bool writable);

/* Takes pages away; they are zero when they are shown again. */
void window_hide(uintptr_t start, size_t bytes);

/* Shows a page with the contents of another one. Nothing happens when that one is not present. */
void window_copy(uintptr_t to, uintptr_t from, bool writable);

#endif
