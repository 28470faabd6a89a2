// SPDX-License-Identifier: Apache-2.0
// What Swift's runtime and the C library are to find here instead of their own.
#define _GNU_SOURCE // memfd_create, pipe2
#include "clinux_process.h"

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
