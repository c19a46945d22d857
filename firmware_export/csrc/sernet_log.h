/* Private to the front end and to the drift: logarithms. */
#ifndef SERNET_LOG_H
#define SERNET_LOG_H

#include "sernet_contract.h"
#include "sernet_fixed.h"

#define SERNET_LOG_BITS 22
#define SERNET_LOG_INDEX_BITS 5
#define SERNET_LN2_Q30 744261118

/* Splits x > 0 into mantissa / 2^31, in 1..2, and a power of two; returns the exponent. */
static inline int32_t sernet_split(uint64_t x, uint32_t *mantissa) {
    const uint32_t high = (uint32_t)(x >> 32), low = (uint32_t)x;
    if (high != 0) {
        const uint32_t zeros = sernet_leading_zeros(high);
        *mantissa = (uint32_t)(x << zeros >> 32);
        return 63 - (int32_t)zeros;
    }
    const uint32_t zeros = sernet_leading_zeros(low);
    *mantissa = low << zeros;
    return 31 - (int32_t)zeros;
}

/* ln(x * 2^exponent) for x > 0, Q22, with an error of at most 2e-7. */
static inline int32_t sernet_log(uint64_t x, int32_t exponent) {
    uint32_t mantissa;
    exponent += sernet_split(x, &mantissa);
    const uint32_t index = (mantissa >> (31 - SERNET_LOG_INDEX_BITS)) - (1u << SERNET_LOG_INDEX_BITS);
    const sernet_log_entry *entry = &sernet_log_table[index];
    /* mantissa = entry * (1 + r), |r| < 1/64; ln(1 + r) = r - r^2 (1/2 - r (1/3 - r / 4)). */
    const uint32_t product = (uint32_t)(((uint64_t)mantissa * entry->reciprocal) >> 33);
    const int32_t r = (int32_t)product - (1 << 30); /* Q30 */
    const int32_t fine = r * 32;                    /* Q35 */
    const int32_t cubic = (1 << 30) / 3 - (r >> 2);
    const int32_t square = (1 << 29) - (sernet_high(fine, cubic) >> 3);
    const int32_t series = r - (sernet_high(sernet_high(fine, fine), square) >> 6);
    const int64_t log = (int64_t)exponent * SERNET_LN2_Q30 + entry->log + series;
    return (int32_t)((log + (1 << (29 - SERNET_LOG_BITS))) >> (30 - SERNET_LOG_BITS));
}

#endif
