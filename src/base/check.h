/* check.h - the three levels of checking.
 * Layer: base (includes only base).
 *
 *   always on   the modules test for corruption and call report_corruption (os/report.h), which
 *               names the pointer and the cause;
 *   DEBUG_CHECK compiled in under ARENITE_DEBUG: programming errors of our own;
 *   audits      whole-structure recounts, one per module (`*_audit`), run by tests and on demand.
 *
 * check_failed is the one up-call of this layer: writing and aborting are kernel calls, so the os
 * layer defines it. */
#ifndef ARENITE_BASE_CHECK_H
#define ARENITE_BASE_CHECK_H

#include "base/compiler.h"

/* Prints "arenite: check failed: WHAT (FILE:LINE)" and aborts. Never allocates. */
_Noreturn void check_failed(const char *what, const char *file, int line);

#if defined(ARENITE_DEBUG) && ARENITE_DEBUG
#define DEBUG_CHECK(condition)                            \
    do {                                                  \
        if (UNLIKELY(!(condition))) {                     \
            check_failed(#condition, __FILE__, __LINE__); \
        }                                                 \
    } while (0)
#else
#define DEBUG_CHECK(condition) ((void)sizeof(!(condition)))
#endif

#endif
