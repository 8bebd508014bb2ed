/* glibc_profile.h - included by a test of the chunk engine: the engine alone, with the thread's
 * quick lists, before the test's first allocation. */
#ifndef ARENITE_TESTS_SUPPORT_GLIBC_PROFILE_H
#define ARENITE_TESTS_SUPPORT_GLIBC_PROFILE_H

#include "chunk/params.h"

__attribute__((constructor)) static void use_glibc_profile(void) {
    params_use_profile(PROFILE_GLIBC);
}

#endif
