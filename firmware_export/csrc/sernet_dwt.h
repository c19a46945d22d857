/* The cycle counter of Cortex-M3 and larger cores, for `cycles` in sernet_serial.h:
 *
 *     port.cycles = sernet_dwt_start() ? sernet_dwt_cycles : NULL;
 *
 * Other cores (M0, M0+, RISC-V) and QEMU have no such counter; there sernet_dwt_start returns 0. */
#ifndef SERNET_DWT_H
#define SERNET_DWT_H

#include <stdint.h>

/* Armv7-M Architecture Reference Manual (DDI 0403), sections C1.6 and C1.8; the same in Armv8-M. */
#define SERNET_DEMCR (*(volatile uint32_t *)0xE000EDFCu)      /* bit 24: trace enabled */
#define SERNET_DWT_CTRL (*(volatile uint32_t *)0xE0001000u)   /* bit 0: count; 25: no counter */
#define SERNET_DWT_CYCCNT (*(volatile uint32_t *)0xE0001004u)
#define SERNET_DWT_LAR (*(volatile uint32_t *)0xE0001FB0u)    /* a lock, on some M7 */

static inline uint32_t sernet_dwt_cycles(void) {
#if defined(__ARM_ARCH_7M__) || defined(__ARM_ARCH_7EM__) || defined(__ARM_ARCH_8M_MAIN__) ||      \
    defined(__ARM_ARCH_8_1M_MAIN__)
    return SERNET_DWT_CYCCNT;
#else
    return 0;
#endif
}

/* Starts the counter. Returns 1 if it counts, 0 if this core has no counter. */
static inline int sernet_dwt_start(void) {
#if defined(__ARM_ARCH_7M__) || defined(__ARM_ARCH_7EM__) || defined(__ARM_ARCH_8M_MAIN__) ||      \
    defined(__ARM_ARCH_8_1M_MAIN__)
    SERNET_DEMCR = SERNET_DEMCR | 1u << 24;
    SERNET_DWT_LAR = 0xC5ACCE55u;
    if (SERNET_DWT_CTRL & 1u << 25) return 0;
    SERNET_DWT_CTRL = SERNET_DWT_CTRL | 1u;
#endif
    const uint32_t before = sernet_dwt_cycles();
    /* Some instructions to count. C++20 deprecates ++ on volatile variables. */
    volatile int wait = 0;
    while (wait < 100) wait = wait + 1;
    return sernet_dwt_cycles() != before;
}

#endif
