#!/bin/sh
# lib_settings.sh - keeps tests that compare with the kernel apart from those that change its
# settings. Sourced after lib.sh, with `keep_settings` or `change_settings` called first.

settings_lock=${TMPDIR:-/tmp}/arenite-kernel-settings.lock

# For the rest of the test no other test changes a setting of the kernel.
keep_settings() {
    command -v flock >/dev/null || return 0
    exec 9>>"$settings_lock"
    flock -s 9
}

# For the rest of the test no other test compares with the kernel.
change_settings() {
    command -v flock >/dev/null || skip "flock is not installed"
    exec 9>>"$settings_lock"
    flock 9
}
