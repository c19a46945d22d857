/* Sums of 16 channels of a depthwise convolution, for Helium: 32 MACs of two taps take 26
 * instructions. The sum of two int8 products fits 16 bits if no weight is -128.
 *
 * void sernet_depthwise_sums(const tap *taps,       words (in, weight)
 *                            uint32_t count,        at least one
 *                            const int8_t *in,
 *                            const int8_t *weights,
 *                            const int32_t *bias,   (16)
 *                            int32_t *sums)         (4, 4): every fourth channel side by side
 */
#if defined(__ARM_FEATURE_MVE) && !defined(SERNET_PORTABLE)

        .syntax unified
        .thumb
#ifdef SERNET_HOT_SECTION
        .section SERNET_HOT_SECTION, "ax", %progbits
#else
        .text
#endif

        /* Puts the addresses of a tap's input and weights into r4 and r5. */
        .macro find
        ldrd    r4, r5, [r0], #8
        add     r4, r4, r2
        add     r5, r5, r3
        .endm

        /* Adds to the sums: q6 holds products of even channels, q4 of odd channels. */
        .macro add_up
        vmovlb.s16 q5, q6
        vadd.i32 q0, q0, q5
        vmovlt.s16 q6, q6
        vadd.i32 q2, q2, q6
        vmovlb.s16 q5, q4
        vadd.i32 q1, q1, q5
        vmovlt.s16 q4, q4
        vadd.i32 q3, q3, q4
        .endm

        .global sernet_depthwise_sums
        .type   sernet_depthwise_sums, %function
        .thumb_func
        .balign 4
sernet_depthwise_sums:
        push    {r4-r6, lr}
        vpush   {d8-d15}
        ldr     r4, [sp, #80]
        ldr     r6, [sp, #84]
        vld40.32 {q0, q1, q2, q3}, [r4]
        vld41.32 {q0, q1, q2, q3}, [r4]
        vld42.32 {q0, q1, q2, q3}, [r4]
        vld43.32 {q0, q1, q2, q3}, [r4]
        tst     r1, #1
        beq     0f
        find
        vldrb.8 q4, [r4]
        vldrb.8 q5, [r5]
        vmullb.s8 q6, q4, q5
        vmullt.s8 q4, q4, q5
        add_up
0:
        lsrs    r1, r1, #1
        beq     2f
        dls     lr, r1
1:
        find
        vldrb.8 q4, [r4]
        vldrb.8 q5, [r5]
        vmullb.s8 q6, q4, q5
        vmullt.s8 q4, q4, q5
        find
        vldrb.8 q5, [r4]
        vldrb.8 q7, [r5]
        vmullt.s8 q5, q5, q7
        vadd.i16 q4, q4, q5
        vldrb.8 q5, [r4]
        vmullb.s8 q5, q5, q7
        vadd.i16 q6, q6, q5
        add_up
        le      lr, 1b
2:
        vstrw.32 q0, [r6]
        vstrw.32 q1, [r6, #16]
        vstrw.32 q2, [r6, #32]
        vstrw.32 q3, [r6, #48]
        vpop    {d8-d15}
        pop     {r4-r6, pc}
        .size   sernet_depthwise_sums, . - sernet_depthwise_sums

#endif

#if defined(__linux__) && defined(__ELF__)
        .section .note.GNU-stack, "", %progbits
#endif
