// SPDX-License-Identifier: Apache-2.0
// Transcendental functions of the C library in its widest format, on numbers taken apart. The calling
// thread's floating-point environment stays as it is.
#pragma once

#include <fenv.h>
#include <math.h>
#include <stdint.h>

/// A finite number: significand · 2^exponent; exponents from -16600 to 16600.
struct clinux_real {
    uint64_t significand;
    int32_t exponent;
    int32_t negative;
};

static inline long double clinux_real_join(struct clinux_real value) {
    long double magnitude = ldexpl((long double)value.significand, value.exponent);
    return value.negative ? -magnitude : magnitude;
}

static inline struct clinux_real clinux_real_split(long double value) {
    int exponent = 0;
    long double magnitude = frexpl(fabsl(value), &exponent);
    struct clinux_real result = {(uint64_t)ldexpl(magnitude, 64), exponent - 64, signbit(value) != 0};
    return result;
}

/// Which function: of one number x, or of two, x and y.
enum clinux_function {
    CLINUX_SIN,
    CLINUX_COS,
    CLINUX_TAN,
    /// Arc tangent of y / x, in the quadrant of the point.
    CLINUX_ATAN2,
    /// 2^x - 1.
    CLINUX_EXP2M1,
    /// y * log2(x).
    CLINUX_LOG2,
    /// y * log2(x + 1).
    CLINUX_LOG2P1,
};

static inline long double clinux_evaluate(enum clinux_function function, long double x,
                                          long double y) {
    switch (function) {
    case CLINUX_SIN: return sinl(x);
    case CLINUX_COS: return cosl(x);
    case CLINUX_TAN: return tanl(x);
    case CLINUX_ATAN2: return atan2l(y, x);
    case CLINUX_EXP2M1: return expm1l(x * 0.693147180559945309417232121458176568L);
    case CLINUX_LOG2: return y * log2l(x);
    default: return y * (log1pl(x) * 1.442695040888963407359924681001892137L);
    }
}

/// Rounds to nearest. The result is finite for all arguments that the caller lets through.
static inline struct clinux_real clinux_function_of(enum clinux_function function,
                                                    struct clinux_real x, struct clinux_real y) {
    fenv_t environment;
    fegetenv(&environment);
    fesetenv(FE_DFL_ENV);
    struct clinux_real result =
        clinux_real_split(clinux_evaluate(function, clinux_real_join(x), clinux_real_join(y)));
    fesetenv(&environment);
    return result;
}
