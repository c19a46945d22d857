/* Sums of a depthwise convolution, four channels at a time, for cores with the DSP extension: 4
 * MACs take 13 instructions.
 *
 * void sernet_depthwise_sums(const tap *taps,       words (in, weight), at least one
 *                            const tap *end,
 *                            const int8_t *in,
 *                            const int8_t *weights,
 *                            const int32_t *bias,   (quarters, 4)
 *                            int32_t *sums,         (quarters, 4)
 *                            uint32_t quarters)     at least 1
 */
#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE) && !defined(SERNET_PORTABLE)

        .syntax unified
        .thumb
#ifdef SERNET_HOT_SECTION
        .section SERNET_HOT_SECTION, "ax", %progbits
#else
        .text
#endif

        .global sernet_depthwise_sums
        .type   sernet_depthwise_sums, %function
        .thumb_func
        .balign 4
sernet_depthwise_sums:
        push    {r4-r11, lr}
        /* From sp + 36 on, the stack holds bias, sums, quarters. */
        mov     lr, r1
        mov     r1, r0
0:
        ldr     r12, [sp, #36]
        ldr     r4, [r12], #4
        ldr     r5, [r12], #4
        ldr     r6, [r12], #4
        ldr     r7, [r12], #4
        str     r12, [sp, #36]
        mov     r12, r1
1:
        ldrd    r8, r9, [r12], #8
        ldr     r8, [r2, r8]
        ldr     r9, [r3, r9]
        sxtb16  r10, r8, ror #8
        sxtb16  r8, r8
        sxtb16  r11, r9, ror #8
        sxtb16  r9, r9
        smlabb  r4, r8, r9, r4
        smlatt  r6, r8, r9, r6
        smlabb  r5, r10, r11, r5
        smlatt  r7, r10, r11, r7
        cmp     r12, lr
        bne     1b
        ldr     r12, [sp, #40]
        stm     r12!, {r4-r7}
        str     r12, [sp, #40]
        adds    r2, r2, #4
        adds    r3, r3, #4
        ldr     r12, [sp, #44]
        subs    r12, r12, #1
        str     r12, [sp, #44]
        bne     0b
        pop     {r4-r11, pc}
        .size   sernet_depthwise_sums, . - sernet_depthwise_sums

#endif

#if defined(__linux__) && defined(__ELF__)
        .section .note.GNU-stack, "", %progbits
#endif
