/* Products of a pair of channels with the columns of 1, 2 or 3 positions, for cores with the
 * DSP extension. C compilers run out of registers here. This code uses all fourteen: a group of 4
 * weights of 2 channels at 3 positions (24 MACs) takes 18 instructions.
 *
 * A weight w of the first channel and v of the second are one number, 256 w + v. Its products sum up
 * to 256 W + V, and the products of its low byte, which is v, to V. The difference gives W, modulo
 * 2^24.
 *
 * void sernet_dot_N(const int16_t *columns,   (groups, N, 4), each 4 in the order 0 2 1 3
 *                   const int8_t *weights,    (pairs, groups, 4), 256 w + v, in that order, with
 *                                             `skip` bytes between pairs
 *                   uint32_t groups,          at least 1; no W reaches 2^23 or -2^23
 *                   int32_t *sums,            (N, 16): the sums of a pair lie side by side
 *                   const int32_t *bias,      (pairs, 2); may be `sums`
 *                   uint32_t pairs,           at least 1
 *                   uint32_t skip)
 */
#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE) && !defined(SERNET_PORTABLE)

        .syntax unified
        .thumb
#ifdef SERNET_HOT_SECTION
        .section SERNET_HOT_SECTION, "ax", %progbits
#else
        .text
#endif

        /* Adds the products of two words of a column with the numbers r8, r9 and with their low
         * bytes r10, r11. */
        .macro position a, b
        ldrd    r12, lr, [r0], #8
        smlad   \a, r12, r8, \a
        smlad   \b, r12, r10, \b
        smlad   \a, lr, r9, \a
        smlad   \b, lr, r11, \b
        .endm

        /* All instructions have four bytes; the jump into the loop below relies on it. */
        .macro group positions
        ldrd    r8, r9, [r1], #8
        sxtb16  r10, r8
        sxtb16  r11, r9
        position r2, r3
        .if \positions > 1
        position r4, r5
        .endif
        .if \positions > 2
        position r6, r7
        .endif
        .endm

        /* Turns a = 256 W + V and b = V, both with the second channel's bias, into the two sums. r8
         * holds the first channel's bias. */
        .macro part a, b
        sub     \a, \a, \b
        add     \a, r8, \a, asr #8
        .endm

        .macro dot positions
        .global sernet_dot_\positions
        .type   sernet_dot_\positions, %function
        .thumb_func
        .balign 4
sernet_dot_\positions:
        push    {r4-r11, lr}
        /* From sp on, the stack holds four words: the columns; their end; the address at which the
         * loop starts, so that its first pass does groups % 4 groups; sums. Then come the pushed
         * registers, and from sp + 52 on bias, pairs and skip. */
        mov     r12, #(8 * \positions)
        mla     r5, r2, r12, r0
        rsb     r6, r2, #0
        and     r6, r6, #3
        mov     lr, #(12 + 20 * \positions)
        mul     r6, r6, lr
        adr     lr, 1f
        add     r6, r6, lr
        orr     r6, r6, #1
        sub     sp, sp, #16
        strd    r0, r5, [sp]
        strd    r6, r3, [sp, #8]
0:
        ldr     r12, [sp, #52]
        ldr     r3, [r12, #4]
        mov     r2, r3
        .if \positions > 1
        mov     r4, r3
        mov     r5, r3
        .endif
        .if \positions > 2
        mov     r6, r3
        mov     r7, r3
        .endif
        ldr     r12, [sp, #8]
        bx      r12
        .balign 4
1:
        group   \positions
        group   \positions
        group   \positions
        group   \positions
        ldr     r12, [sp, #4]
        cmp     r0, r12
        bcc.w   1b
        ldr     r12, [sp, #52]
        ldr     r8, [r12], #8
        str     r12, [sp, #52]
        ldr     r12, [sp, #12]
        part    r2, r3
        .if \positions > 1
        part    r4, r5
        strd    r4, r5, [r12, #64]
        .endif
        .if \positions > 2
        part    r6, r7
        strd    r6, r7, [r12, #128]
        .endif
        strd    r2, r3, [r12], #8
        str     r12, [sp, #12]
        ldr     r0, [sp]
        ldr     r2, [sp, #60]
        add     r1, r1, r2
        ldr     r12, [sp, #56]
        subs    r12, r12, #1
        str     r12, [sp, #56]
        bne.w   0b
        add     sp, sp, #16
        pop     {r4-r11, pc}
        .size   sernet_dot_\positions, . - sernet_dot_\positions
        .endm

        dot     1
        dot     2
        dot     3

#endif

#if defined(__linux__) && defined(__ELF__)
        .section .note.GNU-stack, "", %progbits
#endif
