/* arenite_names.h - put in front of a test's source: what it calls malloc is the library under
 * test, beside libc's.
 * Layer: tests (includes the public interface). */
#ifndef ARENITE_TESTS_ON_MODEL_ARENITE_NAMES_H
#define ARENITE_TESTS_ON_MODEL_ARENITE_NAMES_H

#include "arenite/arenite.h"

#include <malloc.h>
#include <stdlib.h>

#define malloc arenite_malloc
#define calloc arenite_calloc
#define realloc arenite_realloc
#define free arenite_free
#define memalign arenite_memalign
#define posix_memalign arenite_posix_memalign
#define malloc_trim arenite_malloc_trim

#endif
