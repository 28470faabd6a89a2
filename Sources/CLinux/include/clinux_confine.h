// SPDX-License-Identifier: Apache-2.0
// What a process gives up before it runs a guest. Bodies are in confine.c and syscalls.c.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// Name of a system call of this architecture, or "unknown".
const char *clinux_syscall_name(int number);
/// Its number, or -1.
int clinux_syscall_number(const char *name);
/// The value of a constant that policies may name; 0 if there is none of that name.
int clinux_policy_symbol(const char *name, uint64_t *value);

/// Status of a process that made a system call which its filter forbids.
static const int CLINUX_BAD_SYSCALL = 148;
/// AUDIT_ARCH of this program.
extern const uint32_t clinux_audit_arch;
/// Where the sentence about a forbidden system call goes, besides standard error.
void clinux_report_violations(int log);

/// Ends the process with 148 and one sentence at any forbidden system call from now on.
int clinux_seccomp_watch(void);
/// From now on a signal that ends the process does so with a status of its own, after one sentence.
int clinux_watch_ends(void);
/// Ends the process as SIGABRT does then, by no signal.
_Noreturn void clinux_end_aborted(void);

/// Holds SIGTERM, SIGINT and SIGHUP back from this thread and those that it makes, until one of them
/// admits them. The first is noted then and wakes the eventfd `wake`; `seconds` later the process ends
/// with status 0, or `hung_up` after SIGHUP.
int clinux_hold_requests(int wake, int seconds, int hung_up);
/// Lets this thread take what has been held back.
void clinux_admit_requests(void);
/// Which signal was noted, or 0.
int clinux_request(void);
/// Sleeps for ever.
_Noreturn void clinux_await_requests(void);

/// Lets faults of the program's code map 16 KiB at a time.
void clinux_divide_code(void);
/// Adds a filter to this thread. Each instruction is a struct sock_filter in 8 bytes; `role` names the
/// thread in the sentence and must live for ever.
int clinux_seccomp_install(const uint64_t *instructions, size_t count, const char *role);

/// Adds to `ruleset` what stays allowed at `path` and below it. A path that is not there is no error.
int clinux_landlock_add(int ruleset, const char *path, uint64_t access);
/// A ruleset that handles all these rights; `net` and `scope` are left out where the kernel has none.
int clinux_landlock_create(uint64_t files, uint64_t net, uint64_t scope);
int clinux_landlock_restrict(int ruleset);

/// All threads share one heap. One of its own looks into /proc as it shrinks.
int clinux_one_heap(void);
int clinux_no_new_privileges(void);
/// All capabilities of this thread, for ever after ``clinux_no_new_privileges``.
int clinux_drop_capabilities(void);
/// No core file, and nobody but root may look into the process.
int clinux_hide_process(void);
/// An empty environment, in memory too.
void clinux_clear_environment(void);
/// Closes all descriptors but those in `kept`, which is sorted. What stays becomes close-on-exec.
int clinux_close_descriptors(const int *kept, size_t count);
