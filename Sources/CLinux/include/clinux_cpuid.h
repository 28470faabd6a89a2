// SPDX-License-Identifier: Apache-2.0
// What this machine's own processor says of itself; zeros where it is no x86 processor.
#pragma once

#include <stdint.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

struct clinux_cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct clinux_cpuid clinux_cpuid(uint32_t leaf, uint32_t index) {
    struct clinux_cpuid answer = {0, 0, 0, 0};
#if defined(__x86_64__)
    __cpuid_count(leaf, index, answer.eax, answer.ebx, answer.ecx, answer.edx);
#endif
    return answer;
}
