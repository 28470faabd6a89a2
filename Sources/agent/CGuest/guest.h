// SPDX-License-Identifier: Apache-2.0
//
// What the agent asks of the guest's kernel. Each function is one request, or the few that belong
// together, without a decision of its own; a negative result is a negated errno. Buffers carry
// their size, so that Swift calls them with spans. "Strings" are bytes that end with zero each,
// one after another.
#pragma once

#include <lifetimebound.h>
#include <ptrcheck.h>
#include <stdint.h>

#define GUEST_IN(size) __counted_by(size) __noescape

// Descriptors

/// Reads at most `limit` bytes to `bytes[start]` and on, never past `size`.
int32_t guest_read(
    int32_t fd, uint8_t *GUEST_IN(size) bytes, int32_t size, int32_t start, int32_t limit);

/// Writes `bytes`; a pipe or socket without a reader is -EPIPE, never a signal.
int32_t guest_write(int32_t fd, const uint8_t *GUEST_IN(size) bytes, int32_t size);

void guest_close(int32_t fd);

/// Another descriptor of the same file, closed on exec.
int32_t guest_duplicate(int32_t fd);

int32_t guest_set_nonblocking(int32_t fd);

/// Bytes that wait in a pipe.
int32_t guest_pending(int32_t fd);

struct guest_pair {
    int32_t result;
    int32_t first;
    int32_t second;
};

/// A pipe: the end to read, the end to write; both closed on exec.
struct guest_pair guest_pipe(void);

/// A terminal: its controlling end, and the end for the command.
struct guest_pair guest_terminal(uint16_t rows, uint16_t columns);

int32_t guest_resize(int32_t fd, uint16_t rows, uint16_t columns);

static const int32_t GUEST_READS_LINES = 1;
static const int32_t GUEST_READS_KEYS = 2;

/// How the command at a terminal reads once it has taken all that was typed; 0: it has not. `fd` is
/// the controlling end, which knows the mode; only the other one knows what is unread.
int32_t guest_reader(int32_t fd);

// Sockets; all non-blocking and closed on exec

int32_t guest_listen(uint32_t port);

/// Begins to connect; -EINPROGRESS is not reported.
int32_t guest_connect(uint32_t context, uint32_t port);

/// What became of a connection that had to wait: 0 or a negated errno.
int32_t guest_connected(int32_t fd);

/// The next connection, if it comes from `context` (any other is -EACCES) or no vsock is used.
int32_t guest_accept(int32_t fd, uint32_t context);

/// Begins to connect to a TCP port of this machine's own address, IPv4 or IPv6.
int32_t guest_connect_port(uint16_t port, int32_t is_ipv6);

/// Ends the half of a connection in which this side writes.
void guest_end_writing(int32_t fd);

/// Whether the other end of a connection takes no more.
int32_t guest_is_gone(int32_t fd);

// Events

struct guest_event {
    int32_t result;
    uint32_t events;
    uint64_t token;
};

static const uint32_t GUEST_READABLE = 0x1;
static const uint32_t GUEST_WRITABLE = 0x4;
/// Each change of what the other end of a connection has ended, told once.
static const uint32_t GUEST_PEER = 0x80002000;

int32_t guest_events(void);

/// Watches `fd` for `events`, or no more if they are zero; `known` says if it is watched already.
int32_t guest_watch(int32_t events_fd, int32_t fd, uint32_t events, int32_t known, uint64_t token);

/// Waits `timeout` milliseconds (-1: for ever) for one event; result 1 says there is one.
struct guest_event guest_wait(int32_t events_fd, int32_t timeout);

/// A descriptor that is readable when a child has ended.
int32_t guest_child_signals(void);
void guest_take_child_signals(int32_t fd);

/// Milliseconds since boot.
uint64_t guest_now(void);

// Processes

struct guest_launch {
    int32_t paths;
    int32_t arguments;
    int32_t environment;
    int32_t input;
    int32_t output;
    int32_t error_output;
    int32_t terminal;
};

struct guest_child {
    int32_t pid;
    /// With a negative pid: 1 executing, 2 entering the directory, 3 making the process.
    int32_t step;
};

/// Starts a process in its own session. `strings`: directory, candidate paths, arguments,
/// environment, as many as `launch` says. Its files are those of `launch`; a negative input is
/// /dev/null. Returns when the program runs or cannot.
struct guest_child guest_spawn(
    const uint8_t *GUEST_IN(size) strings, int32_t size, struct guest_launch launch);

/// Goes on in a process of its own, with `fd` as its only open file but the standard ones: 0 there
/// and its number here. Reads and writes of `fd` wait from now on.
int32_t guest_fork(int32_t fd);

struct guest_end {
    /// 0: nobody has ended.
    int32_t pid;
    int32_t status;
    int32_t signal;
};

struct guest_end guest_reap(void);
int32_t guest_signal_group(int32_t pid, int32_t signal);
int32_t guest_is_first_process(void);
void guest_adopt_orphans(void);

/// Fills descriptors 0, 1 and 2 where the kernel gave none; SIGPIPE is ignored from here on.
void guest_begin(void);

/// Makes `fd` descriptor 0, 1 and 2.
void guest_use_as_standard_files(int32_t fd);

// The machine

/// `strings`: source, target, type, options. Makes the target if it is not there.
int32_t guest_mount(const uint8_t *GUEST_IN(size) strings, int32_t size, uint32_t flags);

/// Makes the file system mounted at a path the root of this process and of all it starts.
/// `strings`: the path.
int32_t guest_enter_root(const uint8_t *GUEST_IN(size) strings, int32_t size);

/// Makes the root file system read-only: all that was written is on its disk, in order.
int32_t guest_seal_root(void);

/// Sends `signal` to every other process.
void guest_signal_all(int32_t signal);

/// Waits until no child is left, at most so many milliseconds.
void guest_await_all(int32_t milliseconds);

/// `strings`: one path. `writing`: to read and write, else to read; never a controlling terminal.
int32_t guest_open(const uint8_t *GUEST_IN(size) strings, int32_t size, int32_t writing);

/// `strings`: the target, the new link.
int32_t guest_symlink(const uint8_t *GUEST_IN(size) strings, int32_t size);

/// `strings`: a file in `directory`, then its further names there. Names that exist stay as they
/// are.
void guest_link_all(int32_t directory, const uint8_t *GUEST_IN(size) strings, int32_t size);

int32_t guest_load_module(int32_t fd);
int32_t guest_set_host_name(const uint8_t *GUEST_IN(size) name, int32_t size);

// Network (network.c)

int32_t guest_bring_up_interface(const uint8_t *GUEST_IN(size) name, int32_t size);

/// Interface and address, IPv4 or IPv6, in a network of `prefix` bits.
int32_t guest_add_address(const uint8_t *GUEST_IN(size) strings, int32_t size, int32_t prefix);

/// Interface, and the router to everywhere behind it.
int32_t guest_add_gateway(const uint8_t *GUEST_IN(size) strings, int32_t size);

int32_t guest_raise_file_limit(uint64_t soft, uint64_t hard);
int32_t guest_set_clock(uint64_t nanoseconds);

/// Stores `value` at a physical address, through /dev/mem.
int32_t guest_poke(uint64_t address, uint8_t value);

void guest_sync(void);

/// Restarts the machine; with `reboot=k` the kernel asks the keyboard controller for a reset.
int32_t guest_restart(void);
void guest_exit(int32_t status) __attribute__((noreturn));
