/* A bare board under QEMU; its only device is a debugger's semihosting. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

void board_print(const char *text);

/* Prints a text, a number and the end of the line. */
void board_print_number(const char *text, int32_t number);

/* Returns the most stack in use since the start, bytes. */
uint32_t board_stack_used(void);

/* On Arm, icount.c counts the instructions between these two; on other cores they do nothing. */
#ifdef __riscv
#define BOARD_COUNT_START()
#define BOARD_COUNT_STOP()
#else
#define BOARD_COUNT_START() __asm volatile("mov r10, r10" ::: "memory")
#define BOARD_COUNT_STOP() __asm volatile("mov r11, r11" ::: "memory")
#endif

#endif
