/* Products of pairs of channels with the columns of 1, 2 or 3 positions, for Helium. A chunk of
 * 16 weights of 2 channels at 3 positions (96 MACs) takes 12 instructions.
 *
 * void sernet_dot_N(const int8_t *columns,    (N, chunks, 16)
 *                   const int8_t *weights,    (pairs, chunks, 2, 16)
 *                   uint32_t chunks,          at least 1
 *                   int32_t *sums,            (N, 16): the sums of a pair lie side by side
 *                   const int32_t *bias,      (pairs, 2)
 *                   uint32_t pairs)           at least 1
 */
#if defined(__ARM_FEATURE_MVE) && !defined(SERNET_PORTABLE)

        .syntax unified
        .thumb
#ifdef SERNET_HOT_SECTION
        .section SERNET_HOT_SECTION, "ax", %progbits
#else
        .text
#endif

        /* VMLADAVA can add only to even registers. */
        .macro position x, a, b
        vldrb.8 q2, [\x], #16
        vmladava.s8 \a, q0, q2
        vmladava.s8 \b, q1, q2
        .endm

        .macro dot positions
        .global sernet_dot_\positions
        .type   sernet_dot_\positions, %function
        .thumb_func
        .balign 4
sernet_dot_\positions:
        push    {r4-r11, lr}
        mov     r9, r2
        mov     r11, r3
        ldr     r12, [sp, #36]
        add     r5, r0, r2, lsl #4
        add     r7, r5, r2, lsl #4
        sub     sp, sp, #12
        strd    r0, r5, [sp]
        str     r7, [sp, #8]
0:
        ldrd    r3, r5, [sp]
        ldr     r7, [sp, #8]
        ldrd    r0, r2, [r12], #8
        .if \positions > 1
        mov     r4, r0
        mov     r6, r2
        .endif
        .if \positions > 2
        mov     r8, r0
        mov     r10, r2
        .endif
        dls     lr, r9
1:
        vldrb.8 q0, [r1], #16
        vldrb.8 q1, [r1], #16
        position r3, r0, r2
        .if \positions > 1
        position r5, r4, r6
        .endif
        .if \positions > 2
        position r7, r8, r10
        .endif
        le      lr, 1b
        .if \positions > 1
        strd    r4, r6, [r11, #64]
        .endif
        .if \positions > 2
        strd    r8, r10, [r11, #128]
        .endif
        strd    r0, r2, [r11], #8
        ldr     r0, [sp, #52]
        subs    r0, r0, #1
        str     r0, [sp, #52]
        bne     0b
        add     sp, sp, #12
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
