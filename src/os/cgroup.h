/* cgroup.h - the memory limit of the control group that the process is in.
 * Layer: os (includes base).
 *
 * Both versions are read: v2's memory.max and v1's memory.limit_in_bytes, of the group and of every
 * group above it, as far as they are mounted; the smallest counts. Nothing allocates. */
#ifndef ARENITE_OS_CGROUP_H
#define ARENITE_OS_CGROUP_H

#include "base/compiler.h"

#define CGROUP_UNLIMITED UINT64_MAX

/* The limit in bytes, CGROUP_UNLIMITED when there is none or none can be read. The arguments are
 * /proc/self/cgroup and /proc/self/mountinfo, but for tests. */
uint64_t cgroup_memory_limit(const char *groups_file, const char *mounts_file);

#endif
