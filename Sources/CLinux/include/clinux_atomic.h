// SPDX-License-Identifier: Apache-2.0
// Volatile and atomic access to memory that another party changes: guest RAM, rings, flags.
// Swift's plain loads may be merged, split or repeated by the optimizer; these may not.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CLINUX_ATOMIC(BITS, TYPE)                                                                  \
    static inline __attribute__((always_inline)) TYPE clinux_load##BITS(const void *p) {           \
        return __atomic_load_n((const TYPE *)p, __ATOMIC_RELAXED);                                 \
    }                                                                                              \
    static inline __attribute__((always_inline)) TYPE clinux_load_acquire##BITS(const void *p) {   \
        return __atomic_load_n((const TYPE *)p, __ATOMIC_ACQUIRE);                                 \
    }                                                                                              \
    static inline __attribute__((always_inline)) void clinux_store##BITS(void *p, TYPE v) {        \
        __atomic_store_n((TYPE *)p, v, __ATOMIC_RELAXED);                                          \
    }                                                                                              \
    static inline __attribute__((always_inline)) void clinux_store_release##BITS(void *p, TYPE v) { \
        __atomic_store_n((TYPE *)p, v, __ATOMIC_RELEASE);                                          \
    }                                                                                              \
    static inline __attribute__((always_inline)) TYPE clinux_exchange##BITS(void *p, TYPE v) {     \
        return __atomic_exchange_n((TYPE *)p, v, __ATOMIC_SEQ_CST);                                \
    }                                                                                              \
    static inline __attribute__((always_inline)) TYPE clinux_or##BITS(void *p, TYPE v) {           \
        return __atomic_fetch_or((TYPE *)p, v, __ATOMIC_SEQ_CST);                                  \
    }                                                                                              \
    static inline __attribute__((always_inline)) TYPE clinux_and##BITS(void *p, TYPE v) {          \
        return __atomic_fetch_and((TYPE *)p, v, __ATOMIC_SEQ_CST);                                 \
    }                                                                                              \
    static inline __attribute__((always_inline)) TYPE clinux_add##BITS(void *p, TYPE v) {          \
        return __atomic_fetch_add((TYPE *)p, v, __ATOMIC_SEQ_CST);                                 \
    }                                                                                              \
    /* The value found; the store happened if it equals `expected`. */                             \
    static inline __attribute__((always_inline)) TYPE clinux_cas##BITS(                            \
        void *p, TYPE expected, TYPE desired) {                                                    \
        __atomic_compare_exchange_n(                                                               \
            (TYPE *)p, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);             \
        return expected;                                                                           \
    }

CLINUX_ATOMIC(8, uint8_t)
CLINUX_ATOMIC(16, uint16_t)
CLINUX_ATOMIC(32, uint32_t)
CLINUX_ATOMIC(64, uint64_t)

/// Compares and exchanges 16 bytes at a 16-byte boundary; what was found is left in `found`.
#if defined(__x86_64__)
__attribute__((target("cx16")))
#endif
static inline bool clinux_cas128(void *p, uint64_t found[2], uint64_t low, uint64_t high) {
    unsigned __int128 expected = (unsigned __int128)found[1] << 64 | found[0];
    unsigned __int128 desired = (unsigned __int128)high << 64 | low;
    unsigned __int128 seen =
        __sync_val_compare_and_swap((unsigned __int128 *)p, expected, desired);
    found[0] = (uint64_t)seen;
    found[1] = (uint64_t)(seen >> 64);
    return seen == expected;
}

static inline __attribute__((always_inline)) void clinux_fence(void) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
static inline __attribute__((always_inline)) void clinux_fence_acquire(void) {
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
}
static inline __attribute__((always_inline)) void clinux_fence_release(void) {
    __atomic_thread_fence(__ATOMIC_RELEASE);
}
