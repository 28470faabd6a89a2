/* SPDX-License-Identifier: Apache-2.0 */

/* Prints numbers in whose making much of a processor takes part: long double (x87), double, float,
   vectors of integers, 128-bit integers, bit counts, strings. The same program must print the same
   on every processor. */

#include <complex.h>
#include <fenv.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static uint64_t state = 88172645463325252u;

static uint64_t next(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void extended(void) {
    volatile long double x = 1.5L;
    for (int i = 0; i < 50; i++) {
        x = x * 1.1L + sinl(x) / 3 - fabsl(cosl(x));
        x = fmodl(x, 1000) + 1;
    }
    printf("%.25Lg %Lg %.20Lg %La\n", x, powl(x, 2.5L), logl(x), expl(x / 100));
    long double sum = 0;
    for (int i = 1; i < 500; i++) {
        volatile long double y = i * 0.37L;
        sum += sinl(y) * cosl(y) + tanl(y / 7) + atanl(y) + expl(-y) + logl(y) + sqrtl(y);
        sum += powl(y, 1.3L) + cbrtl(y) + floorl(y) + rintl(y) + log2l(y) + log1pl(y);
        sum += expm1l(-y) + exp2l(y / 100) + atan2l(y, 3) + asinl(1 / (y + 1)) + tanhl(y);
        sum += lgammal(y) + hypotl(y, 2) + scalbnl(y, 3) + logbl(y) + remainderl(y, 2.1L);
        sum += nearbyintl(y) + truncl(-y) + roundl(y);
    }
    printf("%.25Lg\n", sum);
    volatile long double half = 2.5L, large = 1.8e19L;
    printf("%lld %llu %d %ld\n", llrintl(half), (unsigned long long)large, (int)-half, lroundl(half));
    printf("%Lg %.30Lg\n", strtold("1e4932", 0), strtold("0.1", 0));
}

static void doubles(void) {
    double sum = 0;
    for (int i = 1; i < 2000; i++) {
        volatile double d = i * 0.37;
        sum += sin(d) * cos(d) + tan(d / 7) + atan(d) + exp(-d) + log(d) + sqrt(d) + pow(d, 1.3);
        sum += cbrt(d) + fma(d, d, 1) + floor(d) + round(d) + rint(d) + erf(d / 1000) + j0(d);
        sum += tgamma(1 + d / 1000);
    }
    float single = 0;
    for (int i = 1; i < 2000; i++) {
        volatile float f = i;
        single += sinf(f * .1f) * powf(f, .3f) + expf(-f) + logf(f) + sqrtf(f);
    }
    double complex z = cexp(1 + 2 * I) * csqrt(-3 + 4 * I);
    printf("%.17g %.9g %.17g %.17g\n", sum, single, creal(z), cimag(z));
    static const int modes[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
    for (int i = 0; i < 4; i++) {
        fesetround(modes[i]);
        volatile double one = 1, three = -3, tiny = 1e-310;
        volatile long double ten = 10;
        printf("%a %a %a %La ", one / three, sqrt(-three), tiny * .3, 1 / ten);
        printf("%ld %d\n", lrint(three * .5), fetestexcept(FE_ALL_EXCEPT));
    }
    fesetround(FE_TONEAREST);
    volatile double zero = 0;
    printf("%g %g %g %d\n", 1 / zero, -1 / zero, fmin(NAN, 3), fpclassify(1e-310));
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void integers(void) {
    static double values[5000];
    for (int i = 0; i < 5000; i++) values[i] = (double)(int64_t)next() / 1e18;
    qsort(values, 5000, sizeof *values, compare);
    printf("%.17g %.17g %.17g\n", values[0], values[2500], values[4999]);
    __int128 wide = ((__int128)next() << 60) + 12345;
    printf("%llx %llx\n", (long long)(wide / 987654321987), (long long)(wide % 987654321987));
    uint32_t hash = 0;
    for (int i = 0; i < 100000; i++) {
        hash = hash * 31 + (uint32_t)(next() >> 32);
        hash ^= hash >> 15;
        hash = hash << 7 | hash >> 25;
        hash += __builtin_popcount(hash) + __builtin_ctz(hash | 1) + __builtin_clz(hash | 1);
    }
    static int16_t words[1024];
    static uint8_t bytes[1024];
    for (int i = 0; i < 1024; i++) {
        words[i] = (int16_t)next();
        bytes[i] = (uint8_t)next();
    }
    long sum = 0;
    for (int round = 0; round < 9; round++) {
        for (int i = 0; i < 1024; i++) {
            words[i] = words[i] * 3 + bytes[i];
            bytes[i] = bytes[i] > words[i] ? bytes[i] - round : words[i] >> 3;
            sum += abs(words[i]);
        }
    }
    printf("%u %ld\n", hash, sum);
}

static void strings(void) {
    printf("%s %5d|%-8x|%+.3e|%010.4f|%c\n", "text", 42, 255, 12345.678, -3.14159, 'x');
    printf("%d %g %ld\n", atoi("123"), strtod("1.7976931348623157e308", 0), strtol("-0x7f", 0, 16));
    const char *hay = "the needle in the haystack";
    printf("%zu %s %d\n", strlen(hay), strstr(hay, "hay"), strcasecmp("SAME", "same"));
    time_t then = 1700000000;
    printf("%s", asctime(gmtime(&then)));
}

int main(void) {
    extended();
    doubles();
    integers();
    strings();
    return 0;
}
