// SPDX-License-Identifier: Apache-2.0
// The thread's floating-point environment: rounding direction and sticky exceptions.
#pragma once

#if defined(__x86_64__)

// MXCSR itself: quicker than the C library, which sees to the x87 unit as well, and with the
// denormal exception, which C does not know.

/// Direction as x86 numbers it in MXCSR.RC and the x87 control word: nearest, down, up, zero.
static inline void clinux_set_rounding(int direction) {
    unsigned control = __builtin_ia32_stmxcsr() & ~0x6000u;
    __builtin_ia32_ldmxcsr(control | (unsigned)(direction & 3) << 13);
}

/// Sticky exceptions in x86's order: invalid 0, denormal 1, divide 2, overflow 3, underflow 4,
/// inexact 5.
static inline int clinux_float_exceptions(void) { return (int)(__builtin_ia32_stmxcsr() & 0x3f); }

static inline void clinux_clear_float_exceptions(void) {
    __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() & ~0x3fu);
}

#else

#include <fenv.h>

/// Direction as x86 numbers it in MXCSR.RC and the x87 control word: nearest, down, up, zero.
static inline void clinux_set_rounding(int direction) {
    static const int modes[4] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
    fesetround(modes[direction & 3]);
}

/// Sticky exceptions in x86's order: invalid 0, (denormal 1,) divide 2, overflow 3, underflow 4, inexact 5.
static inline int clinux_float_exceptions(void) {
    int raised = fetestexcept(FE_ALL_EXCEPT);
    return (raised & FE_INVALID ? 1 : 0) | (raised & FE_DIVBYZERO ? 4 : 0) |
           (raised & FE_OVERFLOW ? 8 : 0) | (raised & FE_UNDERFLOW ? 16 : 0) |
           (raised & FE_INEXACT ? 32 : 0);
}

static inline void clinux_clear_float_exceptions(void) { feclearexcept(FE_ALL_EXCEPT); }

#endif
