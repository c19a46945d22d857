/* Prints a line "text number", on a PC or through a debugger's semihosting. */
#ifndef REPORT_H
#define REPORT_H

#include <stdint.h>

#ifdef SERNET_BARE_METAL
#include "board.h"

static void report_number(const char *text, int32_t number) {
    char digits[16], *at = digits + sizeof digits;
    uint32_t rest = number < 0 ? 0u - (uint32_t)number : (uint32_t)number;
    *--at = '\0';
    *--at = '\n';
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0 && at > digits + 1);
    if (number < 0) *--at = '-';
    board_print(text);
    board_print(at);
}
#else
#include <stdio.h>

static void report_number(const char *text, int32_t number) { printf("%s%ld\n", text, (long)number); }
#endif

#endif
