/* The output of programs that measure: lines of a name and a number. */
#ifndef MEASURE_H
#define MEASURE_H

#include "board.h"

static void print_number(const char *text, uint32_t number) {
    char digits[12], *at = digits + sizeof digits;
    *--at = '\0';
    *--at = '\n';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    board_print(text);
    board_print(at);
}

#endif
