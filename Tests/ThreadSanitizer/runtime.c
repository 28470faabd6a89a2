// SPDX-License-Identifier: Apache-2.0
// What the thread sanitizer must be told of Swift's runtime. Linked into the tests by .ci/sanitize.
#define _GNU_SOURCE // RTLD_NEXT
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>
#include <stdint.h>

// Mutex is taken and released by instrumented code of ours, unless another thread wants it as well:
// then by these functions of libswiftSynchronization, which is not instrumented.
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *word

SWIFT void swiftlet_lock(uint32_t thread, SELF) __asm__(LOCK);
SWIFT void swiftlet_unlock(SELF) __asm__(UNLOCK);

static SWIFT void (*lock)(uint32_t thread, SELF);
static SWIFT void (*unlock)(SELF);

__attribute__((constructor)) static void find(void) {
    lock = (typeof(lock))dlsym(RTLD_NEXT, LOCK);
    unlock = (typeof(unlock))dlsym(RTLD_NEXT, UNLOCK);
}

SWIFT void swiftlet_lock(uint32_t thread, SELF) {
    lock(thread, word);
    __tsan_acquire(word);
}

SWIFT void swiftlet_unlock(SELF) {
    __tsan_release(word);
    unlock(word);
}

// The sanitizer takes a clone for a fork, and what it does in the child it would do in the memory of
// its parent, as ours share theirs until the child is another program.
int __clone(int (*run)(void *), void *stack, int flags, void *argument, ...);

int clone(int (*run)(void *), void *stack, int flags, void *argument, ...) {
    return __clone(run, stack, flags, argument);
}

// Swift 6.3.1 reports each change in place (`inout`) with this call. Where the variable is one that
// it holds in registers it passes the value for the address: two disks named "disk" seem to race for
// 0x6b736964. Loads and stores are reported for themselves.
void __wrap___tsan_external_write(void) {}
