// SPDX-License-Identifier: Apache-2.0
// What Swift's runtime and the C library are to find here instead of their own.
#define _GNU_SOURCE // memfd_create, pipe2
#include "clinux_confine.h"
#include "clinux_process.h"

#include <stdarg.h>
#include <string.h>

/// The runtime looks for its backtracer beside the program as each program starts, and without /proc,
/// as in a jail, it cannot and aborts. A static program of ours has none.
///
/// Hidden: programs that have the runtime as a shared library, as tests do, keep the runtime's own.
__attribute__((visibility("hidden"))) const char *swift_copyAuxiliaryExecutablePath(const char *name);
const char *swift_copyAuxiliaryExecutablePath(const char *name) {
    (void)name;
    return 0;
}

/// The runtime reads a program's arguments from its stack, whose place it asks /proc for: it finds none
/// without /proc, as in a jail, and with it each start pays for the list of its mappings. Programs
/// that have the runtime as a shared library keep the runtime's own, as above.
__attribute__((visibility("hidden"))) char **_swift_stdlib_getUnsafeArgvArgc(int *count);
__attribute__((visibility("hidden"))) void _swift_stdlib_overrideUnsafeArgvArgc(
    char **words, int count);

static char **arguments;
static int argument_count;

char **_swift_stdlib_getUnsafeArgvArgc(int *count) {
    *count = argument_count;
    return arguments;
}

void _swift_stdlib_overrideUnsafeArgvArgc(char **words, int count) {
    arguments = words;
    argument_count = count;
}

/// Before constructors that might ask.
__attribute__((constructor(101))) static void keep_arguments(int count, char **words) {
    _swift_stdlib_overrideUnsafeArgvArgc(words, count);
}

char *const *clinux_arguments(void) { return arguments; }

/// A static program asks /proc at its start where it lies, for libraries that it might load later:
/// ours load none. As the C library answers where there is no /proc.
__attribute__((visibility("hidden"))) const char *_dl_get_origin(void);
const char *_dl_get_origin(void) { return (const char *)-1; }

// How the monitor ends when the C library finds its heap broken, or Swift's runtime itself in a state
// that cannot be: the linker puts these in the place of the functions that they are called after
// (--wrap, in Package.swift).
//
// The library's own message has a call that threads of processors may not make, writev(2), and its
// abort(3) makes four for a signal, which the kernel then spares init(1) of a process namespace.

_Noreturn void __wrap_abort(void);
void __wrap_abort(void) { clinux_end_aborted(); }

/// The action is to end the process, or none.
void __wrap___libc_message(int action, const char *format, ...);
void __wrap___libc_message(int action, const char *format, ...) {
    // A sentence, for which `%s` stands in some.
    char message[256];
    size_t count = 0;
    va_list rest;
    va_start(rest, format);
    for (; *format && count < sizeof message; format++) {
        int is_text = format[0] == '%' && format[1] == 's';
        const char *text = is_text ? va_arg(rest, const char *) : format;
        size_t more = is_text ? strlen(text) : 1;
        if (more > sizeof message - count) more = sizeof message - count;
        memcpy(message + count, text, more);
        count += more;
        format += is_text;
    }
    va_end(rest);
    ssize_t written = write(2, message, count);
    (void)written;
    if (action) clinux_end_aborted();
}

_Noreturn void __wrap___libc_fatal(const char *message);
void __wrap___libc_fatal(const char *message) {
    ssize_t written = write(2, message, strlen(message));
    (void)written;
    clinux_end_aborted();
}
