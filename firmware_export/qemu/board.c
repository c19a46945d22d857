/* Start-up code of a Cortex-M or RISC-V core, without a vendor's files: vectors, .bss, FPU, main,
 * exit. */
#include "board.h"

#include <stddef.h>

extern uint32_t board_bss_start[], board_bss_end[], board_stack_bottom[], board_stack_top[];
int main(void);
void board_reset(void);

#define UNUSED_STACK 0xC5C5C5C5u

enum { SYS_WRITE0 = 0x04, SYS_EXIT_EXTENDED = 0x20 };

static int32_t semihosting(uint32_t operation, const void *argument) {
#ifdef __riscv
    register uint32_t a0 __asm("a0") = operation;
    register const void *a1 __asm("a1") = argument;
    /* The debugger recognises a call by these three instructions, uncompressed and on one page. */
    __asm volatile(".option push\n .option norvc\n .balign 16\n"
                   "slli zero, zero, 0x1f\n ebreak\n srai zero, zero, 7\n .option pop"
                   : "+r"(a0) : "r"(a1) : "memory");
    return (int32_t)a0;
#else
    register uint32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = argument;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory", "cc");
    return (int32_t)r0;
#endif
}

static void leave(uint32_t code) {
    const uint32_t argument[2] = {0x20026u, code}; /* ADP_Stopped_ApplicationExit */
    semihosting(SYS_EXIT_EXTENDED, argument);
    for (;;) {}
}

void board_print(const char *text) { semihosting(SYS_WRITE0, text); }

void board_print_number(const char *text, int32_t number) {
    char digits[16], *at = digits + sizeof digits;
    uint32_t rest = number < 0 ? 0u - (uint32_t)number : (uint32_t)number;
    *--at = '\0';
    *--at = '\n';
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (number < 0) *--at = '-';
    board_print(text);
    board_print(at);
}

uint32_t board_stack_used(void) {
    const uint32_t *at = board_stack_bottom;
    while (at < board_stack_top && *at == UNUSED_STACK) at++;
    return (uint32_t)(board_stack_top - at) * (uint32_t)sizeof *at;
}

__attribute__((aligned(4))) static void fault(void) {
    board_print("fault\n");
    leave(99);
}

void board_reset(void) {
#ifdef __riscv
    __asm volatile(".option arch, +zicsr\n csrw mtvec, %0" : : "r"(fault));
#endif
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* CPACR: allow FPU and Helium */
    __asm volatile("dsb\n isb");
#endif
    for (uint32_t *at = board_bss_start; at < board_bss_end; at++) *at = 0;
    /* Mark the unused stack, up to this function's own frame. */
    for (uint32_t *at = board_stack_bottom; at < (uint32_t *)__builtin_frame_address(0) - 16; at++)
        *at = UNUSED_STACK;
    leave((uint32_t)main());
}

#ifdef __riscv
__asm(".section .vectors, \"ax\"\n la sp, board_stack_top\n j board_reset\n .text");
#else
__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    board_stack_top, (void *)board_reset, (void *)fault, (void *)fault, (void *)fault,
    (void *)fault,   (void *)fault,       (void *)fault};
#endif
