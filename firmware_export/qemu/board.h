/* A bare board under QEMU, with a debugger's semihosting as its only device. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

void board_print(const char *text);

/* Prints a text, a number and the end of the line. */
void board_print_number(const char *text, int32_t number);

/* The most stack that has been in use since the start, bytes. */
uint32_t board_stack_used(void);

/* Instructions between the two are counted by icount.c on Arm; elsewhere they do nothing. */
#ifdef __riscv
#define BOARD_COUNT_START()
#define BOARD_COUNT_STOP()
#else
#define BOARD_COUNT_START() __asm volatile("mov r10, r10" ::: "memory")
#define BOARD_COUNT_STOP() __asm volatile("mov r11, r11" ::: "memory")
#endif

#endif
