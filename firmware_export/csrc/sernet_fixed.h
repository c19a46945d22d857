/* Private to the front end: products of 32-bit fractions, with the same bits on every core. */
#ifndef SERNET_FIXED_H
#define SERNET_FIXED_H

#include <stdint.h>

/* SERNET_INLINE: for functions that get constants, so that the compiler can compute with them.
 * SERNET_APART: never inline, so that the stack memory of two such functions, called by the same
 * function, does not add up. */
#ifdef __GNUC__
#define SERNET_INLINE static inline __attribute__((always_inline))
#define SERNET_APART static __attribute__((noinline))
#else
#define SERNET_INLINE static inline
#define SERNET_APART static
#endif

#if defined(__ARM_FEATURE_DSP) && !defined(SERNET_PORTABLE)

/* a * b / 2^32, rounded to the nearest integer, halves up. */
static inline int32_t sernet_high(int32_t a, int32_t b) {
    int32_t product;
    __asm__("smmulr %0, %1, %2" : "=r"(product) : "r"(a), "r"(b));
    return product;
}

/* sum + a * b / 2^32, rounded to the nearest integer, halves up. */
static inline int32_t sernet_high_plus(int32_t sum, int32_t a, int32_t b) {
    __asm__("smmlar %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}

/* sum - a * b / 2^32: -a * b / 2^32 is rounded to the nearest integer, halves up. */
static inline int32_t sernet_high_minus(int32_t sum, int32_t a, int32_t b) {
    __asm__("smmlsr %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}

#else

#if defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__)

/* These cores have no 64-bit product: use four products of halves. */
static inline int32_t sernet_high(int32_t a, int32_t b) {
    const int32_t a_high = a >> 16, b_high = b >> 16;
    const uint32_t a_low = (uint16_t)a, b_low = (uint16_t)b;
    const int32_t first = a_high * (int32_t)b_low + (int32_t)(((a_low * b_low) >> 16) + 0x8000u);
    const int32_t second = (int32_t)a_low * b_high + (first & 0xffff);
    return a_high * b_high + (first >> 16) + (second >> 16);
}

#else

static inline int32_t sernet_high(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 31)) >> 32);
}

#endif

static inline int32_t sernet_high_plus(int32_t sum, int32_t a, int32_t b) {
    return sum + sernet_high(a, b);
}

/* b must not be INT32_MIN, which has no negation. */
static inline int32_t sernet_high_minus(int32_t sum, int32_t a, int32_t b) {
    return sum + sernet_high(a, -b);
}

#endif

/* The number of leading zero bits of x > 0. */
static inline uint32_t sernet_leading_zeros(uint32_t x) {
#ifdef __GNUC__
    return (uint32_t)__builtin_clz(x);
#else
    uint32_t count = 0;
    for (; x >> 31 == 0; x <<= 1) count++;
    return count;
#endif
}

#endif
