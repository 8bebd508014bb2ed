/* announce.c - the tool's side of <arenite/announce.h>: hears that the library is loaded in CMD.
 * Layer: cli (may use libc and the public headers).
 *
 * Who announces is taken from the kernel (SCM_CREDENTIALS) and not from the record: in a process
 * that started in a new PID namespace getpid() says 1. */
#include "cli/announce.h"

#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Programs and shells use the low descriptors; a number up here is in nobody's way. */
enum { LOWEST_FD = 64 };

static void name_writer(const struct announce *announce, struct environment *environment,
                        const struct stat *status) {
    char *value =
        text_format("%d:%llu:%llu", announce->writer_fd, (unsigned long long)status->st_dev,
                    (unsigned long long)status->st_ino);
    environment_put(environment, ARENITE_ANNOUNCE_VARIABLE, value);
    free(value);
}

/* The writer's end under a high number that survives exec; under the old one if none is left. */
static int move_up(int fd) {
    int high = fcntl(fd, F_DUPFD, LOWEST_FD);
    if (high < 0) {
        return fcntl(fd, F_SETFD, 0) < 0 ? -1 : fd;
    }
    close(fd);
    return high;
}

int announce_init(struct announce *announce, struct environment *environment) {
    *announce = (struct announce){-1, -1};
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
        return -errno;
    }
    announce->reader_fd = ends[0];
    announce->writer_fd = move_up(ends[1]);
    struct stat status;
    int on = 1;
    if (announce->writer_fd < 0 || fstat(announce->writer_fd, &status) < 0 ||
        setsockopt(announce->reader_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0) {
        int error = -errno;
        announce_destroy(announce);
        return error;
    }
    name_writer(announce, environment, &status);
    return 0;
}

void announce_close_writer(struct announce *announce) {
    if (announce->writer_fd >= 0) {
        close(announce->writer_fd);
    }
    announce->writer_fd = -1;
}

void announce_destroy(struct announce *announce) {
    announce_close_writer(announce);
    if (announce->reader_fd >= 0) {
        close(announce->reader_fd);
    }
    announce->reader_fd = -1;
}

/* The sender's pid as seen from here, or 0 when the kernel gave none. */
static pid_t sender_of(struct msghdr *message) {
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    if (control == NULL || control->cmsg_type != SCM_CREDENTIALS) {
        return 0;
    }
    struct ucred credentials;
    memcpy(&credentials, CMSG_DATA(control), sizeof credentials);
    return credentials.pid;
}

static bool is_valid(const struct arenite_announcement *announcement, ssize_t length) {
    return length == sizeof *announcement && announcement->magic == ARENITE_ANNOUNCE_MAGIC &&
           announcement->version == ARENITE_ANNOUNCE_VERSION;
}

bool announce_take(const struct announce *announce, pid_t pid,
                   struct arenite_announcement *announcement) {
    for (;;) {
        union {
            struct cmsghdr aligned;
            char bytes[CMSG_SPACE(sizeof(struct ucred))];
        } control;
        struct iovec record = {announcement, sizeof *announcement};
        struct msghdr message = {
            .msg_iov = &record,
            .msg_iovlen = 1,
            .msg_control = &control,
            .msg_controllen = sizeof control,
        };
        ssize_t length = recvmsg(announce->reader_fd, &message, 0);
        if (length < 0) {
            return false;
        }
        if (is_valid(announcement, length) && sender_of(&message) == pid) {
            return true;
        }
    }
}
