// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "request.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

/// linux/tty.h: the peer of a pseudo-terminal, without a path.
#define GUEST_TIOCGPTPEER 0x5441

int32_t guest_read(int32_t fd, uint8_t *bytes, int32_t size, int32_t start, int32_t limit) {
    int32_t room = size - start;
    return outcome(read(fd, bytes + start, (size_t)(room < limit ? room : limit)));
}

int32_t guest_write(int32_t fd, const uint8_t *bytes, int32_t size) {
    return outcome(write(fd, bytes, (size_t)size));
}

void guest_close(int32_t fd) { close(fd); }

int32_t guest_duplicate(int32_t fd) { return outcome(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

int32_t guest_set_nonblocking(int32_t fd) {
    int flags = fcntl(fd, F_GETFL);
    return outcome(flags < 0 ? flags : fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}

int32_t guest_pending(int32_t fd) {
    int count = 0;
    int32_t result = outcome(ioctl(fd, FIONREAD, &count));
    return result < 0 ? result : count;
}

struct guest_pair guest_pipe(void) {
    int ends[2] = {-1, -1};
    int32_t result = outcome(pipe2(ends, O_CLOEXEC));
    return (struct guest_pair){result, ends[0], ends[1]};
}

struct guest_pair guest_terminal(uint16_t rows, uint16_t columns) {
    struct guest_pair pair = {-1, -1, -1};
    pair.first = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (pair.first < 0) {
        pair.result = -errno;
        return pair;
    }
    int unlock = 0;
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    ioctl(pair.first, TIOCSWINSZ, &size);
    pair.result = outcome(ioctl(pair.first, TIOCSPTLCK, &unlock));
    if (pair.result >= 0) {
        pair.second = ioctl(pair.first, GUEST_TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        pair.result = outcome(pair.second);
    }
    if (pair.result < 0) close(pair.first);
    return pair;
}

int32_t guest_reader(int32_t fd) {
    struct termios mode;
    if (tcgetattr(fd, &mode) < 0) return -errno;
    int peer = ioctl(fd, GUEST_TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (peer < 0) return -errno;
    struct pollfd input = {.fd = peer, .events = POLLIN};
    int unread = poll(&input, 1, 0);
    close(peer);
    if (unread != 0) return 0;
    return mode.c_lflag & ICANON ? GUEST_READS_LINES : GUEST_READS_KEYS;
}

int32_t guest_resize(int32_t fd, uint16_t rows, uint16_t columns) {
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    return outcome(ioctl(fd, TIOCSWINSZ, &size));
}
