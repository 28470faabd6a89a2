// SPDX-License-Identifier: Apache-2.0
#include "allocations.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

static _Thread_local long count;

// Swift Testing notes where each error is thrown, which allocates; what it does there is not the
// thrower's. The runtime calls this hook at each typed throw.
typedef void throw_hook(void *value, const void *type, const void *conformance);
extern _Atomic(throw_hook *) _swift_willThrowTypedImpl __attribute__((weak));
static _Atomic(throw_hook *) noting;

static void note_uncounted(void *value, const void *type, const void *conformance) {
    long before = count;
    throw_hook *hook = atomic_load(&noting);
    if (hook) hook(value, type, conformance);
    count = before;
}

long allocations_of_this_thread(void) {
    if (&_swift_willThrowTypedImpl) {
        throw_hook *hook = atomic_load(&_swift_willThrowTypedImpl);
        if (hook && hook != note_uncounted) {
            atomic_store(&noting, hook);
            atomic_store(&_swift_willThrowTypedImpl, note_uncounted);
        }
    }
    return count;
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_OWN_ALLOCATOR 1
#endif
#endif

#if defined(__GLIBC__) && !defined(HAS_OWN_ALLOCATOR)
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t number, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
    count++;
    return __libc_malloc(size);
}
void *calloc(size_t number, size_t size) {
    count++;
    return __libc_calloc(number, size);
}
void *realloc(void *old, size_t size) {
    count++;
    return __libc_realloc(old, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
    count++;
    return __libc_memalign(alignment, size);
}
void *memalign(size_t alignment, size_t size) {
    count++;
    return __libc_memalign(alignment, size);
}
int posix_memalign(void **result, size_t alignment, size_t size) {
    count++;
    void *made = __libc_memalign(alignment, size);
    if (!made) return ENOMEM;
    *result = made;
    return 0;
}
#endif
