// SPDX-License-Identifier: Apache-2.0
// What Swift's runtime is to find here instead of its own.

/// The runtime looks for its backtracer beside the program as each program starts, and without /proc,
/// as in a jail, it cannot and aborts. A static program of ours has none.
///
/// Hidden: programs that have the runtime as a shared library, as tests do, keep the runtime's own.
__attribute__((visibility("hidden"))) const char *swift_copyAuxiliaryExecutablePath(const char *name);
const char *swift_copyAuxiliaryExecutablePath(const char *name) {
    (void)name;
    return 0;
}

void _swift_stdlib_overrideUnsafeArgvArgc(char **words, int count);

/// The runtime reads a program's arguments from /proc, and finds none without it.
__attribute__((constructor)) static void tell_arguments(int count, char **words) {
    _swift_stdlib_overrideUnsafeArgvArgc(words, count);
}
